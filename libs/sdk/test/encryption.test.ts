import { bytesToHex, type Hex, hexToBytes } from '@cairn/base';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BytesSink,
  bytesSource,
  type DecryptWith,
  decryptingSink,
  type EncryptTo,
  encryptedSource,
  newCipher,
  openCipher,
  sharedKey,
  type UploadSource,
} from '../src/index.ts';

// Storage-rpc section 13.
const KEY = new Uint8Array(32).fill(7);
const TEXT = new TextEncoder().encode('attack at dawn, attack at dawn!!');
const CIPHERTEXT = '0x9bc14c61b33892837ab42d58720de3116b399ae68407c0b5084e78beb0030182';
const PRIVATE: Hex = `0x${'11'.repeat(32)}`;
const EPHEMERAL = '02466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f27';
const AES_KEY = '0xab936d89723fc2b1ce02c58a236fe8b91bd815b46f985d559c6e3524ba66867d';
const PUBLIC = bytesToHex(secp256k1.getPublicKey(hexToBytes(PRIVATE), true));

const fixedHeader = new Uint8Array([1, ...new Uint8Array(16).fill(0xff)]);
const all = (source: UploadSource): Promise<Uint8Array> => source.read(0, source.size);
async function decrypted(stream: Uint8Array, keys: DecryptWith): Promise<Uint8Array> {
  const cipher = await openCipher(stream, keys);
  const sink = new BytesSink(stream.length - cipher.header.length);
  await decryptingSink(sink, cipher).write(0, stream);
  return sink.bytes;
}

describe('encrypted streams', () => {
  it('are those of the vectors, the counter wrapping around', async () => {
    const cipher = await openCipher(fixedHeader, { key: KEY });
    expect(bytesToHex(await cipher.apply(0, TEXT))).toBe(CIPHERTEXT);
    const tail = await cipher.apply(5, TEXT.subarray(5));
    expect(bytesToHex(tail)).toBe(`0x${CIPHERTEXT.slice(2 + 2 * 5)}`);
    expect(bytesToHex(sharedKey(hexToBytes(PRIVATE), hexToBytes(EPHEMERAL)))).toBe(AES_KEY);
    expect(bytesToHex(sharedKey(new Uint8Array(32).fill(0x22), hexToBytes(PUBLIC)))).toBe(AES_KEY);
  });

  const ways: [string, EncryptTo, DecryptWith, number][] = [
    ['a key', { key: KEY }, { key: KEY }, 17],
    ['a public key', { recipient: PUBLIC }, { privateKey: PRIVATE }, 50],
  ];
  it.each(ways)('with %s open again, in any pieces', async (_, to, keys, headerBytes) => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (plain, cuts) => {
          const source = encryptedSource(bytesSource(plain), await newCipher(to));
          expect(source.size).toBe(plain.length + headerBytes);
          const stream = await all(source);
          expect(await decrypted(stream, keys)).toEqual(plain);
          const cipher = await openCipher(stream, keys);
          const sink = new BytesSink(plain.length);
          const points = [0, ...cuts.map((cut) => cut % stream.length), stream.length].sort(
            (a, b) => a - b,
          );
          for (const [i, start] of points.slice(0, -1).entries()) {
            const piece = await source.read(start, points[i + 1]!);
            expect(piece).toEqual(stream.slice(start, points[i + 1]));
            await decryptingSink(sink, cipher).write(start, piece);
          }
          expect(sink.bytes).toEqual(plain);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('of the same bytes and key are equal when the content gives the nonce, of others never', async () => {
    const root = new Uint8Array(32).fill(1);
    const seed = new Uint8Array(32).fill(2);
    for (const to of [{ key: KEY }, { recipient: PUBLIC }] as const) {
      const make = async (plaintextRoot?: Uint8Array): Promise<string> =>
        bytesToHex(
          (
            await newCipher(to, {
              ...(plaintextRoot ? { plaintextRoot } : {}),
              ephemeralSeed: seed,
            })
          ).header,
        );
      expect(await make(root)).toBe(await make(root));
      expect(await make(new Uint8Array(32).fill(9))).not.toBe(await make(root));
      expect(await make()).not.toBe(await make());
    }
  });

  it('say what is missing', async () => {
    const stream = await all(
      encryptedSource(bytesSource(TEXT), await newCipher({ recipient: PUBLIC })),
    );
    await expect(openCipher(stream, { key: KEY })).rejects.toMatchObject({
      code: 'SDK_DECRYPT_KEY',
    });
    await expect(openCipher(fixedHeader, { privateKey: PRIVATE })).rejects.toMatchObject({
      code: 'SDK_DECRYPT_KEY',
    });
    await expect(openCipher(TEXT, { key: KEY })).rejects.toMatchObject({
      code: 'SDK_DECRYPT_FORMAT',
    });
    await expect(openCipher(Uint8Array.of(1, 2), { key: KEY })).rejects.toMatchObject({
      code: 'SDK_DECRYPT_FORMAT',
    });
    await expect(newCipher({ key: KEY.subarray(1) })).rejects.toMatchObject({
      code: 'SDK_ENCRYPT_KEY',
    });
    await expect(newCipher({ recipient: `0x02${'ff'.repeat(32)}` })).rejects.toMatchObject({
      code: 'SDK_ENCRYPT_KEY',
    });
  });
});
