// Ingest on real parts, without a network: what happens to a request when the log changes under it.
import { join } from 'node:path';
import { parseHash32, silentLogger, systemClock } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import { loadKernels, segmentRootOf } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { MemoryDisk, openDatabase, SegmentStore } from '@cairn/store';
import { patternBytes, temporaryFolder } from '@cairn/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Files } from '../src/ingest/files.ts';
import { Ingest } from '../src/ingest/ingest.ts';
import { MemoryPool } from '../src/ingest/memory-pool.ts';
import { fixedShard } from '../src/keep/shards.ts';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import type { StoredSubmission } from '../src/store/submission-table.ts';
import { frameOf, makeFile, type TestFile } from './harness.ts';

const kernels = await loadKernels();
const hashPool = {
  segmentRoots: async (data: Uint8Array, { lastLeafCount }: { lastLeafCount: number }) =>
    segmentRootOf(kernels, data, lastLeafCount),
} as unknown as HashPool;
let stack: AsyncDisposableStack;
let disk: MemoryDisk;
let database: NodeDatabase;
let segments: SegmentStore;
let files: Files;
let pool: MemoryPool;
let ingest: Ingest;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const dir = stack.use(await temporaryFolder()).path;
  const db = stack.adopt(openDatabase(join(dir, 'node.db'), MIGRATIONS), (opened) => {
    opened.close();
  });
  database = new NodeDatabase(db, kernels);
  disk = new MemoryDisk();
  segments = stack.adopt(
    await SegmentStore.open({ db, log: silentLogger, disk }, { dir, segmentsPerVolume: 16 }),
    (store) => store.close(),
  );
  files = new Files(
    { database, segments, log: silentLogger },
    fixedShard({ shardId: 0, numShard: 1 }),
  );
  pool = new MemoryPool(systemClock, { maxBytes: 1e6, ttlMs: 60_000 });
  ingest = new Ingest(
    { database, segments, files, pool, hashPool, kernels, log: silentLogger },
    { writersMax: 4, waitingMax: 4 },
  );
});
afterEach(() => stack.disposeAsync());

function place(file: TestFile, tx: number): StoredSubmission {
  const { start, lengthAfter } = database.flow.append(file.tree.submissionNodes);
  const hash = parseHash32(`0x${tx.toString(16).padStart(2, '0').repeat(32)}`);
  const submission = {
    seq: database.submissions.nextSeq,
    size: file.bytes.length,
    startSector: start,
    sectors: lengthAfter - start,
    nodes: file.tree.submissionNodes,
    blockNumber: tx,
    blockHash: hash,
    txHash: hash,
  } as unknown as Submission;
  return database.submissions.insert(submission, file.tree.root);
}
function revert(file: StoredSubmission): void {
  database.submissions.removeFrom(file.seq);
  database.flow.truncate(1);
  files.revert(file.seq);
}
const incoming = (file: TestFile, index: number) => ({
  root: file.tree.root,
  fileSize: file.bytes.length,
  index,
  data: frameOf(file, index).data,
  proof: { kind: 'siblings', siblings: frameOf(file, index).siblings } as const,
});

describe('a reorg', () => {
  const file = makeFile(patternBytes(300_000, 1));

  it('while a segment is written leaves nothing of it and says so', async () => {
    const entry = place(file, 1);
    disk.beforeOperation = (name) => {
      if (name === 'datasync') revert(entry);
    };
    await expect(
      ingest.accept([incoming(file, 0)], { txSeq: entry.seq, skipDuplicates: true }),
    ).rejects.toMatchObject({
      code: -32000,
      message: 'Transaction reverted when uploading segments, please try again',
    });
    disk.beforeOperation = () => {};
    expect(segments.stats().segments).toBe(0);
    const again = place(file, 2);
    const both = [incoming(file, 0), incoming(file, 1)];
    expect(await ingest.accept(both, { txSeq: again.seq, skipDuplicates: false })).toBe(2);
    expect(files.missing(again).size).toBe(0);
  });

  it('before pooled segments are moved keeps them for the next time', async () => {
    await ingest.accept([incoming(file, 0), incoming(file, 1)], { skipDuplicates: false });
    const entry = place(file, 1);
    revert(entry);
    await expect(ingest.flushPool(entry)).rejects.toMatchObject({
      message: 'Transaction reverted, please upload again',
    });
    expect(pool.has(file.tree.root, file.bytes.length)).toBe(true);
    const again = place(file, 2);
    await ingest.flushPool(again);
    expect(files.missing(again).size).toBe(0);
    expect(pool.bytes).toBe(0);
  });
});

describe('a finalization that fails', () => {
  it('is made up for later, without another upload', async () => {
    const file = makeFile(patternBytes(1000, 2));
    const entry = place(file, 1);
    const setState = database.submissions.setState.bind(database.submissions);
    database.submissions.setState = () => {
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    };
    await expect(
      ingest.accept([incoming(file, 0)], { txSeq: entry.seq, skipDuplicates: true }),
    ).rejects.toMatchObject({ code: 'STORE_DISK_FULL' });
    await expect(files.retry()).rejects.toThrow(/full/);
    database.submissions.setState = setState;
    await files.retry();
    expect(database.submissions.bySeq(entry.seq)?.state).toBe(1);
  });
});
