/*
 * The operator's duties on chain, as a loop: have stake, be registered and active, reveal in every epoch's window. Each round
 * looks at the chain and does the first thing that is missing; what fails is tried again in the next round.
 */
import {
  type Address,
  type Hash32,
  hexToBytes,
  isCodedError,
  type Logger,
  parseAddress,
} from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import {
  activateCall,
  captureAndRevealCall,
  type DaBlock,
  type DaParameters,
  type DaReader,
  optInCall,
  registerCall,
  revealCall,
  setEndpointCall,
  stakeCall,
} from '@cairn/chain/da';
import {
  type Bls,
  type Domain,
  epochAt,
  epochSeed,
  popMessage,
  revealWindow,
  seedBlock,
  vrfMessage,
} from '@cairn/quorum';

export type OperatorDeps = {
  reader: DaReader;
  sender: TransactionSender;
  bls: Bls;
  secretKey: Uint8Array;
  registry: Domain;
  log: Logger;
};
export type OperatorOptions = { endpoint: string; stakeWei: bigint };

const NOBODY = parseAddress(`0x${'00'.repeat(20)}`);

export class Operator {
  readonly #deps: OperatorDeps;
  readonly #options: OperatorOptions;
  #revealedEpoch = -1;
  /** The newest block when a round ended well: the same again has nothing new. */
  #seen: Hash32 | undefined;
  #isAnnounced = false;

  constructor(deps: OperatorDeps, options: OperatorOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get address(): Address {
    return this.#deps.sender.address;
  }

  /** One round. */
  async step(signal: AbortSignal): Promise<void> {
    const { reader } = this.#deps;
    const head = await reader.head();
    if (head.hash === this.#seen) return;
    await this.#round(head, signal);
    this.#seen = head.hash;
  }

  async #round(head: DaBlock, signal: AbortSignal): Promise<void> {
    const { reader } = this.#deps;
    const entry = await reader.operator(this.address);
    if (BigInt(entry.record) !== 0n) await this.#announce(signal);
    if (!entry.isActive) {
      if (!entry.isJailed) await this.#join(BigInt(entry.record) !== 0n, signal);
      return;
    }
    const parameters = await reader.parameters();
    const now = epochAt(parameters, head.number) ?? 0;
    // It lands in the next block at the earliest, and is simulated on the newest: both must lie in the window.
    for (const epoch of [now + 1, now]) {
      const window = revealWindow(parameters, epoch);
      const isOpen = head.number >= window.start && head.number + 1 < window.end;
      if (!isOpen || this.#revealedEpoch === epoch || entry.lastReveal === epoch) continue;
      await this.#reveal(epoch, parameters, signal);
    }
  }

  /** Stakes, opts in, registers and activates: whatever is still to do. */
  async #join(isRegistered: boolean, signal: AbortSignal): Promise<void> {
    const { reader, sender, bls, secretKey, registry, log } = this.#deps;
    const { contracts } = reader;
    if (!isRegistered) {
      if (this.#options.stakeWei > 0n)
        await sender.send(stakeCall(contracts, this.address, this.#options.stakeWei), { signal });
      await sender.send(optInCall(contracts), { signal });
      const publicKey = bls.publicKey(secretKey);
      const key = bls.publicKeyToEvm(publicKey);
      const possession = bls.sign(
        secretKey,
        hexToBytes(popMessage(registry, { operator: this.address, key })),
      );
      await sender.send(
        registerCall(contracts, {
          key,
          possession: bls.signatureToEvm(possession),
          endpoint: this.#options.endpoint,
        }),
        { signal },
      );
      log.info({ operator: this.address, endpoint: this.#options.endpoint }, 'operator registered');
    }
    await sender.send(activateCall(contracts, NOBODY), { signal });
    log.info({ operator: this.address }, 'operator active from the next snapshot on');
  }

  /** Says where this node is now, when it was elsewhere before. */
  async #announce(signal: AbortSignal): Promise<void> {
    if (this.#isAnnounced) return;
    const { reader, sender, log } = this.#deps;
    const { endpoint } = this.#options;
    if ((await reader.endpoint(this.address)) !== endpoint) {
      await sender.send(setEndpointCall(reader.contracts, endpoint), { signal });
      log.info({ endpoint }, 'endpoint announced');
    }
    this.#isAnnounced = true;
  }

  async #reveal(epoch: number, parameters: DaParameters, signal: AbortSignal): Promise<void> {
    const { reader, sender, bls, secretKey, registry, log } = this.#deps;
    const { contracts } = reader;
    const votes = await reader.votesAt(
      this.address,
      seedBlock(parameters, epoch) - parameters.seedDelayBlocks,
    );
    if (votes === 0) return; // joined after the snapshot: not of this epoch
    const captured = await reader.epoch(epoch);
    const [seed, headerRlp] = captured
      ? [captured.seed, undefined]
      : await this.#seedOf(epoch, parameters);
    const signature = bls.signatureToEvm(
      bls.sign(secretKey, hexToBytes(vrfMessage(registry, { epoch, seed }))),
    );
    const input = { epoch, seed, operator: this.address, signature };
    try {
      await sender.send(
        headerRlp
          ? captureAndRevealCall(contracts, { ...input, headerRlp })
          : revealCall(contracts, input),
        { signal },
      );
    } catch (error) {
      // Somebody may have revealed for us.
      if (!isCodedError(error) || error.details.errorName !== 'AlreadyRevealed') throw error;
    }
    this.#revealedEpoch = epoch;
    log.info({ epoch, votes }, 'revealed');
  }

  /** The seed as the contract will compute it, with the header that proves it. */
  async #seedOf(epoch: number, parameters: DaParameters): Promise<[Hash32, Uint8Array]> {
    const { reader, registry } = this.#deps;
    const { headerRlp, mixHash } = await reader.header(seedBlock(parameters, epoch));
    const previousMix = epoch === 0 ? ZERO_HASH : await reader.mix(epoch - 1);
    return [epochSeed(registry, { epoch, randao: mixHash, previousMix }), headerRlp];
  }
}

const ZERO_HASH = `0x${'00'.repeat(32)}` as Hash32;
