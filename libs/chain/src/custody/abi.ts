// Between the ABI's bigints and our positions.
import { parseAddress, parseHash32, positionFromBigint } from '@cairn/base';
import { type Receipt, receiptSchema, receiptToAbi } from '@cairn/protocol';
import { toHex } from 'viem';
import type { CustodyChallenge } from './types.ts';

type AbiReceipt = ReturnType<typeof receiptToAbi>;
type AbiChallenge = {
  id: string;
  receipt: { [Key in keyof AbiReceipt]: AbiReceipt[Key] extends bigint ? bigint : string };
  openedBlock: bigint;
  deadline: bigint;
  baseFee: bigint;
  bond: bigint;
  challenger: string;
};

function receiptFromAbi(receipt: AbiChallenge['receipt']): Receipt {
  return receiptSchema.parse({
    ...receipt,
    txSeq: positionFromBigint(receipt.txSeq),
    startPos: positionFromBigint(receipt.startPos),
    sectors: positionFromBigint(receipt.sectors),
    shardId: positionFromBigint(receipt.shardId),
    numShard: positionFromBigint(receipt.numShard),
    issuedAt: positionFromBigint(receipt.issuedAt),
    expiry: positionFromBigint(receipt.expiry),
    serial: toHex(receipt.serial, { size: 32 }),
  });
}

export function challengeFromAbi(challenge: AbiChallenge): CustodyChallenge {
  return {
    id: parseHash32(challenge.id),
    receipt: receiptFromAbi(challenge.receipt),
    openedBlock: positionFromBigint(challenge.openedBlock),
    deadline: positionFromBigint(challenge.deadline),
    baseFee: challenge.baseFee,
    bond: challenge.bond,
    challenger: parseAddress(challenge.challenger),
  };
}

export function challengeToAbi(challenge: CustodyChallenge) {
  return {
    ...challenge,
    receipt: receiptToAbi(challenge.receipt),
    openedBlock: BigInt(challenge.openedBlock),
    deadline: BigInt(challenge.deadline),
  };
}
