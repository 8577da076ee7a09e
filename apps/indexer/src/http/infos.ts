// What the network says about files and about itself, merged over the trusted nodes.
import { CodedError, errorMessage, type Hash32 } from '@cairn/base';
import { type FileInfo, hash32Schema, type NodeStatus } from '@cairn/protocol';
import type { NodeManager } from '../nodes/node-manager.ts';
import { GATEWAY, Refusal } from './envelope.ts';

const INFOS_MAX = 100;

/** How a file is named: by its place in the log or by its root. */
export type Cid = { kind: 'seq'; seq: number } | { kind: 'root'; root: Hash32 };

/** Decimal digits are a txSeq, anything else must be a root. */
export function parseCid(text: string): Cid {
  return /^\d+$/.test(text) ? parseSeq(text) : parseRoot(text);
}

export function parseSeq(text: string): Cid {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seq))
    throw new Refusal(GATEWAY.invalidParameter, `not a txSeq: ${text.slice(0, 80)}`);
  return { kind: 'seq', seq };
}

export function parseRoot(text: string): Cid {
  const parsed = hash32Schema.safeParse(text);
  if (!parsed.success)
    throw new Refusal(GATEWAY.invalidParameter, `not a root or a txSeq: ${text.slice(0, 80)}`);
  return { kind: 'root', root: parsed.data };
}

function noNodes(): CodedError {
  return new CodedError({
    code: 'INDEXER_NO_NODES',
    kind: 'unavailable',
    message: 'no storage node answers',
  });
}

/** One FileInfo for the whole network: finalized where all say so. Null when nobody knows the file. */
export async function mergedInfo(nodes: NodeManager, cid: Cid): Promise<FileInfo | null> {
  const answers =
    cid.kind === 'seq' ? await nodes.infos(cid.seq) : await nodes.infosByRoot(cid.root);
  if (answers.size === 0) throw noNodes();
  const infos = [...answers.values()].filter((info) => info !== null);
  const first = infos[0];
  if (!first) return null;
  return {
    tx: first.tx,
    finalized: infos.every((info) => info.finalized),
    isCached: infos.every((info) => info.isCached),
    pruned: infos.some((info) => info.pruned),
    uploadedSegNum: Math.min(...infos.map((info) => info.uploadedSegNum)),
  };
}

/** The same, or the refusal that says why the file cannot be served. */
export async function existingInfo(nodes: NodeManager, cid: Cid): Promise<FileInfo> {
  const info = await mergedInfo(nodes, cid);
  if (!info) throw new Refusal(GATEWAY.notFound);
  if (info.pruned) throw new Refusal(GATEWAY.pruned);
  return info;
}

/** For each name its info, null when unknown, or the text of what went wrong. */
export function manyInfos(
  nodes: NodeManager,
  names: readonly string[],
): Promise<(FileInfo | string | null)[]> {
  if (names.length > INFOS_MAX)
    throw new Refusal(GATEWAY.invalidParameter, `at most ${INFOS_MAX} files`);
  return Promise.all(
    names.map(async (name) => {
      try {
        return await mergedInfo(nodes, parseCid(name));
      } catch (error) {
        return error instanceof Refusal ? String(error.data) : errorMessage(error);
      }
    }),
  );
}

/** The lowest of what the nodes have reached, with the most peers any of them has. */
export async function mergedStatus(nodes: NodeManager): Promise<NodeStatus> {
  const statuses = await nodes.statuses();
  if (statuses.length === 0) throw noNodes();
  const lowest = statuses.reduce((a, b) => (b.logSyncHeight < a.logSyncHeight ? b : a));
  return {
    ...lowest,
    connectedPeers: Math.max(...statuses.map((status) => status.connectedPeers)),
    nextTxSeq: Math.min(...statuses.map((status) => status.nextTxSeq)),
  };
}
