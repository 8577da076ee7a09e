/*
 * What the product costs a machine: how long a newcomer waits for `npm start`, how much memory the idle devnet holds, and
 * that client and nodes need no more memory for 4 GiB than for a small file. Real processes, read from /proc (Linux).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '@cairn/base';
import { devnetFileSchema } from '@cairn/protocol';
import { patternBytes, peakRssBytes, REPOSITORY } from '@cairn/testkit';
import { type BenchFigure, median, type Suite, type SuiteResult } from './harness.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 4096 * MIB;
const IDLE_MS = 10_000;

type RunningDevnet = AsyncDisposable & { dir: string; pid: number; story: Story };
type Story = { timings: { upMs: number; verifiedMs: number } };

/** `npm start` without install and build: from the first instruction to the line that says the file was verified. */
async function startCold(): Promise<RunningDevnet> {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-footprint-'));
  const child = spawn(
    process.execPath,
    ['--conditions=source', join(REPOSITORY, 'apps/devnet/src/start.ts'), '--json', '--dir', dir],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(dir, 'compile-cache') },
    },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await Promise.race([
    new Promise<string>((resolve) =>
      createInterface({ input: child.stdout }).once('line', resolve),
    ),
    ended.then(() => {
      throw new Error('the devnet ended before it was up');
    }),
  ]);
  return {
    dir,
    pid: child.pid!,
    story: JSON.parse(line) as Story,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A process and all its descendants. */
function familyOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // it ended while we looked
    }
  }
  const family = [pid];
  for (const member of family)
    for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family;
}

/** Memory of processes with shared pages counted once, in bytes. */
function pssBytes(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      sum += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
    } catch {
      // it ended while we looked
    }
  }
  return sum;
}

/** Runs a verb of `cairn` and watches its memory. */
async function cairn(
  dir: string,
  args: readonly string[],
): Promise<{ json: Record<string, unknown>; peakBytes: number; ms: number }> {
  const started = performance.now();
  const child: ChildProcess = spawn(
    process.execPath,
    [join(REPOSITORY, 'apps/cli/bin/cairn.cjs'), ...args, '--json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        CAIRN_DEVNET: join(dir, 'devnet.json'),
        CAIRN_HOME: join(dir, 'home'),
      },
    },
  );
  let output = '';
  child.stdout!.on('data', (part: Buffer) => (output += part.toString()));
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  let peakBytes = 0;
  for (;;) {
    const code = await Promise.race([exit, systemClock.sleep(20).then(() => undefined)]);
    if (code === undefined) {
      // The command hands over to a process of its own: the larger of the two is the one.
      peakBytes = Math.max(peakBytes, ...familyOf(child.pid!).map(peakRssBytes));
      continue;
    }
    if (code !== 0) throw new Error(`cairn ${args[0]} ended with ${code}: ${output}`);
    return {
      json: JSON.parse(output) as Record<string, unknown>,
      peakBytes,
      ms: performance.now() - started,
    };
  }
}

function writeBig(path: string): void {
  const block = patternBytes(16 * MIB, 7);
  const file = openSync(path, 'w');
  for (let at = 0; at < FILE_BYTES; at += block.length) {
    new DataView(block.buffer).setUint32(0, at / block.length); // no two alike
    writeSync(file, block);
  }
  closeSync(file);
}

async function run(options: { rounds?: number; signal?: AbortSignal }): Promise<SuiteResult> {
  if (!existsSync('/proc/self/smaps_rollup')) throw new Error('this suite reads /proc: Linux only');
  const startSeconds: number[] = [];
  const figures: BenchFigure[] = [];
  const notes: string[] = [];
  const rounds = options.rounds ?? 3;
  for (let round = 1; round <= rounds; round++) {
    options.signal?.throwIfAborted();
    await using devnet = await startCold();
    startSeconds.push(devnet.story.timings.verifiedMs / 1000);
    if (round < rounds) continue;

    await systemClock.sleep(IDLE_MS, options.signal);
    const family = familyOf(devnet.pid);
    figures.push({
      name: `devnet.idle/processes=${family.length}`,
      value: pssBytes(family) / MIB,
      unit: 'MiB PSS',
      atMost: 1536,
    });
    const [input, output] = [join(devnet.dir, 'big.bin'), join(devnet.dir, 'copy.bin')];
    writeBig(input);
    const put = await cairn(devnet.dir, ['put', input]);
    rmSync(input);
    const get = await cairn(devnet.dir, ['get', String(put.json.root), '-o', output]);
    const { storageNodes } = devnetFileSchema.parse(
      JSON.parse(readFileSync(join(devnet.dir, 'devnet.json'), 'utf8')),
    );
    const nodes = storageNodes.map(({ pid }) => peakRssBytes(pid) / MIB);
    figures.push(
      { name: 'cairn.put/bytes=4GiB', value: put.peakBytes / MIB, unit: 'MiB RSS', atMost: 256 },
      { name: 'cairn.get/bytes=4GiB', value: get.peakBytes / MIB, unit: 'MiB RSS', atMost: 256 },
      { name: 'storage-node.ingest', value: Math.max(...nodes), unit: 'MiB RSS', atMost: 512 },
    );
    notes.push(
      `put of 4 GiB to ${(put.json.nodes as string[]).length} nodes took ${(put.ms / 1000).toFixed(1)} s, get ${(get.ms / 1000).toFixed(1)} s; everything on the same cores.`,
    );
  }
  figures.unshift({
    name: 'npm-start.verified/compile-cache=cold',
    value: median(startSeconds),
    unit: 's',
    atMost: 30,
  });
  notes.push(
    `Start: median of ${rounds}, after install and build. RSS is the peak (VmHWM), PSS the sum over all processes idle for ${IDLE_MS / 1000} s.`,
  );
  return { rows: [], ratios: [], figures, notes };
}

export const suite: Suite = { description: 'time to start and memory', run };
