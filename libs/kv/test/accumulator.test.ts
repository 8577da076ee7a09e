import type { Address, Hash32 } from '@cairn/base';
import { bytesToHex, concatBytes, hexToBytes } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { keccak_256 } from '@noble/hashes/sha3.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendLeaves,
  batchLeaves,
  CONTROL,
  EMPTY_ACCUMULATOR,
  stateRoot,
  streamRoot,
  VALUE_HASH_PART_BYTES,
  valueHashes,
} from '../src/index.ts';

const kernels = await loadKernels();
const STREAM = `0x${'00'.repeat(30)}f2bd` as Hash32;
const leavesOf = (count: number, salt = 0): Uint8Array =>
  concatBytes(...Array.from({ length: count }, (_, i) => keccak_256(Uint8Array.of(i, salt))));

/** The same tree by its definition: perfect trees of the powers of two in `count`, folded from the right. */
function rootByDefinition(leaves: Uint8Array): Uint8Array {
  const tree = (at: number, size: number): Uint8Array =>
    size === 1
      ? leaves.slice(32 * at, 32 * at + 32)
      : keccak_256(concatBytes(tree(at, size / 2), tree(at + size / 2, size / 2)));
  const peaks: Uint8Array[] = [];
  let at = 0;
  for (let size = 2 ** 20; size >= 1; size /= 2)
    if (Math.floor(leaves.length / 32 / size) % 2 === 1) {
      peaks.push(tree(at, size));
      at += size;
    }
  return peaks.reduceRight<Uint8Array | undefined>(
    (folded, peak) => (folded ? keccak_256(concatBytes(peak, folded)) : peak),
    undefined,
  )!;
}

describe('the accumulator', () => {
  it('is the tree of its definition, however the leaves are split over batches', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat({ max: 70 }), (count, cut) => {
        const leaves = leavesOf(count);
        const at = 32 * Math.min(cut, count);
        const first = appendLeaves(kernels, EMPTY_ACCUMULATOR, leaves.subarray(0, at));
        const state = appendLeaves(kernels, first, leaves.subarray(at));
        const size = new Uint8Array(8);
        new DataView(size.buffer).setBigUint64(0, BigInt(count));
        expect(state.count).toBe(count);
        expect(streamRoot(kernels, STREAM, state)).toEqual(
          keccak_256(concatBytes(hexToBytes(STREAM), size, rootByDefinition(leaves))),
        );
      }),
    );
  });

  it('does not depend on the order of a batch, and on everything else', () => {
    const values = ['b', 'a', 'ab'].map((text) => ({
      key: new TextEncoder().encode(text),
      valueHash: keccak_256(new TextEncoder().encode(`value ${text}`)),
    }));
    const account = `0x${'a1'.repeat(20)}` as Address;
    const control = {
      op: CONTROL.grantWriter,
      streamId: STREAM,
      key: new Uint8Array(),
      account,
      operator: account,
    };
    const controls = [control, { ...control, op: CONTROL.grantAdmin }];
    const batch = { streamId: STREAM, version: 7, values, controls };
    const leaves = batchLeaves(kernels, batch);
    expect(leaves.length).toBe(5 * 32);
    const reversed = { ...batch, values: values.toReversed(), controls: controls.toReversed() };
    expect(batchLeaves(kernels, reversed)).toEqual(leaves);
    for (const changed of [
      { ...batch, version: 8 },
      { ...batch, streamId: `0x${'00'.repeat(31)}01` as Hash32 },
      { ...batch, values: [{ ...values[0]!, key: Uint8Array.of(1) }, ...values.slice(1)] },
      { ...batch, controls: [{ ...control, operator: `0x${'00'.repeat(20)}` as Address }] },
    ])
      expect(bytesToHex(batchLeaves(kernels, changed))).not.toBe(bytesToHex(leaves));
  });

  it('hashes long values in parts, and the edge of a part is exact', () => {
    const value = new Uint8Array(VALUE_HASH_PART_BYTES + 1).fill(3);
    const hash = (size: number): Uint8Array =>
      valueHashes(kernels, [size], (_, start, end) => value.subarray(start, end))[0]!;
    expect(hash(VALUE_HASH_PART_BYTES)).toEqual(keccak_256(value.subarray(1)));
    expect(hash(value.length)).toEqual(
      keccak_256(concatBytes(keccak_256(value.subarray(1)), keccak_256(Uint8Array.of(3)))),
    );
  });

  it('the root over streams does not depend on the order they are given in', () => {
    const streams = [1, 2, 3].map((n) => ({
      streamId: `0x${n.toString(16).padStart(64, '0')}` as Hash32,
      root: keccak_256(Uint8Array.of(n)),
    }));
    expect(stateRoot(kernels, streams)).toEqual(stateRoot(kernels, streams.toReversed()));
    expect(stateRoot(kernels, [])).toEqual(new Uint8Array(32));
  });
});
