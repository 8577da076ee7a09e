import { type RandomSource, seededRandom } from '@cairn/base';
import type { Disk, DiskFile } from './disk.ts';

type Pending = { position: number; data: Uint8Array };
type Content = { durable: Uint8Array; pending: Pending[]; length: number };

const BLOCK_BYTES = 512;

/**
 * Files in memory that forget. `crash()` keeps what was synced and, of the rest, a random subset of 512-byte blocks: the
 * worst a power cut may leave. `capacityBytes` makes it full. A seed repeats everything.
 */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, Content>();
  readonly #random: RandomSource;
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Called before every operation; a test throws from it to stop the world there. */
  beforeOperation: (name: string) => void = () => {};

  constructor(seed = 1) {
    this.#random = seededRandom(seed);
  }

  async createFolder(): Promise<void> {}

  async open(path: string): Promise<DiskFile> {
    const content = this.#files.get(path) ?? { durable: new Uint8Array(0), pending: [], length: 0 };
    this.#files.set(path, content);
    return new MemoryFile(content, this);
  }

  /** Loses what was not synced, block by block. */
  crash(): void {
    for (const content of this.#files.values()) {
      for (const { position, data } of content.pending) {
        for (let at = 0; at < data.length; at += BLOCK_BYTES) {
          if (this.#random.next() < 0.5)
            put(content, position + at, data.subarray(at, at + BLOCK_BYTES));
        }
      }
      content.pending = [];
      content.length = content.durable.length;
    }
  }

  /** Flips one bit of a file. */
  flipBit(path: string, byte: number): void {
    const content = this.#files.get(path);
    if (content && byte < content.durable.length) content.durable[byte]! ^= 1;
  }

  paths(): string[] {
    return [...this.#files.keys()];
  }

  usedBytes(): number {
    let used = 0;
    for (const content of this.#files.values()) used += content.length;
    return used;
  }
}

function put(content: Content, position: number, data: Uint8Array): void {
  if (position + data.length > content.durable.length) {
    const grown = new Uint8Array(position + data.length);
    grown.set(content.durable);
    content.durable = grown;
  }
  content.durable.set(data, position);
}

class MemoryFile implements DiskFile {
  readonly #content: Content;
  readonly #disk: MemoryDisk;

  constructor(content: Content, disk: MemoryDisk) {
    this.#content = content;
    this.#disk = disk;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const view = this.#flushed();
    const part = view.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    this.#disk.beforeOperation('write');
    const growth = Math.max(0, position + data.length - this.#content.length);
    if (this.#disk.usedBytes() + growth > this.#disk.capacityBytes) {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    }
    this.#content.pending.push({ position, data: data.slice() });
    this.#content.length = Math.max(this.#content.length, position + data.length);
  }

  async datasync(): Promise<void> {
    this.#disk.beforeOperation('datasync');
    this.#content.durable = this.#flushed();
    this.#content.pending = [];
  }

  async truncate(length: number): Promise<void> {
    this.#disk.beforeOperation('truncate');
    const whole = this.#flushed();
    this.#content.pending = [];
    this.#content.durable = new Uint8Array(length);
    this.#content.durable.set(whole.subarray(0, length));
    this.#content.length = length;
  }

  async size(): Promise<number> {
    return this.#content.length;
  }

  async close(): Promise<void> {}

  #flushed(): Uint8Array {
    const out = new Uint8Array(this.#content.length);
    out.set(this.#content.durable);
    for (const { position, data } of this.#content.pending) out.set(data, position);
    return out;
  }
}
