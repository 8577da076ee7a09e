// Random histories of many writers, for the model test: batches as facts for the model, and the bytes a node gets.
import { type Address, bytesToHex, type Hash32, hexToBytes, type RandomSource } from '@cairn/base';
import { CONTROL_SHAPES, type ControlOp, encodeBatch, encodeTags, NEWEST } from '@cairn/kv';
import type { ModelBatch, ModelControl } from './model.ts';

export type HistoryBatch = ModelBatch & { bytes: Uint8Array; tagBytes: Uint8Array };

const id = (n: number): Hash32 => `0x${n.toString(16).padStart(64, '0')}` as Hash32;
const account = (n: number): Address => `0x${(0xa0 + n).toString(16).repeat(20)}` as Address;
const NOBODY = `0x${'00'.repeat(20)}` as Address;

/** Streams that nodes of a history watch; `UNWATCHED` is not among them. */
export const WATCHED: readonly Hash32[] = [id(0xf2bd), id(0xf2be)];
export const UNWATCHED: Hash32 = id(0xdead);
export const WRITERS: readonly Address[] = [0, 1, 2, 3].map(account);
/** Prefixes of each other, and one that is no UTF-8. */
export const KEYS: readonly string[] = ['61', '6161', '61ff', '62', '00', 'c3'];
const OPS = Object.keys(CONTROL_SHAPES).map(Number) as ControlOp[];

export class HistoryGenerator {
  readonly #random: RandomSource;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** A batch to stand at `seq`; `undefined` for a submission that is no batch. */
  batch(seq: number): HistoryBatch {
    const tags = this.#tags();
    const sender = this.pick(WRITERS);
    const version = this.chance(0.4) ? NEWEST : Math.max(0, seq - 1 - this.below(6));
    // Mostly streams of the tags; now and then another one.
    const stream = (): Hash32 =>
      this.chance(0.04) ? this.pick([...WATCHED, UNWATCHED]) : this.pick(tags);
    const times = <T>(max: number, make: () => T): T[] =>
      Array.from({ length: this.below(max + 1) }, make);
    const facts: ModelBatch = {
      seq,
      sender,
      tags,
      version,
      reads: this.chance(0.5) ? times(2, () => ({ stream: stream(), key: this.pick(KEYS) })) : [],
      writes: times(4, () => ({
        stream: stream(),
        key: this.pick(KEYS),
        value: this.chance(0.25) ? '' : bytesToHex(this.#random.bytes(1 + this.below(40))).slice(2),
      })),
      controls: this.chance(0.5) ? times(3, () => this.#control(stream(), sender)) : [],
      cut: this.chance(0.05) ? this.pick(['reads', 'writes', 'controls'] as const) : undefined,
    };
    return {
      ...facts,
      bytes: bytesOf(facts),
      tagBytes: encodeTags(tags as Hash32[]),
    };
  }

  #tags(): Hash32[] {
    const roll = this.#random.next();
    if (roll < 0.05) return [this.pick(WATCHED), UNWATCHED];
    if (roll < 0.3) return [...WATCHED];
    return [this.pick(WATCHED)];
  }

  #control(stream: Hash32, sender: Address): ModelControl {
    const op = this.pick(OPS);
    const { hasKey, hasAccount } = CONTROL_SHAPES[op];
    const isAboutKey = op === 0x10 || op === 0x11;
    return {
      op,
      stream,
      key: hasKey ? this.pick(KEYS) : '',
      account: hasAccount ? this.pick(WRITERS) : isAboutKey ? NOBODY : sender,
    };
  }
}

function bytesOf({ version, reads, writes, controls, cut }: ModelBatch): Uint8Array {
  const key = (hex: string): Uint8Array => hexToBytes(hex);
  const body = {
    version,
    reads: reads.map((read) => ({ streamId: read.stream as Hash32, key: key(read.key) })),
    writes: writes.map((write) => ({
      streamId: write.stream as Hash32,
      key: key(write.key),
      value: hexToBytes(write.value),
    })),
    controls: controls.map(({ op, stream, key: keyHex, account: who }) => {
      const { hasKey, hasAccount } = CONTROL_SHAPES[op as ControlOp];
      return {
        op: op as ControlOp,
        streamId: stream as Hash32,
        ...(hasKey ? { key: key(keyHex) } : {}),
        ...(hasAccount ? { account: who as Address } : {}),
      };
    }),
  };
  if (!cut) return encodeBatch(body);
  // An entry with an empty key in the named list: malformed there, whatever the zeros behind the file say.
  const head = encodeBatch({
    ...body,
    ...(cut === 'reads' ? { reads: [], writes: [], controls: [] } : {}),
    ...(cut === 'writes' ? { writes: [], controls: [] } : {}),
    ...(cut === 'controls' ? { controls: [] } : {}),
  });
  const at = { reads: 8, writes: head.length - 8, controls: head.length - 4 }[cut];
  const broken = cut === 'controls' ? [0, 0, 0, 1, 0x7f] : [0, 0, 0, 1];
  const out = new Uint8Array(at + broken.length + 40);
  out.set(head.subarray(0, at));
  out.set(broken, at);
  return out;
}
