import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  formatConfig,
  kernelsFromEnvironment,
  kernelsSetting,
  type LoadedConfig,
  loadConfig,
  nearestName,
  Secret,
} from '../src/index.ts';

const schema = z.object({
  dataDir: z.string().describe('where'),
  rpcPort: z.number().int().min(0).max(65_535).default(5678).describe('port'),
  trusted: z.array(z.string()).default([]).describe('nodes'),
  verbose: z.boolean().default(false).describe('more'),
  level: z.enum(['info', 'debug']).optional().describe('level'),
  rpcUrl: z.string().default('https://u:p@rpc.example/v3/0123456789abcdef0123').describe('chain'),
  key: z
    .string()
    .transform((text) => new Secret(text))
    .optional()
    .describe('key'),
});
type Config = z.output<typeof schema>;
const dir = mkdtempSync(join(tmpdir(), 'cairn-config-'));
afterAll(() => rmSync(dir, { recursive: true }));
const load = (argv: string[], env: Record<string, string> = {}): LoadedConfig<Config> =>
  loadConfig({ schema, argv, env, envPrefix: 'CAIRN_TEST' });
function file(content: string): string {
  const path = join(dir, `${Math.random()}.json`);
  writeFileSync(path, content);
  return path;
}
const failure = (argv: string[], env?: Record<string, string>): unknown => {
  try {
    load(argv, env);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('settings', () => {
  it('come from flags, then the environment, then the file, then the defaults', () => {
    const path = file('{"dataDir":"f","rpcPort":1,"verbose":true}');
    const env = { CAIRN_TEST_DATA_DIR: 'e', CAIRN_TEST_RPC_PORT: '2', PATH: '/bin' };
    const { config, entries, wants } = load(['--config', path, '--rpc-port', '3'], env);
    expect(config).toMatchObject({ dataDir: 'e', rpcPort: 3, verbose: true, trusted: [] });
    expect(Object.fromEntries(entries.map(({ key, source }) => [key, source]))).toEqual({
      dataDir: 'environment',
      rpcPort: 'flag',
      trusted: 'default',
      verbose: 'file',
      level: 'default',
      rpcUrl: 'default',
      key: 'default',
    });
    expect(wants).toBe('run');
  });

  it('have every form that flags and variables can have', () => {
    const { config } = load([
      '--data-dir=a=b',
      '--trusted',
      'x,y',
      '--verbose',
      '--level',
      'debug',
    ]);
    expect(config).toMatchObject({ dataDir: 'a=b', trusted: ['x', 'y'], verbose: true });
    expect(load(['--data-dir', 'd', '--no-verbose']).config.verbose).toBe(false);
    expect(load(['--data-dir', 'd', '--verbose=false']).config.verbose).toBe(false);
    const env = { CAIRN_TEST_DATA_DIR: 'd', CAIRN_TEST_VERBOSE: '1', CAIRN_TEST_TRUSTED: '' };
    expect(load([], env).config).toMatchObject({ verbose: true, trusted: [] });
  });

  it.each([
    [['--data-dri', 'x'], {}, 'CONFIG_UNKNOWN_KEY', 'unknown setting --data-dri', '--data-dir'],
    [['--zzzzzzzzzzzz'], {}, 'CONFIG_UNKNOWN_KEY', 'on the command line', undefined],
    [
      [],
      { CAIRN_TEST_RPC_PROT: '1' },
      'CONFIG_UNKNOWN_KEY',
      'in the environment',
      'CAIRN_TEST_RPC_PORT',
    ],
    [['x'], {}, 'CONFIG_FLAG', 'unexpected argument x', undefined],
    [['--data-dir'], {}, 'CONFIG_FLAG', '--data-dir needs a value', undefined],
    [['--data-dir', '--verbose'], {}, 'CONFIG_FLAG', '--data-dir needs a value', undefined],
    [['--no-verbose=1'], {}, 'CONFIG_FLAG', 'takes no value', '--no-verbose'],
    [[], {}, 'CONFIG_INVALID', 'setting --data-dir is missing', 'CAIRN_TEST_DATA_DIR'],
    [['--data-dir', 'd', '--rpc-port', 'x'], {}, 'CONFIG_INVALID', '--rpc-port', '--rpc-port'],
    [['--data-dir', 'd', '--rpc-port', ''], {}, 'CONFIG_INVALID', '--rpc-port', '--rpc-port'],
    [['--data-dir', 'd', '--rpc-port', '70000'], {}, 'CONFIG_INVALID', '--rpc-port', '--rpc-port'],
    [['--data-dir', 'd', '--verbose=maybe'], {}, 'CONFIG_INVALID', '--verbose', '--verbose'],
    [
      ['--data-dir', 'd'],
      { CAIRN_TEST_VERBOSE: 'yes' },
      'CONFIG_INVALID',
      '--verbose',
      '--verbose',
    ],
    [['--data-dir', 'd', '--level', 'loud'], {}, 'CONFIG_INVALID', '--level', '--level'],
    [['--config', '/nowhere/x.json'], {}, 'CONFIG_FILE', 'ENOENT', '--config'],
  ])('%j %j are refused with cause and remedy', (argv, env, code, message, hint) => {
    expect(failure(argv, env)).toMatchObject({
      code,
      kind: 'invalid',
      message: expect.stringContaining(message),
      hint: hint === undefined ? undefined : expect.stringContaining(hint),
    });
  });

  it.each([
    ['{', 'CONFIG_FILE'],
    ['[]', 'CONFIG_FILE'],
    ['5', 'CONFIG_FILE'],
    ['{"dataDri":"x"}', 'CONFIG_UNKNOWN_KEY'],
    ['{"dataDir":5}', 'CONFIG_INVALID'],
    ['{"dataDir":"x","rpcPort":null}', 'CONFIG_INVALID'],
    ['{"dataDir":"x","rpcPort":"1"}', 'CONFIG_INVALID'],
  ])('a file with %s is refused', (content, code) => {
    expect(failure(['--config', file(content)])).toMatchObject({ code });
  });

  it('whatever the command line holds, the answer is settings or a coded error', () => {
    const token = fc.oneof(
      fc.string(),
      fc.constantFrom('--data-dir', '--rpc-port', '--verbose', '--no-verbose', '--', '--=', '7'),
      fc.string().map((text) => `--${text}`),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 6 }), (argv) => {
        fc.pre(!argv.includes('--config'));
        const error = failure(argv) as { code?: string } | undefined;
        if (error !== undefined) expect(error.code).toMatch(/^CONFIG_/);
      }),
    );
  });
});

describe('what is printed', () => {
  it('names every value and its source, and no secret', () => {
    const { entries, wants } = load(['--print-config', '--data-dir', 'd', '--key', 'hunter2']);
    expect(wants).toBe('print-config');
    const text = formatConfig(entries);
    expect(text).toMatch(/^--data-dir +"d" +flag +where$/m);
    expect(text).toMatch(/^--rpc-port +5678 +default +port$/m);
    expect(text).toMatch(/^--key +"<redacted>" +flag/m);
    expect(text).toContain('"https://<redacted>@rpc.example/v3/<redacted>"');
    expect(text).not.toMatch(/hunter2|u:p|0123456789abcdef/);
  });

  it('--help needs no settings', () => {
    expect(load(['--help']).wants).toBe('help');
  });

  it('a secret prints itself nowhere', () => {
    const secret = new Secret('hunter2');
    const shown = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }, { depth: 9 })];
    for (const text of shown) expect(text).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });

  it('a near name is offered, a far one is not', () => {
    expect(nearestName('--rpc-prot', ['--rpc-port', '--data-dir'])).toBe('--rpc-port');
    expect(nearestName('--colour', ['--rpc-port', '--data-dir'])).toBeUndefined();
  });
});

describe('CAIRN_KERNELS', () => {
  const backend = (argv: string[], env: Record<string, string>): string =>
    loadConfig({ schema: z.object({ kernels: kernelsSetting }), argv, env, envPrefix: 'CAIRN_X' })
      .config.kernels;

  it('fills the setting of every program; its own variable and flag go first', () => {
    expect(backend([], {})).toBe('auto');
    expect(backend([], { CAIRN_KERNELS: 'wasm' })).toBe('wasm');
    expect(backend([], { CAIRN_KERNELS: 'wasm', CAIRN_X_KERNELS: 'native' })).toBe('native');
    expect(backend(['--kernels', 'reference'], { CAIRN_KERNELS: 'wasm' })).toBe('reference');
    expect(() => backend([], { CAIRN_KERNELS: 'fast' })).toThrow('kernels');
  });

  it('is read alone by programs without settings, and refuses what does not exist', () => {
    expect(kernelsFromEnvironment({})).toBe('auto');
    expect(kernelsFromEnvironment({ CAIRN_KERNELS: 'native' })).toBe('native');
    expect(() => kernelsFromEnvironment({ CAIRN_KERNELS: 'fast' })).toThrow('CAIRN_KERNELS');
  });
});
