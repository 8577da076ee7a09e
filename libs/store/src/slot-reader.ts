/*
 * Reads slots beside the store, for threads that do so by themselves: whoever has the index says where a segment is and what its
 * blocks sum to, the thread opens the volume files for reading only.
 *
 * A slot may be given to another segment while it is read: then the sums do not match, and whoever has the index knows more.
 */
import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { matchesChecksums } from './checksum.ts';
import { BLOCK_BYTES, BLOCKS_PER_SLOT, SLOT_BYTES } from './slot.ts';
import { volumePath } from './volumes.ts';

/** Where a slot is, which of its blocks count (a bit each, as in `SegmentForm`), and the CRC-32 of all 64. */
export type SlotTicket = {
  volume: number;
  offset: number;
  blocks: Uint8Array;
  checksums: Uint32Array;
};

export class SlotReader {
  readonly #dir: string;
  readonly #filesMax: number;
  /** Oldest first. */
  readonly #files = new Map<number, Promise<FileHandle>>();

  /** `dir` has the folder of volumes; `filesMax` of them are kept open. */
  constructor(options: { dir: string; filesMax: number }) {
    this.#dir = options.dir;
    this.#filesMax = options.filesMax;
  }

  /** Fills `into` (256 KiB) with a slot; false when it cannot be read. The bytes are still to be checked. */
  read(ticket: SlotTicket, into: Uint8Array): Promise<boolean> {
    return this.#fill(ticket, into, async (file, offset) => {
      const { bytesRead } = await file.read(into, 0, SLOT_BYTES, offset);
      return bytesRead;
    });
  }

  /** The same on this thread, which waits: less work where the bytes are in memory, as no other thread has to fetch them. */
  readNow(ticket: SlotTicket, into: Uint8Array): Promise<boolean> {
    return this.#fill(ticket, into, (file, offset) =>
      readSync(file.fd, into, 0, SLOT_BYTES, offset),
    );
  }

  async close(): Promise<void> {
    for (const volume of [...this.#files.keys()]) this.#forget(volume);
  }

  async #fill(
    { volume, offset }: SlotTicket,
    into: Uint8Array,
    fill: (file: FileHandle, offset: number) => number | Promise<number>,
  ): Promise<boolean> {
    try {
      const bytesRead = await fill(await this.#file(volume), offset);
      // The last slot of a volume ends where it was written to.
      if (bytesRead < SLOT_BYTES) into.fill(0, bytesRead);
      return true;
    } catch {
      this.#forget(volume);
      return false;
    }
  }

  #file(volume: number): Promise<FileHandle> {
    const file = this.#files.get(volume) ?? open(volumePath(this.#dir, volume), 'r');
    this.#files.delete(volume);
    this.#files.set(volume, file);
    if (this.#files.size > this.#filesMax) this.#forget(this.#files.keys().next().value!);
    return file;
  }

  /** A handle closes when the reads on it have ended. */
  #forget(volume: number): void {
    const file = this.#files.get(volume);
    this.#files.delete(volume);
    file?.then((handle) => handle.close()).catch(() => {});
  }
}

/** Whether the blocks that count are those of the ticket. */
export function isSlotSound(bytes: Uint8Array, { blocks, checksums }: SlotTicket): boolean {
  if (blocks.every((byte) => byte === 255)) return matchesChecksums(bytes, checksums, 0);
  for (let block = 0; block < BLOCKS_PER_SLOT; block++) {
    if (((blocks[block >> 3]! >> (block & 7)) & 1) === 0) continue;
    const at = block * BLOCK_BYTES;
    if (crc32(bytes.subarray(at, at + BLOCK_BYTES)) !== checksums[block]) return false;
  }
  return true;
}
