// Serves rows with their proofs, and answers for one piece of one row.
import { CodedError, type Hash32 } from '@cairn/base';
import {
  type PieceProof,
  parseBlobFormat,
  pieceCountOf,
  pieceProofOf,
  rlcTree,
} from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { BlobIndex, IndexedBlob } from '../store/blob-index.ts';
import type { RowFiles, StoredRow, StoredRows } from '../store/row-files.ts';

export type ServerDeps = { index: BlobIndex; files: RowFiles; kernels: Kernels };

export class RowServer {
  readonly #deps: ServerDeps;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
  }

  /**
   * Head and rows of a blob: those asked for that are here, all when none is named. A row that rotted is left out.
   * Throws `DA_BLOB_UNKNOWN` (not_found).
   */
  async open(
    key: Hash32,
    indices: readonly number[],
  ): Promise<{ blob: IndexedBlob; head: StoredRows; rows: AsyncGenerator<StoredRow> }> {
    const { index, files } = this.#deps;
    const blob = index.get(key);
    const head = blob && (await files.head(key));
    if (!blob || !head)
      throw new CodedError({
        code: 'DA_BLOB_UNKNOWN',
        kind: 'not_found',
        message: `no rows of blob ${key} are here`,
        details: { blobKey: key },
      });
    return { blob, head, rows: files.read(key, indices.length > 0 ? indices : head.indices) };
  }

  /** Proof of a piece as a challenge asks for it. Throws `DA_BLOB_UNKNOWN` when the row is not here or rotted. */
  async piece(
    key: Hash32,
    rowIndex: number,
    drawPiece: (pieceCount: number) => number,
  ): Promise<PieceProof> {
    const { sha256 } = this.#deps.kernels;
    const { blob, head, rows } = await this.open(key, [rowIndex]);
    const format = parseBlobFormat({ ...blob.header, rowBytes: blob.header.rowSize });
    for await (const { row, path } of rows) {
      return pieceProofOf(sha256, format, {
        rowIndex,
        pieceIndex: drawPiece(pieceCountOf(format)),
        row,
        rowPath: path,
        rlcRoot: rlcTree(sha256, format, head.rlc).root,
      });
    }
    throw new CodedError({
      code: 'DA_BLOB_UNKNOWN',
      kind: 'not_found',
      message: `row ${rowIndex} of blob ${key} is not here`,
      details: { blobKey: key, row: rowIndex },
    });
  }
}
