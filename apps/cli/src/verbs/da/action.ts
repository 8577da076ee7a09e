import { readFileSync } from 'node:fs';
import { type ParsedArgs, usage } from '../../args.ts';
import type { DaSession } from '../../da-context.ts';

/** What an action of `cairn da` is called with. */
export type DaCall = {
  session: DaSession;
  args: string[];
  flags: ParsedArgs['flags'];
  global: ParsedArgs['global'];
  signal: AbortSignal;
};
export type DaAction = {
  usage: string;
  /** Fewest and most arguments. */
  count: [number, number];
  run(call: DaCall): Promise<number>;
};

/** What `checkCertificate` answers. */
export const CONFIRMED = 1;
export const UNDECIDED = 2;

/** Bytes of a file, or of standard input for `-`. */
export function readInput(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === '-' ? 0 : path));
  } catch (error) {
    throw usage(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A count that a flag gives. */
export function numberFlag(flags: ParsedArgs['flags'], name: string): number | undefined {
  const value = flags[name] as string | undefined;
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw usage(`--${name} takes a number`);
  return Number(value);
}
