// What the rows found, kept by hand: a line for each defect, with its fix. Newest first.

export type Finding = {
  date: string;
  /** The row that shows it. */
  row: string;
  /** What went wrong, in a sentence. */
  found: string;
  /** What was changed, in a sentence. */
  fix: string;
};

export const FOUND_AND_FIXED: readonly Finding[] = [
  {
    date: '2026-11-25',
    row: 'index-flips',
    found:
      'SQLite does not check what it reads: 9 of 2,000 flipped bits (seed 3) gave a segment out under a place it was never written to.',
    fix: 'Each row of the index carries a checksum over all of it, its key included (`libs/store/src/segment-index.ts`).',
  },
  {
    date: '2026-11-25',
    row: 'bad-rpc',
    found:
      'an endpoint that lagged some blocks made a node revert the submissions of these blocks, and with them their files.',
    fix: 'A head that contradicts nothing is waited for (`libs/chain/test/follower.test.ts`).',
  },
  {
    date: '2026-11-25',
    row: 'bad-rpc',
    found: 'an endpoint that turned to another chain made a node revert everything.',
    fix: 'The chain id is asked before anything is undone (`libs/chain/test/follower.test.ts`).',
  },
];
