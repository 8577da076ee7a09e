// Keys come from files that their owner alone can read; none is ever a flag, logged, or part of an error.
import { readFileSync } from 'node:fs';
import { CodedError, type Hex } from '@cairn/base';

const HEX_32 = /^(0x)?[0-9a-fA-F]{64}$/;

/** 32 bytes in hex out of a file. Throws `CONFIG_KEY_FILE`. */
export function readKeyFile(path: string): Hex {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new CodedError({
      code: 'CONFIG_KEY_FILE',
      kind: 'invalid',
      message: `cannot read the key file ${path}`,
      hint: 'make one with cairn wallet new',
      cause: error,
    });
  }
  if (!HEX_32.test(text))
    throw new CodedError({
      code: 'CONFIG_KEY_FILE',
      kind: 'invalid',
      message: `${path} does not hold a key (64 hex digits)`,
    });
  return (text.startsWith('0x') ? text : `0x${text}`) as Hex;
}
