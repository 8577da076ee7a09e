/*
 * What one group of calls will commit, worked out step by step: bytes go to their slots here, the index changes only when the group
 * is committed.
 *
 * New sectors go into the slot that the segment has: nothing refers to their bytes yet. Everything that would change bytes
 * which the index refers to (another form of stored blocks, and back) goes into a slot of its own; the old one is free after
 * the commit. So there is no moment at which a kill finds neither the old bytes nor the new ones.
 */
import { CodedError, equalBytes, type Logger } from '@cairn/base';
import type { SegmentIndex } from './segment-index.ts';
import {
  type BlockRange,
  blocksOf,
  checksumOf,
  damagedBlocks,
  encodedRuns,
  formWith,
  formWithout,
  isEncoded,
  isSameIn,
  type SegmentCodec,
  type SegmentRow,
} from './segment-row.ts';
import {
  BLOCK_BYTES,
  BLOCKS_PER_SLOT,
  countPresent,
  emptyPresence,
  isAnyPresent,
  isPresent,
  SECTOR_BYTES,
  SECTORS_PER_BLOCK,
  SLOT_BYTES,
  setPresence,
} from './slot.ts';
import type { SlotPool, Volumes } from './volumes.ts';

/** `startSector` 0..1023 inside the segment; `data` a multiple of 256 bytes that ends inside it. Not copied until written. */
export type SegmentWrite = { segmentIndex: number; startSector: number; data: Uint8Array };
/** Sectors [start, end) of one segment. */
export type SectorRange = { segmentIndex: number; startSector: number; endSector: number };
/** Whole blocks of a segment in another form. */
export type SegmentRecode = {
  segmentIndex: number;
  /** What the index said when the bytes were read that `data` was made from. */
  base: SegmentRow;
  startBlock: number;
  data: Uint8Array;
  /** Tag of all encoded blocks of the segment from now on. */
  tag: Uint8Array;
};
export type Step =
  | ({ kind: 'write' } & SegmentWrite)
  | ({ kind: 'remove' } & SectorRange)
  | ({ kind: 'encode' } & SegmentRecode)
  | ({ kind: 'restore'; segmentIndex: number } & BlockRange);

export type StageDeps = {
  index: SegmentIndex;
  volumes: Volumes;
  slots: SlotPool;
  codec: SegmentCodec | undefined;
  log: Logger;
};

/** Rows that a group commits (null: gone), slots it takes and gives up, volumes it wrote to, damage it met. */
export class Stage {
  readonly rows: Map<number, SegmentRow | null>;
  readonly taken: Set<number>;
  readonly freed: Set<number>;
  readonly touched: Set<number>;
  readonly damaged: Map<number, number[]>;
  readonly #deps: StageDeps;

  constructor(deps: StageDeps, from?: Stage) {
    this.#deps = deps;
    this.rows = new Map(from?.rows);
    this.taken = new Set(from?.taken);
    this.freed = new Set(from?.freed);
    this.touched = new Set(from?.touched);
    this.damaged = new Map(from?.damaged);
  }

  /** Does one step. When it throws, the stage holds nothing of it but bytes that changed their form and say the same. */
  async add(step: Step): Promise<void> {
    switch (step.kind) {
      case 'write':
        return this.#write(step);
      case 'remove':
        return this.#remove(step);
      case 'encode':
        return this.#encode(step);
      case 'restore': {
        const row = this.#row(step.segmentIndex);
        if (row && encodedRuns(row.form, step).length > 0)
          await this.#restore(step.segmentIndex, row, step);
        return;
      }
    }
  }

  async #write({ segmentIndex, startSector, data }: SegmentWrite): Promise<void> {
    const endSector = startSector + data.length / SECTOR_BYTES;
    const blocks = blocksOf(startSector, endSector);
    let known = this.#row(segmentIndex);
    if (known && isAnyPresent(known.presence, startSector, endSector)) {
      await this.#refuseOtherBytes(segmentIndex, known, startSector, data);
      if (isPresent(known.presence, startSector, endSector)) return;
    }
    // Sectors that were known to be zero, and so encoded with their neighbours, are to hold something else.
    if (known && encodedRuns(known.form, blocks).length > 0)
      known = await this.#restore(segmentIndex, known, blocks);
    const { volumes, slots } = this.#deps;
    const row: SegmentRow = known
      ? { ...known, presence: known.presence.slice(), checksums: known.checksums.slice() }
      : {
          slot: slots.take(this.taken, this.freed),
          presence: emptyPresence(),
          checksums: new Uint32Array(BLOCKS_PER_SLOT),
          form: undefined,
        };
    this.touched.add(await volumes.write(row.slot, startSector * SECTOR_BYTES, data));
    setPresence(row.presence, startSector, endSector, true);
    await this.#updateChecksums(row, blocks, startSector * SECTOR_BYTES, data);
    this.rows.set(segmentIndex, row);
  }

  async #refuseOtherBytes(
    segmentIndex: number,
    known: SegmentRow,
    startSector: number,
    data: Uint8Array,
  ): Promise<void> {
    const blocks = blocksOf(startSector, startSector + data.length / SECTOR_BYTES);
    const from = blocks.start * BLOCK_BYTES;
    const whole = await this.#deps.volumes.read(
      known.slot,
      from,
      (blocks.end - blocks.start) * BLOCK_BYTES,
    );
    await decodeRuns(this.#deps.codec, segmentIndex, known, blocks, whole);
    const stored = whole.subarray(startSector * SECTOR_BYTES - from);
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      const sector = startSector + at / SECTOR_BYTES;
      if (!isPresent(known.presence, sector, sector + 1)) continue;
      if (equalBytes(stored.subarray(at, at + SECTOR_BYTES), data.subarray(at, at + SECTOR_BYTES)))
        continue;
      throw new CodedError({
        code: 'STORE_CONFLICT',
        kind: 'conflict',
        message: `segment ${segmentIndex} already holds other bytes`,
        details: { segmentIndex, sector },
      });
    }
  }

  async #remove({ segmentIndex, startSector, endSector }: SectorRange): Promise<void> {
    let known = this.#row(segmentIndex);
    if (!known || !isAnyPresent(known.presence, startSector, endSector)) return;
    // What stays of a block that is cut must be readable without what goes.
    const cut = [startSector, endSector]
      .filter((sector) => sector % SECTORS_PER_BLOCK !== 0)
      .map((sector) => Math.floor(sector / SECTORS_PER_BLOCK));
    for (const block of new Set(cut)) {
      if (!known || !isEncoded(known.form, block)) continue;
      const rest = known.presence.slice();
      setPresence(rest, startSector, endSector, false);
      const first = block * SECTORS_PER_BLOCK;
      if (isAnyPresent(rest, first, first + SECTORS_PER_BLOCK))
        known = await this.#restore(segmentIndex, known, { start: block, end: block + 1 });
    }
    if (!known) return;
    const blocks = blocksOf(startSector, endSector);
    const row: SegmentRow = {
      slot: known.slot,
      presence: known.presence.slice(),
      checksums: known.checksums.slice(),
      form: formWithout(known.form, blocks),
    };
    setPresence(row.presence, startSector, endSector, false);
    if (countPresent(row.presence) === 0) return this.#drop(segmentIndex, known);
    await this.#updateChecksums(row, blocks, 0, NOTHING);
    this.rows.set(segmentIndex, row);
  }

  async #encode({ segmentIndex, base, startBlock, data, tag }: SegmentRecode): Promise<void> {
    const blocks = { start: startBlock, end: startBlock + data.length / BLOCK_BYTES };
    const known = this.#row(segmentIndex);
    if (!known || !isSameIn(blocks, known, base)) {
      throw new CodedError({
        code: 'STORE_CONFLICT',
        kind: 'conflict',
        message: `segment ${segmentIndex} changed while another form of it was made`,
        details: { segmentIndex },
      });
    }
    const bytes = await this.#usedBytes(known, blocks);
    bytes.data.set(data, startBlock * BLOCK_BYTES);
    const row: SegmentRow = {
      slot: known.slot,
      presence: known.presence,
      checksums: known.checksums.slice(),
      form: formWith(known.form, blocks, tag),
    };
    await this.#move(segmentIndex, row, bytes, [blocks]);
  }

  /**
   * Puts blocks of the range back into the form they were written in, in a new slot. Those whose stored bytes are damaged are
   * lost instead: to decode them would give wrong bytes a right checksum. Returns the staged row, undefined when nothing is left.
   */
  async #restore(
    segmentIndex: number,
    known: SegmentRow,
    range: BlockRange,
  ): Promise<SegmentRow | undefined> {
    const bytes = await this.#usedBytes(known);
    const runs = encodedRuns(known.form, range);
    const damaged: number[] = [];
    for (const run of runs) {
      const stored = bytes.data.subarray(run.start * BLOCK_BYTES, run.end * BLOCK_BYTES);
      damaged.push(...damagedBlocks(stored, run, known));
    }
    await decodeRuns(
      this.#deps.codec,
      segmentIndex,
      known,
      range,
      bytes.data.subarray(range.start * BLOCK_BYTES),
    );
    const presence = known.presence.slice();
    for (const block of damaged)
      setPresence(presence, block * SECTORS_PER_BLOCK, (block + 1) * SECTORS_PER_BLOCK, false);
    if (damaged.length > 0) {
      this.#deps.log.error(
        { segmentIndex, blocks: damaged },
        'stored bytes are damaged, quarantined',
      );
      this.damaged.set(segmentIndex, [...(this.damaged.get(segmentIndex) ?? []), ...damaged]);
    }
    if (countPresent(presence) === 0) {
      this.#drop(segmentIndex, known);
      return undefined;
    }
    const row: SegmentRow = {
      slot: known.slot,
      presence,
      checksums: known.checksums.slice(),
      form: formWithout(known.form, range),
    };
    return this.#move(segmentIndex, row, bytes, runs);
  }

  /** The bytes of a slot that mean something, where they lie in it; those of `except` are left out (zeros). */
  async #usedBytes(row: SegmentRow, except?: BlockRange): Promise<UsedBytes> {
    const data = new Uint8Array(SLOT_BYTES);
    const used: BlockRange = { start: BLOCKS_PER_SLOT, end: 0 };
    for (let block = 0; block < BLOCKS_PER_SLOT; block++) {
      if (except && block >= except.start && block < except.end) continue;
      const first = block * SECTORS_PER_BLOCK;
      const isUsed =
        isEncoded(row.form, block) || isAnyPresent(row.presence, first, first + SECTORS_PER_BLOCK);
      if (!isUsed) continue;
      used.start = Math.min(used.start, block);
      used.end = block + 1;
    }
    if (used.start < used.end) {
      const from = used.start * BLOCK_BYTES;
      data.set(await this.#deps.volumes.read(row.slot, from, used.end * BLOCK_BYTES - from), from);
    }
    return { data, start: used.start, end: used.end };
  }

  /** Writes a segment whose blocks of `changed` are new to a slot of its own, and stages it there. The checksums of others stand. */
  async #move(
    segmentIndex: number,
    row: SegmentRow,
    { data, start, end }: UsedBytes,
    changed: readonly BlockRange[],
  ): Promise<SegmentRow> {
    const { slots, volumes } = this.#deps;
    for (const run of changed) {
      for (let block = run.start; block < run.end; block++) {
        const at = block * BLOCK_BYTES;
        row.checksums[block] = checksumOf(data.subarray(at, at + BLOCK_BYTES), block, row);
      }
    }
    const moved = { ...row, slot: slots.takeSpare(this.taken) };
    const from = Math.min(start, ...changed.map((run) => run.start)) * BLOCK_BYTES;
    const until = Math.max(end, ...changed.map((run) => run.end)) * BLOCK_BYTES;
    this.touched.add(await volumes.write(moved.slot, from, data.subarray(from, until)));
    this.#giveUp(row.slot);
    this.rows.set(segmentIndex, moved);
    return moved;
  }

  #drop(segmentIndex: number, row: SegmentRow): void {
    this.rows.set(segmentIndex, null);
    this.#giveUp(row.slot);
  }

  /** A slot that this group took is no longer in a row and goes back with the commit; an older one is freed by it. */
  #giveUp(slot: number): void {
    if (!this.taken.has(slot)) this.freed.add(slot);
  }

  /** Checksums of unencoded blocks of the range; edge blocks shared with older sectors are read back. */
  async #updateChecksums(
    row: SegmentRow,
    { start, end }: BlockRange,
    from: number,
    data: Uint8Array,
  ): Promise<void> {
    for (let block = start; block < end; block++) {
      const blockStart = block * BLOCK_BYTES;
      const isWhole = blockStart >= from && blockStart + BLOCK_BYTES <= from + data.length;
      const first = block * SECTORS_PER_BLOCK;
      let bytes: Uint8Array = EMPTY_BLOCK;
      if (isWhole) bytes = data.subarray(blockStart - from, blockStart - from + BLOCK_BYTES);
      else if (isAnyPresent(row.presence, first, first + SECTORS_PER_BLOCK))
        bytes = await this.#deps.volumes.read(row.slot, blockStart, BLOCK_BYTES);
      row.checksums[block] = checksumOf(bytes, block, row);
    }
  }

  #row(segmentIndex: number): SegmentRow | undefined {
    const staged = this.rows.get(segmentIndex);
    return staged === undefined ? this.#deps.index.get(segmentIndex) : (staged ?? undefined);
  }
}

/** A slot in memory, of which blocks [start, end) mean something. */
type UsedBytes = { data: Uint8Array } & BlockRange;
const NOTHING = new Uint8Array(0);
const EMPTY_BLOCK = new Uint8Array(BLOCK_BYTES);

/** Decodes the encoded blocks of the range in place; `bytes` are those of its blocks. */
export async function decodeRuns(
  codec: SegmentCodec | undefined,
  segmentIndex: number,
  row: SegmentRow,
  range: BlockRange,
  bytes: Uint8Array,
): Promise<void> {
  const { form } = row;
  if (!form) return;
  for (const { start, end } of encodedRuns(form, range)) {
    if (!codec) throw noCodec(segmentIndex);
    const data = bytes.subarray(
      (start - range.start) * BLOCK_BYTES,
      (end - range.start) * BLOCK_BYTES,
    );
    await codec.decode({ segmentIndex, startBlock: start, tag: form.tag, data });
  }
}

function noCodec(segmentIndex: number): CodedError {
  return new CodedError({
    code: 'STORE_FORM',
    kind: 'invalid',
    message: `segment ${segmentIndex} is stored in a form that this process cannot undo`,
    details: { segmentIndex },
  });
}
