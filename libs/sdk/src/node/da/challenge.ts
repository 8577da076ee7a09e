/*
 * Holds a member to the rows it signed for (da-protocol.md section 6): a bond, one of its positions drawn by us, a piece of that row
 * drawn by a block to come, and an answer in time or a slash. The challenge of a member that has its rows costs the bond.
 */
import {
  type Address,
  type Clock,
  CodedError,
  type Hash32,
  parseHash32,
  type RandomSource,
} from '@cairn/base';
import { challengeEnd, type TransactionSender } from '@cairn/chain';
import {
  type ConfirmedBlob,
  challengeCall,
  type DaChallengeClosed,
  type DaMember,
  type DaReader,
  failCall,
  memberOf,
} from '@cairn/chain/da';
import { decodeLookup, memberPositions, shapeOf } from '@cairn/quorum';
import type { Place } from './disperse.ts';

export type ChallengeDeps = {
  reader: DaReader;
  /** Pays the bond. */
  sender: TransactionSender;
  clock: Clock;
  random: RandomSource;
};
export type ChallengeOptions = {
  signal?: AbortSignal | undefined;
  /** Called when the challenge is open. */
  onOpened?: ((opened: OpenChallenge) => void) | undefined;
};
export type OpenChallenge = {
  id: Hash32;
  operator: Address;
  position: number;
  bondWei: bigint;
  /** Last block that may hold the answer. */
  deadline: number;
};
/** `paidWei`: what the member got for its answer out of the bond, the rest is burned. `slashedWei`: what it lost. */
export type ChallengeResult = OpenChallenge &
  ({ outcome: 'answered'; paidWei: bigint } | { outcome: 'failed'; slashedWei: bigint });

/**
 * Opens a challenge and waits for its end. Throws `DA_NOT_A_MEMBER`, `SDK_DA_NOT_OBLIGED` (invalid: the operator did not sign, or has
 * no rows of this blob), and what sending transactions throws: `CHAIN_REVERTED` with `Expired`, `AlreadyOpen` or `AlreadyFailed`
 * as its `errorName`.
 */
export async function challengeMember(
  deps: ChallengeDeps,
  { quorum }: Place,
  blob: ConfirmedBlob,
  operator: Address,
  options: ChallengeOptions = {},
): Promise<ChallengeResult> {
  const { reader, sender, clock } = deps;
  const { signal, onOpened } = options;
  const member = memberOf(quorum, operator);
  const position = drawPosition(deps.random, blob, member, quorum.totalWeight);
  const { batch, header, index, siblings } = decodeLookup(blob.lookup);
  const bondWei = await reader.challengeBond(operator);
  const receipt = await sender.send(
    challengeCall(reader.contracts, {
      ...{ batch, absentees: blob.absentees, header, index, siblings },
      ...{ member: member.index, position },
      // The base fee may rise until the block: what is too much comes back.
      bondWei: bondWei + bondWei / 4n,
    }),
    { signal },
  );
  const events = await reader.eventsOf(parseHash32(receipt.transactionHash));
  const event = events.find((one) => one.kind === 'challenge');
  if (!event)
    throw new CodedError({
      code: 'SDK_DA_CHALLENGE',
      kind: 'unavailable',
      message: `the chain took the challenge of ${operator} and opened none`,
    });
  const { id, deadline, openedBlock, raw } = event;
  const opened: OpenChallenge = { id, operator, position, bondWei: event.bondWei, deadline };
  onOpened?.(opened);
  const closed = await challengeEnd(
    {
      deadline,
      head: () => reader.head(),
      fail: () => sender.send(failCall(reader.contracts, raw), { signal }),
      async outcome() {
        if (await reader.isChallengeOpen(id)) return undefined;
        const { number: toBlock } = await reader.head();
        const all = await reader.events({ fromBlock: openedBlock, toBlock });
        return all.find((one): one is DaChallengeClosed => isEndOf(one, id));
      },
    },
    { clock, signal },
  );
  return closed.kind === 'answered'
    ? { ...opened, outcome: 'answered', paidWei: closed.paidWei }
    : { ...opened, outcome: 'failed', slashedWei: closed.slashedWei };
}

const isEndOf = (event: { kind: string; id?: Hash32 }, id: Hash32): boolean =>
  (event.kind === 'answered' || event.kind === 'failed') && event.id === id;

function drawPosition(
  random: RandomSource,
  { header, absentees }: ConfirmedBlob,
  member: DaMember,
  totalWeight: number,
): number {
  const { weight, weightBefore, operator } = member;
  const { start, end } = memberPositions(
    { weight, weightBefore, totalWeight },
    shapeOf(header.shape).rows,
  );
  if (absentees.includes(member.index) || start === end)
    throw new CodedError({
      code: 'SDK_DA_NOT_OBLIGED',
      kind: 'invalid',
      message: `${operator} did not sign for rows of this blob`,
      hint: 'only members that signed can be challenged',
      details: { operator, member: member.index },
    });
  const draw = new DataView(random.bytes(4).buffer).getUint32(0);
  return start + (draw % (end - start));
}
