/*
 * The account that pays: signs headers, gives out nonces, keeps its prepaid balance above a floor. Nonces are unordered bits on
 * chain; random ones need no state that a crash could lose.
 */
import { type Address, type Hex, hexToBytes, type Logger, type RandomSource } from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { type DaReader, depositCall } from '@cairn/chain/da';
import { authorizationDigest, type BlobHeader, type Domain } from '@cairn/quorum';
import { sign } from 'viem/accounts';

export type PayerDeps = {
  reader: DaReader;
  sender: TransactionSender;
  privateKey: Hex;
  entrance: Domain;
  random: RandomSource;
  log: Logger;
};

export class Payer {
  readonly #deps: PayerDeps;
  readonly #depositWei: bigint;

  constructor(deps: PayerDeps, options: { depositWei: bigint }) {
    this.#deps = deps;
    this.#depositWei = options.depositWei;
  }

  get address(): Address {
    return this.#deps.sender.address;
  }

  nonce(): bigint {
    let value = 0n;
    for (const byte of this.#deps.random.bytes(31)) value = (value << 8n) | BigInt(byte);
    return value;
  }

  async authorize(header: BlobHeader): Promise<Uint8Array> {
    const { privateKey, entrance } = this.#deps;
    return hexToBytes(
      await sign({ hash: authorizationDigest(entrance, header), privateKey, to: 'hex' }),
    );
  }

  /** Deposits when less than half of the wanted balance is left. */
  async step(signal: AbortSignal): Promise<void> {
    const { reader, sender, log } = this.#deps;
    const { balanceWei, pendingWei } = await reader.account(this.address);
    if (2n * (balanceWei - pendingWei) >= this.#depositWei) return;
    const amountWei = this.#depositWei - balanceWei;
    await sender.send(depositCall(reader.contracts, this.address, amountWei), { signal });
    log.info({ account: this.address, amountWei: amountWei.toString() }, 'deposited for blobs');
  }
}
