import { equalBytes } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DA_SHAPES,
  formatFor,
  parseBlobFormat,
  payloadBytesMax,
  readFrame,
  rowBytesFor,
  writeFrame,
} from '../../src/index.ts';
import { codeOf, flipped } from '../support.ts';

const shape = { id: 200, dataRows: 4, parityRows: 12 };

function frame(payload: Uint8Array): {
  rows: Uint8Array;
  format: ReturnType<typeof formatFor>;
} {
  const format = formatFor(payload.length, 0x11, shape);
  const rows = new Uint8Array(4 * format.rowBytes).fill(0xee);
  writeFrame(format, payload, rows);
  return { rows, format };
}

describe('frames', () => {
  it('a payload comes back, from memory that held something else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 2000 }), (payload) => {
        const { rows, format } = frame(payload);
        expect(readFrame(format, rows)).toEqual(payload);
        expect(readFrame(format, rows, payload.length)).toEqual(payload);
      }),
    );
  });

  it('is the same in shared memory, however the payload lies', () => {
    const source = Uint8Array.from({ length: 100_008 }, (_, i) => (i * 31) ^ (i >> 7));
    for (let lead = 0; lead < 8; lead++) {
      const payload = source.subarray(lead, lead + 100_000);
      const { rows, format } = frame(payload);
      const shared = new Uint8Array(new SharedArrayBuffer(rows.length + 3)).subarray(3);
      writeFrame(format, payload, shared);
      expect(equalBytes(shared, rows)).toBe(true);
    }
  });

  it('any change outside the payload is refused: version, length, padding', () => {
    const payload = new Uint8Array(300).fill(7);
    const { rows, format } = frame(payload);
    for (let bit = 0; bit < 8 * rows.length; bit++) {
      const at = bit >> 3;
      const code = codeOf(() => readFrame(format, flipped(rows, bit), payload.length));
      expect(code).toBe(at < 5 || at >= 305 ? 'ERASURE_FRAME' : undefined);
    }
  });

  it('a length of 0, above the capacity, or that needs shorter rows is refused', () => {
    const { rows, format } = frame(new Uint8Array(300));
    const lengths = [0, 4 * format.rowBytes - 4, 2 ** 32 - 1, 251, 1];
    for (const length of lengths) {
      const changed = rows.slice();
      new DataView(changed.buffer).setUint32(1, length);
      expect(codeOf(() => readFrame(format, changed))).toBe('ERASURE_FRAME');
    }
  });

  it('payloads of no bytes or too many have no format', () => {
    const [s, m] = DA_SHAPES;
    for (const bytes of [0, payloadBytesMax(s) + 1])
      expect(codeOf(() => formatFor(bytes, 0x11, s))).toBe('ERASURE_PAYLOAD');
    expect(formatFor(payloadBytesMax(m), 0x11, m).rowBytes).toBe(32_768);
  });
});

describe('headers of blobs', () => {
  it('rows are as the specification tabulates them', () => {
    const [s, m, l] = DA_SHAPES;
    const mib = 1024 * 1024;
    expect(rowBytesFor(mib / 4 - 5, s)).toBe(256);
    expect(rowBytesFor(mib / 4 - 5, m)).toBe(64);
    expect(rowBytesFor(mib - 5, m)).toBe(256);
    expect(rowBytesFor(mib, m)).toBe(320);
    expect(rowBytesFor(32 * mib - 5, m)).toBe(8192);
    expect(rowBytesFor(32 * mib - 5, l)).toBe(2048);
    expect(rowBytesFor(128 * mib - 5, m)).toBe(32_768);
  });

  it('a header is believed only when version, shape, length and row size agree', () => {
    const good = { version: 0x11, shape: 1, length: 1_000_000, rowBytes: 256 };
    expect(parseBlobFormat(good)).toEqual({ version: 0x11, shape: DA_SHAPES[1], rowBytes: 256 });
    const bad = [
      { version: 0x10 },
      { version: 0x00 },
      { shape: 3 },
      { shape: -1 },
      { shape: 0.5 },
      { length: 0 },
      { length: -1 },
      { length: 1.5 },
      { length: Number.NaN },
      { length: 2 ** 32 },
      { rowBytes: 320 },
      { rowBytes: 192 },
      { rowBytes: 0 },
    ];
    for (const change of bad)
      expect(codeOf(() => parseBlobFormat({ ...good, ...change }))).toBe('ERASURE_FORMAT');
  });
});
