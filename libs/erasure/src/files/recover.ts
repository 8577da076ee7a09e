/*
 * Rebuilding segments of a coded file out of what others still have (spec/storage-erasure.md section 5).
 *
 * Fragments come verified against the roots of their files. What is rebuilt from them is hashed and proven against the root of
 * its own file before anybody gets it: parity is only its uploader's claim, and a rebuilt segment needs siblings to be stored or
 * passed on. Reads 16 segments for all that is missing of a stripe together; holds those, their copy in rows and the result.
 */
import { hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import {
  PartialFileTree,
  type SubmissionNode,
  segmentDataBytes,
  segmentLeafCount,
} from '@cairn/merkle';
import { erasureError } from '../errors.ts';
import {
  type CodedFileLayout,
  FRAGMENT_BYTES,
  fragmentPlace,
  STRIPE_DATA,
  unusedParity,
  WINDOW_SEGMENTS,
} from './layout.ts';
import { rebuildFragments } from './stripe.ts';

/** Which of the two files of a coded one. */
export type CodedFileKind = 'data' | 'parity';

/** A segment with what proves its place; `data` is whole sectors, siblings bottom-up, 32 bytes each. */
export type ProvenSegment = {
  index: number;
  data: Uint8Array;
  segmentRoot: Uint8Array;
  siblings: Uint8Array;
};

/** Where fragments come from: nodes over HTTP, peers, the own disk. */
export interface FragmentSource {
  /** Whether the segment can probably be had. */
  has(kind: CodedFileKind, index: number): boolean;
  /** The segments that could be had, each verified against the root of its file; fewer when nobody gives some. */
  fetch(
    kind: CodedFileKind,
    indexes: readonly number[],
    signal: AbortSignal,
  ): Promise<readonly ProvenSegment[]>;
}

export type CodedFile = {
  layout: CodedFileLayout;
  /** `nodes`: those of the submission, if known. They prove a last stripe that has lost all of its data. */
  data: { root: string; size: number; nodes?: readonly SubmissionNode[] | undefined };
  parity: { root: string; size: number; nodes?: readonly SubmissionNode[] | undefined };
};
export type RecoverDeps = {
  kernels: Kernels;
  source: FragmentSource;
  /** Root of a segment over `leafCount` leaves, in a worker thread perhaps. */
  segmentRoot(data: Uint8Array, leafCount: number, signal: AbortSignal): Promise<Uint8Array>;
};
/** Segments of one stripe, by their index in their file. */
export type StripeSegments = Record<CodedFileKind, readonly ProvenSegment[]>;

/**
 * Rebuilds `wanted` segments of a stripe. Fetches as many fragments as `given` is short of 16, data before parity. Throws
 * `ERASURE_TOO_FEW_ROWS`, `ERASURE_UNPROVEN` (both not_ready), `ERASURE_PARITY` (invalid), and what the source throws.
 */
export async function recoverStripe(
  deps: RecoverDeps,
  file: CodedFile,
  job: {
    stripe: number;
    /** Positions in the stripe to rebuild; the source is not asked for them. */
    wanted: readonly number[];
    /** Data segments of the stripe that the caller has, verified. */
    given?: readonly ProvenSegment[] | undefined;
    signal: AbortSignal;
  },
): Promise<StripeSegments> {
  const { stripe, wanted, given = [], signal } = job;
  const { layout } = file;
  const known = { data: [...given], parity: [] as ProvenSegment[] };
  const present = new Map<number, Uint8Array>();
  for (const { index, data } of given) present.set(index - STRIPE_DATA * stripe, data);
  let zeros = 0;
  const spare: number[] = [];
  for (let position = 0; position < layout.code; position++) {
    const place = fragmentPlace(layout, { stripe, position });
    if (place.kind === 'zero') zeros++;
    else if (!wanted.includes(position) && !present.has(position)) {
      if (deps.source.has(place.kind, place.segmentIndex)) spare.push(position);
    }
  }
  const needed = STRIPE_DATA - zeros;
  const fetch = async (positions: readonly number[]): Promise<void> => {
    const byKind = { data: new Map<number, number>(), parity: new Map<number, number>() };
    for (const position of positions) {
      const place = fragmentPlace(layout, { stripe, position });
      if (place.kind !== 'zero') byKind[place.kind].set(place.segmentIndex, position);
    }
    const kinds = (['data', 'parity'] as const).filter((kind) => byKind[kind].size > 0);
    await Promise.all(
      kinds.map(async (kind) => {
        for (const segment of await deps.source.fetch(kind, [...byKind[kind].keys()], signal)) {
          known[kind].push(segment);
          const position = byKind[kind].get(segment.index);
          if (position !== undefined) present.set(position, segment.data);
        }
      }),
    );
  };
  while (present.size < needed && spare.length > 0)
    await fetch(spare.splice(0, needed - present.size));
  const { galois } = deps.kernels;
  /** Rebuilt fragments of one of the files, by their index in it. */
  const rebuild = (positions: readonly number[], kind: CodedFileKind): Map<number, Uint8Array> => {
    const out = new Map<number, Uint8Array>();
    const places = positions.map((position) => fragmentPlace(layout, { stripe, position }));
    const mine = positions.filter((_, i) => places[i]!.kind === kind);
    const rows = rebuildFragments(galois, layout, { stripe, present, wanted: mine });
    for (const [i, position] of mine.entries()) {
      const place = fragmentPlace(layout, { stripe, position });
      if (place.kind === 'zero') continue;
      const bytes = segmentDataBytes(file[kind].size, place.segmentIndex);
      out.set(place.segmentIndex, rows[i]!.subarray(0, bytes));
    }
    return out;
  };
  const prove = async (kind: CodedFileKind): Promise<ProvenSegment[]> => {
    const lost = rebuild(wanted, kind);
    // What others lost of the stripe: only its hashes are of use, and only when nobody's proof has them.
    const others = (): Map<number, Uint8Array> => {
      const rest = Array.from({ length: layout.code }, (_, position) => position).filter(
        (position) => !present.has(position) && !wanted.includes(position),
      );
      return rebuild(rest, kind);
    };
    return proveLost(deps, file, kind, { lost, others, known: known[kind] }, signal);
  };
  return { data: await prove('data'), parity: await prove('parity') };
}

/**
 * Segments of a parity file that no stripe uses: zeros at the end of a (16,24) file with an odd number of windows. Known without
 * reading any, but for hashes around them.
 */
export function recoverUnused(
  deps: RecoverDeps,
  file: CodedFile,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<ProvenSegment[]> {
  const zeros = new Uint8Array(FRAGMENT_BYTES);
  const all = unusedParity(file.layout);
  const mapOf = (some: readonly number[]): Map<number, Uint8Array> =>
    new Map(some.map((index) => [index, zeros]));
  const rest = all.filter((index) => !indexes.includes(index));
  const found = { lost: mapOf(indexes), others: () => mapOf(rest), known: [] };
  return proveLost(deps, file, 'parity', found, signal);
}

type Rebuilt = {
  lost: ReadonlyMap<number, Uint8Array>;
  /** What else of the stripe is not known. */
  others: () => ReadonlyMap<number, Uint8Array>;
  known: readonly ProvenSegment[];
};

/** Siblings come from what was fetched; else from hashes of all that is rebuilt; else from any other segment of the window. */
async function proveLost(
  deps: RecoverDeps,
  file: CodedFile,
  kind: CodedFileKind,
  { lost, others, known }: Rebuilt,
  signal: AbortSignal,
): Promise<ProvenSegment[]> {
  const [some] = lost.keys();
  if (some === undefined) return [];
  const { root, size, nodes } = file[kind];
  const tree = new PartialFileTree(deps.kernels, { size, root: hexToBytes(root) });
  if (nodes) tree.learnSubmission(nodes);
  for (const segment of known) tree.learn(segment);
  const roots = new Map<number, Uint8Array>();
  const hash = async (segments: ReadonlyMap<number, Uint8Array>): Promise<void> => {
    for (const [index, data] of segments)
      roots.set(index, await deps.segmentRoot(data, segmentLeafCount(size, index), signal));
  };
  const finish = (siblings: ReadonlyMap<number, Uint8Array>): ProvenSegment[] =>
    [...lost].map(([index, data]) => ({
      index,
      data,
      segmentRoot: roots.get(index)!,
      siblings: siblings.get(index)!,
    }));
  await hash(lost);
  let siblings = proven(tree, roots, lost.keys());
  if (siblings) return finish(siblings);
  await hash(others());
  siblings = proven(tree, roots, lost.keys());
  if (siblings) return finish(siblings);
  const first = WINDOW_SEGMENTS * Math.floor(some / WINDOW_SEGMENTS);
  const end = Math.min(Math.ceil(size / FRAGMENT_BYTES), first + WINDOW_SEGMENTS);
  // The nearest in the tree first: its path has the hash that is missing.
  const window = Array.from({ length: end - first }, (_, i) => first + i);
  for (const index of window.toSorted((a, b) => (a ^ some) - (b ^ some))) {
    if (roots.has(index) || !deps.source.has(kind, index)) continue;
    for (const segment of await deps.source.fetch(kind, [index], signal)) tree.learn(segment);
    siblings = proven(tree, roots, lost.keys());
    if (siblings) return finish(siblings);
  }
  const message = `nobody gives hashes around segment ${some} of ${root}`;
  throw erasureError('ERASURE_UNPROVEN', message, { index: some });
}

function proven(
  tree: PartialFileTree,
  roots: ReadonlyMap<number, Uint8Array>,
  indexes: Iterable<number>,
): Map<number, Uint8Array> | undefined {
  try {
    return tree.prove(roots, indexes);
  } catch (cause) {
    throw erasureError('ERASURE_PARITY', 'the parity is not that of the file', {
      cause: cause instanceof Error ? cause.message : String(cause),
    });
  }
}
