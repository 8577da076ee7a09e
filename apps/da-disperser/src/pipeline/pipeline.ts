/*
 * Takes accepted blobs to FINALIZED: encode, header, rows to the members, batch, certificate on chain, finality. Everything that
 * a restart needs is in the queue; a blob that was confirmed while nobody looked is found in the log by its key.
 */
import {
  bytesToHash32,
  CodedError,
  errorMessage,
  type Hash32,
  hexToBytes,
  isCodedError,
  type Logger,
  Semaphore,
  systemClock,
} from '@cairn/base';
import type { DaParameters, DaReader } from '@cairn/chain/da';
import { type EncodedBlob, encodeBlobInThreads, parseBlobFormat } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { TaskPool } from '@cairn/kernels/node';
import {
  BLOB_VERSION,
  type BlobHeader,
  blobFee,
  blobKey,
  chooseShape,
  type Domain,
  decodeHeader,
  encodeHeader,
  quorumOfBlob,
  rowBytes,
} from '@cairn/quorum';
import type { Disperser, Place } from '@cairn/sdk/da';
import type { BlobQueue, QueuedBlob } from '../queue/blob-queue.ts';
import type { Batcher, Confirmation } from './batcher.ts';
import type { Payer } from './payer.ts';

export type PipelineDeps = {
  queue: BlobQueue;
  reader: DaReader;
  disperser: Disperser;
  batcher: Batcher;
  payer: Payer;
  kernels: Kernels;
  threads: TaskPool;
  entrance: Domain;
  log: Logger;
};
export type PipelineOptions = {
  /** Blobs encoded and sent at once: four times their bytes are in memory. */
  parallelMax: number;
  triesMax: number;
};

/** Blobs whose headers fall into the same span share an expiry, so that they fit one batch. */
const EXPIRY_STEP_SECONDS = 10;
const RETRY_MS = 1000;
const NONCE_TRIES = 1000;

export class Pipeline {
  readonly #deps: PipelineDeps;
  readonly #options: PipelineOptions;
  readonly #slots: Semaphore;
  readonly #running = new Map<string, Promise<void>>();
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

  /** Starts a blob; its state tells how it ends. */
  start(id: string): void {
    if (this.#running.has(id) || this.#stopping.signal.aborted) return;
    const work = this.#slots
      .run(() => this.#process(id, this.#stopping.signal))
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
      .finally(() => this.#running.delete(id));
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
    const confirmed = queue.inState('CONFIRMED');
    if (confirmed.length === 0) return;
    const final = await reader.finalized();
    for (const blob of confirmed) {
      if (blob.block === null || blob.block > final) continue;
      const verdict = blob.lookup ? await reader.checkCertificate(blob.lookup) : 1;
      if (verdict === 1) queue.setState(blob.id, 'FINALIZED');
      else {
        queue.setState(blob.id, 'PROCESSING');
        this.start(blob.id);
      }
    }
  }

  async #process(id: string, signal: AbortSignal): Promise<void> {
    const { queue, log } = this.#deps;
    const blob = queue.get(id);
    if (blob?.state !== 'PROCESSING') return;
    const found = await this.#confirmedBefore(blob);
    if (found) return queue.confirm(id, found);
    const payload = await queue.payload(blob);
    for (let attempt = 1; ; attempt++) {
      try {
        const confirmation = await this.#disperse(blob, payload, signal);
        queue.confirm(id, confirmation);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const isFinal =
          isCodedError(error) && (error.kind === 'invalid' || error.kind === 'corrupt');
        if (isFinal || attempt >= this.#options.triesMax) throw error;
        log.info({ id, attempt, error: errorMessage(error) }, 'dispersal failed, trying again');
        await systemClock.sleep(RETRY_MS * attempt, signal);
      }
    }
  }

  async #disperse(
    blob: QueuedBlob,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Confirmation> {
    const { disperser, batcher, queue, payer, entrance } = this.#deps;
    const { place, parameters, timestamp } = await this.#placeNow();
    const encoded = await this.#encode(payload, place, signal);
    const header = await this.#header(blob, encoded, { place, parameters, timestamp });
    const authorization = await payer.authorize(header);
    const key = blobKey(entrance, header);
    queue.setHeader(blob.id, {
      header: encodeHeader(header),
      authorization,
      key: hexToBytes(key),
      commitment: hexToBytes(header.commitment),
    });
    const chosen = { epoch: place.epoch, quorum: place.epoch.quorums[header.quorum]! };
    const { stored } = await disperser.store(
      chosen,
      { header, authorization, encoded },
      { signal },
    );
    return batcher.confirm({ place: chosen, header, authorization, key, stored }, signal);
  }

  async #placeNow(): Promise<{ place: Place; parameters: DaParameters; timestamp: number }> {
    const { reader } = this.#deps;
    const [head, parameters] = await Promise.all([reader.head(), reader.parameters()]);
    const epoch = await reader.serving(head.number);
    const quorum = epoch?.quorums.find(({ isOpen }) => isOpen);
    if (!epoch || !quorum)
      throw new CodedError({
        code: 'DISPERSER_NO_QUORUM',
        kind: 'unavailable',
        message: 'no quorum serves now',
        hint: 'operators must reveal in the window before an epoch begins',
      });
    return { place: { epoch, quorum }, parameters, timestamp: head.timestamp };
  }

  #encode(payload: Uint8Array, place: Place, signal: AbortSignal): Promise<EncodedBlob> {
    const { kernels, threads } = this.#deps;
    const smallest = Math.max(...place.epoch.quorums.map(({ members }) => members.length));
    const shape = chooseShape(smallest, payload.length);
    const format = parseBlobFormat({
      version: BLOB_VERSION,
      shape: shape.code,
      length: payload.length,
      rowBytes: rowBytes(shape, payload.length),
    });
    return encodeBlobInThreads(kernels, threads, payload, {
      version: format.version,
      shape: format.shape,
      signal,
    });
  }

  async #header(
    blob: QueuedBlob,
    encoded: EncodedBlob,
    at: { place: Place; parameters: DaParameters; timestamp: number },
  ): Promise<BlobHeader> {
    const { payer, reader } = this.#deps;
    const { place, parameters, timestamp } = at;
    const commitment = bytesToHash32(encoded.commitment);
    const shape = encoded.format.shape.id;
    const rowSize = encoded.format.rowBytes;
    const open = place.epoch.quorums.filter(({ isOpen }) => isOpen).map(({ quorum }) => quorum);
    let nonce = payer.nonce();
    const draw = (): number =>
      quorumOfBlob(open, { seed: place.epoch.seed, commitment, account: payer.address, nonce });
    // With several quorums any one is as good; the shape was chosen for the largest.
    for (let i = 0; i < NONCE_TRIES && draw() !== place.quorum.quorum; i++) nonce = payer.nonce();
    const latest = timestamp + parameters.retentionSeconds;
    const maxFee = blobFee(
      { shape, rowSize },
      {
        retentionSeconds: parameters.retentionSeconds,
        pricePerByteSecond: await reader.pricePerByteSecond(),
      },
    );
    return {
      version: BLOB_VERSION,
      shape,
      length: blob.length,
      rowSize,
      commitment,
      account: payer.address,
      disperser: payer.address,
      nonce,
      epoch: place.epoch.epoch,
      quorum: draw(),
      expiry: Math.floor(latest / EXPIRY_STEP_SECONDS) * EXPIRY_STEP_SECONDS,
      maxFee,
    };
  }

  /** A confirmation that happened before a kill. */
  async #confirmedBefore(
    blob: QueuedBlob,
  ): Promise<{ certificate: null; lookup: null; block: number } | undefined> {
    const { reader, entrance } = this.#deps;
    if (!blob.header) return undefined;
    const key: Hash32 = blobKey(entrance, decodeHeader(new Uint8Array(blob.header)));
    const head = await reader.head();
    const events = await reader.events({ fromBlock: blob.acceptedBlock, toBlock: head.number });
    const charged = events.find((event) => event.kind === 'charged' && event.blobKey === key);
    return charged && { certificate: null, lookup: null, block: charged.block };
  }
}
