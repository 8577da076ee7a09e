import { runDaemon } from '@cairn/daemon';
import { disperserConfigSchema } from './config.ts';
import { startDisperser } from './disperser.ts';

await runDaemon({
  name: 'disperser',
  envPrefix: 'CAIRN_DISPERSER',
  schema: disperserConfigSchema,
  usageErrors: /^(DISPERSER_|CHAIN_KEY)/,
  start: startDisperser,
  ready: ({ address, account }) => ({ grpc: address, account }),
});
