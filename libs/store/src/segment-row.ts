// What the index says of one segment. Rows are replaced, never changed in place, so one that was read stays what it was.
import { crc32 } from 'node:zlib';
import { equalBytes } from '@cairn/base';
import { matchesChecksums } from './checksum.ts';
import {
  BLOCK_BYTES,
  BLOCKS_PER_SLOT,
  blockChecksum,
  isPresent,
  type Presence,
  SECTORS_PER_BLOCK,
} from './slot.ts';

/**
 * Blocks of a segment that are stored in another form than their bytes, whole blocks each: bit i & 7 of byte i >> 3 of `blocks`
 * (8 bytes) says so of block i. `tag` is what a codec needs to undo it; the store does not look into it.
 */
export type SegmentForm = { readonly blocks: Uint8Array; readonly tag: Uint8Array };

export type SegmentRow = {
  readonly slot: number;
  /** Sectors whose bytes can be read, whatever form they are stored in. */
  readonly presence: Presence;
  /** Of each block as it is stored. */
  readonly checksums: Uint32Array;
  /** Undefined when every block is stored as it is. */
  readonly form: SegmentForm | undefined;
};

/** Undoes the other form of blocks. */
export interface SegmentCodec {
  /**
   * `data` holds the stored bytes of whole blocks from `startBlock` on, all in the form that `tag` names; they are replaced by
   * the bytes that were written, in place.
   */
  decode(blocks: {
    segmentIndex: number;
    startBlock: number;
    tag: Uint8Array;
    data: Uint8Array;
  }): Promise<void> | void;
}

/** Blocks [start, end). */
export type BlockRange = { start: number; end: number };

/** The blocks that sectors [startSector, endSector) touch. */
export function blocksOf(startSector: number, endSector: number): BlockRange {
  return {
    start: Math.floor(startSector / SECTORS_PER_BLOCK),
    end: Math.ceil(endSector / SECTORS_PER_BLOCK),
  };
}

export function isEncoded(form: SegmentForm | undefined, block: number): boolean {
  return form !== undefined && ((form.blocks[block >> 3]! >> (block & 7)) & 1) === 1;
}

/** Maximal runs of encoded blocks inside the range. */
export function encodedRuns(
  form: SegmentForm | undefined,
  { start, end }: BlockRange,
): BlockRange[] {
  const runs: BlockRange[] = [];
  for (let block = start; form && block < end; block++) {
    if (!isEncoded(form, block)) continue;
    const last = runs.at(-1);
    if (last?.end === block) last.end++;
    else runs.push({ start: block, end: block + 1 });
  }
  return runs;
}

/** The form without blocks of the range; undefined when none is left. */
export function formWithout(
  form: SegmentForm | undefined,
  { start, end }: BlockRange,
): SegmentForm | undefined {
  if (!form) return undefined;
  const blocks = form.blocks.slice();
  for (let block = start; block < end; block++) blocks[block >> 3]! &= ~(1 << (block & 7));
  return blocks.every((byte) => byte === 0) ? undefined : { blocks, tag: form.tag };
}

/** The form with the blocks of the range, under a new tag. */
export function formWith(
  form: SegmentForm | undefined,
  { start, end }: BlockRange,
  tag: Uint8Array,
): SegmentForm {
  const blocks = form?.blocks.slice() ?? new Uint8Array(BLOCKS_PER_SLOT / 8);
  for (let block = start; block < end; block++) blocks[block >> 3]! |= 1 << (block & 7);
  return { blocks, tag };
}

/** Whether blocks of the range, and what undoes their form, are the same in both. */
export function isSameIn({ start, end }: BlockRange, a: SegmentRow, b: SegmentRow): boolean {
  if (!equalBytes(a.form?.tag ?? NOTHING, b.form?.tag ?? NOTHING)) return false;
  const bytes = SECTORS_PER_BLOCK / 8;
  const [from, to] = [start * bytes, end * bytes];
  if (!equalBytes(a.presence.subarray(from, to), b.presence.subarray(from, to))) return false;
  for (let block = start; block < end; block++) {
    if (a.checksums[block] !== b.checksums[block]) return false;
    if (isEncoded(a.form, block) !== isEncoded(b.form, block)) return false;
  }
  return true;
}
const NOTHING = new Uint8Array(0);

/** Checksum that block `block` has as it is stored. `bytes` are the 4 KiB of the block. */
export function checksumOf(
  bytes: Uint8Array,
  block: number,
  row: Omit<SegmentRow, 'slot' | 'checksums'>,
): number {
  if (isEncoded(row.form, block)) return crc32(bytes);
  return blockChecksum(bytes, row.presence.subarray((block * SECTORS_PER_BLOCK) / 8));
}

/** Blocks of the range whose bytes, `bytes` from the first of them on, are not those that were stored. */
export function damagedBlocks(
  bytes: Uint8Array,
  { start, end }: BlockRange,
  row: SegmentRow,
): number[] {
  const isWhole = isPresent(row.presence, start * SECTORS_PER_BLOCK, end * SECTORS_PER_BLOCK);
  if (isWhole && matchesChecksums(bytes, row.checksums, start)) return [];
  const damaged: number[] = [];
  for (let block = start; block < end; block++) {
    const at = (block - start) * BLOCK_BYTES;
    const sum = checksumOf(bytes.subarray(at, at + BLOCK_BYTES), block, row);
    if (sum !== row.checksums[block]) damaged.push(block);
  }
  return damaged;
}
