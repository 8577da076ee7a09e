/*
 * Ends the wait for certificates that name a reference block far ahead. Nobody makes such a one honestly, and until its block has
 * passed there is no verdict on it, so whoever posts it makes all its readers wait. The verifier contract lets anybody refuse it for
 * good. That costs gas, so it is done for callers that showed a token, one at a time, and not more often than `PAUSE_MS`.
 */
import { type Address, type Clock, errorMessage, type Logger } from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { type DaReader, REFUSE_AHEAD_BLOCKS, refuseCall } from '@cairn/chain/da';
import { decodeRollupCertificate } from '@cairn/quorum';

export type RefuserDeps = {
  reader: Pick<DaReader, 'head'>;
  verifier: Address;
  sender: Pick<TransactionSender, 'send'>;
  clock: Clock;
  log: Logger;
};

const PAUSE_MS = 10_000;

export class Refuser {
  readonly #deps: RefuserDeps;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: RefuserDeps) {
    this.#deps = deps;
  }

  /** Whether the contract refused the certificate just now. Never throws: a failure leaves everything as it was. */
  async refuse(certificate: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { reader, verifier, sender, clock, log } = this.#deps;
    const { referenceBlock } = decodeRollupCertificate(certificate).batch;
    try {
      const { number } = await reader.head();
      // The transaction is in a later block: what is just beyond the line now may be within it then.
      if (referenceBlock <= number + REFUSE_AHEAD_BLOCKS + 1) return false;
      if (clock.monotonic() < this.#freeAtMs) return false;
      this.#freeAtMs = clock.monotonic() + PAUSE_MS;
      await sender.send(refuseCall(verifier, certificate), { signal });
      log.warn({ referenceBlock, head: number }, 'a certificate from far ahead was refused');
      return true;
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'a certificate from far ahead was not refused');
      return false;
    }
  }
}
