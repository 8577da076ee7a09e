import type { DataRoot } from '@cairn/base';
import { z } from 'zod';
import { dataRootSchema } from './zgs.ts';

// JSON shapes of our own methods about coded files; 0G's nodes answer them with "method not found".

/** A submission that says it is the parity of a file (spec/storage-erasure.md 4.3). What it says is its submitter's claim. */
export type ParityRecord = {
  txSeq: number;
  root: DataRoot;
  /** Bytes of the parity file. */
  size: number;
  /** First sector in the flow. */
  startSector: number;
  /** Fragments of a stripe. */
  code: 32 | 24;
  /** Bytes of the data file. */
  dataBytes: number;
};

/** Parities of one file that a node names. */
export const PARITIES_MAX = 8;

const uint = z.int().min(0);

/** Answer of `cairn_getParity [dataRoot]`: those of the file's own transaction first, then the oldest. */
export const parityRecordsSchema: z.ZodType<ParityRecord[]> = z
  .array(
    z.object({
      txSeq: uint,
      root: dataRootSchema,
      size: uint,
      startSector: uint,
      code: z.union([z.literal(32), z.literal(24)]),
      dataBytes: uint,
    }),
  )
  .max(PARITIES_MAX);

/** Answer of `cairn_getHeldSegments [txSeq]`: a bit for each segment of the file, least significant first, as hex. */
export const heldSegmentsSchema: z.ZodType<{ segments: number; held: string }> = z.object({
  segments: uint,
  held: z.string().regex(/^0x([0-9a-f]{2})*$/),
});

/** Largest file whose segments a node lists one by one: 1 TiB, half a megabyte of bits. */
export const HELD_SEGMENTS_MAX = 4_194_304;
