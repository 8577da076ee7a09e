// `npm run soak -- <suite>... [--count N]`: the suites that are too long for every day. Each is a test run with larger numbers.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');

type Soak = {
  description: string;
  /** Test files, by vitest's filter. */
  files: readonly string[];
  /** Of how many a run consists without --count, and the variable that tells the tests. */
  count: number;
  variable: string;
};

/** Further capabilities add theirs. */
const SUITES: Record<string, Soak> = {
  kv: {
    description: 'random histories of many writers on two KV nodes and a model',
    files: ['apps/kv-node/test/model.test.ts'],
    count: 100_000,
    variable: 'CAIRN_KV_HISTORIES',
  },
};

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run soak -- <suite>... [--count N]
${Object.entries(SUITES)
  .map(([name, { description, count }]) => `  ${name.padEnd(10)} ${count} ${description}`)
  .join('\n')}`);
  process.exit(2);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' } },
});
if (positionals.length === 0) usage('no suite named');
for (const name of positionals) if (!SUITES[name]) usage(`unknown suite ${name}`);
if (values.count !== undefined && !/^[1-9]\d{0,8}$/.test(values.count))
  usage('--count takes a positive number');

let isFailed = false;
for (const name of positionals) {
  const { files, count, variable } = SUITES[name]!;
  const started = performance.now();
  const run = spawnSync(
    join(root, 'node_modules', '.bin', 'vitest'),
    ['run', '--project', 'unit', '--testTimeout', '0', ...files],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, [variable]: values.count ?? String(count) },
    },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`== soak ${name}: ${run.status === 0 ? 'ok' : 'FAILED'} in ${seconds} s`);
  isFailed ||= run.status !== 0;
}
process.exit(isFailed ? 1 : 0);
