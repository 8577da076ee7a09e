// The life of a blob over a real queue on disk; a kill is a pipeline that is dropped and a queue file that is opened again.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, CodedError, seededRandom, silentLogger } from '@cairn/base';
import { inlineTaskRunner } from '@cairn/kernels';
import { loadNodeKernels } from '@cairn/kernels/node';
import { type Batch, decodeHeader } from '@cairn/quorum';
import { blstBls } from '@cairn/quorum/node';
import type { DispersedBlob } from '@cairn/sdk/da';
import { openDatabase } from '@cairn/store';
import { temporaryFolder, waitFor } from '@cairn/testkit';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Batcher } from '../src/pipeline/batcher.ts';
import { HeaderMaker } from '../src/pipeline/headers.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';
import { BlobQueue, type BlobState, MIGRATIONS, type QueuedBlob } from '../src/queue/blob-queue.ts';
import { ENTRANCE, MemoryEntrance, REJECT } from './memory-entrance.ts';

const { kernels } = await loadNodeKernels('wasm');
const SIGNATURE = blstBls.sign(new Uint8Array(32).fill(1), new Uint8Array(32));
const ALL = [0, 1, 2, 3];
const PAYLOAD = seededRandom(1).bytes(1000);

/** Time that never makes anybody wait. */
const clock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  sleep: async (_ms, signal) => {
    signal?.throwIfAborted();
    await new Promise(setImmediate);
  },
};

type Running = {
  queue: BlobQueue;
  pipeline: Pipeline;
  /** Members asked for a signature, by batch. */
  asked: number[][];
  /** Blobs that were given to the batcher. */
  ready: readonly string[];
  /** Where the rows of each blob that was sent lay. */
  memories: readonly ArrayBufferLike[];
  kill(): void;
};
type Faults = {
  /** Called when rows are to be stored; what it throws is how that fails. */
  onStore?: (() => void) | undefined;
  /** Members that take the rows of the n-th blob; all by default. */
  takers: number[][];
};

let dir: string;
let entrance: MemoryEntrance;
let faults: Faults;

beforeEach(async () => {
  const folder = await temporaryFolder('cairn-disperser-');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  dir = folder.path;
  entrance = new MemoryEntrance();
  faults = { takers: [] };
});

/** A disperser over the folder. `kill` leaves everything as it lies and closes the file, as a kill does. */
async function start(triesMax = 5): Promise<Running> {
  const db = openDatabase(join(dir, 'queue.db'), MIGRATIONS);
  const queue = await BlobQueue.open(db, join(dir, 'payloads'), 16);
  const { reader, sender, payer } = entrance;
  const asked: number[][] = [];
  const memories: ArrayBufferLike[] = [];
  const members = {
    async store(_place: unknown, { encoded }: DispersedBlob) {
      memories.push(encoded.rows.buffer);
      faults.onStore?.();
      return { stored: new Set(faults.takers.shift() ?? ALL), failed: [], sentBytes: 0 };
    },
    async certify(_quorum: unknown, batch: Batch, _keys: unknown, who: ReadonlySet<number>) {
      asked.push([...who]);
      return { certificate: { batch, signature: SIGNATURE, absentees: [] }, failed: [] };
    },
  };
  const log = silentLogger;
  const batcher = new Batcher({
    ...{ disperser: members, reader, sender, bls: blstBls, clock, log },
    noteAttempts: (attempts) => queue.noteAttempts(attempts),
  });
  const ready: string[] = [];
  const watched: Pick<Batcher, 'confirm'> = {
    confirm(blob, signal) {
      ready.push(blob.id);
      return batcher.confirm(blob, signal);
    },
  };
  const pipeline = new Pipeline(
    {
      ...{ queue, reader, disperser: members, batcher: watched, payer, kernels, clock, log },
      headers: new HeaderMaker({ reader, payer }),
      threads: inlineTaskRunner(kernels),
      entrance: ENTRANCE,
    },
    { parallelMax: 2, triesMax },
  );
  let isClosed = false;
  const kill = (): void => {
    if (isClosed) return;
    isClosed = true;
    void pipeline.stop(); // nobody waits for what hangs, as in a kill
    db.close();
  };
  onTestFinished(() => kill());
  return { queue, pipeline, asked, ready, memories, kill };
}

async function accept({ queue, pipeline }: Running, id = 'blob-1'): Promise<string> {
  await queue.accept(id, PAYLOAD, { unixMs: 1 });
  pipeline.start(id);
  return id;
}
const until = ({ queue }: Running, id: string, state: BlobState): Promise<QueuedBlob> =>
  waitFor(
    () => {
      const blob = queue.get(id)!;
      return blob.state === state && blob;
    },
    { timeoutMs: 10_000, what: `${id} to be ${state}` },
  );

describe('a blob', () => {
  it('is confirmed with a certificate and a lookup, and final once its block is', async () => {
    const run = await start();
    const id = await accept(run);
    const blob = await until(run, id, 'CONFIRMED');
    expect(blob.certificate).not.toBeNull();
    expect(await entrance.reader.checkCertificate(blob.lookup!)).toBe(1);
    entrance.finalizedBlock = blob.block! - 1;
    await run.pipeline.settle();
    expect(run.queue.get(id)!.state).toBe('CONFIRMED');
    entrance.finalizedBlock = blob.block!;
    await run.pipeline.settle();
    expect(run.queue.get(id)!.state).toBe('FINALIZED');
  });

  it('lies in the memory of the one before, also when its first try failed', async () => {
    const run = await start();
    const first = await accept(run);
    await until(run, first, 'CONFIRMED');
    faults.onStore = () => {
      faults.onStore = undefined;
      throw new CodedError({ code: 'TEST', kind: 'unavailable', message: 'nobody' });
    };
    await until(run, await accept(run, 'blob-2'), 'CONFIRMED');
    expect(run.memories).toHaveLength(3);
    expect(new Set(run.memories).size).toBe(1);
  });

  it('that was mined while the disperser was dead is found, with its proof, and the chain is asked before it is final', async () => {
    const first = await start();
    const sent = Promise.withResolvers<void>();
    entrance.onSend = (mine) => {
      mine();
      sent.resolve();
      return new Promise(() => {}); // the receipt never comes
    };
    const id = await accept(first);
    await sent.promise;
    first.kill();

    entrance.onSend = undefined;
    const second = await start();
    second.pipeline.resume();
    const blob = await until(second, id, 'CONFIRMED');
    expect(entrance.charged).toHaveLength(1);
    expect(blob.certificate).not.toBeNull();
    expect(await entrance.reader.checkCertificate(blob.lookup!)).toBe(1);
    const asked = entrance.verdictsAsked;
    entrance.finalizedBlock = blob.block!;
    await second.pipeline.settle();
    expect(second.queue.get(id)!.state).toBe('FINALIZED');
    expect(entrance.verdictsAsked).toBeGreaterThan(asked);
  });

  it('whose transaction was given up and came in late is charged once', async () => {
    const run = await start();
    let late: (() => void) | undefined;
    entrance.onSend = (mine) => {
      if (late) {
        late(); // the first one lands just before the second
        mine();
        return;
      }
      late = mine;
      throw new CodedError({ code: 'CHAIN_TX_LOST', kind: 'timeout', message: 'no receipt' });
    };
    const id = await accept(run);
    const blob = await until(run, id, 'CONFIRMED');
    expect(entrance.charged).toHaveLength(1);
    expect(await entrance.reader.checkCertificate(blob.lookup!)).toBe(1);
  });

  it('keeps its nonce when an epoch change asks for another header, so that only one of the two is charged', async () => {
    const first = await start();
    const sent = Promise.withResolvers<() => void>();
    entrance.onSend = (mine) => {
      sent.resolve(mine);
      return new Promise(() => {});
    };
    const id = await accept(first);
    const mineFirst = await sent.promise;
    const before = decodeHeader(first.queue.get(id)!.header!);
    first.kill();

    entrance.epochNumber++;
    entrance.onSend = (mine) => {
      mineFirst();
      mine();
    };
    const second = await start();
    second.pipeline.resume();
    const blob = await until(second, id, 'CONFIRMED');
    expect(entrance.charged).toHaveLength(1);
    const after = decodeHeader(blob.header!);
    expect(after.nonce).toBe(before.nonce);
    expect(after.epoch).toBe(before.epoch); // the one that the chain took
    expect(await entrance.reader.checkCertificate(blob.lookup!)).toBe(1);
  });

  it('whose nonce a lapsed batch has spent goes on under a new one', async () => {
    const run = await start();
    entrance.onSend = (mine) => {
      entrance.onSend = undefined;
      entrance.spend(decodeHeader(run.queue.get('blob-1')!.header!).nonce);
      mine();
    };
    const id = await accept(run);
    await until(run, id, 'CONFIRMED');
    expect(entrance.charged).toHaveLength(1);
  });

  it('is taken again with a dearer header when the price rose', async () => {
    const run = await start();
    entrance.rejectWith = REJECT.feeAboveMax;
    const fee = (): bigint => decodeHeader(run.queue.get('blob-1')!.header!).maxFee;
    let before = 0n;
    entrance.onSend = (mine) => {
      mine();
      before = fee();
      entrance.onSend = undefined;
      entrance.rejectWith = undefined;
      entrance.price = 2n;
    };
    await until(run, await accept(run), 'CONFIRMED');
    expect(fee()).toBe(2n * before);
  });

  it('whose confirmation a reorg took is dispersed again', async () => {
    const run = await start();
    const id = await accept(run);
    const { block } = await until(run, id, 'CONFIRMED');
    entrance.forget();
    entrance.finalizedBlock = block!;
    await run.pipeline.settle();
    await until(run, id, 'CONFIRMED');
    expect(entrance.charged).toHaveLength(1);
  });

  it('that the contract refuses for good fails with the reason', async () => {
    const run = await start();
    entrance.rejectWith = REJECT.version;
    const blob = await until(run, await accept(run), 'FAILED');
    expect(blob.reason).toContain('reason 1');
    expect(blob.certificate).toBeNull();
  });

  it('that too few members take ends as INSUFFICIENT_SIGNATURES after the last try', async () => {
    const run = await start(3);
    faults.onStore = () => {
      throw new CodedError({
        code: 'SDK_DA_NOT_ENOUGH_MEMBERS',
        kind: 'unavailable',
        message: '1 of 4 members took the rows',
      });
    };
    const blob = await until(run, await accept(run), 'INSUFFICIENT_SIGNATURES');
    expect(blob.reason).toContain('1 of 4');
    expect(run.queue.pending).toBe(0);
  });

  it('whose payload rotted on disk fails instead of being dispersed as something else', async () => {
    const run = await start();
    await run.queue.accept('blob-1', PAYLOAD, { unixMs: 1 });
    await rot(join(dir, 'payloads', 'blob-1.bin'));
    run.pipeline.start('blob-1');
    const blob = await until(run, 'blob-1', 'FAILED');
    expect(blob.reason).toContain('not on disk any more');
  });

  it('that is under way when the disperser stops is PROCESSING and goes on after it', async () => {
    const first = await start();
    const sent = Promise.withResolvers<void>();
    entrance.onSend = () => {
      sent.resolve();
      throw new CodedError({ code: 'CHAIN_UNREACHABLE', kind: 'unavailable', message: 'gone' });
    };
    const id = await accept(first);
    await sent.promise;
    await first.pipeline.stop();
    expect(first.queue.get(id)!.state).toBe('PROCESSING');
    first.kill();
    entrance.onSend = undefined;
    const second = await start();
    second.pipeline.resume();
    await until(second, id, 'CONFIRMED');
  });
});

describe('a batch', () => {
  it('takes what became ready while a transaction was out, and each blob its own lookup', async () => {
    const run = await start();
    const firstOut = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let transactions = 0;
    entrance.onSend = async (mine) => {
      if (++transactions === 1) {
        firstOut.resolve();
        await goOn.promise;
      }
      mine();
    };
    await accept(run, 'blob-1');
    await firstOut.promise;
    const others = await Promise.all(['blob-2', 'blob-3'].map((id) => accept(run, id)));
    await waitFor(() => run.ready.length === 3, { timeoutMs: 5000, what: 'the others to wait' });
    goOn.resolve();
    const blobs = await Promise.all(['blob-1', ...others].map((id) => until(run, id, 'CONFIRMED')));
    for (const { lookup } of blobs) expect(await entrance.reader.checkCertificate(lookup!)).toBe(1);
    expect(transactions).toBe(2);
    expect(new Set(blobs.map(({ lookup }) => Buffer.from(lookup!).toString('hex'))).size).toBe(3);
  });

  it('never mixes blobs whose common members lack two thirds of the weight', async () => {
    const run = await start();
    // Weights are 4, 3, 2, 1: each of these has 7 of 10, what they share has 4.
    faults.takers = [ALL, [0, 1], [0, 2, 3]];
    const goOn = Promise.withResolvers<void>();
    entrance.onSend = async (mine) => {
      await goOn.promise;
      mine();
    };
    const ids: string[] = [];
    for (const id of ['blob-1', 'blob-2', 'blob-3']) {
      ids.push(await accept(run, id));
      const what = `the rows of ${id} to be stored`;
      await waitFor(() => faults.takers.length === 3 - ids.length, { timeoutMs: 5000, what });
    }
    goOn.resolve();
    for (const id of ids) await until(run, id, 'CONFIRMED');
    expect(run.asked.map((who) => who.toSorted())).toEqual([ALL, [0, 1], [0, 2, 3]]);
  });
});

async function rot(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[500]! ^= 1;
  await writeFile(path, bytes);
}
