import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const FIXTURE = join(import.meta.dirname, 'fixtures/daemon.ts');

/** Starts the daemon of the fixture; `act` is called with it when its first line is there. */
async function run(
  args: readonly string[],
  act?: (child: ReturnType<typeof spawn>) => void,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--conditions=source', FIXTURE, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  child.stdout.on('data', (part: Buffer) => {
    const isFirst = stdout === '';
    stdout += part.toString();
    if (isFirst) act?.(child);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

it('says that it serves and ends in order at a signal', async () => {
  const { code, stdout } = await run(['--ready-json'], (child) => child.kill('SIGTERM'));
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ url: 'here', pid: expect.any(Number) });
});

it('ends with its parent when told to', async () => {
  const args = ['--ready-json', '--exit-with-parent'];
  expect((await run(args, (child) => child.stdin?.end())).code).toBe(0);
});

it('an end that hangs is cut short, and said', async () => {
  const { code, stderr } = await run(['--ready-json', '--no-stops'], (child) =>
    child.kill('SIGTERM'),
  );
  expect(code).toBe(1);
  expect(stderr).toContain('does not stop in time');
});

it('a start that waits ends at a signal', async () => {
  expect((await run(['--no-starts'], (child) => child.kill('SIGINT'))).code).toBe(0);
});

it.each([
  [['--unknown', '1'], 2],
  [['--fails', 'TEST_USAGE_X'], 2],
  [['--fails', 'HTTP_CANNOT_LISTEN'], 2],
  [['--fails', 'STORE_FULL'], 7],
  [['--fails', 'CHAIN_UNREACHABLE'], 4],
  [['--ends'], 6],
  [['--help'], 0],
])('%s exits with %i', async (args, expected) => {
  const { code, stderr } = await run(args);
  expect(code, stderr).toBe(expected);
  if (args[0] === '--fails') expect(stderr).toBe('test daemon: as the flags say\ntry another\n');
});
