import { CodedError, type DataRoot } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { submissionRoot } from '@cairn/merkle';
import type { FileInfo } from '@cairn/protocol';
import type { NodeDirectory, StorageNode } from '../nodes.ts';
import { type FilePlace, StoredFile, type StoredFileDeps } from '../stored-file.ts';
import { findParities } from './find-parity.ts';
import { StripeReader } from './stripe-reader.ts';

export type OpenDeps = StoredFileDeps & { directory: NodeDirectory };

const ASK_MS = 10_000;

/** What nodes that do not cover a file together say of it: who has his share, and where it lies. */
export async function findHolders(
  directory: NodeDirectory,
  root: DataRoot,
  signal?: AbortSignal,
): Promise<{ nodes: StorageNode[]; info: FileInfo | undefined }> {
  const all = await directory.writable(signal);
  const infos = await Promise.all(
    all.map(({ client }) =>
      client.getFileInfo(root, true, { signal, timeoutMs: ASK_MS }).catch((error: unknown) => {
        signal?.throwIfAborted();
        if (!(error instanceof CodedError)) throw error;
        return null;
      }),
    ),
  );
  const known = infos.filter((info) => info?.tx.dataMerkleRoot === root) as FileInfo[];
  return {
    nodes: all.filter((_, i) => infos[i]?.finalized && infos[i].tx.dataMerkleRoot === root),
    info: known.find(({ finalized }) => finalized) ?? known[0],
  };
}

/** Where a node says a file lies; its submission's nodes only when they lead to the root. */
export function placeOf(kernels: Kernels, root: DataRoot, { tx }: FileInfo): FilePlace {
  const nodes = tx.merkleNodes.map(([level, hash]) => ({ root: hash, height: level - 1 }));
  const isTrue = nodes.length > 0 && submissionRoot(kernels, nodes) === root;
  return {
    root,
    size: tx.size,
    txSeq: tx.seq,
    startSector: tx.startEntryIndex,
    ...(isTrue ? { nodes } : {}),
  };
}

/** The parities of a file and who holds them, ready to rebuild with. */
export async function openStripes(
  deps: OpenDeps,
  data: StoredFile,
  options: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<StripeReader> {
  const { directory, kernels } = deps;
  const { timeoutMs, signal } = options;
  const places = await findParities(directory, data.place, signal);
  const parities = await Promise.all(
    places.map(async (place) => {
      const { nodes, info } = await findHolders(directory, place.root, signal);
      const { nodes: subtrees } = info ? placeOf(kernels, place.root, info) : {};
      return {
        place: { ...place, nodes: subtrees },
        file: new StoredFile(deps, place, nodes, timeoutMs),
      };
    }),
  );
  return new StripeReader(kernels, data, parities);
}
