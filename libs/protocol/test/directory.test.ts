import { CodedError, type DataRoot } from '@cairn/base';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareNames,
  DIRECTORY_MAGIC,
  type DirectoryEntry,
  type DirectoryFolder,
  decodeDirectory,
  encodeDirectory,
  findEntry,
  isDirectoryHeader,
  walkDirectory,
} from '../src/index.ts';

const ROOT = `0x${'ab'.repeat(32)}` as DataRoot;
const header = (version: number): Uint8Array =>
  concatBytes(keccak_256(utf8ToBytes('0g-storage-client-dir-codec')), Uint8Array.of(0, version));
const metadata = (json: unknown, version = 2): Uint8Array =>
  concatBytes(header(version), utf8ToBytes(typeof json === 'string' ? json : JSON.stringify(json)));
const folder = (...entries: DirectoryEntry[]): DirectoryFolder => ({
  type: 'directory',
  name: '/',
  entries,
});

const name = fc
  .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
  .filter((text) => !/[/\\\0]|^\.{1,2}$/.test(text) && text.isWellFormed());
const { tree } = fc.letrec<{ tree: DirectoryFolder; entry: DirectoryEntry }>((tie) => ({
  entry: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      type: fc.constant('file' as const),
      name,
      roots: fc.array(fc.constant(ROOT), { minLength: 1, maxLength: 3 }),
      size: fc.nat(),
    }),
    fc.record({ type: fc.constant('symbolic' as const), name, link: fc.string({ minLength: 1 }) }),
    tie('tree'),
  ),
  tree: fc.record({
    type: fc.constant('directory' as const),
    name,
    entries: fc.uniqueArray(tie('entry'), { maxLength: 5, selector: (entry) => entry.name }),
  }),
}));

describe('directory metadata', () => {
  it('has the magic number of the format', () => {
    expect(`0x${bytesToHex(header(2).subarray(0, 32))}`).toBe(DIRECTORY_MAGIC);
    expect(isDirectoryHeader(header(2))).toBe(true);
    expect(isDirectoryHeader(new Uint8Array(34))).toBe(false);
  });

  it('writes keys in the order of the format and leaves out what is empty', () => {
    const bytes = encodeDirectory(
      folder(
        { type: 'symbolic', name: 'link', link: '../b' },
        { type: 'file', name: 'b', roots: [ROOT], size: 7 },
        { type: 'file', name: 'empty', roots: [], size: 0 },
        { type: 'directory', name: 'a', entries: [] },
      ),
    );
    expect(new TextDecoder().decode(bytes.subarray(34))).toBe(
      `{"name":"/","type":"directory","entries":[{"name":"a","type":"directory"},{"name":"b","type":"file","roots":["${ROOT}"],"size":7},{"name":"empty","type":"file"},{"name":"link","type":"symbolic","link":"../b"}]}`,
    );
    expect([...bytes.subarray(32, 34)]).toEqual([0, 2]);
  });

  it('reads version 1, whose files have one hash', () => {
    const old = {
      name: '/',
      type: 'directory',
      entries: [{ name: 'f', type: 'file', hash: ROOT, size: 1 }],
    };
    expect(decodeDirectory(metadata(old, 1)).entries).toEqual([
      { type: 'file', name: 'f', roots: [ROOT], size: 1 },
    ]);
  });

  it('comes back as it went in, sorted by the bytes of the names', () => {
    fc.assert(
      fc.property(tree, (input) => {
        const back = decodeDirectory(encodeDirectory(input));
        expect(encodeDirectory(back)).toEqual(encodeDirectory(input));
        const names = back.entries.map((entry) => entry.name);
        expect(names).toEqual(
          [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
        );
        for (const { path, entry } of walkDirectory(back))
          expect(findEntry(back, path)).toBe(entry);
      }),
    );
  });

  it('orders names bytewise, not by UTF-16 units', () => {
    expect(compareNames('\uffff', '\u{10000}')).toBeLessThan(0);
    expect(compareNames('a', 'ab')).toBeLessThan(0);
  });

  it.each([
    ['another magic number', new Uint8Array(40)],
    ['version 3', metadata({ name: '/', type: 'directory' }, 3)],
    ['no JSON', metadata('{')],
    ['bytes that are not UTF-8', concatBytes(header(2), Uint8Array.of(0xff, 0xfe))],
    ['a file on top', metadata({ name: '/', type: 'file' })],
    ['another type', metadata({ name: '/', type: 'device' })],
    ['a root of 31 bytes', metadata(withEntry({ type: 'file', roots: [`0x${'ab'.repeat(31)}`] }))],
    ['a negative size', metadata(withEntry({ type: 'file', roots: [ROOT], size: -1 }))],
    ['a size without a root', metadata(withEntry({ type: 'file', size: 5 }))],
    ['a name that climbs', metadata(withEntry({ name: '..', type: 'file' }))],
    ['a name with a separator', metadata(withEntry({ name: 'a/../../b', type: 'file' }))],
    ['a name with NUL', metadata(withEntry({ name: 'a\0b', type: 'file' }))],
    ['an empty name', metadata(withEntry({ name: '', type: 'file' }))],
    [
      'a name twice',
      metadata({
        name: '/',
        type: 'directory',
        entries: [
          { name: 'a', type: 'file' },
          { name: 'a', type: 'file' },
        ],
      }),
    ],
    ['nesting without end', metadata('{"entries":['.repeat(100_000))],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeDirectory(bytes)).toThrow(CodedError);
    try {
      decodeDirectory(bytes);
    } catch (error) {
      expect(error).toMatchObject({ code: 'PROTOCOL_DIRECTORY', kind: 'invalid' });
    }
  });
});

function withEntry(entry: object): unknown {
  return { name: '/', type: 'directory', entries: [{ name: 'x', ...entry }] };
}
