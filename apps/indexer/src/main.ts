import { runDaemon } from '@cairn/daemon';
import { indexerConfigSchema } from './config.ts';
import { startIndexer } from './indexer.ts';

await runDaemon({
  name: 'indexer',
  envPrefix: 'CAIRN_INDEXER',
  schema: indexerConfigSchema,
  start: startIndexer,
  ready: ({ url }) => ({ url }),
});
