// A node under pressure: full pools, full disks, too many writers, requests that race, reorgs in the middle of a write, and
// bytes without sense. What it acknowledged it keeps, and it serves again when the trouble is over.
import { execFileSync } from 'node:child_process';
import { mkdirSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, concatBytes } from '@cairn/base';
import { encodeFrameParts, segmentsPath } from '@cairn/protocol';
import { createNodeClient } from '@cairn/rpc';
import { type Disk, type DiskFile, nodeDisk } from '@cairn/store';
import { patternBytes, startStorageNode, temporaryFolder, waitFor } from '@cairn/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryPool } from '../src/ingest/memory-pool.ts';
import {
  finalized,
  frameOf,
  framesOf,
  jsonSegment,
  makeFile,
  rpcError,
  rpcResult,
  seen,
  startTestNetwork,
  stored,
  type TestFile,
  type TestNetwork,
} from './harness.ts';

const SEGMENT = 262_144;
let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork();
});
afterAll(() => network[Symbol.asyncDispose]());

/** The real disk with a tap: writes can be refused, syncs can be made to wait. */
class TappedDisk implements Disk {
  isFull = false;
  gate: Promise<void> | undefined;
  /** Syncs that wait at the gate. */
  waiting = 0;
  createFolder = nodeDisk.createFolder;

  async open(path: string): Promise<DiskFile> {
    const file = await nodeDisk.open(path);
    return {
      read: (into, position) => file.read(into, position),
      write: async (data, position) => {
        if (this.isFull)
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        await file.write(data, position);
      },
      datasync: async () => {
        this.waiting++;
        await this.gate;
        this.waiting--;
        await file.datasync();
      },
      truncate: (length) => file.truncate(length),
      size: () => file.size(),
      close: () => file.close(),
    };
  }

  /** Holds syncs until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gate = promise;
    return () => {
      this.gate = undefined;
      resolve();
    };
  }

  held(): Promise<unknown> {
    return waitFor(() => this.waiting > 0, { timeoutMs: 10_000, what: 'a sync that waits' });
  }
}

async function submitted(size: number, seed: number): Promise<TestFile & { seq: number }> {
  const file = makeFile(patternBytes(size, seed));
  return { ...file, seq: await network.submit(file) };
}

describe('the memory pool', () => {
  it('says how much it may hold when it is full, keeps what it has, and takes more afterwards', async () => {
    const node = await network.node({ poolBytes: SEGMENT + 1024 });
    const first = makeFile(patternBytes(SEGMENT, 1));
    const second = makeFile(patternBytes(2000, 2));
    await rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(first, 0)]);
    await rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(first, 0)]); // cached twice is fine
    const before = await stored(node);
    expect(await rpcError(node.url, 'zgs_uploadSegment', [jsonSegment(second, 0)])).toEqual({
      code: -32000,
      message: 'exceeds the maximum cached chunks of whole pool: 1028',
    });
    expect(await stored(node)).toEqual(before);
    await finalized(node.client, await network.submit(first));
    expect(await rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(second, 0)])).toBeNull();
    await node.stop();
  });

  it('forgets a file some time after its last segment came', () => {
    let now = 0;
    const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
    const pool = new MemoryPool(clock, { maxBytes: 10_000, ttlMs: 300_000 });
    const { tree } = makeFile(patternBytes(1000, 3));
    const segment = (index: number) => ({
      index,
      data: new Uint8Array(1024),
      segmentRoot: new Uint8Array(32),
      siblings: new Uint8Array(0),
    });
    pool.add(tree.root, 1000, segment(0));
    now = 299_999;
    pool.add(tree.root, 1000, segment(1)); // refreshes both
    now = 599_998;
    expect([pool.has(tree.root, 1000), pool.bytes]).toEqual([true, 2048]);
    expect(pool.has(tree.root, 999)).toBe(false);
    now = 599_999;
    expect([pool.has(tree.root, 1000), pool.bytes]).toEqual([false, 0]);
    expect(pool.take(tree.root, 1000)).toEqual([]);
  });
});

describe('writers', () => {
  it('beyond the limit are told so with the text that clients wait for', async () => {
    const disk = new TappedDisk();
    const node = await network.node({ disk, writersMax: 1, writersWaitingMax: 0 });
    const file = await submitted(2 * SEGMENT, 10);
    await seen(node.client, file.seq);
    const release = disk.hold();
    const first = rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(file, 0)]);
    await disk.held();
    const next = [[jsonSegment(file, 1)], file.seq];
    expect(await rpcError(node.url, 'zgs_uploadSegmentsByTxSeq', next)).toEqual({
      code: -32000,
      message: 'too many data writing: 1',
    });
    release();
    expect(await first).toBeNull();
    await rpcResult(node.url, 'zgs_uploadSegmentsByTxSeq', [[jsonSegment(file, 1)], file.seq]);
    await finalized(node.client, file.seq);
    await node.stop();
  });

  it('of the same segment: a skipped duplicate is answered when it is on disk, a refused one at once', async () => {
    const disk = new TappedDisk();
    const node = await network.node({ disk });
    const file = await submitted(SEGMENT, 11);
    await seen(node.client, file.seq);
    const release = disk.hold();
    const first = rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(file, 0)]);
    await disk.held();
    let isAnswered = false;
    const params = [[jsonSegment(file, 0)], file.seq];
    const second = rpcResult(node.url, 'zgs_uploadSegmentsByTxSeq', params).finally(() => {
      isAnswered = true;
    });
    expect(await rpcError(node.url, 'zgs_uploadSegment', [jsonSegment(file, 0)])).toEqual({
      code: -32000,
      message: 'segment has already been uploaded or is being uploaded',
    });
    // The refused one came later and is answered, so the skipped one would be too if it did not wait.
    expect(isAnswered).toBe(false);
    release();
    expect([await first, await second]).toEqual([null, null]);
    await node.stop();
  });
});

describe('a full disk', () => {
  it('refuses the upload, keeps what is there, and takes it when there is room again', async () => {
    const disk = new TappedDisk();
    const node = await network.node({ disk });
    const [old, fresh] = [await submitted(SEGMENT + 5, 20), await submitted(SEGMENT + 6, 21)];
    await seen(node.client, fresh.seq);
    const upload = (file: TestFile & { seq: number }): Promise<number> =>
      node.client.uploadFrames(
        file.tree.root,
        { fileSize: file.bytes.length, txSeq: file.seq },
        framesOf(file),
      );
    await upload(old);
    disk.isFull = true;
    const full = { code: -32000, message: 'no space left on the disk' };
    expect(await rpcError(node.url, 'zgs_uploadSegment', [jsonSegment(fresh, 0)])).toEqual(full);
    await expect(upload(fresh)).rejects.toMatchObject({ details: full });
    expect(await node.client.downloadFrames(old.seq, { index: 0, count: 2 })).toEqual(
      framesOf(old),
    );
    expect((await node.client.getFileInfoByTxSeq(fresh.seq))?.uploadedSegNum).toBe(0);
    disk.isFull = false;
    expect(await upload(fresh)).toBe(2);
    await finalized(node.client, fresh.seq);
    await node.stop();
  });

  const canMount = process.platform === 'linux' && process.getuid?.() === 0 && mounts();
  it.runIf(canMount)(
    'of a real file system: a process that met it goes on, also after a restart',
    { timeout: 90_000 },
    async () => {
      await using stack = new AsyncDisposableStack();
      const { path } = stack.use(await temporaryFolder());
      const small = join(path, 'small');
      mkdirSync(small);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]);
      stack.defer(() => {
        execFileSync('umount', ['-l', small]);
      });
      const folder = join(small, 'data');
      const files = await Promise.all([30, 31].map((seed) => submittedLater(seed)));
      let process = stack.use(await startStorageNode(network.chain, folder, ['--kernels', 'wasm']));
      let client = createNodeClient(String(process.ready.url));
      const [old, fresh] = files as [TestFile & { seq: number }, TestFile & { seq: number }];
      await seen(client, fresh.seq);
      const upload = (file: TestFile & { seq: number }): Promise<number> =>
        client.uploadFrames(
          file.tree.root,
          { fileSize: file.bytes.length, txSeq: file.seq },
          framesOf(file),
        );
      await upload(old);
      // Ballast takes what is left, all but a page or two.
      const ballast = join(small, 'ballast');
      const { bavail, bsize } = statfsSync(small);
      writeFileSync(ballast, new Uint8Array(Math.max(1, bavail - 8) * bsize));
      await expect(upload(fresh)).rejects.toMatchObject({
        details: { message: 'no space left on the disk' },
      });
      expect(await client.downloadFrames(old.seq, { index: 0, count: 2 })).toEqual(framesOf(old));
      unlinkSync(ballast);
      await waitFor(() => upload(fresh).catch(() => undefined), {
        timeoutMs: 10_000,
        what: 'an upload after there is room',
      });
      await finalized(client, fresh.seq);
      await process.stop('SIGKILL');
      process = stack.use(await startStorageNode(network.chain, folder, ['--kernels', 'wasm']));
      client = createNodeClient(String(process.ready.url));
      for (const file of files)
        expect(await client.downloadFrames(file.seq, { index: 0, count: 2 })).toEqual(
          framesOf(file),
        );
      await process.stop();
    },
  );

  let queue = Promise.resolve();
  /** One submission after the other: they share an account. */
  function submittedLater(seed: number): Promise<TestFile & { seq: number }> {
    const next = queue.then(() => submitted(SEGMENT + 1000, seed));
    queue = next.then(() => {});
    return next;
  }
  function mounts(): boolean {
    try {
      mkdirSync('/tmp/cairn-mount-probe', { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/tmp/cairn-mount-probe'], {
        stdio: 'ignore',
      });
      execFileSync('umount', ['/tmp/cairn-mount-probe']);
      return true;
    } catch {
      return false;
    }
  }
});

describe('any bytes', () => {
  it('on both routes of a real process are answered, and its memory stays where it was', {
    timeout: 120_000,
  }, async () => {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await temporaryFolder());
    const process = stack.use(
      await startStorageNode(network.chain, join(path, 'data'), [
        '--kernels',
        'wasm',
        '--hash-threads',
        '1',
      ]),
    );
    const url = String(process.ready.url);
    const client = createNodeClient(url);
    const file = await submitted(2 * SEGMENT + 300, 40);
    await seen(client, file.seq);
    const frame = frameOf(file, 2);
    const honest = concatBytes(...encodeFrameParts([frame]));
    const segment = jsonSegment(file, 2);

    /** Honest bytes with a few of them changed, cut off, or repeated. */
    const spoiled = fc
      .record({
        flips: fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { maxLength: 4 }),
        end: fc.oneof(fc.constant(honest.length), fc.nat(honest.length)),
        copies: fc.integer({ min: 1, max: 20 }),
      })
      .map(({ flips, end, copies }) => {
        const bytes = honest.slice(0, end);
        for (const [at, value] of flips) if (at < end) bytes[at] = value;
        return concatBytes(...Array.from({ length: copies }, () => bytes));
      });
    const anyBytes = fc.oneof(spoiled, fc.uint8Array({ maxLength: 2000 }));
    const query = fc.constantFrom(
      `fileSize=${file.bytes.length}&txSeq=${file.seq}`,
      `fileSize=${file.bytes.length}`,
      'fileSize=1',
      'fileSize=99999999999999999',
      'fileSize=-1&txSeq=x',
      '',
    );
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constant(file.seq),
      fc.constant(segment.root),
    );
    const anySegment = fc.oneof(
      fc.jsonValue(),
      fc
        .tuple(fc.constantFrom(...Object.keys(segment)), value)
        .map(([key, bad]) => ({ ...segment, [key]: bad })),
    );
    const anyCall = fc.record({
      method: fc.constantFrom(
        'zgs_uploadSegment',
        'zgs_uploadSegments',
        'zgs_uploadSegmentsByTxSeq',
        'zgs_downloadSegmentByTxSeq',
        'zgs_downloadSegmentWithProof',
        'zgs_getSectorProof',
        'zgs_getFileInfo',
        'zgs_checkFileFinalized',
        'zgs_getHashAtNodeIndex',
        'zgs_getFlowContext',
      ),
      params: fc.oneof(
        fc.array(value, { maxLength: 4 }),
        fc.tuple(anySegment, value),
        fc.tuple(fc.array(anySegment, { maxLength: 3 }), value),
        fc.jsonValue(),
      ),
      id: fc.jsonValue({ maxDepth: 0 }),
    });
    const sendFrames = async (bytes: Uint8Array, search: string): Promise<void> => {
      const target = `${url}${segmentsPath(file.tree.root)}?${search}`;
      const response = await fetch(target, { method: 'POST', body: bytes as BodyInit });
      expect([200, 400, 413]).toContain(response.status);
      await response.arrayBuffer();
    };
    const sendCall = async (call: unknown): Promise<void> => {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(call) });
      const answer = (await response.json()) as { error?: { code: number } };
      expect(response.status).toBe(200);
      // An internal error without data is what a bug looks like from outside.
      if (answer.error?.code === -32603) expect(answer.error).toHaveProperty('data');
    };
    const rounds = async (numRuns: number): Promise<void> => {
      await fc.assert(fc.asyncProperty(anyBytes, query, sendFrames), { numRuns });
      await fc.assert(fc.asyncProperty(anyCall, sendCall), { numRuns });
    };
    await rounds(60); // warm: code compiled, caches filled, heap grown
    const warm = process.peakRssBytes();
    await rounds(240);
    // Growth that follows the number of requests would show; a heap that breathes does not.
    if (warm > 0) expect(process.peakRssBytes() - warm).toBeLessThan(96 * 1024 * 1024);
    const at = { fileSize: file.bytes.length, txSeq: file.seq };
    await client.uploadFrames(file.tree.root, at, framesOf(file));
    await finalized(client, file.seq);
    expect(await client.downloadFrames(file.seq, { index: 0, count: 3 })).toEqual(framesOf(file));
  });
});
