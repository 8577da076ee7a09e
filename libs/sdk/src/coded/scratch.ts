import { CodedError } from '@cairn/base';
import { BytesSink, bytesSource, type DownloadSink, type UploadSource } from '../source.ts';

/** Room for a file in the making: written in any order, then read. Its bytes are gone when it is disposed. */
export type Scratch = UploadSource & DownloadSink & AsyncDisposable;

/** Where scratches come from; `@cairn/sdk/node` has one over files. Throws what says that there is no room. */
export type ScratchSpace = (bytes: number) => Promise<Scratch>;

/** Most bytes that a scratch in memory may have. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

/** Scratches in memory, for browsers and small files. Throws `SDK_SCRATCH` above 256 MiB. */
export const memoryScratch: ScratchSpace = async (bytes) => {
  if (bytes > MEMORY_BYTES_MAX)
    throw new CodedError({
      code: 'SDK_SCRATCH',
      kind: 'exhausted',
      message: `${bytes} bytes of parity do not fit into memory`,
      hint: 'give a scratch space over files (fileScratch of @cairn/sdk/node), or cut the file into parts',
      details: { bytes, bytesMax: MEMORY_BYTES_MAX },
    });
  const sink = new BytesSink(bytes);
  return {
    ...bytesSource(sink.bytes),
    write: (offset, part) => sink.write(offset, part),
    [Symbol.asyncDispose]: async () => {},
  };
};
