// Lines that delay, pace, stall, reset and spoil, before every port that a node has.
import { errorMessage, isCodedError, seededRandom, systemClock } from '@cairn/base';
import { BytesSink, bytesSource, createStorageClient, type StorageClient } from '@cairn/sdk';
import { ImpairedLink, type Impairment, waitFor } from '@cairn/testkit';
import { peerOverLink, startLinkedHolder } from '../src/linked-nodes.ts';
import { finalized, type Site, type SiteNode, seen, servedCounts, startSite } from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';

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

export const impairmentRows: readonly FaultRow[] = [
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
];
