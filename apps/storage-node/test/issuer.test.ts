// When receipts are signed, and from when on they bind.
import { type DataRoot, type Hash32, seededRandom, silentLogger } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import type { Receipt, ShardConfig, SignedReceipt } from '@cairn/protocol';
import { MemoryDisk, openDatabase, SegmentStore } from '@cairn/store';
import { beforeEach, describe, expect, it } from 'vitest';
import { Issuer } from '../src/custody/issuer.ts';
import type { Provider } from '../src/custody/provider.ts';
import { ReceiptTable } from '../src/custody/receipt-table.ts';
import { Files } from '../src/ingest/files.ts';
import { fixedShard } from '../src/keep/shards.ts';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { STATE } from '../src/store/submission-table.ts';
import { kernels } from './harness.ts';

const hash = (byte: number): Hash32 =>
  `0x${byte.toString(16).padStart(2, '0').repeat(32)}` as Hash32;
const CONTRACT = `0x${'cc'.repeat(20)}` as SignedReceipt['contract'];
const MARGIN = 60;

let database: NodeDatabase;
let receipts: ReceiptTable;
let issuer: Issuer;
let shards: { current: ShardConfig; wanted: ShardConfig };
let now: number;
let mayPromise: boolean;
let signatures: number;

beforeEach(async () => {
  const db = openDatabase(':memory:', MIGRATIONS);
  database = new NodeDatabase(db, kernels);
  for (const seq of [0, 1]) {
    const submission = {
      ...{ seq, size: 700, startSector: 1024 * (seq + 1), sectors: 4, nodes: [], tags: '0x' },
      ...{ blockNumber: 1, txHash: hash(seq + 1) },
    } as unknown as Submission;
    database.submissions.insert(submission, hash(0xaa) as DataRoot);
    database.addFlowRoot(hash(0x50 + seq), seq, 1024 * (seq + 1) + 4);
  }
  database.submissions.setState(0, STATE.finalized);
  const segments = await SegmentStore.open(
    { db, log: silentLogger, disk: new MemoryDisk() },
    { dir: '/issuer', segmentsPerVolume: 4 },
  );
  shards = { ...fixedShard({ shardId: 0, numShard: 1 }) };
  receipts = new ReceiptTable(db);
  [now, mayPromise, signatures] = [1000, true, 0];
  const parameters = {
    ...{ chainId: 1, vault: CONTRACT, maxShards: 256 },
    ...{ maxReceiptSeconds: 600, lockMarginSeconds: MARGIN },
  };
  const provider = {
    address: `0x${'dd'.repeat(20)}`,
    contract: CONTRACT,
    standing: async () => ({ parameters, now, lockedUntil: 1_000_000 }),
  } as unknown as Provider;
  issuer = new Issuer({
    database,
    files: new Files({ database, segments, log: silentLogger }, shards),
    receipts,
    provider,
    sign: async (receipt: Receipt): Promise<SignedReceipt> => {
      signatures++;
      return { receipt, signature: `0x${'00'.repeat(65)}`, contract: CONTRACT, chainId: 1 };
    },
    random: seededRandom(1),
    mayPromise: () => mayPromise,
    log: silentLogger,
  });
});

describe('a receipt', () => {
  it('is signed when the file is finalized, and binds when it is handed out', async () => {
    await issuer.prepare(0);
    expect(signatures).toBe(1);
    expect(receipts.binds(0, now)).toBe(false);
    const given = await issuer.receiptFor(0);
    expect(signatures).toBe(1);
    expect(given?.receipt).toMatchObject({ txSeq: 0, issuedAt: 1000, expiry: 1600, numShard: 1 });
    expect(receipts.binds(0, 1600 + MARGIN)).toBe(true);
    expect(receipts.binds(0, 1600 + MARGIN + 1)).toBe(false);
    // The same serves everybody.
    expect(await issuer.receiptFor(0)).toEqual(given);
    expect(signatures).toBe(1);
  });

  it('that waited too long, or is for another shard, is not handed out', async () => {
    await issuer.prepare(0);
    now = 1400;
    expect((await issuer.receiptFor(0))?.receipt.issuedAt).toBe(1400);
    expect(signatures).toBe(2);
    const half = { shardId: 1, numShard: 2 };
    Object.assign(shards, { current: half, wanted: half });
    expect((await issuer.receiptFor(0))?.receipt).toMatchObject(half);
  });

  it('is not signed for a file that is not whole here, nor one of another shard', async () => {
    await issuer.prepare(1);
    expect(await issuer.receiptFor(1)).toBeUndefined();
    const other = { shardId: 0, numShard: 2 }; // file 0 lies in segment 1
    Object.assign(shards, { current: other, wanted: other });
    expect(await issuer.receiptFor(0)).toBeUndefined();
    expect(signatures).toBe(0);
  });

  it('is not promised while a split waits for others to end; those that bind are still given', async () => {
    const given = await issuer.receiptFor(0);
    mayPromise = false;
    expect(await issuer.receiptFor(0)).toEqual(given);
    now = 1000 + 400; // due for a new one
    await expect(issuer.receiptFor(0)).rejects.toMatchObject({ code: 'CUSTODY_NOT_READY' });
    expect(receipts.boundSeqs(now)).toEqual([0]);
  });
});
