import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Hash32, parseHash32, silentLogger } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import { type Kernels, loadKernels } from '@cairn/kernels';
import { fileTreeOfBytes } from '@cairn/merkle';
import { MemoryDisk, openDatabase, SegmentStore } from '@cairn/store';
import { patternBytes } from '@cairn/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Files } from '../src/ingest/files.ts';
import { fixedShard } from '../src/keep/shards.ts';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { STATE, type StoredSubmission } from '../src/store/submission-table.ts';

const SEGMENT = 262_144;
const kernels: Kernels = await loadKernels();
let dir: string;
let database: NodeDatabase;
let segments: SegmentStore;
let files: Files;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cairn-files-'));
  const db = openDatabase(join(dir, 'node.db'), MIGRATIONS);
  database = new NodeDatabase(db, kernels);
  segments = await SegmentStore.open(
    { db, log: silentLogger, disk: new MemoryDisk() },
    { dir, segmentsPerVolume: 16 },
  );
  files = new Files(
    { database, segments, log: silentLogger },
    fixedShard({ shardId: 0, numShard: 1 }),
  );
});
afterEach(async () => {
  await segments.close();
  database.db.close();
  rmSync(dir, { recursive: true, force: true });
});

const hash = (byte: number): Hash32 =>
  parseHash32(`0x${byte.toString(16).padStart(2, '0').repeat(32)}`);

/** Puts a file at the next place of the log, as the transaction `tx`. */
function place(bytes: Uint8Array, tx: number): StoredSubmission {
  const tree = fileTreeOfBytes(kernels, bytes);
  const { start, lengthAfter } = database.flow.append(tree.submissionNodes);
  const submission = {
    seq: database.submissions.nextSeq,
    size: bytes.length,
    startSector: start,
    sectors: lengthAfter - start,
    nodes: tree.submissionNodes,
    blockNumber: tx,
    blockHash: hash(tx),
    txHash: hash(tx),
  } as unknown as Submission;
  return database.submissions.insert(submission, tree.root);
}

/** What a reorg leaves: the log without the submissions from `seq` on. */
function revert(seq: number): void {
  database.submissions.removeFrom(seq);
  database.flow.truncate(1);
  files.revert(seq);
}

describe('a reorg that gives a place to another file', () => {
  const big = patternBytes(3 * SEGMENT, 1);
  const small = patternBytes(1000, 2);

  it('a segment that becomes durable late does not count for the new file', async () => {
    const old = place(big, 1);
    revert(old.seq);
    const fresh = place(small, 2);
    expect(fresh.seq).toBe(old.seq);
    await files.stored(old, 0);
    expect([...files.missing(fresh)]).toEqual([0]);
    await files.stored(fresh, 0);
    expect(database.submissions.bySeq(fresh.seq)?.state).toBe(STATE.finalized);
  });

  it('what is still asked about the old file does not hide what the new one lacks', () => {
    const old = place(big, 1);
    revert(old.seq);
    expect(files.missing(old).size).toBe(3);
    expect([...files.missing(place(small, 2))]).toEqual([0]);
  });

  it('bytes of an equal file are not copied to a place that was reverted meanwhile', async () => {
    const source = place(big, 1);
    const twin = place(big, 2);
    const { segmentIndex } = { segmentIndex: Math.floor(source.startSector / 1024) };
    for (let i = 0; i < 3; i++) {
      await segments.write([
        {
          segmentIndex: segmentIndex + i,
          startSector: 0,
          data: big.subarray(i * SEGMENT, (i + 1) * SEGMENT),
        },
      ]);
    }
    for (let i = 0; i < 3; i++) files.missing(source);
    const copying = files.settle(source); // finalizes, then copies to the twin
    database.submissions.removeFrom(twin.seq);
    await copying.catch((error: unknown) => expect(error).toMatchObject({ code: 'NODE_REVERTED' }));
    expect(segments.presentSectors(Math.floor(twin.startSector / 1024))).toBe(0);
  });
});

describe('two submissions of one root', () => {
  it('with different sizes are different files: neither is completed by the other', async () => {
    // 18 sectors of which the last is zero, and the 17 before it: same padding, same root.
    const short = place(patternBytes(17 * 256, 5), 1);
    const long = place(Uint8Array.from([...patternBytes(17 * 256, 5), ...new Uint8Array(256)]), 2);
    expect(short.root).toBe(long.root);
    await segments.write([
      {
        segmentIndex: Math.floor(short.startSector / 1024),
        startSector: short.startSector % 1024,
        data: patternBytes(17 * 256, 5),
      },
    ]);
    await files.settle(short);
    await files.settle(long);
    expect(database.submissions.bySeq(short.seq)?.state).toBe(STATE.finalized);
    expect(database.submissions.bySeq(long.seq)?.state).toBe(STATE.receiving);
    expect([...files.missing(long)]).toEqual([0]);
  });
});
