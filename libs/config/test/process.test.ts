import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
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
    // The shell starts a child and turns into `sleep`, which collects nothing; only then is the child let go.
    const parent = spawn('sh', ['-c', 'cat <&3 >/dev/null & echo $!; exec 3<&-; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    });
    try {
      const [printed] = (await once(parent.stdout!, 'data')) as [Buffer];
      const zombie = Number(printed.toString().trim());
      await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim() === 'sleep');
      expect(isProcessAlive(zombie)).toBe(true);
      (parent.stdio[3] as Writable).end();
      await until(() => !isProcessAlive(zombie));
      expect(() => process.kill(zombie, 0)).not.toThrow(); // it is still listed, so the state decided
    } finally {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    }
  },
);

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    expect(performance.now()).toBeLessThan(deadline);
    await sleep(10);
  }
}
