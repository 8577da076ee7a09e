/*
 * put and get of 256 MiB against one full node on loopback, beside a bare HTTP PUT + fsync and GET to a file, and the
 * official SDK's upload to the same node. Data time only: what waits for a block is reported apart. Rounds are
 * interleaved; every round uploads other bytes, since equal ones would not be sent.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getFlowContract, StorageNode, Uploader, ZgFile } from '@0gfoundation/0g-ts-sdk';
import { createFlowWriter } from '@cairn/chain';
import {
  createHashPool,
  type HashPool,
  loadNativeKernels,
  loadNodeKernels,
} from '@cairn/kernels/node';
import { createNodeClient, type NodeClient } from '@cairn/rpc';
import { createHttpTransport } from '@cairn/rpc/node';
import { createStorageClient, hashSource, type StorageClient } from '@cairn/sdk';
import { fileSink, fileSource } from '@cairn/sdk/node';
import {
  patternBytes,
  startProcess,
  startStorageNode,
  startTestChain,
  type TestChain,
  type TestProcess,
  waitFor,
} from '@cairn/testkit';
import { ethers } from 'ethers';
import { bareGet, barePut, writeInput } from './bare-client.ts';
import { median, ratio, type Suite, type SuiteResult } from './harness.ts';
import { Samples, timed } from './samples.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 256 * MIB;
/** The official SDK hashes 256 MiB for half a minute: a smaller file, compared per byte. */
const SDK_BYTES = 32 * MIB;

type Backend = 'wasm' | 'native';

type Lane = {
  backend: Backend;
  node: TestProcess;
  client: StorageClient;
  pool: HashPool;
  nodeUrl: string;
  asks: NodeClient;
};

async function openLane(
  stack: AsyncDisposableStack,
  chain: TestChain,
  backend: Backend,
  dir: string,
): Promise<Lane> {
  const node = stack.use(
    await startStorageNode(chain, join(dir, `node-${backend}`), ['--kernels', backend]),
  );
  const nodeUrl = String(node.ready.url);
  const { kernels } = await loadNodeKernels(backend);
  const pool = stack.use(await createHashPool({ backend }));
  const transport = stack.adopt(createHttpTransport(), (owned) => owned.close());
  const client = await createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[1]!.privateKey,
    nodeUrls: [nodeUrl],
    kernels,
    transport,
    hasher: (data, options) => pool.segmentRoots(data, options),
  });
  return { backend, node, client, pool, nodeUrl, asks: createNodeClient(nodeUrl) };
}

/**
 * The official SDK's upload of a file whose submission is on chain and seen by the node already, so that nothing waits
 * for a block: its hashing, its sending, its polling until finalized.
 */
async function officialUpload(chain: TestChain, lane: Lane, path: string): Promise<number> {
  const { rpcUrl, accounts, deployment } = chain;
  await using source = await fileSource(path, lane.pool);
  const tree = await hashSource(lane.client.kernels, source);
  const writer = createFlowWriter({
    rpcUrl,
    flow: deployment.contracts.flow,
    privateKey: accounts[1]!.privateKey,
    pollMs: 20,
  });
  const { seqs } = await writer.submit([{ size: source.size, nodes: tree.submissionNodes }]);
  await waitFor(async () => (await lane.asks.getFileInfoByTxSeq(seqs[0]!)) ?? undefined, {
    timeoutMs: 10_000,
    what: 'the submission',
  });
  const signer = new ethers.Wallet(accounts[2]!.privateKey, new ethers.JsonRpcProvider(rpcUrl));
  const uploader = new Uploader(
    [new StorageNode(lane.nodeUrl)],
    rpcUrl,
    // The SDK's types come from the CommonJS build of ethers; the object is the same.
    getFlowContract(
      deployment.contracts.flow,
      signer as unknown as Parameters<typeof getFlowContract>[1],
    ),
  );
  const { log } = console;
  console.log = () => {}; // it reports every segment
  try {
    return await timed(async () => {
      const file = await ZgFile.fromFilePath(path);
      const [, error] = await uploader.uploadFile(file, {
        skipTx: true,
        finalityRequired: true,
        taskSize: 10,
      });
      await file.close();
      if (error) throw error;
    });
  } finally {
    console.log = log;
  }
}

async function run(options: { rounds?: number; signal?: AbortSignal }): Promise<SuiteResult> {
  const rounds = options.rounds ?? 5;
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
  const samples = new Samples();
  const waits: number[] = [];
  try {
    await using stack = new AsyncDisposableStack();
    const chain = stack.use(await startTestChain());
    const bare = stack.use(await startProcess('benchmarks/src/bare-server.ts', [dir]));
    const port = Number(bare.ready.port);
    const backends: Backend[] = loadNativeKernels().kernels ? ['wasm', 'native'] : ['wasm'];
    const lanes: Lane[] = [];
    for (const backend of backends) lanes.push(await openLane(stack, chain, backend, dir));
    const base = patternBytes(FILE_BYTES, 1);
    const small = patternBytes(SDK_BYTES, 2);
    const [input, output] = [join(dir, 'input'), join(dir, 'output')];

    for (let round = 0; round <= rounds; round++) {
      options.signal?.throwIfAborted();
      const keep = round > 0; // the first round warms up
      writeInput(input, base, round);
      const bareMs = await timed(() => barePut(port, input, FILE_BYTES));
      const bareGetMs = await timed(() => bareGet(port, output));
      if (keep) {
        samples.add('http.put/fsync', FILE_BYTES, bareMs);
        samples.add('http.get/file', FILE_BYTES, bareGetMs);
      }
      for (const [i, lane] of lanes.entries()) {
        writeInput(input, base, round * 16 + i + 4096);
        await using source = await fileSource(input, lane.pool);
        const { root, timings } = await lane.client.upload(source, { replicas: 1 });
        const { hashMs, sendMs, finalizeMs, submitMs, waitMs } = timings;
        const getMs = await timed(async () => {
          await using sink = await fileSink(output);
          await lane.client.download(root, sink);
          await sink.sync();
        });
        if (!keep) continue;
        samples.add(`sdk.put/backend=${lane.backend}`, FILE_BYTES, hashMs + sendMs + finalizeMs);
        samples.add(`sdk.get/backend=${lane.backend}`, FILE_BYTES, getMs);
        waits.push(submitMs + waitMs);
      }
      writeInput(input, small, round);
      const officialMs = await officialUpload(chain, lanes[0]!, input);
      if (keep) samples.add('official-sdk.put', SDK_BYTES, officialMs);
    }
    const rows = samples.rows();
    const floors = { wasm: [0.3, 0.4], native: [0.5, 0.6] } as const;
    return {
      rows,
      ratios: lanes.flatMap(({ backend }) => [
        ratio(rows, `sdk.put/backend=${backend}`, 'official-sdk.put', 5),
        ratio(rows, `sdk.put/backend=${backend}`, 'http.put/fsync', floors[backend][0]),
        ratio(rows, `sdk.get/backend=${backend}`, 'http.get/file', floors[backend][1]),
      ]),
      notes: [
        `Waiting for the chain (submit and the node seeing it), not counted: median ${Math.round(median(waits))} ms.`,
        ...lanes.map(
          ({ backend, node }) =>
            `Peak RSS of the ${backend} node: ${Math.round(node.peakRssBytes() / MIB)} MiB.`,
        ),
        `The official SDK uploads ${SDK_BYTES / MIB} MiB to the wasm node, compared per byte.`,
        'Client, node and bare server share the cores; files are in the page cache, writes are synced.',
      ],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const suite: Suite = { description: 'put and get over loopback', run };
