// The floors of `--check`: ratios that no change may fall below, committed well under what is usual, so that noise never trips
// them. A ratio that was not measured (no compiler, an absent peer) is not checked.
import { readFileSync } from 'node:fs';
import type { BenchRatio } from './harness.ts';

/** By suite: `of : over` as the table prints it, and the least ratio. */
export type Floors = Record<string, Record<string, number>>;

const committed = JSON.parse(
  readFileSync(new URL('../floors.json', import.meta.url), 'utf8'),
) as Floors;

/** One sentence for each ratio of a suite that is below its floor, and for a floor whose suite has no ratio left to check. */
export function floorProblems(
  suite: string,
  ratios: readonly BenchRatio[],
  floors: Floors = committed,
): string[] {
  const wanted = Object.entries(floors[suite] ?? {});
  const measured = new Map(ratios.map(({ of, over, value }) => [`${of} : ${over}`, value]));
  const checked = wanted.filter(([name]) => measured.has(name));
  if (wanted.length > 0 && checked.length === 0)
    return [`${suite}: none of its floors names a ratio that was measured`];
  return (
    checked
      // Not `<`: what could not be computed is no pass.
      .filter(([name, floor]) => !(measured.get(name)! >= floor))
      .map(
        ([name, floor]) => `${suite}: ${name} is ${measured.get(name)!.toFixed(2)}, below ${floor}`,
      )
  );
}
