import { concatBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';

const text = new TextEncoder();

/**
 * This node's place among those that lack the same: 0 is the one to rebuild it, the others come after it if it does not. Every node
 * counts the same way, by the hash of a node's name and what is lacking, so that all agree as far as they know each other, and
 * each has its share of the work.
 */
export function rankOf(
  kernels: Kernels,
  who: { self: string; others: Iterable<string> },
  what: string,
): number {
  const weight = (name: string): string =>
    Buffer.from(kernels.keccak256(concatBytes(text.encode(name), text.encode(what)))).toString(
      'hex',
    );
  const own = weight(who.self);
  let rank = 0;
  for (const other of who.others) if (weight(other) < own) rank++;
  return rank;
}
