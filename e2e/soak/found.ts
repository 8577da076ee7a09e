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
    row: 'impairment',
    found:
      'one wrong bit in an answer of the chain’s endpoint ended a node, or stored a submission that the chain never had (seen while writing the row).',
    fix: 'The root of the flow is asked before anything is written, and five disagreements in a row end a node (`apps/storage-node/test/spoiled-chain.test.ts`).',
  },
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
    found:
      'an endpoint that turned to another chain made a node revert everything, also when it turned back while it was looked at (3 of 48).',
    fix: 'Chain id and block are asked once more, in one request, before anything is undone (`libs/chain/test/follower.test.ts`).',
  },
];
