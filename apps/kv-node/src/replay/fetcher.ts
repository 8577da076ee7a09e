/*
 * Gets the bytes of a batch: downloaded from several nodes, every segment verified against the root on chain, decrypted when
 * it carries a header that one of our keys opens. Small batches stay in memory, larger ones go to a file that is removed
 * with the result.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, type DataRoot, type Hash32, type Hex, withTimeout } from '@cairn/base';
import { type BatchSource, memorySource } from '@cairn/kv';
import {
  type ByteRange,
  BytesSink,
  type DownloadDeps,
  type DownloadSink,
  decryptingSink,
  downloadFile,
  ECIES_HEADER_BYTES,
  openCipher,
  SYMMETRIC_HEADER_BYTES,
} from '@cairn/sdk';

/** A batch's bytes, ready to be parsed. */
export type FetchedBatch = Disposable & { source: BatchSource; headerBytes: number };
/** What the chain says of a batch. */
export type BatchFile = { seq: number; root: Hash32; size: number; startSector: number };

export interface BatchFetcher {
  /** Throws what a download throws, and `KV_BATCH_TOO_LARGE`. */
  fetch(file: BatchFile, signal: AbortSignal): Promise<FetchedBatch>;
}

export type FetcherOptions = {
  /** For batches too large for memory. */
  spoolDir: string;
  maxBatchBytes: number;
  timeoutMs: number;
  encryptionKey?: Uint8Array | undefined;
  walletKey?: Hex | undefined;
};

/** Larger batches are spooled. */
const MEMORY_BYTES_MAX = 8 * 1024 * 1024;

export class SdkFetcher implements BatchFetcher {
  readonly #deps: DownloadDeps;
  readonly #options: FetcherOptions;

  constructor(deps: DownloadDeps, options: FetcherOptions) {
    this.#deps = deps;
    this.#options = options;
    rmSync(options.spoolDir, { recursive: true, force: true }); // what a kill left behind
    mkdirSync(options.spoolDir, { recursive: true });
  }

  async fetch(file: BatchFile, outer: AbortSignal): Promise<FetchedBatch> {
    const { maxBatchBytes, timeoutMs, spoolDir } = this.#options;
    if (file.size > maxBatchBytes)
      throw new CodedError({
        code: 'KV_BATCH_TOO_LARGE',
        kind: 'exhausted',
        message: `the batch has ${file.size} bytes, this node takes ${maxBatchBytes}`,
        hint: 'raise --max-batch-bytes, or let it be skipped with --max-download-retries',
      });
    const signal = withTimeout(outer, timeoutMs);
    const headerBytes = await this.#headerBytes(file, signal);
    const spool = openSpool(file.size - headerBytes, spoolDir);
    try {
      const sink =
        headerBytes > 0
          ? await this.#decrypting(spool.sink, file, headerBytes, signal)
          : spool.sink;
      await this.#download(file, sink, signal);
      return { source: spool.source, headerBytes, [Symbol.dispose]: spool[Symbol.dispose] };
    } catch (error) {
      spool[Symbol.dispose]();
      throw error;
    }
  }

  /** A plain batch begins with a version below 2^56 or with ff: 01 and 02 can only be a header. */
  async #headerBytes(file: BatchFile, signal: AbortSignal): Promise<number> {
    const { encryptionKey, walletKey } = this.#options;
    if (!encryptionKey && !walletKey) return 0;
    const [first] = await this.#head(file, 1, signal);
    if (first === 1 && encryptionKey && file.size > SYMMETRIC_HEADER_BYTES)
      return SYMMETRIC_HEADER_BYTES;
    if (first === 2 && walletKey && file.size > ECIES_HEADER_BYTES) return ECIES_HEADER_BYTES;
    return 0;
  }

  async #decrypting(
    sink: DownloadSink,
    file: BatchFile,
    headerBytes: number,
    signal: AbortSignal,
  ): Promise<DownloadSink> {
    const keys = { key: this.#options.encryptionKey, privateKey: this.#options.walletKey };
    return decryptingSink(
      sink,
      await openCipher(await this.#head(file, headerBytes, signal), keys),
    );
  }

  async #head(file: BatchFile, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const sink = new BytesSink(length);
    await this.#download(file, sink, signal, { start: 0, end: length });
    return sink.bytes;
  }

  async #download(
    { root, seq: txSeq, size, startSector }: BatchFile,
    sink: DownloadSink,
    signal: AbortSignal,
    range?: ByteRange,
  ): Promise<void> {
    const submission = { txSeq, size, startSector };
    await downloadFile(this.#deps, root as DataRoot, sink, { signal, submission, range });
  }
}

type Spool = Disposable & { sink: DownloadSink; source: BatchSource };

function openSpool(size: number, dir: string): Spool {
  if (size <= MEMORY_BYTES_MAX) {
    const sink = new BytesSink(size);
    return { sink, source: memorySource(sink.bytes), [Symbol.dispose]: () => {} };
  }
  const path = join(dir, randomUUID());
  const file = openSync(path, 'wx+');
  return {
    sink: {
      async write(offset, bytes) {
        for (let done = 0; done < bytes.length; )
          done += writeSync(file, bytes, done, bytes.length - done, offset + done);
      },
    },
    source: {
      size,
      read(start, end) {
        const out = new Uint8Array(end - start);
        for (let done = 0; done < out.length; ) {
          const got = readSync(file, out, done, out.length - done, start + done);
          if (got === 0) throw new Error('a spooled batch is shorter than it was');
          done += got;
        }
        return out;
      },
    },
    [Symbol.dispose]() {
      closeSync(file);
      rmSync(path, { force: true });
    },
  };
}
