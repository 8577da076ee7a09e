import { spawn } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { patternBytes, REPOSITORY } from '@cairn/testkit';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, cairn } from '../src/devnet.ts';
import { startNetwork, type TestNetwork } from '../src/network.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startNetwork([
    [0, 1],
    [0, 1],
  ]);
});
afterAll(() => network?.[Symbol.asyncDispose]());

const path = (name: string): string => join(network.dir, name);
const run = (...args: string[]): Promise<CliResult> =>
  cairn(
    undefined,
    [
      ...args,
      ...network.nodes.flatMap(({ url }) => ['--node', url]),
      ...['--rpc', network.chain.rpcUrl, '--key-file', network.keyFile],
    ],
    { env: { CAIRN_HOME: path('home') } },
  );

/** Every path below a folder with what is there. */
function snapshot(folder: string, prefix = ''): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of readdirSync(join(folder, prefix)).sort()) {
    const at = prefix === '' ? name : `${prefix}/${name}`;
    const info = lstatSync(join(folder, at));
    if (info.isDirectory()) Object.assign(out, { [`${at}/`]: '' }, snapshot(folder, at));
    else
      out[at] = info.isSymbolicLink()
        ? `-> ${readlinkSync(join(folder, at))}`
        : readFileSync(join(folder, at)).toString('base64');
  }
  return out;
}

function makeFolder(): string {
  const folder = path('photos');
  mkdirSync(join(folder, '2026', 'été'), { recursive: true });
  mkdirSync(join(folder, 'none'));
  writeFileSync(join(folder, 'readme.txt'), 'hello\n');
  writeFileSync(join(folder, '2026', 'same.txt'), 'hello\n');
  writeFileSync(join(folder, '2026', 'été', 'big.bin'), patternBytes(700_001, 3));
  writeFileSync(join(folder, 'empty'), '');
  symlinkSync('../readme.txt', join(folder, '2026', 'link'));
  for (let i = 0; i < 40; i++) writeFileSync(join(folder, `n${i}`), patternBytes(300 + i, i));
  return folder;
}

describe('a folder', () => {
  it('comes back as it went in; again costs nothing; its files can be listed and read one by one', async () => {
    const folder = makeFolder();
    const put = await run('put', folder, '--json');
    expect(put, put.stderr).toMatchObject({ code: 0, json: { files: 44 } });
    const root = String(put.json.root);
    const get = await run('get', root, '-o', path('copy'), '--json');
    expect(get, get.stderr).toMatchObject({ code: 0, json: { files: 44, verified: true } });
    expect(snapshot(path('copy'))).toEqual(snapshot(folder));

    const again = await run('put', folder, '--json');
    expect(again.json).toMatchObject({ root, sentBytes: 0, feeWei: '0' });
    const list = await run('ls', `${root}/2026`, '--json');
    expect(list.json.entries).toMatchObject([
      { path: 'link', type: 'symbolic', link: '../readme.txt' },
      { path: 'same.txt', type: 'file', size: 6 },
      { path: 'été', type: 'directory' },
    ]);
    const one = await run('get', `${root}/2026/été/big.bin`, '-o', path('big'), '--range', '5-9');
    expect(one.code, one.stderr).toBe(0);
    expect(readFileSync(path('big'))).toEqual(Buffer.from(patternBytes(700_001, 3).slice(5, 10)));
    for (const [args, code] of [
      [['get', `${root}/2026`, '-o', path('x')], 5],
      [['get', `${root}/none`, '-o', path('x')], 5],
      [['get', root], 2],
      [['get', root, '-o', path('copy')], 2],
      [['ls', `${root}/absent`], 5],
    ] as const)
      expect((await run(...args)).code).toBe(code);
  });
});

describe('a bundle', () => {
  it('is one submission; every file of it is read by root and path, or all of them at once', async () => {
    const folder = path('photos');
    const put = await run('put', folder, '--bundle', '--json');
    expect(put, put.stderr).toMatchObject({ code: 0, json: { files: 44 } });
    const root = String(put.json.root);
    const again = await run('put', folder, '--bundle', '--json');
    expect(again.json).toMatchObject({ root, sentBytes: 0, feeWei: '0' });
    const get = await run('get', root, '-o', path('unbundled'), '--json');
    expect(get, get.stderr).toMatchObject({ code: 0, json: { files: 44, verified: true } });
    expect(snapshot(path('unbundled'))).toEqual(snapshot(folder));
    const big = patternBytes(700_001, 3);
    const one = ['get', `${root}/2026/été/big.bin`, '-o', path('member'), '--overwrite'];
    expect((await run(...one)).code).toBe(0);
    expect(readFileSync(path('member')).equals(big)).toBe(true);
    expect((await run(...one, '--range', '300000-300009')).code).toBe(0);
    expect(readFileSync(path('member')).equals(big.subarray(300_000, 300_010))).toBe(true);
    const beyond = await run(...one, '--range', '700001-700002');
    expect(beyond.code).toBe(2);
    const list = await run('ls', root, '-r', '--json');
    expect(list.json.entries).toContainEqual(
      expect.objectContaining({ path: 'readme.txt', size: 6, roots: [root] }),
    );
    expect((await run('get', `${root}/absent`, '-o', path('x'))).code).toBe(5);
    expect((await run('put', path('member'), '--bundle')).code).toBe(2);
  });
});

describe('a file in parts', () => {
  it('is one file again, also by ranges across the parts', async () => {
    const bytes = patternBytes(1_000_001, 77);
    writeFileSync(path('parts.bin'), bytes);
    const put = await run('put', path('parts.bin'), '--part-size', '262144', '--json');
    const roots = put.json.roots as string[];
    expect(roots).toHaveLength(4);
    const get = await run('get', roots.join(','), '-o', path('parts.out'));
    expect(get.code, get.stderr).toBe(0);
    expect(readFileSync(path('parts.out')).equals(bytes)).toBe(true);
    const range = ['--range', '262000-600000', '--overwrite'];
    expect((await run('get', roots.join(','), '-o', path('parts.out'), ...range)).code).toBe(0);
    expect(readFileSync(path('parts.out')).equals(bytes.subarray(262_000, 600_001))).toBe(true);
  });
});

/** The published SDK's own upload or download of an encrypted file. */
function official(...args: string[]): Promise<Record<string, string>> {
  const [verb, ...rest] = args;
  const { rpcUrl, accounts } = network.chain;
  const urls = network.nodes.map((node) => node.url).join(',');
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        join(REPOSITORY, 'e2e/src/official-encryption.mjs'),
        verb!,
        rpcUrl,
        accounts[2]!.privateKey,
        urls,
        ...rest,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [out, errors] = ['', ''];
    child.stdout.on('data', (part: Buffer) => (out += part.toString()));
    child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, string>);
      else reject(new Error(`the SDK ended with ${code}: ${errors.slice(-2000)}`));
    });
  });
}

describe('encryption', () => {
  const secret = `0x${'5a'.repeat(32)}`;
  const publicKey = privateKeyToAccount(`0x${'5a'.repeat(32)}`).publicKey;
  beforeAll(() => {
    writeFileSync(path('secret.key'), secret);
    writeFileSync(path('other.key'), `0x${'5b'.repeat(32)}`);
  });
  const ways = [
    ['aes256', ['--encryption-key', 'secret.key'], ['--encryption-key', 'secret.key'], secret],
    ['ecies', ['--recipient', publicKey], ['--decrypt-key', 'secret.key'], publicKey],
  ] as const;
  const withPaths = (flags: readonly string[]): string[] =>
    flags.map((flag) => (flag.endsWith('.key') ? path(flag) : flag));

  it.each(ways)(
    '%s: ours and the published SDK read each other',
    async (kind, to, from, theirs) => {
      const bytes = patternBytes(600_123, kind.length);
      writeFileSync(path('plain.bin'), bytes);
      const put = await run('put', path('plain.bin'), '--json', ...withPaths(to));
      expect(put, put.stderr).toMatchObject({ code: 0, json: { isEncrypted: true } });
      const root = String(put.json.root);
      await official('get', kind, secret, root, path('theirs.out'));
      expect(readFileSync(path('theirs.out')).equals(bytes)).toBe(true);

      const output = path(`${kind}.out`);
      const get = await run('get', root, '-o', output, ...withPaths(from));
      expect(get.code, get.stderr).toBe(0);
      expect(readFileSync(output).equals(bytes)).toBe(true);
      const range = ['--range', '262000-300000', '--overwrite'];
      expect((await run('get', root, '-o', output, ...range, ...withPaths(from))).code).toBe(0);
      expect(readFileSync(output).equals(bytes.subarray(262_000, 300_001))).toBe(true);

      const { root: stored } = await official('put', kind, theirs, path('plain.bin'));
      const back = await run('get', stored!, '-o', output, '--overwrite', ...withPaths(from));
      expect(back.code, back.stderr).toBe(0);
      expect(readFileSync(output).equals(bytes)).toBe(true);

      const again = await run('put', path('plain.bin'), '--json', ...withPaths(to));
      expect(again.json).toMatchObject({ root, sentBytes: 0 });
      const raw = await run('get', root, '-o', path('raw'), '--overwrite');
      expect(raw.code).toBe(0);
      expect(readFileSync(path('raw')).includes(bytes.subarray(0, 64))).toBe(false);
      const wrongKind = kind === 'aes256' ? '--decrypt-key' : '--encryption-key';
      const wrong = await run('get', root, '-o', path('no'), wrongKind, path('other.key'));
      expect(wrong.code).toBe(2);
    },
  );

  it('a whole folder', async () => {
    const folder = path('secrets');
    mkdirSync(join(folder, 'deep'), { recursive: true });
    writeFileSync(join(folder, 'deep', 'a'), 'attack at dawn');
    writeFileSync(join(folder, 'none'), '');
    const key = ['--encryption-key', path('secret.key')];
    const put = await run('put', folder, '--json', ...key);
    const root = String(put.json.root);
    expect((await run('ls', root)).code).toBe(2);
    expect((await run('ls', root, '-r', ...key)).stdout).toContain('deep/a');
    const get = await run('get', root, '-o', path('secrets.out'), ...key);
    expect(get.code, get.stderr).toBe(0);
    expect(snapshot(path('secrets.out'))).toEqual(snapshot(folder));
  });
});
