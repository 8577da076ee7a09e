// Key-value streams: replay against a model.
import { testRow } from './test-row.ts';

export const kvRows = [
  testRow({
    id: 'kv',
    family: 'kv',
    injection:
      'random histories of many writers, with reorgs and crashes, on two KV nodes beside a model',
    pass: 'no difference',
    size: { full: 100_000, short: 200 },
    unit: 'histories',
    project: 'unit',
    file: 'apps/kv-node/test/model.test.ts',
    name: 'two nodes and the model',
  }),
];
