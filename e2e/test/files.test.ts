import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { patternBytes } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cairn, startDevnet, type TestDevnet } from '../src/devnet.ts';

const MIB = 1024 * 1024;
let devnet: TestDevnet;
beforeAll(async () => {
  devnet = await startDevnet();
});
afterAll(() => devnet?.stop());
const path = (name: string): string => join(devnet.dir, name);

describe('files go in and come back', () => {
  it.each([1, 255, 256, 257, 300_000, 262_144 * 5, 5_000_000, 20 * MIB, 256 * MIB])(
    '%d bytes',
    async (size) => {
      const bytes = patternBytes(size, size % 251);
      writeFileSync(path('in.bin'), bytes);
      const put = await cairn(devnet, ['put', path('in.bin'), '--json']);
      expect(put, put.stderr).toMatchObject({ code: 0, json: { bytes: size } });
      const get = await cairn(devnet, [
        'get',
        String(put.json.root),
        '-o',
        path('out.bin'),
        '--overwrite',
        '--json',
      ]);
      expect(get, get.stderr).toMatchObject({
        code: 0,
        json: { verified: true, bytes: size, dropped: [] },
      });
      expect(Buffer.from(bytes).equals(readFileSync(path('out.bin')))).toBe(true);
    },
  );

  it('by parts, from the command line and over plain HTTP', async () => {
    const bytes = patternBytes(3 * MIB + 77, 9);
    writeFileSync(path('in.bin'), bytes);
    const { json } = await cairn(devnet, ['put', path('in.bin'), '--json']);
    const root = String(json.root);
    for (const [first, last] of [
      [0, 0],
      [262_143, 262_144],
      [1000, 2_000_000],
      [3 * MIB, 3 * MIB + 76],
    ] as const) {
      const get = await cairn(devnet, [
        'get',
        root,
        '--range',
        `${first}-${last}`,
        '-o',
        path('part.bin'),
        '--overwrite',
      ]);
      expect(get.code, get.stderr).toBe(0);
      const expected = Buffer.from(bytes.subarray(first, last + 1));
      expect(expected.equals(readFileSync(path('part.bin')))).toBe(true);
      const response = await fetch(`${devnet.file.indexerUrl}/file/${root}`, {
        headers: { range: `bytes=${first}-${last}` },
      });
      expect(response.status).toBe(206);
      expect(response.headers.get('content-range')).toBe(`bytes ${first}-${last}/${bytes.length}`);
      expect(expected.equals(Buffer.from(await response.arrayBuffer()))).toBe(true);
    }
    const head = await fetch(`${devnet.file.indexerUrl}/file/${root}`, { method: 'HEAD' });
    expect(head.headers.get('etag')).toBe(`"${root}"`);
    expect(
      (
        await fetch(`${devnet.file.indexerUrl}/file/${root}`, {
          headers: { 'if-none-match': `"${root}"` },
        })
      ).status,
    ).toBe(304);
    expect(
      (
        await fetch(`${devnet.file.indexerUrl}/file/${root}`, {
          headers: { range: 'bytes=99999999-' },
        })
      ).status,
    ).toBe(416);
  });
});

describe('what goes wrong has its own exit code and first line', () => {
  it.each([
    [['put'], 2, 'put takes one file'],
    [['putt', 'x'], 2, 'unknown verb putt'],
    [['put', '/nonexistent'], 2, 'cannot read /nonexistent'],
    [['get', `0x${'12'.repeat(32)}`], 5, ''],
    [['get', 'hello'], 2, 'root: expected'],
    [['put', '--indxer', 'x', 'y'], 2, 'unknown flag --indxer'],
    [['stat', `0x${'12'.repeat(32)}`], 5, 'no node knows'],
    [['put', 'package.json', '--rpc', 'http://127.0.0.1:9'], 4, 'does not answer'],
    [['get', `0x${'12'.repeat(32)}`, '--indexer', 'http://127.0.0.1:9'], 4, 'cannot reach'],
  ])('cairn %j exits %d', async (args, code, text) => {
    const result = await cairn(devnet, args);
    expect(result.stderr.split('\n').find((line) => line.startsWith('error: '))).toContain(text);
    expect(result.code, result.stderr).toBe(code);
    const asJson = await cairn(devnet, [...args, '--json']);
    expect(asJson.json).toMatchObject({
      error: { code: expect.any(String), message: expect.any(String) },
    });
  });

  it('an account without funds is told what it lacks', async () => {
    const key = path('poor.key');
    expect((await cairn(devnet, ['wallet', 'new', '--key-file', key])).code).toBe(0);
    const result = await cairn(devnet, ['put', 'README.md', '--key-file', key]);
    expect(result.code, result.stderr).toBe(3);
    expect(result.stderr).toContain('needs about');
    expect((await cairn(devnet, ['wallet', 'new', '--key-file', key])).code).toBe(2);
  });
});
