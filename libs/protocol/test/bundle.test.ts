// Bundles: the vectors first, then that places follow from sizes, then what strangers may send.
import { readFileSync } from 'node:fs';
import { bytesToHex, CodedError, concatBytes, type DataRoot } from '@cairn/base';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BUNDLE_HEADER_BYTES,
  BUNDLE_INDEX_BYTES_MAX,
  BUNDLE_MAGIC,
  bundleIndexBytes,
  type DirectoryEntry,
  type DirectoryFolder,
  decodeBundle,
  layoutBundle,
  walkDirectory,
} from '../src/index.ts';

type Vector = {
  name: string;
  entries: DirectoryEntry[];
  size: number;
  headKeccak256: string;
  starts: Record<string, number>;
};
const { vectors } = JSON.parse(
  readFileSync(new URL('./vectors/bundles.json', import.meta.url), 'utf8'),
) as { vectors: Vector[] };

const ROOT = `0x${'ab'.repeat(32)}` as DataRoot;
const folder = (...entries: DirectoryEntry[]): DirectoryFolder => ({
  type: 'directory',
  name: '/',
  entries,
});
const file = (name: string, size: number): DirectoryEntry => ({
  type: 'file',
  name,
  roots: [],
  size,
});
const startsOf = (tree: DirectoryFolder): Record<string, number> => {
  const out: Record<string, number> = {};
  for (const { path, entry } of walkDirectory(tree))
    if (entry.type === 'file' && entry.start !== undefined) out[path] = entry.start;
  return out;
};

describe('vectors', () => {
  it('the magic is the hash of its name', () => {
    expect(BUNDLE_MAGIC).toBe(bytesToHex(keccak_256(utf8ToBytes('cairn-bundle-v1'))));
  });
  it.each(vectors)('$name', ({ entries, size, headKeccak256, starts }) => {
    const layout = layoutBundle(folder(...entries));
    expect(layout.size).toBe(size);
    expect(bytesToHex(keccak_256(layout.head))).toBe(headKeccak256);
    expect(startsOf(decodeBundle(layout.head, { root: ROOT, size }))).toEqual(starts);
  });
});

const name = fc.stringMatching(/^[a-z]{1,6}$/);
const { tree } = fc.letrec<{ tree: DirectoryFolder; entry: DirectoryEntry }>((tie) => ({
  entry: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      type: fc.constant('file' as const),
      name,
      roots: fc.constant<DataRoot[]>([]),
      size: fc.oneof(fc.constant(0), fc.nat(3000)),
    }),
    fc.record({ type: fc.constant('symbolic' as const), name, link: name }),
    tie('tree'),
  ),
  tree: fc.record({
    type: fc.constant('directory' as const),
    name,
    entries: fc.uniqueArray(tie('entry'), { selector: (entry) => entry.name, maxLength: 6 }),
  }),
}));

describe('layout', () => {
  it('members stand one behind the other on sectors of their own, and reading the head finds them there', () => {
    fc.assert(
      fc.property(tree, (input) => {
        const layout = layoutBundle(input);
        let end = layout.head.length;
        for (const { file: member, start } of layout.members) {
          expect(start % 256).toBe(0);
          expect(start).toBeGreaterThanOrEqual(end);
          expect(start - end).toBeLessThan(256);
          end = start + member.size;
        }
        expect(layout.size).toBe(end);
        const back = decodeBundle(layout.head, { root: ROOT, size: layout.size });
        const expected = layout.members.map(({ start }) => start);
        expect(Object.values(startsOf(back)).sort((a, b) => a - b)).toEqual(expected);
        const files = [...walkDirectory(back)].filter(({ entry }) => entry.type === 'file');
        for (const { entry } of files)
          if (entry.type === 'file') expect(entry.roots).toEqual(entry.size > 0 ? [ROOT] : []);
      }),
    );
  });

  it('the order of the input does not matter', () => {
    const [a, b] = [file('a', 5), file('b', 700)];
    expect(layoutBundle(folder(b, a)).head).toEqual(layoutBundle(folder(a, b)).head);
  });
});

const head = (json: unknown, length?: number): Uint8Array => {
  const index = utf8ToBytes(typeof json === 'string' ? json : JSON.stringify(json));
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, length ?? index.length);
  return concatBytes(keccak_256(utf8ToBytes('cairn-bundle-v1')), size, index);
};
const raw = (...entries: unknown[]): unknown => ({ name: '/', type: 'directory', entries });
const rawFile = (more: object): unknown => ({ name: 'a', type: 'file', ...more });

describe('what strangers send', () => {
  const good = layoutBundle(folder(file('a', 10), file('b', 20)));
  it.each<[string, Uint8Array, number]>([
    ['a size that does not add up', good.head, good.size + 1],
    ['fewer bytes than its files take', good.head, good.size - 20],
    ['a head that is cut off', good.head.subarray(0, 50), good.size],
    ['no magic', good.head.subarray(1), good.size],
    ['an index of 0 bytes', head('{}', 0), 100],
    ['an index that is too long', head('{}', BUNDLE_INDEX_BYTES_MAX + 1), 100],
    ['no JSON', head('{"name"'), 43],
    ['a name that climbs', head(raw(rawFile({ name: '../a' }))), 100],
    ['a name twice', head(raw(rawFile({}), rawFile({}))), 200],
    ['a root of its own', head(raw(rawFile({ size: 1, roots: [ROOT] }))), 300],
    ['a negative size', head(raw(rawFile({ size: -1 }))), 100],
    ['sizes beyond the exact numbers', head(raw(rawFile({ size: 2 ** 53 - 1 }))), 100],
    ['a file on top', head(rawFile({ size: 1 })), 257],
    ['folders too deep', head('['.repeat(10_000)), 100],
  ])('%s is refused', (_, bytes, size) => {
    let thrown: unknown;
    try {
      decodeBundle(bytes, { root: ROOT, size });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(CodedError);
    expect(thrown).toMatchObject({ code: 'PROTOCOL_BUNDLE', kind: 'invalid' });
  });

  it('random bytes behind the magic end in the error, never in another', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(1000), (tail, size) => {
        const bytes = concatBytes(head('', 1).subarray(0, 32), tail);
        try {
          decodeBundle(bytes, { root: ROOT, size });
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL_BUNDLE' });
        }
      }),
    );
  });

  it('other files are no bundles', () => {
    expect(bundleIndexBytes(new Uint8Array(BUNDLE_HEADER_BYTES))).toBeUndefined();
    expect(bundleIndexBytes(good.head.subarray(0, 35))).toBeUndefined();
    expect(bundleIndexBytes(good.head)).toBeGreaterThan(0);
  });
});
