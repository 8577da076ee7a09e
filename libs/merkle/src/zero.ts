import { assert, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { referenceKernels } from '@cairn/kernels';
import { MAX_SUBMISSION_HEIGHT, ZERO_SECTOR_HASH } from '@cairn/protocol';
import { pieces } from './shape.ts';

const table: Uint8Array[] = [hexToBytes(ZERO_SECTOR_HASH)];

/** Root of a perfect tree of 2^height zero sectors, height 0..63. A shared array: do not write to it. */
export function zeroHash(height: number): Uint8Array {
  assert(height >= 0 && height < MAX_SUBMISSION_HEIGHT, 'zero tree height is 0..63');
  for (let h = table.length; h <= height; h++)
    table.push(hashPair(referenceKernels(), table[h - 1]!, table[h - 1]!));
  return table[height]!;
}

/** Keccak-256 of two nodes; 32 new bytes. */
export function hashPair(kernels: Kernels, left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(64);
  pair.set(left);
  pair.set(right, 32);
  return kernels.hashPairs(pair);
}

/** Left-heavy tree over perfect subtrees in order, largest first: folds from the right. */
export function foldRight(kernels: Kernels, nodes: readonly Uint8Array[]): Uint8Array {
  assert(nodes.length > 0, 'a tree has a node');
  let root = nodes[nodes.length - 1]!;
  for (let i = nodes.length - 2; i >= 0; i--) root = hashPair(kernels, nodes[i]!, root);
  return root;
}

/** Root of a left-heavy tree over `count` zero sectors. */
export function zeroTree(kernels: Kernels, count: number): Uint8Array {
  return foldRight(
    kernels,
    pieces(0, count).map((piece) => zeroHash(piece.height)),
  );
}
