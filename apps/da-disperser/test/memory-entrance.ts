/*
 * DAEntrance in memory, as far as a disperser can tell it from the real one: blocks, one serving quorum, nonces that are spent
 * once, batches whose lookups have a verdict. What a test breaks (a transaction that is mined and never reported, one that is
 * late, a reorg) it breaks here; the real contract runs in e2e.
 */
import { CodedError, type Hash32, hexToBytes, parseAddress, parseHash32 } from '@cairn/base';
import type { DaEpoch, DaEvent, DaParameters, DaReader } from '@cairn/chain/da';
import { type BlobHeader, blobKey, type Domain, decodeHeader } from '@cairn/quorum';
import { keccak256 } from 'viem';
import type { Payer } from '../src/pipeline/payer.ts';

export const hash = (byte: string): Hash32 => parseHash32(`0x${byte.repeat(32)}`);
const address = (byte: string) => parseAddress(`0x${byte.repeat(20)}`);

export const ENTRANCE: Domain = { chainId: 31337, contract: address('e1') };
const CONTRACTS = {
  registry: address('e2'),
  entrance: ENTRANCE.contract,
  vault: address('e3'),
  challenges: address('e4'),
};
const PARAMETERS: DaParameters = {
  ...{ chainId: 31337, genesisBlock: 0, epochBlocks: 30, lookaheadBlocks: 12, seedDelayBlocks: 2 },
  ...{ revealWindowBlocks: 8, confirmBlocks: 30, retentionSeconds: 600, slackSeconds: 90 },
  ...{ membersMin: 3, effectivePerQuorum: 512, voteUnitWei: 10n ** 18n },
};
/** `DAEntrance.Reject`. */
export const REJECT = { version: 1, spentNonce: 8, feeAboveMax: 9 } as const;

type Confirm = { headers: BlobHeader[]; batch: Record<string, unknown>; batchHash: Hash32 };

export class MemoryEntrance {
  block = 100;
  epochNumber = 3;
  finalizedBlock = 0;
  price = 1n;
  readonly weights: readonly number[];
  readonly charged: Hash32[] = [];
  /** Called in place of mining: what a test wants to happen to a transaction. */
  onSend: ((mine: () => void) => Promise<void> | void) | undefined;
  /** Rejects these, whatever they say. */
  rejectWith: number | undefined;
  readonly #spent = new Set<string>();
  readonly #unpaid = new Map<Hash32, Set<Hash32>>();
  readonly #events = new Map<string, DaEvent[]>();
  verdictsAsked = 0;

  constructor(weights: readonly number[] = [4, 3, 2, 1]) {
    this.weights = weights;
  }

  get epoch(): DaEpoch {
    const totalWeight = this.weights.reduce((sum, weight) => sum + weight, 0);
    let weightBefore = 0;
    const members = this.weights.map((weight, index) => {
      const member = {
        index,
        operator: address(`0${index}`),
        record: address(`1${index}`),
        publicKey: new Uint8Array(128),
        weight,
        weightBefore,
        endpoint: `127.0.0.1:${1000 + index}`,
      };
      weightBefore += weight;
      return member;
    });
    const quorum = { epoch: this.epochNumber, quorum: 0, totalWeight, members, isOpen: true };
    return { epoch: this.epochNumber, seed: hash('5e'), mix: hash('61'), quorums: [quorum] };
  }

  readonly reader = {
    contracts: CONTRACTS,
    parameters: async () => PARAMETERS,
    head: async () => ({ number: this.block++, hash: hash('bb'), timestamp: 1_000_000 }),
    finalized: async () => this.finalizedBlock,
    serving: async () => this.epoch,
    pricePerByteSecond: async () => this.price,
    eventsOf: async (transaction: Hash32) => this.#events.get(transaction) ?? [],
    checkCertificate: async (lookup: Uint8Array) => {
      this.verdictsAsked++;
      const unpaid = this.#unpaid.get(keccakHex(lookup.subarray(32, 32 * 7)));
      if (!unpaid) return 2;
      return unpaid.has(keyOfLookup(lookup)) ? 5 : 1;
    },
  } satisfies Partial<DaReader>;

  readonly sender = {
    send: async (call: { args: readonly unknown[] }) => {
      const transaction = hash(this.#events.size.toString(16).padStart(2, '0'));
      const mine = (): void => {
        this.block++;
        this.#events.set(transaction, this.#confirm(toConfirm(call.args)));
      };
      if (this.onSend) await this.onSend(mine);
      else mine();
      return {
        transactionHash: transaction,
        blockNumber: BigInt(this.block),
        gasUsed: 1n,
      } as never;
    },
  };

  readonly payer = {
    address: address('aa'),
    nonce: (() => {
      let next = 1n;
      return () => next++;
    })(),
    authorize: async () => new Uint8Array(65),
  } satisfies Partial<Payer>;

  /** A lapsed batch was settled: the nonce is gone and nothing is confirmed. */
  spend(nonce: bigint): void {
    this.#spent.add(`${this.payer.address}/${nonce}`);
  }

  /** A reorg takes every confirmation back. */
  forget(): void {
    this.#unpaid.clear();
    this.#spent.clear();
    this.charged.length = 0;
  }

  #confirm({ headers, batchHash }: Confirm): DaEvent[] {
    if (this.#unpaid.has(batchHash)) throw reverted('AlreadyConfirmed');
    const unpaid = new Set<Hash32>();
    this.#unpaid.set(batchHash, unpaid);
    return headers.map((header): DaEvent => {
      const key = blobKey(ENTRANCE, header);
      const nonce = `${header.account}/${header.nonce}`;
      const reason = this.rejectWith ?? (this.#spent.has(nonce) ? REJECT.spentNonce : undefined);
      if (reason !== undefined) {
        unpaid.add(key);
        return { kind: 'rejected', blobKey: key, reason, block: this.block };
      }
      this.#spent.add(nonce);
      this.charged.push(key);
      return { kind: 'charged', blobKey: key, amountWei: 1n, block: this.block };
    });
  }
}

function reverted(name: string): CodedError {
  return new CodedError({ code: 'CHAIN_REVERTED', kind: 'conflict', message: name });
}

const keccakHex = (bytes: Uint8Array): Hash32 => parseHash32(keccak256(bytes));

const word = (value: bigint | number): Uint8Array =>
  hexToBytes(`0x${BigInt(value).toString(16).padStart(64, '0')}`);

/** Arguments of `confirmBatch` as viem gets them. */
function toConfirm(args: readonly unknown[]): Confirm {
  const [{ batch }, headers] = args as [
    {
      batch: Record<'epoch' | 'quorum' | 'referenceBlock' | 'expiry' | 'blobs', number> & {
        root: Hash32;
      };
    },
    (Omit<BlobHeader, 'expiry'> & { expiry: bigint })[],
  ];
  const { epoch, quorum, referenceBlock, expiry, blobs, root } = batch;
  const words = [epoch, quorum, referenceBlock, expiry, blobs].map(word);
  return {
    batch,
    batchHash: keccakHex(Buffer.concat([...words, hexToBytes(root)])),
    headers: headers.map((header) => ({ ...header, expiry: Number(header.expiry) })),
  };
}

function keyOfLookup(lookup: Uint8Array): Hash32 {
  return blobKey(ENTRANCE, decodeHeader(lookup.slice(32 * 7, 32 * 19)));
}
