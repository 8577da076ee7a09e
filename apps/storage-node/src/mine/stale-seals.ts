// Data that went while nothing mined leaves seals behind: the next start of mining looks through its sealed copies and forgets them.
import type { NodeDatabase } from '../store/node-database.ts';

const KEY = 'mine_stale_seals';

export const hasStaleSeals = (database: NodeDatabase): boolean => database.meta(KEY) === '1';

export function noteStaleSeals(database: NodeDatabase, isStale: boolean): void {
  if (isStale) database.setMeta(KEY, '1');
  else database.removeMeta(KEY);
}
