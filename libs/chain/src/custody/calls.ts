// What a provider or a challenger does on chain: each function makes one call for a `TransactionSender`.
import { type Address, bytesToHex, type Hash32, parseAddress } from '@cairn/base';
import {
  RECEIPT_TYPES,
  type Receipt,
  receiptDomain,
  receiptToAbi,
  type SignedReceipt,
} from '@cairn/protocol';
import { type Hex, parseEventLogs, type TransactionReceipt } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { stakeVaultAbi } from '../generated/stake-vault-abi.ts';
import { storageCustodyAbi } from '../generated/storage-custody-abi.ts';
import type { ContractCall } from '../sender.ts';
import { challengeFromAbi, challengeToAbi } from './abi.ts';
import type { CustodyChallenge } from './types.ts';

const call = (
  contract: Address,
  functionName: string,
  args: readonly unknown[],
  value?: bigint,
): ContractCall => ({ address: contract, abi: storageCustodyAbi, functionName, args, value });

export const depositStakeCall = (
  vault: Address,
  provider: Address,
  amountWei: bigint,
): ContractCall => ({
  address: vault,
  abi: stakeVaultAbi,
  functionName: 'deposit',
  args: [provider],
  value: amountWei,
});
export const optIntoCustodyCall = (vault: Address, contract: Address): ContractCall => ({
  address: vault,
  abi: stakeVaultAbi,
  functionName: 'optIn',
  args: [contract],
});
export const setSignerCall = (contract: Address, signer: Address): ContractCall =>
  call(contract, 'setSigner', [signer]);
/** `until` in unix seconds. */
export const lockCall = (contract: Address, until: number): ContractCall =>
  call(contract, 'lock', [BigInt(until)]);
export const challengeCall = (signed: SignedReceipt, bondWei: bigint): ContractCall =>
  call(signed.contract, 'challenge', [receiptToAbi(signed.receipt), signed.signature], bondWei);
/** `sector` is the 256 bytes asked for, `path` its siblings from the leaf up. */
export const answerChallengeCall = (
  contract: Address,
  challenge: CustodyChallenge,
  sector: Uint8Array,
  path: readonly Hash32[],
): ContractCall => call(contract, 'answer', [challengeToAbi(challenge), bytesToHex(sector), path]);
export const failChallengeCall = (contract: Address, challenge: CustodyChallenge): ContractCall =>
  call(contract, 'fail', [challengeToAbi(challenge)]);

/** The challenge that a transaction opened; undefined when it opened none. */
export function openedIn(receipt: TransactionReceipt): CustodyChallenge | undefined {
  const [log] = parseEventLogs({
    abi: storageCustodyAbi,
    eventName: 'Opened',
    logs: receipt.logs,
  });
  return log && challengeFromAbi(log.args.challenge);
}

/** Signs receipts for one contract on one chain. */
export function createReceiptSigner(options: {
  privateKey: Hex;
  chainId: number;
  contract: Address;
}): { address: Address; sign(receipt: Receipt): Promise<SignedReceipt> } {
  const { chainId, contract } = options;
  const account = privateKeyToAccount(options.privateKey);
  return {
    address: parseAddress(account.address),
    sign: async (receipt) => ({
      receipt,
      signature: await account.signTypedData({
        domain: receiptDomain(chainId, contract),
        types: RECEIPT_TYPES,
        primaryType: 'Receipt',
        message: receiptToAbi(receipt),
      }),
      contract,
      chainId,
    }),
  };
}
