// Row files by themselves: every bit of a head counts, and files of before are read.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesToHash32, concatBytes, seededRandom } from '@cairn/base';
import { temporaryFolder } from '@cairn/testkit';
import { expect, it } from 'vitest';
import { RowFiles, type StoredRow } from '../src/store/row-files.ts';

const random = seededRandom(5);
const key = bytesToHash32(random.bytes(32));
const rowRoot = random.bytes(32);
const rlc = random.bytes(64);
const indices = [3, 9, 40];
const rows = new Map(indices.map((index) => [index, random.bytes(64)]));
const path = random.bytes(96);
const HEAD_BYTES = 52 + 8 * indices.length + rlc.length;

async function withFile(
  check: (files: RowFiles, path: string, whole: Uint8Array) => Promise<void>,
): Promise<void> {
  await using dir = await temporaryFolder('cairn-rows-');
  const files = await RowFiles.open(dir.path);
  const bytes = await files.write(key, {
    ...{ rowRoot, rlc, indices, rowBytes: 64, pathBytes: path.length },
    row: (index) => ({ row: rows.get(index)!, path }),
  });
  const at = join(dir.path, `${key.slice(2)}.rows`);
  const whole = new Uint8Array(await readFile(at));
  expect(whole.length).toBe(bytes);
  await check(files, at, whole);
}

it('a bit that flipped anywhere in the head is damage', () =>
  withFile(async (files, at, whole) => {
    for (let i = 0; i < HEAD_BYTES + 4; i++) {
      const flipped = whole.slice();
      flipped[i]! ^= 1 << (i % 8);
      await writeFile(at, flipped);
      await expect(files.head(key), `byte ${i}`).rejects.toMatchObject({
        code: 'DA_ROWS_DAMAGED',
      });
    }
  }));

it('a file of before, without a checksum of its head, is read', () =>
  withFile(async (files, at, whole) => {
    const before = concatBytes(whole.subarray(0, HEAD_BYTES), whole.subarray(HEAD_BYTES + 4));
    before.set(new TextEncoder().encode('CDR1'));
    await writeFile(at, before);
    expect(await files.isWhole(key, before.length)).toBe(true);
    expect(await files.head(key)).toMatchObject({ rowRoot, rlc, indices });
    const found: StoredRow[] = [];
    for await (const row of files.read(key, indices)) found.push(row);
    expect(found.map(({ index }) => index)).toEqual(indices);
    for (const { index, row } of found) expect(row).toEqual(rows.get(index));
  }));
