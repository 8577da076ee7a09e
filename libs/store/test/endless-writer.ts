// endless-writer.ts FOLDER SEED: writes segments, several at once, and prints the index of each that was acknowledged,
// until it is killed.
import { join } from 'node:path';
import { seededRandom, silentLogger } from '@cairn/base';
import { openDatabase, SEGMENT_STORE_SCHEMA, SegmentStore } from '../src/index.ts';
import { writesOf } from './support.ts';

const [dir, seed] = [process.argv[2]!, Number(process.argv[3])];
const db = openDatabase(join(dir, 'node.db'), [SEGMENT_STORE_SCHEMA]);
const store = await SegmentStore.open({ db, log: silentLogger }, { dir, segmentsPerVolume: 3 });
const random = seededRandom(seed);
for (let next = 0; next < 10_000; ) {
  const count = 1 + Math.floor(random.next() * 4);
  const indexes = Array.from({ length: count }, () => next++);
  await Promise.all(
    indexes.map(async (segmentIndex) => {
      await store.write(writesOf([{ segmentIndex, startSector: 0, endSector: 1024 }]));
      process.stdout.write(`${segmentIndex}\n`);
    }),
  );
}
