/*
 * Gossip about files: "I finalized this", "who has this?", "I have these". Messages that are malformed count against who
 * passed them on; stale ones and those above a peer's rate go no further.
 */
import { type Clock, errorMessage, type Logger, type RandomSource, RateLimit } from '@cairn/base';
import { shardsIntersect } from '@cairn/protocol';
import type { FileSource } from './files/file-source.ts';
import type { LocationCache } from './files/location-cache.ts';
import {
  ANNOUNCE_ADDRESSES_MAX,
  ANNOUNCE_FILES_MAX,
  type AnnounceMessage,
  decodeAnnounce,
  decodeFileMessage,
  encodeAnnounce,
  encodeFileMessage,
  type FileMessage,
  type FileName,
} from './messages/gossip.ts';
import type { NetworkIdentity } from './messages/status.ts';
import type { GossipVerdict, PeerId, PeerNetwork } from './network.ts';
import { parseAddress } from './peers/address.ts';
import { topicNames } from './protocols.ts';

export type FileGossipDeps = {
  network: PeerNetwork;
  source: FileSource;
  locations: LocationCache;
  clock: Clock;
  random: RandomSource;
  log: Logger;
  /** A peer finalized or announced a file. */
  onLocation?: ((file: FileName, peer: PeerId) => void) | undefined;
};

/** How old a message may be, and how far its clock may be ahead (spec/storage-protocol.md 7.4). */
const NEW_FILE_SECONDS_MAX = 30;
const FIND_SECONDS_MAX = 300;
const DRIFT_SECONDS_MAX = 10;
/** Messages a second that one neighbour may hand us, on all topics. */
const MESSAGES_PER_SECOND = 20;
const NEIGHBOURS_MAX = 1024;
/** Holders of a file answer within this time, so that the first few answers save the others theirs. */
const ANNOUNCE_DELAY_MS = 500;
/** Enough announcers of one file: more of them stay silent. */
const ANNOUNCERS_ENOUGH = 4;

export class FileGossip {
  readonly #deps: FileGossipDeps;
  readonly #topics;
  readonly #rates = new Map<PeerId, RateLimit>();
  readonly #pending = new Map<number, FileName>();
  readonly #abort = new AbortController();
  #announcing: Promise<void> | undefined;

  constructor(deps: FileGossipDeps, network: NetworkIdentity) {
    this.#deps = deps;
    this.#topics = topicNames(network);
    const on = (topic: string, handle: (from: PeerId, data: Uint8Array) => GossipVerdict): void => {
      deps.network.subscribe(topic, ({ from, via, data }) => {
        if (!this.#rateOf(via).tryTake()) return 'ignore';
        try {
          return handle(from, data);
        } catch (error) {
          deps.log.debug({ via, error: errorMessage(error) }, 'gossip refused');
          return 'reject';
        }
      });
    };
    on(this.#topics.newFile, (from, data) => this.#onNewFile(from, decodeFileMessage(data)));
    on(this.#topics.findFile, (from, data) => this.#onFind(from, decodeFileMessage(data)));
    on(this.#topics.announceFile, (from, data) => this.#onAnnounce(from, decodeAnnounce(data)));
  }

  /** Says that a file is finalized here. */
  newFile(file: FileName): Promise<void> {
    return this.#publish(this.#topics.newFile, this.#fileMessage(file));
  }

  /** Asks everybody for a file; answers arrive in the location cache. */
  findFile(file: FileName): Promise<void> {
    return this.#publish(this.#topics.findFile, this.#fileMessage(file));
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#announcing;
  }

  #onNewFile(from: PeerId, message: FileMessage): GossipVerdict {
    if (!this.#isFresh(message.seconds, NEW_FILE_SECONDS_MAX)) return 'ignore';
    this.#learn(from, message, { shard: message.shard, addresses: [] });
    return 'accept';
  }

  #onFind(from: PeerId, message: FileMessage): GossipVerdict {
    const { source, network, locations } = this.#deps;
    if (!this.#isFresh(message.seconds, FIND_SECONDS_MAX)) return 'ignore';
    const isUseful =
      from !== network.peerId &&
      shardsIntersect(source.shard(), message.shard) &&
      source.isFinalized(message) &&
      locations.get(message).length < ANNOUNCERS_ENOUGH;
    if (isUseful && this.#pending.size < ANNOUNCE_FILES_MAX) {
      this.#pending.set(message.txSeq, { txSeq: message.txSeq, root: message.root });
      this.#announcing ??= this.#announce().finally(() => {
        this.#announcing = undefined;
      });
    }
    return 'accept';
  }

  #onAnnounce(from: PeerId, message: AnnounceMessage): GossipVerdict {
    if (!this.#isFresh(message.seconds, FIND_SECONDS_MAX)) return 'ignore';
    for (const address of message.addresses) parseAddress(address);
    for (const file of message.files) this.#learn(from, file, message);
    return 'accept';
  }

  #learn(peer: PeerId, file: FileName, where: Pick<AnnounceMessage, 'shard' | 'addresses'>): void {
    if (peer === this.#deps.network.peerId) return;
    this.#deps.locations.add(
      { txSeq: file.txSeq, root: file.root },
      { peer, shard: where.shard, addresses: where.addresses },
    );
    this.#deps.onLocation?.(file, peer);
  }

  /** Waits a little, then announces everything that was asked for meanwhile in one message. */
  async #announce(): Promise<void> {
    const { clock, random, network, source, locations } = this.#deps;
    await clock
      .sleep(random.next() * ANNOUNCE_DELAY_MS, this.#abort.signal)
      .catch(() => this.#pending.clear());
    const files = [...this.#pending.values()].filter(
      (file) => locations.get(file).length < ANNOUNCERS_ENOUGH,
    );
    this.#pending.clear();
    if (files.length === 0) return;
    await this.#publish(
      this.#topics.announceFile,
      encodeAnnounce({
        seconds: this.#seconds(),
        shard: source.shard(),
        addresses: network.addresses().slice(0, ANNOUNCE_ADDRESSES_MAX),
        files,
      }),
    );
  }

  #fileMessage(file: FileName): Uint8Array {
    return encodeFileMessage({
      seconds: this.#seconds(),
      txSeq: file.txSeq,
      root: file.root,
      shard: this.#deps.source.shard(),
    });
  }

  /** Gossip is best effort: a failure is not the caller's. */
  async #publish(topic: string, data: Uint8Array): Promise<void> {
    try {
      await this.#deps.network.publish(topic, data);
    } catch (error) {
      this.#deps.log.debug({ topic, error: errorMessage(error) }, 'could not publish');
    }
  }

  #isFresh(seconds: number, ageMax: number): boolean {
    const age = this.#seconds() - seconds;
    return age <= ageMax && age >= -DRIFT_SECONDS_MAX;
  }

  #seconds(): number {
    return Math.floor(this.#deps.clock.now() / 1000);
  }

  #rateOf(peer: PeerId): RateLimit {
    let rate = this.#rates.get(peer);
    if (!rate) {
      if (this.#rates.size >= NEIGHBOURS_MAX)
        this.#rates.delete(this.#rates.keys().next().value ?? peer);
      rate = new RateLimit(this.#deps.clock, MESSAGES_PER_SECOND);
      this.#rates.set(peer, rate);
    }
    return rate;
  }
}
