/*
 * Certificates (da-protocol.md section 4): one aggregate signature of a quorum on a batch, absentees listed. Building bisects a
 * bad aggregate, so that m signatures with b bad ones cost O(b log m) pairings and every liar is named. Checking does what
 * DAEntrance does, in the same order.
 */
import { bytesToHex, concatBytes, type Hash32, hexToBytes } from '@cairn/base';
import { encodeWords, keccak, wordsOf } from './abi.ts';
import { attestMessage, type Batch, batchWords } from './batch.ts';
import { type BlobHeader, decodeHeader, encodeHeader, HEADER_WORDS } from './blob.ts';
import type { Bls } from './bls.ts';
import { quorumError } from './errors.ts';
import { isSupermajority } from './membership.ts';
import type { Domain } from './vrf.ts';

export type Certificate = {
  batch: Batch;
  /** Aggregate of the present members, compressed, 96 bytes. */
  signature: Uint8Array;
  /** Indices of members that did not sign, strictly increasing. */
  absentees: number[];
};

/** What a certificate is checked against: the members of its quorum in index order. */
export type CertifyingQuorum = {
  members: readonly { publicKey: Uint8Array; weight: number }[];
  weight: number;
};

/** One member's signature as it came in. */
export type SignatureShare = { member: number; signature: Uint8Array };

/**
 * Members whose signature on `message` is bad, ascending. One pairing when all are good; a bad half is split until single
 * signatures remain.
 *
 * An aggregate can be right although two of its parts are wrong (their errors cancel). Such a pair harms nobody: the aggregate
 * is what counts, and it verifies.
 */
export function findBadShares(
  bls: Bls,
  message: Hash32,
  shares: readonly (SignatureShare & { publicKey: Uint8Array })[],
): number[] {
  const bytes = hexToBytes(message);
  const areGood = (part: typeof shares): boolean => {
    let signature: Uint8Array;
    try {
      signature = bls.aggregateSignatures(part.map((share) => share.signature));
    } catch {
      return false; // one is not even a point
    }
    const keys = part.map((share) => share.publicKey);
    return bls.verifyAggregate(keys, bytes, signature);
  };
  const search = (part: typeof shares): number[] => {
    if (part.length === 0 || areGood(part)) return [];
    if (part.length === 1) return [part[0]!.member];
    const half = part.length >> 1;
    return [...search(part.slice(0, half)), ...search(part.slice(half))];
  };
  return search(shares).sort((a, b) => a - b);
}

export type BuiltCertificate =
  | { kind: 'certified'; certificate: Certificate; bad: number[] }
  | { kind: 'short'; weight: number; bad: number[] };

/**
 * A certificate from the shares at hand, or how much weight there is. Bad shares are left out and named. Of two shares of one
 * member the first counts. Throws `QUORUM_CERTIFICATE` on an unknown member.
 */
export function buildCertificate(
  bls: Bls,
  input: {
    entrance: Domain;
    batch: Batch;
    quorum: CertifyingQuorum;
    shares: readonly SignatureShare[];
  },
): BuiltCertificate {
  const { batch, entrance, quorum } = input;
  const byMember = new Map<number, SignatureShare & { publicKey: Uint8Array }>();
  for (const share of input.shares) {
    const member = quorum.members[share.member];
    if (!member)
      throw quorumError('QUORUM_CERTIFICATE', `no member ${share.member} in this quorum`);
    if (!byMember.has(share.member))
      byMember.set(share.member, { ...share, publicKey: member.publicKey });
  }
  const shares = [...byMember.values()].sort((a, b) => a.member - b.member);
  const bad = findBadShares(bls, attestMessage(entrance, batch), shares);
  const isBad = new Set(bad);
  const good = shares.filter((share) => !isBad.has(share.member));
  let weight = 0;
  for (const share of good) weight += quorum.members[share.member]!.weight;
  if (!isSupermajority(weight, quorum.weight)) return { kind: 'short', weight, bad };
  const present = new Set(good.map((share) => share.member));
  const absentees = quorum.members.map((_, i) => i).filter((i) => !present.has(i));
  const signature = bls.aggregateSignatures(good.map((share) => share.signature));
  return { kind: 'certified', certificate: { batch, signature, absentees }, bad };
}

/**
 * Checks a certificate. Throws `QUORUM_CERTIFICATE` (absentees), `QUORUM_WEIGHT` (below two thirds) or `QUORUM_SIGNATURE`.
 * Cost: one pairing. Says nothing about payment or time: the chain does.
 */
export function verifyCertificate(
  bls: Bls,
  input: { entrance: Domain; certificate: Certificate; quorum: CertifyingQuorum },
): void {
  const { certificate, entrance, quorum } = input;
  const { absentees, batch, signature } = certificate;
  let weight = quorum.weight;
  for (const [i, member] of absentees.entries()) {
    const isRising = i === 0 || member > absentees[i - 1]!;
    if (!isRising || !quorum.members[member])
      throw quorumError('QUORUM_CERTIFICATE', 'absentees must rise and be members', { member });
    weight -= quorum.members[member].weight;
  }
  if (!isSupermajority(weight, quorum.weight))
    throw quorumError('QUORUM_WEIGHT', 'less than two thirds of the weight signed', {
      weight,
      totalWeight: quorum.weight,
    });
  const absent = new Set(absentees);
  const keys = quorum.members.filter((_, i) => !absent.has(i)).map((member) => member.publicKey);
  if (!bls.verifyAggregate(keys, hexToBytes(attestMessage(entrance, batch)), signature))
    throw quorumError('QUORUM_SIGNATURE', 'the aggregate signature does not verify');
}

/** `K(abi(absentees))` for a `uint16[]`: what `certOf` holds. */
export function absenteesHash(absentees: readonly number[]): Uint8Array {
  return keccak(encodeWords([32, absentees.length, ...absentees]));
}

/** First word of a lookup. */
export const LOOKUP_VERSION = 1;
/** Words before the siblings: version, batch (6), header (12), index. */
const LOOKUP_WORDS = 20;
const SIBLINGS_MAX = 6;

/**
 * What `DAEntrance.checkCertificate` reads: version, batch, header, leaf index, siblings; whole words. It holds no signature:
 * the contract checked that once, when it confirmed the batch.
 */
export function encodeLookup(input: {
  batch: Batch;
  header: BlobHeader;
  index: number;
  siblings: readonly Hash32[];
}): Uint8Array {
  return encodeWords([
    LOOKUP_VERSION,
    ...batchWords(input.batch),
    ...wordsOf(encodeHeader(input.header)),
    input.index,
    ...input.siblings,
  ]);
}

/** What a lookup says. */
export type Lookup = { batch: Batch; header: BlobHeader; index: number; siblings: Hash32[] };

/** Parses a lookup. Throws `QUORUM_CERTIFICATE` on what is none; whether the leaf is in the batch is the contract's to say. */
export function decodeLookup(bytes: Uint8Array): Lookup {
  const refuse = (): Error => quorumError('QUORUM_CERTIFICATE', 'not a lookup');
  if (bytes.length % 32 !== 0) throw refuse();
  const words = wordsOf(bytes);
  if (words.length < LOOKUP_WORDS || words.length > LOOKUP_WORDS + SIBLINGS_MAX) throw refuse();
  const number = (i: number): number => {
    const value = BigInt(bytesToHex(words[i]!));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse();
    return Number(value);
  };
  if (number(0) !== LOOKUP_VERSION) throw refuse();
  const batch: Batch = {
    epoch: number(1),
    quorum: number(2),
    referenceBlock: number(3),
    expiry: number(4),
    blobs: number(5),
    root: bytesToHex(words[6]!) as Hash32,
  };
  batchWords(batch); // each within its type
  const [headerStart, headerEnd] = [7 * 32, (7 + HEADER_WORDS) * 32];
  return {
    batch,
    header: decodeHeader(bytes.subarray(headerStart, headerEnd)),
    index: number(LOOKUP_WORDS - 1),
    siblings: words.slice(LOOKUP_WORDS).map((word) => bytesToHex(word) as Hash32),
  };
}

/** `abi.encode(Certificate)`, the signature in EIP-2537 form. */
export function encodeCertificate(bls: Bls, certificate: Certificate): Uint8Array {
  const signature = bls.signatureToEvm(certificate.signature);
  return concatBytes(
    encodeWords([32, ...batchWords(certificate.batch)]),
    signature,
    encodeWords([480, certificate.absentees.length, ...certificate.absentees]),
  );
}
