/*
 * A light client: asks members for rows drawn at random and checks each against the commitment. A blob can be rebuilt from any K of
 * its n rows; were fewer than K to be had, a random row would come with a chance below K/n, so rows that come make it ever less
 * likely that the blob is lost. The answer is that likelihood as a number, for a sampler whom members cannot tell from a reader.
 */
import {
  CodedError,
  equalBytes,
  errorMessage,
  hexToBytes,
  isCodedError,
  type RandomSource,
} from '@cairn/base';
import { BlobAssignment, type DaEpoch, type DaMember, type DaQuorum } from '@cairn/chain/da';
import { checkRow, type OpenCommitment, openCommitment, parseBlobFormat } from '@cairn/erasure';
import { type BlobHeader, blobKey } from '@cairn/quorum';
import type { RetrieveDeps } from './retrieve.ts';

export type SampleOptions = {
  signal?: AbortSignal | undefined;
  /** Rows to ask for, 1 to 1024; default 30: 60 bits when all of them come. */
  samples?: number | undefined;
  /** How long one member may take, default 10 s. */
  timeoutMs?: number | undefined;
};
export type Sampled = {
  /** Rows asked for, and those that came and were right. */
  samples: number;
  good: number;
  /** 1 minus the chance of so many good rows if fewer than K could be had. */
  confidence: number;
  /** The same as -log2 of that chance: exact where `confidence` rounds to 1. */
  bits: number;
  failed: { row: number; endpoint: string; reason: string; lied: boolean }[];
};

const SAMPLES = 30;
const SAMPLES_MAX = 1024;
const TIMEOUT_MS = 10_000;

/** Never throws for what members do: their rows count as not to be had. */
export async function sampleBlob(
  deps: RetrieveDeps & { random: RandomSource },
  place: { epoch: DaEpoch; quorum: DaQuorum },
  header: BlobHeader,
  options: SampleOptions = {},
): Promise<Sampled> {
  const { members, kernels, entrance, random } = deps;
  const { samples = SAMPLES, signal, timeoutMs = TIMEOUT_MS } = options;
  if (!Number.isInteger(samples) || samples < 1 || samples > SAMPLES_MAX)
    throw new CodedError({
      code: 'SDK_DA_SAMPLES',
      kind: 'invalid',
      message: `samples are a number from 1 to ${SAMPLES_MAX}`,
      details: { samples },
    });
  const format = parseBlobFormat({ ...header, rowBytes: header.rowSize });
  const commitment = hexToBytes(header.commitment);
  const key = hexToBytes(blobKey(entrance, header));
  const assignment = new BlobAssignment(entrance, place.epoch, place.quorum, header);
  const rowCount = 4 * format.shape.dataRows;
  const wanted = drawRows(random, samples, rowCount);
  const failed: Sampled['failed'] = [];
  let open: OpenCommitment | undefined;

  const ask = async (member: DaMember): Promise<void> => {
    const left = new Set(assignment.rowsOf(member).custody.filter((row) => wanted.has(row)));
    if (left.size === 0) return;
    const note = (row: number, reason: string, lied: boolean): void => {
      failed.push({ row, endpoint: member.endpoint, reason, lied });
      left.delete(row);
    };
    try {
      const request = { blobKey: key, indices: [...left], withoutRlc: false };
      for await (const part of members
        .at(member.endpoint)
        .getRows(request, { signal, timeoutMs })) {
        if ('head' in part) {
          open ??= openCommitment(kernels, { format, commitment }, part.head);
          if (!equalBytes(part.head.rowRoot, open.rowRoot)) break;
        } else if (open && left.has(part.row.index)) {
          checkRow(kernels, open, part.row);
          left.delete(part.row.index);
        }
      }
      for (const row of left) note(row, 'the row did not come', false);
    } catch (error) {
      signal?.throwIfAborted();
      const lied = isCodedError(error) && error.code.startsWith('ERASURE_');
      for (const row of left) note(row, errorMessage(error), lied);
    }
  };
  await Promise.all(place.quorum.members.map(ask));
  const good = samples - failed.length;
  const chance = tailChance(samples, good, (format.shape.dataRows - 1) / rowCount);
  return { samples, good, confidence: 1 - chance, bits: -Math.log2(chance), failed };
}

/** Distinct rows of [0, rowCount). */
function drawRows(random: RandomSource, count: number, rowCount: number): Set<number> {
  const rows = new Set<number>();
  while (rows.size < Math.min(count, rowCount)) rows.add(Math.floor(random.next() * rowCount));
  return rows;
}

/** P(X >= good) of a binomial X over `samples` draws with chance `p`: at least that of draws without repetition above the mean. */
export function tailChance(samples: number, good: number, p: number): number {
  let sum = 0;
  for (let k = good; k <= samples; k++) {
    let logTerm = k * Math.log(p) + (samples - k) * Math.log1p(-p);
    for (let i = 1; i <= k; i++) logTerm += Math.log((samples - k + i) / i);
    sum += Math.exp(logTerm);
  }
  return Math.min(1, sum);
}
