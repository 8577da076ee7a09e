// Volume files, and which of their slots are free.
import { join } from 'node:path';
import { CodedError, type Logger } from '@cairn/base';
import type { Disk, DiskFile } from './disk.ts';
import { SLOT_BYTES } from './slot.ts';

export type VolumesOptions = {
  /** Folder that has the folder of volumes. */
  dir: string;
  segmentsPerVolume: number;
};

/** Where a slot is. */
export type SlotPlace = { volume: number; offset: number };

/** The file of a volume, for those who read it by themselves. */
export function volumePath(dir: string, volume: number): string {
  return join(dir, 'volumes', `${String(volume).padStart(6, '0')}.vol`);
}

export class Volumes {
  readonly #disk: Disk;
  readonly #options: VolumesOptions;
  readonly #open = new Map<number, DiskFile>();

  constructor(disk: Disk, options: VolumesOptions) {
    this.#disk = disk;
    this.#options = options;
  }

  async createFolder(): Promise<void> {
    await this.#disk.createFolder(join(this.#options.dir, 'volumes'));
  }

  locate(slot: number): SlotPlace {
    const { segmentsPerVolume } = this.#options;
    return {
      volume: Math.floor(slot / segmentsPerVolume),
      offset: (slot % segmentsPerVolume) * SLOT_BYTES,
    };
  }

  /** Bytes [from, from + length) of a slot, a new array. Beyond the end of the file: zeros, which the checksum judges. */
  async read(slot: number, from: number, length: number): Promise<Uint8Array> {
    const { volume, offset } = this.locate(slot);
    const out = new Uint8Array(length);
    await (await this.#file(volume)).read(out, offset + from);
    return out;
  }

  /** Writes into a slot; returns the volume, which is to be synced. */
  async write(slot: number, from: number, data: Uint8Array): Promise<number> {
    const { volume, offset } = this.locate(slot);
    await (await this.#file(volume)).write(data, offset + from);
    return volume;
  }

  async datasync(volumes: Iterable<number>): Promise<void> {
    await Promise.all(Array.from(volumes, async (volume) => (await this.#file(volume)).datasync()));
  }

  /** A volume shorter than its ledger lost acknowledged bytes: say so now, the checksums will name the segments. */
  async check(slots: readonly number[], log: Logger): Promise<void> {
    const last = new Map<number, number>();
    for (const slot of slots) {
      const { volume, offset } = this.locate(slot);
      last.set(volume, Math.max(last.get(volume) ?? 0, offset));
    }
    for (const [volume, offset] of last) {
      const size = await (await this.#file(volume)).size();
      if (size <= offset)
        log.error(
          { volume, size, expected: offset },
          'a volume file is shorter than its index says',
        );
    }
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await file.close();
    this.#open.clear();
  }

  async #file(volume: number): Promise<DiskFile> {
    const open = this.#open.get(volume);
    if (open) return open;
    const file = await this.#disk.open(volumePath(this.#options.dir, volume));
    const raced = this.#open.get(volume);
    if (raced) {
      await file.close();
      return raced;
    }
    this.#open.set(volume, file);
    return file;
  }
}

/** Hands out slots. Those that a group takes count as used once its commit is adopted. */
export class SlotPool {
  readonly #free: number[] = [];
  readonly #limit: number;
  #next: number;
  #used: number;
  #refusals = 0;

  /** `slots` in use, ascending. */
  constructor(slots: readonly number[], limit: number | undefined) {
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
    this.#used = slots.length;
    this.#next = slots.length === 0 ? 0 : slots[slots.length - 1]! + 1;
    let expected = 0;
    for (const slot of slots)
      for (; expected <= slot; expected++) if (expected < slot) this.#free.push(expected);
  }

  /** Times that the limit was in the way. */
  get refusals(): number {
    return this.#refusals;
  }

  get used(): number {
    return this.#used;
  }

  /** A slot for one more segment. `taken` gains it; `freed` are those that the same commit gives up. Throws `STORE_LIMIT`. */
  take(taken: Set<number>, freed: ReadonlySet<number>): number {
    if (this.#used + taken.size - freed.size >= this.#limit) {
      this.#refusals++;
      throw new CodedError({
        code: 'STORE_LIMIT',
        kind: 'exhausted',
        message: `the node holds its limit of ${this.#limit} segments`,
        hint: 'raise maxSegments, or use a smaller shard',
      });
    }
    return this.takeSpare(taken);
  }

  /** A slot to move a segment into, whose present slot the same commit gives up: beyond the limit for that long. */
  takeSpare(taken: Set<number>): number {
    const slot = this.#free.pop() ?? this.#next++;
    taken.add(slot);
    return slot;
  }

  /** A slot that was taken holds a segment now. */
  use(): void {
    this.#used++;
  }

  /** Slots that held segments are free. */
  release(slots: Iterable<number>): void {
    for (const slot of slots) {
      this.#used--;
      this.#free.push(slot);
    }
  }

  /** Slots that were taken are not needed. */
  giveBack(slots: Iterable<number>): void {
    this.#free.push(...slots);
  }
}
