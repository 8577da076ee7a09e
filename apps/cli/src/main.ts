import { enableCompileCache } from 'node:module';
import { CodedError } from '@cairn/base';
import { nearestName } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { GLOBAL_FLAGS, parseVerbArgs, usage } from './args.ts';
import { exitCodeOf, printError } from './output.ts';
import type { Verb } from './verb.ts';
import { challenge } from './verbs/challenge.ts';
import { da } from './verbs/da.ts';
import { doctor } from './verbs/doctor.ts';
import { get } from './verbs/get.ts';
import { cost, stat, verify } from './verbs/inspect.ts';
import { kv } from './verbs/kv.ts';
import { ls } from './verbs/ls.ts';
import { mine } from './verbs/mine.ts';
import { bench, devnet } from './verbs/processes.ts';
import { put } from './verbs/put.ts';
import { repair } from './verbs/repair.ts';
import { wallet } from './verbs/wallet.ts';

enableCompileCache();

const VERSION = '0.1.0';
const VERBS: readonly Verb[] = [
  put,
  get,
  ls,
  kv,
  da,
  stat,
  verify,
  repair,
  cost,
  challenge,
  wallet,
  mine,
  devnet,
  doctor,
  bench,
];

function help(verb?: Verb): string {
  const all = Object.entries({ ...verb?.flags, ...GLOBAL_FLAGS });
  const width = Math.max(...all.map(([name]) => name.length));
  const flags = all.map(([name, { description }]) => `  --${name.padEnd(width)}  ${description}`);
  if (verb) return [`${verb.summary}`, '', `usage: ${verb.usage}`, '', ...flags].join('\n');
  return [
    'usage: cairn VERB [arguments]',
    '',
    ...VERBS.map(({ name, summary }) => `  ${name.padEnd(8)} ${summary}`),
    '',
    'cairn VERB --help tells more.',
    '',
    ...flags,
  ].join('\n');
}

async function main(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(help());
    return name === undefined ? EXIT_CODES.usage : EXIT_CODES.ok;
  }
  if (name === '--version') {
    console.log(VERSION);
    return EXIT_CODES.ok;
  }
  const verb = VERBS.find((candidate) => candidate.name === name);
  if (!verb) {
    const near = nearestName(
      name,
      VERBS.map((candidate) => candidate.name),
    );
    throw usage(`unknown verb ${name}`, near ? `did you mean cairn ${near}?` : 'see cairn --help');
  }
  if (verb.isRaw)
    return verb.run({ flags: {}, positionals: [], global: { json: false } }, { signal, raw: rest });
  const args = parseVerbArgs(rest, verb.flags);
  if (args.flags.help === true) {
    console.log(help(verb));
    return EXIT_CODES.ok;
  }
  return verb.run(args, { signal, raw: rest });
}

const interrupted = new AbortController();
let interruptedAt = 0;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interrupted.signal.aborted) {
      // A second Ctrl-C does not wait for the end of what is running.
      if (performance.now() - interruptedAt > 300) process.exit(EXIT_CODES.interrupted);
      return;
    }
    interruptedAt = performance.now();
    interrupted.abort(
      new CodedError({
        code: 'CLI_INTERRUPTED',
        kind: 'cancelled',
        message: 'interrupted',
        hint: 'run the same command again; it goes on where it stopped',
      }),
    );
  });
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT_CODES.ok); // the reader of a pipe had enough
});
const argv = process.argv.slice(2);
try {
  process.exitCode = await main(argv, interrupted.signal);
} catch (error) {
  printError(argv.includes('--json'), error);
  process.exitCode = exitCodeOf(error);
}
