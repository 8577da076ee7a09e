import { openDatabase } from '@cairn/store';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { NAME_MIGRATIONS, NameStore } from '../../src/rollup/name-store.ts';

const keccakName = (seed: number): Uint8Array => new Uint8Array(33).fill(seed, 1);
const zeroGName = (seed: number): Uint8Array =>
  new Uint8Array(50).fill(seed).fill(0x01, 0, 1).fill(0x47, 1, 2);
const certificate = Uint8Array.of(1, 2, 3);

let names: NameStore;
beforeEach(() => {
  const db = openDatabase(':memory:', NAME_MIGRATIONS);
  onTestFinished(() => {
    db.close();
  });
  names = new NameStore(db);
});

it('gives the newest certificate of a name', () => {
  names.set(keccakName(1), Uint8Array.of(9), 50);
  names.set(keccakName(1), certificate, 100);
  expect(names.get(keccakName(1))).toEqual({ kind: 'known', certificate });
  expect(names.get(keccakName(2))).toBeUndefined();
});

it('ends names when their time is over: of keccak ones it is remembered that they were stored', () => {
  names.set(keccakName(1), certificate, 100);
  names.set(zeroGName(1), certificate, 100);
  names.set(keccakName(2), certificate, 101);
  names.set(keccakName(3), certificate); // archived
  names.prune(99, 10);
  expect(names.get(keccakName(1))?.kind).toBe('known');
  names.prune(100, 10);
  expect(names.get(keccakName(1))).toEqual({ kind: 'ended' });
  expect(names.get(zeroGName(1))).toBeUndefined();
  expect(names.get(keccakName(2))?.kind).toBe('known');
  names.prune(1e12, 10);
  expect(names.get(keccakName(3))?.kind).toBe('known');
});

it('ends the oldest first, as many as asked for, and each once', () => {
  for (let i = 0; i < 6; i++) names.set(keccakName(i), certificate, 100 + i);
  names.prune(200, 2);
  const kinds = (): (string | undefined)[] =>
    Array.from({ length: 6 }, (_, i) => names.get(keccakName(i))?.kind);
  expect(kinds()).toEqual(['ended', 'ended', ...Array(4).fill('known')]);
  names.prune(200, 2);
  expect(kinds()).toEqual([...Array(4).fill('ended'), 'known', 'known']);
});

it('a name that ended and is stored again is good again', () => {
  names.set(keccakName(1), certificate, 100);
  names.prune(100, 10);
  names.set(keccakName(1), certificate, 300);
  expect(names.get(keccakName(1))?.kind).toBe('known');
});
