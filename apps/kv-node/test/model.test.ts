import { describe, expect, it } from 'vitest';
import { checkHistory, type HistoryNodes } from './histories.ts';

/** `CAIRN_SEED` repeats one history; `npm run soak -- kv` runs more of them. */
const only = process.env.CAIRN_SEED;
const HISTORIES = only ? 1 : Number(process.env.CAIRN_KV_HISTORIES ?? 1000);
const PART = 100;

describe('two nodes and the model', () => {
  it.each(Array.from({ length: Math.ceil(HISTORIES / PART) }, (_, part) => part))(
    'agree on histories of many writers, with reorgs and crashes (part %d)',
    async (part) => {
      const kept: HistoryNodes = {};
      const first = only ? Number(only) : part * PART + 1;
      const end = Math.min(first + PART, only ? first + 1 : HISTORIES + 1);
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
