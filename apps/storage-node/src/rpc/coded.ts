// Our own methods about coded files (libs/protocol/src/coded.ts has the shapes).
import { bytesToHex } from '@cairn/base';
import { segmentCounts } from '@cairn/merkle';
import { HELD_SEGMENTS_MAX, PARITIES_MAX, type ParityRecord } from '@cairn/protocol';
import { invalidParams, type RpcMethod } from '@cairn/rpc';
import type { Files } from '../ingest/files.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE } from '../store/submission-table.ts';
import { parseRoot, parseUint } from './params.ts';

export function codedMethods(deps: {
  database: NodeDatabase;
  files: Files;
}): Record<string, RpcMethod> {
  const { submissions, parity } = deps.database;
  return {
    cairn_getParity: ([root]) =>
      parity.of(parseRoot(root), PARITIES_MAX).flatMap(({ seq, descriptor }): ParityRecord[] => {
        const file = submissions.bySeq(seq);
        if (!file) return [];
        const { code, dataBytes } = descriptor;
        const { root, size, startSector } = file;
        return [{ txSeq: seq, root, size, startSector, code, dataBytes }];
      }),
    cairn_getHeldSegments: ([seq]) => {
      const file = submissions.bySeq(parseUint(seq, 'tx_seq'));
      if (!file) return null;
      const { real: segments } = segmentCounts(file.size);
      if (segments > HELD_SEGMENTS_MAX)
        throw invalidParams('tx_seq', `the file has more than ${HELD_SEGMENTS_MAX} segments`);
      const bits = new Uint8Array(Math.ceil(segments / 8));
      const isWhole = file.state === STATE.finalized;
      if (file.state !== STATE.pruned) {
        const missing = isWhole ? undefined : deps.files.missing(file);
        for (const index of deps.files.required(file))
          if (!missing?.has(index)) bits[index >> 3]! |= 1 << (index & 7);
      }
      return { segments, held: bytesToHex(bits) };
    },
  };
}
