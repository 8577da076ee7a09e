// The network between nodes, clients and the chain: slow, stalled, cut, spoiled, silent.
import { errorMessage, isCodedError, seededRandom, systemClock } from '@cairn/base';
import { BytesSink, bytesSource, createStorageClient, type StorageClient } from '@cairn/sdk';
import { freePort, ImpairedLink, type Impairment, peerFlags, waitFor } from '@cairn/testkit';
import { finalized, type Site, type SiteNode, seen, servedCounts, startSite } from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;

/** Faults that a line can have over which about so many bytes pass: bad enough to be felt, and to get through or be healed by us. */
const faultsOf = (bytes: number): readonly [string, Impairment][] => [
  ['delay', { delayMs: 60 }],
  ['rate', { bytesPerSecond: bytes / 2 }],
  ['stall', { stallAfterBytes: bytes / 8 }],
  ['reset', { resetAfterBytes: bytes / 4 }],
  ['corruption', { flipEveryBytes: bytes / 5 }],
];
/** Faults under which an operation cannot end are healed after so long. */
const HEAL_AFTER_MS = 3000;

type Surface = {
  name: string;
  /** About what passes over the line in a run. */
  bytes: number;
  /** Stores and reads 3 MiB over the link, which is impaired from the start and healed after a while. */
  run(site: Site, origin: SiteNode, trial: Trial): Promise<void>;
};
type Trial = { fault: string; impairment: Impairment; seed: number; observed: Observations };

const clientOf = (
  site: Site,
  nodeUrls: readonly string[],
  rpcUrl = site.chain.rpcUrl,
): Promise<StorageClient> =>
  createStorageClient({ rpcUrl, privateKey: site.chain.accounts[1]!.privateKey, nodeUrls });

/** Runs again until it succeeds. A failure on the way must be one that the program names. */
async function untilDone<T>(
  { observed, fault }: Trial,
  what: string,
  run: () => Promise<T>,
): Promise<T> {
  return waitFor(
    async () => {
      try {
        return { result: await run() };
      } catch (error) {
        const isNamed = isCodedError(error);
        observed.expect(isNamed, `${fault}, ${what}: ${errorMessage(error)}`);
        return undefined;
      }
    },
    { timeoutMs: 120_000, what: `${what} over a line with ${fault}` },
  ).then(({ result }) => result);
}

/** Impairs the link, heals it after a while whatever happens meanwhile. */
async function impairedWhile(
  link: ImpairedLink,
  impairment: Impairment,
  run: () => Promise<void>,
): Promise<void> {
  const done = new AbortController();
  link.set(impairment);
  const healing = systemClock.sleep(HEAL_AFTER_MS, done.signal).then(
    () => link.set({}),
    () => {},
  );
  try {
    await run();
  } finally {
    done.abort(new Error('done'));
    await healing;
    link.set({});
  }
}

const SURFACES: readonly Surface[] = [
  {
    name: 'HTTP of a node',
    bytes: 3 * MIB,
    async run(site, origin, trial) {
      await using link = await ImpairedLink.start(origin.url, { seed: trial.seed });
      const bytes = seededRandom(trial.seed).bytes(3 * MIB + 5);
      const client = await clientOf(site, [link.url]);
      let root = '';
      await impairedWhile(link, trial.impairment, async () => {
        ({ root } = await untilDone(trial, 'put', () =>
          client.upload(bytesSource(bytes), { replicas: 1 }),
        ));
      });
      await impairedWhile(link, trial.impairment, async () => {
        await untilDone(trial, 'get', async () => {
          const sink = new BytesSink(bytes.length);
          await client.download(root, sink, { requestTimeoutMs: 2000 });
          const isEqual = Buffer.compare(sink.bytes, bytes) === 0;
          trial.observed.expect(isEqual, `${trial.fault}: other bytes were read`);
        });
      });
    },
  },
  {
    name: 'the chain RPC of a node',
    bytes: 100_000,
    async run(site, origin, trial) {
      await using link = await ImpairedLink.start(site.chain.rpcUrl, { seed: trial.seed });
      const node = await site.start(`rpc-${trial.seed}`, [], { rpcUrl: link.url });
      await impairedWhile(link, trial.impairment, async () => {
        const file = await site.submit(SEGMENT + trial.seed, trial.seed);
        await seen(node, file.seq);
        await seen(origin, file.seq);
      });
      const [ours, theirs] = [
        await node.client.getFlowContext(),
        await origin.client.getFlowContext(),
      ];
      trial.observed.expect(
        ours.join() === theirs.join(),
        `${trial.fault}: the flow is ${ours.join()} and should be ${theirs.join()}`,
      );
      await node.process.stop();
    },
  },
  {
    name: 'p2p of a node',
    bytes: 3 * MIB,
    async run(site, _origin, trial) {
      const { holder, link, port } = await startLinkedHolder(site, trial.seed);
      await using _ = link;
      const file = await site.put(holder, 3 * MIB, trial.seed);
      const joining = await site.start(`joining-${trial.seed}`, peerOverLink(port));
      await impairedWhile(link, trial.impairment, async () => {
        await finalized(joining, file.seq);
      });
      const counts = await servedCounts(joining, file);
      trial.observed.expect(
        counts.true === 12 && link.stats.bytes > file.bytes.length,
        `${trial.fault}: ${JSON.stringify(counts)}, ${link.stats.bytes} bytes over the line`,
      );
      await joining.process.stop();
      await holder.process.stop();
    },
  },
];

/**
 * A node whose peers reach it over a link only: it listens on another address of the loopback, announces the link's, and its
 * binary HTTP route is on an interface that peers do not use.
 */
async function startLinkedHolder(
  site: Site,
  seed: number,
): Promise<{ holder: SiteNode; link: ImpairedLink; port: number }> {
  const behind = await freePort();
  const link = await ImpairedLink.start({ host: '127.0.0.2', port: behind }, { seed });
  const holder = await site.start(`holder-${seed}`, [
    ...peerFlags([]),
    ...['--p2p-host', '127.0.0.2', '--p2p-port', String(behind)],
    ...['--announce-addresses', `/ip4/127.0.0.1/tcp/${link.port}`],
  ]);
  return { holder, link, port: link.port };
}

/** Flags of a node that knows one peer, by a link, and that no peer reaches by itself: the address it tells leads nowhere. */
const peerOverLink = (port: number): string[] => [
  ...peerFlags([`/ip4/127.0.0.1/tcp/${port}`]),
  ...['--p2p-host', '127.0.0.3', '--announce-addresses', '/ip4/127.0.0.1/tcp/9'],
];

async function impairment({ size, seed, signal, log }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  const origin = await site.start('origin');
  for (let round = 0; round < size; round++) {
    for (const [s, { name, bytes, run }] of SURFACES.entries())
      for (const [f, [fault, settings]] of faultsOf(bytes).entries()) {
        signal.throwIfAborted();
        const trial = {
          fault,
          impairment: settings,
          seed: seed * 1000 + round * 100 + s * 10 + f,
          observed,
        };
        log(`${fault} on ${name}`);
        await run(site, origin, trial);
        observed.count++;
      }
  }
  observed.figures.push(`five faults on ${SURFACES.map(({ name }) => name).join(', ')}`);
  return observed.seen();
}

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
      ...['--sync-bytes-per-second', String(2 * MIB)],
    ]);
    const count = async (): Promise<number> => (await servedCounts(joining, file)).true;
    await waitFor(async () => (await count()) > 0, { timeoutMs: 60_000, what: 'some segments' });
    link.set({ isCut: true });
    observed.count++;
    const atCut = await count();
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
    id: 'impairment',
    family: 'network',
    injection:
      'a TCP proxy that delays, paces, stalls, resets or flips bits, before a node’s HTTP, its peers’ port, and the chain RPC; healed after 3 s',
    pass: 'only errors that are named on the way; every byte right; everything done at the end',
    size: { full: 3, short: 1 },
    unit: 'impaired runs',
    run: impairment,
  },
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
