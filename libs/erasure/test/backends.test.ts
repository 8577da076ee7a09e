import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, equalBytes, seededRandom } from '@cairn/base';
import { type Kernels, loadKernels, referenceKernels } from '@cairn/kernels';
import { loadNativeKernels } from '@cairn/kernels/node';
import { describe, expect, it } from 'vitest';
import {
  BlobReader,
  checkShard,
  codedFileLayout,
  DA_SHAPES,
  encodeBlob,
  FRAGMENT_BYTES,
  fragmentPlace,
  openCommitment,
  parityWindows,
  rebuildFragments,
} from '../src/index.ts';
import { conformance } from './conformance.ts';
import { payloadOf } from './support.ts';

const wasm = await loadKernels();
const native = loadNativeKernels().kernels;
const backends: Kernels[] = native ? [wasm, native] : [wasm];
const read = (path: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, path), 'utf8'));

describe('conformance.json', () => {
  const { cases, sha256 } = read('conformance.json') as { cases: number; sha256: string };
  for (const kernels of [referenceKernels(), ...backends]) {
    it(`${kernels.backend} kernels give what is on record`, () => {
      expect(conformance(kernels, cases)).toEqual({ cases, sha256 });
    });
  }
});

for (const kernels of backends) {
  describe(`${kernels.backend} kernels at the sizes of the network`, () => {
    it('the vectors of rows longer than a piece, 4 MB in 1024 rows', () => {
      const vectors = read('vectors/blob-0x11.json') as {
        cases: { format: { payloadBytes: number }; commitment: string }[];
      };
      const large = vectors.cases.filter(({ format }) => format.payloadBytes > 1e6);
      expect(large.length).toBe(1);
      for (const { format, commitment } of large) {
        const shape = DA_SHAPES[0];
        const payload = payloadOf(format.payloadBytes);
        const blob = encodeBlob(kernels, payload, { version: 0x11, shape });
        expect(bytesToHex(blob.commitment)).toBe(commitment);
      }
    });

    it('a member’s 148 rows of DA-M check, and 4096 random rows give the payload back', () => {
      const shape = DA_SHAPES[1];
      const payload = payloadOf(1_000_000);
      const blob = encodeBlob(kernels, payload, { version: 0x11, shape });
      const random = seededRandom(148);
      const order = [...Array(16_384).keys()]
        .map((index) => ({ index, key: random.next() }))
        .toSorted((a, b) => a.key - b.key)
        .map(({ index }) => index);
      const own = order.slice(0, 148).toSorted((a, b) => a - b);
      const { open } = checkShard(kernels, blob, blob.shard(own), own);
      const reader = new BlobReader(kernels, open);
      for (let at = 0; reader.missingCount > 0; at += 148) {
        const indices = order.slice(at, at + 148).toSorted((a, b) => a - b);
        reader.addShard(blob.shard(indices), indices);
      }
      expect(equalBytes(reader.payload(payload.length), payload)).toBe(true);
      // All rows lost but the last parity block, which is a plain change of points.
      const block = new BlobReader(kernels, openCommitment(kernels, blob, blob));
      const last = [...Array(4096).keys()].map((i) => 12_288 + i);
      expect(block.addShard(blob.shard(last), last)).toBe(4096);
      expect(equalBytes(block.payload(payload.length), payload)).toBe(true);
    });

    it('a coded file survives the loss of half of its residues, tail and all', async () => {
      const { galois } = kernels;
      const dataBytes = 37 * FRAGMENT_BYTES + 1000;
      const data = seededRandom(5).bytes(dataBytes);
      const segment = (index: number): Uint8Array =>
        data.subarray(index * FRAGMENT_BYTES, (index + 1) * FRAGMENT_BYTES);
      for (const code of [32, 24] as const) {
        const layout = codedFileLayout(dataBytes, code);
        const windows = layout.paritySegments / 32;
        const parity = await parityWindows(
          galois,
          layout,
          { start: 0, end: windows },
          (index, into) => into.set(segment(index)),
        );
        const dead = (residue: number): boolean =>
          code === 32 ? residue % 2 === 0 : residue % 4 === 0;
        for (let stripe = 0; stripe < layout.stripes; stripe++) {
          const present = new Map<number, Uint8Array>();
          const lost: number[] = [];
          for (let position = 0; position < code; position++) {
            const place = fragmentPlace(layout, { stripe, position });
            if (place.kind === 'zero') continue;
            const { segmentIndex } = place;
            const at = segmentIndex * FRAGMENT_BYTES;
            if (dead(segmentIndex % 32)) lost.push(position);
            else if (place.kind === 'data') present.set(position, segment(segmentIndex));
            else present.set(position, parity.subarray(at, at + FRAGMENT_BYTES));
          }
          const rebuilt = rebuildFragments(galois, layout, { stripe, present, wanted: lost });
          for (const [i, position] of lost.entries()) {
            const place = fragmentPlace(layout, { stripe, position });
            if (place.kind === 'zero') continue;
            const expected = new Uint8Array(FRAGMENT_BYTES);
            const at = place.segmentIndex * FRAGMENT_BYTES;
            if (place.kind === 'data') expected.set(segment(place.segmentIndex));
            else expected.set(parity.subarray(at, at + FRAGMENT_BYTES));
            expect(equalBytes(rebuilt[i]!, expected)).toBe(true);
          }
        }
      }
    });
  });
}
