import { type Address, parseAddress, parseHash32, positionFromBigint, toTxSeq } from '@cairn/base';
import { BlockNotFoundError, parseEventLogs, TransactionNotFoundError } from 'viem';
import { flowAbi } from './generated/flow-abi.ts';
import { openReadClient, type ReadClientOptions } from './read-client.ts';
import type { BlockHeader, ChainReader, Submission } from './types.ts';

export type ChainReaderOptions = ReadClientOptions & { flow: Address };

type RawLog = Parameters<typeof parseEventLogs>[0]['logs'][number];

/** `Submit` events among `logs`, checked and converted. */
export function decodeSubmissions(logs: readonly RawLog[], flow: Address): Submission[] {
  return parseEventLogs({ abi: flowAbi, eventName: 'Submit', logs: logs as RawLog[] })
    .filter((log) => log.address.toLowerCase() === flow)
    .map(({ args, transactionHash, blockNumber, blockHash, logIndex }) => ({
      sender: parseAddress(args.sender),
      identity: parseHash32(args.identity),
      seq: toTxSeq(positionFromBigint(args.submissionIndex)),
      startSector: positionFromBigint(args.startPos),
      sectors: positionFromBigint(args.length),
      size: positionFromBigint(args.submission.length),
      tags: args.submission.tags,
      nodes: args.submission.nodes.map((node) => ({
        root: parseHash32(node.root),
        height: positionFromBigint(node.height),
      })),
      txHash: parseHash32(transactionHash),
      blockNumber: positionFromBigint(blockNumber ?? -1n),
      blockHash: parseHash32(blockHash),
      logIndex: logIndex ?? 0,
    }));
}

/** Reads the flow through one JSON-RPC endpoint. Calls made together travel in one batch. */
export function createChainReader(options: ChainReaderOptions): ChainReader {
  const { flow } = options;
  const { client, guard } = openReadClient(options);
  const header = (block: {
    number: bigint | null;
    hash: string | null;
    parentHash: string;
    timestamp: bigint;
  }): BlockHeader => ({
    number: positionFromBigint(block.number ?? -1n, 'block number'),
    hash: parseHash32(block.hash),
    parentHash: parseHash32(block.parentHash),
    timestamp: Number(block.timestamp),
  });
  return {
    chainId: () => guard(() => client.getChainId()),
    head: (tag = 'latest') => guard(() => client.getBlock({ blockTag: tag }).then(header)),
    block: (number) =>
      guard(() =>
        client.getBlock({ blockNumber: BigInt(number) }).then(header, (error: unknown) => {
          if (error instanceof BlockNotFoundError) return undefined;
          throw error;
        }),
      ),
    submissions: ({ fromBlock, toBlock }) =>
      guard(() =>
        client
          .getLogs({
            address: flow,
            event: flowAbi.find((item) => item.type === 'event' && item.name === 'Submit')!,
            fromBlock: BigInt(fromBlock),
            toBlock: BigInt(toBlock),
          })
          .then((logs) => decodeSubmissions(logs, flow)),
      ),
    flowRootByTxSeq: (seq) =>
      guard(() =>
        client
          .readContract({
            address: flow,
            abi: flowAbi,
            functionName: 'getFlowRootByTxSeq',
            args: [BigInt(seq)],
          })
          .then((root) => parseHash32(root)),
      ),
    transactionSender: (hash) =>
      guard(() =>
        client.getTransaction({ hash }).then(
          ({ from, blockHash }) =>
            blockHash
              ? { sender: parseAddress(from), blockHash: parseHash32(blockHash) }
              : undefined,
          (error: unknown) => {
            if (error instanceof TransactionNotFoundError) return undefined;
            throw error;
          },
        ),
      ),
    hasFlow: () =>
      guard(() =>
        client.getCode({ address: flow }).then((code) => code !== undefined && code !== '0x'),
      ),
  };
}
