import { CodedError, errorMessage } from '@cairn/base';
import Sqlite, { type Database } from 'better-sqlite3';

export type { Database, Statement } from 'better-sqlite3';

/**
 * Opens (creates) a SQLite database in WAL mode with full syncs, held exclusively by this process, and brings it to the
 * newest migration. `migrations[i]` leads from version i to i + 1. Throws `STORE_LOCKED`,
 * `STORE_NEWER`, `STORE_CORRUPT`, `STORE_DISK_FULL`, `STORE_DENIED`.
 */
export function openDatabase(path: string, migrations: readonly string[]): Database {
  let db: Database | undefined;
  try {
    db = new Sqlite(path, { timeout: 1000 });
    // Exclusive locking: a second process fails at once, and the lock dies with its owner. No shared-memory file is needed.
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    db.pragma('cache_size = -16000');
    db.exec('BEGIN IMMEDIATE; COMMIT');
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > migrations.length) {
      throw new CodedError({
        code: 'STORE_NEWER',
        kind: 'invalid',
        message: `${path} was written by a newer version (${version}, this one knows ${migrations.length})`,
        hint: 'run the newer version, or start with a fresh folder',
      });
    }
    const opened = db;
    for (let v = version; v < migrations.length; v++) {
      opened.transaction(() => {
        opened.exec(migrations[v]!);
        opened.pragma(`user_version = ${v + 1}`);
      })();
    }
    return db;
  } catch (error) {
    db?.close();
    throw storeError(error, path);
  }
}

/** Our error for what SQLite or the file system throws; anything else comes back as it is. */
export function storeError(error: unknown, path: string): unknown {
  if (error instanceof CodedError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
    return new CodedError({
      code: 'STORE_LOCKED',
      kind: 'conflict',
      message: `${path} is in use by another process`,
      hint: 'stop the other node, or give this one its own data folder',
      cause: error,
    });
  }
  if (DISK_FULL.has(code)) return diskFull(error);
  if (code.startsWith('SQLITE_IOERR') || code === 'EIO') {
    return new CodedError({
      code: 'STORE_IO',
      kind: 'unavailable',
      message: `the disk of ${path} fails: ${errorMessage(error)}`,
      hint: 'look at the system log; what was acknowledged before is still there',
      cause: error,
    });
  }
  if (DENIED.has(code)) {
    return new CodedError({
      code: 'STORE_DENIED',
      kind: 'invalid',
      message: `${path} cannot be used: ${errorMessage(error)}`,
      hint: 'give a folder that this user may write to',
      cause: error,
    });
  }
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB') {
    return new CodedError({
      code: 'STORE_CORRUPT',
      kind: 'corrupt',
      message: `${path} is damaged: ${errorMessage(error)}`,
      hint: 'restore it from a backup, or start with a fresh folder and let the node sync again',
      cause: error,
    });
  }
  return error;
}

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);
const DENIED = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'SQLITE_CANTOPEN',
  'SQLITE_READONLY',
]);

/** The typed error of a full disk. */
function diskFull(cause: unknown): CodedError {
  return new CodedError({
    code: 'STORE_DISK_FULL',
    kind: 'exhausted',
    message: 'no space left on the disk',
    hint: 'free space; nothing acknowledged was lost and writing goes on when there is room',
    cause,
  });
}
