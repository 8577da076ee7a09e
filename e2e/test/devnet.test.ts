import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isProcessAlive } from '@cairn/config';
import { devnetFileSchema } from '@cairn/protocol';
import { patternBytes, REPOSITORY, temporaryFolder, waitFor } from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cairn, startDevnet } from '../src/devnet.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let dir: string;
beforeAll(async () => {
  folder = await temporaryFolder('cairn-devnet-');
  dir = folder.path;
});
afterAll(() => folder?.[Symbol.asyncDispose]());

const descriptor = (): ReturnType<typeof devnetFileSchema.parse> =>
  devnetFileSchema.parse(JSON.parse(readFileSync(join(dir, 'devnet.json'), 'utf8')));

/** Runs the entry of `npm start` to its end. */
function start(
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--conditions=source', join(REPOSITORY, 'apps/devnet/src/start.ts'), ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A whole network has 19 processes. */
const STORY_MS = 240_000;

it('npm start -- --once --json tells one verified story on one line and leaves nothing running', {
  timeout: STORY_MS,
}, async () => {
  const { code, stdout, stderr } = await start(['--once', '--json', '--dir', join(dir, 'once')]);
  expect(code, stderr).toBe(0);
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  const story = JSON.parse(stdout) as { bytes: number; endpoints: { storageNodes: string[] } };
  expect(story).toMatchObject({ verified: true, root: expect.stringMatching(/^0x[0-9a-f]{64}$/) });
  expect(story.bytes).toBeGreaterThan(1_000_000);
  expect(story).toMatchObject({ da: { confirmed: true, verified: true } });
  expect(existsSync(join(dir, 'once', 'devnet.json'))).toBe(false);
  for (const url of story.endpoints.storageNodes) await expect(fetch(url)).rejects.toThrow();
});

it('what npm start tells the user to type next works as it stands', {
  timeout: STORY_MS,
}, async () => {
  const folder = join(dir, 'told');
  const child = spawn(
    process.execPath,
    ['--conditions=source', join(REPOSITORY, 'apps/devnet/src/start.ts'), '--dir', folder],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    let screen = '';
    child.stdout.on('data', (part: Buffer) => (screen += part.toString()));
    await waitFor(() => screen.includes('Ctrl-C') || undefined, {
      timeoutMs: 150_000,
      what: 'the screen of npm start',
    });
    const env = {
      CAIRN_DEVNET: join(folder, 'devnet.json'),
      CAIRN_HOME: join(folder, 'home'),
    };
    const told = [...screen.matchAll(/npx cairn ([^;\n]+?)(?: {2,}.*)?(?=;|\n)/g)].map(([, text]) =>
      text!.trim().split(' '),
    );
    expect(told.length).toBeGreaterThanOrEqual(11);
    for (const args of told) {
      const at = args.indexOf('-o');
      if (at >= 0) args[at + 1] = join(folder, args[at + 1]!);
      const result = await cairn(undefined, args, { env });
      expect(result.code, `cairn ${args.join(' ')}: ${result.stderr}`).toBe(0);
    }
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
});

it('keeps its data over a stop, refuses a second one in its folder, and forgets with --fresh', async () => {
  const input = join(dir, 'in.bin');
  writeFileSync(input, patternBytes(700_000, 3));
  const get = (devnet: Awaited<ReturnType<typeof startDevnet>>, root: string) =>
    cairn(devnet, ['get', root, '-o', join(dir, 'out.bin'), '--overwrite']);

  const first = await startDevnet(['--da', '3'], { dir });
  const put = await cairn(first, ['put', input, '--json']);
  expect(put.code, put.stderr).toBe(0);
  const root = String(put.json.root);
  const second = await start(['--once', '--dir', dir]);
  expect(second.code).toBe(4);
  expect(second.stderr).toContain(`a devnet already runs in ${dir}`);
  await first.stop();
  expect(existsSync(join(dir, 'devnet.json'))).toBe(false);

  const again = await startDevnet(['--da', '3'], { dir });
  const blob = await cairn(again, ['da', 'put', input, '--json']);
  expect(blob.code, blob.stderr + blob.stdout).toBe(0);
  const got = await get(again, root);
  expect(got.code, got.stderr).toBe(0);
  expect(readFileSync(join(dir, 'out.bin')).equals(readFileSync(input))).toBe(true);
  await again.stop();

  await using fresh = await startDevnet(['--fresh'], { dir });
  expect((await get(fresh, root)).code).toBe(5);
});

it('a killed node is reported and, with --restart, comes back under its address with its data', async () => {
  await using devnet = await startDevnet(['--fresh', '--restart'], { dir });
  const input = join(dir, 'kept.bin');
  writeFileSync(input, patternBytes(1_000_000, 12));
  const put = await cairn(devnet, ['put', input, '--json']);
  expect(put.code, put.stderr).toBe(0);
  const victim = devnet.file.storageNodes[0]!;
  process.kill(victim.pid, 'SIGKILL');
  const back = await waitFor(
    () => {
      const node = descriptor().storageNodes[0]!;
      return node.pid === victim.pid ? undefined : node;
    },
    { timeoutMs: 30_000, what: 'the node to be started again' },
  );
  expect(back.url).toBe(victim.url);
  expect(devnet.said()).toContain('node-0 ended (killed by SIGKILL)');
  const got = await cairn(devnet, [
    'get',
    String(put.json.root),
    '-o',
    join(dir, 'out.bin'),
    '--overwrite',
    '--node',
    back.url,
  ]);
  expect(got.code, got.stderr).toBe(0);

  // A node that is away hides nobody else; when all are, the reason is told.
  const { adminUrl } = descriptor().storageNodes[0]!;
  const [live, away] = [
    ['--admin', adminUrl],
    ['--admin', 'http://127.0.0.1:1'],
  ];
  const mixed = await cairn(devnet, ['mine', 'status', ...live, ...away, '--json']);
  expect(mixed.code, mixed.stderr).toBe(0);
  expect(JSON.parse(mixed.stdout)).toMatchObject({
    nodes: [{ adminUrl }, { status: null, error: { code: 'RPC_UNREACHABLE' } }],
  });
  expect((await cairn(devnet, ['mine', 'status', ...away])).code).not.toBe(0);
});

it('two networks run side by side; one whose supervisor is killed takes its processes along and is told to be dead', async () => {
  await using other = await startDevnet();
  const devnet = await startDevnet(['--fresh'], { dir });
  const ports = [other, devnet].flatMap(({ file }) => [
    file.rpcUrl,
    file.indexerUrl,
    ...file.storageNodes.map((node) => node.url),
  ]);
  expect(new Set(ports).size).toBe(ports.length);
  devnet.process.kill('SIGKILL');
  const pids = devnet.file.storageNodes.map((node) => node.pid);
  await waitFor(() => !pids.some(isProcessAlive) || undefined, {
    timeoutMs: 20_000,
    what: 'the children to end',
  });
  await waitFor(
    () =>
      fetch(devnet.file.rpcUrl).then(
        () => undefined,
        () => true,
      ),
    { timeoutMs: 20_000, what: 'the chain to end' },
  );
  const doctor = await cairn(devnet, ['stat', `0x${'12'.repeat(32)}`]);
  expect(doctor.code).toBe(4);
  expect(doctor.stderr).toContain('is not running');
  expect((await cairn(other, ['doctor'])).code).toBe(0);
  expect(readdirSync(other.dir)).toContain('devnet.json');
});
