import type { SegmentFrame, ShardConfig } from '@cairn/protocol';
import type { FileName } from '../messages/gossip.ts';
import type { HaveRequest } from '../messages/have.ts';
import type { Piece, PiecesRequest } from '../messages/pieces.ts';
import type { SegmentsRequest } from '../messages/segments.ts';

/** What a node serves to its peers; implemented by the app. Everything given out must have passed its checks on reading. */
export interface FileSource {
  shard(): ShardConfig;
  nextTxSeq(): number;
  /** Port of the binary HTTP route that peers may use; none without. */
  httpPort?(): number;
  /** Bit i is set when submission fromSeq + i is finalized here. */
  finalized(request: HaveRequest): Uint8Array;
  isFinalized(file: FileName): boolean;
  /** Those of the segments that are held; empty when the file is unknown or another one has this txSeq. */
  segments(request: SegmentsRequest, signal: AbortSignal): Promise<SegmentFrame[]>;
  /** In the order of the request, `undefined` for what is not held. */
  pieces(request: PiecesRequest, signal: AbortSignal): Promise<(Piece | undefined)[]>;
}
