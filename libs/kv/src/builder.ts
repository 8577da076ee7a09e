import { type Address, CodedError, type Hash32, hexToBytes } from '@cairn/base';
import {
  CONTROL_SHAPES,
  type ControlOp,
  KEY_BYTES_MAX,
  LIST_ENTRIES_MAX,
  NEWEST,
} from './constants.ts';
import { bytesToText, compareBytes } from './key-text.ts';
import { encodeTags } from './tags.ts';

export type BatchWrite = { streamId: Hash32; key: Uint8Array; value: Uint8Array };
export type BatchControl = {
  op: ControlOp;
  streamId: Hash32;
  key?: Uint8Array | undefined;
  account?: Address | undefined;
};
export type Batch = {
  /** Snapshot of the reads and writes; `NEWEST` for no conflict check. */
  version: number;
  reads: readonly { streamId: Hash32; key: Uint8Array }[];
  writes: readonly BatchWrite[];
  controls: readonly BatchControl[];
};

/** Throws `KV_KEY` for an empty key or one of 2^24 bytes or more. */
export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= KEY_BYTES_MAX) return;
  throw new CodedError({
    code: 'KV_KEY',
    kind: 'invalid',
    message: `a key has 1 to ${KEY_BYTES_MAX} bytes, not ${key.length}`,
    details: { length: key.length },
  });
}

/** Bytes of a batch file. Throws `KV_KEY`, `KV_LIST_TOO_LONG`, `KV_CONTROL`. */
export function encodeBatch(batch: Batch): Uint8Array {
  const { reads, writes, controls } = batch;
  for (const list of [reads, writes, controls]) {
    if (list.length > LIST_ENTRIES_MAX)
      throw new CodedError({
        code: 'KV_LIST_TOO_LONG',
        kind: 'invalid',
        message: `a batch takes ${LIST_ENTRIES_MAX} entries of a kind, not ${list.length}`,
        hint: 'spread them over several batches',
      });
  }
  for (const { key } of [...reads, ...writes]) checkKey(key);
  for (const control of controls) checkControl(control);
  let length = 8 + 12;
  for (const { key } of reads) length += 35 + key.length;
  for (const { key, value } of writes) length += 43 + key.length + value.length;
  for (const { key, account } of controls)
    length += 33 + (key ? 3 + key.length : 0) + (account ? 20 : 0);
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    out.set(bytes, at);
    at += bytes.length;
  };
  const u32 = (value: number): void => {
    view.setUint32(at, value);
    at += 4;
  };
  const u64 = (value: bigint): void => {
    view.setBigUint64(at, value);
    at += 8;
  };
  const putKey = (key: Uint8Array): void => {
    view.setUint8(at, key.length >> 16);
    view.setUint16(at + 1, key.length & 0xffff);
    at += 3;
    put(key);
  };
  u64(batch.version >= NEWEST ? 2n ** 64n - 1n : BigInt(batch.version));
  u32(reads.length);
  for (const { streamId, key } of reads) {
    put(hexToBytes(streamId));
    putKey(key);
  }
  u32(writes.length);
  for (const { streamId, key, value } of writes) {
    put(hexToBytes(streamId));
    putKey(key);
    u64(BigInt(value.length));
  }
  for (const { value } of writes) put(value);
  u32(controls.length);
  for (const { op, streamId, key, account } of controls) {
    put(Uint8Array.of(op));
    put(hexToBytes(streamId));
    if (key) putKey(key);
    if (account) put(hexToBytes(account));
  }
  return out;
}

function checkControl({ op, key, account }: BatchControl): void {
  const { name, hasKey, hasAccount } = CONTROL_SHAPES[op];
  if ((key !== undefined) !== hasKey || (account !== undefined) !== hasAccount)
    throw new CodedError({
      code: 'KV_CONTROL',
      kind: 'invalid',
      message: `${name} takes ${hasKey ? 'a key' : 'no key'} and ${hasAccount ? 'an account' : 'no account'}`,
    });
  if (key) checkKey(key);
}

function compareWrites(a: BatchWrite, b: BatchWrite): number {
  if (a.streamId !== b.streamId) return a.streamId < b.streamId ? -1 : 1;
  return compareBytes(a.key, b.key);
}

/** Collects a batch; a key that is set twice keeps its last value. */
export class BatchBuilder {
  readonly #version: number;
  readonly #reads = new Map<string, { streamId: Hash32; key: Uint8Array }>();
  readonly #writes = new Map<string, BatchWrite>();
  readonly #controls: BatchControl[] = [];

  constructor(version: number = NEWEST) {
    this.#version = version;
  }

  get writeCount(): number {
    return this.#writes.size;
  }

  get isEmpty(): boolean {
    return this.#reads.size + this.#writes.size + this.#controls.length === 0;
  }

  /** Declares that the batch depends on this key. */
  read(streamId: Hash32, key: Uint8Array): this {
    checkKey(key);
    this.#reads.set(`${streamId}${bytesToText(key)}`, { streamId, key });
    return this;
  }

  set(streamId: Hash32, key: Uint8Array, value: Uint8Array): this {
    checkKey(key);
    this.#writes.set(`${streamId}${bytesToText(key)}`, { streamId, key, value });
    return this;
  }

  delete(streamId: Hash32, key: Uint8Array): this {
    return this.set(streamId, key, new Uint8Array());
  }

  control(control: BatchControl): this {
    checkControl(control);
    this.#controls.push(control);
    return this;
  }

  /** File bytes and tags. Streams that are only read are not in the tags: a batch of reads alone has none. */
  build(): { bytes: Uint8Array; tags: Uint8Array; streamIds: Hash32[] } {
    // In order, so that a node sees at once that no key stands twice.
    const writes = [...this.#writes.values()].sort(compareWrites);
    const streamIds = [
      ...new Set([...writes, ...this.#controls].map(({ streamId }) => streamId)),
    ].sort();
    const bytes = encodeBatch({
      version: this.#version,
      reads: [...this.#reads.values()],
      writes,
      controls: this.#controls,
    });
    return { bytes, tags: encodeTags(streamIds), streamIds };
  }
}
