import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, errorMessage } from '@cairn/base';
import type { HashPool } from '@cairn/kernels/node';
import type { DownloadSink, UploadSource } from '../source.ts';
import type { UploadState, UploadStateStore } from '../upload-state.ts';

/** A file to upload, hashed by the pool's threads. Dispose of it to close the file. */
export async function fileSource(
  path: string,
  pool: HashPool,
): Promise<UploadSource & AsyncDisposable> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw new CodedError({
      code: 'SDK_READ',
      kind: 'invalid',
      message: `cannot read ${path}: ${errorMessage(error)}`,
      cause: error,
    });
  }
  const { size } = await handle.stat();
  const readInto = async (start: number, target: Uint8Array): Promise<void> => {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await handle.read(target, done, target.length - done, start + done);
      if (bytesRead === 0)
        throw new CodedError({
          code: 'SDK_FILE_CHANGED',
          kind: 'conflict',
          message: `${path} became shorter while it was read`,
        });
      done += bytesRead;
    }
  };
  return {
    size,
    async read(start, end) {
      const out = new Uint8Array(end - start);
      await readInto(start, out);
      return out;
    },
    readInto,
    segmentRoots: (options) => pool.fileSegmentRoots(path, { start: 0, end: size, ...options }),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Writes a download to a file at its positions. Dispose of it to close the file. */
export async function fileSink(
  path: string,
): Promise<
  DownloadSink & AsyncDisposable & { sync(): Promise<void>; truncate(size: number): Promise<void> }
> {
  await (await open(path, 'a')).close();
  const handle = await open(path, 'r+');
  return {
    async write(offset, bytes) {
      let done = 0;
      while (done < bytes.length)
        done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    },
    sync: () => handle.datasync(),
    truncate: (size) => handle.truncate(size),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Upload states as JSON files in a folder, replaced atomically. */
export function fileStateStore(folder: string): UploadStateStore {
  const pathOf = (root: string): string =>
    join(folder, `${createHash('sha256').update(root).digest('hex').slice(0, 32)}.json`);
  let writing: Promise<void> = Promise.resolve();
  return {
    async load(root) {
      const text = await readFile(pathOf(root), 'utf8').catch(() => undefined);
      if (text === undefined) return undefined;
      try {
        return JSON.parse(text) as UploadState;
      } catch {
        return undefined; // a damaged state only costs sending again
      }
    },
    save(state) {
      // One at a time, so that an older state never replaces a newer one.
      writing = writing.then(async () => {
        await mkdir(folder, { recursive: true });
        const path = pathOf(state.root);
        await writeFile(`${path}.${process.pid}`, JSON.stringify(state));
        await rename(`${path}.${process.pid}`, path);
      });
      return writing;
    },
    async clear(root) {
      await writing;
      await rm(pathOf(root), { force: true });
    },
  };
}
