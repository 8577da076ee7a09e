/*
 * Writes test/vectors/ranges.json: proofs of a few bytes of blobs of the network's shapes, which contracts/test/RollupVerifier.t.sol
 * opens. `node --conditions=source libs/erasure/test/da/make-range-vectors.ts`. Flat arrays, because forge reads them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex } from '@cairn/base';
import { DA_SHAPES, encodeBlob, proveRange } from '../../src/index.ts';
import { payloadOf, plainKernels } from '../support.ts';

const kernels = plainKernels();
/** Rows of 64 and of 4160 bytes (three pieces), and starts that touch one piece, two pieces of a row, two rows. */
const cases = [
  { shape: 0, payloadBytes: 60_000, starts: [0, 27, 58, 59, 30_000, 59_968, 59_999] },
  {
    shape: 0,
    payloadBytes: 4_200_000,
    starts: [0, 2040, 2043, 4_091, 4_123, 4_155, 2_000_001, 4_199_968],
  },
  { shape: 1, payloadBytes: 60_000, starts: [31, 59_990] },
].map(({ shape, payloadBytes, starts }) => {
  const payload = payloadOf(payloadBytes);
  const blob = encodeBlob(kernels, payload, { version: 0x11, shape: DA_SHAPES[shape]! });
  const ranges = starts.map((start) => ({ start, end: Math.min(start + 32, payloadBytes) }));
  return {
    shape,
    payloadBytes,
    commitment: bytesToHex(blob.commitment),
    starts: ranges.map(({ start }) => start),
    opened: ranges.map(({ start, end }) => bytesToHex(payload.subarray(start, end))),
    proofs: ranges.map((range) => bytesToHex(proveRange(blob, range))),
  };
});
writeFileSync(
  join(import.meta.dirname, '../vectors/ranges.json'),
  `${JSON.stringify({
    about: {
      purpose: 'openings of up to 32 bytes of a blob of version 0x11',
      source: 'libs/erasure/src/da/range.ts, design/da-protocol.md section 3',
      madeBy:
        'node --conditions=source libs/erasure/test/da/make-range-vectors.ts (proveRange, plain kernels)',
      payload: 'byte i is i*31 + (i>>8)*17 + (i>>16)*7 + 5 mod 256',
    },
    cases,
  })}\n`,
);
