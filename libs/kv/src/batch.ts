/*
 * The batch file ("StreamData", spec/kv.md section 2), big-endian, without padding:
 *
 *   u64 version | u32 n, n × (stream 32, u24 keyLen, key)                      reads
 *               | u32 n, n × (stream 32, u24 keyLen, key, u64 valueLen), values   writes
 *               | u32 n, n × (u8 op, stream 32, [u24 keyLen, key], [account 20])  controls
 *
 * Reading is done in four steps, because replay checks each list before it parses the next one. A file reads as zeros from
 * its end to the next multiple of 256 bytes; beyond that it is malformed.
 */
import {
  type Address,
  bytesToHash32,
  bytesToHex,
  CodedError,
  equalBytes,
  type Hash32,
} from '@cairn/base';
import {
  BOUND_BYTES,
  CONTROL_SHAPES,
  type ControlOp,
  isControlOp,
  LIST_ENTRIES_MAX,
  NEWEST,
} from './constants.ts';

export type StreamRead = { streamId: Hash32; key: Uint8Array };
/** Where a value lies in the batch, as bytes [valueStart, valueEnd). */
export type StreamWrite = {
  streamId: Hash32;
  key: Uint8Array;
  valueStart: number;
  valueEnd: number;
};
export type ParsedControl = {
  op: ControlOp;
  streamId: Hash32;
  /** Empty for operations without one. */
  key: Uint8Array;
  account: Address | undefined;
};

/**
 * Bytes of a batch, in memory or in a file. `read` may be asked for [start, end) within `size` only; what it gave stays as it is
 * for as long as the batch is in use (keys are views of it).
 */
export interface BatchSource {
  readonly size: number;
  read(start: number, end: number): Uint8Array;
}

export function memorySource(bytes: Uint8Array): BatchSource {
  return { size: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

/** Bytes [start, end), zeros beyond the end of the source. */
export function readPadded(source: BatchSource, start: number, end: number): Uint8Array {
  if (end <= source.size) return source.read(start, end);
  const out = new Uint8Array(end - start);
  if (start < source.size) out.set(source.read(start, source.size));
  return out;
}

const WINDOW_BYTES = 65_536;

/** Reads a batch once from front to back. Every method throws `KV_BATCH_MALFORMED` or `KV_BATCH_LIST_TOO_LONG`. */
export class BatchReader {
  readonly #source: BatchSource;
  readonly #bound: number;
  #at = 0;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #lastId: { bytes: Uint8Array; id: Hash32 } | undefined;

  /** `headerBytes`: what encryption put before the batch; it counts for the file's padding and is not in the source. */
  constructor(source: BatchSource, headerBytes = 0) {
    this.#source = source;
    this.#bound = Math.ceil((source.size + headerBytes) / BOUND_BYTES) * BOUND_BYTES - headerBytes;
  }

  /** The snapshot that the batch was computed from; `NEWEST` for anything above. */
  version(): number {
    return this.#u64();
  }

  reads(): StreamRead[] {
    return this.#list(() => ({ streamId: this.#streamId(), key: this.#key() }));
  }

  /** All writes as they stand; the reader is behind their values afterwards. */
  writes(): StreamWrite[] {
    const heads = this.#list(() => ({
      streamId: this.#streamId(),
      key: this.#key(),
      size: this.#u64(),
    }));
    return heads.map(({ streamId, key, size }) => {
      const valueStart = this.#at;
      if (size > this.#bound - valueStart) throw malformed();
      this.#at += size;
      return { streamId, key, valueStart, valueEnd: this.#at };
    });
  }

  controls(): ParsedControl[] {
    return this.#list(() => {
      const op = this.#take(1)[0]!;
      const streamId = this.#streamId();
      if (!isControlOp(op)) throw malformed();
      const { hasKey, hasAccount } = CONTROL_SHAPES[op];
      const key = hasKey ? this.#key() : new Uint8Array();
      const account = hasAccount ? (bytesToHex(this.#take(20)) as Address) : undefined;
      return { op, streamId, key, account };
    });
  }

  #list<T>(entry: () => T): T[] {
    const head = this.#take(4);
    const count = head[0]! * 2 ** 24 + ((head[1]! << 16) | (head[2]! << 8) | head[3]!);
    if (count > LIST_ENTRIES_MAX)
      throw new CodedError({
        code: 'KV_BATCH_LIST_TOO_LONG',
        kind: 'invalid',
        message: `a list of ${count} entries, at most ${LIST_ENTRIES_MAX}`,
        details: { count },
      });
    const out: T[] = [];
    for (let i = 0; i < count; i++) out.push(entry());
    return out;
  }

  #streamId(): Hash32 {
    const bytes = this.#take(32);
    // Neighbours mostly name the same stream: its text is made once.
    const last = this.#lastId;
    if (last && equalBytes(last.bytes, bytes)) return last.id;
    this.#lastId = { bytes: bytes.slice(), id: bytesToHash32(bytes) };
    return this.#lastId.id;
  }

  #key(): Uint8Array {
    const head = this.#take(3);
    const length = (head[0]! << 16) | (head[1]! << 8) | head[2]!;
    if (length === 0) throw malformed();
    return this.#take(length);
  }

  #u64(): number {
    const bytes = this.#take(8);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
    return value > BigInt(NEWEST) ? NEWEST : Number(value);
  }

  /** The next bytes: a view of the source, or of a window of it that is never written to again. */
  #take(length: number): Uint8Array {
    const start = this.#at;
    const end = start + length;
    if (end > this.#bound) throw malformed();
    const windowEnd = this.#windowStart + this.#window.length;
    if (start < this.#windowStart || end > windowEnd) {
      const until = Math.min(this.#bound, start + Math.max(length, WINDOW_BYTES));
      this.#window = readPadded(this.#source, start, until);
      this.#windowStart = start;
    }
    this.#at = end;
    return this.#window.subarray(start - this.#windowStart, end - this.#windowStart);
  }
}

function malformed(): CodedError {
  return new CodedError({
    code: 'KV_BATCH_MALFORMED',
    kind: 'invalid',
    message: 'the batch ends before its lists do, or has an empty key or an unknown operation',
  });
}
