/*
 * Who is in which quorum, with what weight, and which quorums open (da-protocol.md section 2). The same sums in the same
 * order as DARegistry, so a node and the contract never disagree about a member's index or rows.
 */
import { type Address, assert, type Hash32 } from '@cairn/base';
import { hashToUint, hashWords } from './abi.ts';
import { quorumError } from './errors.ts';
import { quorumOfOutput } from './vrf.ts';

/** Votes of one operator; the sums of a quorum then stay below 2^48, as on chain. */
export const VOTES_END: number = 2 ** 38;

export type QuorumRules = {
  /** Effective operators per quorum (512; only tests lower it). */
  effectivePerQuorum: number;
  membersMin: number;
};

/** Sums over the active operators at a snapshot: `s1 = Σ votes`, `s2 = Σ votes²`. */
export type VoteSums = { s1: bigint; s2: bigint };

export function voteSums(votes: readonly number[]): VoteSums {
  let s1 = 0n;
  let s2 = 0n;
  for (const count of votes) {
    assert(Number.isSafeInteger(count) && count >= 0 && count < VOTES_END, 'votes in range');
    s1 += BigInt(count);
    s2 += BigInt(count) ** 2n;
  }
  return { s1, s2 };
}

/** `floor(s1² / s2)`: how many equal operators the stake is worth; splitting one's stake hardly moves it. */
export function effectiveOperators({ s1, s2 }: VoteSums): number {
  return s2 === 0n ? 0 : Number((s1 * s1) / s2);
}

/** `Q(e)`. */
export function quorumCount({ s1, s2 }: VoteSums, effectivePerQuorum: number): number {
  if (s2 === 0n) return 1;
  const count = (s1 * s1) / (s2 * BigInt(effectivePerQuorum));
  return count < 1n ? 1 : Number(count);
}

/** One reveal as the registry accepted it. */
export type Reveal = {
  operator: Address;
  /** Votes at the snapshot. */
  weight: number;
  /** The operator's BLS key of that snapshot, compressed, 48 bytes. */
  publicKey: Uint8Array;
  output: Hash32;
};

export type Member = Reveal & {
  index: number;
  /** Weight of the members before this one. */
  weightBefore: number;
};

export type Quorum = { index: number; members: Member[]; weight: number };

/** The quorums of an epoch, members in the order of their reveals. */
export function buildQuorums(reveals: readonly Reveal[], count: number): Quorum[] {
  const quorums: Quorum[] = Array.from({ length: count }, (_, index) => ({
    index,
    members: [],
    weight: 0,
  }));
  for (const reveal of reveals) {
    const quorum = quorums[quorumOfOutput(reveal.output, count)]!;
    quorum.members.push({ ...reveal, index: quorum.members.length, weightBefore: quorum.weight });
    quorum.weight += reveal.weight;
  }
  return quorums;
}

/** Whether a quorum serves once the reveal window closed. Low turnout multiplies a malicious share, hence the floors. */
export function isQuorumOpen(
  quorum: { weight: number; memberCount: number },
  snapshot: { s1: bigint; quorumCount: number },
  rules: QuorumRules,
): boolean {
  if (quorum.memberCount < rules.membersMin) return false;
  const weight = BigInt(quorum.weight);
  if (snapshot.quorumCount === 1) return 3n * weight >= 2n * snapshot.s1;
  const scaled = 4n * weight * BigInt(snapshot.quorumCount);
  return scaled >= 3n * snapshot.s1 && scaled <= 5n * snapshot.s1;
}

/**
 * Quorum of a blob among the open ones (ascending indices). It spreads load and nothing more: a payer can grind the nonce,
 * so every open quorum has to be safe by itself. Throws `QUORUM_NOT_OPEN`.
 */
export function quorumOfBlob(
  open: readonly number[],
  blob: { seed: Hash32; commitment: Hash32; account: Address; nonce: bigint },
): number {
  if (open.length === 0) throw quorumError('QUORUM_NOT_OPEN', 'no quorum is open');
  const draw = hashToUint(hashWords(blob.seed, blob.commitment, blob.account, blob.nonce));
  return open[Number(draw % BigInt(open.length))]!;
}

/** True when `present` is at least two thirds of `total`: what a certificate needs. */
export function isSupermajority(present: number, total: number): boolean {
  return 3n * BigInt(present) >= 2n * BigInt(total);
}
