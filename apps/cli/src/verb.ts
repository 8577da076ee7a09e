import type { FlagSpec, ParsedArgs } from './args.ts';

/** One command of `cairn`. Returns the exit code, or throws a `CodedError` that becomes one. */
export type Verb = {
  name: string;
  summary: string;
  usage: string;
  flags: FlagSpec;
  /** Everything after the verb goes through untouched. */
  isRaw?: boolean;
  run(args: ParsedArgs, context: { signal: AbortSignal; raw: readonly string[] }): Promise<number>;
};
