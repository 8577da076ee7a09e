// Bytes that rot under a node at rest, and an index that lies: found, never served, healed from a peer.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type RandomSource, seededRandom } from '@cairn/base';
import { peerFlags, waitFor } from '@cairn/testkit';
import {
  finalized,
  type Site,
  type SiteFile,
  type SiteNode,
  servedCounts,
  startSite,
  uploadAll,
} from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const SEGMENT = 262_144;
const FILE_SEGMENTS = 64;
const FLIPS_PER_ROUND = 100;
/** Slots of one volume file, so that damage is spread over several. */
const SLOTS_PER_VOLUME = 16;
const FULL_RATE = String(1024 ** 3);

type Pair = { site: Site; healthy: SiteNode; file: SiteFile };

/** A healthy node with a file, and the folder `rotten` of a stopped one with the same. */
async function startPair(site: Site, seed: number): Promise<Pair> {
  const healthy = await site.start('healthy', peerFlags([]));
  const file = await site.put(healthy, FILE_SEGMENTS * SEGMENT, seed);
  const rotten = await startRotten(site);
  await uploadAll(rotten, file);
  await finalized(rotten, file.seq);
  await rotten.process.stop();
  return { site, healthy, file };
}

/** Without a peer it only serves; with one it scrubs at full rate and heals. */
const startRotten = (site: Site, peer?: SiteNode): Promise<SiteNode> =>
  site.start('rotten', [
    ...['--segments-per-volume', String(SLOTS_PER_VOLUME)],
    ...(peer ? [...peerFlags([peer.address]), '--scrub-bytes-per-second', FULL_RATE] : []),
  ]);

type Slot = { segmentIndex: number; slot: number };

/** Uses the index of a node that does not run. */
function withIndex<T>(dir: string, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(dir, 'node.db'));
  try {
    return use(db);
  } finally {
    db.close();
  }
}

/** Where the segments of the file lie, those that are stored whole. */
const slotsOf = (dir: string): Slot[] =>
  withIndex(dir, (db) =>
    db
      .prepare('SELECT segment_index AS segmentIndex, slot FROM segment ORDER BY segment_index')
      .all()
      .map((row) => ({ segmentIndex: Number(row.segmentIndex), slot: Number(row.slot) })),
  );

/** The volume files of a node that does not run, changed in memory and written back. */
class Volumes {
  readonly #paths: string[];
  readonly #bytes: Buffer[];

  constructor(dir: string) {
    const folder = join(dir, 'volumes');
    this.#paths = readdirSync(folder)
      .toSorted()
      .map((name) => join(folder, name));
    this.#bytes = this.#paths.map((path) => readFileSync(path));
  }

  /** A view of the slot's bytes. */
  slot(slot: number): Buffer {
    const at = (slot % SLOTS_PER_VOLUME) * SEGMENT;
    return this.#bytes[Math.floor(slot / SLOTS_PER_VOLUME)]!.subarray(at, at + SEGMENT);
  }

  save(): void {
    for (const [i, path] of this.#paths.entries()) writeFileSync(path, this.#bytes[i]!);
  }
}

const pick = <T>(random: RandomSource, list: readonly T[]): T =>
  list[Math.floor(random.next() * list.length)]!;

/** Starts the rotten node beside its peer, reads it while it scrubs, and waits until it is whole again, also without the peer. */
async function expectHealed(observed: Observations, { site, healthy, file }: Pair): Promise<void> {
  const node = await startRotten(site, healthy);
  const first = await servedCounts(node, file);
  observed.expect(first.other === 0, `${first.other} segments were served with wrong bytes`);
  await waitFor(async () => (await servedCounts(node, file)).true === FILE_SEGMENTS, {
    timeoutMs: 120_000,
    what: 'every segment found damaged to be healed',
  });
  await finalized(node, file.seq);
  await node.process.stop();
  const alone = await startRotten(site);
  const healed = await servedCounts(alone, file);
  observed.expect(healed.true === FILE_SEGMENTS, `healed: ${JSON.stringify(healed)}`);
  await alone.process.stop();
}

async function dataFlips({ size, seed, signal, log }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  const random = seededRandom(seed);
  await using site = await startSite();
  const pair = await startPair(site, seed);
  const dir = join(site.dir, 'rotten');
  let damagedSegments = 0;
  while (observed.count < size) {
    signal.throwIfAborted();
    const flips = Math.min(FLIPS_PER_ROUND, size - observed.count);
    const [slots, volumes, hit] = [slotsOf(dir), new Volumes(dir), new Set<number>()];
    for (let i = 0; i < flips; i++) {
      const { slot } = pick(random, slots);
      const bytes = volumes.slot(slot);
      bytes[Math.floor(random.next() * bytes.length)]! ^= 1 << Math.floor(random.next() * 8);
      hit.add(slot);
    }
    volumes.save();
    observed.count += flips;
    damagedSegments += hit.size;
    await expectHealed(observed, pair);
    log(`${observed.count} flips`);
  }
  observed.figures.push(`${damagedSegments} damaged segments`);
  return observed.seen();
}

async function swappedSegments({ size, seed, signal }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  const random = seededRandom(seed);
  await using site = await startSite();
  const pair = await startPair(site, seed);
  const dir = join(site.dir, 'rotten');
  for (let round = 0; round < size; round++) {
    signal.throwIfAborted();
    const slots = slotsOf(dir);
    const [a, b] = [pick(random, slots), pick(random, slots)];
    if (a.slot === b.slot) continue;
    if (round % 2 === 0) {
      const volumes = new Volumes(dir);
      const first = Buffer.from(volumes.slot(a.slot));
      volumes.slot(b.slot).copy(volumes.slot(a.slot));
      first.copy(volumes.slot(b.slot));
      volumes.save();
    } else swapRows(dir, a, b);
    observed.count++;
    await expectHealed(observed, pair);
  }
  return observed.seen();
}

/** Lets each of two rows of the index say what the other said, checksums and all. */
function swapRows(dir: string, a: Slot, b: Slot): void {
  withIndex(dir, (db) => {
    const move = db.prepare('UPDATE segment SET segment_index = ? WHERE segment_index = ?');
    move.run(-1, a.segmentIndex);
    move.run(a.segmentIndex, b.segmentIndex);
    move.run(b.segmentIndex, -1);
  });
}

export const rotRows: readonly FaultRow[] = [
  {
    id: 'data-flips',
    family: 'rot',
    injection:
      'random bits flipped in the volumes of a stopped node; it starts beside a healthy peer and is read at once',
    pass: '100 % found, 0 wrong bytes served, all healed',
    size: { full: 1000, short: 20 },
    unit: 'flipped bits',
    run: dataFlips,
  },
  testRow({
    id: 'index-flips',
    family: 'rot',
    injection:
      'a random bit flipped in the SQLite index of a store; everything is read, and places that hold nothing',
    pass: '0 wrong bytes given out, none under a place they were not written to',
    size: { full: 2000, short: 300 },
    unit: 'flipped bits',
    project: 'unit',
    file: 'libs/store/test/index-rot.test.ts',
    name: 'a bit flipped anywhere in the index',
  }),
  {
    id: 'swapped-segments',
    family: 'rot',
    injection:
      'two segments of a stopped node change places, in the volumes or in the index with their checksums',
    pass: 'both found, 0 wrong bytes served, both healed',
    size: { full: 20, short: 2 },
    unit: 'swaps',
    run: swappedSegments,
  },
];
