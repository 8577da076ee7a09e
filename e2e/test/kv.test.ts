/*
 * Key-value streams end to end: a chain, storage nodes and KV nodes as real processes. Writers are the published SDK,
 * unmodified, our SDK, and batches made by hand where no client would send them.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, bytesToHex, type Hash32, type Hex } from '@cairn/base';
import { createFlowWriter, decodeSubmissions, flowAbi, sectorsOf } from '@cairn/chain';
import { BatchBuilder, CONTROL, NEWEST } from '@cairn/kv';
import { EXIT_CODES } from '@cairn/protocol';
import {
  bytesSource,
  createKv,
  createStorageClient,
  encryptedSource,
  hashSource,
  type Kv,
  newCipher,
  registerStreamMessage,
  type StorageClient,
} from '@cairn/sdk';
import {
  patternBytes,
  REPOSITORY,
  startKvNode,
  startStorageNode,
  startTestChain,
  type TestChain,
  type TestProcess,
  temporaryFolder,
  waitFor,
} from '@cairn/testkit';
import { createPublicClient, createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, cairn } from '../src/devnet.ts';

const stream = (n: number): Hash32 => `0x${n.toString(16).padStart(64, '0')}` as Hash32;
const OFFICIAL = stream(0xf2bd);
const SHARED = stream(0xf2be);
const ROLES = stream(0xf2bf);
const SECRET = stream(0xf2c0);
const STREAMS = [OFFICIAL, SHARED, ROLES, SECRET];
const ENCRYPTION_KEY = new Uint8Array(32).fill(7);

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value && new TextDecoder().decode(value);

let stack: AsyncDisposableStack;
let dir: string;
let chain: TestChain;
let storageUrls: string[];
let node: TestProcess;
let url: string;
let adminUrl: string;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  dir = stack.use(await temporaryFolder('cairn-kv-')).path;
  chain = stack.use(await startTestChain());
  // A full node and two halves: batches are fetched from whoever has them.
  const nodes = await Promise.all(
    ['0/1', '0/2', '1/2'].map((shard, i) =>
      startStorageNode(chain, join(dir, `node-${i}`), ['--shard', shard]),
    ),
  );
  for (const started of nodes) stack.use(started);
  storageUrls = nodes.map((started) => String(started.ready.url));
  node = await openNode('kv');
  stack.defer(() => node.stop());
  url = String(node.ready.url);
  adminUrl = String(node.ready.adminUrl);
});
afterAll(() => stack?.disposeAsync());

function openNode(
  name: string,
  options: { streams?: readonly Hash32[]; extra?: readonly string[] } = {},
): Promise<TestProcess> {
  return startKvNode(chain, join(dir, name), {
    nodeUrls: storageUrls,
    streamIds: options.streams ?? STREAMS,
    extra: options.extra ?? [],
  });
}

async function call(to: string, method: string, params: unknown[] = []): Promise<unknown> {
  const response = await fetch(to, {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const answer = (await response.json()) as {
    result?: unknown;
    error?: { message: string; data?: string };
  };
  if (answer.error) throw new Error(`${answer.error.message}; ${answer.error.data ?? ''}`);
  return answer.result;
}

const storageOf = (account: number): Promise<StorageClient> =>
  createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[account]!.privateKey,
    nodeUrls: storageUrls,
  });
const kvOf = async (account: number, streamId: Hash32, kvUrl = url): Promise<Kv> =>
  createKv({ kvUrl, streamId, storage: await storageOf(account), pollMs: 20 });
const addressOf = (account: number): Address => chain.accounts[account]!.address as Address;

/** Stores bytes as a batch of these streams and waits for what the node says to it. */
async function submit(
  account: number,
  batch: { bytes: Uint8Array; tags: Uint8Array },
): Promise<string> {
  const storage = await storageOf(account);
  const { txSeq } = await storage.upload(bytesSource(batch.bytes), {
    tags: bytesToHex(batch.tags),
    skipIfFinalized: false,
  });
  return resultOf(txSeq);
}
const resultOf = (txSeq: number): Promise<string> =>
  waitFor(
    async () => ((await call(url, 'kv_getTransactionResult', [txSeq])) as string) ?? undefined,
    {
      timeoutMs: 20_000,
      what: `the result of ${txSeq}`,
    },
  );

/** Waits until nodes have decided the same submissions and compares every root on the way. */
async function expectEqualStates(urls: readonly string[]): Promise<void> {
  const applied = async (at: string): Promise<number> =>
    ((await call(at, 'kv_getReplayProgress')) as { appliedSeq: number }).appliedSeq;
  const target = await applied(urls[0]!);
  for (const at of urls)
    await waitFor(async () => (await applied(at)) >= target, {
      timeoutMs: 20_000,
      what: `${at} to apply ${target}`,
    });
  for (let seq = 0; seq < target; seq++) {
    const roots = await Promise.all(urls.map((at) => call(at, 'kv_getStateRoot', [null, seq])));
    expect(new Set(roots.map((root) => JSON.stringify(root))).size, `state after ${seq}`).toBe(1);
  }
}

describe("the published SDK's KV client, unmodified", () => {
  it('writes batches, reads values, results and roles, and iterates both ways', async () => {
    const [report, errors] = await new Promise<[string, string]>((resolve, reject) => {
      const child = spawn(
        process.execPath,
        [
          join(REPOSITORY, 'e2e/src/official-kv.mjs'),
          url,
          storageUrls[0]!,
          chain.rpcUrl,
          chain.accounts[1]!.privateKey,
          OFFICIAL,
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let [out, chat] = ['', ''];
      child.stdout.on('data', (part: Buffer) => (out += part.toString()));
      child.stderr.on('data', (part: Buffer) => (chat += part.toString()));
      child.on('close', (code) =>
        code === 0 ? resolve([out, chat]) : reject(new Error(`${code}: ${chat.slice(-2000)}`)),
      );
    });
    const seen = JSON.parse(report.trim().split('\n').at(-1)!) as Record<string, unknown>;
    expect(seen, errors.slice(-500)).toEqual({
      values: ['one', 'zwei', ''],
      sizes: [3, 4, 0],
      result: 'Commit',
      old: 'two',
      forward: ['a', 'b', 'd', 'large'],
      backward: ['large', 'd', 'b', 'a'],
      seekAfterDeleted: 'd',
      seekBeforeDeleted: 'b',
      nextWithValue: 'zwei',
      large: 262_144,
      holding: true,
      isAdmin: true,
      strangerIsAdmin: false,
      hasWritePermission: true,
      isSpecialKey: false,
      isWriterOfKey: false,
      isWriterOfStream: false,
    });
  });
});

describe('many writers', () => {
  it('conflicting transactions all commit in the end and none overwrites another', async () => {
    const kvs = await Promise.all([1, 2, 3].map((account) => kvOf(account, SHARED)));
    await kvs[0]!.set(bytes('count'), bytes('0'));
    for (const account of [2, 3])
      await kvs[0]!.grant({ role: 'writer', account: addressOf(account) });
    const results = await Promise.all(
      kvs.flatMap((kv) =>
        [1, 2, 3].map(() =>
          kv.transaction(
            async (tx) => {
              const next = Number(text(await tx.get(bytes('count')))) + 1;
              tx.set(bytes('count'), bytes(String(next)));
              return next;
            },
            { attempts: 40, backoffMs: 20 },
          ),
        ),
      ),
    );
    expect(text(await kvs[0]!.get(bytes('count')))).toBe('9');
    expect(results.map(({ value }) => value).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(results.some(({ attempts }) => attempts > 1)).toBe(true);
  });

  it('values of any size come back, deletions leave iteration, history and watchers see it all', async () => {
    const kv = await kvOf(1, SHARED);
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of kv.watch({ signal: stop.signal, from: 0 }))
        if (event.kind === 'batch')
          for (const { key, size } of event.changes) seen.push(`${text(key)}=${size}`);
    })();
    for (const size of [1, 262_143, 262_144, 1_048_577]) {
      const value = patternBytes(size, 3);
      await kv.set(bytes('big'), value);
      expect(Buffer.from((await kv.get(bytes('big')))!).equals(value)).toBe(true);
    }
    await kv.delete(bytes('big'));
    expect(await kv.get(bytes('big'))).toBeUndefined();
    const keys: (string | undefined)[] = [];
    for await (const { key } of kv.list()) keys.push(text(key));
    expect(keys).toEqual(['count']);
    const sizes: number[] = [];
    for await (const { size } of kv.history(bytes('big'))) sizes.push(size);
    expect(sizes).toEqual([0, 1_048_577, 262_144, 262_143, 1]);
    await waitFor(() => seen.at(-1) === 'big=0', { timeoutMs: 10_000, what: 'the watcher' });
    expect(seen.filter((change) => change.startsWith('big'))).toEqual([
      'big=1',
      'big=262143',
      'big=262144',
      'big=1048577',
      'big=0',
    ]);
    stop.abort();
    await watching;
  });

  it('64 writers at once share a few submissions', async () => {
    const kv = await kvOf(1, SHARED);
    const seqs = await Promise.all(
      Array.from({ length: 64 }, (_, i) => kv.set(bytes(`many ${i}`), bytes(String(i)))),
    );
    expect(new Set(seqs).size).toBeLessThanOrEqual(8);
    expect(text(await kv.get(bytes('many 63')))).toBe('63');
  });
});

describe('permissions', () => {
  it('follow roles while they change', async () => {
    const [admin, writer, special] = await Promise.all(
      [1, 2, 3].map((account) => kvOf(account, ROLES)),
    );
    await admin!.set(bytes('open'), bytes('by the first, who is admin now'));
    await expect(writer!.set(bytes('open'), bytes('x'))).rejects.toMatchObject({
      code: 'KV_NO_PERMISSION',
    });
    await admin!.grant({ role: 'writer', account: addressOf(2) });
    await writer!.set(bytes('open'), bytes('by a writer'));
    await admin!.setSpecial(bytes('vip'), true);
    await expect(writer!.set(bytes('vip'), bytes('x'))).rejects.toMatchObject({
      code: 'KV_DENIED',
      details: { result: `WritePermissionDenied: stream: ${ROLES}, key: vip` },
    });
    await admin!.grant({ role: 'special-writer', account: addressOf(3), key: bytes('vip') });
    await special!.set(bytes('vip'), bytes('by a special writer'));
    await expect(special!.set(bytes('open'), bytes('x'))).rejects.toMatchObject({
      code: 'KV_DENIED',
    });
    // A role that is taken while a write is under way: whichever stands first on chain decides.
    const [write] = await Promise.allSettled([
      writer!.set(bytes('open'), bytes('in flight')),
      admin!.revoke({ role: 'writer', account: addressOf(2) }),
    ]);
    const value = text(await admin!.get(bytes('open')));
    expect(value).toBe(write.status === 'fulfilled' ? 'in flight' : 'by a writer');
    await expect(writer!.set(bytes('open'), bytes('late'))).rejects.toMatchObject({
      code: 'KV_NO_PERMISSION',
    });
    await admin!.renounce('admin');
    await expect(admin!.set(bytes('open'), bytes('gone'))).rejects.toMatchObject({
      code: 'KV_NO_PERMISSION',
    });
  });

  it("a submitter that names the admin does not get the admin's rights", async () => {
    const { deployment, rpcUrl, accounts } = chain;
    const storage = await storageOf(4);
    const batch = new BatchBuilder().set(SHARED, bytes('count'), bytes('stolen')).build();
    const tree = await hashSource(storage.kernels, bytesSource(batch.bytes));
    const flow = deployment.contracts.flow;
    const thief = createFlowWriter({ rpcUrl, flow, privateKey: accounts[4]!.privateKey });
    const submission = (submitter: Address) => ({
      data: {
        length: BigInt(batch.bytes.length),
        tags: bytesToHex(batch.tags),
        nodes: tree.submissionNodes.map(({ root, height }) => ({ root, height: BigInt(height) })),
      },
      submitter,
    });
    const value = (await thief.pricePerSector()) * BigInt(sectorsOf(tree.submissionNodes));
    const wallet = createWalletClient({
      account: privateKeyToAccount(accounts[4]!.privateKey),
      transport: http(rpcUrl),
    });
    const send = (submitter: Address): Promise<Hex> =>
      wallet.writeContract({
        address: flow,
        abi: flowAbi,
        functionName: 'submit',
        args: [submission(submitter)],
        value,
        chain: null,
      });
    // Our Flow refuses it; the node does not depend on that.
    await expect(send(addressOf(1))).rejects.toThrow();
    // The admin may even approve: the signer of the transaction is who counts.
    const admin = createWalletClient({
      account: privateKeyToAccount(accounts[1]!.privateKey),
      transport: http(rpcUrl),
    });
    await approve(admin, addressOf(4));
    const receipt = await createPublicClient({ transport: http(rpcUrl) }).waitForTransactionReceipt(
      { hash: await send(addressOf(1)) },
    );
    const [spoofed] = decodeSubmissions(receipt.logs, flow);
    expect(spoofed!.sender).toBe(addressOf(1)); // what the event says
    expect(await resultOf(spoofed!.seq)).toBe('SenderNoWritePermission');
    expect(text(await (await kvOf(1, SHARED)).get(bytes('count')))).toBe('9');
  });
});

describe('bad input', () => {
  const key = bytes('k');
  it.each([
    ['a truncated file', 'DataParseError: Invalid stream data', (b: Uint8Array) => b.slice(0, 40)],
    [
      'too many writes',
      'DataParseError: Stream read/write/access_control list too long',
      (b: Uint8Array) => new Uint8Array([...b.subarray(0, 12), 0, 1, 0, 1, ...b.subarray(16)]),
    ],
  ])('%s has its result and changes nothing', async (_, result, damage) => {
    const built = new BatchBuilder()
      .set(OFFICIAL, key, patternBytes(600))
      .set(OFFICIAL, bytes('a'), bytes('changed'))
      .build();
    expect(await submit(1, { bytes: damage(built.bytes), tags: built.tags })).toBe(result);
    expect(text(await (await kvOf(1, OFFICIAL)).get(bytes('a')))).toBe('one');
  });

  it('streams outside of the tags, stale versions and forbidden controls have their results', async () => {
    const outside = new BatchBuilder().set(SHARED, key, key).build();
    const tags = new BatchBuilder().set(OFFICIAL, key, key).build().tags;
    expect(await submit(1, { bytes: outside.bytes, tags })).toBe('TagsMismatch');
    const stale = new BatchBuilder(0).set(OFFICIAL, bytes('large'), key).build();
    expect(await submit(1, stale)).toBe('VersionConfliction');
    const forbidden = new BatchBuilder()
      .control({ op: CONTROL.setKeySpecial, streamId: SHARED, key })
      .build();
    expect(await submit(2, forbidden)).toBe(
      `AccessControlPermissionDenied: operation: SET_KEY_TO_SPECIAL, stream: ${SHARED}, key: k, account: 0x${'00'.repeat(20)}`,
    );
  });

  it('questions that make no sense get a clear answer', async () => {
    const [k, unknown] = [Buffer.from('a').toString('base64'), stream(0xdead)];
    const asks: [string, unknown[], RegExp][] = [
      ['kv_getValue', [OFFICIAL, k, 0, 262_145], /Invalid params: len; query length too large/],
      ['kv_getValue', [OFFICIAL, '', 0, 1], /Invalid params: key; key is empty/],
      ['kv_getValue', [OFFICIAL, k, 9, 1], /start index is greater than value length/],
      ['kv_getValue', [unknown, k, 0, 1], /does not watch stream/],
      ['kv_getFirst', [unknown, 0, 1], /does not watch stream/],
      ['kv_isAdmin', [addressOf(1), unknown], /does not watch stream/],
      ['kv_getStateRoot', [null, 1_000_000], /not decided yet/],
      ['admin_addStream', [unknown, addressOf(1), `0x${'11'.repeat(65)}`], /signature/],
    ];
    for (const [method, params, message] of asks)
      await expect(call(url, method, params), method).rejects.toThrow(message);
    expect(await call(url, 'kv_getTransactionResult', [1_000_000])).toBeNull();
    expect(await call(url, 'kv_getValue', [OFFICIAL, 'bm8=', 0, 1])).toEqual({
      version: 0,
      data: '',
      size: 0,
    });
    expect(await call(url, 'kv_getValue', [OFFICIAL, k, 3, 1, 2 ** 64])).toMatchObject({
      size: 3,
      data: '',
    });
  });
});

describe('a node', () => {
  it('survives SIGKILL at any moment and comes back to the state of one that never died', async () => {
    await using steady = await openNode('steady');
    const kv = await kvOf(1, SHARED);
    let victim = await openNode('victim', { extra: ['--parallel-downloads', '2'] });
    let lives = 1;
    const writing = (async () => {
      for (let i = 0; i < 12; i++)
        await kv.set(bytes(`kill ${i % 4}`), patternBytes(1 + 5000 * i, i));
    })();
    let isDone = false;
    void writing.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      // Lives of random length, from "still replaying the beginning" to "idle".
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));
      await victim.stop('SIGKILL');
      victim = await openNode('victim', { extra: ['--parallel-downloads', '2'] });
      lives++;
    }
    await writing;
    await using _last = victim;
    expect(lives).toBeGreaterThan(1);
    await expectEqualStates([url, String(steady.ready.url), String(victim.ready.url)]);
  });

  it('takes back what a reorg undoes and replays what replaces it', async () => {
    const kv = await kvOf(1, SHARED);
    await kv.set(bytes('reorg'), bytes('before'));
    const snapshot = await chain.rpc('evm_snapshot');
    const undone = await kv.set(bytes('reorg'), bytes('undone'));
    const stop = new AbortController();
    const reverted = (async () => {
      for await (const event of kv.watch({ signal: stop.signal, from: undone }))
        if (event.kind === 'revert') return event.fromSeq;
      return undefined;
    })();
    await waitFor(async () => (await metric('kv_node_feed_watchers')) > 0, {
      timeoutMs: 10_000,
      what: 'the watcher',
    });
    await chain.rpc('evm_revert', [snapshot]);
    await chain.mine(3);
    await waitFor(async () => text(await kv.get(bytes('reorg'))) === 'before', {
      timeoutMs: 15_000,
      what: 'the reorg to be undone',
    });
    expect(await call(url, 'kv_getTransactionResult', [undone])).toBeNull();
    expect(await reverted).toBe(undone);
    stop.abort();
    const again = await kv.set(bytes('reorg'), bytes('after'));
    expect(again).toBe(undone);
    expect(text(await kv.get(bytes('reorg')))).toBe('after');
    await using fresh = await openNode('fresh');
    await expectEqualStates([url, String(fresh.ready.url)]);
  });

  it('adds a stream while it runs, by signature, and drops it', async () => {
    const added = stream(0xadd);
    const account = privateKeyToAccount(chain.accounts[3]!.privateKey);
    const kv = await kvOf(3, added);
    await expect(kv.set(bytes('x'), bytes('too early'))).rejects.toMatchObject({
      code: 'KV_NOT_WATCHED',
    });
    const signature = await account.signTypedData(
      registerStreamMessage(31337, addressOf(3), added),
    );
    expect(await kv.node.addStream(added, addressOf(3), signature)).toBe(true);
    expect(await kv.node.addStream(added, addressOf(3), signature)).toBe(true);
    await kv.set(bytes('x'), bytes('in time'));
    expect(text(await kv.get(bytes('x')))).toBe('in time');
    await node.stop('SIGTERM');
    node = await openNode('kv', { extra: ['--rpc-port', new URL(url).port] });
    adminUrl = String(node.ready.adminUrl);
    expect(text(await kv.get(bytes('x')))).toBe('in time');
    expect(await call(adminUrl, 'admin_dropStream', [added])).toBe(true);
    expect(await kv.node.getHoldingStreamIds()).not.toContain(added);
    await expect(kv.get(bytes('x'))).rejects.toThrow(/does not watch/);
  });

  it('with the key replays encrypted and plain batches of one stream', async () => {
    const keyFile = join(dir, 'kv.key');
    writeFileSync(keyFile, Buffer.from(ENCRYPTION_KEY).toString('hex'), { mode: 0o600 });
    await using keyed = await openNode('keyed', {
      streams: [SECRET],
      extra: ['--encryption-key-file', keyFile],
    });
    const storage = await storageOf(1);
    const batch = new BatchBuilder(NEWEST).set(SECRET, bytes('who'), bytes('only us')).build();
    const cipher = await newCipher({ key: ENCRYPTION_KEY });
    await storage.upload(encryptedSource(bytesSource(batch.bytes), cipher), {
      tags: bytesToHex(batch.tags),
      skipIfFinalized: false,
    });
    const kv = await kvOf(1, SECRET, String(keyed.ready.url));
    await kv.set(bytes('plain'), bytes('too'));
    expect(text(await kv.get(bytes('who')))).toBe('only us');
    expect(text(await kv.get(bytes('plain')))).toBe('too');
  });

  it('waits for a batch that nobody has, and skips it only when told to', async () => {
    const storage = await storageOf(1);
    const lost = new BatchBuilder().set(SHARED, bytes('lost'), patternBytes(777, 9)).build();
    const tree = await hashSource(storage.kernels, bytesSource(lost.bytes));
    const writer = await storage.writer();
    const { seqs } = await writer.submit([
      { size: lost.bytes.length, nodes: tree.submissionNodes, tags: bytesToHex(lost.tags) },
    ]);
    const seq = seqs[0]!;
    await using hasty = await openNode('hasty', { extra: ['--max-download-retries', '2'] });
    const hastyUrl = String(hasty.ready.url);
    await waitFor(
      async () => (await call(hastyUrl, 'kv_getTransactionResult', [seq])) ?? undefined,
      {
        timeoutMs: 30_000,
        what: 'the node to give up',
      },
    );
    expect(await call(hastyUrl, 'kv_getTransactionResult', [seq])).toBe('DownloadFailed');
    expect(await call(url, 'kv_getReplayProgress')).toMatchObject({ appliedSeq: seq });
    expect(await call(url, 'kv_getBlocked')).toMatchObject({ seq });
    await storage.upload(bytesSource(lost.bytes), { tree, txSeq: seq });
    expect(await resultOf(seq)).toBe('Commit');
  });
});

async function metric(name: string): Promise<number> {
  const body = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(body)?.[1] ?? 0);
}

/** The approval that `Flow` asks before it takes another account as submitter. */
async function approve(
  wallet: ReturnType<typeof createWalletClient>,
  caller: Address,
): Promise<void> {
  const hash = await wallet.writeContract({
    address: chain.deployment.contracts.flow,
    abi: flowAbi,
    functionName: 'approveSubmitter',
    args: [caller, true],
    chain: null,
    account: wallet.account!,
  } as unknown as Parameters<typeof wallet.writeContract>[0]);
  expect(hash).toMatch(/^0x/);
}

// Last, as it adds a stream to the node: roots over all streams compare only between nodes that watch the same.
describe('cairn kv', () => {
  const owned = stream(0xc11);
  const run = (...args: string[]): Promise<CliResult> =>
    cairn(undefined, ['kv', ...args, ...network(), '--json']);
  const network = (): string[] => [
    ...['--kv', url, '--stream', owned, '--rpc', chain.rpcUrl, '--key-file', join(dir, 'cli.key')],
    ...storageUrls.flatMap((at) => ['--node', at]),
  ];
  /** What an action printed; it must have ended well. */
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stderr, json: printed } = await run(...args);
    expect(stderr).toBe('');
    expect(code).toBe(EXIT_CODES.ok);
    return printed;
  };

  it('adds a stream, writes, reads, lists, remembers, watches, and gives and takes roles', async () => {
    const writer = addressOf(5);
    writeFileSync(join(dir, 'cli.key'), `${chain.accounts[4]!.privateKey}\n`, { mode: 0o600 });
    writeFileSync(join(dir, 'value.bin'), patternBytes(100_000, 3));

    expect(await json('add-stream')).toMatchObject({ streamId: owned, watched: true });
    const first = await json('set', 'greeting', 'hello');
    expect(first).toMatchObject({ result: 'Commit', streamId: owned });
    const second = await json('set', 'greeting', 'hello again');
    await json('set', '0x00ff', '--file', join(dir, 'value.bin'));
    const gone = await json('set', 'gone', 'soon');
    const deleted = await json('del', 'gone');
    await json('grant', 'writer', writer);

    const [now, before, file, missing, list, history, granted, status] = await Promise.all([
      json('get', 'greeting'),
      json('get', 'greeting', '--version', String(first.txSeq)),
      json('get', '0x00ff'),
      run('get', 'gone'),
      json('list', 'gre'),
      json('history', 'gone'),
      json('roles', writer, 'greeting'),
      json('status'),
    ]);
    expect(now).toMatchObject({ value: 'hello again', size: 11, version: second.txSeq });
    expect(before).toMatchObject({ value: 'hello', version: first.txSeq });
    expect(new Uint8Array(Buffer.from(String(file.base64), 'base64'))).toEqual(
      patternBytes(100_000, 3),
    );
    expect(missing.code).toBe(EXIT_CODES.notFound);
    expect(list.entries).toEqual([
      { key: 'greeting', value: 'hello again', size: 11, version: second.txSeq },
    ]);
    expect(history.versions).toEqual([
      { version: deleted.txSeq, size: 0 },
      { version: gone.txSeq, size: 4 },
    ]);
    expect(granted).toMatchObject({ isAdmin: false, isWriter: true, mayWrite: true });
    expect(status).toMatchObject({ url, streams: expect.arrayContaining([owned]) });

    await json('revoke', 'writer', writer);
    const [roles, watched] = await Promise.all([
      json('roles', writer),
      cairn(undefined, ['kv', 'watch', '--from', String(second.txSeq), ...network(), '--json'], {
        // It ends when it is told to: after the deletion, which is not the first thing that it says.
        onStart: (child, signalAll) => {
          let said = '';
          child.stdout?.on('data', (part: Buffer) => {
            said += part.toString();
            if (said.includes('"size":0')) signalAll('SIGINT');
          });
        },
      }),
    ]);
    expect(roles).toMatchObject({ isAdmin: false, isWriter: false });
    const events = watched.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(events[0]).toEqual({
      txSeq: second.txSeq,
      sender: addressOf(4).toLowerCase(),
      changes: [{ key: 'greeting', size: 11 }],
    });
    expect(events).toContainEqual(
      expect.objectContaining({ txSeq: deleted.txSeq, changes: [{ key: 'gone', size: 0 }] }),
    );
  });

  it('says what is wrong with a call', async () => {
    const [action, count, role, both, number] = await Promise.all([
      run('frobnicate'),
      run('get'),
      run('grant', 'king', addressOf(5)),
      run('set', 'key', 'value', '--file', join(dir, 'value.bin')),
      run('list', '--limit', 'many'),
    ]);
    for (const { code } of [action, count, role, both, number]) expect(code).toBe(EXIT_CODES.usage);
  });
});
