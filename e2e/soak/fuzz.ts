// Frames without sense to a real node over real sockets: it lives, keeps its memory, and serves who makes sense.
import { forEachLimit, type RandomSource, seededRandom } from '@cairn/base';
import { isProcessAlive } from '@cairn/config';
import { encodeFrameParts, segmentsPath } from '@cairn/protocol';
import { frameOf, jsonSegment, peerFlags, rssBytes } from '@cairn/testkit';
import { rawRequest, sendRaw } from '../src/fuzz/http.ts';
import { createJsonRpcSender, type GoodCall, jsonRpcBody } from '../src/fuzz/json-rpc.ts';
import { visit } from '../src/fuzz/libp2p.ts';
import {
  LIMITED_HEAP,
  type Site,
  type SiteFile,
  type SiteNode,
  servedCounts,
  startSite,
} from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;
const RSS_GROWTH_MAX = 50 * MIB;
/** Of the count, sent before memory is measured: code is compiled, caches are filled, the heap has its size. */
const WARM_UP_SHARE = 0.2;

/** Strangers in a row that could say nothing: a node may be full for a while, not for ever. */
const FRUITLESS_VISITS_MAX = 2000;

type Attacked = { site: Site; node: SiteNode; file: SiteFile; random: RandomSource };
/** Sends `count` hostile things, a failure for each that shows a defect. */
type Attack = (target: Attacked, count: number, observed: Observations) => Promise<void>;

/** Starts a node with a file, attacks it, and looks whether it lives, serves, takes more, and has not grown. */
async function underAttack(
  { size, seed, signal, log }: RowOptions,
  attack: Attack,
  flags: readonly string[] = [],
): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  const node = await site.start('target', flags, LIMITED_HEAP);
  const file = await site.put(node, 2 * SEGMENT + 300, seed);
  const target = { site, node, file, random: seededRandom(seed) };
  const warmUp = Math.ceil(size * WARM_UP_SHARE);
  await attack(target, warmUp, observed);
  const before = rssBytes(node.process.pid);
  signal.throwIfAborted();
  log(`${warmUp} sent, ${Math.round(before / MIB)} MiB resident`);
  await attack(target, size - warmUp, observed);
  observed.count = size;
  const grown = rssBytes(node.process.pid) - before;
  observed.expect(isProcessAlive(node.process.pid), 'the node ended');
  const counts = await servedCounts(node, file);
  observed.expect(counts.true === 3, `served ${JSON.stringify(counts)} afterwards`);
  await site.put(node, SEGMENT + 7, seed + 1);
  observed.expect(grown <= RSS_GROWTH_MAX, `memory grew by ${Math.round(grown / MIB)} MiB`);
  observed.figures.push(
    `memory grew by ${Math.round(grown / MIB)} MiB from ${Math.round(before / MIB)}`,
  );
  return observed.seen();
}

/** Runs `send` so many times, a few at once. */
const repeat = (count: number, limit: number, send: () => Promise<void>): Promise<void> =>
  forEachLimit(Array(count).keys(), { limit }, send);

const fuzzJsonRpc: Attack = async ({ node, file, random }, count, observed) => {
  const calls = goodCalls(file);
  using sender = createJsonRpcSender(node.url, 8);
  await repeat(count, 8, async () => {
    const wrong = await sender.send(jsonRpcBody(random, calls));
    observed.expect(wrong === undefined, wrong ?? '');
  });
};

function goodCalls(file: SiteFile): GoodCall[] {
  const { root } = file.tree;
  const segment = jsonSegment(file, 2);
  return [
    { method: 'zgs_getStatus', params: [] },
    { method: 'zgs_uploadSegment', params: [segment] },
    { method: 'zgs_uploadSegments', params: [[segment]] },
    { method: 'zgs_uploadSegmentsByTxSeq', params: [[segment], file.seq] },
    { method: 'zgs_downloadSegment', params: [root, 0, 4] },
    { method: 'zgs_downloadSegmentByTxSeq', params: [file.seq, 0, 4] },
    { method: 'zgs_downloadSegmentWithProof', params: [root, 2] },
    { method: 'zgs_getSectorProof', params: [1024, null] },
    { method: 'zgs_getFileInfo', params: [root, true] },
    { method: 'zgs_getFileInfoByTxSeq', params: [file.seq] },
    { method: 'zgs_checkFileFinalized', params: [root] },
    { method: 'zgs_getHashAtNodeIndex', params: [1] },
    { method: 'zgs_getFlowContext', params: [] },
    { method: 'cairn_getParity', params: [root] },
    { method: 'cairn_getHeldSegments', params: [file.seq] },
  ];
}

const fuzzHttp: Attack = async ({ node, file, random }, count, observed) => {
  const target = {
    path: segmentsPath(file.tree.root),
    body: new Uint8Array(Buffer.concat(encodeFrameParts([frameOf(file, 2)]))),
  };
  await repeat(count, 32, async () => {
    const outcome = await sendRaw(node.url, rawRequest(random, target));
    if (outcome === 'refused')
      observed.expect(isProcessAlive(node.process.pid), 'the node refuses connections');
  });
};

const fuzzLibp2p: Attack = async ({ node, random }, count) => {
  const { networkIdentity: identity } = await node.client.getStatus();
  let left = count;
  let fruitless = 0;
  const attack = async (): Promise<void> => {
    while (left > 0) {
      const share = Math.min(left, 100);
      left -= share;
      const said = await visit(node.address, { random, identity }, share);
      left += share - said;
      fruitless = said === 0 ? fruitless + 1 : 0;
      if (fruitless > FRUITLESS_VISITS_MAX) throw new Error('the node lets nobody in any more');
    }
  };
  await Promise.all(Array.from({ length: 8 }, attack));
};

const PASS = '0 crashes, memory grows by at most 50 MiB, good requests are served afterwards';

export const fuzzRows: readonly FaultRow[] = [
  {
    id: 'fuzz-json-rpc',
    family: 'hostile',
    injection: 'malformed JSON-RPC bodies to a real node over HTTP',
    pass: `${PASS}; each is answered, none with an internal error`,
    size: { full: 50_000, short: 1000 },
    unit: 'bodies',
    run: (options) => underAttack(options, fuzzJsonRpc),
  },
  {
    id: 'fuzz-http',
    family: 'hostile',
    injection: 'malformed HTTP requests to a real node, a connection each',
    pass: PASS,
    size: { full: 50_000, short: 1000 },
    unit: 'requests',
    run: (options) => underAttack(options, fuzzHttp),
  },
  {
    id: 'fuzz-libp2p',
    family: 'hostile',
    injection: 'malformed frames to a real node over libp2p, on our protocols and on those beneath',
    pass: PASS,
    size: { full: 50_000, short: 1000 },
    unit: 'frames',
    run: (options) => underAttack(options, fuzzLibp2p, peerFlags([])),
  },
];
