/*
 * A commitment to everything a stream ever held: an append-only Merkle tree (mountain range) over its values and control
 * entries. Nothing of a stream is ever updated in place, so the list of its versions is its state.
 *
 *   value leaf    keccak(00 ‖ stream 32 ‖ version u64 ‖ keccak(key) ‖ value hash)                         105 bytes
 *   control leaf  keccak(01 ‖ stream 32 ‖ version u64 ‖ op u8 ‖ keccak(key) ‖ account 20 ‖ operator 20)    114 bytes
 *   inner node    keccak(left ‖ right)                                                                     64 bytes
 *   stream root   keccak(stream 32 ‖ count u64 ‖ peaks folded from the right)                              72 bytes
 *   state root    the same fold over the stream roots in ascending order of stream id
 *
 * Lengths tell the kinds of preimages apart. Leaves of one batch stand in order of key, values before controls, so that the
 * order of a batch's entries does not matter. An append costs one hash per leaf amortized and keeps 32 bytes per peak; a
 * contract checks membership with log2(count) hashes. A sparse tree over the newest versions would also prove absence, at
 * 256 levels of hashing per write.
 */
import { assert, concatBytes, type Hash32, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { compareBytes } from './key-text.ts';
import type { StreamControl } from './replay.ts';

/** What of the accumulator is kept: peaks of perfect trees, largest first, 32 bytes each. */
export type AccumulatorState = { count: number; peaks: Uint8Array };
export const EMPTY_ACCUMULATOR: AccumulatorState = { count: 0, peaks: new Uint8Array() };

export type ValueEntry = { key: Uint8Array; valueHash: Uint8Array };
type Hasher = Pick<Kernels, 'keccak256' | 'keccak256Many' | 'hashPairs'>;

const VALUE_LEAF_BYTES = 105;
const CONTROL_LEAF_BYTES = 114;

/** A longer value is hashed in parts: keccak of the hashes of its parts. */
export const VALUE_HASH_PART_BYTES = 65_536;

/** What leaves say of values: `read(i, start, end)` gives bytes of value `i`, which has `sizes[i]` of them. */
export function valueHashes(
  hasher: Hasher,
  sizes: readonly number[],
  read: (index: number, start: number, end: number) => Uint8Array,
): Uint8Array[] {
  const short: number[] = [];
  const out: Uint8Array[] = new Array(sizes.length);
  for (const [i, size] of sizes.entries()) {
    if (size <= VALUE_HASH_PART_BYTES) {
      short.push(i);
      continue;
    }
    const parts: Uint8Array[] = [];
    for (let at = 0; at < size; at += VALUE_HASH_PART_BYTES)
      parts.push(hasher.keccak256(read(i, at, Math.min(size, at + VALUE_HASH_PART_BYTES))));
    out[i] = hasher.keccak256(concatBytes(...parts));
  }
  // A few hundred at a time: long values are not all in memory at once.
  for (let first = 0; first < short.length; first += VALUES_AT_ONCE) {
    const group = short.slice(first, first + VALUES_AT_ONCE);
    const hashes = hashAll(
      hasher,
      group.map((i) => read(i, 0, sizes[i]!)),
    );
    for (const [at, i] of group.entries()) out[i] = hashes[at]!;
  }
  return out;
}
const VALUES_AT_ONCE = 256;

/** Hashes of a batch's entries in one stream, in their canonical order; 32 bytes each. */
export function batchLeaves(
  hasher: Hasher,
  batch: {
    streamId: Hash32;
    version: number;
    values: readonly ValueEntry[];
    controls: readonly StreamControl[];
  },
): Uint8Array {
  const { values, controls } = batch;
  const head = new Uint8Array(41);
  head.set(hexToBytes(batch.streamId), 1);
  new DataView(head.buffer).setBigUint64(33, BigInt(batch.version));
  const preimages = new Uint8Array(VALUE_LEAF_BYTES * values.length);
  const sorted = values.toSorted((a, b) => compareBytes(a.key, b.key));
  const keyHashes = hashAll(
    hasher,
    sorted.map(({ key }) => key),
  );
  for (let i = 0, at = 0; i < sorted.length; i++, at += VALUE_LEAF_BYTES) {
    preimages.set(head, at);
    preimages.set(keyHashes[i]!, at + 41);
    preimages.set(sorted[i]!.valueHash, at + 73);
  }
  const controlImages = new Uint8Array(CONTROL_LEAF_BYTES * controls.length);
  for (const [i, control] of controls.toSorted(compareControls).entries()) {
    const at = i * CONTROL_LEAF_BYTES;
    controlImages.set(head, at);
    controlImages[at] = 1;
    controlImages[at + 41] = control.op;
    controlImages.set(hasher.keccak256(control.key), at + 42);
    controlImages.set(hexToBytes(control.account), at + 74);
    controlImages.set(hexToBytes(control.operator), at + 94);
  }
  return concatBytes(
    values.length > 0 ? hasher.keccak256Many(preimages, VALUE_LEAF_BYTES) : preimages,
    controls.length > 0 ? hasher.keccak256Many(controlImages, CONTROL_LEAF_BYTES) : controlImages,
  );
}

function compareControls(a: StreamControl, b: StreamControl): number {
  return (
    a.op - b.op ||
    compareBytes(a.key, b.key) ||
    (a.account < b.account ? -1 : a.account > b.account ? 1 : 0)
  );
}

/** The accumulator with more leaves (32 bytes each); a new value. Hashes whole levels at once. */
export function appendLeaves(
  hasher: Hasher,
  state: AccumulatorState,
  leaves: Uint8Array,
): AccumulatorState {
  assert(leaves.length % 32 === 0, 'leaves have 32 bytes');
  const peaks: Uint8Array[] = [];
  let open = state.peaks.length;
  let nodes = leaves;
  // From the bottom up: a level is the old peak there, if the count has one, and what came up from below. Pairs go on up,
  // one that is left over is the new peak. Exact below 2^53.
  for (let rest = state.count; rest > 0 || nodes.length > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) {
      open -= 32;
      nodes = concatBytes(state.peaks.subarray(open, open + 32), nodes);
    }
    const paired = nodes.length - (nodes.length % 64);
    if (nodes.length > paired) peaks.unshift(nodes.slice(paired));
    nodes = paired > 0 ? hasher.hashPairs(nodes.subarray(0, paired)) : new Uint8Array();
  }
  return { count: state.count + leaves.length / 32, peaks: concatBytes(...peaks) };
}

/** Keccak of each item, those of equal length together; 32 bytes each, in order. */
export function hashAll(hasher: Hasher, items: readonly Uint8Array[]): Uint8Array[] {
  const byLength = new Map<number, number[]>();
  let group: number[] = [];
  let length = -1;
  for (let i = 0; i < items.length; i++) {
    if (items[i]!.length !== length) {
      length = items[i]!.length;
      group = byLength.get(length) ?? [];
      byLength.set(length, group);
    }
    group.push(i);
  }
  const out: Uint8Array[] = new Array(items.length);
  for (const [itemBytes, indices] of byLength) hashGroup(hasher, items, indices, itemBytes, out);
  return out;
}

function hashGroup(
  hasher: Hasher,
  items: readonly Uint8Array[],
  indices: readonly number[],
  itemBytes: number,
  out: Uint8Array[],
): void {
  if (indices.length < 4 || itemBytes === 0) {
    for (const i of indices) out[i] = hasher.keccak256(items[i]!);
    return;
  }
  const joined = new Uint8Array(itemBytes * indices.length);
  for (let at = 0; at < indices.length; at++) joined.set(items[indices[at]!]!, at * itemBytes);
  const hashes = hasher.keccak256Many(joined, itemBytes);
  for (let at = 0; at < indices.length; at++)
    out[indices[at]!] = hashes.subarray(32 * at, 32 * at + 32);
}

/** Folded peaks: 32 zero bytes when there are none. */
function fold(hasher: Hasher, peaks: Uint8Array): Uint8Array {
  if (peaks.length === 0) return new Uint8Array(32);
  let node: Uint8Array = peaks.slice(peaks.length - 32);
  for (let at = peaks.length - 64; at >= 0; at -= 32)
    node = hasher.keccak256(concatBytes(peaks.subarray(at, at + 32), node));
  return node;
}

/** Root of one stream, 32 bytes. */
export function streamRoot(hasher: Hasher, streamId: Hash32, state: AccumulatorState): Uint8Array {
  const count = new Uint8Array(8);
  new DataView(count.buffer).setBigUint64(0, BigInt(state.count));
  return hasher.keccak256(concatBytes(hexToBytes(streamId), count, fold(hasher, state.peaks)));
}

/** Root over streams, whatever order they are given in; 32 zero bytes when there are none. */
export function stateRoot(
  hasher: Hasher,
  streams: readonly { streamId: Hash32; root: Uint8Array }[],
): Uint8Array {
  const sorted = streams.toSorted((a, b) => (a.streamId < b.streamId ? -1 : 1));
  const leaves = concatBytes(...sorted.map(({ root }) => root));
  return fold(hasher, appendLeaves(hasher, EMPTY_ACCUMULATOR, leaves).peaks);
}
