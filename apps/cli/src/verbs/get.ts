import { existsSync } from 'node:fs';
import { CodedError } from '@cairn/base';
import {
  BUNDLE_HEADER_BYTES,
  bundleIndexBytes,
  DIRECTORY_BYTES_MAX,
  findEntry,
  isDirectoryHeader,
} from '@cairn/protocol';
import {
  type ByteRange,
  BytesSink,
  checkedRange,
  type DecryptWith,
  type DownloadSink,
  MemberReader,
  type StreamResult,
} from '@cairn/sdk';
import { resumableFile, writeFolder } from '@cairn/sdk/node';
import { usage } from '../args.ts';
import { openSession, type Session } from '../context.ts';
import { DECRYPT_FLAGS, decryptWith } from '../encryption.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

/** `A-B` (both included, as HTTP writes it) as [start, end). */
export function parseByteRange(text: string): ByteRange {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text);
  if (!match || Number(match[2]) < Number(match[1]))
    throw usage(`--range takes FIRST-LAST in bytes, got ${text}`);
  return { start: Number(match[1]), end: Number(match[2]) + 1 };
}

/** `ROOT`, `ROOT,ROOT` (a file in parts) or `ROOT/PATH` (an entry of a directory). */
export function parseTarget(text: string): { roots: string[]; path: string } {
  const slash = text.indexOf('/');
  const head = slash < 0 ? text : text.slice(0, slash);
  const path = slash < 0 ? '' : text.slice(slash + 1);
  const roots = head.split(',');
  if (path !== '' && roots.length > 1) throw usage('a path goes with one root');
  return { roots, path };
}

/** Writes parts to standard output in order; parts that come early wait, bounded by what is in flight. */
class OrderedOutput implements DownloadSink {
  #next: number;
  readonly #early = new Map<number, Uint8Array>();

  constructor(start: number) {
    this.#next = start;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#early.set(offset, bytes);
    for (let part = this.#early.get(this.#next); part; part = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      this.#next += part.length;
      if (!process.stdout.write(part))
        await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
  }
}

type Request = {
  session: Session;
  roots: string[];
  /** Of the stream of the roots. */
  range: ByteRange | undefined;
  decrypt: DecryptWith | undefined;
  signal: AbortSignal;
  progress: Progress;
};

export const get: Verb = {
  name: 'get',
  summary: 'read a file or a folder back, every byte verified',
  usage:
    'cairn get ROOT[/PATH] [-o FILE|FOLDER] [--range FIRST-LAST] [--encryption-key FILE | --decrypt-key FILE]',
  flags: {
    output: {
      type: 'string',
      short: 'o',
      description: 'file or folder to write; standard output without it',
    },
    range: { type: 'string', description: 'bytes FIRST-LAST, both included' },
    overwrite: { type: 'boolean', description: 'replace an existing file' },
    raw: { type: 'boolean', description: "a directory's own bytes instead of its files" },
    ...DECRYPT_FLAGS,
  },
  async run({ positionals, flags, global }, { signal }) {
    const [target] = positionals;
    if (positionals.length !== 1 || !target) throw usage('get takes one root', this.usage);
    const output = flags.output as string | undefined;
    if (output === undefined && global.json)
      throw usage('--json needs -o FILE, or the result and the file would mix');
    if (output !== undefined && existsSync(output) && flags.overwrite !== true) {
      throw new CodedError({
        code: 'CLI_EXISTS',
        kind: 'conflict',
        message: `${output} exists`,
        hint: 'remove it, choose another name, or give --overwrite',
      });
    }
    const range = flags.range === undefined ? undefined : parseByteRange(flags.range as string);
    const decrypt = decryptWith(flags);
    const { roots, path } = parseTarget(target);
    await using session = await openSession(global);
    const progress = new Progress(
      'get',
      output === undefined || (global.json && !process.stderr.isTTY),
    );
    const request: Request = { session, roots, range, decrypt, signal, progress };
    const started = performance.now();
    try {
      if (path !== '') Object.assign(request, await placeOfPath(request, path));
      const isFolder =
        request.range === undefined && flags.raw !== true && (await isDirectory(request));
      if (output === undefined) {
        if (isFolder) throw usage(`${target} is a folder`, 'give -o FOLDER, or see cairn ls');
        const sink = new OrderedOutput(request.range?.start ?? 0);
        await session.client.download(request.roots, sink, {
          signal,
          range: request.range,
          decrypt,
        });
        return 0;
      }
      const elapsed = (): number => Math.round(performance.now() - started);
      if (isFolder) {
        const report = await getFolder(request, output);
        progress.end();
        printResult(
          global.json,
          { ...report, root: roots[0], output, verified: true, ms: elapsed() },
          [
            `got      ${output} (${report.files} files, ${formatBytes(report.bytes)}, verified) in ${(elapsed() / 1000).toFixed(1)} s`,
            ...report.skippedLinks.map(
              (link) => `left out ${link}: the link points out of the folder`,
            ),
          ],
        );
        return 0;
      }
      const result = await getFile(request, output);
      progress.end();
      const got = request.range ?? { start: 0, end: result.size };
      const bytes = Math.min(got.end, result.size) - got.start;
      const shown = {
        ...result,
        bytes,
        receivedBytes: result.bytes,
        txSeq: result.txSeqs[0],
        output,
        verified: true,
        ms: elapsed(),
      };
      printResult(global.json, shown, [
        `got      ${output} (${formatBytes(bytes)}, verified) in ${(elapsed() / 1000).toFixed(1)} s`,
        `nodes    ${result.nodes.join(' ')}`,
        ...(result.rebuiltSegments > 0
          ? [`rebuilt  ${result.rebuiltSegments} segments that no node holds any more`]
          : []),
        ...result.dropped.map(({ url, reason }) => `dropped  ${url}: ${reason}`),
      ]);
      return 0;
    } finally {
      progress.end();
    }
  },
};

/** Downloads to `output`, going on where an interrupted download of the same stopped. */
async function getFile(request: Request, output: string): Promise<StreamResult> {
  const { session, roots, range, decrypt, signal, progress } = request;
  await using file = await resumableFile(
    output,
    JSON.stringify({ roots, range, decrypted: !!decrypt }),
  );
  const origin = range?.start ?? 0;
  const sink: DownloadSink = {
    write: (offset, bytes) => file.sink.write(offset - origin, bytes),
  };
  const result = await session.client.download(roots, sink, {
    signal,
    range,
    decrypt,
    skip: file.has,
    onSegment: file.add,
    onProgress: ({ bytes, totalBytes }) => progress.update('receive', bytes, totalBytes),
  });
  await file.finish();
  return result;
}

/** True when the root is a directory's or a bundle's. Throws `PROTOCOL_BUNDLE` for the head of an impossible one. */
async function isDirectory({ session, roots, decrypt, signal }: Request): Promise<boolean> {
  const [root] = roots;
  if (roots.length !== 1 || !root) return false;
  const head = new BytesSink(BUNDLE_HEADER_BYTES);
  const { size } = await session.client.download(root, head, {
    signal,
    decrypt,
    range: { start: 0, end: BUNDLE_HEADER_BYTES },
  });
  return (
    (size <= DIRECTORY_BYTES_MAX && isDirectoryHeader(head.bytes)) ||
    bundleIndexBytes(head.bytes) !== undefined
  );
}

/** Where the bytes of an entry are; the range that was asked for is one of the entry. */
async function placeOfPath(
  request: Request,
  path: string,
): Promise<Pick<Request, 'roots' | 'range'>> {
  const { session, roots, range, decrypt, signal } = request;
  const tree = await session.client.readDirectory(roots[0]!, { signal, decrypt });
  const entry = findEntry(tree, path);
  if (entry?.type === 'file' && entry.roots.length > 0) {
    if (entry.start === undefined) return { roots: entry.roots, range };
    const { start, end } = checkedRange(range, entry.size);
    return { roots: entry.roots, range: { start: entry.start + start, end: entry.start + end } };
  }
  throw new CodedError({
    code: 'SDK_NOT_FOUND',
    kind: 'not_found',
    message: entry
      ? `${path} is a ${entry.type} without bytes of its own`
      : `the directory has no ${path}`,
    hint: `see cairn ls ${roots[0]}`,
  });
}

async function getFolder(
  { session, roots, decrypt, signal, progress }: Request,
  output: string,
): ReturnType<typeof writeFolder> {
  const { client } = session;
  const tree = await client.readDirectory(roots[0]!, { signal, decrypt });
  let files = 0;
  let members: MemberReader | undefined;
  return writeFolder(output, tree, async (entry, sink) => {
    if (entry.start !== undefined) {
      members ??= new MemberReader(async (range, to) => {
        await client.download(roots[0]!, to, { signal, decrypt, range });
      });
      await members.copy({ start: entry.start, size: entry.size }, sink);
      progress.update(`file ${++files}`, entry.size, entry.size);
      return;
    }
    const result = await client.download(entry.roots, sink, { signal, decrypt });
    if (result.size !== entry.size)
      throw new CodedError({
        code: 'SDK_VERIFICATION',
        kind: 'corrupt',
        message: `${entry.path} has ${result.size} bytes; the directory says ${entry.size}`,
        ...(decrypt ? {} : { hint: 'it may be encrypted: give the key' }),
      });
    progress.update(`file ${++files}`, result.bytes, result.size);
  });
}
