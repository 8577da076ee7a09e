// Every row of docs/reliability.md, in the order of the page.
import { chainRows } from './chain.ts';
import { codeRows } from './code.ts';
import { floodRows } from './flood.ts';
import { fuzzRows } from './fuzz.ts';
import { hostileRows } from './hostile.ts';
import { impairmentRows } from './impairment.ts';
import { kvRows } from './kv.ts';
import { networkRows } from './network.ts';
import { nodeRows } from './nodes.ts';
import { rotRows } from './rot.ts';
import { FAMILIES, type FaultRow } from './row.ts';
import { storeRows } from './store.ts';

export const ROWS: readonly FaultRow[] = [
  ...storeRows,
  ...rotRows,
  ...codeRows,
  ...nodeRows,
  ...impairmentRows,
  ...networkRows,
  ...chainRows,
  ...fuzzRows,
  ...floodRows,
  ...hostileRows,
  ...kvRows,
];

/** Rows by id or family; undefined for a name that is neither. Without names, all. */
export function chooseRows(names: readonly string[]): FaultRow[] | { unknown: string } {
  const unknown = names.find(
    (name) => !FAMILIES.some((family) => family === name) && !ROWS.some(({ id }) => id === name),
  );
  if (unknown !== undefined) return { unknown };
  return ROWS.filter(
    ({ id, family }) => names.length === 0 || names.includes(id) || names.includes(family),
  );
}
