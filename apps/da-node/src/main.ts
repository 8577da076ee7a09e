import { runDaemon } from '@cairn/daemon';
import { daNodeConfigSchema } from './config.ts';
import { startDaNode } from './node.ts';

await runDaemon({
  name: 'da node',
  envPrefix: 'CAIRN_DA_NODE',
  schema: daNodeConfigSchema,
  usageErrors: /^DA_/,
  start: startDaNode,
  ready: ({ address, operator, metricsUrl }) => ({
    url: address,
    address: operator,
    ...(metricsUrl ? { metricsUrl } : {}),
  }),
});
