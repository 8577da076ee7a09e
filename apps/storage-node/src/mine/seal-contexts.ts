/*
 * Which context seals which sectors. A context's digest needs the block hash of its epoch's boundary, so a reorg of that block
 * gives the same sectors another one: recent ranges are asked for again in every epoch, and what changed is reported.
 */
import type { ChainSealContext, MineChain } from '@cairn/chain';

/** Ranges asked for again: more epochs than a reorg reaches back. */
const RECHECKED = 4;

export class SealContexts {
  readonly #chain: Pick<MineChain, 'sealContextAt'>;
  /** Ascending, disjoint. One entry per epoch that brought data. */
  #known: ChainSealContext[] = [];

  constructor(chain: Pick<MineChain, 'sealContextAt'>) {
    this.#chain = chain;
  }

  /** The context that covers `position`, from memory or the chain; undefined while its epoch has not ended. */
  async at(position: number): Promise<ChainSealContext | undefined> {
    const known = this.#find(position);
    if (known) return known;
    const found = await this.#chain.sealContextAt(position);
    if (!found || position < found.start || position >= found.end) return undefined;
    this.#known = this.#known.filter(({ start, end }) => end <= found.start || start >= found.end);
    this.#known.push(found);
    this.#known.sort((a, b) => a.start - b.start);
    return found;
  }

  /** Forgets what covers sectors from `start` on, after a reorg that moved them. */
  dropFrom(start: number): void {
    this.#known = this.#known.filter(({ end }) => end <= start);
  }

  /** Asks for recent ranges again; returns the first sector whose context is no longer what it was. */
  async recheck(): Promise<number | undefined> {
    for (const range of this.#known.slice(-RECHECKED)) {
      const now = await this.#chain.sealContextAt(range.end - 1);
      if (now && now.digest === range.digest) continue;
      this.dropFrom(range.start);
      return range.start;
    }
    return undefined;
  }

  #find(position: number): ChainSealContext | undefined {
    let [low, high] = [0, this.#known.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#known[middle]!.end <= position) low = middle + 1;
      else high = middle;
    }
    const found = this.#known[low];
    return found && found.start <= position ? found : undefined;
  }
}
