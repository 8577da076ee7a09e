// Bad settings and bad surroundings: what the program says, with which exit code, as a real process. Each error names its
// cause on the first line and what to try on the next; nothing of the data folder is lost.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { freePort, REPOSITORY, temporaryFolder } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestNetwork, type TestNetwork, type TestNode } from './harness.ts';

let network: TestNetwork;
let node: TestNode;
let dir: string;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  network = stack.use(await startTestNetwork());
  node = await network.node();
  dir = stack.use(await temporaryFolder()).path;
});
afterAll(() => stack.disposeAsync());

type Ended = { code: number | null; stdout: string; stderr: string };
let count = 0;
/** Runs the program until it ends by itself; `undefined` leaves a default flag out. */
function run(
  flags: Record<string, string | undefined>,
  env: Record<string, string> = {},
): Promise<Ended> {
  const all: Record<string, string | undefined> = {
    'data-dir': join(dir, `fresh-${count++}`),
    'chain-rpc-url': network.chain.rpcUrl,
    'flow-address': network.chain.deployment.contracts.flow,
    'rpc-port': '0',
    'admin-port': '0',
    kernels: 'wasm',
    'hash-threads': '1',
    ...flags,
  };
  const args = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : value === '' ? [`--${name}`] : [`--${name}`, value],
  );
  const entry = join(REPOSITORY, 'apps/storage-node/src/main.ts');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=source', entry, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
/** The lines that are for people, without the log. */
const said = ({ stderr }: Ended): string[] =>
  stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));

describe.concurrent('the program', { timeout: 60_000 }, () => {
  it.each<[string, () => Record<string, string | undefined>, number, RegExp, RegExp]>([
    [
      'an unknown flag',
      () => ({ 'rpc-prot': '1' }),
      2,
      /unknown setting --rpc-prot/,
      /did you mean --rpc-port/,
    ],
    ['a shard that cannot be', () => ({ shard: '2/2' }), 2, /invalid shard 2\/2/, /power of two/],
    ['another chain', () => ({ 'chain-id': '1' }), 2, /serves chain 31337, not 1/, /--chain-id/],
    [
      'an address without a contract',
      () => ({ 'flow-address': `0x${'11'.repeat(20)}` }),
      2,
      /no contract at the flow address 0x1111/,
      /--flow-address/,
    ],
    [
      'an address that is not here',
      () => ({ 'rpc-host': '192.0.2.1' }),
      2,
      /cannot listen on port 0 of 192.0.2.1/,
      /address/,
    ],
    [
      'a port in use',
      () => ({ 'rpc-port': new URL(node.url).port }),
      4,
      /port \d+ on 127.0.0.1 is in use/,
      /another port/,
    ],
    [
      'a folder in use',
      () => ({ 'data-dir': node.dir }),
      7,
      /is in use by another process/,
      /its own data folder/,
    ],
    [
      'a folder that is a file',
      () => {
        writeFileSync(join(dir, 'file'), 'x');
        return { 'data-dir': join(dir, 'file') };
      },
      7,
      /cannot be used/,
      /folder/,
    ],
    [
      'a damaged database',
      () => {
        mkdirSync(join(dir, 'damaged'));
        writeFileSync(join(dir, 'damaged', 'node.db'), 'not a database'.repeat(100));
        return { 'data-dir': join(dir, 'damaged') };
      },
      7,
      /node.db is damaged/,
      /backup|fresh folder/,
    ],
  ])('with %s says why and what to do', async (_, flags, code, cause, remedy) => {
    const ended = await run(flags());
    const lines = said(ended);
    expect(ended.code, ended.stderr).toBe(code);
    expect(lines[0]).toMatch(cause);
    expect(lines.slice(0, 2).join('\n')).toMatch(remedy);
    expect(ended.stdout).toBe('');
  });

  it('with an unknown variable says which one', async () => {
    const ended = await run({}, { CAIRN_NODE_RPC_PROT: '1' });
    expect(ended.code).toBe(2);
    expect(said(ended)).toEqual([
      'storage node: unknown setting CAIRN_NODE_RPC_PROT in the environment',
      'did you mean CAIRN_NODE_RPC_PORT?',
    ]);
  });

  it('with a chain that does not answer waits as long as it was told, then says so', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const ended = await run({ 'chain-rpc-url': url, 'chain-wait-seconds': '1' });
    expect(ended.code).toBe(4);
    expect(said(ended)[0]).toBe(`storage node: the chain RPC at ${url} does not answer`);
    expect(ended.stderr).toContain('the chain does not answer yet, waiting');
  });

  it('with a web server for a chain says what that answers, and no password', async () => {
    const server = createServer((_, response) => response.writeHead(404).end('no'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const url = `http://user:hunter2@127.0.0.1:${port}`;
    const ended = await run({ 'chain-rpc-url': url, 'chain-wait-seconds': '0' });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(ended.code).toBe(4);
    expect(said(ended)[0]).toMatch(/the chain RPC at http:\/\/<redacted>@127.0.0.1:\d+ /);
    expect(ended.stderr).not.toContain('hunter2');
  });

  it('prints every setting with its source, without keys, and does not start', async () => {
    const folder = join(dir, 'never');
    const flags = { 'print-config': '', 'data-dir': folder, 'chain-rpc-url': 'http://a:b@x/' };
    const { code, stdout } = await run(flags, { CAIRN_NODE_POLL_MS: '77' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^--poll-ms +77 +environment /m);
    expect(stdout).toMatch(/^--shard +"0\/1" +default /m);
    expect(stdout).toContain('http://<redacted>@x/');
    expect(() => readFileSync(folder)).toThrow(/ENOENT/);
  });
});

describe('a data folder', { timeout: 60_000 }, () => {
  it('of another shard or network is refused and left as it is', async () => {
    const own = await network.node({ shard: '0/2' });
    await own.stop();
    const other = await run({ 'data-dir': own.dir, shard: '1/2' });
    expect([other.code, said(other)[0]]).toEqual([
      2,
      'storage node: the data folder holds shard 0/2, not 1/2',
    ]);
    await using second = await startTestNetwork({ chainId: 31338 });
    const moved = await run({
      'data-dir': own.dir,
      shard: '0/2',
      'chain-rpc-url': second.chain.rpcUrl,
      'flow-address': second.chain.deployment.contracts.flow,
    });
    expect(moved.code).toBe(2);
    expect(said(moved)[0]).toMatch(/belongs to another network \(31337\/0x/);
    const again = await network.node({ dir: own.dir, shard: '0/2' });
    expect((await again.client.getStatus()).networkIdentity.chainId).toBe(31337);
    await again.stop();
  });
});
