import { createHmac } from 'node:crypto';
import { bytesToHex, type Clock, concatBytes, seededRandom, systemClock } from '@cairn/base';
import { keccak } from '@cairn/quorum';
import { privateKeyToAccount, sign } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import { ChunkedReceiver, type ChunkedStart } from '../../src/rollup/nitro/chunked.ts';
import { isAuthorized } from '../../src/rollup/nitro/jwt.ts';
import { signatureCheck } from '../../src/rollup/nitro/signatures.ts';

const NOW = 1_800_000_000;

function be64(...numbers: (number | bigint)[]): Uint8Array {
  const out = new Uint8Array(8 * numbers.length);
  const view = new DataView(out.buffer);
  for (const [i, number] of numbers.entries()) view.setBigUint64(8 * i, BigInt(number));
  return out;
}
const commitment = (data: Uint8Array, ...numbers: (number | bigint)[]): Uint8Array =>
  keccak(concatBytes(data, be64(...numbers)));
const none = new Uint8Array(0);

function receiver(totalBytesMax = 1000) {
  let nowMs = NOW * 1000;
  const clock: Clock = { ...systemClock, now: () => nowMs };
  const chunked = new ChunkedReceiver(
    { clock, random: seededRandom(1), verify: signatureCheck('commitment') },
    { totalBytesMax },
  );
  const begin = (change: Partial<ChunkedStart> = {}): Promise<bigint> => {
    const start = {
      timestamp: BigInt(NOW),
      pieceCount: 3,
      pieceBytes: 4,
      totalBytes: 10,
      timeout: 9n,
    };
    const all: ChunkedStart = { ...start, ...change };
    const { timestamp, pieceCount, pieceBytes, totalBytes, timeout } = all;
    return chunked.start(
      all,
      commitment(none, timestamp, pieceCount, pieceBytes, totalBytes, timeout),
    );
  };
  const add = (id: bigint, index: number, data: Uint8Array): Promise<void> =>
    chunked.add(id, index, data, commitment(data, id, index));
  const commit = (id: bigint) => chunked.commit(id, commitment(none, id));
  return { chunked, begin, add, commit, pass: (seconds: number) => (nowMs += seconds * 1000) };
}
const pieces = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8), Uint8Array.of(9, 10)];

describe('messages in pieces', () => {
  it('come together in any order, a piece twice being fine', async () => {
    const { begin, add, commit } = receiver();
    const id = await begin();
    for (const i of [2, 0, 0, 1]) await add(id, i, pieces[i]!);
    expect(await commit(id)).toEqual({ message: concatBytes(...pieces), timeout: 9n });
    await expect(commit(id)).rejects.toThrow('no such message');
  });

  it.each<[string, Partial<ChunkedStart>]>([
    ['no pieces', { pieceCount: 0 }],
    ['no bytes', { totalBytes: 0 }],
    ['pieces of nothing', { pieceBytes: 0 }],
    ['numbers that do not fit', { pieceCount: 2 }],
    ['too many bytes', { totalBytes: 2000, pieceCount: 500 }],
    ['a time too early', { timestamp: BigInt(NOW - 301) }],
    ['a time too late', { timestamp: BigInt(NOW + 301) }],
  ])('a start with %s is refused', async (_, change) => {
    await expect(receiver().begin(change)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('a start is taken once', async () => {
    const { begin } = receiver();
    await begin();
    await expect(begin()).rejects.toThrow('started before');
  });

  it('pieces of a wrong size, place or signature are refused; a different one in a place drops the message', async () => {
    const { begin, add, chunked } = receiver();
    const id = await begin();
    await expect(add(id, 0, pieces[2]!)).rejects.toThrow('2 bytes instead of 4');
    await expect(add(id, 2, pieces[0]!)).rejects.toThrow('4 bytes instead of 2');
    await expect(add(id, 3, pieces[0]!)).rejects.toThrow('no piece 3');
    await expect(chunked.add(id, 0, pieces[0]!, new Uint8Array(32))).rejects.toThrow('signature');
    await add(id, 0, pieces[0]!);
    await expect(add(id, 0, pieces[1]!)).rejects.toThrow('came twice');
    await expect(add(id, 0, pieces[0]!)).rejects.toThrow('no such message');
  });

  it('an incomplete message is dropped when committed', async () => {
    const { begin, add, commit } = receiver();
    const id = await begin();
    await add(id, 0, pieces[0]!);
    await expect(commit(id)).rejects.toThrow('2 pieces are missing');
    await expect(commit(id)).rejects.toThrow('no such message');
  });

  it('ten at most, and a minute of silence makes room', async () => {
    const { begin, add, pass } = receiver();
    const ids = [];
    for (let i = 0; i < 10; i++) ids.push(await begin({ timeout: BigInt(i) }));
    await expect(begin({ timeout: 99n })).rejects.toMatchObject({ kind: 'exhausted' });
    pass(50);
    await add(ids[0]!, 0, pieces[0]!);
    pass(20);
    await begin({ timeout: 100n });
    await add(ids[0]!, 1, pieces[1]!);
    await expect(add(ids[1]!, 0, pieces[0]!)).rejects.toThrow('no such message');
  });
});

describe('signatures of pieces', () => {
  const privateKey = `0x${'7'.repeat(64)}` as const;
  const account = privateKeyToAccount(privateKey);
  const hash = keccak(Uint8Array.of(1));

  it("an account's signature counts, with the recovery bit as Go and as others write it", async () => {
    const verify = signatureCheck(account.address as never);
    const signature = Buffer.from(
      (await sign({ hash: bytesToHex(hash), privateKey, to: 'hex' })).slice(2),
      'hex',
    );
    expect(await verify(hash, signature)).toBe(true);
    signature[64]! -= 27;
    expect(await verify(hash, signature)).toBe(true);
    expect(await verify(keccak(Uint8Array.of(2)), signature)).toBe(false);
    expect(await verify(hash, signature.subarray(1))).toBe(false);
    expect(await verify(hash, new Uint8Array(65))).toBe(false);
  });
});

describe('tokens', () => {
  const secret = new Uint8Array(32).fill(7);
  const token = (
    claims: unknown,
    head: unknown = { alg: 'HS256', typ: 'JWT' },
    key = secret,
  ): string => {
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part(head)}.${part(claims)}`;
    return `Bearer ${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };

  it('a fresh one of the secret is good', () => {
    expect(isAuthorized(token({ iat: NOW - 59 }), secret, NOW)).toBe(true);
    expect(isAuthorized(token({ iat: NOW, exp: NOW + 1 }), secret, NOW)).toBe(true);
  });

  it.each<[string, string | undefined]>([
    ['none', undefined],
    ['another scheme', 'Basic abc'],
    ['nonsense', 'Bearer a.b.c'],
    ['an old one', token({ iat: NOW - 61 })],
    ['one from the future', token({ iat: NOW + 61 })],
    ['one without a time', token({})],
    ['an expired one', token({ iat: NOW, exp: NOW })],
    ['another secret', token({ iat: NOW }, { alg: 'HS256' }, new Uint8Array(32))],
    ['another algorithm', token({ iat: NOW }, { alg: 'none' })],
    ['claims that are no object', token(null)],
    ['a huge one', token({ iat: NOW, x: 'y'.repeat(5000) })],
  ])('%s is not', (_, header) => {
    expect(isAuthorized(header, secret, NOW)).toBe(false);
  });
});
