import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Bytes of the vectors' pattern (spec/storage-protocol.md 2.6); any two seeds below 256 differ everywhere. */
export function patternBytes(size: number, seed = 0): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = (i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed) & 255;
  return out;
}

/** A fresh folder that disposes of itself. */
export async function temporaryFolder(
  prefix = 'cairn-',
): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
