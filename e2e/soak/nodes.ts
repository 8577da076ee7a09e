// Nodes that die: what they acknowledged is there when they are back, and the network goes on without them.
import { forEachLimit, type RandomSource, seededRandom } from '@cairn/base';
import { SECTORS_PER_SEGMENT, shardHolds } from '@cairn/protocol';
import {
  finalized,
  type SiteFile,
  type SiteNode,
  seen,
  segmentIndexes,
  served,
  startSite,
  uploadAll,
  uploadSegment,
} from '../src/site.ts';
import { type FaultRow, Observations, percentile, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const SEGMENT = 262_144;
const READY_MS_MAX = 3000;
/** Segments of a file that is under way when the node is killed. */
const FILE_SEGMENTS = 12;
const IN_FLIGHT = 4;

/** Uploads until `after` segments were acknowledged, then calls `kill`; gives those that were, also after that. */
async function uploadUntilKilled(
  node: SiteNode,
  file: SiteFile,
  after: number,
  kill: () => Promise<void>,
): Promise<number[]> {
  const acknowledged: number[] = [];
  let killed: Promise<void> | undefined;
  await forEachLimit(segmentIndexes(file), { limit: IN_FLIGHT }, async (index) => {
    if (killed) return;
    try {
      await uploadSegment(node, file, index);
      acknowledged.push(index);
    } catch {
      return; // killed in the middle of it: nothing was promised
    }
    if (acknowledged.length >= after) killed ??= kill();
  });
  await (killed ?? kill());
  return acknowledged;
}

/** Checks that a node has these segments, each with its true bytes. */
async function expectServed(
  observed: Observations,
  node: SiteNode,
  file: SiteFile,
  indexes: readonly number[],
): Promise<void> {
  for (const index of indexes) {
    const answer = await served(node, file, index);
    observed.expect(answer === 'true', `${node.name}: segment ${index} of ${file.seq}: ${answer}`);
  }
}

async function killUnderIngest({ size, seed, isTimed, signal, log }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  const random = seededRandom(seed);
  await using site = await startSite();
  let node = await site.start('victim');
  const readyMs: number[] = [];
  const earlier: SiteFile[] = [];
  let acknowledgedCount = 0;
  for (let round = 0; round < size; round++) {
    signal.throwIfAborted();
    const file = await site.submit(FILE_SEGMENTS * SEGMENT - round, seed * 1000 + round);
    await seen(node, file.seq);
    const after = Math.floor(random.next() * FILE_SEGMENTS);
    const acknowledged = await uploadUntilKilled(node, file, after, () =>
      node.process.stop('SIGKILL'),
    );
    acknowledgedCount += acknowledged.length;
    node = await site.start('victim');
    readyMs.push(node.readyMs);
    observed.count++;
    await expectServed(observed, node, file, acknowledged);
    await uploadAll(node, file);
    await finalized(node, file.seq);
    const old = pick(random, earlier);
    if (old) await expectServed(observed, node, old, segmentIndexes(old));
    earlier.push(file);
    if (round % 10 === 9) log(`${round + 1} kills`);
  }
  const p95 = percentile(readyMs, 0.95);
  observed.expect(
    !isTimed || p95 <= READY_MS_MAX,
    `ready again within ${p95.toFixed(0)} ms at p95`,
  );
  observed.figures.push(
    `${acknowledgedCount} segments acknowledged before a kill`,
    `ready again in p50 ${percentile(readyMs, 0.5).toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`,
  );
  return observed.seen();
}

const pick = <T>(random: RandomSource, list: readonly T[]): T | undefined =>
  list[Math.floor(random.next() * list.length)];

/** Those of the segments that the node's shard holds; it acknowledges others too, and keeps none of them. */
async function ofItsShard(
  { client, process }: SiteNode,
  file: SiteFile,
  indexes: readonly number[],
): Promise<number[]> {
  const { tx } = (await client.getFileInfoByTxSeq(file.seq))!;
  const shard = {
    shardId: Number(process.ready.shardId),
    numShard: Number(process.ready.numShard),
  };
  const first = Math.floor(tx.startEntryIndex / SECTORS_PER_SEGMENT);
  return indexes.filter((index) => shardHolds(shard, first + index));
}

async function killAll({ size, seed, signal }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  const random = seededRandom(seed);
  await using site = await startSite();
  const shards = ['0/1', '0/1', '0/2', '1/2'];
  const startAll = (): Promise<SiteNode[]> =>
    Promise.all(shards.map((shard, i) => site.start(`node-${i}`, ['--shard', shard])));
  let nodes = await startAll();
  const readyMs: number[] = [];
  for (let round = 0; round < size; round++) {
    signal.throwIfAborted();
    const file = await site.submit(FILE_SEGMENTS * SEGMENT - round, seed * 1000 + round);
    for (const node of nodes) await seen(node, file.seq);
    const after = 1 + Math.floor(random.next() * (FILE_SEGMENTS - 2));
    // Whoever is first pulls everybody down.
    let down: Promise<unknown> | undefined;
    const killEverybody = async (): Promise<void> => {
      down ??= Promise.all(nodes.map(({ process }) => process.stop('SIGKILL')));
      await down;
    };
    const promised = await Promise.all(
      nodes.map((node) => uploadUntilKilled(node, file, after, killEverybody)),
    );
    nodes = await startAll();
    readyMs.push(...nodes.map((node) => node.readyMs));
    observed.count += nodes.length;
    for (const [i, node] of nodes.entries()) {
      await expectServed(observed, node, file, await ofItsShard(node, file, promised[i]!));
      await uploadAll(node, file);
      await finalized(node, file.seq);
    }
    await expectServed(observed, nodes[0]!, file, segmentIndexes(file));
  }
  observed.figures.push(
    `four nodes at once, ready again in p95 ${percentile(readyMs, 0.95).toFixed(0)} ms`,
  );
  return observed.seen();
}

export const nodeRows: readonly FaultRow[] = [
  {
    id: 'kill-ingest',
    family: 'nodes',
    injection:
      'SIGKILL of a storage node while segments are uploaded to it, then a start on its folder',
    pass: '0 acknowledged segments lost or changed; ready again in p95 ≤ 3 s',
    size: { full: 60, short: 3 },
    unit: 'kills',
    run: killUnderIngest,
  },
  {
    id: 'kill-all',
    family: 'nodes',
    injection: 'SIGKILL of all four nodes of a network at once while files are uploaded to each',
    pass: '0 acknowledged segments lost or changed; every upload can be finished',
    size: { full: 15, short: 1 },
    unit: 'kills',
    run: killAll,
  },
  testRow({
    id: 'half-gone',
    family: 'nodes',
    injection: 'four of eight nodes, which hold one shard class of eight each, are gone',
    pass: 'a (16,32) file reads back byte-equal from the others',
    size: { full: 73, short: 3 },
    unit: 'choices of four nodes',
    project: 'e2e',
    file: 'e2e/test/coded.test.ts',
    name: 'reads back from nodes',
  }),
  testRow({
    id: 'rebuild',
    family: 'nodes',
    injection:
      'four of eight nodes are killed for good, one of their four successors in the middle of rebuilding',
    pass: 'the four empty ones rebuild everything; then the file is read from them alone',
    size: { full: 1, short: 1 },
    unit: 'rebuilt networks',
    project: 'e2e',
    file: 'e2e/test/coded.test.ts',
    name: 'is rebuilt on four fresh nodes',
  }),
  testRow({
    id: 'resume-client',
    family: 'nodes',
    injection: 'SIGKILL of `cairn put` and `cairn get` in the middle of 96 MiB',
    pass: 'they go on where they were: at most 5 % and what was in flight travels again',
    size: { full: 1, short: 1 },
    unit: 'killed clients',
    project: 'e2e',
    file: 'e2e/test/faults.test.ts',
    name: 'a client that is killed',
  }),
  testRow({
    id: 'resume-sync',
    family: 'nodes',
    injection: 'SIGKILL of a joining node in the middle of catching up',
    pass: 'it goes on where it was and fetches nothing twice but what was in flight',
    size: { full: 1, short: 1 },
    unit: 'killed nodes',
    project: 'e2e',
    file: 'e2e/test/peers.test.ts',
    name: 'catches up with what was stored before it came',
  }),
];
