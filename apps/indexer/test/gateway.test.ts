// The indexer in front of two real storage node processes and a real chain: RPC, gateway, folders, uploads by segment.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type DataRoot, silentLogger } from '@cairn/base';
import { createFlowWriter, type FlowWriter } from '@cairn/chain';
import { loadKernels } from '@cairn/kernels';
import { type FileTree, fileTreeOfBytes, segmentDataBytes } from '@cairn/merkle';
import { bytesSource, createStorageClient, type StorageClient } from '@cairn/sdk';
import {
  freePort,
  patternBytes,
  startStorageNode,
  startTestChain,
  temporaryFolder,
  waitFor,
} from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { indexerConfigSchema } from '../src/config.ts';
import { type Indexer, startIndexer } from '../src/indexer.ts';

const SEGMENT = 262_144;
const MAX = 600_000;
const kernels = await loadKernels();
const stack = new AsyncDisposableStack();
let indexer: Indexer;
let client: StorageClient;
let writer: FlowWriter;
let nodeUrls: string[];
let root: DataRoot;
let txSeq: number;
let bundle: string;
let folder: DataRoot;
const bytes = patternBytes(3 * SEGMENT + 1000, 1);
const parts = patternBytes(SEGMENT + 5, 2);

beforeAll(async () => {
  const chain = stack.use(await startTestChain());
  const dir = stack.use(await temporaryFolder()).path;
  const nodes = await Promise.all(
    [0, 1].map((i) => startStorageNode(chain, `${dir}/node-${i}`, ['--hash-threads', '1'])),
  );
  for (const node of nodes) stack.use(node);
  nodeUrls = nodes.map((node) => String(node.ready.url));
  const { privateKey } = chain.accounts[1]!;
  const flow = chain.deployment.contracts.flow;
  writer = createFlowWriter({ rpcUrl: chain.rpcUrl, flow, privateKey, pollMs: 20 });
  client = await createStorageClient({ rpcUrl: chain.rpcUrl, privateKey, nodeUrls, kernels });
  indexer = stack.use(await start(nodeUrls));
  const stored = await client.upload(bytesSource(bytes));
  root = stored.root as DataRoot;
  txSeq = stored.txSeq;
  const file = (path: string, content: Uint8Array) =>
    ({
      type: 'file',
      path,
      size: content.length,
      open: async () => bytesSource(content),
    }) as const;
  const tree = await client.uploadDirectory(
    [
      file('readme.txt', new TextEncoder().encode('hello\n')),
      file('a/été?.bin', patternBytes(1000, 3)),
      file('a/parts.bin', parts),
      file('a/large.bin', patternBytes(MAX + 1, 4)),
      file('a/none', new Uint8Array(0)),
      { type: 'symbolic', path: 'link', link: '../../etc/passwd' },
      { type: 'directory', path: 'empty' },
    ],
    { fragmentBytes: SEGMENT },
  );
  folder = tree.root;
  const bundled = await client.uploadBundle([
    file('a/one.txt', new TextEncoder().encode('one\n')),
    file('a/two.bin', patternBytes(300_000, 9)),
    file('none', new Uint8Array(0)),
  ]);
  bundle = bundled.root;
}, 60_000);
afterAll(() => stack.disposeAsync());

function start(trusted: readonly string[]): Promise<Indexer> {
  const config = indexerConfigSchema.parse({
    trusted,
    port: 0,
    nodeTimeoutMs: 5000,
    folderFileBytesMax: MAX,
  });
  return startIndexer({ log: silentLogger }, config);
}

type Answer = { status: number; headers: IncomingHttpHeaders; body: Uint8Array; json: unknown };
/** A request whose target is sent as it is written: `fetch` would tidy paths and refuse status 600. */
function ask(
  target: string,
  options: { method?: string; headers?: Record<string, string>; body?: string; url?: string } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(options.url ?? indexer.url);
  const { method = 'GET', headers = {} } = options;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, path: target, method, headers }, (incoming) => {
      const received: Buffer[] = [];
      incoming.on('data', (part: Buffer) => received.push(part));
      incoming.on('end', () => {
        const body = new Uint8Array(Buffer.concat(received));
        let json: unknown;
        try {
          json = JSON.parse(new TextDecoder().decode(body));
        } catch {
          // bytes of a file
        }
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body, json });
      });
      incoming.on('error', reject);
    });
    outgoing.on('error', reject).end(options.body);
  });
}
const envelope = (code: number, message: string, data?: unknown): unknown =>
  data === undefined ? { code, message } : { code, message, data };
const rpc = async (method: string, params: unknown[]): Promise<Record<string, unknown>> =>
  (await ask('/', { method: 'POST', body: JSON.stringify({ id: 1, method, params }) }))
    .json as Record<string, unknown>;

describe('a file', () => {
  it('comes whole by root and by txSeq, in the path and in the query', async () => {
    for (const target of [
      `/file/${root}`,
      `/file/${txSeq}`,
      `/file?root=${root}`,
      `/file?txSeq=${txSeq}`,
      `/file/0x${root.slice(2).toUpperCase()}`,
    ]) {
      const { status, headers, body } = await ask(target);
      expect(status, target).toBe(200);
      expect(Buffer.compare(body, bytes)).toBe(0);
      expect(headers).toMatchObject({
        etag: `"${root}"`,
        'accept-ranges': 'bytes',
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'content-disposition': `attachment; filename="${root}"`,
        'access-control-allow-origin': '*',
      });
      // A place in the log may change hands in a reorg; a root never does.
      expect(headers['cache-control']).toMatch(target.includes('0x') ? /immutable/ : /no-cache/);
    }
  });

  it('has the name that the query gives it', async () => {
    const name = encodeURIComponent('"; été\r\nx: y.bin');
    const { headers } = await ask(`/file?root=${root}&name=${name}`, { method: 'HEAD' });
    expect(headers['content-disposition']).toMatch(/^attachment; filename="[\w.-]+"; filename\*=/);
    expect(headers.x).toBeUndefined();
  });

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=262143-262144', 262_143, 262_145],
    ['bytes=787000-', 787_000, bytes.length],
    ['bytes=-1', bytes.length - 1, bytes.length],
    ['bytes=100-99999999', 100, bytes.length],
  ])('by %s is those bytes', async (range, from, to) => {
    const { status, headers, body } = await ask(`/file/${root}`, { headers: { range } });
    expect(status).toBe(206);
    expect(headers['content-range']).toBe(`bytes ${from}-${to - 1}/${bytes.length}`);
    expect(headers['content-length']).toBe(String(to - from));
    expect(Buffer.compare(body, bytes.subarray(from, to))).toBe(0);
  });

  it('answers conditions, impossible and several ranges, and HEAD as HTTP says', async () => {
    const get = (headers: Record<string, string>, method = 'GET'): Promise<Answer> =>
      ask(`/file/${root}`, { headers, method });
    const tag = `"${root}"`;
    for (const given of [tag, `W/${tag}`, '*', `"x", ${tag}`]) {
      const { status, body, headers } = await get({ 'if-none-match': given });
      expect([status, body.length, headers.etag], given).toEqual([304, 0, tag]);
    }
    expect((await get({ 'if-none-match': '"x"', range: 'bytes=0-1' })).status).toBe(206);
    const outside = await get({ range: `bytes=${bytes.length}-` });
    expect([outside.status, outside.headers['content-range']]).toEqual([
      416,
      `bytes */${bytes.length}`,
    ]);
    expect((await get({ range: 'bytes=0-1,4-5' })).status).toBe(200);
    expect((await get({ range: 'bytes=0-1', 'if-range': tag })).status).toBe(206);
    expect((await get({ range: 'bytes=0-1', 'if-range': '"x"' })).status).toBe(200);
    const head = await get({ range: 'bytes=0-1' }, 'HEAD');
    expect([head.status, head.body.length, head.headers['content-length']]).toEqual([
      200,
      0,
      String(bytes.length),
    ]);
  });
});

describe('a directory', () => {
  it('lists itself and its folders, and gives its links as they are', async () => {
    expect((await ask(`/file/${folder}/`)).json).toEqual(
      envelope(0, 'Success', [
        { name: 'a', type: 'directory' },
        { name: 'empty', type: 'directory' },
        { name: 'link', type: 'symbolic' },
        { name: 'readme.txt', type: 'file', size: 6 },
      ]),
    );
    expect((await ask(`/file/${folder}/a/`)).json).toEqual(
      envelope(0, 'Success', [
        { name: 'large.bin', type: 'file', size: MAX + 1 },
        { name: 'none', type: 'file', size: 0 },
        { name: 'parts.bin', type: 'file', size: parts.length },
        { name: 'été?.bin', type: 'file', size: 1000 },
      ]),
    );
    expect((await ask(`/file/${folder}/empty`)).json).toEqual(envelope(0, 'Success', []));
    expect((await ask(`/file/${folder}/link`)).json).toEqual(
      envelope(0, 'Success', { name: 'link', type: 'symbolic', link: '../../etc/passwd' }),
    );
  });

  it('serves its files, also those in parts, with ranges', async () => {
    const text = await ask(`/file/${folder}/readme.txt`);
    expect([text.status, Buffer.from(text.body).toString()]).toEqual([200, 'hello\n']);
    expect(text.headers['content-disposition']).toBe('attachment; filename="readme.txt"');
    const named = await ask(`/file/${folder}/a/${encodeURIComponent('été?.bin')}`);
    expect(Buffer.compare(named.body, patternBytes(1000, 3))).toBe(0);
    const whole = await ask(`/file/${folder}/a/parts.bin`);
    expect(Buffer.compare(whole.body, parts)).toBe(0);
    const range = `bytes=${SEGMENT - 2}-${SEGMENT + 1}`;
    const part = await ask(`/file/${folder}/a/parts.bin`, { headers: { range } });
    expect(part.status).toBe(206);
    expect(Buffer.compare(part.body, parts.subarray(SEGMENT - 2, SEGMENT + 2))).toBe(0);
    const again = await ask(`/file/${folder}/a/parts.bin`, {
      headers: { 'if-none-match': String(whole.headers.etag) },
    });
    expect(again.status).toBe(304);
    const none = await ask(`/file/${folder}/a/none`);
    expect([none.status, none.body.length]).toEqual([200, 0]);
  });

  it('refuses what is not in it, and names that would leave it', async () => {
    for (const path of [
      'nope',
      'a/nope',
      'readme.txt/x',
      'link/passwd',
      '..%2f..%2fetc%2fpasswd',
      'a%2fparts.bin',
      '%2e%2e%2freadme.txt',
      '..%5c..%5cx',
      '%00',
    ])
      expect((await ask(`/file/${folder}/${path}`)).json, path).toEqual(
        envelope(104, 'File path not found'),
      );
    // Dots are resolved by every HTTP client and here, before the name of the file: what is left is no file.
    for (const path of ['../../etc/passwd', '%2e%2e/%2e%2e/etc/passwd', '../x'])
      expect((await ask(`/file/${folder}/${path}`)).status, path).not.toBe(206);
    expect((await ask(`/file/${folder}/%ff`)).json).toEqual(
      envelope(1, 'Invalid parameter', 'the path is not encoded well'),
    );
    expect((await ask(`/file/${folder}/a/large.bin`)).json).toEqual(
      envelope(105, 'File size too large', { actual: MAX + 1, max: MAX }),
    );
    expect((await ask(`/file/${root}/x`)).json).toEqual(
      envelope(106, 'File type unsupported', 'the file is not a directory'),
    );
  });
});

describe('a bundle', () => {
  it('serves and lists its members, each a range of one file', async () => {
    const whole = await ask(`/file/${bundle}/a/two.bin`);
    expect(whole.status).toBe(200);
    expect(Buffer.compare(whole.body, patternBytes(300_000, 9))).toBe(0);
    const part = await ask(`/file/${bundle}/a/two.bin`, {
      headers: { range: 'bytes=262140-262149' },
    });
    expect(part.headers['content-range']).toBe('bytes 262140-262149/300000');
    expect(Buffer.compare(part.body, patternBytes(300_000, 9).subarray(262_140, 262_150))).toBe(0);
    const one = await ask(`/file/${bundle}/a/one.txt`);
    expect(new TextDecoder().decode(one.body)).toBe('one\n');
    expect(one.headers.etag).not.toBe(whole.headers.etag);
    expect((await ask(`/file/${bundle}/none`)).body.length).toBe(0);
    expect((await ask(`/file/${bundle}/a`)).json).toMatchObject({
      data: [{ name: 'one.txt', size: 4 }, { name: 'two.bin' }],
    });
    expect((await ask(`/file/${bundle}/b`)).json).toMatchObject({ code: 104 });
  });
});

describe('information', () => {
  const unknown = `0x${'12'.repeat(32)}`;
  it('about one file and many', async () => {
    const info = (await ask(`/file/info/${root}`)).json as { data: unknown };
    expect(info).toMatchObject({ code: 0, data: { finalized: true, tx: { seq: txSeq } } });
    const many = await ask(`/files/info?cid=${txSeq}&cid=${unknown}&cid=bad`);
    expect(many.json).toEqual(
      envelope(0, 'Success', [info.data, null, 'not a root or a txSeq: bad']),
    );
    const tooMany = Array.from({ length: 101 }, () => `cid=${txSeq}`).join('&');
    expect((await ask(`/files/info?${tooMany}`)).json).toMatchObject({ code: 1 });
    expect((await ask(`/file/info/${unknown}`)).json).toEqual(envelope(101, 'File not found'));
    expect((await ask('/node/status')).json).toMatchObject({
      code: 0,
      data: { nextTxSeq: expect.any(Number), connectedPeers: 0 },
    });
  });

  it('that cannot be given is refused by name', async () => {
    expect((await ask('/file')).json).toEqual(
      envelope(1, 'Invalid parameter', "Either 'root' or 'txSeq' must be provided"),
    );
    for (const target of ['/file?root=7', '/file?txSeq=0x', '/file/zzz', `/file/${'9'.repeat(30)}`])
      expect((await ask(target)).json, target).toMatchObject({ code: 1 });
    for (const target of [
      `/file/${unknown}`,
      `/file?root=${unknown}`,
      '/file/999',
      `/file/${unknown}/x`,
    ])
      expect((await ask(target)).json, target).toEqual(envelope(101, 'File not found'));
  });

  it('when no node answers is an internal error with its own status', async () => {
    await using lonely = await start([`http://127.0.0.1:${await freePort()}`]);
    for (const target of [`/file/${root}`, `/file/info/${root}`, '/node/status']) {
      const { status, json } = await ask(target, { url: lonely.url });
      expect([status, json], target).toEqual([
        600,
        envelope(2, 'Internal server error', 'no storage node answers'),
      ]);
    }
  });
});

describe('a segment sent through the gateway', () => {
  let tree: FileTree;
  let seq: number;
  const content = patternBytes(SEGMENT + 300, 9);
  const body = (index: number, change: object = {}): string => {
    const data = new Uint8Array(segmentDataBytes(content.length, index));
    data.set(content.subarray(index * SEGMENT, index * SEGMENT + data.length));
    return JSON.stringify({
      root: tree.root,
      data: Buffer.from(data).toString('base64'),
      index,
      proof: tree.proof(index),
      expectedReplica: 2,
      ...change,
    });
  };
  const send = async (text: string): Promise<unknown> =>
    (await ask('/file/segment', { method: 'POST', body: text })).json;

  it('must be of a file that is on the chain', async () => {
    tree = fileTreeOfBytes(kernels, content);
    expect(await send(body(0))).toEqual(envelope(101, 'File not found'));
    const nodes = tree.submissionNodes;
    seq = (await writer.submit([{ size: content.length, nodes }])).seqs[0]!;
    await waitFor(
      async () => ((await ask(`/file/info/${seq}`)).json as { code: number }).code === 0,
      { timeoutMs: 10_000, what: 'the submission' },
    );
    expect((await ask(`/file/${tree.root}`)).json).toEqual(envelope(103, 'File not finalized yet'));
  });

  it.each([
    ['no JSON', () => '{', 'the body is not JSON'],
    ['no name', () => body(0, { root: null }), "Either 'root' or 'txSeq' must be provided"],
    ['no such segment', () => body(0, { index: 2 }), 'index: index out of bound'],
    ['a wrong proof', () => body(0, { proof: tree.proof(1) }), /wrong position/],
    ['other bytes', () => body(1, { data: Buffer.alloc(512).toString('base64') }), /hash mismatch/],
    ['no index', () => body(0, { index: 'x' }), /^index: /],
    ['a replica count of text', () => body(0, { expectedReplica: '2' }), /^expectedReplica: /],
  ])('is refused with %s', async (_, text, data) => {
    expect(await send(text())).toEqual(
      envelope(
        1,
        'Invalid parameter',
        typeof data === 'string' ? data : expect.stringMatching(data),
      ),
    );
  });

  it('is on every chosen node, and the last one makes the file whole', async () => {
    const success = envelope(0, 'Success', 'Succeeded to upload segment');
    expect(await send(body(0))).toEqual(success);
    expect(await send(body(0))).toEqual(success); // again is fine
    expect(await send(body(1, { root: undefined, txSeq: seq }))).toEqual(success);
    await waitFor(
      async () =>
        (await ask(`/file/${tree.root}`)).status === 200 &&
        (await ask(`/file/${tree.root}`)).body.length === content.length,
      {
        timeoutMs: 10_000,
        what: 'the file',
      },
    );
    const { nodes } = await client.stat(tree.root);
    expect(nodes.map((node) => node.finalized)).toEqual([true, true]);
    expect(await send(body(0))).toEqual(success); // a finalized file too
  });
});

describe('the indexer RPC', () => {
  it('names nodes, selections and places', async () => {
    const all = (await rpc('indexer_getShardedNodes', [])).result as {
      trusted: { url: string }[];
      discovered: unknown[];
    };
    expect(all.trusted.map(({ url }) => url)).toEqual(nodeUrls);
    expect(all.trusted[0]).toEqual({
      url: nodeUrls[0],
      config: { shardId: 0, numShard: 1 },
      latency: expect.any(Number),
      since: 0,
    });
    expect(all.discovered).toEqual([]);
    const selected = await rpc('indexer_getSelectedNodes', [1, 'min', false, [nodeUrls[0]]]);
    expect(selected.result).toMatchObject({ trusted: [{ url: nodeUrls[1] }], discovered: [] });
    expect((await rpc('indexer_getSelectedNodes', [0, 'min', true, null])).result).toEqual({
      trusted: [],
      discovered: [],
    });
    const places = (await rpc('indexer_getFileLocations', [root])).result as { url: string }[];
    expect(places.map(({ url }) => url).sort()).toEqual([...nodeUrls].sort());
    expect((await rpc('indexer_getNodeLocations', [])).result).toEqual({});
  });

  it('refuses what it cannot do with the texts that clients know', async () => {
    expect((await rpc('indexer_getSelectedNodes', [3, 'min', false, null])).error).toEqual({
      code: -32000,
      message:
        'cannot select a subset from the returned nodes that meets the replication requirement',
    });
    expect((await rpc('indexer_getFileLocations', [`0x${'12'.repeat(32)}`])).error).toEqual({
      code: -32000,
      message: 'file not found',
    });
    expect((await rpc('indexer_selectNodes', [])).error).toEqual({
      code: -32601,
      message: 'the method indexer_selectNodes does not exist/is not available',
    });
    for (const params of [[-1], ['x'], [1, 'min', true, 'url'], [1, 'min', true, [5]]])
      expect((await rpc('indexer_getSelectedNodes', params)).error).toMatchObject({ code: -32602 });
    expect((await rpc('indexer_getFileLocations', [5])).error).toMatchObject({ code: -32602 });
  });
});
