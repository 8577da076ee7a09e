/*
 * Dispersal through a disperser that need not be trusted: it proposes a header, we check it against our own encoding of the data and
 * the terms we asked for, sign it, and follow the blob until the chain itself says that it is confirmed.
 */
import {
  type Address,
  bytesToHash32,
  CodedError,
  equalBytes,
  type Hash32,
  hexToBytes,
  isCodedError,
  systemClock,
} from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import type { DaReader } from '@cairn/chain/da';
import { encodeBlob, encodeBlobInThreads } from '@cairn/erasure';
import type { Kernels, TaskRunner } from '@cairn/kernels';
import { type BlobHeader, blobFee, blobKey, type Domain, decodeHeader } from '@cairn/quorum';
import type { BlobStatus, DisperserClient } from '@cairn/rpc/grpc';
import { ensureBalance, tooDear } from './direct.ts';
import { type BlobAccount, blobFormat, type DaMoment, daMoment } from './headers.ts';

export type ThroughDeps = {
  client: DisperserClient;
  reader: DaReader;
  /** Deposits when the prepaid balance does not suffice. */
  sender: TransactionSender;
  account: BlobAccount;
  kernels: Kernels;
  threads?: TaskRunner | undefined;
  entrance: Domain;
};
export type ThroughOptions = {
  signal?: AbortSignal | undefined;
  /** Wei that the blob may cost at most; whatever the price is by default. */
  maxFeeWei?: bigint | undefined;
  /** Sign without encoding the data ourselves: the disperser may then certify other bytes. */
  trust?: boolean | undefined;
  /** Resolve at FINALIZED instead of CONFIRMED. */
  finalized?: boolean | undefined;
  /**
   * Have the disperser store the blob in the storage lane too, as an ordinary file; resolves with its root. A copy that takes longer
   * than `timeoutMs` is made all the same: its root is in the status later.
   */
  archive?: boolean | undefined;
  /** How long one try may take, default 2 min. */
  timeoutMs?: number | undefined;
  onStatus?: ((status: BlobStatus, key: Hash32) => void) | undefined;
};
export type ThroughResult = {
  key: Hash32;
  header: BlobHeader;
  state: BlobStatus['state'];
  certificate: NonNullable<BlobStatus['certificate']>;
  /** Root of the blob as a file, when `archive` was asked for and the copy came in time. */
  archiveRoot: string | undefined;
};

const TRIES_MAX = 3;
const TIMEOUT_MS = 120_000;
/** Kinds of failures of a disperser that is slow or away. */
const PASSING: ReadonlySet<string> = new Set(['timeout', 'unavailable']);
/** Between looks at a disperser that is away. */
const AWAY_MS = 500;
/** Between tries at a disperser whose memory for prepared blobs is full: others leave it as soon as they have signed. */
const BUSY_MS = 200;
/** `checkCertificate`: confirmed, and this leaf paid for. */
const CONFIRMED = 1;

/**
 * Resolves when the chain has confirmed the blob. Throws `SDK_DA_FALSE_HEADER` (invalid: the disperser proposed something else),
 * `SDK_DA_FALSE_CERTIFICATE` (invalid), `SDK_DA_FAILED` (unavailable, with the disperser's reason), `SDK_DA_TOO_DEAR`, and what the
 * disperser or the chain throws. A blob whose epoch ends under it is prepared and signed again, under another nonce.
 */
export async function disperseThrough(
  deps: ThroughDeps,
  data: Uint8Array,
  options: ThroughOptions = {},
): Promise<ThroughResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryThrough(deps, data, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isCodedError(error, 'SDK_DA_FAILED') || attempt === TRIES_MAX) throw error;
    }
  }
}

async function tryThrough(
  deps: ThroughDeps,
  data: Uint8Array,
  options: ThroughOptions,
): Promise<ThroughResult> {
  const { client, reader, account, entrance } = deps;
  const { signal, maxFeeWei } = options;
  const settings = { signal, timeoutMs: options.timeoutMs ?? TIMEOUT_MS };
  const moment = await daMoment(reader);
  const { shape, rowBytes } = blobFormat(data.length, moment);
  const feeWei = blobFee(
    { shape: shape.id, rowSize: rowBytes },
    { ...moment.parameters, ...moment },
  );
  if (maxFeeWei !== undefined && feeWei > maxFeeWei) throw tooDear(feeWei, maxFeeWei);
  await ensureBalance(deps, maxFeeWei ?? feeWei, signal);
  const request = {
    account: hexToBytes(account.address),
    maxFee: maxFeeWei === undefined ? new Uint8Array(0) : toBigEndian(maxFeeWei),
    data,
    archive: options.archive ?? false,
  };
  const [proposed, commitment] = await Promise.all([
    prepareWhenFree(deps, request, settings),
    options.trust ? undefined : commitmentOf(deps, data, moment, signal),
  ]);
  const header = decodeHeader(proposed.header);
  const key = blobKey(entrance, header);
  assertProposal(header, { data, account: account.address, feeWei, maxFeeWei, commitment });
  if (!equalBytes(hexToBytes(key), proposed.blobKey)) throw falseHeader('blobKey');
  const authorization = await account.authorize(header);
  await client.disperse(proposed.blobKey, authorization, settings);
  return follow(deps, { key, header, proposed }, options, settings);
}

/** Offers a blob until the disperser has room for it. Throws its `DISPERSER_BUSY` when it has none for all of `timeoutMs`. */
async function prepareWhenFree(
  { client }: ThroughDeps,
  request: Parameters<DisperserClient['prepare']>[0],
  settings: { signal: AbortSignal | undefined; timeoutMs: number },
): ReturnType<DisperserClient['prepare']> {
  const deadline = systemClock.monotonic() + settings.timeoutMs;
  for (;;) {
    try {
      return await client.prepare(request, settings);
    } catch (error) {
      const isBusy = isCodedError(error, 'DISPERSER_BUSY');
      if (!isBusy || systemClock.monotonic() + BUSY_MS > deadline) throw error;
      await systemClock.sleep(BUSY_MS, settings.signal);
    }
  }
}

/** Watches a signed blob until it is as far as was asked for; every certificate is checked on chain. */
async function follow(
  deps: ThroughDeps,
  blob: { key: Hash32; header: BlobHeader; proposed: { header: Uint8Array; blobKey: Uint8Array } },
  options: ThroughOptions,
  settings: { signal: AbortSignal | undefined; timeoutMs: number },
): Promise<ThroughResult> {
  const { key, header, proposed } = blob;
  const wanted = options.finalized ? ['FINALIZED'] : ['CONFIRMED', 'FINALIZED'];
  let done: ThroughResult | undefined;
  try {
    for await (const status of watch(deps, proposed.blobKey, settings)) {
      options.onStatus?.(status, key);
      const { state, certificate, reason, archiveRoot } = status;
      if (state === 'FAILED' || state === 'INSUFFICIENT_SIGNATURES')
        throw failed(key, state, reason);
      if (!wanted.includes(state)) continue;
      if (!certificate || !equalBytes(certificate.header, proposed.header))
        throw falseCertificate(key);
      const verdict = await deps.reader.checkCertificate(certificate.lookup);
      if (verdict !== CONFIRMED) throw falseCertificate(key, verdict);
      done = { key, header, state, certificate, archiveRoot };
      if (!options.archive || archiveRoot !== undefined) return done;
    }
  } catch (error) {
    settings.signal?.throwIfAborted();
    // Certified all the same: the disperser goes on copying. A reorg may still have made it fail.
    const isPatienceOver =
      isCodedError(error) && error.code !== 'SDK_DA_FAILED' && PASSING.has(error.kind);
    if (!done || !isPatienceOver) throw error;
  }
  if (done) return done;
  throw failed(key, 'PROCESSING', 'the disperser said no more');
}

/** States of a blob; a disperser that restarts meanwhile knows it still. Throws `RPC_UNREACHABLE` when it stays away. */
async function* watch(
  { client }: ThroughDeps,
  blobKey: Uint8Array,
  settings: { signal: AbortSignal | undefined; timeoutMs: number },
): AsyncGenerator<BlobStatus> {
  const deadline = systemClock.monotonic() + settings.timeoutMs;
  for (;;) {
    try {
      return yield* client.watchStatus(blobKey, settings);
    } catch (error) {
      settings.signal?.throwIfAborted();
      const isAway = isCodedError(error, 'RPC_UNREACHABLE');
      if (!isAway || systemClock.monotonic() > deadline) throw error;
      await systemClock.sleep(AWAY_MS, settings.signal);
    }
  }
}

async function commitmentOf(
  { kernels, threads }: ThroughDeps,
  data: Uint8Array,
  moment: Pick<DaMoment, 'epoch'>,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { version, shape } = blobFormat(data.length, moment);
  const encoded = threads
    ? await encodeBlobInThreads(kernels, threads, data, { version, shape, signal })
    : encodeBlob(kernels, data, { version, shape });
  return encoded.commitment;
}

/** Whether a proposed header is what was asked for: these bytes, this payer, at most this fee. */
function assertProposal(
  header: BlobHeader,
  asked: {
    data: Uint8Array;
    account: Address;
    feeWei: bigint;
    maxFeeWei: bigint | undefined;
    commitment: Uint8Array | undefined;
  },
): void {
  if (header.length !== asked.data.length) throw falseHeader('length');
  if (header.account !== asked.account) throw falseHeader('account');
  if (header.maxFee > (asked.maxFeeWei ?? asked.feeWei)) throw falseHeader('maxFee');
  if (asked.commitment && header.commitment !== bytesToHash32(asked.commitment))
    throw falseHeader('commitment');
}

function toBigEndian(value: bigint): Uint8Array {
  const hex = value.toString(16);
  return hexToBytes(`0x${hex.length % 2 === 0 ? hex : `0${hex}`}`);
}

function falseHeader(field: string): CodedError {
  return new CodedError({
    code: 'SDK_DA_FALSE_HEADER',
    kind: 'invalid',
    message: `the disperser proposed a header with another ${field}; nothing was signed`,
    details: { field },
  });
}

function falseCertificate(key: Hash32, verdict?: number): CodedError {
  return new CodedError({
    code: 'SDK_DA_FALSE_CERTIFICATE',
    kind: 'invalid',
    message: `the disperser calls blob ${key} confirmed, and the chain does not`,
    details: { blobKey: key, verdict },
  });
}

function failed(key: Hash32, state: string, reason: string): CodedError {
  return new CodedError({
    code: 'SDK_DA_FAILED',
    kind: 'unavailable',
    message: `the blob ended as ${state}: ${reason}`,
    hint: 'try again, or disperse without a disperser',
    details: { blobKey: key, state },
  });
}
