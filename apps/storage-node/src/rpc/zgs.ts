// The `zgs_*` namespace (spec/storage-rpc.md section 4): parse, call the part that does it, encode.
import {
  type NodeStatus,
  P2P_PROTOCOL_VERSION,
  SECTORS_PER_SEGMENT,
  type ShardConfig,
} from '@cairn/protocol';
import type { RpcMethod } from '@cairn/rpc';
import type { Ingest } from '../ingest/ingest.ts';
import type { NetworkName } from '../network.ts';
import { checkSectorRange, type Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE } from '../store/submission-table.ts';
import { parseRoot, parseRootOrSeq, parseSegment, parseSegments, parseUint } from './params.ts';

export type ZgsDeps = {
  database: NodeDatabase;
  ingest: Ingest;
  reader: Reader;
  /** What this node answers for now. */
  shard: () => ShardConfig;
  network: () => NetworkName;
  connectedPeers: () => number;
};

const NO_BLOCK = `0x${'00'.repeat(32)}`;

export function zgsMethods(deps: ZgsDeps): Record<string, RpcMethod> {
  const { database, ingest, reader } = deps;
  const base64 = (bytes: Uint8Array | undefined): string | null =>
    bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64') : null;
  const status = (): NodeStatus => {
    const progress = database.progress();
    const { chainId, flowAddress } = deps.network();
    return {
      connectedPeers: deps.connectedPeers(),
      logSyncHeight: progress?.number ?? 0,
      logSyncBlock: (progress?.hash ?? NO_BLOCK) as NodeStatus['logSyncBlock'],
      nextTxSeq: database.submissions.nextSeq,
      networkIdentity: { chainId, flowAddress, p2pProtocolVersion: { ...P2P_PROTOCOL_VERSION } },
    };
  };
  const download = async (
    rootOrSeq: unknown,
    start: unknown,
    end: unknown,
  ): Promise<string | null> => {
    const file = reader.file(parseRootOrSeq(rootOrSeq), true);
    const [from, to] = [parseUint(start, 'start_index'), parseUint(end, 'end_index')];
    checkSectorRange(from, to);
    return file ? base64(await reader.sectors(file, from, to)) : null;
  };
  const downloadWithProof = async (rootOrSeq: unknown, index: unknown): Promise<unknown> => {
    const file = reader.file(parseRootOrSeq(rootOrSeq), true);
    const at = parseUint(index, 'index');
    return file ? reader.segmentWithProof(file, at) : null;
  };
  const info = (rootOrSeq: unknown, needAvailable: unknown): unknown => {
    const file = reader.file(parseRootOrSeq(rootOrSeq), needAvailable === true);
    return file ? reader.info(file) : null;
  };

  return {
    zgs_getStatus: status,
    zgs_getShardConfig: () => {
      const { shardId, numShard } = deps.shard();
      return { shardId, numShard };
    },
    zgs_getFileInfo: ([root, needAvailable]) => info(parseRoot(root), needAvailable),
    zgs_getFileInfoByTxSeq: ([seq]) => info(parseUint(seq, 'tx_seq'), true),
    zgs_checkFileFinalized: ([rootOrSeq]) => {
      const file = reader.file(parseRootOrSeq(rootOrSeq), false);
      return file ? file.state === STATE.finalized : null;
    },
    zgs_uploadSegment: async ([segment], { signal }) => {
      await ingest.accept([parseSegment(segment)], { skipDuplicates: false, signal });
      return null;
    },
    zgs_uploadSegments: async ([segments], { signal }) => {
      await ingest.accept(parseSegments(segments), { skipDuplicates: false, signal });
      return null;
    },
    zgs_uploadSegmentByTxSeq: async ([segment, seq], { signal }) => {
      await ingest.accept([parseSegment(segment)], {
        txSeq: parseUint(seq, 'tx_seq'),
        skipDuplicates: false,
        signal,
      });
      return null;
    },
    zgs_uploadSegmentsByTxSeq: async ([segments, seq], { signal }) => {
      await ingest.accept(parseSegments(segments), {
        txSeq: parseUint(seq, 'tx_seq'),
        skipDuplicates: true,
        signal,
      });
      return null;
    },
    zgs_downloadSegment: ([root, start, end]) => download(parseRoot(root), start, end),
    zgs_downloadSegmentByTxSeq: ([seq, start, end]) =>
      download(parseUint(seq, 'tx_seq'), start, end),
    zgs_downloadSegmentWithProof: ([root, index]) => downloadWithProof(parseRoot(root), index),
    zgs_downloadSegmentWithProofByTxSeq: ([seq, index]) =>
      downloadWithProof(parseUint(seq, 'tx_seq'), index),
    zgs_getSectorProof: ([sector, flowRoot]) =>
      reader.sectorProof(
        parseUint(sector, 'sector_index'),
        flowRoot === undefined || flowRoot === null ? null : parseRoot(flowRoot, 'flow_root'),
      ),
    zgs_getFlowContext: () => reader.flowContext(),
    // Debug methods: a node index counts segments of the flow, the lowest level that upstream keeps on disk.
    zgs_getHashAtNodeIndex: ([index]) => reader.segmentHash(parseUint(index, 'node_index')) ?? null,
    zgs_getDataByNodeIndex: async ([index]) => {
      const runs = await reader.storedRuns(parseUint(index, 'node_index'));
      return runs.length === 0 ? null : runs.map((run) => Array.from(run));
    },
    zgs_getMetaDataByNodeIndex: ([index]) => {
      const nodeIndex = parseUint(index, 'node_index');
      const hash = reader.segmentHash(nodeIndex) ?? 'unknown';
      return `node ${nodeIndex}: hash ${hash}, ${reader.storedSectors(nodeIndex)} of ${SECTORS_PER_SEGMENT} sectors stored`;
    },
  };
}
