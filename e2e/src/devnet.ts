import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DevnetFile, devnetFileSchema } from '@cairn/protocol';
import { REPOSITORY, waitFor } from '@cairn/testkit';

export type TestDevnet = AsyncDisposable & {
  dir: string;
  file: DevnetFile;
  /** The supervisor. */
  process: ChildProcess;
  /** What it said so far. */
  said(): string;
  stop(): Promise<void>;
};

/**
 * Starts the real devnet, in a folder of its own unless one is given, and waits until it serves. Its own folder goes with it.
 * Without DA nodes, which most tests have no use for, unless `args` say how many.
 */
export async function startDevnet(
  args: readonly string[] = [],
  options: { dir?: string } = {},
): Promise<TestDevnet> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'cairn-e2e-'));
  const child = spawn(
    process.execPath,
    [
      '--conditions=source',
      join(REPOSITORY, 'apps/devnet/src/main.ts'),
      ...['--dir', dir],
      ...(args.includes('--da') ? [] : ['--da', '0']),
      ...args,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let errors = '';
  child.stderr?.on('data', (part: Buffer) => (errors += part.toString()));
  child.stdout?.resume();
  const descriptor = join(dir, 'devnet.json');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
    if (!options.dir) rmSync(dir, { recursive: true, force: true });
  };
  try {
    await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`the devnet ended: ${errors}`);
        return existsSync(descriptor);
      },
      { timeoutMs: 120_000, what: 'the devnet' },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dir,
    file: devnetFileSchema.parse(JSON.parse(readFileSync(descriptor, 'utf8'))),
    process: child,
    said: () => errors,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export type CliResult = {
  code: number;
  stdout: string;
  stderr: string;
  json: Record<string, unknown>;
};

/** Runs the real `cairn` in its own process. */
export function cairn(
  devnet: TestDevnet | undefined,
  args: readonly string[],
  options: {
    env?: Record<string, string>;
    /** Gets a function that signals the command and the process that it hands over to. */
    onStart?: (child: ChildProcess, signalAll: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(REPOSITORY, 'apps/cli/bin/cairn.cjs'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: {
        ...process.env,
        CAIRN_HOME: devnet ? join(devnet.dir, 'home') : tmpdir(),
        ...(devnet ? { CAIRN_DEVNET: join(devnet.dir, 'devnet.json') } : {}),
        ...options.env,
      },
    });
    const out: Buffer[] = [];
    let stderr = '';
    child.stdout?.on('data', (part: Buffer) => out.push(part));
    child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const stdout = Buffer.concat(out).toString();
      let json: Record<string, unknown> = {};
      try {
        json = JSON.parse(stdout) as Record<string, unknown>;
      } catch {
        // not every verb prints JSON; tests that want it look at its fields
      }
      resolve({ code: code ?? (signal ? 128 : 1), stdout, stderr, json });
    });
    options.onStart?.(child, (signal) => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, signal);
    });
  });
}
