/*
 * What the operator earned: its part of the fees of each quorum it served in, once the obligations of the epoch are over, and
 * what challengers paid for its answers. Each round claims what has vested, oldest first, and pays out what was credited.
 *
 * A claim is forgotten when the contract says that it was made already, in a later round than the one that made it: a reorg may
 * drop the transaction in between.
 */
import { type Address, isCodedError, type Logger } from '@cairn/base';
import type { ContractCall, TransactionSender } from '@cairn/chain';
import {
  claimRewardCall,
  type DaReader,
  withdrawAnswersCall,
  withdrawCreditCall,
} from '@cairn/chain/da';
import type { BlobIndex } from '../store/blob-index.ts';

export type RewardsDeps = {
  reader: DaReader;
  sender: TransactionSender;
  index: BlobIndex;
  operator: Address;
  log: Logger;
  onPaid?: ((wei: bigint) => void) | undefined;
};
export type RewardsOptions = {
  /** Credits below this stay where they are: paying them out would cost more. */
  leastWei: bigint;
};

const CLAIMS_PER_ROUND = 16;

export class Rewards {
  readonly #deps: RewardsDeps;
  readonly #options: RewardsOptions;

  constructor(deps: RewardsDeps, options: RewardsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** One round. What fails is tried again in the next one. */
  async step(signal: AbortSignal): Promise<void> {
    await this.#claim(signal);
    await this.#withdraw(signal);
  }

  async #claim(signal: AbortSignal): Promise<void> {
    const { reader, sender, index, log } = this.#deps;
    for (const served of index.served(CLAIMS_PER_ROUND)) {
      try {
        await sender.send(claimRewardCall(reader.contracts, served), { signal });
        log.info(served, 'reward claimed');
      } catch (error) {
        if (!isCodedError(error, 'CHAIN_REVERTED')) throw error;
        const { errorName } = error.details;
        if (errorName === 'NotVested') return; // later epochs vest later
        // Mined and failed: somebody claimed it for us in the same block. The next round tells.
        if (errorName === undefined) continue;
        if (errorName !== 'AlreadyClaimed')
          log.warn({ ...served, refusal: errorName }, 'a reward cannot be claimed');
        index.dropServed(served);
      }
    }
  }

  async #withdraw(signal: AbortSignal): Promise<void> {
    const { reader, operator } = this.#deps;
    const { contracts } = reader;
    const { fees, answers } = await reader.credits(operator);
    await this.#pay(fees, withdrawCreditCall(contracts, operator), signal);
    await this.#pay(answers, withdrawAnswersCall(contracts, operator), signal);
  }

  async #pay(wei: bigint, call: ContractCall, signal: AbortSignal): Promise<void> {
    if (wei === 0n || wei < this.#options.leastWei) return;
    await this.#deps.sender.send(call, { signal });
    this.#deps.log.info({ wei: wei.toString() }, 'rewards paid out');
    this.#deps.onPaid?.(wei);
  }
}
