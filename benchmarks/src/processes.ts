import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { REPOSITORY } from '@cairn/testkit';

export type BenchProcess = AsyncDisposable & {
  /** The JSON object it printed first. */
  ready: Record<string, unknown>;
  pid: number;
  /** Most resident memory so far, in bytes (Linux). */
  peakRssBytes(): number;
};

/** Most resident memory a process ever had, in bytes; 0 where /proc is missing. */
export function peakRssBytes(pid: number): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line ? Number(line[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}

/** Starts a program of this repository that prints one JSON line when it serves. */
export async function startProcess(entry: string, args: readonly string[]): Promise<BenchProcess> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', join(REPOSITORY, entry), ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const gone = new Promise<never>((_, reject) => {
    child.once('exit', (code) => reject(new Error(`${entry} ended with ${code}`)));
  });
  gone.catch(() => {}); // only its being first matters
  const line = await Promise.race([
    new Promise<string>((resolve) =>
      createInterface({ input: child.stdout! }).once('line', resolve),
    ),
    gone,
  ]);
  const pid = child.pid!;
  return {
    ready: JSON.parse(line) as Record<string, unknown>,
    pid,
    peakRssBytes: () => peakRssBytes(pid),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Path of the bare HTTP server, relative to the repository. */
export const BARE_SERVER: string = fileURLToPath(
  new URL('./bare-server.ts', import.meta.url),
).slice(REPOSITORY.length);
