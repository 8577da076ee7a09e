// What the node knows of the flow's bytes: stored sectors, and sectors that the tree proves to be zero (gaps, padding).
import { equalBytes } from '@cairn/base';
import { type FlowTree, zeroHash } from '@cairn/merkle';
import { SEAL_HEIGHT, SECTORS_PER_LOAD } from '@cairn/pora';
import { BYTES_PER_SEAL, BYTES_PER_SECTOR, SECTORS_PER_SEAL } from '@cairn/protocol';
import type { SegmentStore } from '@cairn/store';

export type RawDataDeps = { flow: FlowTree; segments: SegmentStore };

export class RawData {
  readonly #deps: RawDataDeps;

  constructor(deps: RawDataDeps) {
    this.#deps = deps;
  }

  get flowLength(): number {
    return this.#deps.flow.length;
  }

  /** True when something of the load is stored: loads of nothing but padding are left to whoever wants them. */
  holdsAny(load: number): boolean {
    return this.#deps.segments.presentSectors(load) > 0;
  }

  /** True when every byte of the seal is known. The flow's first seal never is: sector 0 has no preimage. */
  isKnown(load: number, seal: number): boolean {
    const { flow, segments } = this.#deps;
    const from = seal * SECTORS_PER_SEAL;
    const first = load * SECTORS_PER_LOAD + from;
    if (first === 0 || first + SECTORS_PER_SEAL > flow.length) return false;
    if (segments.has(load, from, from + SECTORS_PER_SEAL)) return true;
    if (this.#isZero(SEAL_HEIGHT, first / SECTORS_PER_SEAL)) return true;
    for (let i = 0; i < SECTORS_PER_SEAL; i++)
      if (!segments.has(load, from + i, from + i + 1) && !this.#isZero(0, first + i)) return false;
    return true;
  }

  /** Bytes of seals [start, end), all known a moment ago; undefined when one no longer is. A new array. */
  async read(load: number, start: number, end: number): Promise<Uint8Array | undefined> {
    const { segments } = this.#deps;
    const out = new Uint8Array((end - start) * BYTES_PER_SEAL);
    const base = start * SECTORS_PER_SEAL;
    const limit = end * SECTORS_PER_SEAL;
    for (let sector = base; sector < limit; ) {
      if (!segments.has(load, sector, sector + 1)) {
        sector++;
        continue;
      }
      let until = sector + 1;
      while (until < limit && segments.has(load, until, until + 1)) until++;
      const bytes = await segments.read(load, sector, until);
      if (!bytes) return undefined;
      out.set(bytes, (sector - base) * BYTES_PER_SECTOR);
      sector = until;
    }
    for (let seal = start; seal < end; seal++) if (!this.isKnown(load, seal)) return undefined;
    return out;
  }

  /** Loads with stored data, ascending. */
  loads(): number[] {
    return this.#deps.segments.segmentIndexes();
  }

  #isZero(level: number, index: number): boolean {
    const node = this.#deps.flow.node(level, index);
    return node !== undefined && equalBytes(node, zeroHash(level));
  }
}
