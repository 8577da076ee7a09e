/*
 * Walking over keys in order at a version. Now: one step in the table of live keys, whatever was deleted. In the past: over
 * all keys that ever were, past those that did not exist yet or were deleted then; such a walk gives the event loop back
 * every few hundred steps and is given up after WALK_STEPS_MAX.
 */
import { setImmediate } from 'node:timers/promises';
import { CodedError } from '@cairn/base';
import type { KvState } from '../store/kv-state.ts';
import type { KeyedValueRow } from '../store/value-table.ts';

export type WalkFrom = {
  /** Start beside this key, or at the end of the stream without one. */
  key?: Uint8Array | undefined;
  direction: 'next' | 'prev';
  isInclusive: boolean;
  version: number;
  signal: AbortSignal;
};

const STEPS_PER_TURN = 500;
export const WALK_STEPS_MAX = 1_000_000;

export class Walker {
  readonly #state: KvState;

  constructor(state: KvState) {
    this.#state = state;
  }

  /** The nearest key with a value at the version. Throws `KV_WALK_TOO_LONG`. */
  async find(stream: number, from: WalkFrom): Promise<KeyedValueRow | null> {
    const { values, log } = this.#state;
    const { direction, version, signal } = from;
    if (version >= log.applied()) {
      const key = values.neighbour(stream, from.key, { ...from, among: 'live' });
      const row = key && values.at(stream, key, version);
      return row ? { ...row, key } : null;
    }
    let { key, isInclusive } = from;
    for (let steps = 1; steps <= WALK_STEPS_MAX; steps++) {
      const found = values.neighbour(stream, key, { direction, isInclusive, among: 'any' });
      if (!found) return null;
      const row = values.at(stream, found, version);
      if (row && row.size > 0) return { ...row, key: found };
      key = found;
      isInclusive = false; // the key itself was looked at
      if (steps % STEPS_PER_TURN === 0) {
        signal.throwIfAborted();
        await setImmediate();
      }
    }
    throw new CodedError({
      code: 'KV_WALK_TOO_LONG',
      kind: 'exhausted',
      message: `more than ${WALK_STEPS_MAX} keys without a value in a row`,
      hint: 'start from a key further on, or read at a newer version',
    });
  }
}
