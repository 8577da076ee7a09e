/*
 * How fast a node that joins gets a file of 256 MiB from one peer on loopback, beside a bare HTTP GET of the same bytes to a
 * file; then how fast the scrub checks what it has. Times are the node's own, from its log: from the start of the task (finding
 * who has it included) to the file finalized, all of it verified and synced. Rounds are interleaved; every round joins with
 * an empty folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNativeKernels } from '@cairn/kernels/node';
import { bytesSource, createStorageClient } from '@cairn/sdk';
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
import { Samples, timed } from './samples.ts';
import { loggedMs, scrubPass } from './scrub.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 256 * MIB;
/** No pacing. */
export const FULL_RATE: string = String(1024 * 1024 * MIB);
const SYNCED = 'file synced from peers';

type Backend = 'wasm' | 'native';

export type JoiningNode = { dir: string; boot: string; backend: Backend };

function flagsOf({ dir, boot, backend }: JoiningNode): { flags: string[]; logFile: string } {
  const logFile = join(dir, 'log.jsonl');
  const flags = [
    ...peerFlags([boot]),
    ...['--kernels', backend],
    ...['--log-level', 'info'],
    ...['--log-file', logFile],
    ...['--sync-bytes-per-second', FULL_RATE],
  ];
  return { flags, logFile };
}

const waitForLog = (logFile: string, message: string): Promise<number> =>
  waitFor(() => loggedMs(logFile, message), { timeoutMs: 120_000, what: message });

/** A node that joins and gets the file; gone again afterwards, but for its folder. */
export async function joinNode(
  chain: TestChain,
  joining: JoiningNode,
): Promise<{ syncMs: number; peakMib: number }> {
  const { flags, logFile } = flagsOf(joining);
  await using node = await startStorageNode(chain, joining.dir, [
    ...flags,
    ...['--scrub-bytes-per-second', '0'],
  ]);
  const syncMs = await waitForLog(logFile, SYNCED);
  return { syncMs, peakMib: node.peakRssBytes() / MIB };
}

/** The same, and then how long the scrub takes for what the folder has. */
async function joinAndScrub(
  chain: TestChain,
  joining: JoiningNode,
): Promise<{ syncMs: number; scrubMs: number; peakMib: number }> {
  const joined = await joinNode(chain, joining);
  const { ms: scrubMs } = await scrubPass(chain, joining);
  return { ...joined, scrubMs };
}

async function run(options: { rounds?: number; signal?: AbortSignal }): Promise<SuiteResult> {
  const rounds = options.rounds ?? 3;
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-sync-'));
  const samples = new Samples();
  let peakMib = 0;
  try {
    await using stack = new AsyncDisposableStack();
    const chain = stack.use(await startTestChain());
    const bare = stack.use(await startProcess('benchmarks/src/bare-server.ts', [dir]));
    const port = Number(bare.ready.port);
    const origin = stack.use(
      await startStorageNode(chain, join(dir, 'origin'), [
        ...peerFlags([]),
        ...['--serve-bytes-per-second', FULL_RATE],
        ...['--scrub-bytes-per-second', '0'],
      ]),
    );
    const boot = (origin.ready.p2pAddresses as string[])[0]!;
    const bytes = patternBytes(FILE_BYTES, 1);
    writeInput(join(dir, 'in'), bytes, 1);
    const client = await createStorageClient({
      rpcUrl: chain.rpcUrl,
      privateKey: chain.accounts[1]!.privateKey,
      nodeUrls: [String(origin.ready.url)],
    });
    await client.upload(bytesSource(bytes), { replicas: 1 });
    const backends: Backend[] = loadNativeKernels().kernels ? ['wasm', 'native'] : ['wasm'];
    for (let round = 0; round <= rounds; round++) {
      options.signal?.throwIfAborted();
      const bareMs = await timed(() => bareGet(port, join(dir, 'output')));
      if (round > 0) samples.add('http.get/file', FILE_BYTES, bareMs); // the first round warms up
      for (const backend of backends) {
        const nodeDir = join(dir, `joining-${round}-${backend}`);
        const result = await joinAndScrub(chain, { dir: nodeDir, boot, backend });
        rmSync(nodeDir, { recursive: true, force: true });
        peakMib = Math.max(peakMib, result.peakMib);
        if (round === 0) continue;
        samples.add(`sync.join/backend=${backend}`, FILE_BYTES, result.syncMs);
        samples.add(`scrub.pass/threads=1/backend=${backend}`, FILE_BYTES, result.scrubMs);
      }
    }
    const rows = samples.rows();
    return {
      rows,
      ratios: backends.flatMap((backend) => [
        ratio(rows, `sync.join/backend=${backend}`, 'http.get/file', 0.4),
        ratio(rows, `scrub.pass/threads=1/backend=${backend}`, 'http.get/file'),
      ]),
      figures: [{ name: 'peak RSS of a joining node', value: Math.round(peakMib), unit: 'MiB' }],
      notes: [
        'Both nodes and the chain share the cores; the bytes cross noise and yamux, are hashed, proven, written and synced.',
        'Scrub reads raw data with one hashing thread right after a start; the suite sealed has data that is stored sealed.',
      ],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const suite: Suite = { description: 'a joining node and the scrub', run };
