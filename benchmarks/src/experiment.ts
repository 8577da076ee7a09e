// npm run experiment -- <name> [--seed S] [--count N] [--write FILE]: measurements whose result is a page, not a row of speeds.
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { EXIT_CODES } from '@cairn/protocol';
import { benchHeader } from './harness.ts';

export type ExperimentOptions = {
  seed: string;
  /** How much of what the experiment counts; its own measure without it. */
  count: number | undefined;
  signal: AbortSignal;
};

type Experiment = {
  title: string;
  load: () => Promise<{ run: (options: ExperimentOptions) => Promise<string> }>;
};
const EXPERIMENTS: Record<string, Experiment> = {
  fairness: { title: 'Fairness of mining', load: () => import('./fairness.ts') },
};

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run experiment -- <name> [--seed S] [--count N] [--write FILE]
experiments: ${Object.keys(EXPERIMENTS).join(', ')}`);
  process.exit(EXIT_CODES.usage);
}

function parse(): {
  name: string;
  seed: string;
  count: number | undefined;
  write: string | undefined;
} {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { seed: { type: 'string' }, count: { type: 'string' }, write: { type: 'string' } },
    });
    if (values.count !== undefined && !/^[1-9]\d{0,8}$/.test(values.count))
      usage('--count takes a positive number');
    if (positionals.length !== 1 || !EXPERIMENTS[positionals[0]!]) usage('name one experiment');
    return {
      name: positionals[0]!,
      seed: values.seed ?? 'cairn',
      count: values.count === undefined ? undefined : Number(values.count),
      write: values.write,
    };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

const { name, seed, count, write } = parse();
const { title, load } = EXPERIMENTS[name]!;
const abort = new AbortController();
process.once('SIGINT', () => abort.abort(new Error('interrupted')));
const { cpu, cores, node, date } = benchHeader();
const load1 = loadavg()[0]!.toFixed(1);
const { run } = await load();
const body = await run({ seed, count, signal: abort.signal });
const command = [
  `npm run experiment -- ${name}`,
  ...(seed === 'cairn' ? [] : [`--seed ${seed}`]),
  ...(count === undefined ? [] : [`--count ${count}`]),
  ...(write === undefined ? [] : [`--write ${write}`]),
].join(' ');
const page = `# ${title}

Made by \`${command}\` (seed \`${seed}\`) on ${date.slice(0, 10)}: ${cpu}, ${cores} cores, Node ${node},
load average ${load1} when it began: figures by the wall clock suffer from it, counts and CPU time hardly. Do not edit.

${body}`;
if (write) writeFileSync(write, page);
else console.log(page);
