/*
 * Puts dispersed blobs into batches and confirms them. Latency first: a batch closes as soon as its first blob is ready and no
 * transaction is out; blobs that become ready meanwhile form the next one, so load makes batches larger by itself. Blobs of one
 * batch share epoch, quorum and expiry, because the contract wants that.
 */
import {
  type Clock,
  CodedError,
  type Hash32,
  hexToBytes,
  isCodedError,
  type Logger,
} from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { confirmBatchCall, type DaReader, hasCertifyingWeight } from '@cairn/chain/da';
import {
  BATCH_MAX,
  type Batch,
  type BlobHeader,
  type Bls,
  batchBlock,
  batchProof,
  batchRoot,
  encodeCertificate,
  encodeHeader,
  encodeLookup,
} from '@cairn/quorum';
import type { Disperser, Place } from '@cairn/sdk/da';
import type { Attempt } from '../queue/blob-queue.ts';

export type ReadyBlob = {
  /** Its name in the queue. */
  id: string;
  place: Place;
  header: BlobHeader;
  authorization: Uint8Array;
  key: Hash32;
  /** Members that have its rows. */
  stored: ReadonlySet<number>;
};
export type Confirmation = { attempt: Attempt; block: number };
/** `DAEntrance.Reject`, as far as the disperser can do something about it. */
const REJECT = { spentNonce: 8, feeAboveMax: 9, lowBalance: 10 } as const;

export type BatcherDeps = {
  disperser: Pick<Disperser, 'certify'>;
  reader: Pick<DaReader, 'contracts' | 'head' | 'parameters' | 'eventsOf'>;
  sender: Pick<TransactionSender, 'send'>;
  bls: Bls;
  /** Makes certificates durable before their transaction is sent: a kill in between must not lose them. */
  noteAttempts: (attempts: readonly (Attempt & { id: string })[]) => void;
  clock: Clock;
  log: Logger;
};

const HEAD_POLL_MS = 50;

type Waiting = {
  blob: ReadyBlob;
  resolve: (confirmation: Confirmation) => void;
  reject: (error: unknown) => void;
};

export class Batcher {
  readonly #deps: BatcherDeps;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(deps: BatcherDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when the blob is confirmed and paid for. Rejects with what certifying or sending threw, or with
   * `DISPERSER_BLOB_REJECTED` when the contract did not charge it: `conflict` when its nonce is spent or the price rose,
   * `unavailable` when the balance is low, `invalid` otherwise; `details.reason` is the contract's.
   */
  confirm(blob: ReadyBlob, signal: AbortSignal): Promise<Confirmation> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ blob, resolve, reject });
      this.#running ??= this.#run(signal).finally(() => {
        this.#running = undefined;
      });
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const chosen = chooseBatch(first, this.#waiting);
      for (const one of chosen) this.#waiting.splice(this.#waiting.indexOf(one), 1);
      try {
        await this.#confirm(chosen, signal);
      } catch (error) {
        for (const { reject } of chosen) reject(error);
      }
    }
  }

  async #confirm(chosen: readonly Waiting[], signal: AbortSignal): Promise<void> {
    const { disperser, reader, sender, bls, log } = this.#deps;
    const blobs = chosen.map(({ blob }) => blob);
    const { place, header } = blobs[0]!;
    const keys = blobs.map(({ key }) => key);
    const [head, parameters] = await Promise.all([reader.head(), reader.parameters()]);
    const batch: Batch = {
      epoch: header.epoch,
      quorum: header.quorum,
      referenceBlock: batchBlock(parameters, head.number),
      expiry: header.expiry,
      blobs: blobs.length,
      root: batchRoot(keys),
    };
    const { certificate } = await disperser.certify(
      place.quorum,
      batch,
      keys.map((key) => hexToBytes(key)),
      inAll(blobs.map(({ stored }) => stored)),
      { signal },
    );
    const encoded = encodeCertificate(bls, certificate);
    const attempts = blobs.map(
      (blob, index): Attempt => ({
        header: encodeHeader(blob.header),
        certificate: encoded,
        lookup: encodeLookup({
          batch,
          header: blob.header,
          index,
          siblings: batchProof(keys, index),
        }),
      }),
    );
    this.#deps.noteAttempts(attempts.map((attempt, i) => ({ ...attempt, id: blobs[i]!.id })));
    const call = confirmBatchCall(reader.contracts, {
      certificate,
      signature: bls.signatureToEvm(certificate.signature),
      headers: blobs.map((blob) => blob.header),
      authorizations: blobs.map((blob) => blob.authorization),
    });
    // The contract wants a block after the reference block, and simulations run on the newest one.
    await this.#blockAfter(batch.referenceBlock, signal);
    const receipt = await sender.send(call, { signal });
    const events = await reader.eventsOf(receipt.transactionHash as Hash32);
    log.info(
      {
        blobs: blobs.length,
        absentees: certificate.absentees.length,
        gas: Number(receipt.gasUsed),
      },
      'batch confirmed',
    );
    for (const [index, { blob, resolve, reject }] of chosen.entries()) {
      const rejected = events.find(
        (event) => event.kind === 'rejected' && event.blobKey === blob.key,
      );
      if (rejected?.kind === 'rejected') reject(blobRejected(blob.key, rejected.reason));
      else resolve({ attempt: attempts[index]!, block: Number(receipt.blockNumber) });
    }
  }

  async #blockAfter(number: number, signal: AbortSignal): Promise<void> {
    const { reader, clock } = this.#deps;
    while ((await reader.head()).number <= number) await clock.sleep(HEAD_POLL_MS, signal);
  }
}

/**
 * What goes with the first one: blobs of the same epoch, quorum and expiry, as long as the members that have all of them still
 * have two thirds of the weight. Members that take one blob and refuse another would otherwise fail whole batches.
 */
function chooseBatch(first: Waiting, waiting: readonly Waiting[]): Waiting[] {
  const { header, place } = first.blob;
  const chosen: Waiting[] = [];
  let stored = first.blob.stored;
  for (const one of waiting) {
    const { blob } = one;
    const isSame =
      blob.header.epoch === header.epoch &&
      blob.header.quorum === header.quorum &&
      blob.header.expiry === header.expiry;
    if (!isSame) continue;
    const left = inAll([stored, blob.stored]);
    if (one !== first && !hasCertifyingWeight(place.quorum, left)) continue;
    stored = left;
    chosen.push(one);
    if (chosen.length === BATCH_MAX) break;
  }
  return chosen;
}

/** Members that are in every set. */
function inAll(sets: readonly ReadonlySet<number>[]): Set<number> {
  const [first = new Set<number>(), ...others] = sets;
  return new Set([...first].filter((member) => others.every((set) => set.has(member))));
}

function blobRejected(blobKey: Hash32, reason: number): CodedError {
  const isConflict = reason === REJECT.spentNonce || reason === REJECT.feeAboveMax;
  return new CodedError({
    code: 'DISPERSER_BLOB_REJECTED',
    kind: isConflict ? 'conflict' : reason === REJECT.lowBalance ? 'unavailable' : 'invalid',
    message: `the contract did not charge the blob (reason ${reason})`,
    details: { blobKey, reason },
  });
}

/** True when the contract refused a blob because its nonce was charged already. */
export function isNonceSpent(error: unknown): boolean {
  return (
    isCodedError(error, 'DISPERSER_BLOB_REJECTED') && error.details.reason === REJECT.spentNonce
  );
}
