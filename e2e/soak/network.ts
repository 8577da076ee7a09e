// The network between nodes: cut, lossy, silent, lying.
import { waitFor } from '@cairn/testkit';
import { peerOverLink, startLinkedHolder } from '../src/linked-nodes.ts';
import { finalized, metric, servedCounts, startSite } from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;

/** A joining node is cut from its only peer in the middle, stays cut, and is connected again. */
async function partition({ size, seed, signal }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  for (let round = 0; round < size; round++) {
    signal.throwIfAborted();
    const trialSeed = seed * 1000 + round;
    const { holder, link, port } = await startLinkedHolder(site, trialSeed);
    await using _ = link;
    const file = await site.put(holder, 24 * SEGMENT, trialSeed);
    const joining = await site.start(`joining-${trialSeed}`, [
      ...peerOverLink(port),
      ...['--sync-bytes-per-second', String(MIB)],
    ]);
    const stored = (): Promise<number> => metric(joining, 'storage_node_store_segments');
    await waitFor(async () => (await stored()) > 0, { timeoutMs: 60_000, what: 'some segments' });
    link.set({ isCut: true });
    observed.count++;
    const atCut = await stored();
    observed.expect(atCut < 24, 'all came before the cut: nothing was tried');
    // While cut nothing comes, and what is there stays.
    await waitFor(() => link.stats.resets > 2, { timeoutMs: 60_000, what: 'dials that fail' });
    const during = await servedCounts(joining, file);
    observed.expect(during.true >= atCut && during.other === 0, JSON.stringify(during));
    observed.expect(during.true < 24, 'the cut did not cut');
    link.set({});
    await finalized(joining, file.seq);
    const healed = await servedCounts(joining, file);
    observed.expect(healed.true === 24, `healed: ${JSON.stringify(healed)}`);
    await joining.process.stop();
    await holder.process.stop();
  }
  return observed.seen();
}

const SIMULATION = {
  project: 'unit',
  file: 'apps/storage-node/test/sync-simulation.test.ts',
} as const;

export const networkRows: readonly FaultRow[] = [
  {
    id: 'partition',
    family: 'network',
    injection:
      'the line between a joining node and its only peer is cut in the middle of a file, and heals',
    pass: 'what came stays, nothing comes while it is cut, everything comes afterwards',
    size: { full: 10, short: 1 },
    unit: 'partitions',
    run: partition,
  },
  testRow({
    ...SIMULATION,
    id: 'simulated-partition',
    family: 'network',
    injection: 'the same over a simulated network and clock, cut for two minutes',
    pass: 'everything comes in the end',
    size: { full: 40, short: 2 },
    unit: 'partitions',
    name: 'a partition in the middle only delays',
  }),
  testRow({
    ...SIMULATION,
    id: 'simulated-loss',
    family: 'network',
    injection: 'messages lost, delayed and cut by chance on a simulated network',
    pass: 'a joining node has everything in the end; nobody is cut off',
    size: { full: 40, short: 2 },
    unit: 'networks',
    name: 'loss, delay and cut answers',
  }),
  testRow({
    ...SIMULATION,
    id: 'silent-peers',
    family: 'network',
    injection: 'two of three peers take requests and never answer (simulated)',
    pass: 'the file comes from the third within 40 s of virtual time',
    size: { full: 40, short: 2 },
    unit: 'networks',
    name: 'silent peers cost their time once',
  }),
  testRow({
    ...SIMULATION,
    id: 'lying-peers',
    family: 'network',
    injection: 'three of four peers flip a bit of what they send (simulated)',
    pass: 'liars are cut off, nothing of theirs is stored, the file comes from the honest one',
    size: { full: 40, short: 2 },
    unit: 'networks',
    name: 'liars are cut off',
  }),
  testRow({
    id: 'false-peers',
    family: 'network',
    injection: 'a real peer over libp2p that lies, or is silent',
    pass: 'it is cut off or left, and the file comes from an honest one',
    size: { full: 1, short: 1 },
    unit: 'false peers',
    project: 'e2e',
    file: 'e2e/test/peers.test.ts',
    name: 'false peers',
  }),
];
