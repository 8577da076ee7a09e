// npm run bench -- <suite>... [--json FILE] [--rounds N] [--check]
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { EXIT_CODES } from '@cairn/protocol';
import { floorProblems } from './floors.ts';
import { benchHeader, type Suite, type SuiteResult } from './harness.ts';
import { installPeers } from './peers.ts';
import { headerText, suiteText } from './report.ts';

/** Suites by name: a module that exports `suite`. Loaded when asked for, since some start processes on import. */
const SUITES: Record<string, () => Promise<{ suite: Suite }>> = {
  coded: () => import('./coded.ts'),
  footprint: () => import('./footprint.ts'),
  da: () => import('./da.ts'),
  erasure: () => import('./erasure.ts'),
  galois: () => import('./galois.ts'),
  kernels: () => import('./kernels.ts'),
  kv: () => import('./kv.ts'),
  pora: () => import('./pora.ts'),
  merkle: () => import('./merkle.ts'),
  rollup: () => import('./rollup.ts'),
  sealed: () => import('./sealed.ts'),
  sync: () => import('./sync.ts'),
  transfer: () => import('./transfer.ts'),
};

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run bench -- <suite>... [--json FILE] [--rounds N] [--check]
suites: ${Object.keys(SUITES).join(', ')}`);
  process.exit(EXIT_CODES.usage);
}

function parse(): {
  names: string[];
  json: string | undefined;
  rounds: number | undefined;
  check: boolean;
} {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, rounds: { type: 'string' }, check: { type: 'boolean' } },
    });
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1))
      usage('--rounds takes a positive integer');
    return { names: positionals, json: values.json, rounds, check: values.check ?? false };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

const { names, json, rounds, check } = parse();
if (names.length === 0) usage('no suite named');
for (const name of names) if (!SUITES[name]) usage(`unknown suite ${name}`);

const abort = new AbortController();
process.once('SIGINT', () => abort.abort(new Error('interrupted')));
const header = benchHeader();
console.log(headerText(header));
const suites: ({ name: string } & SuiteResult)[] = [];
for (const name of names) {
  const { suite } = await SUITES[name]!();
  if (suite.peers) installPeers();
  const result = await suite.run({
    signal: abort.signal,
    ...(rounds === undefined ? {} : { rounds }),
  });
  suites.push({ name, ...result });
  console.log(suiteText(name, result));
}
if (json) {
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify({ ...header, suites }, undefined, 2)}\n`);
}
if (check) {
  const problems = suites.flatMap(({ name, ratios }) => floorProblems(name, ratios));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  console.log('\nno ratio is below its floor');
}
