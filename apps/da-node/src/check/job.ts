/*
 * Checking one member's rows as a job: what goes to a thread and what comes back are plain values, rows and paths move without
 * being copied.
 */
import { type BlobFormat, checkShard } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';

export type CheckJob = {
  format: BlobFormat;
  commitment: Uint8Array;
  /** Rows that came, ascending: custody and samples. */
  assigned: readonly number[];
  /** Those among them that are kept. */
  custody: readonly number[];
  rowRoot: Uint8Array;
  rlc: Uint8Array;
  siblings: Uint8Array;
  /** Bytes of the assigned rows in their order. */
  rows: Uint8Array;
};
/** Paths of the custody rows to the row root, one after the other. */
export type CheckedPaths = { pathBytes: number; paths: Uint8Array };

/** Checks in the protocol's order. Throws an `ERASURE_…` error that names what is wrong. */
export function runCheck(kernels: Kernels, job: CheckJob): CheckedPaths {
  const { assigned, custody, rows, siblings, rowRoot, rlc } = job;
  const { pathOf } = checkShard(
    kernels,
    job,
    { indices: assigned, rows, siblings, rowRoot, rlc },
    assigned,
  );
  const pathBytes = pathOf(assigned[0]!).length;
  const paths = new Uint8Array(custody.length * pathBytes);
  for (const [place, row] of custody.entries()) paths.set(pathOf(row), place * pathBytes);
  return { pathBytes, paths };
}
