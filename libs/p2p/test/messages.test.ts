import { bytesToHex, CodedError, type DataRoot, seededRandom } from '@cairn/base';
import { faultCount, faultSeed, noteFaults } from '@cairn/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeAnnounce,
  decodeFileMessage,
  decodeHaveAnswer,
  decodeHaveRequest,
  decodePiecesAnswer,
  decodePiecesRequest,
  decodeSegmentsAnswer,
  decodeSegmentsRequest,
  decodeStatus,
  encodeAnnounce,
  encodeFileMessage,
  encodeHaveRequest,
  encodePiecesAnswer,
  encodePiecesRequest,
  encodeSegmentsAnswer,
  encodeSegmentsRequest,
  encodeStatus,
  type PiecesRequest,
} from '../src/index.ts';
import vectors from './vectors/messages.json' with { type: 'json' };

const root = `0x${'ab'.repeat(32)}` as DataRoot;
const flat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

const status = {
  version: 2,
  network: { chainId: 31_337, flowAddress: `0x${'12'.repeat(20)}` as never },
  shard: { shardId: 3, numShard: 8 },
  nextTxSeq: 2 ** 40 + 7,
  httpPort: 5678,
};
const fileMessage = { seconds: 1_800_000_000, txSeq: 9, root, shard: { shardId: 0, numShard: 1 } };
const announce = {
  seconds: 1_800_000_000,
  shard: { shardId: 1, numShard: 2 },
  addresses: ['/ip4/1.2.3.4/tcp/1234'],
  files: [
    { txSeq: 1, root },
    { txSeq: 2 ** 50, root },
  ],
};
const segmentsRequest = { txSeq: 5, root, indexes: [0, 7, 4_000_000_000] };
const piecesRequest: PiecesRequest = {
  txSeq: 5,
  root,
  pieces: [
    { index: 1, height: 2, position: 255 },
    { index: 2, height: 0, position: 3 },
  ],
};
const piece = { inner: new Uint8Array(64), outer: new Uint8Array(32), data: new Uint8Array(1024) };

/** Every decoder of bytes that a stranger may send, with a good message. */
const decoders: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['status', encodeStatus(status), decodeStatus],
  ['have request', encodeHaveRequest({ fromSeq: 77, count: 100 }), decodeHaveRequest],
  ['have answer', new Uint8Array(8 + 13), (b) => decodeHaveAnswer(b, { fromSeq: 0, count: 100 })],
  ['segments request', encodeSegmentsRequest(segmentsRequest), decodeSegmentsRequest],
  [
    'segments answer',
    flat(
      encodeSegmentsAnswer([
        { index: 7, siblings: new Uint8Array(64), data: new Uint8Array(512).fill(3) },
      ]),
    ),
    (bytes) => decodeSegmentsAnswer(bytes, segmentsRequest),
  ],
  ['pieces request', encodePiecesRequest(piecesRequest), decodePiecesRequest],
  [
    'pieces answer',
    flat(encodePiecesAnswer([piece, undefined])),
    (bytes) => decodePiecesAnswer(bytes, piecesRequest),
  ],
  ['file message', encodeFileMessage(fileMessage), decodeFileMessage],
  ['announcement', encodeAnnounce(announce), decodeAnnounce],
];

describe('messages', () => {
  it('have the bytes of the vectors', () => {
    const actual = Object.fromEntries(decoders.map(([name, bytes]) => [name, bytesToHex(bytes)]));
    expect(actual).toEqual(vectors.messages);
  });

  it('come back as they were', () => {
    expect(decodeStatus(encodeStatus(status))).toEqual(status);
    expect(decodeFileMessage(encodeFileMessage(fileMessage))).toEqual(fileMessage);
    expect(decodeAnnounce(encodeAnnounce(announce))).toEqual(announce);
    expect(decodeSegmentsRequest(encodeSegmentsRequest(segmentsRequest))).toEqual(segmentsRequest);
    expect(decodePiecesRequest(encodePiecesRequest(piecesRequest))).toEqual(piecesRequest);
    expect(decodePiecesAnswer(flat(encodePiecesAnswer([piece, undefined])), piecesRequest)).toEqual(
      [piece, undefined],
    );
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 8192 }), (fromSeq, count) => {
        fc.pre(Number.isSafeInteger(fromSeq + count));
        expect(decodeHaveRequest(encodeHaveRequest({ fromSeq, count }))).toEqual({
          fromSeq,
          count,
        });
      }),
    );
  });

  it.each(decoders)('%s: truncated, longer and empty ones are refused', (name, good, decode) => {
    decode(good);
    for (let length = 0; length < good.length; length++) {
      if (length === 0 && name === 'segments answer') continue; // nothing held is a fair answer
      expect(() => decode(good.subarray(0, length)), `${name} of ${length}`).toThrow(CodedError);
    }
    const longer = new Uint8Array(good.length + 1);
    longer.set(good);
    expect(() => decode(longer)).toThrow(CodedError);
  });

  it('50,000 damaged and random messages are refused or understood, never worse', ({ task }) => {
    const count = faultCount(50_000);
    noteFaults(task, count);
    const random = seededRandom(faultSeed() ?? 20_261_124);
    const memoryBefore = process.memoryUsage().rss;
    for (let i = 0; i < count; i++) {
      const [name, good, decode] = decoders[i % decoders.length]!;
      let bytes: Uint8Array;
      if (random.next() < 0.3) bytes = random.bytes(Math.floor(random.next() * 2 * good.length));
      else {
        bytes = good.slice(
          0,
          random.next() < 0.2 ? Math.floor(random.next() * good.length) : undefined,
        );
        for (let flips = 1 + Math.floor(random.next() * 4); flips > 0 && bytes.length > 0; flips--)
          bytes[Math.floor(random.next() * Math.min(bytes.length, 64))] = random.next() * 256;
      }
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof CodedError)) throw new Error(`${name} ${i}: ${String(error)}`);
      }
    }
    expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(50 * 1024 * 1024);
  });

  it('values out of range are refused by name', () => {
    const bad = (change: (bytes: Uint8Array) => void, index: number): void => {
      const [, good, decode] = decoders[index]!;
      const bytes = good.slice();
      change(bytes);
      expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: 'P2P_MALFORMED' }));
    };
    bad((b) => b.fill(255, 2, 10), 0); // chain id above 2^53
    bad((b) => b.set([3, 0, 0, 0], 34), 0); // 3 shards
    bad((b) => b.set([0, 0], 8), 1); // no files
    bad((b) => b.set([255, 255], 8), 1); // too many
    bad((b) => b.set([0], 40), 3); // no segments
    bad((b) => b.copyWithin(45, 41, 45), 3); // the same segment twice
    bad((b) => b.set([11], 45), 5); // a piece larger than a segment
    bad((b) => b.set([2], 0), 6); // a flag of 2
    bad((b) => b.set([9], 16), 8); // nine addresses
    bad((b) => b.set([7], 18), 8); // a bell in an address
    expect(() =>
      decodeSegmentsAnswer(
        flat(
          encodeSegmentsAnswer([
            { index: 8, siblings: new Uint8Array(0), data: new Uint8Array(256) },
          ]),
        ),
        segmentsRequest,
      ),
    ).toThrow(expect.objectContaining({ code: 'P2P_UNASKED' }));
  });
});
