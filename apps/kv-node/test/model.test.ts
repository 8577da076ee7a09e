import { faultCount, faultSeed, noteFaults } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import { checkHistory, type HistoryNodes } from './histories.ts';

/** `CAIRN_SEED` repeats one history; `npm run soak -- kv` runs more of them. */
const only = process.env.CAIRN_SEED;
const HISTORIES = only ? 1 : faultCount(1000);
const FIRST = only ? Number(only) : (faultSeed() ?? 1);
const PART = 100;

describe('two nodes and the model', () => {
  it.for(Array.from({ length: Math.ceil(HISTORIES / PART) }, (_, part) => part))(
    'agree on histories of many writers, with reorgs and crashes (part %d)',
    async (part, { task }) => {
      const kept: HistoryNodes = {};
      const first = FIRST + part * PART;
      const end = Math.min(first + PART, FIRST + HISTORIES);
      noteFaults(task, end - first);
      for (let seed = first; seed < end; seed++) {
        try {
          await checkHistory(seed, kept);
        } catch (error) {
          throw new Error(`history of seed ${seed} differs (CAIRN_SEED=${seed} repeats it)`, {
            cause: error,
          });
        }
      }
      expect(kept.shaken).toBeDefined();
    },
  );
});
