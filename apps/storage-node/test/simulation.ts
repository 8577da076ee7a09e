// Storage nodes without processes: real database, store, ingest, sync and scrub over a simulated network, clock and disk.
import { type Hash32, type Hex, parseHash32, seededRandom, silentLogger } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import { type Kernels, loadKernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { segmentCounts, segmentLeafCount, segmentRoot } from '@cairn/merkle';
import { MemoryHub, type MemoryNetwork, PEER_SERVICE_DEFAULTS, PeerService } from '@cairn/p2p';
import type { ShardConfig } from '@cairn/protocol';
import { MemoryDisk, openDatabase, SegmentStore } from '@cairn/store';
import { VirtualClock } from '@cairn/testkit';
import { Files } from '../src/ingest/files.ts';
import { Ingest } from '../src/ingest/ingest.ts';
import { MemoryPool } from '../src/ingest/memory-pool.ts';
import { fixedShard } from '../src/keep/shards.ts';
import { NodeFileSource } from '../src/p2p/file-source.ts';
import { Repairer, type RepairerOptions } from '../src/repair/repairer.ts';
import { Healer } from '../src/scrub/healer.ts';
import { Scrubber } from '../src/scrub/scrubber.ts';
import { Reader } from '../src/serve/reader.ts';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { STATE, type StoredSubmission } from '../src/store/submission-table.ts';
import { Holders } from '../src/sync/holders.ts';
import { SYNC_DEFAULTS, SyncService } from '../src/sync/sync-service.ts';
import { segmentBytes, type TestFile } from './harness.ts';

export const kernels: Kernels = await loadKernels();
const hash = (byte: number): Hash32 =>
  parseHash32(`0x${(byte % 256).toString(16).padStart(2, '0').repeat(32)}`);

/** The pool's contract without threads: virtual time does not wait for them. */
const hashPool: HashPool = {
  threads: 1,
  segmentRoots: async (data, { lastLeafCount }) => segmentRoot(kernels, data, lastLeafCount),
  fileSegmentRoots: () => Promise.reject(new Error('no files here')),
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

/** Settings of the nodes' repair. */
export const REPAIR: RepairerOptions = {
  delayMs: 10_000,
  turnMs: 60_000,
  lazyMs: 600_000,
  intervalMs: 1000,
  bytesPerSecond: 64 * 1024 * 1024,
};

export type SimulatedNode = {
  name: string;
  network: MemoryNetwork;
  peers: PeerService;
  database: NodeDatabase;
  segments: SegmentStore;
  disk: MemoryDisk;
  files: Files;
  /** What it keeps; a test may change it, and tell. */
  shards: { current: ShardConfig; wanted: ShardConfig };
  reader: Reader;
  scrubber: Scrubber;
  healer: Healer;
  sync: SyncService;
  repairer: Repairer;
  /** Bytes that sync brought. */
  fetched: { bytes: number };
  /** Bytes read from peers to rebuild, and segments rebuilt. */
  repaired: { bytes: number; segments: number; failures: number };
  /** Stores the whole file, as if a client had uploaded it. */
  upload(file: TestFile, seq: number): Promise<void>;
  isFinalized(seq: number): boolean;
  connect(other: SimulatedNode): Promise<void>;
  stop(): Promise<void>;
};

export class Simulation {
  readonly clock = new VirtualClock();
  readonly hub: MemoryHub;
  readonly #seed: number;
  readonly #nodes: SimulatedNode[] = [];
  readonly #log: { file: TestFile; tags: Hex }[] = [];

  constructor(seed: number, faults: ConstructorParameters<typeof MemoryHub>[2] = {}) {
    this.#seed = seed;
    this.hub = new MemoryHub(this.clock, seededRandom(seed), faults);
  }

  /** Puts a file in the log of every node, those that come later too. */
  submit(file: TestFile, tags: Hex = '0x'): number {
    for (const node of this.#nodes) place(node.database, file, tags);
    return this.#log.push({ file, tags }) - 1;
  }

  async node(
    shard: ShardConfig,
    dir: string,
    options: { syncBytesPerSecond?: number } = {},
  ): Promise<SimulatedNode> {
    const name = `node-${this.#nodes.length}`;
    const db = openDatabase(':memory:', MIGRATIONS);
    const database = new NodeDatabase(db, kernels);
    const disk = new MemoryDisk(this.#seed + this.#nodes.length);
    const log = silentLogger;
    const segments = await SegmentStore.open({ db, log, disk }, { dir, segmentsPerVolume: 1 });
    const shards = { ...fixedShard(shard) };
    const files = new Files({ database, segments, log }, shards);
    const pool = new MemoryPool(this.clock, { maxBytes: 2 ** 24, ttlMs: 300_000 });
    const ingest = new Ingest(
      { database, segments, files, pool, hashPool, kernels, log },
      { writersMax: 16, waitingMax: 64 },
    );
    const healer = new Healer({ files, log, onReopened: () => void sync.trigger() });
    const reader = new Reader({
      database,
      segments,
      files,
      pool,
      kernels,
      onDamaged: (file, index) => healer.damaged(file, index),
    });
    const network = this.hub.create(name);
    const { clock } = this;
    const random = seededRandom(this.#seed ^ (this.#nodes.length + 1));
    const peers = new PeerService(
      {
        network,
        source: new NodeFileSource({ database, files, reader, kernels, httpPort: () => 0 }),
        clock,
        random,
        log,
      },
      {
        ...PEER_SERVICE_DEFAULTS,
        identity: { chainId: 1, flowAddress: `0x${'11'.repeat(20)}` as never },
        bootNodes: [],
      },
    );
    const holders = new Holders({ peers, clock, log });
    const fetched = { bytes: 0 };
    const sync = new SyncService(
      {
        ...{ database, files, ingest, peers, holders, hashPool, kernels, clock, random, log },
        onFetched: (bytes) => {
          fetched.bytes += bytes;
        },
      },
      {
        ...SYNC_DEFAULTS,
        filesMax: 4,
        bytesPerSecond: options.syncBytesPerSecond ?? 64 * 1024 * 1024,
      },
    );
    const repaired = { bytes: 0, segments: 0, failures: 0 };
    const repairer = new Repairer(
      {
        database,
        files,
        ingest,
        reader,
        peers,
        holders,
        hashPool,
        kernels,
        clock,
        log,
        onRead: (bytes) => {
          repaired.bytes += bytes;
        },
        onRebuilt: (count) => {
          repaired.segments += count;
        },
        onFailed: () => {
          repaired.failures++;
        },
      },
      REPAIR,
    );
    const scrubber = new Scrubber(
      { database, segments, files, healer, hashPool, kernels, clock, log },
      { bytesPerSecond: 4 * 1024 * 1024, passPauseMs: 60_000 },
    );
    for (const { file, tags } of this.#log) place(database, file, tags);
    await peers.start();
    sync.start();
    repairer.start();
    const node: SimulatedNode = {
      name,
      network,
      peers,
      database,
      segments,
      disk,
      files,
      shards,
      reader,
      scrubber,
      healer,
      sync,
      repairer,
      fetched,
      repaired,
      upload: async (file, seq) => {
        const entry = database.submissions.bySeq(seq)!;
        for (let i = 0; i < segmentCounts(file.bytes.length).real; i++) {
          const data = segmentBytes(file, i);
          await ingest.store(entry, [
            {
              index: i,
              data,
              segmentRoot: segmentRoot(kernels, data, segmentLeafCount(file.bytes.length, i)),
              siblings: file.tree.siblings(i),
            },
          ]);
        }
        await files.settle(entry);
      },
      isFinalized: (seq) => database.submissions.bySeq(seq)?.state === STATE.finalized,
      connect: async (other) => {
        await network.dial(other.network.addresses()[0]!);
      },
      stop: async () => {
        await scrubber.stop();
        await repairer.stop();
        await sync.stop();
        await peers.stop();
        await healer.settled();
        await segments.close();
        db.close();
      },
    };
    this.#nodes.push(node);
    return node;
  }

  /** Lets time pass until the condition holds. */
  async until(condition: () => boolean, limitMs = 600_000): Promise<void> {
    const deadline = this.clock.monotonic() + limitMs;
    const wait = async (): Promise<void> => {
      while (!condition()) {
        if (this.clock.monotonic() > deadline)
          throw new Error(`gave up after ${limitMs} virtual ms, seed ${this.#seed}`);
        await this.clock.sleep(100);
      }
    };
    await this.clock.run(wait(), limitMs + 1000);
  }

  async stop(): Promise<void> {
    for (const node of this.#nodes) await this.clock.run(node.stop());
  }
}

function place(database: NodeDatabase, file: TestFile, tags: Hex): StoredSubmission {
  const { tree } = file;
  const { start, lengthAfter } = database.flow.append(tree.submissionNodes);
  const seq = database.submissions.nextSeq;
  database.addBlocks([{ number: seq + 1, hash: hash(seq + 1) }]);
  const submission = {
    seq,
    size: file.bytes.length,
    startSector: start,
    sectors: lengthAfter - start,
    nodes: tree.submissionNodes,
    tags,
    blockNumber: seq + 1,
    txHash: hash(seq + 1),
  } as unknown as Submission;
  database.parity.addIfParity(submission);
  return database.submissions.insert(submission, tree.root);
}
