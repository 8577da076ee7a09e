/*
 * `Bls` on `@noble/curves`: runs in a browser, and is the twin that blst and the contracts are checked against. About 20 ms per
 * verification on one core.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import {
  assertLength,
  BLS_ORDER,
  BLS_SUITE,
  type Bls,
  g1FromEvm,
  g1ToEvm,
  g2FromEvm,
  g2ToEvm,
  PUBLIC_KEY_BYTES,
  SECRET_KEY_BYTES,
  SIGNATURE_BYTES,
} from './bls.ts';
import { quorumError } from './errors.ts';

const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
type G1Point = InstanceType<typeof G1>;
type G2Point = InstanceType<typeof G2>;

function checked<P extends { is0(): boolean; assertValidity(): void; isTorsionFree(): boolean }>(
  what: string,
  read: () => P,
): P {
  try {
    const point = read();
    point.assertValidity();
    if (point.is0()) throw new Error('the identity');
    if (!point.isTorsionFree()) throw new Error('outside the subgroup');
    return point;
  } catch (cause) {
    throw quorumError('QUORUM_POINT', `not a ${what}`, {}, cause);
  }
}

function keyPoint(bytes: Uint8Array): G1Point {
  assertLength(bytes, PUBLIC_KEY_BYTES, 'public key');
  return checked('public key', () => G1.fromBytes(bytes));
}

function signaturePoint(bytes: Uint8Array): G2Point {
  assertLength(bytes, SIGNATURE_BYTES, 'signature');
  return checked('signature', () => bls12_381.longSignatures.Signature.fromBytes(bytes) as G2Point);
}

function secretScalar(secretKey: Uint8Array): bigint {
  assertLength(secretKey, SECRET_KEY_BYTES, 'secret key');
  let scalar = 0n;
  for (const byte of secretKey) scalar = (scalar << 8n) | BigInt(byte);
  if (scalar === 0n || scalar >= BLS_ORDER) throw quorumError('QUORUM_POINT', 'not a secret key'); // the value stays out of the error
  return scalar;
}

const hashPoint = (message: Uint8Array): G2Point =>
  bls12_381.G2.hashToCurve(message, { DST: BLS_SUITE }) as G2Point;
const encodeSignature = (point: G2Point): Uint8Array =>
  bls12_381.longSignatures.Signature.toBytes(point);

function pairsMatch(key: G1Point, message: Uint8Array, signature: G2Point): boolean {
  const product = bls12_381.pairingBatch([
    { g1: key, g2: hashPoint(message) },
    { g1: G1.BASE.negate(), g2: signature },
  ]);
  return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE);
}

export const nobleBls: Bls = {
  backend: 'noble',
  publicKey: (secretKey) => G1.BASE.multiply(secretScalar(secretKey)).toBytes(true),
  sign: (secretKey, message) =>
    encodeSignature(hashPoint(message).multiply(secretScalar(secretKey))),
  verify(publicKey, message, signature) {
    return nobleBls.verifyAggregate([publicKey], message, signature);
  },
  aggregatePublicKeys(publicKeys) {
    const sum = publicKeys.map(keyPoint).reduce((a, b) => a.add(b), G1.ZERO);
    if (sum.is0()) throw quorumError('QUORUM_POINT', 'the aggregate key is the identity');
    return sum.toBytes(true);
  },
  aggregateSignatures(signatures) {
    const sum = signatures.map(signaturePoint).reduce((a, b) => a.add(b), G2.ZERO);
    if (sum.is0()) throw quorumError('QUORUM_POINT', 'the aggregate signature is the identity');
    return encodeSignature(sum);
  },
  verifyAggregate(publicKeys, message, signature) {
    try {
      const key = publicKeys.map(keyPoint).reduce((a, b) => a.add(b), G1.ZERO);
      if (key.is0()) return false;
      return pairsMatch(key, message, signaturePoint(signature));
    } catch {
      return false; // a point that is none proves nothing
    }
  },
  publicKeyToEvm: (publicKey) => g1ToEvm(keyPoint(publicKey).toBytes(false)),
  signatureToEvm: (signature) => g2ToEvm(signaturePoint(signature).toBytes(false)),
  publicKeyFromEvm: (bytes) =>
    checked('public key', () => G1.fromBytes(g1FromEvm(bytes))).toBytes(true),
  signatureFromEvm: (bytes) =>
    encodeSignature(checked('signature', () => G2.fromBytes(g2FromEvm(bytes)))),
};
