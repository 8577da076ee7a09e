import { assert } from '@cairn/base';
import { SECTOR_BYTES, TREE_LEAVES_MAX } from './keccak.ts';

/** Number of items in a batch; asserts that the lengths fit. */
export function checkMany(
  input: Uint8Array,
  itemBytes: number,
  out: Uint8Array | undefined,
): number {
  assert(
    Number.isInteger(itemBytes) && itemBytes > 0,
    'keccak256Many: itemBytes is a positive integer',
  );
  assert(input.length % itemBytes === 0, 'keccak256Many: input is a whole number of items');
  const count = input.length / itemBytes;
  assert(out === undefined || out.length >= 32 * count, 'keccak256Many: out is too short');
  return count;
}

/** Number of trees in a batch; asserts that the lengths fit. */
export function checkTrees(
  input: Uint8Array,
  leavesPerTree: number,
  out: Uint8Array | undefined,
): number {
  assert(
    Number.isInteger(leavesPerTree) &&
      leavesPerTree >= 1 &&
      leavesPerTree <= TREE_LEAVES_MAX &&
      (leavesPerTree & (leavesPerTree - 1)) === 0,
    'sectorTreeRoots: leavesPerTree is a power of two up to 1024',
  );
  const treeBytes = leavesPerTree * SECTOR_BYTES;
  assert(input.length % treeBytes === 0, 'sectorTreeRoots: input is a whole number of trees');
  const trees = input.length / treeBytes;
  assert(out === undefined || out.length >= 32 * trees, 'sectorTreeRoots: out is too short');
  return trees;
}
