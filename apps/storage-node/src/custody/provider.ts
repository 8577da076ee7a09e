/*
 * The provider's standing on chain, kept by a loop: stake in the vault, opted in, signer named, stake locked far enough ahead that
 * receipts can be signed. Each round does the first thing that is missing; what fails is tried again in the next round.
 */
import { type Address, CodedError, type Logger } from '@cairn/base';
import type { ContractCall, TransactionSender } from '@cairn/chain';
import {
  type CustodyParameters,
  type CustodyReader,
  depositStakeCall,
  lockCall,
  optIntoCustodyCall,
  setSignerCall,
} from '@cairn/chain/custody';

export type ProviderDeps = {
  reader: CustodyReader;
  sender: TransactionSender;
  /** The account whose signatures count. */
  signer: Address;
  log: Logger;
};
export type ProviderOptions = {
  /** Stake to join with. What is slashed later is not made good: that is for the operator to decide. */
  stakeWei: bigint;
};

/** The stake is locked this many longest receipts ahead, and again when fewer than half of them are left. */
const LOCK_RECEIPTS = 4;

export class Provider {
  readonly #deps: ProviderDeps;
  readonly #options: ProviderOptions;
  #lockedUntil = 0;

  constructor(deps: ProviderDeps, options: ProviderOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get address(): Address {
    return this.#deps.sender.address;
  }

  get contract(): Address {
    return this.#deps.reader.contract;
  }

  /** Unix seconds until which the stake is locked, as last seen. */
  get lockedUntil(): number {
    return this.#lockedUntil;
  }

  /** What a receipt that is signed now can promise. `now` is the time of the newest block. */
  async standing(): Promise<{ parameters: CustodyParameters; now: number; lockedUntil: number }> {
    const { reader } = this.#deps;
    const [parameters, head] = await Promise.all([reader.parameters(), reader.head()]);
    if (this.#lockedUntil === 0)
      throw new CodedError({
        code: 'CUSTODY_NOT_READY',
        kind: 'not_ready',
        message: 'this provider has no stake behind receipts yet',
      });
    return { parameters, now: head.timestamp, lockedUntil: this.#lockedUntil };
  }

  /** One round. */
  async step(signal: AbortSignal): Promise<void> {
    const { reader, sender, signer, log } = this.#deps;
    const { contract } = reader;
    const [{ vault, maxReceiptSeconds, lockMarginSeconds }, head] = await Promise.all([
      reader.parameters(),
      reader.head(),
    ]);
    const send = async (call: ContractCall): Promise<void> => {
      await sender.send(call, { signal });
    };
    const known = await reader.provider(this.address);
    if (!known.isServing && known.stakeWei < this.#options.stakeWei) {
      const missing = this.#options.stakeWei - known.stakeWei;
      await send(depositStakeCall(vault, this.address, missing));
      log.info({ provider: this.address, wei: missing.toString() }, 'staked for custody');
    }
    if (!known.isServing) await send(optIntoCustodyCall(vault, contract));
    if (known.signer !== signer) await send(setSignerCall(contract, signer));
    let until = known.lockedUntil;
    const ahead = LOCK_RECEIPTS * maxReceiptSeconds + lockMarginSeconds;
    if (until - head.timestamp < ahead / 2) {
      until = head.timestamp + ahead;
      await send(lockCall(contract, until));
      log.info({ provider: this.address, until }, 'stake locked for receipts');
    }
    this.#lockedUntil = until;
  }
}
