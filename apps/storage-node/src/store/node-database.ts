import { bytesToHash32, CodedError, type Hash32, hexToBytes } from '@cairn/base';
import type { BlockRef } from '@cairn/chain';
import type { Kernels } from '@cairn/kernels';
import { FlowTree } from '@cairn/merkle';
import type { Database } from '@cairn/store';
import { SqliteFlowNodeStore } from './flow-node-store.ts';
import { ParityTable } from './parity-table.ts';
import { SubmissionTable } from './submission-table.ts';

/** Block hashes kept for walking back: deeper than any reorg a live chain does. */
const BLOCKS_KEPT = 8192;

/** Everything the node knows of the chain, in one database. Methods are synchronous; transactions are the caller's. */
export class NodeDatabase {
  readonly db: Database;
  readonly nodes: SqliteFlowNodeStore;
  readonly submissions: SubmissionTable;
  readonly parity: ParityTable;
  readonly flow: FlowTree;

  constructor(db: Database, kernels: Kernels) {
    this.db = db;
    this.nodes = new SqliteFlowNodeStore(db);
    this.submissions = new SubmissionTable(db);
    this.parity = new ParityTable(db);
    const length = db.prepare('SELECT max(end_sector) FROM submission').pluck().get() as
      | number
      | null;
    this.flow = new FlowTree(kernels, this.nodes, length ?? 1);
  }

  /** Binds the folder to one network; throws `NODE_OTHER_NETWORK` when it belongs to another. */
  bindNetwork(chainId: number, flowAddress: string): void {
    const network = `${chainId}/${flowAddress}`;
    const known = this.meta('network');
    if (known === undefined) this.setMeta('network', network);
    else if (known !== network) {
      throw new CodedError({
        code: 'NODE_OTHER_NETWORK',
        kind: 'invalid',
        message: `the data folder belongs to another network (${known}), not ${network}`,
        hint: 'use the folder of this network, or an empty one',
        details: { known, network },
      });
    }
  }

  meta(key: string): string | undefined {
    return this.db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key) as
      | string
      | undefined;
  }

  setMeta(key: string, value: string): void {
    this.db
      .prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
      .run(key, value);
  }

  removeMeta(key: string): void {
    this.db.prepare('DELETE FROM meta WHERE key = ?').run(key);
  }

  progress(): BlockRef | undefined {
    return this.previousBlock(Number.MAX_SAFE_INTEGER);
  }

  previousBlock(below: number): BlockRef | undefined {
    const row = this.db
      .prepare('SELECT number, hash FROM block WHERE number < ? ORDER BY number DESC LIMIT 1')
      .get(below) as { number: number; hash: Buffer } | undefined;
    return row && { number: row.number, hash: bytesToHash32(row.hash) };
  }

  addBlocks(blocks: readonly BlockRef[]): void {
    const insert = this.db.prepare(
      'INSERT INTO block VALUES (?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash',
    );
    for (const block of blocks) insert.run(block.number, hexToBytes(block.hash));
    const last = blocks.at(-1);
    if (last) this.db.prepare('DELETE FROM block WHERE number < ?').run(last.number - BLOCKS_KEPT);
  }

  removeBlocksAbove(number: number): void {
    this.db.prepare('DELETE FROM block WHERE number > ?').run(number);
  }

  addFlowRoot(root: Hash32, seq: number, length: number): void {
    this.db
      .prepare(
        'INSERT INTO flow_root VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, length = excluded.length',
      )
      .run(hexToBytes(root), seq, length);
  }

  removeFlowRootsFrom(seq: number): void {
    this.db.prepare('DELETE FROM flow_root WHERE seq >= ?').run(seq);
  }

  /** Root of the flow right after a submission. */
  flowRootOf(seq: number): Hash32 | undefined {
    const root = this.db.prepare('SELECT root FROM flow_root WHERE seq = ?').pluck().get(seq) as
      | Buffer
      | undefined;
    return root && bytesToHash32(root);
  }

  /** Length of the flow when it had this root. */
  lengthOfRoot(root: Hash32): number | undefined {
    return this.db
      .prepare('SELECT length FROM flow_root WHERE root = ?')
      .pluck()
      .get(hexToBytes(root)) as number | undefined;
  }
}
