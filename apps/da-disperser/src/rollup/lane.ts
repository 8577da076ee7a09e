/* The way from a payload to a confirmed blob, as the rollup servers use it: the disperser's own queue and pipeline. */
import { createHash } from 'node:crypto';
import { type Clock, CodedError, type RandomSource } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { decodeLookup, type Lookup } from '@cairn/quorum';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BlobQueue, QueuedBlob } from '../queue/blob-queue.ts';

/** Disperses payloads. Throws errors of kind `unavailable`, `timeout` or `exhausted` when that cannot be done now. */
export interface BlobLane {
  /** Resolves when the blob is confirmed, and confirmed deep enough. Stops waiting, not dispersing, when the signal aborts. */
  disperse(payload: Uint8Array, signal: AbortSignal): Promise<Lookup>;
}

export type QueueLaneDeps = {
  queue: BlobQueue;
  pipeline: Pipeline;
  reader: DaReader;
  random: RandomSource;
  clock: Clock;
};
export type QueueLaneOptions = {
  /** Blocks on top of the one that confirmed a blob before its certificate is given out. */
  confirmationBlocks: number;
  /** Blobs are copied to the storage lane: noted before they are dispersed, so no certificate is without. */
  isArchived: boolean;
};

const POLL_MS = 25;

export class QueueLane implements BlobLane {
  readonly #deps: QueueLaneDeps;
  readonly #options: QueueLaneOptions;

  constructor(deps: QueueLaneDeps, options: QueueLaneOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async disperse(payload: Uint8Array, signal: AbortSignal): Promise<Lookup> {
    const { queue, pipeline, random, clock } = this.#deps;
    const digest = createHash('sha256').update(payload).digest('hex');
    const id = `${digest}-${Buffer.from(random.bytes(16)).toString('hex')}`;
    const { isArchived } = this.#options;
    await queue.accept(id, payload, { unixMs: clock.now(), isArchived });
    pipeline.start(id);
    for (;;) {
      const lookup = await this.#lookupOf(queue.get(id));
      if (lookup) return lookup;
      await clock.sleep(POLL_MS, signal);
    }
  }

  /** Undefined while it is under way. */
  async #lookupOf(blob: QueuedBlob | undefined): Promise<Lookup | undefined> {
    if (!blob || blob.state === 'FAILED' || blob.state === 'INSUFFICIENT_SIGNATURES')
      throw new CodedError({
        code: 'ROLLUP_NOT_DISPERSED',
        kind: 'unavailable',
        message: `the blob was not certified: ${blob?.reason ?? 'it is not known any more'}`,
      });
    if (blob.state === 'PROCESSING' || !blob.lookup || blob.block === null) return undefined;
    if (blob.state === 'CONFIRMED' && this.#options.confirmationBlocks > 0) {
      const head = await this.#deps.reader.head();
      if (head.number < blob.block + this.#options.confirmationBlocks) return undefined;
    }
    return decodeLookup(new Uint8Array(blob.lookup));
  }
}
