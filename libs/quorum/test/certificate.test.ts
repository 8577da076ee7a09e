/* Headers, batches and certificates: vectors, both BLS backends against each other, liars named, hostile bytes. */
import { type Address, bytesToHex, type Hash32, hexToBytes } from '@cairn/base';
import fc from 'fast-check';
import { encodeAbiParameters } from 'viem';
import { describe, expect, test } from 'vitest';
import {
  absenteesHash,
  attestMessage,
  authorizationDigest,
  BLOB_VERSION,
  batchHash,
  batchProof,
  batchRoot,
  blobFee,
  blobKey,
  buildCertificate,
  type CertifyingQuorum,
  decodeHeader,
  encodeCertificate,
  encodeHeader,
  encodeLookup,
  findBadShares,
  headerFault,
  nobleBls,
  secretKeyFromSeed,
  verifyBatchProof,
  verifyCertificate,
} from '../src/index.ts';
import { blstBls } from '../src/node/index.ts';
import * as reference from './reference.ts';
import {
  batchVector,
  blobs,
  codeOf,
  entrance,
  hashes,
  headerVector,
  numbers,
  vectors,
} from './support.ts';

const secrets = blobs('secrets');
const weights = numbers('weights');
const publicKeys = secrets.map((secret) => blstBls.publicKey(secret));
const quorum: CertifyingQuorum = {
  members: publicKeys.map((publicKey, i) => ({ publicKey, weight: weights[i]! })),
  weight: weights.reduce((a, b) => a + b, 0),
};
const batch = batchVector(5);
const message = attestMessage(entrance, batch);
const shareOf = (member: number, text: Hash32 = message) => ({
  member,
  signature: blstBls.sign(secrets[member]!, hexToBytes(text)),
});
const everybody = secrets.map((_, member) => shareOf(member));

describe('headers', () => {
  test('keys and digests are those of the reference, and survive the codec', () => {
    for (let i = 0; i < 11; i++) {
      const header = headerVector(i);
      expect(blobKey(entrance, header)).toBe(hashes('blobKeys')[i]);
      expect(authorizationDigest(entrance, header)).toBe(hashes('authorizationDigests')[i]);
      expect(decodeHeader(encodeHeader(header))).toEqual(header);
    }
  });

  test('random headers hash as viem hashes them', () => {
    const address = fc
      .uint8Array({ minLength: 20, maxLength: 20 })
      .map((bytes) => bytesToHex(bytes) as Address);
    const arbitrary = fc.record({
      version: fc.nat(255),
      shape: fc.nat(255),
      length: fc.nat(2 ** 32 - 1),
      rowSize: fc.nat(2 ** 32 - 1),
      commitment: fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((bytes) => bytesToHex(bytes) as Hash32),
      account: address,
      disperser: address,
      nonce: fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
      epoch: fc.nat(2 ** 32 - 1),
      quorum: fc.nat(2 ** 16 - 1),
      expiry: fc.nat(2 ** 53 - 1),
      maxFee: fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
    });
    fc.assert(
      fc.property(arbitrary, (header) => {
        const place = { chainId: entrance.chainId, contract: entrance.contract };
        expect(blobKey(entrance, header)).toBe(reference.blobKey(place, header));
        expect(authorizationDigest(entrance, header)).toBe(
          reference.authorizationDigest(place, header),
        );
        expect(decodeHeader(encodeHeader(header))).toEqual(header);
      }),
    );
  });

  test('a header with a word beyond its type, or of another length, is refused', () => {
    const bytes = encodeHeader(headerVector(0));
    expect(codeOf(() => decodeHeader(bytes.subarray(1)))).toBe('QUORUM_HEADER');
    expect(codeOf(() => decodeHeader(new Uint8Array(385)))).toBe('QUORUM_HEADER');
    for (const word of [0, 1, 2, 3, 5, 6, 8, 9, 10]) {
      const wide = bytes.slice();
      wide[32 * word] = 1;
      expect(codeOf(() => decodeHeader(wide))).toBe('QUORUM_HEADER');
    }
    expect(codeOf(() => encodeHeader({ ...headerVector(0), quorum: 65_536 }))).toBe(
      'QUORUM_HEADER',
    );
  });

  test('paying for a byte and storing 128 MiB is a fault', () => {
    const good = { ...headerVector(0), version: BLOB_VERSION, shape: 0, length: 1, rowSize: 64 };
    expect(headerFault(good, 7)).toBeUndefined();
    expect(headerFault({ ...good, rowSize: 32_768 }, 7)).toBe('rowSize');
    expect(headerFault({ ...good, rowSize: 0 }, 7)).toBe('rowSize');
    expect(headerFault({ ...good, length: 0 }, 7)).toBe('length');
    expect(headerFault({ ...good, version: 0x10 }, 7)).toBe('version');
    expect(headerFault({ ...good, shape: 3 }, 7)).toBe('shape');
    expect(headerFault({ ...good, shape: 1 }, 7)).toBe('shape'); // larger than needed
    expect(headerFault(good, 65)).toBe('shape'); // fewer than 64 rows per member
    expect(blobFee(good, { retentionSeconds: 600, pricePerByteSecond: 3n })).toBe(
      4096n * 64n * 600n * 3n,
    );
  });
});

describe('batches', () => {
  test('roots, hashes and messages are those of the reference', () => {
    for (let count = 1; count <= 11; count++) {
      const item = batchVector(count);
      expect(batchRoot(hashes('blobKeys').slice(0, count))).toBe(item.root);
      expect(batchHash(item)).toBe(hashes('batchHashes')[count - 1]);
      expect(attestMessage(entrance, item)).toBe(hashes('attestMessages')[count - 1]);
    }
  });

  test('every leaf of every size is proven, at its index only', () => {
    for (let count = 1; count <= 11; count++) {
      const keys = hashes('blobKeys').slice(0, count);
      const item = batchVector(count);
      for (const [index, key] of keys.entries()) {
        const siblings = batchProof(keys, index);
        expect(verifyBatchProof(item, { key, index, siblings })).toBe(true);
        for (const wrong of [index + 1, -1, 0.5, count])
          expect(verifyBatchProof(item, { key, index: wrong, siblings })).toBe(false);
        expect(verifyBatchProof(item, { key, index, siblings: [...siblings, key] })).toBe(false);
        if (siblings.length > 0) {
          expect(verifyBatchProof(item, { key, index, siblings: siblings.slice(1) })).toBe(false);
          const moved = [...siblings];
          moved[0] = hashes('betas')[0]!;
          expect(verifyBatchProof(item, { key, index, siblings: moved })).toBe(false);
        }
      }
    }
  });

  test('a batch that is empty or too large is refused', () => {
    expect(codeOf(() => batchHash({ ...batch, blobs: 0 }))).toBe('QUORUM_BATCH');
    expect(codeOf(() => batchHash({ ...batch, blobs: 65 }))).toBe('QUORUM_BATCH');
  });
});

describe.each([blstBls, nobleBls])('$backend', (bls) => {
  test('agrees with the vectors', () => {
    for (const [i, key] of blobs('keys').entries()) {
      const compressed = bls.publicKey(secrets[i]!);
      expect(compressed).toEqual(publicKeys[i]);
      expect(bls.publicKeyToEvm(compressed)).toEqual(key);
      expect(bls.publicKeyFromEvm(key)).toEqual(compressed);
    }
    const pop = hexToBytes(hashes('popMessages')[0]!);
    const signature = bls.sign(secrets[0]!, pop);
    expect(bls.signatureToEvm(signature)).toEqual(blobs('popSignatures')[0]);
    expect(bls.signatureFromEvm(blobs('popSignatures')[0]!)).toEqual(signature);
    expect(bls.verify(publicKeys[0]!, pop, signature)).toBe(true);
    expect(bls.verify(publicKeys[1]!, pop, signature)).toBe(false);
  });

  test('accepts the certificate of the vectors and no changed one', () => {
    const certificate = {
      batch,
      signature: bls.signatureFromEvm(hexToBytes(vectors.aggregateSignature)),
      absentees: numbers('absentees'),
    };
    const check = (change: object, against = quorum) =>
      codeOf(() =>
        verifyCertificate(bls, {
          entrance,
          certificate: { ...certificate, ...change },
          quorum: against,
        }),
      );
    expect(check({})).toBeUndefined();
    expect(check({ absentees: [5, 3] })).toBe('QUORUM_CERTIFICATE');
    expect(check({ absentees: [3, 3] })).toBe('QUORUM_CERTIFICATE');
    expect(check({ absentees: [3, 7] })).toBe('QUORUM_CERTIFICATE');
    expect(check({ absentees: [0, 1] })).toBe('QUORUM_WEIGHT');
    expect(check({ absentees: [3] })).toBe('QUORUM_SIGNATURE');
    expect(check({ batch: { ...batch, expiry: batch.expiry + 1 } })).toBe('QUORUM_SIGNATURE');
    expect(check({ signature: certificate.signature.subarray(1) })).toBe('QUORUM_SIGNATURE');
  });

  test('refuses points that are none, the identity, or outside the subgroup', () => {
    const identity = new Uint8Array(48);
    identity[0] = 0xc0;
    const identitySignature = new Uint8Array(96);
    identitySignature[0] = 0xc0;
    const bytes = hexToBytes(message);
    for (const bad of [
      identity,
      new Uint8Array(48),
      new Uint8Array(47),
      publicKeys[0]!.map((b) => b ^ 1),
    ]) {
      expect(bls.verify(bad, bytes, everybody[0]!.signature)).toBe(false);
      expect(codeOf(() => bls.publicKeyToEvm(bad))).toBe('QUORUM_POINT');
    }
    expect(bls.verify(publicKeys[0]!, bytes, identitySignature)).toBe(false);
    expect(codeOf(() => bls.aggregateSignatures([identitySignature]))).toBe('QUORUM_POINT');
    expect(codeOf(() => bls.aggregateSignatures([]))).toBe('QUORUM_POINT');
    expect(codeOf(() => bls.aggregatePublicKeys([]))).toBe('QUORUM_POINT');
    const key = blobs('keys')[0]!.slice();
    key[3] = 1; // upper sixteen bytes of a field element
    expect(codeOf(() => bls.publicKeyFromEvm(key))).toBe('QUORUM_POINT');
    expect(codeOf(() => bls.sign(new Uint8Array(32), bytes))).toBe('QUORUM_POINT');
    expect(codeOf(() => bls.sign(new Uint8Array(32).fill(255), bytes))).toBe('QUORUM_POINT');
  });

  test('a key and its negative make no valid aggregate', () => {
    const negative = bls.publicKey(secrets[0]!);
    negative[0] = negative[0]! ^ 0x20; // the sign bit of a compressed point
    const keys = [publicKeys[0]!, negative];
    expect(codeOf(() => bls.aggregatePublicKeys(keys))).toBe('QUORUM_POINT');
    expect(bls.verifyAggregate(keys, hexToBytes(message), everybody[0]!.signature)).toBe(false);
  });
});

describe('certificates', () => {
  test('one is built from all shares, and liars are named', () => {
    const liar = shareOf(3, hashes('attestMessages')[0]!);
    const built = buildCertificate(blstBls, {
      entrance,
      batch,
      quorum,
      shares: everybody.map((share) => (share.member === 3 ? liar : share)).toReversed(),
    });
    if (built.kind !== 'certified') throw new Error(built.kind);
    expect(built.bad).toEqual([3]);
    expect(built.certificate.absentees).toEqual([3]);
    verifyCertificate(blstBls, { entrance, certificate: built.certificate, quorum });
  });

  test('any set of liars is found, whatever they send', () => {
    const subset = fc.uniqueArray(fc.nat(6), { maxLength: 7 });
    fc.assert(
      fc.property(subset, fc.nat(3), (liars, way) => {
        const lie = (member: number): Uint8Array => {
          if (way === 0) return shareOf(member, hashes('attestMessages')[1]!).signature;
          if (way === 1) return shareOf((member + 1) % 7).signature; // another one's
          if (way === 2) return new Uint8Array(96);
          return new Uint8Array(5);
        };
        const isLiar = new Set(liars);
        const shares = everybody.map((share) => ({
          member: share.member,
          signature: isLiar.has(share.member) ? lie(share.member) : share.signature,
          publicKey: publicKeys[share.member]!,
        }));
        const bad = findBadShares(blstBls, message, shares);
        // All seven shifted by one still sum to the right aggregate: that harms nobody.
        const cancels = way === 1 && liars.length === 7;
        expect(bad).toEqual(cancels ? [] : liars.toSorted((a, b) => a - b));
      }),
      { numRuns: 40 },
    );
  });

  test('less than two thirds is short, and says how much there is', () => {
    const shares = everybody.slice(1); // 2000 of 3000 remain
    expect(buildCertificate(blstBls, { entrance, batch, quorum, shares }).kind).toBe('certified');
    expect(
      buildCertificate(blstBls, { entrance, batch, quorum, shares: shares.slice(0, 5) }),
    ).toEqual({ kind: 'short', weight: 1950, bad: [] });
    const unknown = [{ member: 7, signature: everybody[0]!.signature }];
    expect(
      codeOf(() => buildCertificate(blstBls, { entrance, batch, quorum, shares: unknown })),
    ).toBe('QUORUM_CERTIFICATE');
  });

  test('encodings are those of the ABI', () => {
    const signature = blstBls.aggregateSignatures(everybody.map((share) => share.signature));
    const certificate = { batch, signature, absentees: [1, 4] };
    const words = blstBls.signatureToEvm(signature);
    const expected = encodeAbiParameters(
      [
        {
          type: 'tuple',
          components: [
            { name: 'batch', ...reference.BATCH_TUPLE },
            { name: 'signature', type: 'bytes32[8]' },
            { name: 'absentees', type: 'uint16[]' },
          ],
        },
      ],
      [
        {
          batch: reference.wideBatch(batch),
          signature: Array.from({ length: 8 }, (_, i) =>
            bytesToHex(words.subarray(32 * i, 32 * i + 32)),
          ) as never,
          absentees: [1, 4],
        },
      ],
    );
    expect(bytesToHex(encodeCertificate(blstBls, certificate))).toBe(expected);
    expect(bytesToHex(absenteesHash(numbers('absentees')))).toBe(vectors.absenteesHash);
    const keys = hashes('blobKeys').slice(0, 5);
    const lookup = encodeLookup({
      batch,
      header: headerVector(2),
      index: 2,
      siblings: batchProof(keys, 2),
    });
    expect(lookup.length).toBe(32 * (1 + 6 + 12 + 1 + 3));
  });
});

test('one seed gives one key in both backends, and a short seed none', () => {
  const secret = secretKeyFromSeed(new Uint8Array(32).fill(7));
  expect(blstBls.publicKey(secret)).toEqual(nobleBls.publicKey(secret));
  expect(codeOf(() => secretKeyFromSeed(new Uint8Array(31)))).toBe('QUORUM_VALUE');
});
