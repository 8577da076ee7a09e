// endless-writer.ts FOLDER SEED: writes segments, several at once, gives half of them another form and some of these their own
// again, and prints the index of each that was acknowledged as soon as it is, until it is killed.
import { join } from 'node:path';
import { seededRandom, silentLogger } from '@cairn/base';
import { openDatabase, SegmentStore } from '../src/index.ts';
import { encoded, SCHEMA, TAG, writesOf, xorCodec } from './support.ts';

const [dir, seed] = [process.argv[2]!, Number(process.argv[3])];
const db = openDatabase(join(dir, 'node.db'), SCHEMA);
const store = await SegmentStore.open(
  { db, log: silentLogger, codec: xorCodec },
  { dir, segmentsPerVolume: 3 },
);
const random = seededRandom(seed);
for (let next = 0; next < 10_000; ) {
  const count = 1 + Math.floor(random.next() * 4);
  const indexes = Array.from({ length: count }, () => next++);
  await Promise.all(
    indexes.map(async (segmentIndex) => {
      await store.write(writesOf([{ segmentIndex, startSector: 0, endSector: 1024 }]));
      process.stdout.write(`${segmentIndex}\n`);
      if (segmentIndex % 2 === 1) return;
      const base = store.stored(segmentIndex)!;
      const data = encoded(segmentIndex, base, { start: 0, end: 64 });
      await store.encode({ segmentIndex, base, startBlock: 0, data, tag: TAG });
      if (segmentIndex % 6 === 0) await store.restore(segmentIndex, { start: 0, end: 64 });
    }),
  );
}
