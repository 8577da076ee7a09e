// Rows are checked in threads as they are in this one; every lie is named, and lies do not outlive their job.
import { createHash } from 'node:crypto';
import { type Address, type Hash32, parseAddress, parseHash32, seededRandom } from '@cairn/base';
import { BlobAssignment, type DaEpoch } from '@cairn/chain/da';
import { certifyRows, DA_SHAPES, type EncodedBlob, encodeBlob } from '@cairn/erasure';
import { loadNodeKernels } from '@cairn/kernels/node';
import fc from 'fast-check';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { CheckerBySize } from '../src/check/by-size.ts';
import { ThreadedChecker } from '../src/check/checker.ts';
import { type CheckJob, runCheck } from '../src/check/job.ts';

const { kernels } = await loadNodeKernels('wasm');
const FORMAT = { version: 0x11 as const, shape: DA_SHAPES[0] };
const hash = (text: string): Hash32 =>
  parseHash32(`0x${createHash('sha256').update(text).digest('hex')}`);
const address = (n: number): Address => parseAddress(`0x${n.toString(16).padStart(40, '0')}`);

const WEIGHTS = [1000, 700, 500, 400, 250, 100, 50];
const TOTAL = 3000;
const epoch: DaEpoch = {
  ...{ epoch: 1, seed: hash('seed'), mix: hash('mix') },
  quorums: [
    {
      ...{ epoch: 1, quorum: 0, totalWeight: TOTAL, isOpen: true },
      members: WEIGHTS.map((weight, index) => ({
        ...{ index, weight, operator: address(index + 1), record: address(index + 100) },
        ...{ publicKey: new Uint8Array(128), endpoint: '127.0.0.1:1' },
        weightBefore: WEIGHTS.slice(0, index).reduce((sum, one) => sum + one, 0),
      })),
    },
  ],
};
const entrance = { chainId: 1, contract: address(7) };

/** What member `index` is sent of a blob, as its node reads it. */
function jobFor(blob: EncodedBlob, index: number): CheckJob {
  const quorum = epoch.quorums[0]!;
  const header = {
    shape: 0,
    commitment: parseHash32(`0x${Buffer.from(blob.commitment).toString('hex')}`),
  };
  const { custody, assigned } = new BlobAssignment(entrance, epoch, quorum, header).rowsOf(
    quorum.members[index]!,
  );
  const { siblings, rowRoot, rlc, rows } = blob.shard(assigned);
  const { commitment, format } = blob;
  return { ...{ format, commitment, assigned, custody, siblings, rowRoot, rlc }, rows };
}
const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

const honest = encodeBlob(kernels, seededRandom(5).bytes(50_000), FORMAT);
const checker = new ThreadedChecker({ threads: 1, backend: 'wasm' });
afterAll(() => checker.close());

describe('a checking thread', () => {
  it('gives back each custody row with its path', async () => {
    const job = jobFor(honest, 3);
    const checked = await checker.check(job);
    expect(job.rows.length).toBe(0); // moved, not copied
    for (const row of job.custody) {
      const { row: bytes, path } = checked.rowWithPath(row);
      expect(Buffer.from(bytes).equals(honest.row(row))).toBe(true);
      expect(Buffer.from(path).equals(honest.rowProof(row).path)).toBe(true);
    }
  });

  it.each<[string, (job: CheckJob) => CheckJob, string]>([
    ['a changed row', (job) => ({ ...job, rows: flipped(job.rows, 777) }), 'ERASURE_ROW_RLC'],
    [
      'a changed sibling',
      (job) => ({ ...job, siblings: flipped(job.siblings, 40) }),
      'ERASURE_MULTIPROOF',
    ],
    ['changed combinations', (job) => ({ ...job, rlc: flipped(job.rlc, 3) }), 'ERASURE_COMMITMENT'],
    [
      'a short proof',
      (job) => ({ ...job, siblings: job.siblings.slice(32) }),
      'ERASURE_PROOF_LENGTH',
    ],
    ['a row too few', (job) => ({ ...job, rows: job.rows.slice(64) }), 'ERASURE_ROW_LENGTH'],
  ])('names %s and takes the next job', async (_what, lie, code) => {
    await expect(checker.check(lie(jobFor(honest, 2)))).rejects.toMatchObject({
      code,
      kind: 'invalid',
    });
    await checker.check(jobFor(honest, 2));
  });

  it('names a right row of another blob, and the rows of another member', async () => {
    const other = encodeBlob(kernels, seededRandom(6).bytes(50_000), FORMAT);
    const mine = jobFor(honest, 2);
    const { rows } = other.shard(mine.assigned);
    await expect(checker.check({ ...mine, rows })).rejects.toMatchObject({
      code: 'ERASURE_ROW_RLC',
      details: { committed: false },
    });
    const shifted = mine.assigned.map((row) => (row + 1) % 4096).sort((a, b) => a - b);
    const wrong = honest.shard(shifted);
    await expect(
      checker.check({ ...mine, rows: wrong.rows, siblings: wrong.siblings }),
    ).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('ends when there is nothing to do and is started again', async () => {
    const lazy = new ThreadedChecker({ threads: 2, backend: 'wasm', idleMs: 1 });
    onTestFinished(() => lazy.close());
    expect(lazy.threads).toBe(0);
    for (let round = 0; round < 2; round++) {
      await lazy.check(jobFor(honest, 6));
      await expect.poll(() => lazy.threads, { timeout: 5000 }).toBe(0);
    }
  });

  it('refuses beyond its queue and when closed', async () => {
    const small = new ThreadedChecker({ threads: 1, backend: 'wasm', queueMax: 1 });
    onTestFinished(() => small.close());
    const first = small.check(jobFor(honest, 6));
    const second = small.check(jobFor(honest, 6));
    await expect(small.check(jobFor(honest, 6))).rejects.toMatchObject({ code: 'DA_CHECK_BUSY' });
    await first;
    await small.close();
    await expect(second).rejects.toMatchObject({ code: 'DA_CHECKER_CLOSED' });
    await expect(small.check(jobFor(honest, 6))).rejects.toMatchObject({
      code: 'DA_CHECKER_CLOSED',
    });
  });
});

describe('an encoder that lies about parity', () => {
  /** A blob whose row tree holds other parity rows than the code gives; everything else follows from it honestly. */
  function lieAbout(rows: ReadonlySet<number>, seed: number): EncodedBlob {
    const random = seededRandom(seed);
    const bytes = new Uint8Array(honest.rows);
    const { rowBytes } = honest.format;
    for (const row of rows) {
      const at = row * rowBytes + Math.floor(random.next() * rowBytes);
      bytes[at]! ^= 1 + Math.floor(random.next() * 255);
    }
    return certifyRows(kernels, honest.format, bytes);
  }
  const outcomes = (blob: EncodedBlob): { code: string | undefined; sees: number[] }[] =>
    WEIGHTS.map((_, index) => {
      const job = jobFor(blob, index);
      return { code: codeOf(() => runCheck(kernels, job)), sees: [...job.assigned] };
    });

  it('is refused by every member when it could cost the blob, whatever rows it changed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0.375, max: 0.75, noNaN: true }), (seed, part) => {
        const random = seededRandom(seed + 1);
        const rows = new Set<number>();
        while (rows.size < part * 4096) rows.add(1024 + Math.floor(random.next() * 3072));
        for (const { code } of outcomes(lieAbout(rows, seed))) expect(code).toBe('ERASURE_ROW_RLC');
      }),
      { numRuns: 8 },
    );
  });

  it('about few rows is refused by exactly the members that see one of them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1024, max: 4095 }), { minLength: 1, maxLength: 6 }),
        fc.nat(),
        (rows, seed) => {
          const bad = new Set(rows);
          for (const { code, sees } of outcomes(lieAbout(bad, seed)))
            expect(code).toBe(sees.some((row) => bad.has(row)) ? 'ERASURE_ROW_RLC' : undefined);
        },
      ),
      { numRuns: 12 },
    );
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[at]! ^= 1;
  return copy;
}

describe('a job', () => {
  it('is checked where it arrived when it is short, and by a thread when it is long', async () => {
    const threads = new ThreadedChecker({ threads: 1, backend: 'wasm' });
    onTestFinished(() => threads.close());
    const bySize = new CheckerBySize({ kernels, threads });
    const short = await bySize.check(jobFor(honest, 0));
    expect(threads.threads).toBe(0);
    const row = jobFor(honest, 0).custody[3]!;
    expect(Buffer.from(short.rowWithPath(row).row).equals(honest.row(row))).toBe(true);
    const bad = jobFor(honest, 0);
    await expect(bySize.check({ ...bad, rows: flipped(bad.rows, 777) })).rejects.toMatchObject({
      code: 'ERASURE_ROW_RLC',
    });
    const blob = encodeBlob(kernels, seededRandom(6).bytes(1_000_000), FORMAT);
    await bySize.check(jobFor(blob, 0)); // a third of 4 MB
    expect(threads.threads).toBe(1);
  });
});
