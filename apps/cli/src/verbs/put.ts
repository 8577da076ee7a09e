import { statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { CodedError } from '@cairn/base';
import type { SignedReceipt } from '@cairn/protocol';
import { type StreamUploadOptions, type UploadResult, uploadTotals } from '@cairn/sdk';
import { fileSource, fileStateStore, folderInputs } from '@cairn/sdk/node';
import { type ParsedArgs, usage } from '../args.ts';
import { cairnHome, openSession, type Session } from '../context.ts';
import { ENCRYPT_FLAGS, encryptWrap } from '../encryption.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import { receiptsPath, writeReceipts } from '../receipts-file.ts';
import type { Verb } from '../verb.ts';

export const put: Verb = {
  name: 'put',
  summary: 'store a file or a folder',
  usage:
    'cairn put FILE|FOLDER [--bundle] [--code 16/32|16/24|none] [--replicas N] [--receipts N] [--force] [--encryption-key FILE | --recipient PUBLIC-KEY] [--part-size BYTES]',
  flags: {
    replicas: {
      type: 'string',
      description:
        'nodes that must hold every part (default 2 where there are so many, 1 of a coded file)',
    },
    code: {
      type: 'string',
      description:
        '16/32 or 16/24: store parity too, so that any 16 of 32 (24) fragments restore the file; of a folder, for files of 8 MiB and more',
    },
    receipts: {
      type: 'string',
      description:
        'fail unless so many providers sign a receipt for every part of a file, and keep the receipts',
    },
    'receipts-file': {
      type: 'string',
      description: 'where to keep them (default ~/.cairn/receipts/ROOT.json)',
    },
    force: { type: 'boolean', description: 'submit again although the network has the file' },
    bundle: {
      type: 'boolean',
      description:
        'store the files of a folder as one: one submission, each file still read by ROOT/PATH',
    },
    'part-size': {
      type: 'string',
      description: 'store in parts of so many bytes (a multiple of 262144; default 4 GiB)',
    },
    ...ENCRYPT_FLAGS,
  },
  async run({ positionals, flags, global }, { signal }) {
    const [path] = positionals;
    if (positionals.length !== 1 || !path) throw usage('put takes one file', this.usage);
    const isFolder = isDirectory(path);
    const receipts = numberFlag(flags, 'receipts', 1, 64);
    const isBundle = flags.bundle === true;
    if (isBundle && !isFolder) throw usage('--bundle is for folders');
    if (isBundle && flags['part-size'] !== undefined) throw usage('a bundle has one part');
    if (receipts && isFolder && !isBundle)
      throw usage('--receipts is for files and bundles, not for folders');
    const replicas = numberFlag(flags, 'replicas', 1, 64) ?? receipts;
    const code = codeFlag(flags.code as string | undefined);
    const fragmentBytes = numberFlag(flags, 'part-size', 262_144, Number.MAX_SAFE_INTEGER);
    await using session = await openSession(global);
    const options: StreamUploadOptions = {
      signal,
      replicas,
      fragmentBytes,
      code,
      skipIfFinalized: flags.force !== true,
      state: fileStateStore(join(cairnHome(), 'uploads')),
      wrap: encryptWrap(flags, session.client, session.network.privateKey),
    };
    const progress = new Progress('put', global.json && !process.stderr.isTTY);
    try {
      const receiptsFile = flags['receipts-file'] as string | undefined;
      const promised = receipts ? { count: receipts, path: receiptsFile } : undefined;
      const put = isBundle ? putBundle : isFolder ? putFolder : putFile;
      await put(path, session, options, progress, global.json, promised);
      return 0;
    } finally {
      progress.end();
    }
  },
};

/** Receipts that must come, and where they are kept. */
type Promised = { count: number; path: string | undefined };

async function putFile(
  path: string,
  session: Session,
  options: StreamUploadOptions,
  progress: Progress,
  json: boolean,
  promised: Promised | undefined,
): Promise<void> {
  await using source = await fileSource(path, session.pool);
  const started = performance.now();
  const stored = await session.client.uploadStream(source, {
    ...options,
    onProgress: ({ phase, bytes, totalBytes }) => progress.update(phase, bytes, totalBytes),
  });
  progress.end();
  const ms = Math.round(performance.now() - started);
  const [first] = stored.parts;
  if (!first) return;
  const roots = stored.parts.map((part) => part.root);
  const parityRoots = stored.parts.flatMap(({ parity }) => (parity ? [parity.root] : []));
  const isEncrypted = options.wrap !== undefined;
  const totals = uploadTotals(stored.parts);
  const kept = promised && (await keepReceipts(session, stored.parts, promised, options.signal));
  printResult(
    json,
    {
      ...first,
      ...totals,
      size: stored.size,
      bytes: source.size,
      roots,
      parityRoots,
      isEncrypted,
      ...(kept ? { receipts: kept.receipts.length, receiptsFile: kept.path } : {}),
      ms,
    },
    [
      `stored   ${path} (${formatBytes(source.size)}${isEncrypted ? ', encrypted' : ''}) in ${(ms / 1000).toFixed(1)} s`,
      ...roots.map((root) => `root     ${root}`),
      ...stored.parts.flatMap(({ parity }) =>
        parity ? [`parity   ${parity.root} (16/${parity.code}, ${formatBytes(parity.size)})`] : [],
      ),
      `txSeq    ${stored.parts.map((part) => part.txSeq).join(' ')}`,
      `nodes    ${first.nodes.join(' ')}`,
      ...(kept ? [`promised ${kept.receipts.length} receipts in ${kept.path}`] : []),
      `read it  cairn get ${roots.join(',')} -o FILE${isEncrypted ? ' and the key' : ''}`,
    ],
  );
}

/** Collects and writes the receipts of all parts, parity included. Throws `SDK_RECEIPTS_SHORT`. */
async function keepReceipts(
  { client }: Session,
  parts: readonly UploadResult[],
  { count, path }: Promised,
  signal: AbortSignal | undefined,
): Promise<{ path: string; receipts: SignedReceipt[] }> {
  const receipts: SignedReceipt[] = [];
  for (const part of parts.flatMap(({ parity, ...data }) => [data, ...(parity ? [parity] : [])]))
    receipts.push(...(await client.receipts(part, { count, signal })));
  const to = path ?? receiptsPath(parts[0]!.root);
  writeReceipts(to, receipts);
  return { path: to, receipts };
}

async function putFolder(
  path: string,
  session: Session,
  options: StreamUploadOptions,
  progress: Progress,
  json: boolean,
): Promise<void> {
  const inputs = await folderInputs(path, session.pool);
  const total = inputs.reduce((sum, input) => sum + (input.type === 'file' ? input.size : 0), 0);
  let stored = 0;
  const started = performance.now();
  const result = await session.client.uploadDirectory(inputs, {
    ...options,
    onFile: ({ size }) => {
      stored += size;
      progress.update('store', Math.min(stored, total), total);
    },
  });
  progress.end();
  const ms = Math.round(performance.now() - started);
  const { tree: _, ...shown } = result;
  const name = basename(resolve(path));
  printResult(json, { ...shown, ms }, [
    `stored   ${path} (${result.files} files, ${formatBytes(result.bytes)}) in ${(ms / 1000).toFixed(1)} s`,
    `root     ${result.root}`,
    `look     cairn ls ${result.root}`,
    `read it  cairn get ${result.root} -o ${name}-copy`,
  ]);
}

async function putBundle(
  path: string,
  session: Session,
  options: StreamUploadOptions,
  progress: Progress,
  json: boolean,
  promised: Promised | undefined,
): Promise<void> {
  const inputs = await folderInputs(path, session.pool);
  const started = performance.now();
  const {
    tree: _,
    stored,
    ...result
  } = await session.client.uploadBundle(inputs, {
    ...options,
    onProgress: ({ phase, bytes, totalBytes }) => progress.update(phase, bytes, totalBytes),
  });
  progress.end();
  const ms = Math.round(performance.now() - started);
  const kept = promised && (await keepReceipts(session, [stored], promised, options.signal));
  const name = basename(resolve(path));
  printResult(
    json,
    {
      ...result,
      size: stored.size,
      txSeq: stored.txSeq,
      nodes: stored.nodes,
      ...(stored.parity ? { parityRoots: [stored.parity.root] } : {}),
      ...(kept ? { receipts: kept.receipts.length, receiptsFile: kept.path } : {}),
      ms,
    },
    [
      `stored   ${path} (${result.files} files in one bundle of ${formatBytes(stored.size)}) in ${(ms / 1000).toFixed(1)} s`,
      `root     ${result.root}`,
      ...(stored.parity ? [`parity   ${stored.parity.root} (16/${stored.parity.code})`] : []),
      ...(kept ? [`promised ${kept.receipts.length} receipts in ${kept.path}`] : []),
      `look     cairn ls ${result.root}`,
      `read it  cairn get ${result.root} -o ${name}-copy, or one of it: cairn get ${result.root}/PATH`,
    ],
  );
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw new CodedError({
      code: 'SDK_READ',
      kind: 'invalid',
      message: `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
}

/** The stripe's fragments; undefined for plain copies. */
function codeFlag(text: string | undefined): StreamUploadOptions['code'] {
  switch (text) {
    case undefined:
    case 'none':
      return undefined;
    case '16/32':
      return 32;
    case '16/24':
      return 24;
    default:
      throw usage('--code takes 16/32, 16/24 or none');
  }
}

function numberFlag(
  flags: ParsedArgs['flags'],
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = flags[name] as string | undefined;
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw usage(`--${name} takes a number from ${min} to ${max}`);
  return value;
}
