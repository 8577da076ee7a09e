import { runDaemon } from '@cairn/daemon';
import { disperserConfigSchema } from './config.ts';
import { startDisperser } from './disperser.ts';

await runDaemon({
  name: 'disperser',
  envPrefix: 'CAIRN_DISPERSER',
  schema: disperserConfigSchema,
  usageErrors: /^(DISPERSER_|ROLLUP_|CHAIN_KEY)/,
  start: startDisperser,
  ready: ({ address, account, opUrl, nitroUrl, metricsUrl }) => ({
    grpc: address,
    account,
    op: opUrl,
    nitro: nitroUrl,
    metrics: metricsUrl,
  }),
});
