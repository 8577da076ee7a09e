/*
 * Reading from a node whose disk has 256 MiB only in sealed form: a `get` with proofs to a synced file, and a node that joins and
 * copies from it, beside a bare HTTP GET of the same bytes to a file; then the scrub of what it has. Each kernel backend on both
 * sides. Mining is stopped.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHashPool, loadNativeKernels, loadNodeKernels } from '@cairn/kernels/node';
import { DEVNET } from '@cairn/protocol';
import { createHttpTransport } from '@cairn/rpc/node';
import { bytesSource, createStorageClient, type StorageClient } from '@cairn/sdk';
import { fileSink } from '@cairn/sdk/node';
import {
  patternBytes,
  peerFlags,
  startProcess,
  startStorageNode,
  startTestChain,
  type TestChain,
  waitFor,
} from '@cairn/testkit';
import { bareGet, writeInput } from './bare-client.ts';
import { ratio, type Suite, type SuiteResult } from './harness.ts';
import { askAdmin } from './pora/upload.ts';
import { Samples, timed } from './samples.ts';
import { scrubPass } from './scrub.ts';
import { FULL_RATE, joinNode } from './sync.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 256 * MIB;
const EPOCH_BLOCKS = 20;
/** A MB in so much CPU time is 100 and 70 MB/s per core. */
const SCRUB_CPU_MS_MAX: Record<Backend, number> = { native: 10, wasm: 1000 / 70 };

type Backend = 'wasm' | 'native';
type Lane = { backend: Backend; client: StorageClient; boot: string; dir: string };

/** A node that has the file sealed and nothing else of it, and a client of it. */
async function openLane(
  stack: AsyncDisposableStack,
  chain: TestChain,
  options: { backend: Backend; dir: string; keyFile: string },
): Promise<Lane & { seal(): Promise<void>; stop(): Promise<void> }> {
  const { backend, keyFile } = options;
  const dir = join(options.dir, `node-${backend}`);
  const node = stack.use(
    await startStorageNode(chain, dir, [
      ...peerFlags([]),
      ...['--kernels', backend],
      ...['--serve-bytes-per-second', FULL_RATE],
      ...['--scrub-bytes-per-second', '0'],
      ...['--mine-key-file', keyFile],
      ...['--mine-contract-address', chain.deployment.contracts.mine!],
      ...['--mine-cpu', '1', '--mine-query-ms', '100', '--no-keep-raw'],
    ]),
  );
  const pool = stack.use(await createHashPool({ backend }));
  const transport = stack.adopt(createHttpTransport(), (owned) => owned.close());
  const client = await createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[1]!.privateKey,
    nodeUrls: [String(node.ready.url)],
    kernels: (await loadNodeKernels(backend)).kernels,
    transport,
    hasher: (data, hashing) => pool.segmentRoots(data, hashing),
  });
  const adminUrl = String(node.ready.adminUrl);
  const seal = async (): Promise<void> => {
    const isSealed = async (): Promise<boolean> => {
      const status = (await askAdmin(adminUrl, 'miner_getStatus')) as {
        miners: { sealedLoads: number }[];
      };
      return (status.miners[0]?.sealedLoads ?? 0) >= FILE_BYTES / 262_144;
    };
    await waitFor(isSealed, { timeoutMs: 300_000, what: 'the file to be sealed' });
    await askAdmin(adminUrl, 'miner_stop');
  };
  const boot = (node.ready.p2pAddresses as string[])[0]!;
  return { backend, client, boot, dir, seal, stop: () => node.stop() };
}

async function run(options: { rounds?: number; signal?: AbortSignal }): Promise<SuiteResult> {
  const rounds = options.rounds ?? 5;
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-sealed-'));
  const samples = new Samples();
  try {
    await using stack = new AsyncDisposableStack();
    const chain = stack.use(
      await startTestChain({
        preset: {
          blocksPerEpoch: EPOCH_BLOCKS,
          mine: { ...DEVNET.mine, targetMineBlocks: 10, difficulty: 2n ** 200n },
        },
      }),
    );
    const bare = stack.use(await startProcess('benchmarks/src/bare-server.ts', [dir]));
    const port = Number(bare.ready.port);
    const bytes = patternBytes(FILE_BYTES, 1);
    writeInput(join(dir, 'in'), bytes, 1);
    const backends: Backend[] = loadNativeKernels().kernels ? ['wasm', 'native'] : ['wasm'];
    const lanes: Awaited<ReturnType<typeof openLane>>[] = [];
    let root: Awaited<ReturnType<StorageClient['upload']>>['root'] | undefined;
    for (const [i, backend] of backends.entries()) {
      const keyFile = join(dir, `${backend}.key`);
      writeFileSync(keyFile, chain.accounts[2 + i]!.privateKey);
      const lane = await openLane(stack, chain, { backend, dir, keyFile });
      ({ root } = await lane.client.upload(bytesSource(bytes), { replicas: 1 }));
      lanes.push(lane);
    }
    await chain.mine(EPOCH_BLOCKS + 1);
    for (const lane of lanes) await lane.seal();

    const output = join(dir, 'output');
    for (let round = 0; round <= rounds; round++) {
      options.signal?.throwIfAborted();
      const bareMs = await timed(() => bareGet(port, output));
      if (round > 0) samples.add('http.get/file', FILE_BYTES, bareMs); // the first round warms up
      for (const { backend, client, boot } of lanes) {
        const getMs = await timed(async () => {
          await using sink = await fileSink(output);
          await client.download(root!, sink);
          await sink.sync();
        });
        const joining = join(dir, `joining-${round}-${backend}`);
        const { syncMs } = await joinNode(chain, { dir: joining, boot, backend });
        rmSync(joining, { recursive: true, force: true });
        if (round === 0) continue;
        samples.add(`sdk.get/sealed/backend=${backend}`, FILE_BYTES, getMs);
        samples.add(`sync.join/sealed/backend=${backend}`, FILE_BYTES, syncMs);
      }
    }
    for (const lane of lanes) await lane.stop();
    for (let round = 0; round < rounds; round++)
      for (const { backend, dir: folder } of lanes) {
        options.signal?.throwIfAborted();
        const { ms, cpuMs } = await scrubPass(chain, { dir: folder, backend });
        samples.add(`scrub.pass/sealed/backend=${backend}`, FILE_BYTES, ms);
        samples.add(`scrub.cpu/sealed/backend=${backend}`, FILE_BYTES, cpuMs);
      }
    const rows = samples.rows();
    const cpuOf = (backend: Backend): number =>
      rows.find(({ name }) => name === `scrub.cpu/sealed/backend=${backend}`)!.p50Ms;
    return {
      rows,
      ratios: backends.flatMap((backend) =>
        ['sdk.get', 'sync.join'].map((what) =>
          ratio(
            rows,
            `${what}/sealed/backend=${backend}`,
            'http.get/file',
            backend === 'native' ? 0.4 : undefined,
          ),
        ),
      ),
      figures: backends.map((backend) => ({
        name: `CPU time of scrubbing a MB of sealed data, ${backend}`,
        value: cpuOf(backend) / (FILE_BYTES / 1e6),
        unit: 'ms',
        atMost: SCRUB_CPU_MS_MAX[backend],
      })),
      notes: [
        'scrub.cpu is the time of all threads of the node during a pass, from its ready line on; scrub.pass is by the clock.',
        'The nodes unseal on their own thread, one Keccak per 32 bytes; client, nodes and bare server share the cores.',
        'Beside raw data: the suites transfer (get) and sync.',
      ],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const suite: Suite = {
  description: 'get, sync and scrub of data that is stored sealed',
  run,
};
