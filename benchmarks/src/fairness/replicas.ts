// Several ids: with a sealed copy each, and from one raw copy that is sealed when a load is recalled.
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_LOAD } from '@cairn/pora';
import { median } from '../harness.ts';
import { ModelMiner, threadCpuMs } from './miner.ts';
import { type MinedRange, makeId, SeededBytes, sealedCopy, sealLoad } from './range.ts';

export type ReplicaResult = {
  name: string;
  ids: number;
  /** Copies of the range on the disk. */
  copies: number;
  /** Per CPU second. */
  iterations: number;
  /** Of the honest miner with one id, in the same round. */
  relative: number;
};

type Contender = { name: string; ids: number; copies: number; run: (nonces: number) => void };

export function replicaExperiment(
  kernels: Kernels,
  range: MinedRange,
  options: { seed: string; rounds: number; signal: AbortSignal },
): ReplicaResult[] {
  const { seed, rounds, signal } = options;
  const ids = ['a', 'b'].map((name) => makeId(seed, `replica/${name}`, range));
  const copies = ids.map((id) => sealedCopy(kernels, id, range));
  const miners = ids.map(
    (id, i) => new ModelMiner(kernels, id, range, new SeededBytes(`${seed}/replica/${i}`)),
  );
  const slice = (bytes: Uint8Array, load: number): Uint8Array =>
    bytes.subarray(load * BYTES_PER_LOAD, (load + 1) * BYTES_PER_LOAD);
  const buffer = new Uint8Array(BYTES_PER_LOAD);
  const mine = (count: number, load: (which: number, load: number) => Uint8Array) => {
    return (nonces: number): void => {
      for (let done = 0, turn = 0; done < nonces; turn++) {
        const which = turn % count;
        for (const draw of miners[which]!.draw()) {
          miners[which]!.search(draw, load(which, draw.load));
          done++;
        }
      }
    };
  };
  const stored = (which: number, load: number): Uint8Array => slice(copies[which]!, load);
  const onDemand = (which: number, load: number): Uint8Array => {
    buffer.set(slice(range.raw, load));
    sealLoad(kernels, ids[which]!, load, buffer);
    return buffer;
  };
  const contenders: Contender[] = [
    { name: 'one id, its sealed copy', ids: 1, copies: 1, run: mine(1, stored) },
    { name: 'two ids, a sealed copy each', ids: 2, copies: 2, run: mine(2, stored) },
    { name: 'one id, sealed when recalled', ids: 1, copies: 1, run: mine(1, onDemand) },
    {
      name: 'two ids, one raw copy, sealed when recalled',
      ids: 2,
      copies: 1,
      run: mine(2, onDemand),
    },
  ];
  const rates = contenders.map((): number[] => []);
  for (let round = -1; round < rounds; round++)
    for (const [i, { run }] of contenders.entries()) {
      signal.throwIfAborted();
      const nonces = 512;
      const started = threadCpuMs();
      run(nonces);
      if (round >= 0) rates[i]!.push((1000 * nonces) / (threadCpuMs() - started));
    }
  return contenders.map(({ name, ids: count, copies: disks }, i) => ({
    name,
    ids: count,
    copies: disks,
    iterations: median(rates[i]!),
    relative: median(rates[i]!.map((rate, round) => rate / rates[0]![round]!)),
  }));
}
