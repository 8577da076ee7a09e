/*
 * What a segment that is stored sealed says of its seals, and how they are undone. The tag of its form (libs/store):
 *
 *   miner id 32 | start seal 1, end seal 1, context digest 32 | …     ascending, disjoint; at most 64
 *
 * A seal is one block of the store. Which blocks are sealed, the store knows; the runs may cover more. Nothing of the chain is
 * needed to undo a seal, so what is stored can be read whatever became of the id or the context.
 */
import { bytesToHash32, CodedError, type Hash32, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { SEALS_PER_LOAD, SECTORS_PER_LOAD, unsealInPlace } from '@cairn/pora';
import { BYTES_PER_SEAL, SECTORS_PER_SEAL } from '@cairn/protocol';
import type { SegmentCodec } from '@cairn/store';
import type { SealRun } from './sealed-data.ts';

export type SealTag = { minerId: Hash32; runs: SealRun[] };

const ID_BYTES = 32;
const RUN_BYTES = 34;

export function encodeSealTag({ minerId, runs }: SealTag): Uint8Array {
  const out = new Uint8Array(ID_BYTES + RUN_BYTES * runs.length);
  out.set(hexToBytes(minerId));
  for (const [i, { start, end, digest }] of runs.entries()) {
    const at = ID_BYTES + RUN_BYTES * i;
    out[at] = start;
    out[at + 1] = end;
    out.set(hexToBytes(digest), at + 2);
  }
  return out;
}

/** Throws `MINE_SEAL_TAG` (corrupt). */
export function decodeSealTag(tag: Uint8Array): SealTag {
  const count = (tag.length - ID_BYTES) / RUN_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > SEALS_PER_LOAD) throw badTag(tag);
  const runs: SealRun[] = [];
  for (let i = 0; i < count; i++) {
    const at = ID_BYTES + RUN_BYTES * i;
    const [start, end] = [tag[at]!, tag[at + 1]!];
    if (start < (runs.at(-1)?.end ?? 0) || start >= end || end > SEALS_PER_LOAD) throw badTag(tag);
    runs.push({ start, end, digest: bytesToHash32(tag.subarray(at + 2, at + RUN_BYTES)) });
  }
  return { minerId: bytesToHash32(tag.subarray(0, ID_BYTES)), runs };
}

/** The runs with `added` in the place of what it covers; neighbours under one context become one. */
export function runsWith(runs: readonly SealRun[], added: SealRun): SealRun[] {
  const kept = runs.flatMap((run): SealRun[] => [
    { ...run, end: Math.min(run.end, added.start) },
    { ...run, start: Math.max(run.start, added.end) },
  ]);
  const all = [...kept, added]
    .filter(({ start, end }) => start < end)
    .sort((a, b) => a.start - b.start);
  const out: SealRun[] = [];
  for (const run of all) {
    const last = out.at(-1);
    if (last?.end === run.start && last.digest === run.digest) last.end = run.end;
    else out.push({ ...run });
  }
  return out;
}

/** Undoes seals for the segment store, one Keccak per 32 bytes on the calling thread. `onUnsealed` hears of the bytes. */
export function createSealCodec(
  kernels: Kernels,
  onUnsealed: (bytes: number) => void = () => {},
): SegmentCodec {
  return {
    decode({ segmentIndex, startBlock, tag, data }) {
      const { minerId, runs } = decodeSealTag(tag);
      const end = startBlock + data.length / BYTES_PER_SEAL;
      let at = startBlock;
      for (const run of runs) {
        if (run.end <= at || at >= end) continue;
        if (run.start > at) throw badTag(tag);
        const until = Math.min(run.end, end);
        unsealInPlace(
          kernels,
          data.subarray((at - startBlock) * BYTES_PER_SEAL, (until - startBlock) * BYTES_PER_SEAL),
          {
            minerId,
            contextDigest: run.digest,
            startSector: segmentIndex * SECTORS_PER_LOAD + at * SECTORS_PER_SEAL,
          },
        );
        at = until;
      }
      if (at < end) throw badTag(tag);
      onUnsealed(data.length);
    },
  };
}

function badTag(tag: Uint8Array): CodedError {
  return new CodedError({
    code: 'MINE_SEAL_TAG',
    kind: 'corrupt',
    message: 'a sealed segment does not say how it was sealed',
    details: { bytes: tag.length },
  });
}
