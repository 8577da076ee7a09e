// POST /file/segment: hands one segment to the nodes whose shard holds it (spec/storage-rpc.md 8.1).
import { isCodedError } from '@cairn/base';
import { segmentCounts } from '@cairn/merkle';
import {
  type FileInfo,
  fileProofSchema,
  hash32Schema,
  RPC_TEXT,
  SECTORS_PER_SEGMENT,
  type SegmentWithProof,
  shardHolds,
} from '@cairn/protocol';
import { z } from 'zod';
import type { NodeManager } from '../nodes/node-manager.ts';
import { selectNodes } from '../nodes/select.ts';
import { GATEWAY, Refusal } from './envelope.ts';
import { type Cid, existingInfo } from './infos.ts';

const bodySchema = z.object({
  root: hash32Schema.nullish(),
  txSeq: z.int().min(0).nullish(),
  data: z.string(),
  index: z.int().min(0),
  proof: fileProofSchema,
  expectedReplica: z.int().min(0).max(1000).nullish(),
});
const STORED_ALREADY: readonly string[] = [RPC_TEXT.alreadyFinalized, RPC_TEXT.duplicate];

/** Resolves when every chosen node that needs the segment has it on disk. */
export async function uploadSegment(
  nodes: NodeManager,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const { root, txSeq, data, index, proof, expectedReplica } = parseBody(body);
  const info = await existingInfo(nodes, cidOf(root ?? undefined, txSeq ?? undefined));
  if (index >= segmentCounts(info.tx.size).real)
    throw new Refusal(GATEWAY.invalidParameter, `index: ${RPC_TEXT.indexOutOfBound}`);
  const segment: SegmentWithProof = {
    root: info.tx.dataMerkleRoot,
    data,
    index,
    proof,
    fileSize: info.tx.size,
  };
  const targets = await responsibleNodes(nodes, info, index, expectedReplica || 1);
  await Promise.all(
    targets.map(async (client) => {
      try {
        await client.uploadSegmentsByTxSeq([segment], info.tx.seq, { signal });
      } catch (error) {
        if (!isCodedError(error, 'RPC_REMOTE')) throw error;
        if (STORED_ALREADY.some((text) => error.message.includes(text))) return;
        throw new Refusal(GATEWAY.invalidParameter, error.message);
      }
    }),
  );
}

function parseBody(body: Uint8Array): z.output<typeof bodySchema> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Refusal(GATEWAY.invalidParameter, 'the body is not JSON');
  }
  const parsed = bodySchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Refusal(
    GATEWAY.invalidParameter,
    `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'malformed'}`,
  );
}

function cidOf(root: z.output<typeof hash32Schema> | undefined, seq: number | undefined): Cid {
  if (seq !== undefined) return { kind: 'seq', seq };
  if (root !== undefined) return { kind: 'root', root };
  throw new Refusal(GATEWAY.invalidParameter, "Either 'root' or 'txSeq' must be provided");
}

async function responsibleNodes(
  nodes: NodeManager,
  info: FileInfo,
  index: number,
  replicas: number,
): Promise<NodeManager['clients'][number][]> {
  const chosen = selectNodes(await nodes.trusted(), replicas, 'min', () => 0);
  if (chosen.length === 0)
    throw new Refusal(GATEWAY.internal, `no ${replicas} nodes for every shard answer`);
  const flowSegment = Math.floor(info.tx.startEntryIndex / SECTORS_PER_SEGMENT) + index;
  const urls = chosen
    .filter((node) => shardHolds(node.config, flowSegment))
    .map((node) => node.url);
  return nodes.clients.filter((client) => urls.includes(client.url));
}
