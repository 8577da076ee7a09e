/*
 * Dispersal without a disperser: the app encodes, brings rows to the members, collects signatures and confirms the certificate in
 * a transaction of its own. Needs the chain, an account with money, and nothing else.
 */
import {
  type Clock,
  CodedError,
  type Hash32,
  hexToBytes,
  isCodedError,
  type Logger,
  parseHash32,
  type RandomSource,
} from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { type ConfirmedBlob, confirmBatchCall, type DaReader, depositCall } from '@cairn/chain/da';
import { type EncodedBlob, encodeBlob, encodeBlobInThreads } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import {
  type Batch,
  type Bls,
  batchBlock,
  batchRoot,
  blobKey,
  type Domain,
  encodeLookup,
} from '@cairn/quorum';
import type { Disperser } from './disperse.ts';
import { type BlobAccount, blobFormat, daMoment, makeHeader, randomNonce } from './headers.ts';

export type DirectDeps = {
  reader: DaReader;
  sender: TransactionSender;
  disperser: Disperser;
  account: BlobAccount;
  bls: Bls;
  kernels: Kernels;
  /** Threads that encode; without them this one does. */
  threads?: Parameters<typeof encodeBlobInThreads>[1] | undefined;
  entrance: Domain;
  random: RandomSource;
  clock: Clock;
  log: Logger;
};
export type DirectOptions = {
  signal?: AbortSignal | undefined;
  /** Wei that the blob may cost at most; whatever the price is by default. Throws `SDK_DA_TOO_DEAR` beyond it. */
  maxFeeWei?: bigint | undefined;
  onPhase?: ((phase: 'encoded' | 'stored' | 'signed') => void) | undefined;
};
export type DirectResult = ConfirmedBlob & { feeWei: bigint; gasUsed: number; sentBytes: number };

/** An epoch may end under a dispersal; the next one takes it. */
const TRIES_MAX = 3;
const HEAD_POLL_MS = 50;

/**
 * Resolves when the blob is confirmed and paid for. Throws `SDK_DA_NO_QUORUM`, `SDK_DA_NOT_ENOUGH_MEMBERS`, `SDK_DA_TOO_DEAR`,
 * `SDK_DA_REJECTED` (the contract did not charge it), and what sending transactions throws.
 */
export async function disperseDirect(
  deps: DirectDeps,
  payload: Uint8Array,
  options: DirectOptions = {},
): Promise<DirectResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryDirect(deps, payload, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      const isPassing =
        isCodedError(error) && (error.kind === 'unavailable' || error.kind === 'conflict');
      if (!isPassing || attempt === TRIES_MAX) throw error;
    }
  }
}

async function tryDirect(
  deps: DirectDeps,
  payload: Uint8Array,
  options: DirectOptions,
): Promise<DirectResult> {
  const { reader, disperser, account, entrance, bls, random } = deps;
  const { signal, onPhase } = options;
  const moment = await daMoment(reader);
  const encoded = await encode(deps, payload, blobFormat(payload.length, moment), signal);
  onPhase?.('encoded');
  const nonce = randomNonce(random);
  const header = makeHeader(
    { encoded, length: payload.length },
    { account: account.address, disperser: account.address, nonce },
    moment,
  );
  if (options.maxFeeWei !== undefined && header.maxFee > options.maxFeeWei)
    throw tooDear(header.maxFee, options.maxFeeWei);
  await ensureBalance(deps, header.maxFee, signal);
  const authorization = await account.authorize(header);
  const key = blobKey(entrance, header);
  const quorum = moment.epoch.quorums[header.quorum]!;
  const { stored, sentBytes } = await disperser.store(
    { epoch: moment.epoch, quorum },
    { header, authorization, encoded },
    { signal },
  );
  onPhase?.('stored');
  const referenceBlock = batchBlock(moment.parameters, (await reader.head()).number);
  const batch: Batch = {
    epoch: header.epoch,
    quorum: header.quorum,
    referenceBlock,
    expiry: header.expiry,
    blobs: 1,
    root: batchRoot([key]),
  };
  const { certificate } = await disperser.certify(quorum, batch, [hexToBytes(key)], stored, {
    signal,
  });
  onPhase?.('signed');
  // The contract wants a later block than the reference, and simulations run on the newest one.
  while ((await reader.head()).number <= referenceBlock)
    await deps.clock.sleep(HEAD_POLL_MS, signal);
  const call = confirmBatchCall(reader.contracts, {
    certificate,
    signature: bls.signatureToEvm(certificate.signature),
    headers: [header],
    authorizations: [authorization],
  });
  const receipt = await deps.sender.send(call, { signal });
  const txHash = parseHash32(receipt.transactionHash);
  const feeWei = await chargedFee(reader, txHash, key);
  return {
    key,
    header,
    batch,
    absentees: certificate.absentees,
    lookup: encodeLookup({ batch, header, index: 0, siblings: [] }),
    block: Number(receipt.blockNumber),
    txHash,
    feeWei,
    gasUsed: Number(receipt.gasUsed),
    sentBytes,
  };
}

function encode(
  { kernels, threads }: DirectDeps,
  payload: Uint8Array,
  { version, shape }: ReturnType<typeof blobFormat>,
  signal: AbortSignal | undefined,
): Promise<EncodedBlob> | EncodedBlob {
  const format = { version, shape };
  return threads
    ? encodeBlobInThreads(kernels, threads, payload, { ...format, signal })
    : encodeBlob(kernels, payload, format);
}

/** Tops the prepaid balance up when a blob costs more than is left: members refuse what is not funded. */
export async function ensureBalance(
  { reader, sender, account }: Pick<DirectDeps, 'reader' | 'sender' | 'account'>,
  feeWei: bigint,
  signal?: AbortSignal,
): Promise<void> {
  const { balanceWei, pendingWei } = await reader.account(account.address);
  const missingWei = feeWei + pendingWei - balanceWei;
  if (missingWei <= 0n) return;
  // Room for a few more, so that not every blob is preceded by a deposit.
  const amountWei = missingWei + 9n * feeWei;
  await sender.send(depositCall(reader.contracts, account.address, amountWei), { signal });
}

async function chargedFee(reader: DaReader, txHash: Hash32, key: Hash32): Promise<bigint> {
  for (const event of await reader.eventsOf(txHash)) {
    if (event.kind === 'charged' && event.blobKey === key) return event.amountWei;
    if (event.kind === 'rejected' && event.blobKey === key)
      throw new CodedError({
        code: 'SDK_DA_REJECTED',
        kind: 'invalid',
        message: `the contract did not charge the blob (reason ${event.reason})`,
        details: { blobKey: key, reason: event.reason },
      });
  }
  throw new CodedError({
    code: 'SDK_DA_REJECTED',
    kind: 'invalid',
    message: 'the confirmation says nothing of the blob',
    details: { blobKey: key },
  });
}

/** The blob costs more than its payer allows. */
export function tooDear(feeWei: bigint, maxFeeWei: bigint): CodedError {
  return new CodedError({
    code: 'SDK_DA_TOO_DEAR',
    kind: 'invalid',
    message: `the blob costs ${feeWei} wei, more than the ${maxFeeWei} allowed`,
    details: { feeWei: feeWei.toString(), maxFeeWei: maxFeeWei.toString() },
  });
}
