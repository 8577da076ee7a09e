// npm run bench -- <suite>... [--json FILE] [--rounds N]
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { EXIT_CODES } from '@cairn/protocol';
import { benchHeader, type Suite, type SuiteResult } from './harness.ts';
import { headerText, suiteText } from './report.ts';

/** Suites by name: a module that exports `suite`. Loaded when asked for, since some start processes on import. */
const SUITES: Record<string, () => Promise<{ suite: Suite }>> = {
  footprint: () => import('./footprint.ts'),
  merkle: () => import('./merkle.ts'),
  transfer: () => import('./transfer.ts'),
};

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run bench -- <suite>... [--json FILE] [--rounds N]
suites: ${Object.keys(SUITES).join(', ')}`);
  process.exit(EXIT_CODES.usage);
}

function parse(): { names: string[]; json: string | undefined; rounds: number | undefined } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, rounds: { type: 'string' } },
    });
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1))
      usage('--rounds takes a positive integer');
    return { names: positionals, json: values.json, rounds };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

const { names, json, rounds } = parse();
if (names.length === 0) usage('no suite named');
for (const name of names) if (!SUITES[name]) usage(`unknown suite ${name}`);

const abort = new AbortController();
process.once('SIGINT', () => abort.abort(new Error('interrupted')));
const header = benchHeader();
console.log(headerText(header));
const suites: ({ name: string } & SuiteResult)[] = [];
for (const name of names) {
  const { suite } = await SUITES[name]!();
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
