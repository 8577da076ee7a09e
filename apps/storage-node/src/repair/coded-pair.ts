import {
  type CodedFile,
  type CodedFileKind,
  type CodedFileLayout,
  codedFileLayout,
  fragmentOfData,
  fragmentOfParity,
  type StripeCode,
} from '@cairn/erasure';
import { PARITIES_MAX } from '@cairn/protocol';
import type { NodeDatabase } from '../store/node-database.ts';
import type { ParityEntry } from '../store/parity-table.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

/** A file and a submission that says it is its parity, both on the chain. */
export type CodedPair = { layout: CodedFileLayout } & Record<CodedFileKind, StoredSubmission>;

/** Pairs that a file is in, as data or as parity; the likeliest to be true first, 8 at most. */
export function pairsOf(database: NodeDatabase, file: StoredSubmission): CodedPair[] {
  const { submissions, parity } = database;
  const asData = (entry: ParityEntry): CodedPair[] => {
    const other = submissions.bySeq(entry.seq);
    return other ? pair(entry, file, other) : [];
  };
  const own = parity.bySeq(file.seq);
  const asParity = own
    ? submissions.allByRoot(own.descriptor.dataRoot).flatMap((data) => pair(own, data, file))
    : [];
  return [...asParity, ...parity.of(file.root, PARITIES_MAX).flatMap(asData)].slice(
    0,
    PARITIES_MAX,
  );
}

function pair(entry: ParityEntry, data: StoredSubmission, parity: StoredSubmission): CodedPair[] {
  const { dataBytes, code } = entry.descriptor;
  if (data.size !== dataBytes || data.state === STATE.pruned || parity.state === STATE.pruned)
    return [];
  return [{ layout: codedFileLayout(dataBytes, code), data, parity }];
}

/** The pair in the words of libs/erasure. */
export function codedFileOf({ layout, data, parity }: CodedPair): CodedFile {
  return { layout, data, parity };
}

/** Positions in a stripe that a file's segments are, by stripe; `unused`: parity segments that no stripe has. */
export function groupByStripe(
  layout: CodedFileLayout,
  missing: Record<CodedFileKind, Iterable<number>>,
): { stripes: Map<number, number[]>; unused: number[] } {
  const stripes = new Map<number, number[]>();
  const unused: number[] = [];
  const add = ({ stripe, position }: { stripe: number; position: number }): void => {
    const positions = stripes.get(stripe);
    if (positions) positions.push(position);
    else stripes.set(stripe, [position]);
  };
  for (const index of missing.data) add(fragmentOfData(layout, index));
  for (const index of missing.parity) {
    const fragment = fragmentOfParity(layout, index);
    if (fragment) add(fragment);
    else unused.push(index);
  }
  return { stripes, unused };
}

/**
 * Fragments of a stripe at which it is repaired soon: below that the next losses may be one too many, above it one read of 16
 * rebuilds too little. 22 of 32, 19 of 24.
 */
export const lazyThreshold = (code: StripeCode): number => (code === 32 ? 22 : 19);
