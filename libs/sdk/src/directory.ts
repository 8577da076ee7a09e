/*
 * Directories: every file of a tree is stored as a file (in parts when it is large, encrypted when asked), and one more
 * file names them all; its root is the directory's handle (storage-rpc section 12).
 */
import { CodedError, type DataRoot } from '@cairn/base';
import {
  BUNDLE_HEADER_BYTES,
  bundleIndexBytes,
  compareNames,
  DIRECTORY_BYTES_MAX,
  type DirectoryEntry,
  type DirectoryFile,
  type DirectoryFolder,
  decodeBundle,
  decodeDirectory,
  encodeDirectory,
  isDirectoryHeader,
} from '@cairn/protocol';
import { checkCodedSize } from './coded/upload-coded.ts';
import type { DownloadDeps } from './download.ts';
import { downloadStream, type StreamOptions, type StreamResult } from './download-stream.ts';
import { BytesSink, bytesSource, sliceSource, type UploadSource } from './source.ts';
import { checkNotEmpty, type UploadDeps, type UploadResult } from './upload.ts';
import { type UploadManyOptions, uploadMany, uploadTotals } from './upload-many.ts';

export type OpenSource = UploadSource & Partial<AsyncDisposable>;
/** An entry to store; `path` is relative, its parts joined by `/`. */
export type DirectoryInput =
  | { type: 'directory'; path: string }
  | { type: 'symbolic'; path: string; link: string }
  | { type: 'file'; path: string; size: number; open(): Promise<OpenSource> };

export type StreamUploadOptions = UploadManyOptions & {
  /** Larger streams are stored in parts of this many bytes, a multiple of 256 KiB; default 4 GiB. */
  fragmentBytes?: number | undefined;
  /** Wraps every source, to encrypt it. */
  wrap?: ((source: UploadSource) => Promise<UploadSource>) | undefined;
};
export type DirectoryResult = {
  /** The directory's handle. */
  root: DataRoot;
  files: number;
  /** Plaintext bytes of all files. */
  bytes: number;
  sentBytes: number;
  feeWei: bigint;
  tree: DirectoryFolder;
};
export type StreamUploadResult = { size: number; parts: UploadResult[] };

const FRAGMENT_BYTES = 4 * 1024 ** 3;
const SEGMENT_BYTES = 256 * 1024;

/** Stores one stream, in parts when it is larger than a fragment. */
export async function uploadStream(
  deps: UploadDeps,
  source: UploadSource,
  options: StreamUploadOptions,
): Promise<StreamUploadResult> {
  checkNotEmpty(source);
  const { wrap, fragmentBytes, ...rest } = options;
  const stream = wrap ? await wrap(source) : source;
  if (rest.code !== undefined) checkCodedSize(stream.size);
  const ranges = partsOf(stream.size, fragmentBytes);
  const parts = await uploadMany(
    deps,
    ranges.length,
    async (i) => sliceSource(stream, ...ranges[i]!),
    rest,
  );
  return { size: stream.size, parts };
}

/** [start, end) of the parts of a stream. Throws `SDK_FRAGMENT` for a fragment that is not whole segments. */
export function partsOf(size: number, fragmentBytes = FRAGMENT_BYTES): [number, number][] {
  if (!Number.isSafeInteger(fragmentBytes) || fragmentBytes < 1 || fragmentBytes % SEGMENT_BYTES)
    throw new CodedError({
      code: 'SDK_FRAGMENT',
      kind: 'invalid',
      message: `a part has a multiple of 262144 bytes, not ${fragmentBytes}`,
    });
  const out: [number, number][] = [];
  for (let at = 0; at < size; at += fragmentBytes)
    out.push([at, Math.min(size, at + fragmentBytes)]);
  return out;
}

/** Stores a tree of files, then the file that names them. */
export async function uploadDirectory(
  deps: UploadDeps,
  inputs: readonly DirectoryInput[],
  options: StreamUploadOptions,
): Promise<DirectoryResult> {
  const { wrap, fragmentBytes, onFile, ...rest } = options;
  const top: DirectoryFolder = { type: 'directory', name: '/', entries: [] };
  const jobs: { file: DirectoryFile; open: () => Promise<OpenSource>; part: [number, number] }[] =
    [];
  const overhead = wrap ? (await wrap(bytesSource(new Uint8Array(1)))).size - 1 : 0;
  for (const { file, open } of treeOfInputs(top, inputs))
    for (const part of partsOf(file.size + overhead, fragmentBytes))
      jobs.push({ file, open, part });
  const results = await uploadMany(
    deps,
    jobs.length,
    async (i) => {
      const { file, open, part } = jobs[i]!;
      const plain = await openUnchanged(file, open);
      const source = sliceSource(wrap ? await wrap(plain) : plain, ...part);
      return {
        size: source.size,
        read: (start, end) => source.read(start, end),
        ...(source.segmentRoots ? { segmentRoots: (o) => source.segmentRoots!(o) } : {}),
        [Symbol.asyncDispose]: async () => plain[Symbol.asyncDispose]?.(),
      };
    },
    { ...rest, ...(onFile ? { onFile } : {}) },
  );
  for (const [i, result] of results.entries()) jobs[i]!.file.roots.push(result.root as DataRoot);
  const metadata = bytesSource(encodeDirectory(top));
  const stored = await uploadStream(deps, metadata, { ...rest, wrap });
  const { sentBytes, feeWei } = uploadTotals([...results, ...stored.parts]);
  const files = new Set(jobs.map((job) => job.file));
  return {
    root: stored.parts[0]!.root as DataRoot,
    files: inputs.filter((input) => input.type === 'file').length,
    bytes: [...files].reduce((sum, file) => sum + file.size, 0),
    sentBytes,
    feeWei,
    tree: top,
  };
}

/** A file of a tree that is stored, and how its bytes are read. */
export type TreeJob = { file: DirectoryFile; open: () => Promise<OpenSource> };

/** Fills `top` with entries for the inputs; returns those that have bytes, by path. Throws `SDK_DIRECTORY` for a path named twice. */
export function treeOfInputs(top: DirectoryFolder, inputs: readonly DirectoryInput[]): TreeJob[] {
  const jobs: TreeJob[] = [];
  for (const input of [...inputs].sort((a, b) => compareNames(a.path, b.path))) {
    const entry = place(top, input);
    if (input.type === 'file' && entry.type === 'file' && input.size > 0)
      jobs.push({ file: entry, open: input.open });
  }
  return jobs;
}

/** Opens a file of a tree. Throws `SDK_FILE_CHANGED` when its size is no longer that of the entry. */
export async function openUnchanged(
  file: DirectoryFile,
  open: () => Promise<OpenSource>,
): Promise<OpenSource> {
  const source = await open();
  if (source.size === file.size) return source;
  await source[Symbol.asyncDispose]?.();
  throw new CodedError({
    code: 'SDK_FILE_CHANGED',
    kind: 'conflict',
    message: `${file.name} changed its size while it was stored`,
  });
}

/**
 * The tree that a root names: of a directory, or of a bundle, whose files then say where in it they begin. Throws
 * `PROTOCOL_DIRECTORY` when the root is of neither, `PROTOCOL_BUNDLE` when an index is not sound.
 */
export async function readDirectory(
  deps: DownloadDeps,
  root: string,
  options: Pick<StreamOptions, 'signal' | 'decrypt'>,
): Promise<DirectoryFolder> {
  const read = async (end: number): Promise<{ bytes: Uint8Array; stored: StreamResult }> => {
    const sink = new BytesSink(end);
    const stored = await downloadStream(deps, [root], sink, {
      ...options,
      range: { start: 0, end },
    });
    return { bytes: sink.bytes.subarray(0, Math.min(end, stored.size)), stored };
  };
  // A segment is verified whole anyway, and most trees fit into the first.
  const { bytes: head, stored } = await read(SEGMENT_BYTES);
  const indexBytes = bundleIndexBytes(head);
  if (indexBytes !== undefined) {
    const end = BUNDLE_HEADER_BYTES + indexBytes;
    const bytes = end <= head.length || end > stored.size ? head : (await read(end)).bytes;
    return decodeBundle(bytes, { root: stored.root, size: stored.size });
  }
  if (stored.size > DIRECTORY_BYTES_MAX)
    throw new CodedError({
      code: 'PROTOCOL_DIRECTORY',
      kind: 'invalid',
      message: `directory metadata: ${stored.size} bytes is too much`,
    });
  return decodeDirectory(
    stored.size <= head.length || !isDirectoryHeader(head) ? head : (await read(stored.size)).bytes,
  );
}

/** Puts an entry into the tree, making the folders on its path. */
function place(top: DirectoryFolder, input: DirectoryInput): DirectoryEntry {
  const names = input.path.split('/');
  const name = names.pop()!;
  let folder = top;
  for (const part of names) {
    let next = folder.entries.find((entry) => entry.name === part);
    if (!next) {
      next = { type: 'directory', name: part, entries: [] };
      folder.entries.push(next);
    }
    if (next.type !== 'directory') throw doubled(input.path);
    folder = next;
  }
  const known = folder.entries.find((entry) => entry.name === name);
  if (known?.type === 'directory' && input.type === 'directory') return known;
  if (known) throw doubled(input.path);
  const entry: DirectoryEntry =
    input.type === 'file'
      ? { type: 'file', name, roots: [], size: input.size }
      : input.type === 'symbolic'
        ? { type: 'symbolic', name, link: input.link }
        : { type: 'directory', name, entries: [] };
  folder.entries.push(entry);
  return entry;
}

function doubled(path: string): CodedError {
  return new CodedError({
    code: 'SDK_DIRECTORY',
    kind: 'invalid',
    message: `${path} is named twice, or is both a file and a folder`,
  });
}
