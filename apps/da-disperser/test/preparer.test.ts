// Prepared blobs and their signatures, over a real queue on disk.
import { join } from 'node:path';
import { type Hex, hexToBytes, parseAddress, seededRandom, systemClock } from '@cairn/base';
import { encodeBlob } from '@cairn/erasure';
import { loadNodeKernels } from '@cairn/kernels/node';
import { authorizationDigest, type BlobHeader } from '@cairn/quorum';
import { blobFormat } from '@cairn/sdk/da';
import { openDatabase } from '@cairn/store';
import { temporaryFolder } from '@cairn/testkit';
import { privateKeyToAddress, sign } from 'viem/accounts';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { HeaderMaker } from '../src/pipeline/headers.ts';
import { Preparer, type PreparerDeps } from '../src/pipeline/preparer.ts';
import { BlobQueue, MIGRATIONS } from '../src/queue/blob-queue.ts';
import { ENTRANCE, MemoryEntrance } from './memory-entrance.ts';

const { kernels } = await loadNodeKernels('wasm');
const PRIVATE_KEY: Hex = `0x${'11'.repeat(32)}`;
const account = parseAddress(privateKeyToAddress(PRIVATE_KEY));
const PAYLOAD = seededRandom(1).bytes(1000);

let queue: BlobQueue;
let preparer: Preparer;
/** Encoded blobs that were given up. */
let forgotten: number;
/** Blobs that the pipeline was given, and the memory that was counted for them. */
let started: { id: string; release: () => void }[];

beforeEach(async () => {
  const folder = await temporaryFolder('cairn-preparer-');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const db = openDatabase(join(folder.path, 'queue.db'), MIGRATIONS);
  onTestFinished(() => {
    db.close();
  });
  queue = await BlobQueue.open(db, join(folder.path, 'payloads'), 16);
  started = [];
  forgotten = 0;
  const { reader, payer } = new MemoryEntrance();
  const pipeline: PreparerDeps['pipeline'] = {
    encode: async (payload, moment) =>
      encodeBlob(kernels, payload, blobFormat(payload.length, moment)),
    forget: () => {
      forgotten++;
    },
    start: (id, encoded) => started.push({ id, release: encoded!.release }),
  };
  preparer = new Preparer(
    {
      reader: {
        ...reader,
        account: async () => ({ balanceWei: 10n ** 30n, pendingWei: 0n }),
        sessionKeyUntil: async () => 0,
      } as PreparerDeps['reader'],
      headers: new HeaderMaker({ reader, payer }),
      ...{ pipeline, queue, entrance: ENTRANCE, clock: systemClock },
    },
    { bytesMax: 8 * PAYLOAD.length * 1024 },
  );
});

const prepare = (payload = PAYLOAD) =>
  preparer.prepare(
    { account, length: payload.length },
    (async function* () {
      yield payload;
    })(),
    new AbortController().signal,
  );
const signed = async (header: BlobHeader, privateKey = PRIVATE_KEY): Promise<Uint8Array> =>
  hexToBytes(await sign({ hash: authorizationDigest(ENTRANCE, header), privateKey, to: 'hex' }));

describe('a prepared blob', () => {
  it('that is dispersed many times at once is accepted once, and everybody hears so', async () => {
    const { header, key } = await prepare();
    const authorization = await signed(header);
    const blobs = await Promise.all(
      Array.from({ length: 8 }, () => preparer.disperse(key, authorization)),
    );
    blobs.push(await preparer.disperse(key, authorization));
    for (const blob of blobs) expect(blob).toMatchObject({ id: key, state: 'PROCESSING' });
    expect(started.map(({ id }) => id)).toEqual([key]);
  });

  it('that another signed waits on for the right one', async () => {
    const { header, key } = await prepare();
    const wrong = await signed(header, `0x${'22'.repeat(32)}`);
    await expect(preparer.disperse(key, wrong)).rejects.toMatchObject({
      code: 'DISPERSER_AUTHORIZATION',
    });
    expect(await preparer.disperse(key, await signed(header))).toMatchObject({ id: key });
  });

  it('that does not get onto the disk fails for everybody who asked, and its memory is free again', async () => {
    const { header, key } = await prepare();
    const authorization = await signed(header);
    for (let i = 0; i < 16; i++) await queue.accept(`other-${i}`, PAYLOAD, { unixMs: 1 });
    const outcomes = await Promise.allSettled([
      preparer.disperse(key, authorization),
      preparer.disperse(key, authorization),
    ]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected' });
    expect(started).toEqual([]);
    expect(forgotten).toBe(1);
    await prepare(seededRandom(2).bytes(1000));
  });
});
