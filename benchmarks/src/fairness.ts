/*
 * What a miner gains by keeping less than it claims, by fetching, or by pretending to be several: measured with the kernels and the
 * iteration that nodes mine with, over a range in memory at toy difficulty. Everything but times follows from the seed.
 */
import { type KernelBackend, type Kernels, loadKernels } from '@cairn/kernels';
import { loadNativeKernels } from '@cairn/kernels/node';
import type { ExperimentOptions } from './experiment.ts';
import { type KeptResult, keptExperiment } from './fairness/kept.ts';
import { WIN_PER_HELD_NONCE } from './fairness/miner.ts';
import { makeRange } from './fairness/range.ts';
import { type RemoteResult, remoteExperiment } from './fairness/remote.ts';
import { type ReplicaResult, replicaExperiment } from './fairness/replicas.ts';
import { markdownTable } from './report.ts';

const LOADS = 256;
const WINS = 20_000;

type BackendResults = {
  backend: KernelBackend;
  kept: KeptResult;
  remote: RemoteResult[];
  replicas: ReplicaResult[];
};

/** The text of docs/mining-fairness.md, after its header. */
export async function run(options: ExperimentOptions): Promise<string> {
  const { seed, signal } = options;
  const wins = options.count ?? WINS;
  const native = loadNativeKernels();
  const backends: Kernels[] = [...(native.kernels ? [native.kernels] : []), await loadKernels()];
  const range = makeRange(seed, LOADS);
  const results: BackendResults[] = [];
  for (const kernels of backends) {
    const log = (what: string): void => console.error(`${kernels.backend}: ${what}`);
    log('kept');
    const kept = keptExperiment(kernels, range, { seed, wins, signal });
    log('replicas');
    const replicas = replicaExperiment(kernels, range, { seed, rounds: 5, signal });
    log('remote');
    const remote = await remoteExperiment(kernels, range, { seed, rounds: 3, signal });
    results.push({ backend: kernels.backend, kept, remote, replicas });
  }
  return document(results, wins);
}

const fixed = (value: number, digits = 2): string => value.toFixed(digits);
const count = (value: number): string => Math.round(value).toLocaleString('en-US');

function document(results: readonly BackendResults[], wins: number): string {
  return `A range of ${LOADS} loads (64 MiB) in memory, one search thread per miner, the iteration of \`apps/storage-node\`: a pad per nonce, then 64
seals of the load it recalls. A nonce whose load is held wins with chance ${fixed(WIN_PER_HELD_NONCE, 4)} here; a real target only makes wins rarer.

## A part of the range

Four miners claim the whole range and kept a random part of its loads. Each draws as many nonces; at least ${count(wins)} wins in total. The
hypothesis is that a nonce wins with chance (kept) x ${fixed(WIN_PER_HELD_NONCE, 4)}, tested over wins and losses of all four (4 degrees of freedom).

${results.map(keptSection).join('\n\n')}

Wins follow what is kept, per nonce. Per CPU second a gap costs less than its share, as a nonce that recalls nothing is dropped after its
pad: that is what the last column says. It pays for the disk that a gap saves only where computing, not the disk, is the limit.

## Fetching instead of storing

A miner that stores nothing and asks a server on loopback, which answers after the latency, for every load it recalls; beside one that reads
a file (in the page cache), four reads in flight. One thread computes; wall clock.

${results.map(remoteSection).join('\n\n')}

Requests in flight hide a part of the latency; what remains is to move 256 KiB for every iteration, in bandwidth and in CPU time. A miner that
fetches holds nothing, but somebody near holds everything, sealed for its id, and serves it at that rate: PoRA pays for fast access to a
copy, wherever it is.

## Several ids

An id is worth its bond and its own cap of answers per epoch. Two ids with one CPU draw no more nonces than one; the question is what the
second copy costs when it is not stored but made: sealing a load takes 8,192 chained Keccaks. One thread, CPU time.

${results.map(replicaSection).join('\n\n')}

Sealing on demand costs a miner that part of its throughput and saves a copy per id. It is a price, not a proof: faster Keccak lowers it, and
receipts, not sealing, oblige anybody to keep a copy (\`design/contracts.md\`, 11).
`;
}

function keptSection({ backend, kept }: BackendResults): string {
  const whole = kept.miners[0]!;
  const rows = kept.miners.map(({ percent, kept: share, nonces, wins, cpuMs }) => [
    `${percent} %`,
    fixed(share, 4),
    count(nonces),
    count(wins),
    fixed(wins / nonces / (whole.wins / whole.nonces), 3),
    fixed(share, 3),
    fixed(wins / cpuMs / (whole.wins / whole.cpuMs), 3),
  ]);
  const head = [
    'kept',
    'exactly',
    'nonces',
    'wins',
    'wins per nonce, relative',
    'expected',
    'wins per CPU second, relative',
  ];
  return `### ${backend} kernels

${markdownTable(head, rows)}

Chi-square ${fixed(kept.chiSquare)}, p = ${fixed(kept.pValue, 3)} (asked for: above 0.01).`;
}

function remoteSection({ backend, remote }: BackendResults): string {
  const rows = remote.map(({ latencyMs, inFlight, iterations, relative, megabytesPerSecond }) => [
    latencyMs === undefined ? 'own disk' : `remote, ${latencyMs} ms`,
    String(inFlight),
    count(iterations),
    fixed(relative, 3),
    count(megabytesPerSecond),
  ]);
  const head = ['loads come from', 'in flight', 'iterations/s', 'relative', 'MB/s'];
  return `### ${backend} kernels

${markdownTable(head, rows)}`;
}

function replicaSection({ backend, replicas }: BackendResults): string {
  const rows = replicas.map(({ name, copies, iterations, relative }) => [
    name,
    String(copies),
    count(iterations),
    fixed(relative, 3),
  ]);
  const head = ['miner', 'copies on disk', 'iterations per CPU second', 'relative'];
  return `### ${backend} kernels

${markdownTable(head, rows)}`;
}
