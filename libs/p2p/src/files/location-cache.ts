import type { Clock, DataRoot } from '@cairn/base';
import type { ShardConfig } from '@cairn/protocol';
import type { FileName } from '../messages/gossip.ts';
import type { PeerId } from '../network.ts';

export type FileLocation = {
  peer: PeerId;
  shard: ShardConfig;
  /** Where the peer said it can be reached; possibly empty when it is connected. */
  addresses: readonly string[];
};
type Known = FileLocation & { root: DataRoot; expiresAt: number };

export type LocationCacheOptions = { filesMax: number; peersPerFileMax: number; ttlMs: number };
/** Sizes as upstream's (spec/storage-protocol.md 7.7), except that 16 peers a file feed a parallel fetch. */
export const LOCATION_CACHE_DEFAULTS: LocationCacheOptions = {
  filesMax: 100_000,
  peersPerFileMax: 16,
  ttlMs: 86_400_000,
};

/** Who said to hold which file. Hints only: whatever comes from there is verified. */
export class LocationCache {
  readonly #clock: Clock;
  readonly #options: LocationCacheOptions;
  readonly #files = new Map<number, Known[]>();

  constructor(clock: Clock, options: Partial<LocationCacheOptions> = {}) {
    this.#clock = clock;
    this.#options = { ...LOCATION_CACHE_DEFAULTS, ...options };
  }

  add(file: FileName, location: FileLocation): void {
    const known = (this.#files.get(file.txSeq) ?? []).filter(({ peer }) => peer !== location.peer);
    if (known.length >= this.#options.peersPerFileMax) known.shift();
    known.push({
      ...location,
      root: file.root,
      expiresAt: this.#clock.monotonic() + this.#options.ttlMs,
    });
    // Set again, so that the map's order is by last use and its first key the oldest.
    this.#files.delete(file.txSeq);
    if (this.#files.size >= this.#options.filesMax)
      this.#files.delete(this.#files.keys().next().value ?? -1);
    this.#files.set(file.txSeq, known);
  }

  get(file: FileName): FileLocation[] {
    const now = this.#clock.monotonic();
    return (this.#files.get(file.txSeq) ?? []).filter(
      (known) => known.root === file.root && known.expiresAt > now,
    );
  }

  /** Forgets what a peer said, when it turned out not to be true. */
  drop(peer: PeerId): void {
    for (const [seq, known] of this.#files) {
      const left = known.filter((entry) => entry.peer !== peer);
      if (left.length === 0) this.#files.delete(seq);
      else if (left.length < known.length) this.#files.set(seq, left);
    }
  }

  get size(): number {
    return this.#files.size;
  }
}
