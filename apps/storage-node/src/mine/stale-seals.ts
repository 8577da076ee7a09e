// Data that went while nothing mined leaves seals behind: the next start of mining looks through its sealed copies and forgets them.
import type { NodeDatabase } from '../store/node-database.ts';

/** How often data went without its seals since they were last looked through; absent: never. */
const KEY = 'mine_stale_seals';

/** 0 when there is nothing to look for. */
export const staleSeals = (database: NodeDatabase): number => Number(database.meta(KEY) ?? 0);

export function noteStaleSeals(database: NodeDatabase): void {
  database.setMeta(KEY, String(staleSeals(database) + 1));
}

/** The copies were looked through after `seen` was read; what went since then is left for the next start. */
export function clearStaleSeals(database: NodeDatabase, seen: number): void {
  if (staleSeals(database) === seen) database.removeMeta(KEY);
}
