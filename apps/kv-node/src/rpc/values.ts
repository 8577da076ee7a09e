// Reading values and walking over keys (spec/kv.md section 8).
import { NEWEST } from '@cairn/kv';
import { invalidParams, type RpcMethod } from '@cairn/rpc';
import type { Walker } from '../read/walker.ts';
import type { KvState } from '../store/kv-state.ts';
import type { ValueRow } from '../store/value-table.ts';
import {
  parseFlag,
  parseKey,
  parseLength,
  parsePosition,
  parseStreamId,
  parseVersion,
} from './params.ts';

type Value = { version: number; data: string; size: number };
const NOTHING: Value = { version: 0, data: '', size: 0 };

export function valueMethods(deps: {
  state: KvState;
  walker: Walker;
  maxQueryBytes: number;
}): Record<string, RpcMethod> {
  const { state, walker, maxQueryBytes } = deps;
  const slice = (stream: number, row: ValueRow, start: number, length: number): Value => {
    if (start > row.size)
      throw invalidParams('start_index', 'start index is greater than value length');
    const bytes = state.values.read(stream, row, start, Math.min(row.size, start + length));
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
    return { version: row.version, data, size: row.size };
  };
  const range = (start: unknown, length: unknown): [number, number] => [
    parsePosition(start, 'start_index'),
    parseLength(length, maxQueryBytes),
  ];
  const walk =
    (direction: 'next' | 'prev'): RpcMethod =>
    async ([id, keyText, start, length, inclusive, at], { signal }) => {
      const stream = state.streamName(parseStreamId(id));
      const key = parseKey(keyText);
      const [from, bytes] = range(start, length);
      const isInclusive = parseFlag(inclusive, 'inclusive');
      const version = parseVersion(at);
      const found = await walker.find(stream, { key, direction, isInclusive, version, signal });
      return found && keyed(found.key, slice(stream, found, from, bytes));
    };
  const end =
    (direction: 'next' | 'prev'): RpcMethod =>
    async ([id, start, length, at], { signal }) => {
      const stream = state.streamName(parseStreamId(id));
      const [from, bytes] = range(start, length);
      const version = parseVersion(at);
      const found = await walker.find(stream, { direction, isInclusive: true, version, signal });
      return found && keyed(found.key, slice(stream, found, from, bytes));
    };
  return {
    kv_getValue: ([id, keyText, start, length, at]) => {
      const stream = state.streamName(parseStreamId(id));
      const key = parseKey(keyText);
      const [from, bytes] = range(start, length);
      const row = state.values.at(stream, key, parseVersion(at));
      if (row) return slice(stream, row, from, bytes);
      if (from > 0) throw invalidParams('start_index', 'start index is greater than value length');
      return NOTHING;
    },
    kv_getNext: walk('next'),
    kv_getPrev: walk('prev'),
    kv_getFirst: end('next'),
    kv_getLast: end('prev'),
    // Ours: versions of one key below `before`, newest first.
    kv_getHistory: ([id, keyText, before, limit]) => {
      const stream = state.streamName(parseStreamId(id));
      const key = parseKey(keyText);
      const below =
        before === undefined || before === null ? NEWEST : parsePosition(before, 'before');
      const count =
        limit === undefined || limit === null ? HISTORY_MAX : parsePosition(limit, 'limit');
      return state.values.history(stream, key, below, Math.min(count, HISTORY_MAX));
    },
  };
}

/** Versions that one answer lists. */
const HISTORY_MAX = 1000;

function keyed(key: Uint8Array, value: Value): Value & { key: string } {
  const { version, data, size } = value;
  return { version, key: Buffer.from(key).toString('base64'), data, size };
}
