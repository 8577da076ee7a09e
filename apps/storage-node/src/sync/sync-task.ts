import type { StoredSubmission } from '../store/submission-table.ts';

/** Sectors [start, end) of the file that a task is to bring. */
export type SyncGoal = { startSector: number; endSector: number; isWhole: boolean };

/** One file on its way here. `failed` tasks stay until they are tried again. */
export type SyncTask = {
  file: StoredSubmission;
  goal: SyncGoal;
  /** Brings what a merging shard wants of a finalized file. */
  isWidening: boolean;
  state: 'finding' | 'downloading' | 'failed';
  startedAt: number;
  /** Peers that have it, when last looked. */
  holders: number;
  failures: number;
  /** Not before this time again. */
  retryAt: number;
  /** Why it failed. */
  reason: string | undefined;
  abort: AbortController;
  running: Promise<void> | undefined;
};

/** Text of `admin_getSyncStatus`, in upstream's words (spec/storage-protocol.md 7.4). */
export function statusText(task: SyncTask): string {
  switch (task.state) {
    case 'finding':
      return 'FindingPeers';
    case 'downloading':
      return `Downloading { peers: ${task.holders} }`;
    case 'failed':
      return `Failed { reason: ${task.reason ?? 'unknown'} }`;
  }
}
