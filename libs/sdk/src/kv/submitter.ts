/*
 * Puts batches on the network in groups: batches that wait are submitted by one transaction (`batchSubmit`), and a few such
 * groups are under way at once, so throughput depends neither on the block time nor on the number of writers. Nonces stay
 * in order because only one group is being sent at a time; waiting for its block and sending its data overlap with others.
 */
import { bytesToHex, CodedError, forEachLimit, Semaphore } from '@cairn/base';
import type { FlowWriter } from '@cairn/chain';
import type { StorageClient } from '../client.ts';
import { hashSource } from '../hash.ts';
import { bytesSource } from '../source.ts';

export type BuiltBatch = { bytes: Uint8Array; tags: Uint8Array };
export type SubmitterOptions = {
  /** Files of one transaction, at most what the contract takes (100). */
  groupFiles: number;
  /** Transactions under way at once. */
  groupsInFlight: number;
  /** Batches that wait, before `submit` throws `KV_QUEUE_FULL`. */
  queueMax: number;
  replicas?: number | undefined;
};

type Job = {
  batch: BuiltBatch;
  resolve: (txSeq: number) => void;
  reject: (error: unknown) => void;
};

/** Bytes of one group, beyond its first file. */
const GROUP_BYTES_MAX = 32 * 1024 * 1024;
const UPLOADS_AT_ONCE = 16;

export class Submitter {
  readonly #client: StorageClient;
  readonly #options: SubmitterOptions;
  readonly #queue: Job[] = [];
  readonly #sending = new Semaphore(1);
  #groups = 0;
  #writer: Promise<FlowWriter> | undefined;
  /** Called when a group may be taken: what is still being collected can join it. */
  onReady: () => void = () => {};

  constructor(client: StorageClient, options: SubmitterOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** True when a batch given now is sent at once. */
  get isReady(): boolean {
    return this.#groups < this.#options.groupsInFlight;
  }

  writer(): Promise<FlowWriter> {
    this.#writer ??= this.#client.writer().catch((error: unknown) => {
      this.#writer = undefined;
      throw error;
    });
    return this.#writer;
  }

  /** Submits one batch and stores its data; the txSeq it got. */
  submit(batch: BuiltBatch): Promise<number> {
    if (this.#queue.length >= this.#options.queueMax)
      return Promise.reject(
        new CodedError({
          code: 'KV_QUEUE_FULL',
          kind: 'exhausted',
          message: `${this.#queue.length} batches wait already`,
          hint: 'wait for some of them before writing more',
        }),
      );
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, resolve, reject });
      // Batches given in the same turn go together.
      queueMicrotask(() => this.#pump());
    });
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.isReady) {
      const group = this.#take();
      this.#groups++;
      void this.#run(group).finally(() => {
        this.#groups--;
        this.onReady();
        this.#pump();
      });
    }
  }

  #take(): Job[] {
    const group: Job[] = [];
    let bytes = 0;
    while (group.length < this.#options.groupFiles) {
      const next = this.#queue[0];
      if (!next) break;
      bytes += next.batch.bytes.length;
      if (group.length > 0 && bytes > GROUP_BYTES_MAX) break;
      group.push(next);
      this.#queue.shift();
    }
    return group;
  }

  async #run(group: readonly Job[]): Promise<void> {
    try {
      const files = await Promise.all(
        group.map(async ({ batch }) => {
          const source = bytesSource(batch.bytes);
          return { source, tree: await hashSource(this.#client.kernels, source) };
        }),
      );
      const writer = await this.writer();
      const seqs = await this.#send(
        writer,
        files.map(({ source, tree }, i) => ({
          size: source.size,
          nodes: tree.submissionNodes,
          tags: bytesToHex(group[i]!.batch.tags),
        })),
      );
      await forEachLimit(group.entries(), { limit: UPLOADS_AT_ONCE }, async ([i, job]) => {
        const { source, tree } = files[i]!;
        try {
          const { replicas } = this.#options;
          const stored = await this.#client.upload(source, {
            tree,
            txSeq: seqs[i]!,
            tags: bytesToHex(job.batch.tags),
            skipIfFinalized: false,
            replicas,
          });
          job.resolve(stored.txSeq);
        } catch (error) {
          job.reject(error);
        }
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** Resolves with the seqs when the block is there; the next group is sent as soon as this one is in the pool. */
  #send(writer: FlowWriter, files: Parameters<FlowWriter['submit']>[0]): Promise<number[]> {
    return new Promise((resolve, reject) => {
      void this.#sending.run(
        () =>
          new Promise<void>((sent) => {
            writer
              .submit(files, { onSent: () => sent() })
              .then(({ seqs }) => resolve(seqs), reject)
              .finally(sent);
          }),
      );
    });
  }
}
