// Hostile input over real sockets: frames without sense, floods, bytes that nobody paid for, addresses and names that lead elsewhere.
import { readdirSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { errorMessage, forEachLimit, type RandomSource, seededRandom } from '@cairn/base';
import { isProcessAlive } from '@cairn/config';
import { parseAddress } from '@cairn/p2p';
import { encodeFrameParts, segmentsPath } from '@cairn/protocol';
import {
  frameOf,
  jsonSegment,
  makeTestFile,
  peerFlags,
  rssBytes,
  type TestFile,
  waitFor,
} from '@cairn/testkit';
import { rawRequest, sendRaw } from '../src/fuzz/http.ts';
import { createJsonRpcSender, type GoodCall, jsonRpcBody } from '../src/fuzz/json-rpc.ts';
import { visit } from '../src/fuzz/libp2p.ts';
import {
  metric,
  type Site,
  type SiteFile,
  type SiteNode,
  servedCounts,
  startSite,
} from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;
const RSS_GROWTH_MAX = 50 * MIB;
/** Garbage is collected late where memory is plenty, which looks like growth; a leak of 50,000 messages does not fit in this. */
const HEAP = '--max-old-space-size=128';
/** Of the count, sent before memory is measured: code is compiled, caches are filled, the heap has its size. */
const WARM_UP_SHARE = 0.2;

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
  const node = await site.start('target', flags, { env: { NODE_OPTIONS: HEAP } });
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
  const attackers = Array.from({ length: 8 }, async () => {
    while (left > 0) {
      const share = Math.min(left, 100);
      left -= share;
      left += share - (await visit(node.address, { random, identity }, share));
    }
  });
  await Promise.all(attackers);
};

/* --------------------------------------------------- floods --------------------------------------------------- */

/** Opens connections from many addresses and says `text` on each; those that are refused count too. */
async function openMany(
  place: { host: string; port: number },
  count: number,
  text: string,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  await forEachLimit(Array(count).keys(), { limit: 64 }, async (i) => {
    const socket = connect({ ...place, localAddress: `127.0.0.${2 + (i % 200)}` });
    sockets.push(socket.on('error', () => {}));
    await new Promise<void>((resolve) => {
      socket.once('connect', () => {
        if (text !== '') socket.write(text);
        resolve();
      });
      socket.once('close', () => resolve());
    });
  });
  return sockets;
}

/** Waves of connections that say nothing, or half of something, on HTTP and on p2p; each is there while a client works. */
async function flood({ size, seed, signal, log }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  const node = await site.start('target', peerFlags([]));
  const file = await site.put(node, 4 * SEGMENT, seed);
  const before = rssBytes(node.process.pid);
  const { hostname, port } = new URL(node.url);
  const http = { host: hostname, port: Number(port) };
  const p2p = parseAddress(node.address);
  const waves: [string, { host: string; port: number }, string][] = [
    ['silent HTTP connections', http, ''],
    ['half of a request head', http, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-le'],
    [
      'a body that never comes',
      http,
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 15000\r\n\r\n{',
    ],
    ['silent p2p connections', p2p, ''],
    ['half of a handshake', p2p, '\u0013/multistream/1.0.0\n\u0007/noi'],
  ];
  const each = Math.ceil(size / waves.length);
  for (const [what, place, text] of waves) {
    signal.throwIfAborted();
    const started = performance.now();
    const sockets = await openMany(place, each, text);
    observed.count += sockets.length;
    const during = await servedCounts(node, file);
    const open = sockets.filter(({ destroyed }) => !destroyed).length;
    log(`${what}: ${open} of ${each} open, ${JSON.stringify(during)} served`);
    // HTTP may be full while the flood lasts; then it must say so by closing, and serve again right after.
    for (const socket of sockets) socket.resetAndDestroy();
    const after = await waitFor(
      async () => {
        const counts = await servedCounts(node, file);
        return counts.true === 4 ? counts : undefined;
      },
      { timeoutMs: 30_000, what: `answers after ${what}` },
    );
    observed.expect(during.other === 0 && after.other === 0, `${what}: wrong bytes`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    observed.figures.push(
      `${what}: ${during.true} of 4 reads served meanwhile, all in ${seconds} s`,
    );
  }
  const joining = await site.start('joining', peerFlags([node.address]));
  await waitFor(async () => (await servedCounts(joining, file)).true === 4, {
    timeoutMs: 60_000,
    what: 'a peer that joins after the floods',
  });
  observed.expect(isProcessAlive(node.process.pid), 'the node ended');
  const grown = Math.round((rssBytes(node.process.pid) - before) / MIB);
  observed.figures.push(`memory grew by ${grown} MiB`);
  observed.expect(grown * MIB <= RSS_GROWTH_MAX, `memory grew by ${grown} MiB`);
  return observed.seen();
}

/* ------------------------------------------------ unpaid uploads ------------------------------------------------ */

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
  await repeat(size, 4, async () => {
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

const FUZZ_PASS = '0 crashes, memory grows by at most 50 MiB, good requests are served afterwards';

export const hostileRows: readonly FaultRow[] = [
  {
    id: 'fuzz-json-rpc',
    family: 'hostile',
    injection: 'malformed JSON-RPC bodies to a real node over HTTP',
    pass: `${FUZZ_PASS}; each is answered, none with an internal error`,
    size: { full: 50_000, short: 1000 },
    unit: 'bodies',
    run: (options) => underAttack(options, fuzzJsonRpc),
  },
  {
    id: 'fuzz-http',
    family: 'hostile',
    injection: 'malformed HTTP requests to a real node, a connection each',
    pass: FUZZ_PASS,
    size: { full: 50_000, short: 1000 },
    unit: 'requests',
    run: (options) => underAttack(options, fuzzHttp),
  },
  {
    id: 'fuzz-libp2p',
    family: 'hostile',
    injection: 'malformed frames to a real node over libp2p, on our protocols and on those beneath',
    pass: FUZZ_PASS,
    size: { full: 50_000, short: 1000 },
    unit: 'frames',
    run: (options) => underAttack(options, fuzzLibp2p, peerFlags([])),
  },
  {
    id: 'flood',
    family: 'hostile',
    injection:
      'waves of connections that say nothing or half of something, to HTTP and p2p of a real node',
    pass: 'it lives, serves every request within 30 s of the end of a wave, and takes peers; memory grows by at most 50 MiB',
    size: { full: 12_500, short: 500 },
    unit: 'connections',
    run: flood,
  },
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
