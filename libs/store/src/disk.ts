import { type FileHandle, mkdir, open } from 'node:fs/promises';

/** One open file. Positions and lengths in bytes. */
export interface DiskFile {
  /** Bytes read, fewer at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  write(data: Uint8Array, position: number): Promise<void>;
  /** Returns when everything written is durable. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Files, injected so that tests can tear, fill and lose them. */
export interface Disk {
  /** Makes a folder and those above it; one that exists is fine. */
  createFolder(path: string): Promise<void>;
  /** Opens a file for reading and writing, making it when it is not there. */
  open(path: string): Promise<DiskFile>;
}

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(
        into,
        done,
        into.length - done,
        position + done,
      );
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < data.length) {
      const { bytesWritten } = await this.#handle.write(
        data,
        done,
        data.length - done,
        position + done,
      );
      done += bytesWritten;
    }
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** The file system. */
export const nodeDisk: Disk = {
  async createFolder(path) {
    await mkdir(path, { recursive: true });
  },
  async open(path) {
    // 'a+' would ignore positions on Linux; create first, then open for reading and writing.
    await (await open(path, 'a')).close();
    return new NodeFile(await open(path, 'r+'));
  },
};
