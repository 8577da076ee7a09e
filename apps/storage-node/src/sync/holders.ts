import { type Clock, errorMessage, type Logger } from '@cairn/base';
import { hasBit, type KnownPeer, type PeerId, type PeerService } from '@cairn/p2p';
import type { StoredSubmission } from '../store/submission-table.ts';

/** Files of one question: a kilobyte of answer. */
const FILES_PER_BLOCK = 8192;
/** A "no" is asked again after this time; a "yes" is believed until the peer fails to give the file. */
const NO_TTL_MS = 2000;
const BLOCKS_PER_PEER_MAX = 64;

type Block = { bitmap: Uint8Array; askedAt: number };

/** Which connected peers have which files finalized, asked 8,192 files at a time. */
export class Holders {
  readonly #peers: PeerService;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #blocks = new Map<PeerId, Map<number, Block>>();

  constructor(deps: { peers: PeerService; clock: Clock; log: Logger }) {
    this.#peers = deps.peers;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Peers that said to have it, connected and greeted. */
  of(file: StoredSubmission): (KnownPeer & { status: NonNullable<KnownPeer['status']> })[] {
    const announced = new Set(
      this.#peers.locations.get({ txSeq: file.seq, root: file.root }).map(({ peer }) => peer),
    );
    return this.#peers.book
      .ready()
      .filter(({ peer }) => announced.has(peer) || this.#says(peer, file.seq));
  }

  /** Asks every peer whose last answer about the file is a "no" that grew old, or that was never asked. */
  async refresh(file: StoredSubmission, signal: AbortSignal): Promise<void> {
    this.#forgetTheGone();
    const number = Math.floor(file.seq / FILES_PER_BLOCK);
    const now = this.#clock.monotonic();
    const stale = this.#peers.book.askable().filter(({ peer }) => {
      const block = this.#blocks.get(peer)?.get(number);
      return !block || (!this.#says(peer, file.seq) && now - block.askedAt >= NO_TTL_MS);
    });
    await Promise.all(stale.map(({ peer }) => this.#ask(peer, number, signal)));
  }

  /** The peer turned out not to have it. */
  deny(peer: PeerId, file: StoredSubmission): void {
    const block = this.#blocks.get(peer)?.get(Math.floor(file.seq / FILES_PER_BLOCK));
    const index = file.seq % FILES_PER_BLOCK;
    if (block) block.bitmap[index >> 3]! &= ~(1 << (index & 7));
  }

  async #ask(peer: PeerId, number: number, signal: AbortSignal): Promise<void> {
    const fromSeq = number * FILES_PER_BLOCK;
    const blocks = this.#blocks.get(peer) ?? new Map<number, Block>();
    this.#blocks.set(peer, blocks);
    if (!blocks.has(number) && blocks.size >= BLOCKS_PER_PEER_MAX)
      blocks.delete(blocks.keys().next().value ?? number);
    const askedAt = this.#clock.monotonic();
    try {
      const { bitmap } = await this.#peers.exchange.have(
        peer,
        { fromSeq, count: FILES_PER_BLOCK },
        { signal },
      );
      blocks.set(number, { bitmap: bitmap.slice(), askedAt });
    } catch (error) {
      this.#log.debug({ peer, error: errorMessage(error) }, 'a peer did not say what it has');
      blocks.set(number, { bitmap: blocks.get(number)?.bitmap ?? emptyBitmap(), askedAt });
    }
  }

  #says(peer: PeerId, seq: number): boolean {
    const block = this.#blocks.get(peer)?.get(Math.floor(seq / FILES_PER_BLOCK));
    return block !== undefined && hasBit(block.bitmap, seq % FILES_PER_BLOCK);
  }

  #forgetTheGone(): void {
    for (const peer of this.#blocks.keys())
      if (!this.#peers.book.get(peer)?.connection) this.#blocks.delete(peer);
  }
}

const emptyBitmap = (): Uint8Array => new Uint8Array(FILES_PER_BLOCK / 8);
