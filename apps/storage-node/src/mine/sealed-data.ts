// What mining needs of sealed bytes, wherever they are kept: beside the raw data (SealedCopy), or instead of it (SealedInPlace).
import { CodedError, type Hash32 } from '@cairn/base';
import { SEALS_PER_LOAD } from '@cairn/pora';
import { SECTORS_PER_SEAL } from '@cairn/protocol';
import type { SegmentStore } from '@cairn/store';
import type { SlotTicket } from '@cairn/store/slot-reader';

/** Seals [start, end) of a load, under one context. */
export type SealRun = { start: number; end: number; digest: Hash32 };

/** Sealed bytes of one miner id. A seal that is there was sealed for that id, under the context of its run. */
export interface SealedData {
  /** Folder of the volumes that `place` means. */
  readonly dir: string;
  /** Loads of which anything is sealed. */
  readonly loads: number;
  has(load: number, seal: number): boolean;
  /** Runs of a load, ascending. */
  runs(load: number): SealRun[];
  /** The context a seal was sealed under; undefined when it is not sealed. */
  digestOf(load: number, seal: number): Hash32 | undefined;
  /** Where the sealed bytes of a load are, a block each seal; undefined when nothing of it is sealed. */
  place(load: number): SlotTicket | undefined;
  /** True when the load has seals of another id where this one's go. `remove` undoes them. */
  isForeign(load: number): boolean;
  /** Begins to seal a load: called before its raw bytes are read. */
  draft(load: number): SealDraft;
  /** Forgets seals [start, end) of a load; what they were made from is still there. */
  remove(load: number, start: number, end: number): Promise<void>;
  /** The data of seals [start, end) goes for good, or went: nothing of them is kept here. */
  drop(load: number, start: number, end: number): Promise<void>;
  /** Drops the seals of every load that `holds` says no to. */
  keepOnly(holds: (load: number) => boolean, signal: AbortSignal): Promise<void>;
  /** Forgets every seal that ends above `sector`, after a reorg. */
  removeFrom(sector: number): Promise<void>;
  /** Looks whether stored bytes are damaged; those that are count as absent from then on. */
  check(load: number): Promise<void>;
  close(): Promise<void>;
}

export interface SealDraft {
  /**
   * Stores the sealed bytes of a run; durable when it resolves. `isCurrent` is asked inside the transaction. Throws a `conflict`
   * when the raw bytes they were made from changed since the draft.
   */
  write(run: SealRun, data: Uint8Array, isCurrent: () => void): Promise<void>;
}

/** `SealedData.check` over the store that has the sealed bytes. */
export async function checkLoad(segments: SegmentStore, load: number): Promise<void> {
  try {
    await segments.check(load);
  } catch (error) {
    if (!(error instanceof CodedError && error.kind === 'corrupt')) throw error; // it is quarantined now
  }
}

/** `SealedData.removeFrom`; `loadsFrom` gives the loads with seals, from one on. */
export async function removeSealsFrom(
  data: Pick<SealedData, 'remove'>,
  loadsFrom: (load: number) => number[],
  sector: number,
): Promise<void> {
  const firstSeal = Math.floor(sector / SECTORS_PER_SEAL);
  const firstLoad = Math.floor(firstSeal / SEALS_PER_LOAD);
  for (const load of loadsFrom(firstLoad)) {
    const start = load === firstLoad ? firstSeal % SEALS_PER_LOAD : 0;
    await data.remove(load, start, SEALS_PER_LOAD);
  }
}
