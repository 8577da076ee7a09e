/*
 * Reads the DA contracts through one JSON-RPC endpoint. Calls made together travel in one batch; what can never change
 * (parameters, keys of records, epochs that are over) is read once.
 */
import {
  type Address,
  bytesToHex,
  CodedError,
  type Hash32,
  hexToBytes,
  parseAddress,
  parseHash32,
  positionFromBigint,
} from '@cairn/base';
import { epochAt, isSupermajority, revealWindow } from '@cairn/quorum';
import { createPublicClient, http } from 'viem';
import { chainError } from '../errors.ts';
import { daChallengesAbi } from '../generated/da-challenges-abi.ts';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';
import { daRegistryAbi } from '../generated/da-registry-abi.ts';
import { findConfirmedBlob } from './confirmed.ts';
import { decodeDaEvents } from './events.ts';
import { findBlob } from './find.ts';
import { encodeBlockHeader } from './header.ts';
import type {
  DaBlock,
  DaContracts,
  DaEpoch,
  DaMember,
  DaParameters,
  DaQuorum,
  DaReader,
} from './types.ts';

export type DaReaderOptions = {
  rpcUrl: string;
  contracts: DaContracts;
  timeoutMs?: number | undefined;
};

/** Epochs whose quorums may serve beyond their own. */
const CARRY_OVER = 2;
/** What DAChallenges keeps of a challenge that failed; zero when there is none. */
const CHALLENGE_FAILED = 1n;
const EPOCHS_KEPT = 16;
const KEYS_KEPT = 4096;
/** A record is code `00 || key (128) || operator (20)`. */
const RECORD_BYTES = 149;

export function createDaReader(options: DaReaderOptions): DaReader {
  const { rpcUrl, contracts } = options;
  const client = createPublicClient({
    transport: http(rpcUrl, {
      batch: { batchSize: 100, wait: 0 },
      timeout: options.timeoutMs ?? 10_000,
      retryCount: 1,
    }),
    cacheTime: 0,
  });
  const registry = { address: contracts.registry, abi: daRegistryAbi } as const;
  const entrance = { address: contracts.entrance, abi: daEntranceAbi } as const;
  const challenges = { address: contracts.challenges, abi: daChallengesAbi } as const;
  const guard = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw chainError(error, rpcUrl);
    }
  };

  let known: Promise<DaParameters> | undefined;
  const readParameters = async (): Promise<DaParameters> => {
    const number = async (
      name:
        | 'genesisBlock'
        | 'epochBlocks'
        | 'lookaheadBlocks'
        | 'seedDelayBlocks'
        | 'revealWindowBlocks'
        | 'minMembers'
        | 'effectivePerQuorum',
    ): Promise<number> =>
      positionFromBigint(await client.readContract({ ...registry, functionName: name }));
    const own = async (
      name: 'confirmBlocks' | 'retentionSeconds' | 'slackSeconds',
    ): Promise<number> =>
      positionFromBigint(await client.readContract({ ...entrance, functionName: name }));
    const [
      chainId,
      genesisBlock,
      epochBlocks,
      lookaheadBlocks,
      seedDelayBlocks,
      revealWindowBlocks,
      membersMin,
      effectivePerQuorum,
      voteUnitWei,
      confirmBlocks,
      retentionSeconds,
      slackSeconds,
    ] = await Promise.all([
      client.getChainId(),
      number('genesisBlock'),
      number('epochBlocks'),
      number('lookaheadBlocks'),
      number('seedDelayBlocks'),
      number('revealWindowBlocks'),
      number('minMembers'),
      number('effectivePerQuorum'),
      client.readContract({ ...registry, functionName: 'voteUnit' }),
      own('confirmBlocks'),
      own('retentionSeconds'),
      own('slackSeconds'),
    ]);
    return {
      chainId,
      genesisBlock,
      epochBlocks,
      lookaheadBlocks,
      seedDelayBlocks,
      revealWindowBlocks,
      membersMin,
      effectivePerQuorum,
      voteUnitWei,
      confirmBlocks,
      retentionSeconds,
      slackSeconds,
    };
  };
  const parameters = (): Promise<DaParameters> => {
    known ??= guard(readParameters);
    known.catch(() => {
      known = undefined;
    });
    return known;
  };

  const keys = new Map<Address, Uint8Array>();
  const keyOf = async (record: Address): Promise<Uint8Array> => {
    const cached = keys.get(record);
    if (cached) return cached;
    const code = hexToBytes((await client.getCode({ address: record })) ?? '0x');
    if (code.length !== RECORD_BYTES)
      throw new CodedError({
        code: 'CHAIN_RECORD',
        kind: 'unavailable',
        message: `${record} is not a key record`,
      });
    const key = code.slice(1, 129);
    if (keys.size >= KEYS_KEPT) keys.delete(keys.keys().next().value!);
    keys.set(record, key);
    return key;
  };

  const readMember = async (epoch: bigint, quorum: bigint, index: number): Promise<DaMember> => {
    const member = await client.readContract({
      ...registry,
      functionName: 'memberOf',
      args: [epoch, quorum, BigInt(index)],
    });
    const operator = parseAddress(member.operator);
    const record = parseAddress(member.record);
    const [publicKey, endpoint] = await Promise.all([
      keyOf(record),
      client.readContract({ ...registry, functionName: 'endpointOf', args: [operator] }),
    ]);
    return {
      index,
      operator,
      record,
      publicKey,
      weight: positionFromBigint(member.weight),
      weightBefore: positionFromBigint(member.weightBefore),
      endpoint,
    };
  };

  const readQuorum = async (epoch: number, quorum: number): Promise<DaQuorum> => {
    const args = [BigInt(epoch), BigInt(quorum)] as const;
    const [weight, count, , isOpen] = await client.readContract({
      ...registry,
      functionName: 'quorumOf',
      args,
    });
    const members = await Promise.all(
      Array.from({ length: positionFromBigint(count) }, (_, i) => readMember(...args, i)),
    );
    return { epoch, quorum, totalWeight: positionFromBigint(weight), members, isOpen };
  };

  const finished = new Map<number, DaEpoch>();
  const readEpoch = async (epoch: number): Promise<DaEpoch | undefined> => {
    const cached = finished.get(epoch);
    if (cached) return cached;
    const args = [BigInt(epoch)] as const;
    const [entry, mix, head, schedule] = await Promise.all([
      client.readContract({ ...registry, functionName: 'epochOf', args }),
      client.readContract({ ...registry, functionName: 'mixOf', args }),
      client.getBlockNumber(),
      parameters(),
    ]);
    if (BigInt(entry.seed) === 0n) return undefined;
    const quorums = await Promise.all(
      Array.from({ length: entry.quorumCount }, (_, index) => readQuorum(epoch, index)),
    );
    const out: DaEpoch = {
      epoch,
      seed: parseHash32(entry.seed),
      mix: parseHash32(mix),
      quorums,
    };
    // Kept only when no reorg of a few blocks can still change it.
    if (Number(head) >= revealWindow(schedule, epoch).end + schedule.seedDelayBlocks) {
      if (finished.size >= EPOCHS_KEPT) finished.delete(finished.keys().next().value!);
      finished.set(epoch, out);
    }
    return out;
  };

  return {
    contracts,
    parameters,
    head: () => guard(async () => toBlock(await client.getBlock())),
    finalized: () =>
      guard(async () =>
        positionFromBigint((await client.getBlock({ blockTag: 'finalized' })).number),
      ),
    block: (number) =>
      guard(async () => {
        const raw = await client.request({
          method: 'eth_getBlockByNumber',
          params: [`0x${number.toString(16)}`, false],
        });
        return raw
          ? {
              number,
              hash: parseHash32(raw.hash),
              timestamp: Number(raw.timestamp),
            }
          : undefined;
      }),
    header: (number) =>
      guard(async () => {
        const raw = await client.request({
          method: 'eth_getBlockByNumber',
          params: [`0x${number.toString(16)}`, false],
        });
        const block = (raw ?? {}) as Record<string, unknown>;
        return { headerRlp: encodeBlockHeader(block), mixHash: parseHash32(block.mixHash) };
      }),
    mix: (epoch) =>
      guard(async () =>
        parseHash32(
          await client.readContract({ ...registry, functionName: 'mixOf', args: [BigInt(epoch)] }),
        ),
      ),
    epoch: (epoch) => guard(() => readEpoch(epoch)),
    serving: (block) =>
      guard(async () => {
        const at = epochAt(await parameters(), block);
        if (at === undefined) return undefined;
        for (let epoch = at; epoch >= Math.max(0, at - CARRY_OVER); epoch--) {
          const found = await readEpoch(epoch);
          if (found?.quorums.some((quorum) => quorum.isOpen)) return found;
        }
        return undefined;
      }),
    account: (account) =>
      guard(async () => {
        const [balanceWei, pendingWei] = await client.readContract({
          ...entrance,
          functionName: 'accounts',
          args: [account],
        });
        return { balanceWei, pendingWei };
      }),
    isNonceSpent: (account, nonce) =>
      guard(() =>
        client.readContract({ ...entrance, functionName: 'isNonceSpent', args: [account, nonce] }),
      ),
    sessionKeyUntil: (account, key) =>
      guard(async () =>
        Number(
          await client.readContract({
            ...entrance,
            functionName: 'sessionKeyUntil',
            args: [account, key],
          }),
        ),
      ),
    pricePerByteSecond: () =>
      guard(() => client.readContract({ ...entrance, functionName: 'pricePerByteSecond' })),
    operator: (operator) =>
      guard(async () => {
        const entry = await client.readContract({
          ...registry,
          functionName: 'operatorOf',
          args: [operator],
        });
        return {
          record: parseAddress(entry.record),
          isActive: entry.place !== 0,
          isJailed: entry.isJailed,
          votes: entry.votes,
          lastReveal: entry.lastReveal,
        };
      }),
    votesAt: (operator, block) =>
      guard(async () => {
        const [votes] = await client.readContract({
          ...registry,
          functionName: 'votesAt',
          args: [operator, BigInt(block)],
        });
        return positionFromBigint(votes);
      }),
    findBlob: (key) =>
      guard(async () => {
        const { chainId, genesisBlock } = await parameters();
        const domain = { chainId, contract: contracts.entrance };
        return findBlob(client, domain, key, Math.max(0, genesisBlock));
      }),
    credits: (account) =>
      guard(async () => {
        const call = { functionName: 'credits', args: [account] } as const;
        const [fees, answers] = await Promise.all([
          client.readContract({ ...entrance, ...call }),
          client.readContract({ ...challenges, ...call }),
        ]);
        return { fees, answers };
      }),
    endpoint: (operator) =>
      guard(() =>
        client.readContract({ ...registry, functionName: 'endpointOf', args: [operator] }),
      ),
    challengeBond: (operator) =>
      guard(() =>
        client.readContract({ ...challenges, functionName: 'bondFor', args: [operator] }),
      ),
    isChallengeOpen: (id) =>
      guard(async () => {
        const hash = await client.readContract({
          ...challenges,
          functionName: 'challengeHash',
          args: [id],
        });
        return BigInt(hash) > CHALLENGE_FAILED;
      }),
    checkCertificate: (lookup) =>
      guard(() =>
        client.readContract({
          ...entrance,
          functionName: 'checkCertificate',
          args: [bytesToHex(lookup)],
        }),
      ),
    confirmedBlob: (at) =>
      guard(async () =>
        findConfirmedBlob(client, { contracts, parameters: await parameters() }, at),
      ),
    events: ({ fromBlock, toBlock }) =>
      guard(async () =>
        decodeDaEvents(
          await client.getLogs({
            address: [contracts.entrance, contracts.challenges],
            fromBlock: BigInt(fromBlock),
            toBlock: BigInt(toBlock),
          }),
          contracts,
        ),
      ),
    eventsOf: (hash: Hash32) =>
      guard(async () =>
        decodeDaEvents((await client.getTransactionReceipt({ hash })).logs, contracts),
      ),
  };
}

function toBlock(block: { number: bigint; hash: string; timestamp: bigint }): DaBlock {
  return {
    number: positionFromBigint(block.number),
    hash: parseHash32(block.hash),
    timestamp: positionFromBigint(block.timestamp),
  };
}

/** Whether members with these indices have the two thirds of the weight that a certificate needs. */
export function hasCertifyingWeight(quorum: DaQuorum, present: Iterable<number>): boolean {
  let weight = 0;
  for (const index of present) weight += quorum.members[index]?.weight ?? 0;
  return isSupermajority(weight, quorum.totalWeight);
}

/** The DA contracts that belong to an entrance. Throws `CHAIN_WRONG_CONTRACT` when there is none at the address. */
export async function daContractsOf(rpcUrl: string, entrance: Address): Promise<DaContracts> {
  const client = createPublicClient({ transport: http(rpcUrl, { retryCount: 1 }) });
  try {
    const [registry, challenges] = await Promise.all([
      client.readContract({ address: entrance, abi: daEntranceAbi, functionName: 'registry' }),
      client.readContract({ address: entrance, abi: daEntranceAbi, functionName: 'challenges' }),
    ]);
    const vault = await client.readContract({
      address: registry,
      abi: daRegistryAbi,
      functionName: 'vault',
    });
    return {
      registry: parseAddress(registry),
      entrance,
      vault: parseAddress(vault),
      challenges: parseAddress(challenges),
    };
  } catch (error) {
    const coded = chainError(error, rpcUrl);
    if (coded.code === 'CHAIN_UNREACHABLE') throw coded;
    throw new CodedError({
      code: 'CHAIN_WRONG_CONTRACT',
      kind: 'invalid',
      message: `there is no DAEntrance at ${entrance}`,
      cause: error,
    });
  }
}
