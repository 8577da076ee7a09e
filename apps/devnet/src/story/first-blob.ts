import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '@cairn/base';
import { z } from 'zod';
import type { RunningNetwork } from '../network.ts';
import { cairn } from './cairn.ts';

const putResult = z.object({
  blobKey: z.string(),
  bytes: z.number(),
  state: z.enum(['CONFIRMED', 'FINALIZED']),
  ms: z.number(),
});
const getResult = z.object({
  verified: z.literal(true),
  served: z.record(z.string(), z.number()),
  ms: z.number(),
});

export type FirstBlob = {
  path: string;
  blobKey: string;
  bytes: number;
  confirmed: true;
  /** It came back from the members while the disperser was stopped, equal to what went in. */
  verified: true;
  /** Members that served it. */
  members: number;
  putMs: number;
  getMs: number;
};

/**
 * Disperses a real file through the disperser, stops that, reads the blob from the members, starts the disperser again. Paid by
 * an account of its own, so that other stories may run beside it.
 */
export async function storeFirstBlob(
  dir: string,
  network: RunningNetwork,
  path: string,
): Promise<FirstBlob | undefined> {
  const { disperser, file } = network;
  if (!disperser) return undefined;
  const devnetFile = join(dir, 'devnet.json');
  const copy = join(dir, 'first-blob.copy');
  const { privateKeyFile } = file.accounts[1]!;
  const put = putResult.parse(
    await cairn(['da', 'put', path, '--key-file', privateKeyFile], devnetFile),
  );
  await disperser.pause();
  try {
    const got = getResult.parse(
      await cairn(['da', 'get', put.blobKey, '-o', copy, '--overwrite'], devnetFile),
    );
    if (!readFileSync(copy).equals(readFileSync(path)))
      throw new CodedError({
        code: 'DEVNET_STORY',
        kind: 'corrupt',
        message: 'the blob that came back is not the one that went in',
      });
    return {
      path,
      blobKey: put.blobKey,
      bytes: put.bytes,
      confirmed: true,
      verified: true,
      members: Object.keys(got.served).length,
      putMs: put.ms,
      getMs: got.ms,
    };
  } finally {
    await disperser.resume();
  }
}
