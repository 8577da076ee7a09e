/*
 * Reads data of which not all has a holder: what has one is fetched, the rest is rebuilt with parity, stripe by stripe.
 *
 * Parities are tried in order; one that turns out to be of another file, or that too few hold, is left. Stripes that `segment`
 * rebuilt are remembered while others of their segments may still be asked for: `STRIPES_KEPT`, 4 MiB each at most.
 */
import { type CodedError, isCodedError } from '@cairn/base';
import {
  type CodedFileKind,
  type FragmentSource,
  type ProvenSegment,
  recoverStripe,
  STRIPE_DATA,
} from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_SEGMENT } from '@cairn/protocol';
import { unavailable } from '../sources.ts';
import type { StoredFile } from '../stored-file.ts';
import type { ParityPlace } from './find-parity.ts';

export type ParityFile = { file: StoredFile; place: ParityPlace };
type Dropped = { url: string; reason: string; lied: boolean };

const STRIPES_KEPT = 4;

export class StripeReader {
  readonly #kernels: Kernels;
  readonly #data: StoredFile;
  /** Those that may still be tried, the next one first. */
  readonly #parities: ParityFile[];
  readonly #all: readonly ParityFile[];
  readonly #refused: Dropped[] = [];
  readonly #stripes = new Map<number, Promise<Map<number, Uint8Array>>>();
  /** Segments rebuilt so far. */
  rebuiltSegments = 0;

  constructor(kernels: Kernels, data: StoredFile, parities: readonly ParityFile[]) {
    this.#kernels = kernels;
    this.#data = data;
    this.#all = parities;
    this.#parities = [...parities];
  }

  /** Nodes that gave parity. */
  get servedUrls(): string[] {
    return this.#all.flatMap(({ file }) => file.sources.servedUrls);
  }

  /** Nodes that were dropped while they gave parity, and parities (by root) that were of another file. */
  get dropped(): Dropped[] {
    return [...this.#all.flatMap(({ file }) => file.sources.dropped), ...this.#refused];
  }

  /** One segment; others that its stripe lacks are rebuilt with it. */
  async segment(index: number, signal: AbortSignal): Promise<Uint8Array> {
    const stripe = Math.floor(index / STRIPE_DATA);
    let reading = this.#stripes.get(stripe);
    if (!reading) {
      if (this.#stripes.size >= STRIPES_KEPT)
        this.#stripes.delete(this.#stripes.keys().next().value ?? stripe);
      reading = this.read(this.#lostOf(stripe, index), signal);
      reading.catch(() => this.#stripes.delete(stripe));
      this.#stripes.set(stripe, reading);
    }
    const found = (await reading).get(index);
    // It had a holder when the stripe was read, and has none now.
    return found ?? (await this.read([index], signal)).get(index)!;
  }

  /**
   * Segments of one stripe, verified, by index: fetched where somebody holds them, else rebuilt. Throws `SDK_UNAVAILABLE` when
   * fewer than 16 fragments can be had, and `SDK_VERIFICATION` when those who were asked lied.
   */
  async read(indexes: readonly number[], signal: AbortSignal): Promise<Map<number, Uint8Array>> {
    const held = await this.#data.fetch(
      indexes.filter((index) => this.#data.has(index)),
      signal,
    );
    const out = new Map(held.map(({ index, data }) => [index, data]));
    const lost = indexes.filter((index) => !out.has(index));
    if (lost.length === 0) return out;
    for (const { index, data } of await this.#rebuild(lost, held, signal)) out.set(index, data);
    this.rebuiltSegments += lost.length;
    return out;
  }

  async #rebuild(
    lost: readonly number[],
    given: readonly ProvenSegment[],
    signal: AbortSignal,
  ): Promise<readonly ProvenSegment[]> {
    const data = this.#data;
    const stripe = Math.floor(lost[0]! / STRIPE_DATA);
    let cause: CodedError | undefined;
    for (let parity = this.#parities[0]; parity; parity = this.#parities[0]) {
      const { place, file } = parity;
      try {
        const rebuilt = await recoverStripe(
          {
            kernels: this.#kernels,
            source: fragmentSource(data, file),
            segmentRoot: (bytes, leafCount, within) => data.segmentRoot(bytes, leafCount, within),
          },
          { layout: place.layout, data: data.place, parity: place },
          { stripe, wanted: lost.map((index) => index % STRIPE_DATA), given, signal },
        );
        return rebuilt.data;
      } catch (error) {
        const isOther = isCodedError(error, 'ERASURE_PARITY');
        if (!isOther && !(isCodedError(error) && error.kind === 'not_ready')) throw error;
        cause = error;
        if (this.#parities[0] !== parity) continue; // another stripe left it already
        this.#parities.shift();
        const reason = 'says it is the parity of this file and is not';
        if (isOther) this.#refused.push({ url: place.root, reason, lied: false });
      }
    }
    throw unavailable(data.place.root, lost[0]!, data.sources, cause);
  }

  /** Data segments of the stripe without a holder, and `index`. */
  #lostOf(stripe: number, index: number): number[] {
    const end = Math.min(
      Math.ceil(this.#data.place.size / BYTES_PER_SEGMENT),
      STRIPE_DATA * (stripe + 1),
    );
    const lost: number[] = [];
    for (let i = STRIPE_DATA * stripe; i < end; i++)
      if (i === index || !this.#data.has(i)) lost.push(i);
    return lost;
  }
}

/** Both files of a coded one as a source of fragments. */
export function fragmentSource(data: StoredFile, parity: StoredFile): FragmentSource {
  const of = (kind: CodedFileKind): StoredFile => (kind === 'data' ? data : parity);
  return {
    has: (kind, index) => of(kind).has(index),
    fetch: (kind, indexes, signal) => of(kind).fetch(indexes, signal),
  };
}
