/*
 * Puts dispersed blobs into batches and confirms them. Latency first: a batch closes as soon as its first blob is ready and no
 * transaction is out; blobs that become ready meanwhile form the next one, so load makes batches larger by itself. Blobs of one
 * batch share epoch, quorum and expiry, because the contract wants that.
 */
import { CodedError, type Hash32, hexToBytes, type Logger, systemClock } from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { confirmBatchCall, type DaReader } from '@cairn/chain/da';
import {
  BATCH_MAX,
  type Batch,
  type BlobHeader,
  type Bls,
  batchProof,
  batchRoot,
  encodeCertificate,
  encodeLookup,
} from '@cairn/quorum';
import type { Disperser, Place } from '@cairn/sdk/da';

export type ReadyBlob = {
  place: Place;
  header: BlobHeader;
  authorization: Uint8Array;
  key: Hash32;
  /** Members that have its rows. */
  stored: ReadonlySet<number>;
};
export type Confirmation = { certificate: Uint8Array; lookup: Uint8Array; block: number };

export type BatcherDeps = {
  disperser: Disperser;
  reader: DaReader;
  sender: TransactionSender;
  bls: Bls;
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

  /** Resolves when the blob is confirmed and paid for. Rejects with what certifying or the contract said. */
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
      const { header } = first.blob;
      const same = ({ blob }: Waiting): boolean =>
        blob.header.epoch === header.epoch &&
        blob.header.quorum === header.quorum &&
        blob.header.expiry === header.expiry;
      const chosen = this.#waiting.filter(same).slice(0, BATCH_MAX);
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
    const batch: Batch = {
      epoch: header.epoch,
      quorum: header.quorum,
      referenceBlock: (await reader.head()).number,
      expiry: header.expiry,
      blobs: blobs.length,
      root: batchRoot(keys),
    };
    const everywhere = new Set(
      [...blobs[0]!.stored].filter((member) => blobs.every(({ stored }) => stored.has(member))),
    );
    const { certificate } = await disperser.certify(
      place.quorum,
      batch,
      keys.map((key) => hexToBytes(key)),
      everywhere,
      { signal },
    );
    const call = confirmBatchCall(reader.contracts, {
      certificate,
      signature: bls.signatureToEvm(certificate.signature),
      headers: blobs.map((blob) => blob.header),
      authorizations: blobs.map((blob) => blob.authorization),
    });
    const receipt = await this.#sendAfter(
      batch.referenceBlock,
      () => sender.send(call, { signal }),
      signal,
    );
    const events = await reader.eventsOf(receipt.transactionHash as Hash32);
    const encoded = encodeCertificate(bls, certificate);
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
      if (rejected?.kind === 'rejected') {
        reject(
          new CodedError({
            code: 'DISPERSER_BLOB_REJECTED',
            kind: 'invalid',
            message: `the contract did not charge the blob (reason ${rejected.reason})`,
            details: { blobKey: blob.key, reason: rejected.reason },
          }),
        );
        continue;
      }
      resolve({
        certificate: encoded,
        lookup: encodeLookup({
          batch,
          header: blob.header,
          index,
          siblings: batchProof(keys, index),
        }),
        block: Number(receipt.blockNumber),
      });
    }
  }

  /** The contract wants a block after the reference block, and simulations run on the newest one. */
  async #sendAfter<T>(
    referenceBlock: number,
    send: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    await waitForBlock(this.#deps.reader, referenceBlock + 1, signal);
    return send();
  }
}

async function waitForBlock(reader: DaReader, number: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    if ((await reader.head()).number >= number) return;
    await systemClock.sleep(HEAD_POLL_MS, signal);
  }
}
