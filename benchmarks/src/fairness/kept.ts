// Miners that kept a part of their range: do wins follow what is kept?
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_LOAD } from '@cairn/pora';
import { ModelMiner, threadCpuMs, WIN_PER_HELD_NONCE } from './miner.ts';
import { type MinedRange, makeId, SeededBytes, sealedCopy } from './range.ts';
import { binomialChiSquare, chiSquareTail } from './statistics.ts';

const PERCENT = [100, 95, 75, 50] as const;

export type KeptResult = {
  /** Per miner, in order. */
  miners: {
    percent: number;
    nonces: number;
    wins: number;
    /** Exactly what it kept. */
    kept: number;
    cpuMs: number;
  }[];
  chiSquare: number;
  pValue: number;
};

/** Runs until at least `wins` wins, every miner with as many nonces; the miners take turns. */
export function keptExperiment(
  kernels: Kernels,
  range: MinedRange,
  options: { seed: string; wins: number; signal: AbortSignal },
): KeptResult {
  const { seed, wins, signal } = options;
  const miners = PERCENT.map((percent) => {
    const id = makeId(seed, `kept/${percent}`, range);
    const sealed = sealedCopy(kernels, id, range);
    const held = heldLoads(range.loads, percent, new SeededBytes(`${seed}/held/${percent}`));
    const miner = new ModelMiner(kernels, id, range, new SeededBytes(`${seed}/nonces/${percent}`));
    return { percent, miner, sealed, held, cpuMs: 0 };
  });
  const total = (): number => miners.reduce((sum, { miner }) => sum + miner.wins, 0);
  while (total() < wins) {
    signal.throwIfAborted();
    for (const one of miners) {
      const started = threadCpuMs();
      for (let turn = 0; turn < 8; turn++)
        for (const draw of one.miner.draw()) {
          if (!one.held.has(draw.load)) continue;
          const from = draw.load * BYTES_PER_LOAD;
          one.miner.search(draw, one.sealed.subarray(from, from + BYTES_PER_LOAD));
        }
      one.cpuMs += threadCpuMs() - started;
    }
  }
  const results = miners.map(({ percent, miner, held, cpuMs }) => ({
    percent,
    nonces: miner.nonces,
    wins: miner.wins,
    kept: held.size / range.loads,
    cpuMs,
  }));
  const chiSquare = binomialChiSquare(
    results.map(({ nonces, wins: successes, kept }) => ({
      trials: nonces,
      successes,
      chance: kept * WIN_PER_HELD_NONCE,
    })),
  );
  return { miners: results, chiSquare, pValue: chiSquareTail(chiSquare, results.length) };
}

/** A random part of the loads: a shuffle's first ones. */
function heldLoads(loads: number, percent: number, random: SeededBytes): Set<number> {
  const order = Array.from({ length: loads }, (_, i) => i);
  for (let i = loads - 1; i > 0; i--) {
    const at = new DataView(random.next(4).buffer).getUint32(0) % (i + 1);
    [order[i], order[at]] = [order[at]!, order[i]!];
  }
  return new Set(order.slice(0, Math.round((loads * percent) / 100)));
}
