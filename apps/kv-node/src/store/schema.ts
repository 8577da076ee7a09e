/*
 * One SQLite database per node, `kv.db`. What must be true together is written in one transaction; SQLite recovers it after
 * a kill. Versions are txSeqs.
 *
 *   meta         key → value           network (chain id and flow address), first_seq
 *   block        number → hash         remembered for walking back; next_seq is the first submission above the block
 *   stream       id ↔ stream_id        watched from from_seq on; `state` 0 watched, 1 dropped and being purged
 *   pending      seq → …               batches seen on chain, not replayed yet: the queue of the replayer
 *   batch        seq → result, …       every decided batch, with the keys that it wrote (for reorgs and watchers)
 *   value        (stream, key, version) → size and bytes up to INLINE_BYTES; nothing is ever updated in place
 *   value_part   (stream, version, entry, part) → PART_BYTES of a longer value; `entry` is value.entry
 *   live         (stream, key) of keys that are not deleted now: iteration at the newest version
 *   control      (stream, version, entry) → one role operation
 *   root         (stream, version) → accumulator after the batch (libs/kv accumulator.ts)
 *
 *   changes (column batch.changes):  n × ( stream u32 | keyLen u32 | key )      big-endian
 *
 * `applied` is not stored: it is the lowest pending seq, or block.next_seq when nothing is pending.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE block (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, next_seq INTEGER NOT NULL) STRICT;
  CREATE TABLE stream (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_id BLOB NOT NULL,
    from_seq INTEGER NOT NULL,
    origin TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX stream_watched ON stream (stream_id) WHERE state = 0;
  CREATE TABLE pending (
    seq INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    size INTEGER NOT NULL,
    start_sector INTEGER NOT NULL,
    tx_hash BLOB NOT NULL,
    sender BLOB NOT NULL,
    streams BLOB NOT NULL,
    block INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE batch (
    seq INTEGER PRIMARY KEY,
    result TEXT NOT NULL,
    tx_hash BLOB NOT NULL,
    sender BLOB NOT NULL,
    streams BLOB NOT NULL,
    changes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE value (
    stream INTEGER NOT NULL,
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    size INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    data BLOB,
    PRIMARY KEY (stream, key, version)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE value_part (
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (stream, version, entry, part)
  ) STRICT;
  CREATE TABLE live (
    stream INTEGER NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (stream, key)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE control (
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    op INTEGER NOT NULL,
    role INTEGER NOT NULL,
    key BLOB NOT NULL,
    account BLOB NOT NULL,
    operator BLOB NOT NULL,
    PRIMARY KEY (stream, version, entry)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX control_role ON control (stream, role, account, key, version);
  CREATE TABLE root (
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    peaks BLOB NOT NULL,
    PRIMARY KEY (stream, version)
  ) WITHOUT ROWID, STRICT;
  `,
];
