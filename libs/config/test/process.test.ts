import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isProcessAlive } from '../src/index.ts';

it('a running process is alive, one that ended and was collected is not', async () => {
  expect(isProcessAlive(process.pid)).toBe(true);
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  expect(isProcessAlive(child.pid!)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isProcessAlive(child.pid!)).toBe(false);
});

it.runIf(process.platform === 'linux')(
  'a process that ended and that nobody collects is not alive',
  async () => {
    // The shell starts a child, turns into `sleep`, which collects nothing, and the child ends.
    const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
      const zombie = Number(printed.toString().trim());
      const deadline = performance.now() + 10_000;
      while (isProcessAlive(zombie) && performance.now() < deadline) await sleep(10);
      expect(isProcessAlive(zombie)).toBe(false);
      expect(() => process.kill(zombie, 0)).not.toThrow(); // it is still listed, so the state decided
    } finally {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    }
  },
);
