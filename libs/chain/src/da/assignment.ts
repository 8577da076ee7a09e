import { type Address, CodedError } from '@cairn/base';
import {
  assignRows,
  type BlobHeader,
  type Domain,
  RowPermutation,
  rowKey,
  shapeOf,
} from '@cairn/quorum';
import type { DaEpoch, DaMember, DaQuorum, DaReader } from './types.ts';

/** A member's part of one blob. Row numbers ascend. */
export type MemberRows = {
  member: DaMember;
  /** Rows it keeps and serves. */
  custody: number[];
  /** Rows it is sent and checks: custody and samples. */
  assigned: number[];
};

const ascending = (a: number, b: number): number => a - b;

/** Who gets which rows of one blob. The permutation is tabulated once for all members. */
export class BlobAssignment {
  readonly quorum: DaQuorum;
  readonly #entrance: Domain;
  readonly #epoch: DaEpoch;
  readonly #header: Pick<BlobHeader, 'commitment' | 'shape'>;
  readonly #permutation: RowPermutation;

  constructor(
    entrance: Domain,
    epoch: DaEpoch,
    quorum: DaQuorum,
    header: Pick<BlobHeader, 'commitment' | 'shape'>,
  ) {
    this.quorum = quorum;
    this.#entrance = entrance;
    this.#epoch = epoch;
    this.#header = header;
    const key = rowKey(entrance, { ...this.#place, commitment: header.commitment });
    this.#permutation = new RowPermutation(key, shapeOf(header.shape).rows);
  }

  get #place(): { epoch: number; quorum: number; mix: DaEpoch['mix'] } {
    return { epoch: this.#epoch.epoch, quorum: this.quorum.quorum, mix: this.#epoch.mix };
  }

  rowsOf(member: DaMember): MemberRows {
    const { custody, sample } = assignRows(
      {
        ...this.#place,
        commitment: this.#header.commitment,
        entrance: this.#entrance,
        member: member.index,
        weight: member.weight,
        weightBefore: member.weightBefore,
        totalWeight: this.quorum.totalWeight,
      },
      this.#permutation,
    );
    return {
      member,
      custody: custody.toSorted(ascending),
      assigned: [...custody, ...sample].sort(ascending),
    };
  }

  /** Row at a position, as challenges name it. */
  rowAt(position: number): number {
    return this.#permutation.rowAt(position);
  }
}

/** The member that an operator is in a quorum. Throws `DA_NOT_A_MEMBER`. */
export function memberOf(quorum: DaQuorum, operator: Address): DaMember {
  const member = quorum.members.find((one) => one.operator === operator);
  if (member) return member;
  throw new CodedError({
    code: 'DA_NOT_A_MEMBER',
    kind: 'invalid',
    message: `${operator} is not a member of quorum ${quorum.quorum} of epoch ${quorum.epoch}`,
    details: { operator, epoch: quorum.epoch, quorum: quorum.quorum },
  });
}

/** Epoch and quorum that a header or batch names, if they serve at `block`. Throws `DA_NOT_SERVING` (conflict). */
export async function servingQuorum(
  reader: Pick<DaReader, 'serving'>,
  place: { epoch: number; quorum: number },
  block: number,
): Promise<{ epoch: DaEpoch; quorum: DaQuorum }> {
  const epoch = await reader.serving(block);
  const quorum = epoch?.quorums[place.quorum];
  if (epoch && epoch.epoch === place.epoch && quorum?.isOpen) return { epoch, quorum };
  throw new CodedError({
    code: 'DA_NOT_SERVING',
    kind: 'conflict',
    message: `quorum ${place.quorum} of epoch ${place.epoch} does not serve now`,
    details: { epoch: place.epoch, quorum: place.quorum, serving: epoch?.epoch ?? null },
  });
}
