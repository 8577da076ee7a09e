import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, errorMessage } from '@cairn/base';
import type { ScratchSpace } from '../coded/scratch.ts';

let made = 0;

/**
 * Scratches as files in a folder. Each loses its name as soon as it is open, so that a kill leaves nothing behind. Throws
 * `SDK_SCRATCH` where none can be made or the disk is full.
 */
export function fileScratch(folder: string): ScratchSpace {
  return async (bytes) => {
    const path = join(folder, `scratch-${process.pid}-${made++}`);
    const guard = async <T>(run: () => Promise<T>): Promise<T> => {
      try {
        return await run();
      } catch (error) {
        throw scratchError(path, error);
      }
    };
    const file = await guard(async (): Promise<FileHandle> => {
      await mkdir(folder, { recursive: true });
      const opened = await open(path, 'w+');
      await rm(path);
      return opened;
    });
    const readInto = (start: number, target: Uint8Array): Promise<void> =>
      guard(async () => {
        for (let at = 0; at < target.length; ) {
          const { bytesRead } = await file.read(target, at, target.length - at, start + at);
          if (bytesRead === 0) throw new Error('read past what was written');
          at += bytesRead;
        }
      });
    return {
      size: bytes,
      write: (offset, part) =>
        guard(async () => {
          for (let at = 0; at < part.length; )
            at += (await file.write(part, at, part.length - at, offset + at)).bytesWritten;
        }),
      readInto,
      async read(start, end) {
        const out = new Uint8Array(end - start);
        await readInto(start, out);
        return out;
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  };
}

function scratchError(path: string, cause: unknown): CodedError {
  return new CodedError({
    code: 'SDK_SCRATCH',
    kind: 'exhausted',
    message: `no room for parity at ${path}: ${errorMessage(cause)}`,
    hint: 'a coded upload needs as much room on the disk as its parity has bytes',
    cause,
  });
}
