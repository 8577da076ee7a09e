import { parseArgs } from 'node:util';
import { CodedError } from '@cairn/base';
import { nearestName } from '@cairn/config';
import type { GlobalFlags } from './context.ts';

export type FlagSpec = Record<
  string,
  { type: 'string' | 'boolean'; multiple?: boolean; short?: string; description: string }
>;
export type ParsedArgs = {
  flags: Record<string, string | boolean | string[] | undefined>;
  global: GlobalFlags;
  positionals: string[];
};

export const GLOBAL_FLAGS: FlagSpec = {
  json: { type: 'boolean', description: 'print one JSON object to standard output' },
  indexer: { type: 'string', description: 'URL of an indexer' },
  node: {
    type: 'string',
    multiple: true,
    description: 'URL of a storage node (repeat for more) instead of an indexer',
  },
  rpc: { type: 'string', description: 'JSON-RPC URL of the chain' },
  'key-file': { type: 'string', description: 'file with the private key that pays' },
  custody: {
    type: 'string',
    description: 'address of the StorageCustody contract, for receipts',
  },
  threads: { type: 'string', description: 'hashing threads' },
  help: { type: 'boolean', short: 'h', description: 'show this help' },
};

export function usage(message: string, hint?: string): CodedError {
  return new CodedError({
    code: 'CLI_USAGE',
    kind: 'invalid',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Flags and positionals of one verb; an unknown flag is an error that names the nearest one. */
export function parseVerbArgs(argv: readonly string[], spec: FlagSpec): ParsedArgs {
  const options = { ...GLOBAL_FLAGS, ...spec };
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const unknown = /Unknown option '(--?[^']+)'/.exec(message)?.[1];
    if (!unknown) throw usage(message.split('\n')[0]!);
    const near = nearestName(
      unknown,
      Object.keys(options).map((name) => `--${name}`),
    );
    throw usage(`unknown flag ${unknown}`, near ? `did you mean ${near}?` : 'see --help');
  }
  const flags = parsed.values as ParsedArgs['flags'];
  const text = (name: string): string | undefined => flags[name] as string | undefined;
  const threads = text('threads');
  if (threads !== undefined && !/^[1-9]\d{0,2}$/.test(threads))
    throw usage('--threads takes a number from 1 to 999');
  return {
    flags,
    positionals: parsed.positionals,
    global: {
      json: flags.json === true,
      indexer: text('indexer'),
      node: flags.node as string[] | undefined,
      rpc: text('rpc'),
      keyFile: text('key-file'),
      custody: text('custody'),
      threads: threads === undefined ? undefined : Number(threads),
    },
  };
}
