import { CodedError, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import {
  segmentCounts,
  segmentDataBytes,
  segmentLeafCount,
  verifySegmentSiblings,
} from '@cairn/merkle';
import type { SegmentFrame } from '@cairn/protocol';
import type { CheckedSegment } from '../ingest/memory-pool.ts';
import type { StoredSubmission } from '../store/submission-table.ts';

/**
 * Checks segments against the file's root; hashing runs in the pool. Throws `SYNC_SEGMENT_LENGTH` or a `MERKLE_PROOF_*`
 * code, all of kind `invalid`.
 */
export function checkFrames(
  deps: { kernels: Kernels; hashPool: HashPool },
  file: StoredSubmission,
  frames: readonly SegmentFrame[],
  signal: AbortSignal,
): Promise<CheckedSegment[]> {
  const root = hexToBytes(file.root);
  const { real } = segmentCounts(file.size);
  return Promise.all(
    frames.map(async ({ index, data, siblings }): Promise<CheckedSegment> => {
      if (index >= real || data.length !== segmentDataBytes(file.size, index)) {
        throw new CodedError({
          code: 'SYNC_SEGMENT_LENGTH',
          kind: 'invalid',
          message: `segment ${index} has a wrong length`,
          details: { index, bytes: data.length },
        });
      }
      const segmentRoot = await deps.hashPool.segmentRoots(data, {
        lastLeafCount: segmentLeafCount(file.size, index),
        signal,
      });
      verifySegmentSiblings(deps.kernels, { root, size: file.size, index, segmentRoot, siblings });
      return { index, data, segmentRoot, siblings };
    }),
  );
}
