/*
 * One SQLite database per node, `node.db`, beside the volumes (libs/store has their picture).
 *
 *   meta        key → value        network (chain id and flow address), shard (keep/shards.ts has its keys)
 *   block       number → hash      remembered for walking back, newest BLOCKS_KEPT and every block with a submission
 *   submission  seq → …            one row per Submit event; `state` 0 receiving, 1 finalized, 2 pruned
 *   parity      seq → …            submissions that say they are the parity of a file, by its root; not those of before migration 3
 *   flow_node   (level, index)     complete nodes of the flow tree (docs/adr/0003)
 *   flow_root   root → length      every root reached after a submission, for sector proofs of the past
 *   receipt     serial → …         receipts signed here that bind still, as JSON; bound_until: Unix seconds of the chain (custody/)
 *   dropping    seq                pruned submissions of which segments may still be stored (keep/)
 *
 * What must be true together is written in one transaction; SQLite recovers it after a kill.
 */
import { SEGMENT_CHECK_SCHEMA, SEGMENT_FORM_SCHEMA, SEGMENT_STORE_SCHEMA } from '@cairn/store';

export const MIGRATIONS: readonly string[] = [
  `${SEGMENT_STORE_SCHEMA}
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE block (number INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
  CREATE TABLE submission (
    seq INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    size INTEGER NOT NULL,
    start_sector INTEGER NOT NULL,
    end_sector INTEGER NOT NULL,
    nodes BLOB NOT NULL,
    block INTEGER NOT NULL,
    tx_hash BLOB NOT NULL,
    state INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX submission_root ON submission (root, seq);
  CREATE INDEX submission_block ON submission (block);
  CREATE TABLE flow_node (level INTEGER NOT NULL, node INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, node)) WITHOUT ROWID, STRICT;
  CREATE TABLE flow_root (root BLOB PRIMARY KEY, seq INTEGER NOT NULL, length INTEGER NOT NULL) WITHOUT ROWID, STRICT;
  CREATE INDEX flow_root_seq ON flow_root (seq);
  `,
  // Open files are few among many; a node that catches up pages through them.
  `CREATE INDEX submission_receiving ON submission (seq) WHERE state = 0;`,
  `CREATE TABLE parity (seq INTEGER PRIMARY KEY, data_root BLOB NOT NULL, tags BLOB NOT NULL) STRICT;
  CREATE INDEX parity_data_root ON parity (data_root, seq);`,
  `CREATE TABLE receipt (serial TEXT PRIMARY KEY, seq INTEGER NOT NULL, expiry INTEGER NOT NULL, signed TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE INDEX receipt_seq ON receipt (seq, expiry);
  CREATE INDEX receipt_expiry ON receipt (expiry);`,
  SEGMENT_FORM_SCHEMA,
  // What was signed before this column binds for 30 days after its end: longer than any deadline for an answer.
  `ALTER TABLE receipt ADD COLUMN bound_until INTEGER NOT NULL DEFAULT 0;
  UPDATE receipt SET bound_until = expiry + 2592000;
  DROP INDEX receipt_expiry;
  CREATE INDEX receipt_bound ON receipt (bound_until);
  CREATE TABLE dropping (seq INTEGER PRIMARY KEY) STRICT;
  CREATE INDEX submission_kept_end ON submission (end_sector) WHERE state <> 2;`,
  SEGMENT_CHECK_SCHEMA,
];
