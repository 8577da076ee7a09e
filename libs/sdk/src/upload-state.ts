/** What an interrupted upload leaves behind, so that the next one goes on. */
export type UploadState = {
  root: string;
  size: number;
  flow: string;
  txSeq: number | null;
  txHash: string | null;
  /** For each node URL, segment indexes acknowledged, as ranges [start, end). */
  acknowledged: Record<string, [number, number][]>;
};

/** Where upload states live; `@cairn/sdk/node` keeps them in files. */
export interface UploadStateStore {
  load(root: string): Promise<UploadState | undefined>;
  save(state: UploadState): Promise<void>;
  clear(root: string): Promise<void>;
}

/** A set of segment indexes that packs itself into ranges. */
export class IndexSet {
  readonly #indexes = new Set<number>();

  constructor(ranges: readonly (readonly [number, number])[] = []) {
    for (const [start, end] of ranges) for (let i = start; i < end; i++) this.#indexes.add(i);
  }

  has(index: number): boolean {
    return this.#indexes.has(index);
  }

  add(index: number): void {
    this.#indexes.add(index);
  }

  get size(): number {
    return this.#indexes.size;
  }

  toRanges(): [number, number][] {
    const out: [number, number][] = [];
    for (const index of [...this.#indexes].sort((a, b) => a - b)) {
      const last = out.at(-1);
      if (last && last[1] === index) last[1]++;
      else out.push([index, index + 1]);
    }
    return out;
  }
}
