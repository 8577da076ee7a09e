import { describe, expect, it } from 'vitest';
import { checkHistory, type HistoryNodes } from './histories.ts';

/** `CAIRN_SEED` repeats one history. */
const only = process.env.CAIRN_SEED;

describe('two nodes and the model', () => {
  it.each(Array.from({ length: 10 }, (_, part) => part))(
    'agree on a hundred histories of many writers, with reorgs and crashes (part %d)',
    async (part) => {
      const kept: HistoryNodes = {};
      const seeds = only
        ? [Number(only)]
        : Array.from({ length: 100 }, (_, i) => 100 * part + i + 1);
      for (const seed of seeds) {
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
