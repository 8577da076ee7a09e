/*
 * A stream that was stored in one or more parts, encrypted or not: parts are fetched in order, each verified against its
 * root, decrypted on the way to the sink. A range touches only the segments that it needs.
 */
import { CodedError, type DataRoot, parseHash32 } from '@cairn/base';
import {
  checkedRange,
  type DownloadDeps,
  type DownloadOptions,
  type DownloadResult,
  downloadFile,
  storedSize,
} from './download.ts';
import { type Cipher, type DecryptWith, decryptingSink, openCipher } from './encryption.ts';
import { BytesSink, type DownloadSink } from './source.ts';

export type StreamOptions = Omit<DownloadOptions, 'skip' | 'onSegment'> & {
  /** Keys that open an encrypted stream; offsets and the range are then of the plaintext. */
  decrypt?: DecryptWith | undefined;
  /** Segments of a part that the sink has already. */
  skip?: ((segmentIndex: number, part: number) => boolean) | undefined;
  onSegment?: ((segmentIndex: number, part: number) => void) | undefined;
};
export type StreamResult = Omit<DownloadResult, 'txSeq'> & { roots: DataRoot[]; txSeqs: number[] };

const HEAD_BYTES = 50;

export async function downloadStream(
  deps: DownloadDeps,
  rootTexts: readonly string[],
  sink: DownloadSink | ((size: number) => Promise<DownloadSink>),
  options: StreamOptions,
): Promise<StreamResult> {
  const roots = rootTexts.map((text) => parseHash32(text, 'root') as DataRoot);
  const [first] = roots;
  if (!first)
    throw new CodedError({
      code: 'SDK_NOT_FOUND',
      kind: 'not_found',
      message: 'no root was given',
    });
  const { decrypt, range: wanted, skip, onSegment, ...rest } = options;
  if (roots.length === 1 && !decrypt) {
    const { txSeq, ...result } = await downloadFile(deps, first, sink, {
      ...rest,
      range: wanted,
      ...(skip ? { skip: (index) => skip(index, 0) } : {}),
      ...(onSegment ? { onSegment: (index) => onSegment(index, 0) } : {}),
    });
    return { ...result, roots, txSeqs: [txSeq] };
  }
  const sizes = await Promise.all(roots.map((root) => storedSize(deps, root, options.signal)));
  const cipher = decrypt ? await readCipher(deps, first, sizes[0]!, decrypt, options) : undefined;
  const headerBytes = cipher?.header.length ?? 0;
  const size = sizes.reduce((sum, bytes) => sum + bytes, 0) - headerBytes;
  const range = checkedRange(wanted, size);
  const target = typeof sink === 'function' ? await sink(size) : sink;
  const out = cipher ? decryptingSink(target, cipher) : target;
  const [from, to] = [range.start + headerBytes, range.end + headerBytes];

  const result: StreamResult = {
    root: first,
    roots,
    size,
    bytes: 0,
    txSeqs: [],
    nodes: [],
    dropped: [],
    rebuiltSegments: 0,
  };
  let base = 0;
  for (const [part, root] of roots.entries()) {
    const origin = base;
    base += sizes[part]!;
    const start = Math.max(from, origin) - origin;
    const end = Math.min(to, base) - origin;
    if (end <= start) continue;
    const before = result.bytes;
    const done = await downloadFile(
      deps,
      root,
      { write: (offset, bytes) => out.write(origin + offset, bytes) },
      {
        ...rest,
        range: { start, end },
        ...(skip ? { skip: (index) => skip(index, part) } : {}),
        ...(onSegment ? { onSegment: (index) => onSegment(index, part) } : {}),
        onProgress: ({ bytes }) =>
          options.onProgress?.({ bytes: before + bytes, totalBytes: to - from }),
      },
    );
    result.bytes += done.bytes;
    result.txSeqs.push(done.txSeq);
    result.dropped.push(...done.dropped);
    result.rebuiltSegments += done.rebuiltSegments;
    result.nodes = [...new Set([...result.nodes, ...done.nodes])];
  }
  return result;
}

async function readCipher(
  deps: DownloadDeps,
  root: DataRoot,
  size: number,
  keys: DecryptWith,
  { signal }: StreamOptions,
): Promise<Cipher> {
  const head = new BytesSink(Math.min(HEAD_BYTES, size));
  await downloadFile(deps, root, head, { signal, range: { start: 0, end: head.bytes.length } });
  return openCipher(head.bytes, keys);
}
