// SHA-256 of every piece of consecutive rows, whatever the size of a row's last piece.
import { assert } from '@cairn/base';
import type { Sha256Kernels } from './sha256.ts';

export type PiecesJob = {
  /** Whole rows of `rowBytes`. */
  rows: Uint8Array;
  rowBytes: number;
  /** Bytes of every piece of a row but the last, which may have fewer. */
  pieceBytes: number;
  /** One byte hashed before every piece. */
  prefix: number;
};

/** Bytes of rows gathered for one batch of equal pieces: they stay in the second-level cache. */
const GATHER_BYTES = 262_144;

/** Hashes of all pieces, row by row, 32 bytes each: `out` or a new array. Rows with a short last piece are gathered. */
export function hashPieces(
  sha256: Sha256Kernels,
  job: PiecesJob & { out?: Uint8Array | undefined },
): Uint8Array {
  const { rows, rowBytes, pieceBytes, prefix } = job;
  const rowCount = rows.length / rowBytes;
  assert(Number.isInteger(rowCount), 'hashPieces: whole rows');
  const tailBytes = rowBytes % pieceBytes;
  const wholeBytes = rowBytes - tailBytes;
  const equalBytes = tailBytes === 0 ? pieceBytes : wholeBytes === 0 ? rowBytes : 0;
  if (equalBytes > 0) return sha256.hashMany(rows, equalBytes, { prefix, out: job.out });

  const wholes = wholeBytes / pieceBytes;
  const hashBytes = 32 * (wholes + 1);
  const out = job.out ?? new Uint8Array(rowCount * hashBytes);
  assert(out.length >= rowCount * hashBytes, 'hashPieces: out is too short');
  const batch = Math.min(rowCount, Math.max(1, Math.floor(GATHER_BYTES / rowBytes)));
  const equal = new Uint8Array(batch * wholeBytes);
  const tails = new Uint8Array(batch * tailBytes);
  const hashes = new Uint8Array(32 * batch * wholes);
  const tailHashes = new Uint8Array(32 * batch);
  for (let start = 0; start < rowCount; start += batch) {
    const count = Math.min(batch, rowCount - start);
    for (let i = 0; i < count; i++) {
      const at = (start + i) * rowBytes;
      equal.set(rows.subarray(at, at + wholeBytes), i * wholeBytes);
      tails.set(rows.subarray(at + wholeBytes, at + rowBytes), i * tailBytes);
    }
    sha256.hashMany(equal.subarray(0, count * wholeBytes), pieceBytes, { prefix, out: hashes });
    sha256.hashMany(tails.subarray(0, count * tailBytes), tailBytes, { prefix, out: tailHashes });
    for (let i = 0; i < count; i++) {
      const at = (start + i) * hashBytes;
      out.set(hashes.subarray(32 * wholes * i, 32 * wholes * (i + 1)), at);
      out.set(tailHashes.subarray(32 * i, 32 * (i + 1)), at + hashBytes - 32);
    }
  }
  return out;
}
