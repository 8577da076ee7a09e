import { join } from 'node:path';
import { CodedError } from '@cairn/base';
import { z } from 'zod';
import { cairn } from './cairn.ts';

const setResult = z.object({ txSeq: z.number(), result: z.literal('Commit'), ms: z.number() });
const getResult = z.object({ value: z.string(), version: z.number() });

export type FirstKey = { key: string; value: string; txSeq: number; setMs: number };

/**
 * Writes a key to the stream of the devnet and reads it back from the KV node, with the real commands. The first writer of a
 * stream becomes its admin: it must be the account that `cairn` uses by itself, or the user's own writes are refused.
 */
export async function storeFirstKey(dir: string): Promise<FirstKey> {
  const devnetFile = join(dir, 'devnet.json');
  const key = 'hello';
  const value = `world at ${new Date().toISOString()}`;
  const set = setResult.parse(await cairn(['kv', 'set', key, value], devnetFile));
  const got = getResult.parse(await cairn(['kv', 'get', key], devnetFile));
  if (got.value !== value || got.version !== set.txSeq)
    throw new CodedError({
      code: 'DEVNET_STORY',
      kind: 'corrupt',
      message: 'the value that came back is not the value that went in',
    });
  return { key, value, txSeq: set.txSeq, setMs: set.ms };
}
