import type { Address, Hash32, Hex } from '@cairn/base';
import { z } from 'zod';
import { addressSchema, dataRootSchema, hash32Schema } from './zgs.ts';

/*
 * Custody receipts: what a provider promises about one submission, signed by EIP-712 for the StorageCustody contract
 * (design/contracts.md). Positions and counts are in sectors of 256 bytes, times in unix seconds.
 */

const uint = z.int().min(0);
export const receiptSchema = z.strictObject({
  txSeq: uint,
  /** Root of the flow after `txSeq`: a reorg that changes it makes the receipt void. */
  flowRoot: hash32Schema,
  startPos: uint,
  /** Sectors with bytes of the file, padding left out. */
  sectors: uint,
  dataRoot: dataRootSchema,
  shardId: uint,
  numShard: uint.min(1),
  issuedAt: uint,
  expiry: uint,
  provider: addressSchema,
  /** Unique among the provider's receipts. */
  serial: hash32Schema,
});
export type Receipt = z.output<typeof receiptSchema>;

export const signedReceiptSchema = z.strictObject({
  receipt: receiptSchema,
  /** 65 bytes: r, s, v. */
  signature: z
    .string()
    .regex(/^0x[0-9a-fA-F]{130}$/)
    .transform((text) => text.toLowerCase() as Hex),
  /** The StorageCustody contract that it is signed for, and its chain. */
  contract: addressSchema,
  chainId: uint,
});
export type SignedReceipt = z.output<typeof signedReceiptSchema>;

/** EIP-712 type of a receipt. */
export const RECEIPT_TYPES = {
  Receipt: [
    { name: 'txSeq', type: 'uint64' },
    { name: 'flowRoot', type: 'bytes32' },
    { name: 'startPos', type: 'uint64' },
    { name: 'sectors', type: 'uint64' },
    { name: 'dataRoot', type: 'bytes32' },
    { name: 'shardId', type: 'uint64' },
    { name: 'numShard', type: 'uint64' },
    { name: 'issuedAt', type: 'uint64' },
    { name: 'expiry', type: 'uint64' },
    { name: 'provider', type: 'address' },
    { name: 'serial', type: 'uint256' },
  ],
} as const;

/** EIP-712 domain of receipts. */
export function receiptDomain(
  chainId: number,
  contract: Address,
): { name: string; version: string; chainId: number; verifyingContract: Address } {
  return { name: 'Cairn StorageCustody', version: '1', chainId, verifyingContract: contract };
}

/** A receipt as the ABI wants it. */
export function receiptToAbi(receipt: Receipt): {
  txSeq: bigint;
  flowRoot: Hash32;
  startPos: bigint;
  sectors: bigint;
  dataRoot: Hash32;
  shardId: bigint;
  numShard: bigint;
  issuedAt: bigint;
  expiry: bigint;
  provider: Address;
  serial: bigint;
} {
  return {
    ...receipt,
    txSeq: BigInt(receipt.txSeq),
    startPos: BigInt(receipt.startPos),
    sectors: BigInt(receipt.sectors),
    shardId: BigInt(receipt.shardId),
    numShard: BigInt(receipt.numShard),
    issuedAt: BigInt(receipt.issuedAt),
    expiry: BigInt(receipt.expiry),
    serial: BigInt(receipt.serial),
  };
}
