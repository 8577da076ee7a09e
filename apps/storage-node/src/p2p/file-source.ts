import type { Kernels } from '@cairn/kernels';
import { isSubSegmentOf, segmentCounts, segmentLeafCount, subSegmentSiblings } from '@cairn/merkle';
import {
  type FileName,
  type FileSource,
  type HaveRequest,
  type Piece,
  type PiecesRequest,
  type SegmentsRequest,
  setBit,
} from '@cairn/p2p';
import { BYTES_PER_SECTOR, type SegmentFrame, type ShardConfig } from '@cairn/protocol';
import type { Files } from '../ingest/files.ts';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

export type NodeFileSourceDeps = {
  database: NodeDatabase;
  files: Files;
  reader: Reader;
  kernels: Kernels;
  httpPort: () => number;
};

/** Serves peers what is stored here, finalized or not: every stored segment was verified when it came. */
export class NodeFileSource implements FileSource {
  readonly #deps: NodeFileSourceDeps;

  constructor(deps: NodeFileSourceDeps) {
    this.#deps = deps;
  }

  shard(): ShardConfig {
    return this.#deps.files.shard;
  }

  httpPort(): number {
    return this.#deps.httpPort();
  }

  nextTxSeq(): number {
    return this.#deps.database.submissions.nextSeq;
  }

  finalized({ fromSeq, count }: HaveRequest): Uint8Array {
    const bitmap = new Uint8Array(Math.ceil(count / 8));
    for (const seq of this.#deps.database.submissions.finalizedIn(fromSeq, fromSeq + count))
      setBit(bitmap, seq - fromSeq);
    return bitmap;
  }

  isFinalized(file: FileName): boolean {
    return this.#file(file)?.state === STATE.finalized;
  }

  async segments(request: SegmentsRequest, signal: AbortSignal): Promise<SegmentFrame[]> {
    const file = this.#file(request);
    if (!file) return [];
    const { real } = segmentCounts(file.size);
    const frames: SegmentFrame[] = [];
    for (const index of request.indexes) {
      signal.throwIfAborted();
      const frame = index < real ? await this.#deps.reader.segment(file, index) : undefined;
      if (frame) frames.push(frame);
    }
    return frames;
  }

  async pieces(request: PiecesRequest, signal: AbortSignal): Promise<(Piece | undefined)[]> {
    const file = this.#file(request);
    const out: (Piece | undefined)[] = [];
    let last: SegmentFrame | undefined;
    for (const piece of request.pieces) {
      signal.throwIfAborted();
      if (!file || piece.index >= segmentCounts(file.size).real) {
        out.push(undefined);
        continue;
      }
      // Pieces of one segment usually follow each other: it is read once.
      if (last?.index !== piece.index) last = await this.#deps.reader.segment(file, piece.index);
      if (!last || !isSubSegmentOf(piece, last.data.length / BYTES_PER_SECTOR)) {
        out.push(undefined);
        continue;
      }
      const start = piece.position * 2 ** piece.height * BYTES_PER_SECTOR;
      out.push({
        inner: subSegmentSiblings(this.#deps.kernels, {
          data: last.data,
          leafCount: segmentLeafCount(file.size, piece.index),
          piece,
        }),
        outer: last.siblings,
        data: last.data.subarray(start, start + 2 ** piece.height * BYTES_PER_SECTOR),
      });
    }
    return out;
  }

  #file(name: FileName): StoredSubmission | undefined {
    const file = this.#deps.database.submissions.bySeq(name.txSeq);
    return file?.root === name.root ? file : undefined;
  }
}
