/*
 * One search thread: makes the pads of a batch of nonces in lock step, then reads the loads they recall from the volumes into the
 * buffers its kernels hash in place. Only hits leave the thread, and only of loads whose sums are right: the sums take as long as
 * half the hashing, and what is not a hit is of no use to anybody, right or wrong.
 *
 * Reads from a disk are started a few loads ahead. Reads from memory (a small shard in the page cache) are done by this thread when
 * it needs them: handing them to others costs a fifth of an iteration, and a second core. Which it is, the system says: how much
 * the process had to fetch during the last batch.
 *
 * It runs at the lowest priority where threads have one of their own (Linux): what else the machine has to do comes first.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type KernelBackend, PAD_SEED_BYTES } from '@cairn/kernels';
import { loadNodeKernels } from '@cairn/kernels/node';
import {
  BYTES_PER_PAD,
  padSeeds,
  type RecallRange,
  recallLoad,
  SEALS_PER_LOAD,
  type SeedBase,
} from '@cairn/pora';
import { BYTES_PER_SEAL } from '@cairn/protocol';
import { isSlotSound, SlotReader, type SlotTicket } from '@cairn/store/slot-reader';

export type SearchWorkerData = {
  backend: 'auto' | KernelBackend;
  /** One number; batches with a lower id are void. */
  voidBelow: Int32Array;
  /** Whether reads are started ahead; undefined: when the loads come from a disk. */
  readAhead: boolean | undefined;
};
export type DrawJob = {
  kind: 'draw';
  id: number;
  base: SeedBase;
  range: RecallRange;
  /** 32 bytes each. */
  nonces: Uint8Array;
};
/** Where the loads of a batch are: of nonce `indexes[i]` a slot, 8 bytes of `present` and 64 sums. */
export type LoadPlaces = {
  indexes: number[];
  volumes: number[];
  offsets: number[];
  present: Uint8Array;
  checksums: Uint32Array;
};
export type SearchJob = {
  kind: 'search';
  id: number;
  /** Folder of the volumes. */
  dir: string;
  /** 32 bytes, big-endian. */
  target: Uint8Array;
  places: LoadPlaces;
};
type DrawnReply = {
  kind: 'drawn';
  id: number;
  recalled: (number | undefined)[];
  busyMs: number;
};
export type SearchedReply = {
  kind: 'searched';
  id: number;
  /** Loads that were hashed. */
  loads: number;
  hits: { index: number; sealOffset: number; sealedData: Uint8Array }[];
  /** Nonces whose load could not be read, or would have won and is not what its sums say. */
  unsound: number[];
  busyMs: number;
};
export type SearchReply = DrawnReply | SearchedReply;

const READS_IN_FLIGHT = 4;
/** From so many fetched blocks of 512 bytes a load, an eighth of it, it came from a disk. */
const COLD_BLOCKS_MIN = 64;
/** Volumes kept open, per store. */
const FILES_MAX = 64;
/** Stores read from: one for each miner id. */
const READERS_MAX = 64;

const port = parentPort!;
const { backend, voidBelow, readAhead } = workerData as SearchWorkerData;
if (process.platform === 'linux') setPriority(19); // of this thread only
const { kernels } = await loadNodeKernels(backend);
const buffers = kernels.mining.loadBuffers();
/** The two batches that may be on their way. */
const drawn = [newBatch(0), newBatch(0)];
const readers = new Map<string, SlotReader>();
/** Whether the loads of the last batch came from a disk. */
let isCold = false;

/** Memory of a batch, used again: new arrays of this size would keep the collector at work. */
function newBatch(nonces: number) {
  return {
    nonces,
    seeds: new Uint8Array(PAD_SEED_BYTES * nonces),
    pads: new Uint8Array(BYTES_PER_PAD * nonces),
    recallSeeds: new Uint8Array(32 * nonces),
  };
}

function draw({ id, base, range, nonces }: DrawJob): DrawnReply {
  const started = cpuMs();
  const count = nonces.length / 32;
  const slot = id % drawn.length;
  if (drawn[slot]!.nonces !== count) drawn[slot] = newBatch(count);
  const batch = drawn[slot]!;
  batch.seeds.set(padSeeds(kernels, base, nonces));
  kernels.mining.scratchpads(batch.seeds, batch);
  const recalled = Array.from({ length: count }, (_, i) =>
    recallLoad(range, batch.recallSeeds.subarray(32 * i, 32 * i + 32)),
  );
  return { kind: 'drawn', id, recalled, busyMs: cpuMs() - started };
}

async function search({ id, dir, target, places }: SearchJob): Promise<SearchedReply> {
  const started = cpuMs();
  const reply: SearchedReply = { kind: 'searched', id, loads: 0, hits: [], unsound: [], busyMs: 0 };
  const { seeds, pads } = drawn[id % drawn.length]!;
  const reader = readerOf(dir);
  const count = places.indexes.length;
  const reads: Promise<boolean>[] = [];
  const fetchedBefore = process.resourceUsage().fsRead;
  const isAhead = readAhead ?? isCold;
  for (let i = 0; i < count && !isVoid(id); i++) {
    for (let k = reads.length; isAhead && k < Math.min(count, i + READS_IN_FLIGHT); k++)
      reads.push(reader.read(ticketOf(places, k), bufferOf(k)));
    const [index, load, ticket] = [places.indexes[i]!, bufferOf(i), ticketOf(places, i)];
    const isRead = await (reads[i] ?? reader.readNow(ticket, load));
    if (isVoid(id)) break;
    if (!isRead) {
      reply.unsound.push(index);
      continue;
    }
    const hits = kernels.mining.searchLoad({
      load,
      pad: pads.subarray(BYTES_PER_PAD * index, BYTES_PER_PAD * (index + 1)),
      padSeed: seeds.subarray(PAD_SEED_BYTES * index, PAD_SEED_BYTES * (index + 1)),
      target,
      present: ticket.blocks,
    });
    reply.loads++;
    if (hits.length > 0 && !isSlotSound(load, ticket)) {
      reply.unsound.push(index);
      continue;
    }
    for (const { sealIndex } of hits) {
      const from = sealIndex * BYTES_PER_SEAL;
      const sealedData = load.slice(from, from + BYTES_PER_SEAL);
      reply.hits.push({ index, sealOffset: sealIndex, sealedData });
    }
  }
  await Promise.all(reads); // the buffers are the next batch's
  if (reply.loads > 0)
    isCold = process.resourceUsage().fsRead - fetchedBefore >= COLD_BLOCKS_MIN * reply.loads;
  reply.busyMs = cpuMs() - started;
  return reply;
}

/** The node sets the bound when its work changes. */
const isVoid = (id: number): boolean => id < Atomics.load(voidBelow, 0);

/** One more than are in flight: the rest would only take cache. */
const bufferOf = (read: number): Uint8Array => buffers[read % (READS_IN_FLIGHT + 1)]!;

function ticketOf({ volumes, offsets, present, checksums }: LoadPlaces, i: number): SlotTicket {
  return {
    volume: volumes[i]!,
    offset: offsets[i]!,
    blocks: present.subarray(8 * i, 8 * i + 8),
    checksums: checksums.subarray(SEALS_PER_LOAD * i, SEALS_PER_LOAD * (i + 1)),
  };
}

function readerOf(dir: string): SlotReader {
  const known = readers.get(dir);
  if (known) return known;
  const [oldest] = readers;
  if (oldest && readers.size >= READERS_MAX) {
    readers.delete(oldest[0]);
    void oldest[1].close();
  }
  const reader = new SlotReader({ dir, filesMax: FILES_MAX });
  readers.set(dir, reader);
  return reader;
}

/** CPU time of this thread, reads that other threads do for it left out. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Jobs are done one after another, in the order they came. */
let last: Promise<void> = Promise.resolve();
port.on('message', (job: DrawJob | SearchJob) => {
  last = last.then(async () =>
    port.postMessage(job.kind === 'draw' ? draw(job) : await search(job)),
  );
});
port.postMessage('ready');
