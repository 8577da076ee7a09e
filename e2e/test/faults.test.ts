import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFlowWriter } from '@cairn/chain';
import { loadKernels } from '@cairn/kernels';
import { fileTreeOfBytes } from '@cairn/merkle';
import { BytesSink, bytesSource, type UploadSource } from '@cairn/sdk';
import { patternBytes, waitFor } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cairn } from '../src/devnet.ts';
import { startNetwork, type TestNetwork } from '../src/network.ts';
import { type FaultyNode, startFaultyNode } from '../src/proxy.ts';

const MIB = 1024 * 1024;
let network: TestNetwork;
beforeAll(async () => {
  network = await startNetwork([
    [0, 1],
    [0, 1],
    [0, 2],
    [1, 2],
  ]);
});
afterAll(() => network?.[Symbol.asyncDispose]());

let seed = 0;
/** Bytes that no other test stored. */
const freshBytes = (size: number): Uint8Array => patternBytes(size, ++seed);
const url = (index: number): string => network.nodes[index]!.url;

async function readBack(urls: readonly string[], root: string, size: number): Promise<Uint8Array> {
  const sink = new BytesSink(size);
  await (await network.client(urls)).download(root, sink);
  return sink.bytes;
}

/** A source that stops giving bytes in the middle of sending until it is released. */
function gatedSource(bytes: Uint8Array): {
  source: UploadSource;
  sending: () => void;
  reached: Promise<void>;
  release: () => void;
} {
  const [gate, reached] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isSending = false;
  return {
    source: {
      size: bytes.length,
      async read(start, end) {
        if (isSending && start > bytes.length / 2) {
          reached.resolve();
          await gate.promise;
        }
        return bytes.subarray(start, end);
      },
    },
    sending: () => {
      isSending = true;
    },
    reached: reached.promise,
    release: gate.resolve,
  };
}

describe('nodes that die', () => {
  it('in the middle of an upload: others take their part', async () => {
    const bytes = freshBytes(40 * MIB);
    const { source, sending, reached, release } = gatedSource(bytes);
    const upload = (await network.client()).upload(source, {
      replicas: 2,
      onProgress: ({ phase }) => phase === 'submit' && sending(),
    });
    upload.catch(() => {}); // awaited below
    await reached;
    await network.nodes[0]!.process.stop('SIGKILL');
    release();
    const result = await upload;
    expect(result.nodes).not.toContain(url(0));
    const rest = [url(1), url(2), url(3)];
    expect(Buffer.from(bytes).equals(await readBack(rest, result.root, bytes.length))).toBe(true);
    await network.restart(0);
  });

  it('in the middle of a download: others serve the rest, also shard by shard', async () => {
    const bytes = freshBytes(40 * MIB);
    const { root } = await (await network.client()).upload(bytesSource(bytes), { replicas: 2 });
    await (await network.client([url(2), url(3)])).upload(bytesSource(bytes), { replicas: 1 });
    const sink = new BytesSink(bytes.length);
    let isKilled = false;
    const result = await (await network.client()).download(root, sink, {
      onProgress: ({ bytes: done }) => {
        if (isKilled || done < bytes.length / 3) return;
        isKilled = true;
        process.kill(network.nodes[0]!.process.pid, 'SIGKILL');
      },
    });
    expect(isKilled).toBe(true);
    expect(result.nodes.length).toBeGreaterThan(1);
    expect(Buffer.from(bytes).equals(sink.bytes)).toBe(true);
    await network.nodes[0]!.process.stop();
    await network.restart(0);
    expect(Buffer.from(bytes).equals(await readBack([url(0)], root, bytes.length))).toBe(true);
  });
});

describe('nodes that misbehave', () => {
  let faulty: FaultyNode;
  let root: string;
  const bytes = patternBytes(12 * MIB + 5, 200);
  beforeAll(async () => {
    const client = await network.client([url(0), url(1)]);
    root = (await client.upload(bytesSource(bytes), { replicas: 2 })).root;
    faulty = await startFaultyNode(url(0));
  });
  afterAll(() => faulty?.[Symbol.asyncDispose]());

  it.each(['lies', 'silent', 'cuts'] as const)(
    '%s: the bytes come from an honest one',
    async (fault) => {
      faulty.set(fault);
      const before = faulty.spoiled;
      const sink = new BytesSink(bytes.length);
      const client = await network.client([faulty.url, url(1)]);
      const result = await client.download(root, sink, { requestTimeoutMs: 2000 });
      expect(faulty.spoiled).toBeGreaterThan(before);
      expect(result.dropped.map((entry) => entry.url)).toEqual([faulty.url]);
      expect(result.nodes).toEqual([url(1)]);
      expect(Buffer.from(bytes).equals(sink.bytes)).toBe(true);
    },
  );

  it('one that lies alone is found out, with an exit code of its own, and nothing is left behind', async () => {
    faulty.set('lies');
    const output = join(network.dir, 'lie.bin');
    const result = await cairn(undefined, [
      'get',
      root,
      '-o',
      output,
      '--node',
      faulty.url,
      '--rpc',
      network.chain.rpcUrl,
    ]);
    expect(result.code, result.stderr).toBe(6);
    expect(result.stderr).toContain('gave wrong bytes');
    expect(readdirSync(network.dir)).not.toContain('lie.bin');
  });
});

describe('a chain that is reorganized with uploads in flight', () => {
  const { promise: kernels, resolve } =
    Promise.withResolvers<Awaited<ReturnType<typeof loadKernels>>>();
  loadKernels().then(resolve, () => {});

  /** Uploads, reorganizes in the middle of sending, and reads back. */
  async function across(depth: number, during: () => Promise<void>): Promise<string[]> {
    const bytes = freshBytes(6 * MIB + depth);
    const { source, sending, reached, release } = gatedSource(bytes);
    const client = await network.client([url(0), url(1)]);
    const txs: string[] = [];
    const upload = client.upload(source, {
      replicas: 2,
      state: {
        load: async () => undefined,
        save: async (state) => {
          if (state.txHash && txs.at(-1) !== state.txHash) txs.push(state.txHash);
        },
        clear: async () => {},
      },
      onProgress: ({ phase }) => phase === 'submit' && sending(),
    });
    upload.catch(() => {}); // awaited below
    await reached;
    await network.chain.mine(depth - 1);
    await network.chain.rpc('anvil_reorg', [depth, []]);
    await during();
    release();
    const result = await upload;
    expect(result.root).toBe(fileTreeOfBytes(await kernels, bytes).root);
    expect(Buffer.from(bytes).equals(await readBack([url(1)], result.root, bytes.length))).toBe(
      true,
    );
    const info = await client.stat(result.root);
    expect(info.nodes.every((node) => node.finalized)).toBe(true);
    return txs;
  }

  it.each([1, 2, 5, 11, 20])('%d blocks deep: submitted again, stored whole', async (depth) => {
    expect(await across(depth, async () => {})).toHaveLength(2);
  });

  it.each([1, 7])('%d blocks deep, another file in its place', async (depth) => {
    const writer = createFlowWriter({
      rpcUrl: network.chain.rpcUrl,
      flow: network.chain.deployment.contracts.flow,
      privateKey: network.chain.accounts[2]!.privateKey,
    });
    const other = fileTreeOfBytes(await kernels, freshBytes(1000));
    const txs = await across(depth, async () => {
      await writer.submit([{ size: other.size, nodes: other.submissionNodes }]);
    });
    expect(txs).toHaveLength(2);
  });
});

describe('a client that is killed', () => {
  const flags = (): string[] => [
    ...['--node', url(0), '--node', url(1)],
    ...['--rpc', network.chain.rpcUrl, '--key-file', network.keyFile],
  ];
  const env = (): Record<string, string> => ({ CAIRN_HOME: join(network.dir, 'home') });
  const json = (path: string): Record<string, unknown> | undefined => {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    } catch {
      return undefined; // not written yet
    }
  };
  const segments = (ranges: unknown): number =>
    Object.values((ranges ?? {}) as Record<string, [number, number][]>).reduce(
      (sum, list) => sum + list.reduce((n, [start, end]) => n + end - start, 0),
      0,
    );
  const SIZE = 96 * MIB;
  const SEGMENTS = SIZE / 262_144;

  it('in the middle of an upload goes on: at most 5% and what was in flight travels again', async () => {
    const input = join(network.dir, 'big.bin');
    writeFileSync(input, freshBytes(SIZE));
    const uploads = join(network.dir, 'home', 'uploads');
    const first = await cairn(undefined, ['put', input, ...flags(), '--json'], {
      env: env(),
      onStart: (child, signalAll) => {
        waitFor(
          () => {
            const files = child.exitCode === null ? safeList(uploads) : ['gone'];
            const state = files.map((file) => json(join(uploads, file))).find(Boolean);
            return files[0] === 'gone' || segments(state?.acknowledged) > SEGMENTS / 2;
          },
          { timeoutMs: 60_000, what: 'half of the upload', intervalMs: 5 },
        ).then(
          () => signalAll('SIGKILL'),
          () => signalAll('SIGKILL'),
        );
      },
    });
    expect(first.code).toBe(128);
    const stored = await Promise.all(
      network.nodes.slice(0, 2).map(async ({ url: node }) => {
        const client = await network.client([node]);
        const [name] = safeList(uploads);
        return (await client.stat(String(json(join(uploads, name!))?.root))).nodes[0]!
          .uploadedSegments;
      }),
    );
    const before = stored.reduce((sum, count) => sum + count, 0) * 262_144;
    expect(before).toBeGreaterThan(0);
    const second = await cairn(undefined, ['put', input, ...flags(), '--json'], { env: env() });
    expect(second.code, second.stderr).toBe(0);
    const inFlight = 8 * 16 * 262_144;
    expect(Number(second.json.sentBytes)).toBeLessThanOrEqual(
      2 * SIZE - before + 0.05 * 2 * SIZE + inFlight,
    );
    expect(second.json.feeWei).toBe('0');
    expect(safeList(uploads)).toEqual([]);
  });

  it('in the middle of a download goes on where it was', async () => {
    const input = join(network.dir, 'big.bin');
    const put = await cairn(undefined, ['put', input, ...flags(), '--json'], { env: env() });
    const root = String(put.json.root);
    await using slow = await startFaultyNode(url(1), 'slow');
    const output = join(network.dir, 'big.out');
    const get = [
      'get',
      root,
      '-o',
      output,
      '--json',
      '--node',
      slow.url,
      '--rpc',
      network.chain.rpcUrl,
    ];
    const first = await cairn(undefined, get, {
      env: env(),
      onStart: (child, signalAll) => {
        waitFor(
          () => segments(json(`${output}.download.json`)?.parts) > 0 || child.exitCode !== null,
          { timeoutMs: 60_000, what: 'the list of a partial download', intervalMs: 5 },
        ).then(
          () => signalAll('SIGKILL'),
          () => signalAll('SIGKILL'),
        );
      },
    });
    expect(first.code).toBe(128);
    const had = segments(json(`${output}.download.json`)?.parts) * 262_144;
    slow.set('none');
    const second = await cairn(undefined, get, { env: env() });
    expect(second.code, second.stderr).toBe(0);
    expect(had).toBeGreaterThan(0);
    expect(Number(second.json.receivedBytes)).toBe(SIZE - had);
    expect(readFileSync(output).equals(readFileSync(input))).toBe(true);
    expect(readdirSync(network.dir).filter((name) => name.startsWith('big.out'))).toEqual([
      'big.out',
    ]);
  });

  it('by Ctrl-C says how to go on', async () => {
    const input = join(network.dir, 'interrupted.bin');
    writeFileSync(input, freshBytes(SIZE));
    const result = await cairn(undefined, ['put', input, ...flags()], {
      env: env(),
      onStart: (child) => {
        child.stderr?.on('data', (part: Buffer) => {
          if (part.toString().includes('send')) child.kill('SIGINT');
        });
      },
    });
    expect(result.code).toBe(130);
    expect(result.stderr).toContain('it goes on where it stopped');
  });
});

function safeList(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return []; // not made yet
  }
}
