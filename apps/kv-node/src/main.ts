import { runDaemon } from '@cairn/daemon';
import { kvConfigSchema } from './config.ts';
import { startKvNode } from './node.ts';

await runDaemon({
  name: 'kv node',
  envPrefix: 'CAIRN_KV',
  schema: kvConfigSchema,
  usageErrors: /^CHAIN_(NO_FLOW|WRONG_CHAIN_ID)/,
  start: startKvNode,
  ready: ({ url, adminUrl }) => ({ url, adminUrl }),
});
