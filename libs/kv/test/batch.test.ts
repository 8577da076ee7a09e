import { readFileSync } from 'node:fs';
import { type Address, bytesToHex, type Hash32, type Hex, hexToBytes } from '@cairn/base';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchBuilder,
  BatchReader,
  type BatchSource,
  CONTROL_SHAPES,
  type ControlOp,
  encodeBatch,
  encodeTags,
  KEY_BYTES_MAX,
  memorySource,
  NEWEST,
  parseTags,
  replayBatch,
  STREAM_DOMAIN,
} from '../src/index.ts';
import { MemoryView } from './memory-view.ts';

const vectors = JSON.parse(
  readFileSync(new URL('./vectors/batches.json', import.meta.url), 'utf8'),
) as {
  domain: string;
  sdk: { streamId: Hash32; version: number; writes: [string, string][]; bytes: string };
  results: { name: string; bytes: string; result: string }[];
};
const STREAM = vectors.sdk.streamId;
const SENDER = `0x${'a1'.repeat(20)}` as Address;

const key = fc.uint8Array({ minLength: 1, maxLength: 40 });
const stream = fc.constantFrom(STREAM, `0x${'11'.repeat(32)}` as Hash32);
const account = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => bytesToHex(bytes) as Address);
const control = fc
  .record({
    op: fc.constantFrom(...(Object.keys(CONTROL_SHAPES).map(Number) as ControlOp[])),
    streamId: stream,
    key,
    account,
  })
  .map((entry) => {
    const { hasKey, hasAccount } = CONTROL_SHAPES[entry.op];
    return {
      op: entry.op,
      streamId: entry.streamId,
      ...(hasKey ? { key: entry.key } : {}),
      ...(hasAccount ? { account: entry.account } : {}),
    };
  });
const batch = fc.record({
  version: fc.oneof(fc.constant(NEWEST), fc.nat()),
  reads: fc.array(fc.record({ streamId: stream, key }), { maxLength: 6 }),
  writes: fc.array(fc.record({ streamId: stream, key, value: fc.uint8Array({ maxLength: 300 }) }), {
    maxLength: 6,
  }),
  controls: fc.array(control, { maxLength: 6 }),
});

/** A source that hands out fresh copies and refuses to be read beyond its end, as a file does. */
function fileLike(bytes: Uint8Array): BatchSource {
  return {
    size: bytes.length,
    read(start, end) {
      if (start < 0 || end > bytes.length || start > end) throw new Error('out of the file');
      return bytes.slice(start, end);
    },
  };
}

describe('a batch file', () => {
  it("equals the published SDK's bytes", () => {
    const { version, writes, bytes } = vectors.sdk;
    const encoded = encodeBatch({
      version,
      reads: [],
      writes: writes.map(([k, value]) => ({
        streamId: STREAM,
        key: hexToBytes(k),
        value: hexToBytes(value),
      })),
      controls: [],
    });
    // 2^53 - 1 is how the TypeScript SDK says "unconditional"; ours says it with 2^64 - 1, which replays alike.
    expect(bytesToHex(encoded.subarray(8)).slice(2)).toBe(bytes.slice(16));
    const reader = new BatchReader(memorySource(hexToBytes(bytes)));
    expect(reader.version()).toBe(NEWEST);
  });

  it('reads back what was written, from memory and from a file', () => {
    fc.assert(
      fc.property(batch, (value) => {
        const bytes = encodeBatch(value);
        for (const source of [memorySource(bytes), fileLike(bytes)]) {
          const reader = new BatchReader(source);
          expect(reader.version()).toBe(value.version);
          expect(reader.reads()).toEqual(value.reads);
          const writes = reader.writes().map(({ streamId, key: k, valueStart, valueEnd }) => ({
            streamId,
            key: k,
            value: bytes.slice(valueStart, valueEnd),
          }));
          expect(writes).toEqual(value.writes);
          expect(reader.controls()).toEqual(
            value.controls.map((entry) => ({
              op: entry.op,
              streamId: entry.streamId,
              key: entry.key ?? new Uint8Array(),
              account: entry.account,
            })),
          );
        }
      }),
    );
  });

  it('reads keys and values that cross the reading window', () => {
    const long = new Uint8Array(70_000).fill(7);
    const value = new Uint8Array(200_000).fill(9);
    const built = new BatchBuilder()
      .set(STREAM, long, value)
      .set(STREAM, Uint8Array.of(1), Uint8Array.of(2))
      .build();
    const reader = new BatchReader(fileLike(built.bytes));
    reader.version();
    expect(reader.reads()).toEqual([]);
    const [second, first] = reader.writes(); // in order of key
    expect(first!.key).toEqual(long);
    expect(built.bytes.slice(first!.valueStart, first!.valueEnd)).toEqual(value);
    expect(built.bytes.slice(second!.valueStart, second!.valueEnd)).toEqual(Uint8Array.of(2));
    expect(reader.controls()).toEqual([]);
  });

  it('any bytes at all give a result, never another error, and never one that depends on the source', () => {
    const damaged = fc
      .tuple(batch, fc.nat(), fc.nat({ max: 255 }), fc.nat())
      .map(([value, at, byte, cut]) => {
        const bytes = encodeBatch(value);
        bytes[at % bytes.length] = byte;
        return bytes.slice(0, 1 + (cut % bytes.length));
      });
    const view = new MemoryView();
    view.watched.add(STREAM);
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ minLength: 1, maxLength: 600 })), (bytes) => {
        const outcomes = [memorySource(bytes), fileLike(bytes)].map((data) =>
          replayBatch(view, { sender: SENDER, streamIds: [STREAM], data }),
        );
        expect(outcomes[0]).toEqual(outcomes[1]);
      }),
      { numRuns: 500 },
    );
  });

  it.each(vectors.results)('$name', ({ bytes, result }) => {
    const view = new MemoryView();
    view.watched.add(STREAM);
    const data = memorySource(hexToBytes(bytes));
    const outcome = replayBatch(view, { sender: SENDER, streamIds: [STREAM], data });
    expect(outcome.kind === 'commit' ? 'Commit' : outcome.result).toBe(result);
  });

  it('a header of an encrypted file counts for where the zeros end', () => {
    // 8 + 4 + 4 + 43 + 1 bytes of head, a value up to the end of the padded file less the header.
    const head = `ffffffffffffffff0000000000000001${STREAM.slice(2)}00000161`;
    const valueBytes = (size: number): Uint8Array =>
      hexToBytes(head + size.toString(16).padStart(16, '0'));
    const reads = (size: number, headerBytes: number): boolean => {
      const reader = new BatchReader(memorySource(valueBytes(size)), headerBytes);
      reader.version();
      reader.reads();
      try {
        reader.writes();
        return true;
      } catch {
        return false;
      }
    };
    const room = 256 - valueBytes(0).length;
    expect(reads(room, 0)).toBe(true);
    expect(reads(room + 1, 0)).toBe(false);
    expect(reads(room - 17, 17)).toBe(true);
    expect(reads(room - 16, 17)).toBe(false);
  });

  it('refuses to be built from what no node would take', () => {
    const builder = new BatchBuilder();
    expect(() => builder.set(STREAM, new Uint8Array(), new Uint8Array())).toThrow(/1 to 16777215/);
    expect(() => builder.set(STREAM, new Uint8Array(KEY_BYTES_MAX + 1), new Uint8Array())).toThrow(
      /1 to 16777215/,
    );
    const writes = Array.from({ length: 65_537 }, (_, i) => ({
      streamId: STREAM,
      key: Uint8Array.of(i >> 16, i >> 8, i),
      value: new Uint8Array(),
    }));
    expect(() => encodeBatch({ version: 0, reads: [], writes, controls: [] })).toThrow(/65536/);
    expect(
      encodeBatch({ version: 0, reads: [], writes: writes.slice(1), controls: [] }).length,
    ).toBe(20 + 65_536 * 46);
    expect(() => builder.control({ op: 0x30, streamId: STREAM })).toThrow(/takes a key/);
  });
});

describe('tags', () => {
  it('begin with the hash of STREAM and name each stream once', () => {
    expect(STREAM_DOMAIN).toBe(bytesToHex(sha256(new TextEncoder().encode('STREAM'))));
    const other = `0x${'ab'.repeat(32)}` as Hash32;
    expect(parseTags(bytesToHex(encodeTags([other, STREAM, other])))).toEqual([other, STREAM]);
  });

  it.each([
    ['nothing', '0x'],
    ['the domain alone', STREAM_DOMAIN],
    ['a cut id', `${STREAM_DOMAIN}${'00'.repeat(31)}`],
    ['another domain', `0x${'00'.repeat(64)}`],
  ] as const)('%s is no batch', (_, tags) => {
    expect(parseTags(tags as Hex)).toEqual([]);
  });
});
