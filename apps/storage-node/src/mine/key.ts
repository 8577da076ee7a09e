import { readFileSync } from 'node:fs';
import { CodedError, type Hex } from '@cairn/base';

/** The private key in a file. Throws `MINE_KEY`; the key itself is in no message. */
export function readMineKey(path: string): Hex {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new CodedError({
      code: 'MINE_KEY',
      kind: 'invalid',
      message: `cannot read the mining key ${path}`,
      cause,
    });
  }
  const key = text.startsWith('0x') ? text : `0x${text}`;
  if (/^0x[0-9a-fA-F]{64}$/.test(key)) return key as Hex;
  throw new CodedError({
    code: 'MINE_KEY',
    kind: 'invalid',
    message: `${path} does not hold a private key`,
    hint: 'the file has 64 hex digits, with or without 0x',
  });
}
