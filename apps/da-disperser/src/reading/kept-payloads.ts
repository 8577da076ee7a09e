import { hexToBytes } from '@cairn/base';
import type { BlobQueue } from '../queue/blob-queue.ts';
import type { PayloadSource } from './blob-source.ts';

/** Payloads of the disperser's own queue, as they were accepted. */
export function keptPayloads(queue: BlobQueue): PayloadSource {
  return {
    name: 'queue',
    async find(header) {
      const blob = queue.byCommitment(hexToBytes(header.commitment));
      return blob && queue.payload(blob);
    },
  };
}
