/*
 * Brings back rows that were lost: K rows of any members give the blob (each is checked against the commitment), encoding it again
 * gives our own rows with their paths. One blob at a time, which costs five times the blob in memory while it lasts; a blob that the
 * members cannot give now is tried again, later each time, until it expires. Nothing is signed for a blob that waits here.
 */
import {
  type Clock,
  CodedError,
  equalBytes,
  errorMessage,
  type Hash32,
  hexToBytes,
  type Logger,
} from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import {
  type EncodedBlob,
  encodeDataRowsInThreads,
  parseBlobFormat,
  rowCountOf,
} from '@cairn/erasure';
import type { KernelBackend, Kernels } from '@cairn/kernels';
import { createTaskPool } from '@cairn/kernels/node';
import type { Domain } from '@cairn/quorum';
import { type MemberPool, retrieveBlob } from '@cairn/sdk/da';
import type { BlobIndex, IndexedBlob } from '../store/blob-index.ts';
import type { RowFiles } from '../store/row-files.ts';
import { placeOf } from './place.ts';

export type HealerDeps = {
  index: Pick<BlobIndex, 'get' | 'noteBytes'>;
  files: Pick<RowFiles, 'remove' | 'write'>;
  reader: Pick<DaReader, 'epoch'>;
  members: MemberPool;
  kernels: Kernels;
  entrance: Domain;
  clock: Clock;
  log: Logger;
  onLost?: (() => void) | undefined;
  onHealed?: (() => void) | undefined;
};
export type HealerOptions = {
  /** Bytes of all rows of the largest blob that is encoded again. */
  codeBytesMax: number;
  backend?: 'auto' | KernelBackend | undefined;
};

/** Blobs that wait; more are found again by the next pass of the scrub. */
const LOST_MAX = 4096;
const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 60_000;

type Lost = { tries: number; notBeforeMs: number };

export class Healer {
  readonly #deps: HealerDeps;
  readonly #options: HealerOptions;
  readonly #lost = new Map<Hash32, Lost>();

  constructor(deps: HealerDeps, options: HealerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Blobs whose rows are not all here. */
  get waiting(): number {
    return this.#lost.size;
  }

  isLost(key: Hash32): boolean {
    return this.#lost.has(key);
  }

  /** Notes a blob whose rows are not all here; returns at once. */
  lost(key: Hash32): void {
    const { log, onLost } = this.#deps;
    if (this.#lost.has(key) || this.#lost.size >= LOST_MAX) return;
    this.#lost.set(key, { tries: 0, notBeforeMs: Number.NEGATIVE_INFINITY });
    onLost?.();
    log.error({ blobKey: key }, 'rows of a blob are lost or damaged, fetching them again');
  }

  /** Tries every blob whose time has come. */
  async step(signal: AbortSignal): Promise<void> {
    const { index, clock, log, onHealed } = this.#deps;
    for (const [key, state] of this.#lost) {
      if (clock.monotonic() < state.notBeforeMs) continue;
      const blob = index.get(key);
      try {
        if (blob) {
          await this.#heal(blob, signal);
          onHealed?.();
          log.info({ blobKey: key }, 'lost rows are back');
        }
        this.#lost.delete(key);
      } catch (error) {
        signal.throwIfAborted();
        const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** state.tries++);
        state.notBeforeMs = clock.monotonic() + pauseMs;
        log.warn(
          { blobKey: key, pauseMs, error: errorMessage(error) },
          'lost rows are not back yet',
        );
      }
    }
  }

  /** Throws what `retrieveBlob` throws, `DA_HEAL_TOO_LARGE`, `DA_HEAL_EPOCH` or `DA_HEAL_MISMATCH`. */
  async #heal(blob: IndexedBlob, signal: AbortSignal): Promise<void> {
    const { index, files, reader, members, kernels, entrance } = this.#deps;
    const { key, header } = blob;
    const { codeBytesMax } = this.#options;
    const format = parseBlobFormat({ ...header, rowBytes: header.rowSize });
    const codeBytes = rowCountOf(format.shape) * format.rowBytes;
    if (codeBytes > codeBytesMax)
      throw new CodedError({
        code: 'DA_HEAL_TOO_LARGE',
        kind: 'exhausted',
        message: `encoding the blob again takes ${codeBytes} bytes`,
        hint: 'raise --heal-bytes-max',
        details: { blobKey: key, codeBytes, codeBytesMax },
      });
    const place = await placeOf(reader, entrance, blob);
    if (!place)
      throw new CodedError({
        code: 'DA_HEAL_EPOCH',
        kind: 'unavailable',
        message: `epoch ${header.epoch} is not known any more`,
        details: { blobKey: key, epoch: header.epoch },
      });
    const { dataRows } = await retrieveBlob({ members, kernels, entrance }, place, header, {
      signal,
    });
    const encoded = await this.#encode(dataRows, format, header.length, signal);
    if (!equalBytes(encoded.commitment, hexToBytes(header.commitment)))
      throw new CodedError({
        code: 'DA_HEAL_MISMATCH',
        kind: 'corrupt',
        message: `the rows of blob ${key} do not give its commitment`,
        details: { blobKey: key },
      });
    const { rowRoot, rlc } = encoded;
    const bytes = await files.write(key, {
      ...{ rowRoot, rlc, indices: place.custody, rowBytes: format.rowBytes },
      pathBytes: encoded.rowProof(0).path.length,
      row: (row) => encoded.rowProof(row),
    });
    // Dropped meanwhile: its file must not outlive its entry.
    if (!index.noteBytes(key, bytes)) await files.remove(key);
  }

  async #encode(
    data: Uint8Array,
    format: ReturnType<typeof parseBlobFormat>,
    length: number,
    signal: AbortSignal,
  ): Promise<EncodedBlob> {
    const { backend } = this.#options;
    // A thread that lives while it is needed: a node that lost nothing should not pay for it.
    await using threads = await createTaskPool({ threads: 1, backend });
    return await encodeDataRowsInThreads(
      this.#deps.kernels,
      threads,
      { data, format, length },
      signal,
    );
  }
}
