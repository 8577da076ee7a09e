// States made of a few batches by hand.
import { type Address, type Hash32, seededRandom } from '@cairn/base';
import type { BatchBuilder } from '@cairn/kv';
import { type HistoryBatch, WATCHED, WRITERS } from '@cairn/testkit';
import { SimChain, SimNode } from './simulation.ts';

export const STREAM: Hash32 = WATCHED[0]!;
export const key = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A batch as the simulated chain takes it; its facts are for the model and not used here. */
export function batchOf(builder: BatchBuilder, sender: Address = WRITERS[0]!): HistoryBatch {
  const { bytes, tags, streamIds } = builder.build();
  const facts = { seq: 0, version: 0, reads: [], writes: [], controls: [] };
  return { ...facts, sender, tags: streamIds, bytes, tagBytes: tags };
}

/** A node that has replayed these batches, each in a block of its own. */
export async function nodeWith(
  ...builders: BatchBuilder[]
): Promise<{ chain: SimChain; node: SimNode }> {
  const chain = new SimChain();
  for (const builder of builders) chain.add([batchOf(builder)]);
  const node = new SimNode(chain, { parallel: 16, random: seededRandom(1) });
  await node.follow();
  await node.replay();
  return { chain, node };
}
