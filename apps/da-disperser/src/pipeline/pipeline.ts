/*
 * Takes accepted blobs to FINALIZED: encode, header, rows to the members, batch, certificate on chain, finality. Everything that
 * a restart needs is in the queue: a certificate is there before its transaction is sent, so one that was mined while nobody
 * looked is found by asking the chain for it.
 */
import {
  type Clock,
  CodedError,
  errorMessage,
  hexToBytes,
  isCodedError,
  type Logger,
  Semaphore,
} from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { type EncodedBlob, encodeBlobInThreads, rowCountOf } from '@cairn/erasure';
import type { Kernels, TaskRunner } from '@cairn/kernels';
import { blobKey, type Domain, decodeHeader, encodeHeader } from '@cairn/quorum';
import { blobFormat, type Disperser } from '@cairn/sdk/da';
import type { BlobQueue, QueuedBlob } from '../queue/blob-queue.ts';
import { type Batcher, type Confirmation, isNonceSpent, type ReadyBlob } from './batcher.ts';
import type { HeaderMaker, Moment } from './headers.ts';
import type { Payer } from './payer.ts';
import { RowMemory } from './row-memory.ts';

export type PipelineDeps = {
  queue: BlobQueue;
  reader: Pick<DaReader, 'finalized' | 'head' | 'checkCertificate'>;
  disperser: Pick<Disperser, 'store'>;
  batcher: Pick<Batcher, 'confirm'>;
  headers: HeaderMaker;
  payer: Pick<Payer, 'authorize'>;
  kernels: Kernels;
  threads: TaskRunner;
  entrance: Domain;
  clock: Clock;
  log: Logger;
};
export type PipelineOptions = {
  /** Blobs encoded and sent at once: five times their bytes are in memory. */
  parallelMax: number;
  triesMax: number;
};

/** A blob that somebody encoded already; `release` gives the memory back that is counted for it. */
export type ComeEncoded = { encoded: EncodedBlob; release: () => void };

const RETRY_MS = 1000;
/** Blobs looked at in one round of `settle`. */
const SETTLE_MAX = 256;
/** `checkCertificate`: confirmed, and this leaf paid for. */
const CONFIRMED = 1;

export class Pipeline {
  readonly #deps: PipelineDeps;
  readonly #options: PipelineOptions;
  readonly #slots: Semaphore;
  readonly #memory = new RowMemory();
  readonly #running = new Map<string, Promise<void>>();
  /** Blobs that came encoded, until their first try. */
  readonly #encoded = new Map<string, ComeEncoded>();
  readonly #stopping = new AbortController();

  constructor(deps: PipelineDeps, options: PipelineOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#slots = new Semaphore(options.parallelMax);
  }

  /** Goes on with everything that is not ended. */
  resume(): void {
    for (const blob of this.#deps.queue.inState('PROCESSING')) this.start(blob.id);
  }

  /** Starts a blob; its state tells how it ends. `encoded`, where somebody has encoded it already, spares doing it again. */
  start(id: string, encoded?: ComeEncoded): void {
    if (this.#running.has(id) || this.#stopping.signal.aborted) {
      encoded?.release();
      if (encoded) this.forget(encoded.encoded);
      return;
    }
    if (encoded) this.#encoded.set(id, encoded);
    const work = this.#process(id, this.#stopping.signal)
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return; // goes on after the restart
        const isShort = isCodedError(error, 'SDK_DA_NOT_ENOUGH_MEMBERS');
        this.#deps.queue.setState(
          id,
          isShort ? 'INSUFFICIENT_SIGNATURES' : 'FAILED',
          errorMessage(error),
        );
        this.#deps.log.warn({ id, error: errorMessage(error) }, 'blob failed');
      })
      .finally(() => {
        this.#running.delete(id);
        const left = this.#takeEncoded(id);
        if (left) this.forget(left);
      });
    this.#running.set(id, work);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(
      new CodedError({
        code: 'DISPERSER_STOPPED',
        kind: 'cancelled',
        message: 'the disperser stopped',
      }),
    );
    await Promise.all(this.#running.values());
  }

  /** Marks confirmed blobs final once their block is, and looks again at those whose block a reorg took. */
  async settle(): Promise<void> {
    const { queue, reader } = this.#deps;
    for (const blob of queue.confirmedUpTo(await reader.finalized(), SETTLE_MAX)) {
      if (blob.lookup && (await reader.checkCertificate(blob.lookup)) === CONFIRMED)
        queue.finalize(blob);
      else {
        queue.setState(blob.id, 'PROCESSING');
        this.start(blob.id);
      }
    }
  }

  async #process(id: string, signal: AbortSignal): Promise<void> {
    const { queue, entrance, clock, log } = this.#deps;
    if (queue.get(id)?.state !== 'PROCESSING') return;
    let last: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        const { attempt: taken, block } =
          (await this.#confirmedBefore(id)) ?? (await this.#disperse(id, last, signal));
        const key = hexToBytes(blobKey(entrance, decodeHeader(taken.header)));
        queue.confirm(id, taken, { key, block });
        return;
      } catch (error) {
        signal.throwIfAborted();
        const isFinal =
          isCodedError(error) && (error.kind === 'invalid' || error.kind === 'corrupt');
        if (isFinal || attempt >= this.#options.triesMax) throw error;
        log.info({ id, attempt, error: errorMessage(error) }, 'dispersal failed, trying again');
        last = error;
        await clock.sleep(RETRY_MS * attempt, signal);
      }
    }
  }

  /** One try; `last` is what the one before threw. Memory is held until the rows are stored, not until the next block. */
  async #disperse(id: string, last: unknown, signal: AbortSignal): Promise<Confirmation> {
    const ready = await this.#slots.run(() => {
      signal.throwIfAborted();
      return this.#store(id, last, signal);
    });
    return this.#deps.batcher.confirm(ready, signal);
  }

  /** Encodes a blob and brings its rows to the members, under a header that is on disk before anybody sees it. */
  async #store(id: string, last: unknown, signal: AbortSignal): Promise<ReadyBlob> {
    const { queue, headers } = this.#deps;
    const blob = queue.get(id)!;
    const moment = await headers.moment();
    if (blob.isFixed) assertUsable(blob, headers, moment, last);
    const encoded =
      this.#takeEncoded(id) ?? (await this.encode(await queue.payload(blob), moment, signal));
    try {
      if (blob.isFixed) return await this.#send(blob, encoded, moment, signal);
      await this.#setHeader(blob, encoded, moment, last);
      return await this.#send(queue.get(id)!, encoded, moment, signal);
    } finally {
      this.forget(encoded);
    }
  }

  /** Writes down the header that a blob is dispersed under, the one before where it is still good. */
  async #setHeader(
    blob: QueuedBlob,
    encoded: EncodedBlob,
    moment: Moment,
    last: unknown,
  ): Promise<void> {
    const { queue, payer, headers, entrance } = this.#deps;
    const before = blob.header ? decodeHeader(blob.header) : undefined;
    // All headers of a blob share a nonce, so that the contract charges one of them at most, whatever became of the others.
    // A nonce that is spent on no confirmation was spent on settling a lapsed batch.
    const isSpent = isNonceSpent(last);
    const header =
      before && !isSpent && headers.isGood(before, moment)
        ? before
        : headers.make(
            { encoded, length: blob.length },
            moment,
            isSpent ? {} : { nonce: before?.nonce },
          );
    const authorization = await payer.authorize(header);
    queue.setHeader(blob.id, {
      header: encodeHeader(header),
      authorization,
      key: hexToBytes(blobKey(entrance, header)),
      commitment: hexToBytes(header.commitment),
    });
  }

  #takeEncoded(id: string): EncodedBlob | undefined {
    const come = this.#encoded.get(id);
    this.#encoded.delete(id);
    come?.release();
    return come?.encoded;
  }

  /** Brings the rows to the members under the header that the queue has. */
  async #send(
    blob: QueuedBlob,
    encoded: EncodedBlob,
    moment: Moment,
    signal: AbortSignal,
  ): Promise<ReadyBlob> {
    const { disperser, entrance } = this.#deps;
    const header = decodeHeader(blob.header!);
    const authorization = blob.authorization!;
    const place = { epoch: moment.epoch, quorum: moment.epoch.quorums[header.quorum]! };
    const { stored } = await disperser.store(place, { header, authorization, encoded }, { signal });
    return {
      ...{ id: blob.id, place, header, authorization, stored },
      key: blobKey(entrance, header),
    };
  }

  /** Rows and commitment of a payload, in the shape that the quorums of the moment want. All threads work on it. */
  async encode(payload: Uint8Array, moment: Moment, signal: AbortSignal): Promise<EncodedBlob> {
    const { kernels, threads } = this.#deps;
    const { version, shape, rowBytes } = blobFormat(payload.length, moment);
    const rows = this.#memory.take(rowCountOf(shape) * rowBytes);
    try {
      return await encodeBlobInThreads(kernels, threads, payload, { version, shape, rows, signal });
    } catch (error) {
      this.#memory.give(rows);
      throw error;
    }
  }

  /** The rows of an encoded blob are not needed any more: their memory goes to the next one. */
  forget(encoded: EncodedBlob): void {
    this.#memory.give(encoded.rows);
  }

  /** An attempt that the chain took, whoever saw it: before a kill, in a transaction that was given up, by somebody else. */
  async #confirmedBefore(id: string): Promise<Confirmation | undefined> {
    const { reader, queue } = this.#deps;
    for (const attempt of queue.attemptsOf(id)) {
      const { number: block } = await reader.head();
      if ((await reader.checkCertificate(attempt.lookup)) === CONFIRMED) return { attempt, block };
    }
    return undefined;
  }
}

/** A header that its account signed cannot be made anew: throws `DISPERSER_STALE` (invalid) when it would not be taken any more. */
function assertUsable(blob: QueuedBlob, headers: HeaderMaker, moment: Moment, last: unknown): void {
  if (headers.isGood(decodeHeader(blob.header!), moment) && !isNonceSpent(last)) return;
  throw new CodedError({
    code: 'DISPERSER_STALE',
    kind: 'invalid',
    message:
      'the signed header is not good any more: its epoch is over, its nonce spent, or the price above it',
    hint: 'prepare and sign the blob again',
    details: { blobKey: blob.id },
  });
}
