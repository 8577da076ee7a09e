/*
 * Inputs of a rollup on a devnet of seven DA nodes, through OP alt-DA: how long a PUT is held at 1, 8 and 64 at once, how many a second,
 * how many share a blob and what that leaves on chain for each, how long reads take from the members and from memory.
 */
import { patternBytes } from '@cairn/testkit';
import { cpuSeconds, startDevnet } from './da.ts';
import {
  type BenchFigure,
  type BenchRow,
  median,
  type Suite,
  type SuiteOptions,
  type SuiteResult,
} from './harness.ts';

const INPUT_BYTES = 120_000;
const AT_ONCE = [1, 8, 64] as const;
/** Gas of a word of calldata that is not zero, and of confirming one blob (contracts/snapshots). */
const GAS_PER_BYTE = 16;
const CONFIRM_GAS = 268_812;
/** Where a certificate has the commitment of its blob (libs/quorum/src/rollup.ts). */
const BLOB_COMMITMENT = [40, 72] as const;

let seed = 1;
const fresh = (): Uint8Array<ArrayBuffer> => new Uint8Array(patternBytes(INPUT_BYTES, seed++));

async function put(url: string, signal?: AbortSignal): Promise<{ ms: number; commitment: Buffer }> {
  const body = fresh();
  const started = performance.now();
  const response = await fetch(`${url}/put`, { method: 'POST', body, signal: signal ?? null });
  if (response.status !== 200)
    throw new Error(`PUT answered ${response.status}: ${await response.text()}`);
  return { commitment: Buffer.from(await response.arrayBuffer()), ms: performance.now() - started };
}

async function get(url: string, commitment: Buffer): Promise<number> {
  const started = performance.now();
  const response = await fetch(`${url}/get/0x${commitment.toString('hex')}`);
  const { byteLength } = await response.arrayBuffer();
  if (response.status !== 200 || byteLength !== INPUT_BYTES)
    throw new Error(`GET answered ${response.status} with ${byteLength} bytes`);
  return performance.now() - started;
}

const percentile95 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]!;

async function run({ rounds = 5, signal }: SuiteOptions): Promise<SuiteResult> {
  await using devnet = await startDevnet();
  const { altDaUrl: url, disperserPid, nodes } = devnet.file.da!;
  await put(url, signal); // warms everything up
  const cpu = (): [number, number] => [
    cpuSeconds(disperserPid),
    nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
  ];
  const rows: BenchRow[] = [];
  const figures: BenchFigure[] = [];
  const notes: string[] = [];
  const row = (name: string, samplesMs: number[]): void => {
    const p50Ms = median(samplesMs);
    const megabytesPerSecond = INPUT_BYTES / p50Ms / 1e3;
    const minMs = Math.min(...samplesMs);
    rows.push({
      name,
      work: INPUT_BYTES,
      p50Ms,
      minMs,
      megabytesPerSecond,
      clock: 'wall',
      samplesMs,
    });
    figures.push({ name: `${name} p95`, value: percentile95(samplesMs), unit: 'ms' });
  };
  const stored: Buffer[] = [];
  const held = new Map<number, { ms: number; commitment: Buffer }[]>(AT_ONCE.map((n) => [n, []]));
  const seconds = new Map<number, number>(AT_ONCE.map((n) => [n, 0]));
  const used = new Map<number, [number, number]>(AT_ONCE.map((n) => [n, [0, 0]]));
  for (let round = 0; round < rounds; round++)
    for (const atOnce of AT_ONCE) {
      const before = cpu();
      const started = performance.now();
      const done = await Promise.all(Array.from({ length: atOnce }, () => put(url, signal)));
      seconds.set(atOnce, seconds.get(atOnce)! + (performance.now() - started) / 1000);
      const after = cpu();
      const sum = used.get(atOnce)!;
      used.set(atOnce, [sum[0] + after[0] - before[0], sum[1] + after[1] - before[1]]);
      held.get(atOnce)!.push(...done);
    }
  for (const atOnce of AT_ONCE) {
    const all = held.get(atOnce)!;
    row(
      `rollup.put/input=120KB at-once=${atOnce}`,
      all.map(({ ms }) => ms),
    );
    const blobs = new Set(
      all.map(({ commitment }) => commitment.subarray(...BLOB_COMMITMENT).toString('hex')),
    ).size;
    const bytes = all.reduce((sum, { commitment }) => sum + commitment.length, 0) / all.length;
    const perSecond = all.length / seconds.get(atOnce)!;
    const gas = (CONFIRM_GAS * blobs) / all.length + bytes * GAS_PER_BYTE;
    const [disperser, members] = used.get(atOnce)!.map((s) => ((1000 * s) / all.length).toFixed(0));
    figures.push(
      { name: `rollup.puts/at-once=${atOnce}`, value: perSecond, unit: 'PUT/s' },
      {
        name: `rollup.inputs-per-blob/at-once=${atOnce}`,
        value: all.length / blobs,
        unit: 'inputs',
      },
      { name: `rollup.on-chain/at-once=${atOnce}`, value: bytes, unit: 'bytes of certificate' },
      { name: `rollup.on-chain-gas/at-once=${atOnce}`, value: gas, unit: 'gas at most' },
    );
    notes.push(
      `${atOnce} at once: ${disperser} ms of CPU per input in the disperser (encoding, sending), ${members} ms in the seven members; the rest of a PUT is waiting, for a block a second and for cores.`,
    );
    stored.push(...all.slice(0, 8).map(({ commitment }) => commitment));
  }
  const first: number[] = [];
  const again: number[] = [];
  for (const commitment of stored) {
    first.push(await get(url, commitment));
    again.push(await get(url, commitment));
  }
  row('rollup.get/input=120KB from=members-or-shared', first);
  row('rollup.get/input=120KB from=memory', again);
  notes.push(
    `Gas at most: ${CONFIRM_GAS} of confirmBatch per blob, shared, and ${GAS_PER_BYTE} per byte of the certificate; blobs of one batch cost less. Proof gas: contracts/snapshots/Rollup.json.`,
    'A first read fetches and checks a whole blob; inputs of a blob that was read already come from memory, with the contract asked each time.',
  );
  return { rows, ratios: [], figures, notes };
}

export const suite: Suite = {
  description: 'inputs of a rollup on a devnet: PUT and GET through OP alt-DA',
  run,
};
