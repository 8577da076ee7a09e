// Rebuilding out of what is left, as nodes and readers do it: real trees, fragments that come with proofs.
import { seededRandom } from '@cairn/base';
import { loadKernels, segmentRootOf } from '@cairn/kernels';
import { type FileTree, fileTreeOfBytes, segmentDataBytes } from '@cairn/merkle';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CodedFile,
  type CodedFileKind,
  codedFileLayout,
  FRAGMENT_BYTES,
  type FragmentSource,
  fragmentPlace,
  type ProvenSegment,
  parityWindows,
  type RecoverDeps,
  recoverStripe,
  recoverUnused,
  type StripeCode,
  unusedParity,
  WINDOW_SEGMENTS,
} from '../../src/index.ts';
import { faultCount, faultSeed } from '../support.ts';

const kernels = await loadKernels();
const signal = new AbortController().signal;

type Made = { bytes: Uint8Array; tree: FileTree };
type Coded = { file: CodedFile; files: Record<CodedFileKind, Made> };

/** Pieces of 64 KiB that differ: a source of megabytes that seeds repeat. */
function randomBytes(size: number, seed: number): Uint8Array {
  const out = new Uint8Array(size);
  const base = seededRandom(seed).bytes(65_536);
  for (let at = 0, i = 0; at < size; at += base.length, i++) {
    out.set(base.subarray(0, Math.min(base.length, size - at)), at);
    out[at] = i;
  }
  return out;
}

async function encode(size: number, code: StripeCode): Promise<Coded> {
  const bytes = randomBytes(size, size + code);
  const layout = codedFileLayout(size, code);
  const range = { start: 0, end: layout.paritySegments / WINDOW_SEGMENTS };
  const parityBytes = await parityWindows(kernels.galois, layout, range, (index, into) => {
    into.set(bytes.subarray(index * FRAGMENT_BYTES, (index + 1) * FRAGMENT_BYTES));
  });
  const data = { bytes, tree: fileTreeOfBytes(kernels, bytes) };
  const parity = { bytes: parityBytes, tree: fileTreeOfBytes(kernels, parityBytes) };
  const describeFile = ({ bytes: all, tree }: Made) => ({
    root: tree.root,
    size: all.length,
    nodes: tree.submissionNodes,
  });
  return {
    file: { layout, data: describeFile(data), parity: describeFile(parity) },
    files: { data, parity },
  };
}

function segmentOf({ bytes, tree }: Made, index: number): ProvenSegment {
  const data = new Uint8Array(segmentDataBytes(bytes.length, index));
  data.set(bytes.subarray(index * FRAGMENT_BYTES, index * FRAGMENT_BYTES + data.length));
  return { index, data, segmentRoot: tree.segmentRoot(index), siblings: tree.siblings(index) };
}

/** Gives what `has` says, and counts. */
function sourceOf(
  { files }: Coded,
  has: FragmentSource['has'],
): FragmentSource & { given: number } {
  const source = {
    given: 0,
    has,
    fetch: async (kind: CodedFileKind, indexes: readonly number[]) => {
      const segments = indexes.filter((i) => has(kind, i)).map((i) => segmentOf(files[kind], i));
      source.given += segments.length;
      return segments;
    },
  };
  return source;
}
const depsOf = (source: FragmentSource): RecoverDeps => ({
  kernels,
  source,
  segmentRoot: async (data, leafCount) => segmentRootOf(kernels, data, leafCount),
});
const code = async (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => (error as { code: string }).code,
  );

const MADE: readonly Coded[] = [
  await encode(33 * FRAGMENT_BYTES + 300, 32),
  await encode(33 * FRAGMENT_BYTES + 300, 24),
];

describe('recovery', () => {
  it('brings back any loss that leaves 16 fragments, with the siblings of the whole tree, and reads no more than 16', async ({
    task,
  }) => {
    Object.assign(task.meta, { faults: faultCount(40) });
    const seed = faultSeed();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1),
        fc.nat(),
        fc.infiniteStream(fc.nat()),
        fc.boolean(),
        async (which, pick, order, isShardOnly) => {
          const coded = MADE[which]!;
          const { layout } = coded.file;
          const stripe = pick % layout.stripes;
          const positions = Array.from({ length: layout.code }, (_, position) => position);
          // A shuffle; the first of it are lost, residues and all, so that the other stripes lack the same classes.
          const keys = positions.map(() => order.next().value as number);
          const shuffled = positions.toSorted((a, b) => keys[a]! - keys[b]!);
          const lost = new Set(shuffled.slice(0, 1 + (pick % (layout.code - 16))));
          const residues = new Set(
            [...lost].flatMap((position) => {
              const place = fragmentPlace(layout, { stripe, position });
              return place.kind === 'zero' ? [] : [place.segmentIndex % WINDOW_SEGMENTS];
            }),
          );
          const source = sourceOf(coded, (_, index) => !residues.has(index % WINDOW_SEGMENTS));
          const wanted = [...lost].filter(
            (position) => fragmentPlace(layout, { stripe, position }).kind !== 'zero',
          );
          const some = isShardOnly ? wanted.slice(0, 1) : wanted;
          const rebuilt = await recoverStripe(depsOf(source), coded.file, {
            stripe,
            wanted: some,
            signal,
          });
          expect(rebuilt.data.length + rebuilt.parity.length).toBe(some.length);
          for (const kind of ['data', 'parity'] as const)
            for (const segment of rebuilt[kind]) {
              const expected = segmentOf(coded.files[kind], segment.index);
              expect(Buffer.from(segment.data).equals(expected.data)).toBe(true);
              expect(Buffer.from(segment.siblings).equals(expected.siblings)).toBe(true);
            }
          // 16 to compute with, and at most one to prove each file by.
          expect(source.given).toBeLessThanOrEqual(18);
        },
      ),
      { numRuns: faultCount(40), ...(seed === undefined ? {} : { seed }) },
    );
  });

  it('fifteen fragments are too few', async () => {
    const [coded] = MADE as [Coded];
    const source = sourceOf(coded, (kind, index) =>
      kind === 'data' ? index > 0 && index < 16 : false,
    );
    const job = { stripe: 0, wanted: [0], signal };
    expect(await code(recoverStripe(depsOf(source), coded.file, job))).toBe('ERASURE_TOO_FEW_ROWS');
  });

  it('the parity of another file is noticed, also one bit of it', async () => {
    const [coded] = MADE as [Coded];
    const bytes = coded.files.parity.bytes.slice();
    bytes[20 * FRAGMENT_BYTES + 5]! ^= 1; // parity 4 of stripe 0
    const files = { ...coded.files, parity: { bytes, tree: fileTreeOfBytes(kernels, bytes) } };
    const root = files.parity.tree.root;
    const file = { ...coded.file, parity: { root, size: bytes.length } };
    const source = sourceOf({ file, files }, (kind, index) => kind === 'parity' || index >= 16);
    const job = { stripe: 0, wanted: [3], signal };
    expect(await code(recoverStripe(depsOf(source), file, job))).toBe('ERASURE_PARITY');
  });

  it('the unused zeros of a (16,24) file need nothing but hashes around them', async () => {
    const [, coded] = MADE as [Coded, Coded];
    const unused = unusedParity(coded.file.layout);
    expect(unused).toHaveLength(0);
    const odd = await encode(32 * FRAGMENT_BYTES, 24);
    const zeros = unusedParity(odd.file.layout);
    expect(zeros).toHaveLength(16);
    const source = sourceOf(odd, (kind, index) => kind === 'parity' && !zeros.includes(index));
    const rebuilt = await recoverUnused(depsOf(source), odd.file, zeros.slice(3, 5), signal);
    for (const segment of rebuilt) {
      expect(segment.data.every((byte) => byte === 0)).toBe(true);
      expect(segment.siblings).toEqual(odd.files.parity.tree.siblings(segment.index));
    }
    expect(source.given).toBe(1);
  });
});
