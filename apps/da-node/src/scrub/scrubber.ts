/*
 * Looks for rows that are gone from the disk or rotted there, for ever and at a set rate: all files by their length first, since that
 * costs next to nothing, then every byte of them. What it finds goes to the healer. A pass covers every blob of the index by key, so a
 * blob that came meanwhile is met in this pass or in the next one.
 */
import { type Clock, equalBytes, hexToBytes, isCodedError, RateLimit } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { commitmentOf, parseBlobFormat, RLC_BYTES, rlcTree } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { Domain } from '@cairn/quorum';
import type { BlobIndex, IndexedBlob } from '../store/blob-index.ts';
import type { RowFiles, StoredRows } from '../store/row-files.ts';
import { placeOf } from './place.ts';

export type ScrubberDeps = {
  index: Pick<BlobIndex, 'page' | 'get'>;
  files: Pick<RowFiles, 'head' | 'isWhole' | 'read'>;
  reader: Pick<DaReader, 'epoch'>;
  kernels: Pick<Kernels, 'sha256'>;
  entrance: Domain;
  clock: Clock;
  /** A blob whose rows are not all here. */
  onLost: (blob: IndexedBlob) => void;
  onChecked?: ((bytes: number) => void) | undefined;
};
export type ScrubberOptions = { bytesPerSecond: number };

const PAGE_BLOBS = 64;

export class Scrubber {
  readonly #deps: ScrubberDeps;
  readonly #rate: RateLimit;

  constructor(deps: ScrubberDeps, { bytesPerSecond }: ScrubberOptions) {
    this.#deps = deps;
    this.#rate = new RateLimit(deps.clock, bytesPerSecond);
  }

  /** One pass over all blobs. */
  async step(signal: AbortSignal): Promise<void> {
    await this.#each(signal, ({ key, bytes }) => this.#deps.files.isWhole(key, bytes));
    await this.#each(signal, (blob) => this.#isSound(blob, signal));
  }

  async #each(signal: AbortSignal, isGood: (blob: IndexedBlob) => Promise<boolean>): Promise<void> {
    const { index, onLost } = this.#deps;
    let page = index.page(undefined, PAGE_BLOBS);
    while (page.length > 0) {
      for (const blob of page) {
        signal.throwIfAborted();
        // Dropped while it was read: no damage.
        if (!(await isGood(blob)) && index.get(blob.key)) onLost(blob);
      }
      page = index.page(page.at(-1)!.key, PAGE_BLOBS);
    }
  }

  async #isSound(blob: IndexedBlob, signal: AbortSignal): Promise<boolean> {
    const { files, reader, entrance } = this.#deps;
    const custody = (await placeOf(reader, entrance, blob))?.custody;
    try {
      const head = await files.head(blob.key);
      if (!head || !this.#isOf(blob, head)) return false;
      const { indices } = head;
      await this.#count(head.rlc.length + 8 * indices.length, signal);
      if (custody && !isSame(custody, indices)) return false;
      // One row's worth at a time: the file may be longer than what is good to hold in memory.
      let sound = 0;
      for await (const { row, path } of files.read(blob.key, indices)) {
        sound++;
        await this.#count(row.length + path.length, signal);
      }
      return sound === indices.length;
    } catch (error) {
      signal.throwIfAborted();
      const isCorrupt = isCodedError(error) && error.kind === 'corrupt';
      // A sector that the disk cannot read is damage like any other.
      if (isCorrupt || (error as NodeJS.ErrnoException).code === 'EIO') return false;
      throw error;
    }
  }

  /** Bytes that were read: waits until as many more may be. */
  #count(bytes: number, signal: AbortSignal): Promise<void> {
    this.#deps.onChecked?.(bytes);
    return this.#rate.take(bytes, signal);
  }

  /** Whether row root and combinations are those of the blob's commitment. */
  #isOf({ header }: IndexedBlob, { rowRoot, rlc, rowBytes }: StoredRows): boolean {
    const { sha256 } = this.#deps.kernels;
    const format = parseBlobFormat({ ...header, rowBytes: header.rowSize });
    if (rowBytes !== header.rowSize || rlc.length !== format.shape.dataRows * RLC_BYTES)
      return false;
    const rlcRoot = rlcTree(sha256, format, rlc).root;
    return equalBytes(
      commitmentOf(sha256, format, { rowRoot, rlcRoot }),
      hexToBytes(header.commitment),
    );
  }
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);
