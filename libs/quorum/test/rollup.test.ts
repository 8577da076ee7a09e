import { bytesToHex, type Hash32, hexToBytes } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batchProof,
  batchRoot,
  blobKey,
  decodeLookup,
  decodeRollupCertificate,
  encodeLookup,
  encodeRollupCertificate,
  hashWords,
  isRollupCertificate,
  ROLLUP_CERTIFICATE_BYTES_MAX,
  type RollupCertificate,
  rollupBlobKey,
  rollupLookup,
  rowBytes,
  SHAPES,
} from '../src/index.ts';
import vectors from './vectors/rollup.json' with { type: 'json' };

const entrance = { chainId: 31_337, contract: `0x${'22'.repeat(20)}` as `0x${string}` as never };
const keyOf = (i: number): Hash32 => hashWords(i + 1);

const certificates = fc
  .record({
    shape: fc.nat(2),
    blobLength: fc.integer({ min: 1, max: 30_000_000 }),
    offset: fc.nat(),
    length: fc.nat(),
    epoch: fc.nat(2 ** 31),
    quorum: fc.nat(65_535),
    referenceBlock: fc.nat(2 ** 40),
    expiry: fc.nat(2 ** 40),
    blobs: fc.integer({ min: 1, max: 64 }),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 104, maxLength: 104 }),
    maxFee: fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  })
  .map((raw): { certificate: RollupCertificate; keys: Hash32[] } => {
    const { epoch, quorum, referenceBlock, expiry, blobs, bytes, maxFee } = raw;
    const hex = (from: number, to: number): never => bytesToHex(bytes.subarray(from, to)) as never;
    const header = {
      version: 0x11,
      shape: raw.shape,
      length: raw.blobLength,
      rowSize: rowBytes(SHAPES[raw.shape]!, raw.blobLength),
      commitment: hex(0, 32),
      account: hex(32, 52),
      disperser: hex(52, 72),
      nonce: BigInt(bytesToHex(bytes.subarray(72, 104))),
      ...{ epoch, quorum, expiry, maxFee },
    };
    const index = raw.at % blobs;
    const keys = Array.from({ length: blobs }, (_, i) => keyOf(i));
    keys[index] = blobKey(entrance, header);
    const offset = raw.offset % raw.blobLength;
    return {
      keys,
      certificate: {
        header,
        batch: { epoch, quorum, referenceBlock, expiry, blobs },
        index,
        siblings: batchProof(keys, index),
        offset,
        length: 1 + (raw.length % (raw.blobLength - offset)),
      },
    };
  });

describe('the certificate a rollup posts', () => {
  it('agrees with the vectors', () => {
    const place = { chainId: vectors.chainId, contract: vectors.entrance as never };
    for (const [i, hex] of vectors.certificates.entries()) {
      const certificate = decodeRollupCertificate(hexToBytes(hex));
      expect(bytesToHex(encodeRollupCertificate(certificate))).toBe(hex);
      expect(certificate).toMatchObject({ offset: vectors.offsets[i], length: vectors.lengths[i] });
      expect(rollupBlobKey(place, certificate)).toBe(vectors.blobKeys[i]);
      expect(bytesToHex(rollupLookup(place, certificate))).toBe(vectors.lookups[i]);
    }
  });

  it('is read back as it was written, in 164 to 356 bytes', () => {
    fc.assert(
      fc.property(certificates, ({ certificate }) => {
        const bytes = encodeRollupCertificate(certificate);
        expect(bytes.length).toBe(164 + 32 * certificate.siblings.length);
        expect(bytes.length).toBeLessThanOrEqual(ROLLUP_CERTIFICATE_BYTES_MAX);
        expect(isRollupCertificate(bytes)).toBe(true);
        expect(decodeRollupCertificate(bytes)).toEqual(certificate);
      }),
    );
  });

  it('leads to the lookup of its batch', () => {
    fc.assert(
      fc.property(certificates, ({ certificate, keys }) => {
        const { header, index, siblings } = certificate;
        const batch = { ...certificate.batch, root: batchRoot(keys) };
        const lookup = encodeLookup({ batch, header, index, siblings });
        expect(rollupLookup(entrance, certificate)).toEqual(lookup);
        expect(decodeLookup(lookup)).toEqual({ batch, header, index, siblings });
        expect(() => decodeLookup(lookup.subarray(32))).toThrow('not a lookup');
      }),
    );
  });

  it('is malformed with any bit changed, cut or grown anywhere', () => {
    fc.assert(
      fc.property(certificates, fc.nat(), fc.nat(), ({ certificate }, bit, cut) => {
        const bytes = encodeRollupCertificate(certificate);
        const refuses = (some: Uint8Array): void =>
          expect(() => decodeRollupCertificate(some)).toThrow(/malformed certificate/);
        const changed = bytes.slice();
        changed[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7);
        refuses(changed);
        refuses(bytes.subarray(0, cut % bytes.length));
        refuses(Uint8Array.of(...bytes, 0));
      }),
    );
  });

  it('is never made of fields that do not belong together', () => {
    const { certificate } = fc.sample(certificates, { numRuns: 1, seed: 1 })[0]!;
    const { header, batch } = certificate;
    const wrong: [string, Partial<RollupCertificate>][] = [
      ['empty range', { length: 0 }],
      ['range', { offset: header.length }],
      ['row size', { header: { ...header, rowSize: header.rowSize + 64 } }],
      ['epoch', { batch: { ...batch, epoch: batch.epoch + 1 } }],
      ['expiry', { batch: { ...batch, expiry: batch.expiry + 1 } }],
      ['fee', { header: { ...header, maxFee: 1n << 128n } }],
      ['leaf', { index: batch.blobs }],
      ['blobs', { batch: { ...batch, blobs: 65 } }],
      ['path', { siblings: [...certificate.siblings, keyOf(9)] }],
    ];
    for (const [what, change] of wrong)
      expect(() => encodeRollupCertificate({ ...certificate, ...change }), what).toThrow(
        /malformed certificate/,
      );
    expect(hexToBytes('0x014301')).toEqual(encodeRollupCertificate(certificate).subarray(0, 3));
  });
});
