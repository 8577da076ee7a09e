import type { FlowNodeStore } from '@cairn/merkle';
import type { Database } from '@cairn/store';

const CACHE_MAX = 65_536;
const LEVELS = 64;

/** Flow-tree nodes in SQLite behind a bounded cache. Level × 2^46 + index keys the cache: exact below 2^53. */
export class SqliteFlowNodeStore implements FlowNodeStore {
  readonly #db: Database;
  readonly #cache = new Map<string, Uint8Array>();
  readonly #get;
  readonly #set;

  constructor(db: Database) {
    this.#db = db;
    this.#get = db
      .prepare<[number, number], Buffer>('SELECT hash FROM flow_node WHERE level = ? AND node = ?')
      .pluck();
    this.#set = db.prepare(
      'INSERT INTO flow_node VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash',
    );
  }

  get(level: number, index: number): Uint8Array | undefined {
    const key = `${level}/${index}`;
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const hash = this.#get.get(level, index) as Buffer | undefined;
    if (!hash) return undefined;
    return this.#remember(key, new Uint8Array(hash));
  }

  set(level: number, index: number, hash: Uint8Array): void {
    this.#set.run(level, index, hash);
    this.#remember(`${level}/${index}`, hash.slice());
  }

  truncate(length: number): void {
    const remove = this.#db.prepare('DELETE FROM flow_node WHERE level = ? AND node >= ?');
    for (let level = 0; level < LEVELS; level++) remove.run(level, Math.floor(length / 2 ** level));
    this.#cache.clear();
  }

  /** Drops what a rolled-back transaction may have left in the cache. */
  forget(): void {
    this.#cache.clear();
  }

  #remember(key: string, hash: Uint8Array): Uint8Array {
    if (this.#cache.size >= CACHE_MAX) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(key, hash);
    return hash;
  }
}
