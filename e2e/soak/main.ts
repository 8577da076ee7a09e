/*
 * npm run soak -- [rows and families…] [--short] [--count N] [--seed S] [--write docs/reliability.md]
 * npm run soak -- --list
 *
 * Faults in their long form, one row after the other. Without names every row runs. `--write` brings the page up to date with what
 * was seen, after each row, so that an interrupted run loses nothing. Exit code 1 when a row failed.
 */
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { errorMessage, systemRandom } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { REPOSITORY } from '@cairn/testkit';
import { chooseRows, ROWS } from './registry.ts';
import { type RowRun, readRuns, runsPath, writePage } from './report.ts';
import type { FaultRow, Seen } from './row.ts';

type Settings = {
  rows: FaultRow[];
  isShort: boolean;
  count: number | undefined;
  seed: number;
  write: string | undefined;
};

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run soak -- [rows and families…] [--short] [--count N] [--seed S] [--write FILE]
       npm run soak -- --list`);
  process.exit(EXIT_CODES.usage);
}

function list(): never {
  for (const { id, family, size, unit, injection } of ROWS)
    console.log(`${family.padEnd(8)} ${id.padEnd(20)} ${injection} (size ${size.full}, ${unit})`);
  process.exit(0);
}

function parse(): Settings {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean' },
        short: { type: 'boolean' },
        count: { type: 'string' },
        seed: { type: 'string' },
        write: { type: 'string' },
      },
    });
    if (values.list) list();
    for (const name of ['count', 'seed'] as const)
      if (values[name] !== undefined && !/^[1-9]\d{0,8}$/.test(values[name]))
        usage(`--${name} takes a positive number`);
    const rows = chooseRows(positionals);
    if ('unknown' in rows) usage(`no row or family is called ${rows.unknown}; --list names them`);
    return {
      rows,
      isShort: values.short ?? false,
      count: values.count === undefined ? undefined : Number(values.count),
      seed: Number(values.seed ?? 1 + Math.floor(systemRandom.next() * 1e6)),
      write: values.write,
    };
  } catch (error) {
    return usage(errorMessage(error));
  }
}

/** The commit that runs, with a mark when files differ from it. */
function commitName(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' }).trim();
  try {
    const isDirty = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isDirty ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

async function runRow(row: FaultRow, settings: Settings, signal: AbortSignal): Promise<RowRun> {
  const { isShort, seed } = settings;
  const size = settings.count ?? (isShort ? row.size.short : row.size.full);
  const load = loadavg()[0]!;
  const started = performance.now();
  const log = (text: string): void => console.error(`   ${row.id}: ${text}`);
  console.error(`== ${row.id} (seed ${seed}, size ${size})`);
  let seen: Seen;
  try {
    seen = await row.run({ size, seed, isTimed: true, signal, log });
  } catch (error) {
    signal.throwIfAborted();
    const stack = error instanceof Error ? error.stack : undefined;
    seen = {
      count: 0,
      figures: [],
      failures: [`the row itself failed: ${stack ?? errorMessage(error)}`],
    };
  }
  const isFull = size === row.size.full;
  return {
    ...seen,
    date: new Date().toISOString(),
    commit: commitName(),
    command: `npm run soak -- ${row.id} --seed ${seed}${isFull ? '' : ` --count ${size}`}`,
    seed,
    seconds: Math.round((performance.now() - started) / 1000),
    load,
  };
}

const settings = parse();
const abort = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => abort.abort(new Error(`stopped by ${name}`)));
let failedRows = 0;
for (const row of settings.rows) {
  abort.signal.throwIfAborted();
  const run = await runRow(row, settings, abort.signal);
  const verdict = run.failures.length === 0 ? 'passed' : 'FAILED';
  const figures = run.figures.length > 0 ? `: ${run.figures.join('; ')}` : '';
  console.log(`== ${row.id}: ${verdict}, ${run.count} ${row.unit} in ${run.seconds} s${figures}`);
  for (const failure of run.failures) console.log(`   ${failure}`);
  if (run.failures.length > 0) failedRows++;
  if (settings.write) {
    const runs = readRuns(runsPath(settings.write));
    writePage(settings.write, ROWS, { ...runs, [row.id]: run });
  }
}
process.exit(failedRows === 0 ? 0 : 1);
