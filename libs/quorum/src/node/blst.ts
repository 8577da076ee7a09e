/* `Bls` on `@chainsafe/blst`: native, about 0.5 ms per verification. */
import {
  aggregatePublicKeys,
  aggregateSignatures,
  fastAggregateVerify,
  PublicKey,
  SecretKey,
  Signature,
} from '@chainsafe/blst';
import {
  assertLength,
  type Bls,
  g1FromEvm,
  g1ToEvm,
  g2FromEvm,
  g2ToEvm,
  PUBLIC_KEY_BYTES,
  SECRET_KEY_BYTES,
  SIGNATURE_BYTES,
} from '../bls.ts';
import { quorumError } from '../errors.ts';

function checked<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw quorumError('QUORUM_POINT', `not a ${what}`, {}, cause);
  }
}

function keyOf(bytes: Uint8Array): PublicKey {
  assertLength(bytes, PUBLIC_KEY_BYTES, 'public key');
  return checked('public key', () => PublicKey.fromBytes(bytes, true));
}

function signatureOf(bytes: Uint8Array): Signature {
  assertLength(bytes, SIGNATURE_BYTES, 'signature');
  return checked('signature', () => Signature.fromBytes(bytes, true, true));
}

function secretOf(bytes: Uint8Array): SecretKey {
  assertLength(bytes, SECRET_KEY_BYTES, 'secret key');
  try {
    return SecretKey.fromBytes(bytes);
  } catch {
    throw quorumError('QUORUM_POINT', 'not a secret key'); // no cause: it could quote the key
  }
}

export const blstBls: Bls = {
  backend: 'blst',
  publicKey: (secretKey) => secretOf(secretKey).toPublicKey().toBytes(),
  sign: (secretKey, message) => secretOf(secretKey).sign(message).toBytes(),
  verify: (publicKey, message, signature) =>
    blstBls.verifyAggregate([publicKey], message, signature),
  aggregatePublicKeys(publicKeys) {
    if (publicKeys.length === 0)
      throw quorumError('QUORUM_POINT', 'the aggregate key is the identity');
    const sum = aggregatePublicKeys(publicKeys.map(keyOf));
    return checked('sum of keys: the aggregate key is the identity', () => {
      sum.keyValidate();
      return sum.toBytes();
    });
  },
  aggregateSignatures(signatures) {
    if (signatures.length === 0)
      throw quorumError('QUORUM_POINT', 'the aggregate signature is the identity');
    const sum = aggregateSignatures(signatures.map(signatureOf));
    return checked('sum of signatures: the aggregate signature is the identity', () => {
      sum.sigValidate(true);
      return sum.toBytes();
    });
  },
  verifyAggregate(publicKeys, message, signature) {
    if (publicKeys.length === 0) return false;
    try {
      return fastAggregateVerify(message, publicKeys.map(keyOf), signatureOf(signature));
    } catch {
      return false; // a point that is none proves nothing
    }
  },
  publicKeyToEvm: (publicKey) => g1ToEvm(keyOf(publicKey).toBytes(false)),
  signatureToEvm: (signature) => g2ToEvm(signatureOf(signature).toBytes(false)),
  publicKeyFromEvm: (bytes) =>
    checked('public key', () => PublicKey.fromBytes(g1FromEvm(bytes), true).toBytes()),
  signatureFromEvm: (bytes) =>
    checked('signature', () => Signature.fromBytes(g2FromEvm(bytes), true, true).toBytes()),
};
