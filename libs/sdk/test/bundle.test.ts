// The bytes of a bundle as its source gives them, and members read back out of it.
import { type DirectoryFolder, layoutBundle } from '@cairn/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BundleSource, MemberReader } from '../src/bundle.ts';
import { type DirectoryInput, type OpenSource, treeOfInputs } from '../src/directory.ts';
import { BytesSink, bytesSource } from '../src/source.ts';

const bytesOf = (seed: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (seed * 31 + i * 7 + 1) & 255);

function bundleOf(sizes: readonly number[], openedMax = { now: 0, most: 0 }) {
  const inputs = sizes.map((size, i): DirectoryInput => {
    const open = async (): Promise<OpenSource> => {
      openedMax.most = Math.max(openedMax.most, ++openedMax.now);
      return {
        ...bytesSource(bytesOf(i, size)),
        [Symbol.asyncDispose]: async () => {
          openedMax.now--;
        },
      };
    };
    return { type: 'file', path: `${i % 3}/f${String(i).padStart(4, '0')}`, size, open };
  });
  const tree: DirectoryFolder = { type: 'directory', name: '/', entries: [] };
  const jobs = treeOfInputs(tree, inputs);
  const layout = layoutBundle(tree);
  return { source: new BundleSource(layout, jobs), layout, openedMax };
}

describe('the source of a bundle', () => {
  it('any range is the bytes that the layout puts there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constant(0), fc.nat(900)), { minLength: 1, maxLength: 40 }),
        fc.nat(),
        fc.nat(),
        async (sizes, a, b) => {
          const { source, layout } = bundleOf(sizes);
          const whole = new Uint8Array(layout.size);
          whole.set(layout.head);
          for (const { file, start } of layout.members)
            whole.set(bytesOf(Number(file.name.slice(1)), file.size), start);
          const [from, to] = [a % source.size, b % (source.size + 1)].sort((x, y) => x - y);
          expect(await source.read(0, source.size)).toEqual(whole);
          expect(await source.read(from!, to!)).toEqual(whole.slice(from, to));
          await source[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 50 },
    );
  });

  it('however many members it has, few are open at once, and none at the end', async () => {
    const { source, openedMax } = bundleOf(Array.from({ length: 300 }, (_, i) => 50 + i));
    await Promise.all([
      source.read(0, source.size),
      source.read(1000, source.size - 1000),
      source.read(5000, 9000),
    ]);
    expect(openedMax.most).toBeLessThanOrEqual(32 + 3);
    await source[Symbol.asyncDispose]();
    expect(openedMax.now).toBe(0);
  });

  it('a member that changed its size is an error', async () => {
    const { layout } = bundleOf([100]);
    const changed = new BundleSource(layout, [
      { file: layout.members[0]!.file, open: async () => bytesSource(new Uint8Array(99)) },
    ]);
    await expect(changed.read(0, changed.size)).rejects.toMatchObject({ code: 'SDK_FILE_CHANGED' });
  });
});

describe('reading members', () => {
  it('neighbours share a window, each byte is fetched once, and large ones go straight through', async () => {
    const sizes = [...Array.from({ length: 400 }, () => 3000), 5 * 1024 * 1024, 10];
    const { source, layout } = bundleOf(sizes);
    const ranges: [number, number][] = [];
    const reader = new MemberReader(async ({ start, end }, sink) => {
      const to = Math.min(end, source.size);
      ranges.push([start, to]);
      await sink.write(start, await source.read(start, to));
    });
    for (const { file, start } of layout.members) {
      const sink = new BytesSink(file.size);
      await reader.copy({ start, size: file.size }, sink);
      expect(Buffer.from(sink.bytes).equals(bytesOf(Number(file.name.slice(1)), file.size))).toBe(
        true,
      );
    }
    expect(ranges.length).toBeLessThanOrEqual(5);
  });
});
