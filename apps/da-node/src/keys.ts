import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { hexToBytes } from '@cairn/base';
import { readKeyFile } from '@cairn/config';
import { secretKeyFromSeed } from '@cairn/quorum';

/** The BLS secret key of the seed in a file, which is made when it is not there. Throws `CONFIG_KEY_FILE`. */
export function openBlsKey(path: string): Uint8Array {
  if (!existsSync(path))
    writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  return secretKeyFromSeed(hexToBytes(readKeyFile(path)));
}
