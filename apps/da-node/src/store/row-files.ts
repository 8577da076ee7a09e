/*
 * Rows of one blob on disk, one file each:
 *
 *   "CDR2" | u32 rows | u32 rowBytes | u32 pathBytes | u32 rlcBytes | rowRoot 32
 *   index of every row (u32, ascending) | CRC-32 of every row and its path (u32) | rlc | CRC-32 of all before (u32)
 *   row ‖ path, rows times
 *
 * All little endian. Files of before ("CDR1") lack the checksum of the head and are read as they are. Written beside its name, synced, renamed, and the folder synced: a name that exists is a whole file.
 * A row is checked before it leaves; one that rotted is not served. Writing and removing one key happen in the order they were
 * asked for, so that a removal that is under way never takes rows that came after it.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CodedError, concatBytes, type Hash32 } from '@cairn/base';
import { ROW_BYTES_MAX } from '@cairn/quorum';
import { storeError } from '@cairn/store';

export type StoredRows = {
  rowRoot: Uint8Array;
  rlc: Uint8Array;
  /** Ascending. */
  indices: readonly number[];
  rowBytes: number;
  pathBytes: number;
};
export type StoredRow = { index: number; row: Uint8Array; path: Uint8Array };
export type RowsToStore = StoredRows & {
  row(index: number): { row: Uint8Array; path: Uint8Array };
};

const MAGIC = 0x32524443;
const MAGIC_WITHOUT_CHECKSUM = 0x31524443;
const CHECKSUM_BYTES = 4;
const HEAD_BYTES = 52;
/** Far above what a header can ask for: 65,536 rows. */
const ROWS_MAX = 65_536;
/** Of 65,536 rows. */
const PATH_BYTES_MAX = 16 * 32;
const WRITE_BYTES = 4 * 1024 * 1024;
/** Parts that one system call takes. */
const PARTS_MAX = 1024;
/** Rows with their paths below this are copied together: a part of its own costs more. */
const COPIED_BYTES_MAX = 2048;

export class RowFiles {
  readonly #dir: string;
  /** The last change of each key that has not ended. */
  readonly #changes = new Map<Hash32, Promise<unknown>>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens the folder; what a kill left half-written is removed. */
  static async open(dir: string): Promise<RowFiles> {
    await mkdir(dir, { recursive: true });
    for (const name of await readdir(dir))
      if (name.endsWith('.new')) await rm(join(dir, name), { force: true });
    return new RowFiles(dir);
  }

  /** Durable when it resolves. Returns the bytes of the file. Throws `STORE_DISK_FULL`. */
  write(key: Hash32, rows: RowsToStore): Promise<number> {
    return this.#inOrder(key, () => this.#write(key, rows));
  }

  async #write(key: Hash32, rows: RowsToStore): Promise<number> {
    const path = this.#path(key);
    try {
      const file = await open(`${path}.new`, 'w');
      let bytes = 0;
      try {
        for (const parts of encodeFile(rows)) bytes += await writeAll(file, parts);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
      await this.#syncFolder();
      return bytes;
    } catch (error) {
      await rm(`${path}.new`, { force: true });
      throw storeError(error, this.#dir);
    }
  }

  /** Whether there is a file of that length. Says nothing of what is in it. */
  async isWhole(key: Hash32, bytes: number): Promise<boolean> {
    try {
      return (await stat(this.#path(key))).size === bytes;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** What a file holds, without its rows; undefined when there is none. Throws `DA_ROWS_DAMAGED`. */
  async head(key: Hash32): Promise<StoredRows | undefined> {
    const file = await this.#open(key);
    if (!file) return undefined;
    try {
      return (await readHead(file, key)).rows;
    } finally {
      await file.close();
    }
  }

  /** Rows with these indices, in that order; one that is not here or rotted is left out. Throws `DA_ROWS_DAMAGED`. */
  async *read(key: Hash32, indices: readonly number[]): AsyncGenerator<StoredRow> {
    const file = await this.#open(key);
    if (!file) return;
    try {
      const { rows, checksums, dataAt } = await readHead(file, key);
      const places = new Map(rows.indices.map((index, place) => [index, place]));
      const stride = rows.rowBytes + rows.pathBytes;
      for (const index of indices) {
        const place = places.get(index);
        if (place === undefined) continue;
        const bytes = new Uint8Array(stride);
        const { bytesRead } = await file.read(bytes, 0, stride, dataAt + place * stride);
        if (bytesRead !== stride || crc32(bytes) !== checksums[place]) continue;
        yield { index, row: bytes.subarray(0, rows.rowBytes), path: bytes.subarray(rows.rowBytes) };
      }
    } finally {
      await file.close();
    }
  }

  remove(key: Hash32): Promise<void> {
    return this.#inOrder(key, () => rm(this.#path(key), { force: true }));
  }

  async #inOrder<T>(key: Hash32, change: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(key) ?? Promise.resolve();
    const mine = before.then(change, change);
    this.#changes.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#changes.get(key) === mine) this.#changes.delete(key);
    }
  }

  /** Keys of all files. */
  async keys(): Promise<Hash32[]> {
    return (await readdir(this.#dir))
      .filter((name) => /^[0-9a-f]{64}\.rows$/.test(name))
      .map((name) => `0x${name.slice(0, 64)}` as Hash32);
  }

  #path(key: Hash32): string {
    return join(this.#dir, `${key.slice(2)}.rows`);
  }

  async #open(
    key: Hash32,
  ): ReturnType<typeof open> extends Promise<infer F> ? Promise<F | undefined> : never {
    try {
      return await open(this.#path(key), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #syncFolder(): Promise<void> {
    const folder = await open(this.#dir, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

/** The file in writes of several parts, which are views of the rows where those are long. */
function* encodeFile(rows: RowsToStore): Generator<Uint8Array[]> {
  const { indices, rowBytes, pathBytes, rlc, rowRoot } = rows;
  const head = new Uint8Array(HEAD_BYTES + 8 * indices.length);
  const view = new DataView(head.buffer);
  for (const [i, value] of [MAGIC, indices.length, rowBytes, pathBytes, rlc.length].entries())
    view.setUint32(4 * i, value, true);
  head.set(rowRoot, 20);
  const stride = rowBytes + pathBytes;
  for (const [i, index] of indices.entries()) {
    const { row, path } = rows.row(index);
    view.setUint32(HEAD_BYTES + 4 * i, index, true);
    view.setUint32(HEAD_BYTES + 4 * (indices.length + i), crc32(path, crc32(row)), true);
  }
  const checksum = new Uint8Array(CHECKSUM_BYTES);
  new DataView(checksum.buffer).setUint32(0, crc32(rlc, crc32(head)), true);
  yield [head, rlc, checksum];
  const perWrite = Math.max(1, Math.min(PARTS_MAX / 2, Math.floor(WRITE_BYTES / stride)));
  for (let at = 0; at < indices.length; at += perWrite) {
    const parts = indices.slice(at, at + perWrite).flatMap((index) => {
      const { row, path } = rows.row(index);
      return [row, path];
    });
    yield stride < COPIED_BYTES_MAX ? [concatBytes(...parts)] : parts;
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>;

/** Bytes written: all of them. */
async function writeAll(file: OpenFile, parts: readonly Uint8Array[]): Promise<number> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const { bytesWritten } = await file.writev([...parts]);
  // Short only at a limit of the disk, which writing the rest will name.
  if (bytesWritten < bytes) await file.writeFile(concatBytes(...parts).subarray(bytesWritten));
  return bytes;
}

async function readHead(
  file: OpenFile,
  key: Hash32,
): Promise<{ rows: StoredRows; checksums: Uint32Array; dataAt: number }> {
  const damaged = (): CodedError =>
    new CodedError({
      code: 'DA_ROWS_DAMAGED',
      kind: 'corrupt',
      message: `the rows of ${key} are damaged on disk`,
      details: { blobKey: key },
    });
  const exactly = async (length: number, at: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await file.read(bytes, 0, length, at);
    if (bytesRead !== length) throw damaged();
    return bytes;
  };
  const head = await exactly(HEAD_BYTES, 0);
  const view = new DataView(head.buffer);
  const [magic, count, rowBytes, pathBytes, rlcBytes] = [0, 1, 2, 3, 4].map((i) =>
    view.getUint32(4 * i, true),
  ) as [number, number, number, number, number];
  if (magic !== MAGIC && magic !== MAGIC_WITHOUT_CHECKSUM) throw damaged();
  if (count > ROWS_MAX || rlcBytes > 16 * ROWS_MAX) throw damaged();
  if (rowBytes > ROW_BYTES_MAX || pathBytes > PATH_BYTES_MAX) throw damaged();
  const table = new Uint32Array((await exactly(8 * count, HEAD_BYTES)).buffer);
  const rlc = await exactly(rlcBytes, HEAD_BYTES + 8 * count);
  let dataAt = HEAD_BYTES + 8 * count + rlcBytes;
  if (magic === MAGIC) {
    const checksum = new DataView((await exactly(CHECKSUM_BYTES, dataAt)).buffer).getUint32(
      0,
      true,
    );
    const tableBytes = new Uint8Array(table.buffer);
    if (crc32(rlc, crc32(tableBytes, crc32(head))) !== checksum) throw damaged();
    dataAt += CHECKSUM_BYTES;
  }
  return {
    rows: {
      rowRoot: head.slice(20, 52),
      rlc,
      indices: [...table.subarray(0, count)],
      rowBytes,
      pathBytes,
    },
    checksums: table.subarray(count),
    dataAt,
  };
}
