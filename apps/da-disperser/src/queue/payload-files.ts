/*
 * Payloads of accepted blobs, a file each: written beside its name, synced, renamed, and the folder synced, so that a payload is
 * there whole or not at all. What is read is compared with the length and SHA-256 it was accepted with.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { CodedError, equalBytes } from '@cairn/base';
import { storeError } from '@cairn/store';

/** Hashed at a stretch: one or two milliseconds. */
const HASHED_BYTES = 2 * 1024 * 1024;

export class PayloadFiles {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens the folder; files that a kill left without an entry (`isKnown`) are removed. */
  static async open(dir: string, isKnown: (id: string) => boolean): Promise<PayloadFiles> {
    await mkdir(dir, { recursive: true });
    for (const name of await readdir(dir))
      if (!isKnown(name.replace(/\.bin$/, ''))) await rm(join(dir, name), { force: true });
    return new PayloadFiles(dir);
  }

  /** Durable when it resolves with the SHA-256. Throws `STORE_DISK_FULL` and what else `storeError` knows. */
  async write(id: string, payload: Uint8Array): Promise<Uint8Array> {
    const digest = await sha256(payload);
    const path = this.#path(id);
    try {
      const file = await open(`${path}.new`, 'w');
      try {
        await file.writeFile(payload);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
      const folder = await open(this.#dir, 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (error) {
      await rm(`${path}.new`, { force: true });
      throw storeError(error, this.#dir);
    }
    return digest;
  }

  /** Throws `DISPERSER_PAYLOAD_GONE` (corrupt) when the file is not what was accepted. */
  async read(
    id: string,
    expected: { length: number; digest: Uint8Array | null },
  ): Promise<Uint8Array> {
    const bytes = await readFile(this.#path(id)).catch(() => undefined);
    const { length, digest } = expected;
    if (bytes?.length === length && digest && equalBytes(await sha256(bytes), digest)) return bytes;
    throw new CodedError({
      code: 'DISPERSER_PAYLOAD_GONE',
      kind: 'corrupt',
      message: `the payload of ${id} is not on disk any more`,
    });
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#dir, `${id}.bin`);
  }
}

/** In parts, between which others get their turn; `crypto.subtle` would copy the payload first. */
async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASHED_BYTES) {
    if (at > 0) await setImmediate();
    hash.update(bytes.subarray(at, at + HASHED_BYTES));
  }
  return new Uint8Array(hash.digest());
}
