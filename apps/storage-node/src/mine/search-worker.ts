/*
 * One search thread: makes the pads of a batch of nonces in lock step, then reads the loads they recall from the volumes, a few at
 * a time, into the buffers its kernels hash in place, and checks their sums. Only hits leave the thread.
 *
 * It runs at the lowest priority where threads have one of their own (Linux): what else the machine has to do comes first.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { KernelBackend } from '@cairn/kernels';
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
export type DrawnReply = {
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
  /** Nonces whose load was not what its sums say. */
  unsound: number[];
  busyMs: number;
};
export type SearchReply = DrawnReply | SearchedReply;

const READS_IN_FLIGHT = 4;
/** Volumes kept open, per store. */
const FILES_MAX = 64;
/** Stores read from: one for each miner id. */
const READERS_MAX = 64;

const port = parentPort!;
const { backend, voidBelow } = workerData as {
  backend: 'auto' | KernelBackend;
  voidBelow: Int32Array;
};
if (process.platform === 'linux') setPriority(19); // of this thread only
const { kernels } = await loadNodeKernels(backend);
const buffers = kernels.mining.loadBuffers();
/** The two batches that may be on their way. */
const drawn = [0, 1].map(() => ({ seeds: new Uint8Array(0), pads: new Uint8Array(0) }));
const readers = new Map<string, SlotReader>();

function draw({ id, base, range, nonces }: DrawJob): DrawnReply {
  const started = cpuMs();
  const seeds = Uint8Array.from(padSeeds(kernels, base, nonces));
  const { pads, recallSeeds } = kernels.mining.scratchpads(seeds);
  drawn[id % drawn.length] = { seeds, pads: Uint8Array.from(pads) };
  const recalled = Array.from({ length: nonces.length / 32 }, (_, i) =>
    recallLoad(range, recallSeeds.subarray(32 * i, 32 * i + 32)),
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
  for (let i = 0; i < count && !isVoid(id); i++) {
    for (let k = reads.length; k < Math.min(count, i + READS_IN_FLIGHT); k++)
      reads.push(reader.read(ticketOf(places, k), bufferOf(k)));
    const isRead = await reads[i]!;
    if (isVoid(id)) break;
    const [index, load, ticket] = [places.indexes[i]!, bufferOf(i), ticketOf(places, i)];
    if (!isRead || !isSlotSound(load, ticket)) {
      reply.unsound.push(index);
      continue;
    }
    const hits = kernels.mining.searchLoad({
      load,
      pad: pads.subarray(BYTES_PER_PAD * index, BYTES_PER_PAD * (index + 1)),
      padSeed: seeds.subarray(64 * index, 64 * (index + 1)),
      target,
      present: ticket.blocks,
    });
    reply.loads++;
    for (const { sealIndex } of hits) {
      const from = sealIndex * BYTES_PER_SEAL;
      const sealedData = load.slice(from, from + BYTES_PER_SEAL);
      reply.hits.push({ index, sealOffset: sealIndex, sealedData });
    }
  }
  await Promise.all(reads); // the buffers are the next batch's
  reply.busyMs = cpuMs() - started;
  return reply;
}

/** The node sets the bound when its work changes. */
const isVoid = (id: number): boolean => id < Atomics.load(voidBelow, 0);

const bufferOf = (read: number): Uint8Array => buffers[read % buffers.length]!;

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
