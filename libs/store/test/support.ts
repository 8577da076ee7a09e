import { seededRandom } from '@cairn/base';
import type { SectorRange, SegmentStore, SegmentWrite } from '../src/index.ts';

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
  | { kind: 'remove'; ranges: SectorRange[] };

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
  return Array.from({ length }, () => ({
    kind: random.next() < 0.75 ? ('write' as const) : ('remove' as const),
    ranges: Array.from({ length: 1 + below(3) }, range),
  }));
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
    if (step.kind === 'write') await store.write(writesOf(step.ranges));
    else await store.remove(step.ranges);
    model.set(step.ranges, step.kind === 'write' ? 'present' : 'absent');
    return true;
  } catch {
    return false;
  }
}
