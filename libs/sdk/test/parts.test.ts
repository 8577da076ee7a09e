import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shardHolds } from '@cairn/protocol';
import { createNodeClient } from '@cairn/rpc';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { IndexSet, partsOf, type StorageNode, selectCovering } from '../src/index.ts';
import { fileStateStore, resumableFile, writeFolder } from '../src/node/index.ts';

const folders: string[] = [];
const temporary = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-sdk-'));
  folders.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

describe('selectCovering', () => {
  const node = (shardId: number, numShard: number, i: number): StorageNode => ({
    client: createNodeClient(`http://127.0.0.1:${1000 + i}`),
    shard: { shardId, numShard },
  });
  const shard = fc
    .integer({ min: 0, max: 3 })
    .chain((bits) => fc.tuple(fc.nat({ max: 2 ** bits - 1 }), fc.constant(2 ** bits)));

  it('covers every segment as often as asked, or says that it cannot', () => {
    fc.assert(
      fc.property(
        fc.array(shard, { maxLength: 12 }),
        fc.integer({ min: 1, max: 3 }),
        (shards, replicas) => {
          const nodes = shards.map(([id, count], i) => node(id, count, i));
          const holders = (set: readonly StorageNode[], segment: number): number =>
            set.filter((one) => shardHolds(one.shard, segment)).length;
          const chosen = selectCovering(nodes, replicas);
          const segments = Array.from({ length: 8 }, (_, i) => i);
          const isPossible = segments.every((segment) => holders(nodes, segment) >= replicas);
          expect(chosen !== undefined).toBe(isPossible);
          if (!chosen) return;
          expect(new Set(chosen).size).toBe(chosen.length);
          for (const segment of segments)
            expect(holders(chosen, segment)).toBeGreaterThanOrEqual(replicas);
        },
      ),
    );
  });
});

describe('parts', () => {
  it('cut a stream at whole segments without gap', () => {
    expect(partsOf(1)).toEqual([[0, 1]]);
    expect(partsOf(600_000, 262_144)).toEqual([
      [0, 262_144],
      [262_144, 524_288],
      [524_288, 600_000],
    ]);
    for (const bad of [0, -1, 1000, 262_144.5, Number.NaN])
      expect(() => partsOf(10, bad)).toThrow(expect.objectContaining({ code: 'SDK_FRAGMENT' }));
  });

  it('an index set packs itself into ranges and back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 60 })), (indexes) => {
        const set = new IndexSet();
        for (const index of indexes) set.add(index);
        const ranges = set.toRanges();
        const back = new IndexSet(ranges);
        for (let i = 0; i <= 61; i++) expect(back.has(i)).toBe(indexes.includes(i));
        for (const [i, [start]] of ranges.entries())
          if (i > 0) expect(start).toBeGreaterThan(ranges[i - 1]![1]);
      }),
    );
  });
});

describe('an interrupted download', () => {
  it('goes on with the segments that were listed, and starts over for other content', async () => {
    const path = join(temporary(), 'file');
    {
      await using file = await resumableFile(path, 'one');
      await file.sink.write(0, Uint8Array.of(1, 2));
      file.add(0, 0);
      file.add(3, 1);
    }
    {
      await using file = await resumableFile(path, 'one');
      expect([file.has(0, 0), file.has(1, 0), file.has(3, 1), file.has(3, 0)]).toEqual([
        true,
        false,
        true,
        false,
      ]);
    }
    await using file = await resumableFile(path, 'two');
    expect(file.has(0, 0)).toBe(false);
    await file.sink.write(0, Uint8Array.of(9));
    await file.finish();
    expect([...readFileSync(path)]).toEqual([9]);
    expect(readdirSync(join(path, '..'))).toEqual(['file']);
  });

  it('with a damaged list starts over', async () => {
    const path = join(temporary(), 'file');
    writeFileSync(`${path}.download`, 'rest');
    writeFileSync(`${path}.download.json`, '{"key":"one"');
    await using file = await resumableFile(path, 'one');
    expect(file.has(0, 0)).toBe(false);
    await file.finish();
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});

describe('upload states', () => {
  it('survive, are replaced whole, and a damaged one is none', async () => {
    const dir = temporary();
    const store = fileStateStore(dir);
    const state = { root: '0xaa', size: 1, flow: '0xf', txSeq: 4, txHash: null, acknowledged: {} };
    await store.save(state);
    expect(await store.load('0xaa')).toEqual(state);
    expect(await store.load('0xbb')).toBeUndefined();
    const [name] = readdirSync(dir);
    writeFileSync(join(dir, name!), '{');
    expect(await store.load('0xaa')).toBeUndefined();
    await store.save(state);
    await store.clear('0xaa');
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('writeFolder', () => {
  it('writes nothing outside, and through no link', async () => {
    const dir = join(temporary(), 'out');
    const report = await writeFolder(
      dir,
      {
        type: 'directory',
        name: '/',
        entries: [
          { type: 'symbolic', name: 'up', link: '../outside' },
          { type: 'symbolic', name: 'absolute', link: '/etc/passwd' },
          { type: 'symbolic', name: 'fine', link: './file' },
          { type: 'symbolic', name: 'through', link: 'fine/../..' },
          { type: 'symbolic', name: 'behind', link: 'fine/x' },
          {
            type: 'directory',
            name: 'sub',
            entries: [
              { type: 'symbolic', name: 'top', link: '..' },
              { type: 'symbolic', name: 'above', link: '../..' },
            ],
          },
          { type: 'file', name: 'file', roots: [], size: 0 },
        ],
      },
      async () => expect.unreachable(),
    );
    expect(report).toMatchObject({
      files: 1,
      skippedLinks: ['up', 'absolute', 'through', 'behind', 'sub/above'],
    });
    expect(readdirSync(dir).sort()).toEqual(['file', 'fine', 'sub']);
    await expect(
      writeFolder(dir, { type: 'directory', name: '/', entries: [] }, async () => {}),
    ).rejects.toMatchObject({ code: 'SDK_EXISTS' });
  });
});
