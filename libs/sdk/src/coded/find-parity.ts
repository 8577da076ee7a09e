import { type DataRoot, isCodedError } from '@cairn/base';
import { CODED_FILE_BYTES_MIN, type CodedFileLayout, codedFileLayout } from '@cairn/erasure';
import { PARITIES_MAX, type ParityRecord } from '@cairn/protocol';
import type { NodeDirectory } from '../nodes.ts';
import type { FilePlace } from '../stored-file.ts';

/** A parity file that nodes name for a data file; whether it is one only rebuilding shows. */
export type ParityPlace = FilePlace & { layout: CodedFileLayout };

const ASK_MS = 10_000;

/**
 * Parities of a file in the order in which to try them: named by most nodes first, then in the order of the nodes, which put
 * those of the file's own transaction first. At most 8. A node that fails or does not know the method names none.
 */
export async function findParities(
  directory: NodeDirectory,
  data: { root: DataRoot; size: number },
  signal?: AbortSignal,
): Promise<ParityPlace[]> {
  if (data.size < CODED_FILE_BYTES_MIN) return [];
  const nodes = await directory.writable(signal);
  const answers = await Promise.all(
    nodes.map(({ client }) =>
      client.getParity(data.root, { signal, timeoutMs: ASK_MS }).catch((error: unknown) => {
        signal?.throwIfAborted();
        if (!isCodedError(error)) throw error;
        return [];
      }),
    ),
  );
  const votes = new Map<string, { record: ParityRecord; votes: number; rank: number }>();
  for (const answer of answers)
    for (const [rank, record] of answer.entries()) {
      const key = `${record.root}/${record.txSeq}/${record.size}/${record.startSector}/${record.code}`;
      const known = votes.get(key);
      if (known) known.votes++;
      else votes.set(key, { record, votes: 1, rank });
    }
  return [...votes.values()]
    .filter(({ record }) => record.dataBytes === data.size)
    .map(({ record, ...rest }) => ({
      ...rest,
      record,
      layout: codedFileLayout(data.size, record.code),
    }))
    .filter(({ record, layout }) => record.size === layout.parityBytes)
    .toSorted((a, b) => b.votes - a.votes || a.rank - b.rank)
    .slice(0, PARITIES_MAX)
    .map(({ record: { root, size, txSeq, startSector }, layout }) => ({
      root,
      size,
      txSeq,
      startSector,
      layout,
    }));
}
