// What our own API says of archived blobs, over a real queue on disk.
import { join } from 'node:path';
import { hexToBytes } from '@cairn/base';
import { blobKey, encodeHeader } from '@cairn/quorum';
import type { GrpcContext } from '@cairn/rpc/grpc';
import { openDatabase } from '@cairn/store';
import { temporaryFolder } from '@cairn/testkit';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { BlobQueue, MIGRATIONS } from '../src/queue/blob-queue.ts';
import { type OwnServiceDeps, ownService } from '../src/rpc/own.ts';
import { ENTRANCE, hash } from './memory-entrance.ts';

const address = `0x${'22'.repeat(20)}` as const;
const HEADER = {
  ...{ version: 0x11, shape: 0, length: 3, rowSize: 64, nonce: 1n, maxFee: 1n },
  ...{ commitment: hash('cc'), account: address as never, disperser: address as never },
  ...{ epoch: 1, quorum: 0, expiry: 1 },
};
const ID = blobKey(ENTRANCE, HEADER);
const KEY = hexToBytes(ID);
const ROOT = hash('ab');
const context = { signal: new AbortController().signal } as GrpcContext;

let queue: BlobQueue;
beforeEach(async () => {
  const folder = await temporaryFolder('cairn-own-');
  const db = openDatabase(join(folder.path, 'queue.db'), MIGRATIONS);
  onTestFinished(async () => {
    db.close();
    await folder[Symbol.asyncDispose]();
  });
  queue = await BlobQueue.open(db, join(folder.path, 'payloads'), 4);
});

function service(archives: boolean) {
  const info = { disperser: address, payloadBytesMax: 100, pays: true, version: '0', archives };
  // Preparing and reading are not asked for here.
  const { methods } = ownService({ queue, info } as unknown as OwnServiceDeps);
  return methods as Record<string, (request: unknown, context: GrpcContext) => unknown>;
}
async function finalized(): Promise<void> {
  const header = encodeHeader(HEADER);
  await queue.accept(
    ID,
    Uint8Array.of(1, 2, 3),
    { unixMs: 7, isArchived: true },
    {
      header,
      authorization: new Uint8Array(65),
      key: KEY,
      commitment: hexToBytes(HEADER.commitment),
    },
  );
  const attempt = { header, lookup: new Uint8Array(32), certificate: new Uint8Array(32) };
  queue.confirm(ID, attempt, { key: KEY, block: 3 });
  queue.finalize(queue.get(ID)!);
}

it('a watcher of a blob that is archived hears of its root, and only then of the end', async () => {
  await finalized();
  const watch = service(true).WatchStatus!({ blobKey: KEY }, context) as AsyncGenerator<object>;
  expect((await watch.next()).value).not.toHaveProperty('archiveRoot');
  const next = watch.next();
  queue.archived(KEY, ROOT);
  expect((await next).value).toMatchObject({
    ...{ state: 'BLOB_STATE_FINALIZED', archiveRoot: hexToBytes(ROOT) },
  });
  expect((await watch.next()).done).toBe(true);
});

it('the root of a blob is told after the queue has forgotten it', async () => {
  await finalized();
  queue.archived(KEY, ROOT);
  await queue.prune(100, 10);
  expect(queue.get(ID)).toBeUndefined();
  expect(await service(true).GetStatus!({ blobKey: KEY }, context)).toEqual({
    ...{ state: 'BLOB_STATE_FINALIZED', reason: '', archiveRoot: hexToBytes(ROOT) },
  });
  await expect(
    service(true).GetStatus!({ blobKey: new Uint8Array(32) }, context),
  ).rejects.toMatchObject({ code: 'DISPERSER_BLOB_UNKNOWN' });
});

it('archive is refused before any data is read where there is no storage network', async () => {
  let read = 0;
  const parts = (async function* () {
    yield {
      open: { account: new Uint8Array(20), maxFee: new Uint8Array(0), length: 3, archive: true },
    };
    read++;
  })();
  await expect(service(false).Prepare!(parts, context)).rejects.toMatchObject({
    code: 'DISPERSER_NO_ARCHIVE',
  });
  expect(read).toBe(0);
});
