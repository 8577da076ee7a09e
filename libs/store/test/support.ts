import { seededRandom } from '@cairn/base';
import {
  SEGMENT_CHECK_SCHEMA,
  SEGMENT_FORM_SCHEMA,
  SEGMENT_STORE_SCHEMA,
  type SectorRange,
  type SegmentCodec,
  type SegmentRow,
  type SegmentStore,
  type SegmentWrite,
} from '../src/index.ts';

export const SCHEMA: readonly string[] = [
  SEGMENT_STORE_SCHEMA,
  SEGMENT_FORM_SCHEMA,
  SEGMENT_CHECK_SCHEMA,
];
const BLOCK = 4096;
const SECTORS_PER_BLOCK = 16;

/** A form whose bytes say which block they are of: XOR with a byte of the tag, the segment and the block. Its own inverse. */
export const xorCodec = {
  decode({ segmentIndex, startBlock, tag, data }: Parameters<SegmentCodec['decode']>[0]): void {
    for (let i = 0; i < data.length; i++)
      data[i]! ^= (tag[0]! + 31 * segmentIndex + startBlock + Math.floor(i / BLOCK)) & 255;
  },
} satisfies SegmentCodec;
export const TAG: Uint8Array = Uint8Array.of(0x5a);

/** Blocks of what is stored of a segment in the form of `xorCodec`; absent sectors are zeros before. */
export function encoded(
  segmentIndex: number,
  { presence }: SegmentRow,
  { start, end }: { start: number; end: number },
): Uint8Array {
  const data = new Uint8Array((end - start) * BLOCK);
  for (let sector = start * SECTORS_PER_BLOCK; sector < end * SECTORS_PER_BLOCK; sector++)
    if ((presence[sector >> 3]! >> (sector & 7)) & 1)
      data.set(bytesAt(segmentIndex, sector, 1), (sector - start * SECTORS_PER_BLOCK) * 256);
  xorCodec.decode({ segmentIndex, startBlock: start, tag: TAG, data });
  return data;
}

/** Gives blocks of the range that are not encoded the other form, each by itself. */
export async function encodeBlocks(
  store: SegmentStore,
  segmentIndex: number,
  { start, end }: { start: number; end: number },
): Promise<void> {
  for (let block = start; block < end; block++) {
    const base = store.stored(segmentIndex);
    if (!base || ((base.form?.blocks[block >> 3] ?? 0) >> (block & 7)) & 1) continue;
    const data = encoded(segmentIndex, base, { start: block, end: block + 1 });
    await store.encode({ segmentIndex, base, startBlock: block, data, tag: TAG });
  }
}

export const SEGMENT = 262_144;
/** Noise that all places take their bytes from, each from an offset of its own. */
const NOISE = seededRandom(99).bytes(1_000_003);

/** Bytes that belong to a place: whatever is stored there must be these. */
export const bytesAt = (segmentIndex: number, startSector: number, sectors: number): Uint8Array => {
  const out = new Uint8Array(sectors * 256);
  for (let i = 0; i < sectors; i++) {
    const at = ((segmentIndex * 1024 + startSector + i) * 7919) % (NOISE.length - 256);
    out.set(NOISE.subarray(at, at + 256), i * 256);
  }
  return out;
};

export type Step =
  | { kind: 'write'; ranges: SectorRange[] }
  | { kind: 'remove'; ranges: SectorRange[] }
  | { kind: 'encode' | 'restore'; segmentIndex: number; start: number; end: number };

const SEGMENTS = 4;
/** Scripts touch the first sectors of each segment only. */
const SECTORS = 60;

/** A seeded script over a few segments: single sectors, runs that cross checksum blocks, whole calls of several. */
export function makeScript(seed: number, length: number): Step[] {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const range = (): SectorRange => {
    const startSector = below(SECTORS - 20);
    return { segmentIndex: below(SEGMENTS), startSector, endSector: startSector + 1 + below(20) };
  };
  return Array.from({ length }, (): Step => {
    const kind = random.next();
    if (kind >= 0.75) {
      const start = below(3);
      const blocks = { start, end: start + 1 + below(2) };
      return { kind: kind < 0.9 ? 'encode' : 'restore', segmentIndex: below(SEGMENTS), ...blocks };
    }
    return {
      kind: kind < 0.55 ? 'write' : 'remove',
      ranges: Array.from({ length: 1 + below(3) }, range),
    };
  });
}

export const writesOf = (ranges: readonly SectorRange[]): SegmentWrite[] =>
  ranges.map(({ segmentIndex, startSector, endSector }) => ({
    segmentIndex,
    startSector,
    data: bytesAt(segmentIndex, startSector, endSector - startSector),
  }));

/** What must be there and what must not: all that was acknowledged, and nothing else. */
export class Model {
  readonly #sectors = new Map<string, 'present' | 'absent'>();

  constructor() {
    for (let segmentIndex = 0; segmentIndex < SEGMENTS; segmentIndex++)
      this.set([{ segmentIndex, startSector: 0, endSector: SECTORS }], 'absent');
  }

  set(ranges: readonly SectorRange[], state: 'present' | 'absent'): void {
    for (const { segmentIndex, startSector, endSector } of ranges)
      for (let sector = startSector; sector < endSector; sector++)
        this.#sectors.set(`${segmentIndex}/${sector}`, state);
  }

  /** Names the first sector that is not as it must be; undefined when all are. */
  async difference(store: SegmentStore): Promise<string | undefined> {
    for (const [key, state] of this.#sectors) {
      const [segmentIndex, sector] = key.split('/').map(Number) as [number, number];
      const found = await store.read(segmentIndex, sector, sector + 1);
      if (found && Buffer.compare(found, bytesAt(segmentIndex, sector, 1)) !== 0)
        return `${key} holds other bytes`;
      if (state === 'present' && !found) return `${key} is lost`;
      if (state === 'absent' && found) return `${key} came back`;
    }
    return undefined;
  }
}

/** Runs one step; the model learns what was acknowledged. */
export async function runStep(store: SegmentStore, step: Step, model: Model): Promise<boolean> {
  try {
    switch (step.kind) {
      case 'encode':
        await encodeBlocks(store, step.segmentIndex, step);
        return true;
      case 'restore':
        await store.restore(step.segmentIndex, step);
        return true;
      case 'write':
        await store.write(writesOf(step.ranges));
        model.set(step.ranges, 'present');
        return true;
      case 'remove':
        await store.remove(step.ranges);
        model.set(step.ranges, 'absent');
        return true;
    }
  } catch {
    return false;
  }
}
