/*
 * Seals instead of the raw data: the node's own segment store keeps a load in sealed form and undoes it on every read (seal-tag.ts),
 * so that a miner's disk holds its data once.
 *
 * A load is sealed into a slot of its own; one transaction points the index to it with the contexts of its seals, and frees the
 * slot of the raw bytes (libs/store). A kill leaves one or the other. To seal under another context, the raw bytes come back first:
 * there is nothing else to seal from.
 */
import { CodedError, type Hash32 } from '@cairn/base';
import { SEALS_PER_LOAD } from '@cairn/pora';
import type { SegmentForm, SegmentStore } from '@cairn/store';
import type { SlotTicket } from '@cairn/store/slot-reader';
import { decodeSealTag, encodeSealTag, runsWith, type SealTag } from './seal-tag.ts';
import {
  checkLoad,
  removeSealsFrom,
  type SealDraft,
  type SealedData,
  type SealRun,
} from './sealed-data.ts';

export class SealedInPlace implements SealedData {
  readonly dir: string;
  readonly #segments: SegmentStore;
  readonly #minerId: Hash32;

  /** `dir` is the folder of the store's volumes. */
  constructor(deps: { segments: SegmentStore }, options: { minerId: Hash32; dir: string }) {
    this.#segments = deps.segments;
    this.#minerId = options.minerId;
    this.dir = options.dir;
  }

  get loads(): number {
    return this.#segments.encodedCount;
  }

  has(load: number, seal: number): boolean {
    return this.digestOf(load, seal) !== undefined;
  }

  runs(load: number): SealRun[] {
    const own = this.#own(load);
    if (!own) return [];
    const runs: SealRun[] = [];
    for (let seal = 0; seal < SEALS_PER_LOAD; seal++) {
      const digest = digestAt(own, seal);
      if (!digest) continue;
      const last = runs.at(-1);
      if (last?.end === seal && last.digest === digest) last.end++;
      else runs.push({ start: seal, end: seal + 1, digest });
    }
    return runs;
  }

  digestOf(load: number, seal: number): Hash32 | undefined {
    const own = this.#own(load);
    return own && digestAt(own, seal);
  }

  place(load: number): SlotTicket | undefined {
    const stored = this.#segments.stored(load);
    if (!stored?.form || decodeSealTag(stored.form.tag).minerId !== this.#minerId) return undefined;
    const { volume, offset, checksums } = stored;
    return { volume, offset, blocks: stored.form.blocks, checksums };
  }

  isForeign(load: number): boolean {
    const form = this.#segments.stored(load)?.form;
    return form !== undefined && decodeSealTag(form.tag).minerId !== this.#minerId;
  }

  draft(load: number): SealDraft {
    const base = this.#segments.stored(load);
    return {
      write: async (run, data, isCurrent) => {
        if (!base) throw notSealable(load);
        const known = base.form && decodeSealTag(base.form.tag);
        if (known && known.minerId !== this.#minerId) throw notSealable(load);
        const tag = encodeSealTag({
          minerId: this.#minerId,
          runs: runsWith(known?.runs ?? [], run),
        });
        await this.#segments.encode(
          { segmentIndex: load, base, startBlock: run.start, data, tag },
          isCurrent,
        );
      },
    };
  }

  remove(load: number, start: number, end: number): Promise<void> {
    return this.#segments.restore(load, { start, end });
  }

  /** The seals are the data, and go with it. */
  async drop(): Promise<void> {}

  async keepOnly(): Promise<void> {}

  removeFrom(sector: number): Promise<void> {
    return removeSealsFrom(this, (first) => this.#segments.encodedIndexes(first), sector);
  }

  check(load: number): Promise<void> {
    return checkLoad(this.#segments, load);
  }

  /** The store is the node's, which closes it. */
  async close(): Promise<void> {}

  #own(load: number): { form: SegmentForm; tag: SealTag } | undefined {
    const form = this.#segments.stored(load)?.form;
    if (!form) return undefined;
    const tag = decodeSealTag(form.tag);
    return tag.minerId === this.#minerId ? { form, tag } : undefined;
  }
}

function digestAt(
  { form, tag }: { form: SegmentForm; tag: SealTag },
  seal: number,
): Hash32 | undefined {
  if (((form.blocks[seal >> 3]! >> (seal & 7)) & 1) === 0) return undefined;
  return tag.runs.find(({ start, end }) => start <= seal && seal < end)?.digest;
}

function notSealable(load: number): CodedError {
  return new CodedError({
    code: 'STORE_CONFLICT',
    kind: 'conflict',
    message: `load ${load} is gone, or sealed for another id`,
    details: { load },
  });
}
