// Bytes that nobody paid for, addresses and names that lead elsewhere, messages that are none.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, forEachLimit, seededRandom } from '@cairn/base';
import { frameOf, makeTestFile, type TestFile } from '@cairn/testkit';
import { metric, type SiteNode, servedCounts, startSite } from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;

/** Bytes that a folder takes on disk, blocks that are really there. */
function diskBytes(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? diskBytes(path) : statSync(path).blocks * 512);
  }, 0);
}

/** Segments with good proofs of files that no submission names. */
async function unpaid({ size, seed, signal }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  const node = await site.start('target', ['--pool-bytes', String(16 * MIB)]);
  const file = await site.put(node, 2 * SEGMENT, seed);
  const before = diskBytes(node.dir);
  const random = seededRandom(seed);
  let taken = 0;
  await forEachLimit(Array(size).keys(), { limit: 4 }, async () => {
    signal.throwIfAborted();
    const bytes = random.bytes(1 + Math.floor(random.next() * SEGMENT));
    if (await uploadUnpaid(node, makeTestFile(site.kernels, bytes))) taken++;
    observed.count++;
  });
  const grown = diskBytes(node.dir) - before;
  observed.expect(grown === 0, `${grown} bytes more on disk`);
  const pool = await metric(node, 'storage_node_pool_bytes');
  observed.expect(pool <= 16 * MIB, `${pool} bytes in memory`);
  observed.figures.push(
    `${taken} kept in memory, ${size - taken} refused, ${grown} bytes on disk, ${Math.round(pool / MIB)} of 16 MiB in memory`,
  );
  const counts = await servedCounts(node, file);
  observed.expect(counts.true === 2, `served ${JSON.stringify(counts)} afterwards`);
  return observed.seen();
}

async function uploadUnpaid(node: SiteNode, file: TestFile): Promise<boolean> {
  try {
    await node.client.uploadFrames(file.tree.root, { fileSize: file.bytes.length }, [
      frameOf(file, 0),
    ]);
    return true;
  } catch (error) {
    if (/maximum cached chunks/.test(errorMessage(error))) return false;
    throw error;
  }
}

export const hostileRows: readonly FaultRow[] = [
  {
    id: 'unpaid-uploads',
    family: 'hostile',
    injection: 'segments with good proofs of files that nobody submitted',
    pass: '0 bytes on disk, memory within its bound',
    size: { full: 2000, short: 100 },
    unit: 'segments',
    run: unpaid,
  },
  testRow({
    id: 'hostile-addresses',
    family: 'hostile',
    injection:
      'addresses of peers that lead into private networks, to names, or to other transports',
    pass: 'none is dialled',
    size: { full: 1, short: 1 },
    unit: 'groups of addresses',
    project: 'unit',
    file: 'libs/p2p/test',
    name: 'address|private',
  }),
  testRow({
    id: 'hostile-paths',
    family: 'hostile',
    injection: 'directories whose names and links lead out of the folder they are written to',
    pass: 'nothing is written outside and through no link',
    size: { full: 1, short: 1 },
    unit: 'directories',
    project: 'unit',
    file: 'libs/sdk/test/parts.test.ts',
    name: 'writes nothing outside',
  }),
  testRow({
    id: 'messages',
    family: 'hostile',
    injection: 'damaged and random p2p messages to every decoder',
    pass: 'refused by name or understood; memory grows by at most 50 MiB',
    size: { full: 50_000, short: 50_000 },
    unit: 'messages',
    project: 'unit',
    file: 'libs/p2p/test/messages.test.ts',
    name: '50,000 damaged and random messages',
  }),
];
