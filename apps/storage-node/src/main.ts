import { runDaemon } from '@cairn/daemon';
import { nodeConfigSchema } from './config.ts';
import { startStorageNode } from './node.ts';

await runDaemon({
  name: 'storage node',
  envPrefix: 'CAIRN_NODE',
  schema: nodeConfigSchema,
  usageErrors: /^((PROTOCOL|NODE|BASE_INVALID)_|CHAIN_(NO_FLOW|WRONG_CHAIN_ID))/,
  start: startStorageNode,
  ready: ({ url, adminUrl, shard, p2pAddresses }) => ({ url, adminUrl, ...shard, p2pAddresses }),
});
