/*
 * One process of the network. It is given a pipe as standard input and stops when that closes, so it cannot outlive the
 * supervisor, however that ends. Its log goes to a file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CodedError, withTimeout } from '@cairn/base';

export type ChildOptions = {
  name: string;
  /** Processes that run the same code. */
  kind: string;
  command: string;
  args: readonly string[];
  logDir: string;
  /** How long the first line of standard output may take. */
  readyMs: number;
};

const STOP_GRACE_MS = 8000;
/**
 * glibc gives freed memory back instead of keeping it: what a start needs (compilers above all) else stays for good, 20 to 100 MiB
 * in each of a dozen and a half processes. Buffers from 256 KiB on are mapped one by one, which a devnet can afford.
 */
const FRUGAL_MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '262144',
  MALLOC_TRIM_THRESHOLD_: '262144',
} as const;
/** Where `npm start` keeps compiled code too (scripts/bootstrap.cjs). */
const COMPILE_CACHE = fileURLToPath(
  new URL('../../../../node_modules/.cache/compile', import.meta.url),
);

export class Child {
  readonly name: string;
  /** The first line the process printed. */
  readonly firstLine: string;
  readonly #process: ChildProcess;
  readonly #exit: Promise<string>;

  private constructor(name: string, child: ChildProcess, firstLine: string, exit: Promise<string>) {
    this.name = name;
    this.firstLine = firstLine;
    this.#process = child;
    this.#exit = exit;
  }

  /** Starts the process and waits for its first line. Throws `DEVNET_CHILD_FAILED` with the end of its log. */
  static async start(options: ChildOptions): Promise<Child> {
    mkdirSync(options.logDir, { recursive: true });
    const logFile = join(options.logDir, `${options.name}.log`);
    const log = openSync(logFile, 'a');
    const child = spawn(options.command, [...options.args], {
      stdio: ['pipe', 'pipe', log],
      env: {
        ...process.env,
        NODE_NO_WARNINGS: '1',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? COMPILE_CACHE,
        ...FRUGAL_MALLOC,
      },
    });
    closeSync(log);
    child.stdin?.on('error', () => {}); // the process may be gone before the pipe closes
    const exit = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) =>
        resolve(signal ? `killed by ${signal}` : `exit code ${code}`),
      );
    });
    const lines = createInterface({ input: child.stdout! });
    const first = new Promise<string>((resolve) => lines.once('line', resolve));
    const late = withTimeout(undefined, options.readyMs);
    const timeout = new Promise<undefined>((resolve) =>
      late.addEventListener('abort', () => resolve(undefined)),
    );
    const outcome = await Promise.race([
      first.then((line) => ({ line })),
      exit.then((reason) => ({ reason })),
      timeout,
    ]);
    if (outcome && 'line' in outcome) return new Child(options.name, child, outcome.line, exit);
    child.kill('SIGKILL');
    const tail = readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
    throw new CodedError({
      code: 'DEVNET_CHILD_FAILED',
      kind: 'unavailable',
      message: `${options.name} did not start: ${outcome ? outcome.reason : `no sign of life in ${options.readyMs / 1000} s`}`,
      hint: `its log is ${logFile}${tail ? `; it ends with\n${tail}` : ''}`,
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** Why it ended, when it does. */
  get exit(): Promise<string> {
    return this.#exit;
  }

  /** Asks it to stop by closing its input, then by SIGTERM, at last by SIGKILL. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.stdin?.end();
    this.#process.kill('SIGTERM');
    const late = AbortSignal.timeout(STOP_GRACE_MS);
    await Promise.race([
      this.#exit,
      new Promise((resolve) => late.addEventListener('abort', resolve)),
    ]);
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      this.#process.kill('SIGKILL');
    await this.#exit;
  }
}
