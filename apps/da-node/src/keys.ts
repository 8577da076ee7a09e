// Keys come from files that their owner alone can read; none is ever a flag, logged, or part of an error.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { CodedError, type Hex, hexToBytes } from '@cairn/base';
import { secretKeyFromSeed } from '@cairn/quorum';

const HEX_32 = /^(0x)?[0-9a-fA-F]{64}$/;

/** 32 bytes in hex. Throws `DA_KEY_FILE`. */
export function readKeyFile(path: string): Hex {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new CodedError({
      code: 'DA_KEY_FILE',
      kind: 'invalid',
      message: `cannot read the key file ${path}`,
      hint: 'make one with cairn wallet new',
      cause: error,
    });
  }
  if (!HEX_32.test(text))
    throw new CodedError({
      code: 'DA_KEY_FILE',
      kind: 'invalid',
      message: `${path} does not hold a key (64 hex digits)`,
    });
  return (text.startsWith('0x') ? text : `0x${text}`) as Hex;
}

/** The BLS secret key of the seed in a file, which is made when it is not there. */
export function openBlsKey(path: string): Uint8Array {
  if (!existsSync(path))
    writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  return secretKeyFromSeed(hexToBytes(readKeyFile(path)));
}
