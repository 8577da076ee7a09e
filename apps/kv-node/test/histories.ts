// One random history on two nodes and the model. The seed repeats it.
import { seededRandom } from '@cairn/base';
import { HistoryGenerator, KvModel, WATCHED } from '@cairn/testkit';
import { expect } from 'vitest';
import { expectEqualsModel, SimChain, SimNode } from './simulation.ts';

export type HistoryNodes = { straight?: SimNode; shaken?: SimNode };

/**
 * `shaken` sees every fork, dies in the middle of things and decides many batches at once; `straight` reads the final
 * chain, one batch at a time. Both must hold the same bytes and agree with the model. Databases are used again.
 */
export async function checkHistory(seed: number, kept: HistoryNodes): Promise<void> {
  const random = seededRandom(seed);
  const generator = new HistoryGenerator(random);
  const chain = new SimChain();
  const open = (name: keyof HistoryNodes, parallel: number): SimNode => {
    kept[name]?.clear();
    const db = kept[name]?.db;
    kept[name] = new SimNode(chain, { parallel, random, ...(db ? { db } : {}) });
    return kept[name];
  };
  const shaken = open('shaken', 1 + generator.below(8));
  for (let step = 0; step < 8; step++) {
    if (generator.chance(0.25)) chain.fork(1 + generator.below(3));
    let seq = chain.nextSeq;
    chain.add(
      Array.from({ length: generator.below(4) }, () => {
        const at = seq++;
        return generator.chance(0.1) ? undefined : generator.batch(at);
      }),
    );
    if (generator.chance(0.7)) await shaken.follow();
    if (generator.chance(0.3)) await shaken.crash();
    else if (generator.chance(0.6)) await shaken.replay();
  }
  await shaken.follow();
  await shaken.replay();

  const straight = open('straight', 1);
  await straight.follow();
  await straight.replay();
  const model = new KvModel(WATCHED);
  for (const batch of chain.batches()) model.replay(batch);

  const seqs = chain.nextSeq;
  expect(shaken.state.log.applied()).toBe(seqs);
  await expectEqualsModel(shaken, model, seqs);
  expect(shaken.dump()).toEqual(straight.dump());
  for (let seq = 0; seq < seqs; seq++)
    expect(shaken.state.stateRootAt(seq)).toEqual(straight.state.stateRootAt(seq));
}
