/*
 * Erasure-coded files on nodes of one shard each on loopback:
 *
 *   put     64 MiB with 16/32, beside a plain put of the same stored bytes (128 MiB, one copy); data time, no block is waited for
 *   read    of the coded file with half of its data classes gone, beside one with all nodes
 *   repair  bytes read for each byte rebuilt with 10 of the 32 fragments of each stripe lost, and for each byte copied
 *
 * Rounds are interleaved; every round stores other bytes, since equal ones would not be sent.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHashPool, type HashPool, loadNodeKernels } from '@cairn/kernels/node';
import { createNodeClient, type HttpTransport } from '@cairn/rpc';
import { createHttpTransport } from '@cairn/rpc/node';
import { createStorageClient, type RepairResult, type StorageClient } from '@cairn/sdk';
import { fileScratch, fileSink, fileSource } from '@cairn/sdk/node';
import {
  patternBytes,
  startStorageNode,
  startTestChain,
  type TestChain,
  waitFor,
} from '@cairn/testkit';
import { writeInput } from './bare-client.ts';
import { ratio, type Suite, type SuiteOptions, type SuiteResult } from './harness.ts';
import { Samples, timed } from './samples.ts';

const MIB = 1024 * 1024;
const DATA_BYTES = 64 * MIB;
const STORED_BYTES = 2 * DATA_BYTES;
/** Nine nodes that hold every segment once; without the last three, 22 of the 32 fragments of a stripe are left. */
const SHARDS = ['0/8', '1/8', '2/8', '3/8', '4/8', '5/16', '13/16', '6/8', '7/8'];
const LOST = 3;

type Bench = { chain: TestChain; pool: HashPool; transport: HttpTransport; dir: string };

async function startNodes(
  stack: AsyncDisposableStack,
  { chain, dir }: Bench,
  shards: readonly string[],
  name: string,
): Promise<string[]> {
  const urls: string[] = [];
  for (const shard of shards) {
    const flags = ['--shard', shard, '--hash-threads', '1'];
    const folder = join(dir, `${name}-${shard.replace('/', '-')}`);
    urls.push(String(stack.use(await startStorageNode(chain, folder, flags)).ready.url));
  }
  return urls;
}

async function clientOf(bench: Bench, nodeUrls: readonly string[]): Promise<StorageClient> {
  const { chain, pool, transport, dir } = bench;
  const { kernels } = await loadNodeKernels();
  return createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[1]!.privateKey,
    nodeUrls,
    kernels,
    transport,
    scratch: fileScratch(dir),
    hasher: (data, options) => pool.segmentRoots(data, options),
  });
}

/** Stores a file; its root and the milliseconds of hashing, encoding, sending and finalizing. */
async function put(
  bench: Bench,
  client: StorageClient,
  path: string,
  code: 32 | undefined,
): Promise<{ root: string; seqs: number[]; ms: number }> {
  await using source = await fileSource(path, bench.pool);
  const { parts } = await client.uploadStream(source, { replicas: 1, code });
  const { root, txSeq, parity, timings } = parts[0]!;
  const { hashMs, sendMs, finalizeMs } = timings;
  const seqs = parity ? [txSeq, parity.txSeq] : [txSeq];
  return { root, seqs, ms: hashMs + sendMs + finalizeMs };
}

const get = (client: StorageClient, root: string, output: string): Promise<number> =>
  timed(async () => {
    await using sink = await fileSink(output);
    await client.download(root, sink);
    await sink.sync();
  });

/** Repairs with empty nodes beside those that are left. */
async function repair(
  bench: Bench,
  left: readonly string[],
  empty: readonly string[],
  file: { root: string; seqs: readonly number[] },
): Promise<RepairResult> {
  for (const url of empty)
    await waitFor(
      async () => (await createNodeClient(url).getStatus()).nextTxSeq > Math.max(...file.seqs),
      { timeoutMs: 30_000, what: 'the log on an empty node' },
    );
  return (await clientOf(bench, [...left, ...empty])).repair(file.root);
}

async function run(options: SuiteOptions): Promise<SuiteResult> {
  const rounds = options.rounds ?? 5;
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
  const samples = new Samples();
  try {
    await using stack = new AsyncDisposableStack();
    const bench: Bench = {
      chain: stack.use(await startTestChain()),
      pool: stack.use(await createHashPool()),
      transport: stack.adopt(createHttpTransport(), (owned) => owned.close()),
      dir,
    };
    const urls = await startNodes(stack, bench, SHARDS, 'node');
    const all = await clientOf(bench, urls);
    // 0, 1, 2, 3 of 8: sixteen of the fragments, and eight of the sixteen data classes.
    const half = await clientOf(bench, urls.slice(0, 4));
    const [coded, plain] = [patternBytes(DATA_BYTES, 1), patternBytes(STORED_BYTES, 2)];
    const [input, output] = [join(dir, 'input'), join(dir, 'output')];
    let last = { root: '', seqs: [] as number[] };
    for (let round = 0; round <= rounds; round++) {
      options.signal?.throwIfAborted();
      writeInput(input, plain, round);
      const plainPut = await put(bench, all, input, undefined);
      writeInput(input, coded, round + 4096);
      const codedPut = await put(bench, all, input, 32);
      const healthyMs = await get(all, codedPut.root, output);
      const degradedMs = await get(half, codedPut.root, output);
      last = codedPut;
      if (round === 0) continue; // warms up
      samples.add('sdk.put/code=none', STORED_BYTES, plainPut.ms);
      samples.add('sdk.put/code=16-32', STORED_BYTES, codedPut.ms);
      samples.add('sdk.get/classes=16', DATA_BYTES, healthyMs);
      samples.add('sdk.get/classes=8', DATA_BYTES, degradedMs);
    }
    const left = urls.slice(0, -LOST);
    const fresh = await startNodes(stack, bench, SHARDS.slice(-LOST), 'fresh');
    const rebuilt = await repair(bench, left, fresh, last);
    const [twin] = await startNodes(stack, bench, SHARDS.slice(0, 1), 'twin');
    const copied = await repair(bench, [...left, ...fresh], [twin!], last);
    const rows = samples.rows();
    return {
      rows,
      ratios: [
        ratio(rows, 'sdk.put/code=16-32', 'sdk.put/code=none', 0.8),
        ratio(rows, 'sdk.get/classes=8', 'sdk.get/classes=16', 0.4),
      ],
      figures: [
        {
          name: 'repair.coded/lost=10-of-32',
          value: rebuilt.readBytes / rebuilt.sentBytes,
          unit: 'bytes read per byte rebuilt',
          atMost: 1.8,
        },
        {
          name: 'repair.copy',
          value: copied.readBytes / copied.sentBytes,
          unit: 'bytes read per byte copied',
          atMost: 1.05,
        },
      ],
      notes: [
        `Repair rebuilt ${rebuilt.rebuiltSegments} segments and copied ${copied.copiedSegments}; proofs (under 0.3%) are not counted.`,
        'Client and nine nodes share the cores; files are in the page cache, writes are synced.',
        'Rates of put are of stored bytes: data and parity, or a plain file of as many.',
      ],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const suite: Suite = { description: 'erasure-coded files over loopback', run };
