/*
 * A batch: the blobs that one certificate covers (da-protocol.md section 4). Its root is a left-heavy Keccak tree over the
 * blob keys: with c leaves on the left side of a node, the first nextPow2(c)/2 of them. Leaves are hashes of 15 words and
 * inner nodes hash two, and depth and sides follow from (count, index), so no value reads as both.
 */
import { assert, bytesToHex, type Hash32, isCodedError, nextPowerOfTwo } from '@cairn/base';
import { encodeWords, hashWords, keccak, type Word } from './abi.ts';
import { quorumError } from './errors.ts';
import { TAG_ATTEST } from './tags.ts';
import type { Domain } from './vrf.ts';

export const BATCH_MAX = 64;
export const BATCH_WORDS = 6;

export type Batch = {
  epoch: number;
  quorum: number;
  /** Block the disperser looked at; the certificate must land within CONFIRM_BLOCKS after it. */
  referenceBlock: number;
  /** Unix seconds. */
  expiry: number;
  /** Number of blobs, 1..64. */
  blobs: number;
  root: Hash32;
};

export function batchWords(batch: Batch): Word[] {
  const fields: [string, number, number][] = [
    ['epoch', batch.epoch, 2 ** 32],
    ['quorum', batch.quorum, 2 ** 16],
    ['referenceBlock', batch.referenceBlock, 2 ** 53],
    ['expiry', batch.expiry, 2 ** 53],
    ['blobs', batch.blobs, BATCH_MAX + 1],
  ];
  for (const [name, value, end] of fields)
    if (!Number.isSafeInteger(value) || value < 0 || value >= end)
      throw quorumError('QUORUM_BATCH', `${name} out of range: ${value}`, { [name]: value });
  if (batch.blobs < 1) throw quorumError('QUORUM_BATCH', 'an empty batch');
  return [...fields.map(([, value]) => value), batch.root];
}

/** `K(batch)`: the key of `certOf`. */
export function batchHash(batch: Batch): Hash32 {
  return hashWords(...batchWords(batch));
}

/** The 32 bytes members sign. */
export function attestMessage(entrance: Domain, batch: Batch): Hash32 {
  return hashWords(TAG_ATTEST, entrance.chainId, entrance.contract, ...batchWords(batch));
}

const join = (left: Hash32, right: Hash32): Hash32 =>
  bytesToHex(keccak(encodeWords([left, right]))) as Hash32;

/** Leaves left of the top of a tree over `count ≥ 2` leaves. */
function leftCount(count: number): number {
  return nextPowerOfTwo(count) / 2;
}

/** Root over the blob keys in order. */
export function batchRoot(keys: readonly Hash32[]): Hash32 {
  assert(keys.length >= 1, 'at least one blob');
  if (keys.length === 1) return keys[0]!;
  const half = leftCount(keys.length);
  return join(batchRoot(keys.slice(0, half)), batchRoot(keys.slice(half)));
}

/** Siblings of leaf `index`, leaf to root. */
export function batchProof(keys: readonly Hash32[], index: number): Hash32[] {
  assert(index >= 0 && index < keys.length, 'index in range');
  if (keys.length === 1) return [];
  const half = leftCount(keys.length);
  return index < half
    ? [...batchProof(keys.slice(0, half), index), batchRoot(keys.slice(half))]
    : [...batchProof(keys.slice(half), index - half), batchRoot(keys.slice(0, half))];
}

/** Sides of the path of `index` from the leaf up: true where the sibling lies left. */
export function pathSides(count: number, index: number): boolean[] {
  const sides: boolean[] = [];
  let rest = count;
  let at = index;
  while (rest > 1) {
    const half = leftCount(rest);
    const isRight = at >= half;
    sides.push(isRight);
    rest = isRight ? rest - half : half;
    at = isRight ? at - half : at;
  }
  return sides.reverse();
}

/** A leaf with what leads it to the root of its batch. */
export type BatchLeaf = { key: Hash32; index: number; siblings: readonly Hash32[] };

/** Root that a leaf of a batch of `count` blobs leads to. Throws `QUORUM_BATCH` on a wrong index or number of siblings. */
export function foldBatchProof({ key, index, siblings }: BatchLeaf, count: number): Hash32 {
  const sides =
    Number.isSafeInteger(index) && index >= 0 && index < count
      ? pathSides(count, index)
      : undefined;
  if (sides?.length !== siblings.length)
    throw quorumError('QUORUM_BATCH', 'a path of the wrong length', { count, index });
  return sides.reduce<Hash32>(
    (node, isRight, i) => (isRight ? join(siblings[i]!, node) : join(node, siblings[i]!)),
    key,
  );
}

/** True when `key` is leaf `index` of the batch. Bad lengths and indices are just false. */
export function verifyBatchProof(batch: Batch, leaf: BatchLeaf): boolean {
  try {
    return foldBatchProof(leaf, batch.blobs) === batch.root;
  } catch (error) {
    if (isCodedError(error)) return false;
    throw error;
  }
}
