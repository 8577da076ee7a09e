// When a shard is halved or doubled under a limit, and which half stays. Pure; docs/adr/0014 has the reasons.
import { halvesOfShard, type ShardConfig, shardsIntersect } from '@cairn/protocol';

/** A shard is halved when this share of the limit is used: what is on its way still has room meanwhile. */
const SPLIT_SHARE = 0.9;
/** It is doubled when twice of what is used stays below this share, well below the other one: no flapping. */
const MERGE_SHARE = 0.7;

export type Usage = { segments: number; limit: number };

export function isSplitDue({ segments, limit }: Usage): boolean {
  return segments >= Math.max(1, Math.floor(limit * SPLIT_SHARE));
}

export function isMergeDue({ segments, limit }: Usage): boolean {
  return 2 * segments <= limit * MERGE_SHARE;
}

/**
 * Which half of a shard to keep, or undefined when receipts bind segments in both. One that binds nothing may go; of two such the half
 * stays of which peers keep less, and with equal peers the one that `draw` in [0, 1) says, so that nodes that split at once differ.
 */
export function halfToKeep(
  shard: ShardConfig,
  facts: {
    isBound: (half: ShardConfig) => boolean;
    peers: readonly ShardConfig[];
    draw: number;
  },
): 0 | 1 | undefined {
  const [even, odd] = halvesOfShard(shard);
  const [evenBound, oddBound] = [facts.isBound(even), facts.isBound(odd)];
  if (evenBound && oddBound) return undefined;
  if (evenBound !== oddBound) return evenBound ? 0 : 1;
  const [evenCopies, oddCopies] = [copiesOf(even, facts.peers), copiesOf(odd, facts.peers)];
  if (evenCopies !== oddCopies) return evenCopies < oddCopies ? 0 : 1;
  return facts.draw < 0.5 ? 0 : 1;
}

/** Copies of a shard that peers keep together; a peer that keeps a quarter of it counts a quarter. */
function copiesOf(shard: ShardConfig, peers: readonly ShardConfig[]): number {
  let copies = 0;
  for (const peer of peers)
    if (shardsIntersect(shard, peer)) copies += Math.min(1, shard.numShard / peer.numShard);
  return copies;
}
