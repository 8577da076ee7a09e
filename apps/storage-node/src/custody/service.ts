// Receipts as the settings ask for: the provider's standing, the issuer, the answers, each with its loop.
import { CodedError, errorMessage, type Logger, Loop, type RandomSource } from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import { createCustodyReader, createReceiptSigner } from '@cairn/chain/custody';
import { readKeyFile } from '@cairn/config';
import type { SignedReceipt } from '@cairn/protocol';
import type { NodeConfig } from '../config.ts';
import type { Files } from '../ingest/files.ts';
import type { NodeMetrics } from '../metrics.ts';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import type { StoredSubmission } from '../store/submission-table.ts';
import { Challenges } from './challenges.ts';
import { Issuer } from './issuer.ts';
import { Provider } from './provider.ts';
import type { ReceiptTable } from './receipt-table.ts';

export type CustodyDeps = {
  database: NodeDatabase;
  files: Files;
  reader: Reader;
  random: RandomSource;
  receipts: ReceiptTable;
  metrics: NodeMetrics;
  /** False while no new receipts may be signed. */
  mayPromise?: (() => boolean) | undefined;
  log: Logger;
};
export type Custody = {
  receiptFor(txSeq: number): Promise<SignedReceipt | undefined>;
  /** A file is whole here: its receipt is signed before anybody asks, unless it is an old one that sync brought. */
  finalized(file: StoredSubmission): void;
  /** Challenges that wait for our answer. */
  readonly openChallenges: number;
  start(): void;
  stop(): Promise<void>;
};

/** Rounds of looking at the provider's own standing. */
const STANDING_MS = 5000;
const WEI_PER_TOKEN = 1e18;
/** A file this many blocks below the head has no uploader who waits for its receipt. */
const FRESH_BLOCKS = 256;
/** Receipts signed ahead at once; more are signed when they are asked for. */
const PREPARING_MAX = 64;

/** Undefined without a key. Throws `CONFIG_KEY_FILE`, `CUSTODY_CONTRACT`. */
export function createCustody(
  deps: CustodyDeps,
  config: NodeConfig,
  chainId: number,
): Custody | undefined {
  if (config.custodyKeyFile === undefined) return undefined;
  const contract = config.custodyContractAddress;
  if (contract === undefined) {
    throw new CodedError({
      code: 'CUSTODY_CONTRACT',
      kind: 'invalid',
      message: 'receipts need the address of the StorageCustody contract',
      hint: 'give --custody-contract-address',
    });
  }
  const { database, files, receipts, reader: serve, random, metrics, mayPromise, log } = deps;
  const privateKey = readKeyFile(config.custodyKeyFile);
  const { chainRpcUrl: rpcUrl, pollMs } = config;
  const reader = createCustodyReader({ rpcUrl, contract });
  const sender = createTransactionSender({ rpcUrl, privateKey, pollMs });
  const signer = createReceiptSigner({ privateKey, chainId, contract });
  const provider = new Provider(
    { reader, sender, signer: signer.address, log },
    { stakeWei: BigInt(Math.round(config.custodyStake * WEI_PER_TOKEN)) },
  );
  const issuer = new Issuer({
    ...{ database, files, receipts, provider, random, mayPromise, log },
    sign: (receipt) => signer.sign(receipt),
  });
  const challenges = new Challenges(
    {
      ...{ reader, sender, database, serve, log },
      onAnswered: () => metrics.custodyChallenges.add({ outcome: 'answered' }),
      onMissed: () => metrics.custodyChallenges.add({ outcome: 'missed' }),
    },
    { startBlock: config.startBlock, pageBlocks: config.pageBlocks },
  );
  const loops = [
    new Loop(
      async (signal) => {
        await provider.step(signal);
        const { now } = await provider.standing();
        receipts.prune(now);
      },
      { name: 'custody standing', intervalMs: STANDING_MS, onError: failed('standing') },
    ),
    new Loop((signal) => challenges.step(signal), {
      name: 'custody challenges',
      intervalMs: config.custodyQueryMs,
      onError: failed('challenges'),
    }),
  ];
  function failed(part: string): (error: unknown) => void {
    return (error) => log.warn({ part, error: errorMessage(error) }, 'custody has to try again');
  }
  const preparing = new Set<Promise<void>>();
  return {
    receiptFor: (txSeq) => issuer.receiptFor(txSeq),
    finalized: ({ seq, block }) => {
      const head = database.progress()?.number ?? 0;
      if (head - block > FRESH_BLOCKS || preparing.size >= PREPARING_MAX) return;
      const one = issuer.prepare(seq).finally(() => preparing.delete(one));
      preparing.add(one);
    },
    get openChallenges() {
      return challenges.openCount;
    },
    start: () => {
      for (const loop of loops) loop.start();
    },
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
      await Promise.all(preparing);
    },
  };
}
