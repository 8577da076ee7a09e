/*
 * Blobs that another account pays for, in two steps: `prepare` encodes the data and proposes a header, `disperse` takes the account's
 * signature on it. In between the encoded blob waits in memory, for a minute and within a budget; an account that could not pay
 * the blob is refused before its data is read.
 */
import {
  type Address,
  type Clock,
  CodedError,
  type Hash32,
  hexToBytes,
  parseAddress,
  Semaphore,
} from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import type { EncodedBlob } from '@cairn/erasure';
import {
  authorizationDigest,
  type BlobHeader,
  blobFee,
  blobKey,
  type Domain,
  encodeHeader,
} from '@cairn/quorum';
import { blobFormat, tooDear } from '@cairn/sdk/da';
import { recoverAddress, toHex } from 'viem';
import type { BlobQueue, QueuedBlob } from '../queue/blob-queue.ts';
import type { HeaderMaker, Moment } from './headers.ts';
import type { Pipeline } from './pipeline.ts';

export type PreparerDeps = {
  reader: Pick<DaReader, 'head' | 'account' | 'sessionKeyUntil'>;
  headers: HeaderMaker;
  pipeline: Pick<Pipeline, 'encode' | 'forget' | 'start'>;
  queue: BlobQueue;
  entrance: Domain;
  clock: Clock;
};
export type PreparerOptions = {
  /** Bytes of prepared blobs in memory, encoded. */
  bytesMax: number;
};
export type PrepareRequest = {
  account: Address;
  /** Bytes that follow. */
  length: number;
  /** Wei; whatever the price is now when absent. */
  maxFeeWei?: bigint | undefined;
  /** Copy it to the storage lane once it is final. */
  isArchived?: boolean | undefined;
};
type Prepared = Pick<PrepareRequest, 'isArchived'> & {
  header: BlobHeader;
  payload: Uint8Array;
  encoded: EncodedBlob;
  release: () => void;
};

/** How long a prepared blob waits for its signature. */
const PREPARED_MS = 60_000;
/** Prepared blobs at most, and blobs encoded at once. */
const PREPARED_MAX = 256;
const ENCODING_MAX = 2;

export class Preparer {
  readonly #deps: PreparerDeps;
  readonly #bytesMax: number;
  readonly #prepared = new Map<Hash32, Prepared & { until: number }>();
  /** Signed blobs on their way to the disk. */
  readonly #accepting = new Map<Hash32, Promise<QueuedBlob>>();
  readonly #encoding = new Semaphore(ENCODING_MAX);
  #bytes = 0;
  #count = 0;

  constructor(deps: PreparerDeps, options: PreparerOptions) {
    this.#deps = deps;
    this.#bytesMax = options.bytesMax;
  }

  /**
   * Throws `DISPERSER_UNFUNDED` (exhausted), `SDK_DA_TOO_DEAR`, `DISPERSER_LENGTH` (invalid), `DISPERSER_BUSY` (exhausted),
   * `SDK_DA_NO_QUORUM`.
   */
  async prepare(
    request: PrepareRequest,
    parts: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<{ header: BlobHeader; key: Hash32 }> {
    const { headers, pipeline, entrance } = this.#deps;
    const { account, length } = request;
    const before = await headers.moment();
    const format = blobFormat(length, before);
    const encodedBytes = 4 * format.shape.dataRows * format.rowBytes;
    const maxFeeWei = await this.#affordable(request, before);
    const release = this.#reserve(encodedBytes + length);
    try {
      const payload = await readExactly(parts, length);
      const { encoded, moment } = await this.#encoding.run(async () => {
        signal.throwIfAborted();
        // The epoch may have turned while the data came.
        const now = await headers.moment();
        return { encoded: await pipeline.encode(payload, now, signal), moment: now };
      });
      const header = { ...headers.make({ encoded, length }, moment, { account }) };
      if (maxFeeWei !== undefined) header.maxFee = maxFeeWei;
      const key = blobKey(entrance, header);
      const until = this.#deps.clock.now() + PREPARED_MS;
      const { isArchived } = request;
      this.#prepared.set(key, { header, payload, encoded, isArchived, release, until });
      return { header, key };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Starts a prepared blob; on disk when it resolves. Saying it again is fine. Throws `DISPERSER_NOT_PREPARED` (not_found),
   * `DISPERSER_AUTHORIZATION` (invalid), and what the queue throws.
   */
  async disperse(key: Hash32, authorization: Uint8Array): Promise<QueuedBlob> {
    const known = this.#deps.queue.get(key) ?? this.#accepting.get(key);
    if (known) return known;
    this.#expire();
    const prepared = this.#prepared.get(key);
    if (!prepared)
      throw new CodedError({
        code: 'DISPERSER_NOT_PREPARED',
        kind: 'not_found',
        message: `no blob ${key} waits for its signature here`,
        hint: 'prepare it again; a prepared blob waits for a minute',
        details: { blobKey: key },
      });
    await this.#checkAuthorization(prepared.header, authorization);
    // Somebody may have said the same meanwhile.
    if (this.#prepared.get(key) !== prepared) return this.disperse(key, authorization);
    this.#prepared.delete(key);
    const accepted = this.#accept(key, prepared, authorization);
    this.#accepting.set(key, accepted);
    try {
      return await accepted;
    } finally {
      this.#accepting.delete(key);
    }
  }

  async #accept(key: Hash32, prepared: Prepared, authorization: Uint8Array): Promise<QueuedBlob> {
    const { queue, pipeline, clock } = this.#deps;
    const { header, payload, encoded, isArchived } = prepared;
    try {
      await queue.accept(
        key,
        payload,
        { unixMs: clock.now(), isArchived },
        {
          header: encodeHeader(header),
          authorization,
          key: hexToBytes(key),
          commitment: hexToBytes(header.commitment),
        },
      );
    } catch (error) {
      this.#drop(prepared);
      throw error;
    }
    pipeline.start(key, { encoded, release: prepared.release });
    return queue.get(key)!;
  }

  /** The fee to write into the header when the caller named one. */
  async #affordable(request: PrepareRequest, moment: Moment): Promise<bigint | undefined> {
    const { account, length, maxFeeWei } = request;
    const { shape, rowBytes } = blobFormat(length, moment);
    const feeWei = blobFee(
      { shape: shape.id, rowSize: rowBytes },
      { ...moment.parameters, ...moment },
    );
    if (maxFeeWei !== undefined && feeWei > maxFeeWei) throw tooDear(feeWei, maxFeeWei);
    const { balanceWei, pendingWei } = await this.#deps.reader.account(account);
    const neededWei = maxFeeWei ?? feeWei;
    if (balanceWei - pendingWei < neededWei)
      throw new CodedError({
        code: 'DISPERSER_UNFUNDED',
        kind: 'exhausted',
        message: `account ${account} cannot pay for this blob`,
        hint: 'deposit into DAEntrance first',
        details: {
          account,
          freeWei: (balanceWei - pendingWei).toString(),
          neededWei: neededWei.toString(),
        },
      });
    return maxFeeWei;
  }

  async #checkAuthorization(header: BlobHeader, authorization: Uint8Array): Promise<void> {
    const { reader, entrance } = this.#deps;
    const refused = (): CodedError =>
      new CodedError({
        code: 'DISPERSER_AUTHORIZATION',
        kind: 'invalid',
        message: `the signature is not that of account ${header.account} or a session key of it`,
        details: { account: header.account },
      });
    const signer = await recoverAddress({
      hash: authorizationDigest(entrance, header),
      signature: toHex(authorization),
    }).then(parseAddress, () => {
      throw refused();
    });
    if (signer === header.account) return;
    const [until, head] = await Promise.all([
      reader.sessionKeyUntil(header.account, signer),
      reader.head(),
    ]);
    if (until < head.timestamp) throw refused();
  }

  #reserve(bytes: number): () => void {
    this.#expire();
    const isFull =
      this.#count >= PREPARED_MAX || (this.#count > 0 && this.#bytes + bytes > this.#bytesMax);
    if (isFull)
      throw new CodedError({
        code: 'DISPERSER_BUSY',
        kind: 'exhausted',
        message: 'too many prepared blobs wait for their signatures',
        hint: 'try again in a moment',
      });
    this.#bytes += bytes;
    this.#count++;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#bytes -= bytes;
      this.#count--;
    };
  }

  /** Gives up a prepared blob: its memory goes to others. */
  #drop({ encoded, release }: Prepared): void {
    release();
    this.#deps.pipeline.forget(encoded);
  }

  #expire(): void {
    const now = this.#deps.clock.now();
    for (const [key, prepared] of this.#prepared) {
      if (prepared.until > now) continue;
      this.#prepared.delete(key);
      this.#drop(prepared);
    }
  }
}

/** Throws `DISPERSER_LENGTH` when more or less than `length` bytes come. */
async function readExactly(parts: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const out = new Uint8Array(length);
  let at = 0;
  for await (const part of parts) {
    if (at + part.length > length) throw wrongLength(length, at + part.length);
    out.set(part, at);
    at += part.length;
  }
  if (at !== length) throw wrongLength(length, at);
  return out;
}

function wrongLength(expected: number, actual: number): CodedError {
  return new CodedError({
    code: 'DISPERSER_LENGTH',
    kind: 'invalid',
    message: `${expected} bytes were announced and ${actual} came`,
    details: { expected, actual },
  });
}
