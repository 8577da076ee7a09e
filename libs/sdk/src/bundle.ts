/*
 * Bundles: many small files as members of one file (libs/protocol/src/bundle.ts has the format, docs/bundles.md the reasons). A thousand
 * files cost one submission instead of a thousand, and each is read and proven by root and path like a range of the bundle.
 */
import { CodedError, type DataRoot } from '@cairn/base';
import {
  type BundleLayout,
  type DirectoryFile,
  type DirectoryFolder,
  layoutBundle,
} from '@cairn/protocol';
import {
  type DirectoryInput,
  type DirectoryResult,
  type OpenSource,
  openUnchanged,
  type StreamUploadOptions,
  type TreeJob,
  treeOfInputs,
  uploadStream,
} from './directory.ts';
import { BytesSink, type DownloadSink, type UploadSource } from './source.ts';
import type { UploadDeps, UploadResult } from './upload.ts';
import { uploadTotals } from './upload-many.ts';

export type BundleResult = DirectoryResult & {
  /** What became of the bundle's own bytes. */
  stored: UploadResult;
};

/** Largest bundle: one part of a file. */
export const BUNDLE_BYTES_MAX: number = 4 * 1024 ** 3;

/**
 * Stores a tree of files as one. Throws `SDK_BUNDLE_SIZE` for more than 4 GiB, `SDK_CODE_SIZE` for a coded bundle below 8 MiB,
 * `SDK_FILE_CHANGED`, and what an upload throws.
 */
export async function uploadBundle(
  deps: UploadDeps,
  inputs: readonly DirectoryInput[],
  options: Omit<StreamUploadOptions, 'fragmentBytes'>,
): Promise<BundleResult> {
  const tree: DirectoryFolder = { type: 'directory', name: '/', entries: [] };
  const jobs = treeOfInputs(tree, inputs);
  const layout = layoutBundle(tree);
  if (layout.size > BUNDLE_BYTES_MAX)
    throw new CodedError({
      code: 'SDK_BUNDLE_SIZE',
      kind: 'invalid',
      message: `a bundle of ${layout.size} bytes is too large (4 GiB at most)`,
      hint: 'store the folder without --bundle, or in several bundles',
      details: { bytes: layout.size, bytesMax: BUNDLE_BYTES_MAX },
    });
  await using source = new BundleSource(layout, jobs);
  // One more segment than the largest bundle, for the header of an encrypted one: always one part.
  const fragmentBytes = BUNDLE_BYTES_MAX + 256 * 1024;
  const { parts } = await uploadStream(deps, source, { ...options, fragmentBytes });
  const stored = parts[0]!;
  const root = stored.root as DataRoot;
  for (const { file, start } of layout.members) Object.assign(file, { roots: [root], start });
  const { sentBytes, feeWei } = uploadTotals(parts);
  return {
    root,
    files: inputs.filter((input) => input.type === 'file').length,
    bytes: layout.members.reduce((sum, { file }) => sum + file.size, 0),
    sentBytes,
    feeWei,
    tree,
    stored,
  };
}

/** Members that are open at once; the one that was not used longest is closed for the next. */
const OPEN_MAX = 32;

type Opened = { source: Promise<OpenSource>; users: number };

/** The bytes of a bundle, made of its members while they are read. */
export class BundleSource implements UploadSource, AsyncDisposable {
  readonly size: number;
  readonly #layout: BundleLayout;
  readonly #open: ReadonlyMap<DirectoryFile, () => Promise<OpenSource>>;
  readonly #opened = new Map<number, Opened>();

  constructor(layout: BundleLayout, jobs: readonly TreeJob[]) {
    this.#layout = layout;
    this.size = layout.size;
    this.#open = new Map(jobs.map(({ file, open }) => [file, open]));
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const out = new Uint8Array(end - start);
    await this.readInto(start, out);
    return out;
  }

  async readInto(start: number, target: Uint8Array): Promise<void> {
    const { head, members } = this.#layout;
    const end = start + target.length;
    target.fill(0); // what stands between members
    if (start < head.length) target.set(head.subarray(start, Math.min(end, head.length)));
    for (let i = this.#firstAfter(start); i < members.length; i++) {
      const { file, start: at } = members[i]!;
      if (at >= end) return;
      const from = Math.max(start, at);
      const to = Math.min(end, at + file.size);
      const part = target.subarray(from - start, to - start);
      await this.#with(i, async (source) => {
        if (source.readInto) await source.readInto(from - at, part);
        else part.set(await source.read(from - at, to - at));
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const index of [...this.#opened.keys()]) await this.#close(index);
  }

  /** The first member that ends behind `position`. */
  #firstAfter(position: number): number {
    const { members } = this.#layout;
    let [low, high] = [0, members.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { file, start } = members[middle]!;
      if (start + file.size > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async #with(index: number, run: (source: OpenSource) => Promise<void>): Promise<void> {
    let opened = this.#opened.get(index);
    if (!opened) {
      const { file } = this.#layout.members[index]!;
      opened = { source: openUnchanged(file, this.#open.get(file)!), users: 0 };
    }
    this.#opened.delete(index);
    this.#opened.set(index, opened); // the newest is last
    opened.users++;
    try {
      await run(await opened.source);
    } finally {
      opened.users--;
      for (const [old, { users }] of this.#opened) {
        if (this.#opened.size <= OPEN_MAX) break;
        if (users === 0) await this.#close(old);
      }
    }
  }

  async #close(index: number): Promise<void> {
    const opened = this.#opened.get(index);
    this.#opened.delete(index);
    const source = await opened?.source.catch(() => undefined); // who asked for it has the error
    await source?.[Symbol.asyncDispose]?.();
  }
}

/** Bytes fetched at once for members that follow each other. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Reads members of one bundle in the order of their places. Small neighbours share a window, so that a segment is fetched
 * once and not for each of them; what is larger goes straight to its sink.
 */
export class MemberReader {
  readonly #fetch: FetchRange;
  #window: { start: number; bytes: Uint8Array } | undefined;

  constructor(fetch: FetchRange) {
    this.#fetch = fetch;
  }

  /** Writes a member's bytes to the sink, from offset 0 on. */
  async copy(member: { start: number; size: number }, sink: DownloadSink): Promise<void> {
    const { start, size } = member;
    const end = start + size;
    if (size >= WINDOW_BYTES) {
      const shifted = {
        write: (offset: number, bytes: Uint8Array) => sink.write(offset - start, bytes),
      };
      await this.#fetch({ start, end }, shifted);
      return;
    }
    for (let at = start; at < end; ) {
      const window = await this.#windowAt(at);
      const to = Math.min(end, window.start + WINDOW_BYTES);
      await sink.write(at - start, window.bytes.subarray(at - window.start, to - window.start));
      at = to;
    }
  }

  async #windowAt(position: number): Promise<{ start: number; bytes: Uint8Array }> {
    const start = Math.floor(position / WINDOW_BYTES) * WINDOW_BYTES;
    if (this.#window?.start === start) return this.#window;
    const sink = new BytesSink(WINDOW_BYTES, start);
    await this.#fetch({ start, end: start + WINDOW_BYTES }, sink);
    this.#window = { start, bytes: sink.bytes };
    return this.#window;
  }
}

/** Fills a sink with a range of the bundle; an end behind the bundle's is its end. */
export type FetchRange = (
  range: { start: number; end: number },
  sink: DownloadSink,
) => Promise<void>;
