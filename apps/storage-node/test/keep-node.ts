// What one node keeps, without its network: real database, store, files, keeper; a disk that fails and forgets, a chain that is told.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseHash32, seededRandom, silentLogger } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import type { HashPool } from '@cairn/kernels/node';
import { segmentLeafCount, segmentRoot } from '@cairn/merkle';
import type { Receipt, ShardConfig, SignedReceipt } from '@cairn/protocol';
import { MemoryDisk, openDatabase, SegmentStore } from '@cairn/store';
import { ReceiptTable } from '../src/custody/receipt-table.ts';
import { Files, segmentsOf } from '../src/ingest/files.ts';
import { Ingest } from '../src/ingest/ingest.ts';
import { MemoryPool } from '../src/ingest/memory-pool.ts';
import { Dropper } from '../src/keep/dropper.ts';
import { Pruner } from '../src/keep/pruner.ts';
import { Resharder } from '../src/keep/resharder.ts';
import { ShardState } from '../src/keep/shards.ts';
import { Reader } from '../src/serve/reader.ts';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import type { StoredSubmission } from '../src/store/submission-table.ts';
import { kernels, segmentBytes, type TestFile } from './harness.ts';
import { ManualClock } from './manual-clock.ts';

const hashPool = {
  threads: 1,
  segmentRoots: async (data: Uint8Array, { lastLeafCount }: { lastLeafCount: number }) =>
    segmentRoot(kernels, data, lastLeafCount),
} as unknown as HashPool;

/** A file and where it lies in the flow; places ascend. */
export type PlacedFile = { file: TestFile; startSector: number };

/** What outlives a kill: the folder with the database, the disk, the chain. */
export class KeepWorld {
  readonly dir: string;
  readonly disk: MemoryDisk;
  readonly clock = new ManualClock();
  readonly files: readonly PlacedFile[];
  readonly limit: number;
  readonly shard: string;
  /** Ends of leases by range; 0 while nobody paid. */
  readonly leaseEnds = new Map<number, number>();
  /** What other nodes keep. */
  peers: ShardConfig[] = [];
  /** Indexes of files that peers have. */
  readonly lost = new Set<number>();
  /** Called before a file is widened. */
  onWiden: (seq: number, node: KeepNode) => Promise<void> = async () => {};
  draws = 0;

  constructor(
    dir: string,
    options: { files: readonly PlacedFile[]; limit: number; shard?: string; seed?: number },
  ) {
    this.dir = dir;
    this.files = options.files;
    this.limit = options.limit;
    this.shard = options.shard ?? '0/1';
    this.disk = new MemoryDisk(options.seed ?? 1);
    rmSync(join(dir, 'node.db'), { force: true });
    const db = openDatabase(join(dir, 'node.db'), MIGRATIONS);
    const { submissions } = new NodeDatabase(db, kernels);
    for (const [seq, { file, startSector }] of this.files.entries()) {
      const sectors = file.tree.submissionNodes.reduce((sum, { height }) => sum + 2 ** height, 0);
      const txHash = parseHash32(`0x${(seq + 1).toString(16).padStart(2, '0').repeat(32)}`);
      const submission = {
        ...{ seq, startSector, sectors, txHash, tags: '0x', blockNumber: seq + 1 },
        size: file.bytes.length,
        nodes: file.tree.submissionNodes,
      } as unknown as Submission;
      submissions.insert(submission, file.tree.root);
    }
    db.close();
  }

  /** Seconds of the chain. */
  get time(): number {
    return Math.floor(this.clock.now() / 1000);
  }

  async open(): Promise<KeepNode> {
    const db = openDatabase(join(this.dir, 'node.db'), MIGRATIONS);
    const database = new NodeDatabase(db, kernels);
    const log = silentLogger;
    const segments = await SegmentStore.open(
      { db, log, disk: this.disk },
      { dir: '/keep', segmentsPerVolume: 4, maxSegments: this.limit },
    );
    try {
      return new KeepNode(this, database, segments);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The power goes: what was not synced may be gone. */
  async crash(node: KeepNode): Promise<KeepNode> {
    this.disk.beforeOperation = () => {};
    await node.close();
    this.disk.crash();
    return this.open();
  }
}

export class KeepNode {
  readonly world: KeepWorld;
  readonly database: NodeDatabase;
  readonly segments: SegmentStore;
  readonly shards: ShardState;
  readonly files: Files;
  readonly ingest: Ingest;
  readonly reader: Reader;
  readonly receipts: ReceiptTable;
  readonly dropper: Dropper;
  readonly pruner: Pruner;
  readonly resharder: Resharder;
  /** Shards that were announced, in order. */
  readonly announced: ShardConfig[] = [];
  readonly unsealed: number[] = [];
  readonly #random;

  constructor(world: KeepWorld, database: NodeDatabase, segments: SegmentStore) {
    this.world = world;
    this.database = database;
    this.segments = segments;
    this.#random = seededRandom(++world.draws);
    const log = silentLogger;
    const { clock } = world;
    this.shards = ShardState.load(database, world.shard);
    this.files = new Files({ database, segments, log }, this.shards);
    const pool = new MemoryPool(clock, { maxBytes: 2 ** 22, ttlMs: 300_000 });
    const { files, shards } = this;
    this.ingest = new Ingest(
      { database, segments, files, pool, hashPool, kernels, log },
      { writersMax: 16, waitingMax: 64 },
    );
    this.reader = new Reader({ database, segments, files, pool, kernels });
    this.receipts = new ReceiptTable(database.db);
    const { receipts } = this;
    this.dropper = new Dropper(
      {
        ...{ database, segments, files, shards, clock, log },
        unseal: async (ranges) => {
          this.unsealed.push(...ranges.map(({ segmentIndex }) => segmentIndex));
        },
      },
      { batchSegments: 2, pauseMs: 0 },
    );
    this.pruner = new Pruner(
      {
        ...{ database, receipts, clock, log },
        leases: {
          time: async () => world.time,
          leaseEnds: async (first, count) =>
            Array.from({ length: count }, (_, i) => world.leaseEnds.get(first + i) ?? 0),
        },
      },
      { graceSeconds: 100, skewSecondsMax: 3600 },
    );
    this.resharder = new Resharder(
      {
        ...{ database, segments, files, shards, receipts, log },
        chainTime: async () => world.time,
        peerShards: () => world.peers,
        widen: async (file) => {
          await world.onWiden(file.seq, this);
          if (!world.lost.has(file.seq)) await this.upload(file.seq).catch(() => {});
        },
        onChanged: async () => {
          this.announced.push(this.shards.current);
        },
        random: this.#random,
      },
      { limitSegments: world.limit, shardsMax: 16, filesMax: 2 },
    );
  }

  entry(seq: number): StoredSubmission {
    return this.database.submissions.bySeq(seq)!;
  }

  /** Brings segments of a file as uploads and peers do; what is not kept here is dropped by ingest. */
  async upload(seq: number, indexes?: readonly number[]): Promise<void> {
    const { file } = this.world.files[seq]!;
    const entry = this.entry(seq);
    const { count } = segmentsOf(entry);
    for (const index of indexes ?? Array.from({ length: count }, (_, i) => i)) {
      const data = segmentBytes(file, index);
      await this.ingest.store(entry, [
        {
          index,
          data,
          segmentRoot: segmentRoot(kernels, data, segmentLeafCount(entry.size, index)),
          siblings: file.tree.siblings(index),
        },
      ]);
    }
    await this.files.settle(entry);
  }

  /** Signs, as the issuer does for what is finalized here. */
  promise(seq: number, seconds: number): void {
    const { startSector, size, root } = this.entry(seq);
    const receipt = {
      ...{ txSeq: seq, flowRoot: root, startPos: startSector, sectors: Math.ceil(size / 256) },
      ...{ dataRoot: root, ...this.shards.current, issuedAt: this.world.time },
      expiry: this.world.time + seconds,
      provider: `0x${'11'.repeat(20)}`,
      serial: `0x${(++this.world.draws).toString(16).padStart(64, '0')}`,
    } as unknown as Receipt;
    const signed = {
      receipt,
      signature: `0x${'22'.repeat(65)}`,
      contract: `0x${'33'.repeat(20)}`,
      chainId: 1,
    } as unknown as SignedReceipt;
    this.receipts.add(signed, receipt.expiry + 60);
  }

  /** One look of the keeper. */
  async look(): Promise<void> {
    const signal = new AbortController().signal;
    await this.pruner.step(signal);
    await this.dropper.run(signal);
    await this.resharder.step(signal);
    await this.dropper.run(signal);
  }

  /** Segments of the flow of which something is stored. */
  stored(): number[] {
    return this.segments.segmentIndexes();
  }

  async close(): Promise<void> {
    await this.segments.close();
    this.database.db.close();
  }
}
