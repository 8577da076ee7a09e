import { enableCompileCache } from 'node:module';
import { errorMessage, isCodedError } from '@cairn/base';
import { formatConfig, loadConfig } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { createLogger } from '@cairn/telemetry';
import { daNodeConfigSchema } from './config.ts';
import { startDaNode } from './node.ts';

enableCompileCache();

try {
  const { config, entries, wants } = loadConfig({
    schema: daNodeConfigSchema,
    argv: process.argv.slice(2),
    env: process.env,
    envPrefix: 'CAIRN_DA_NODE',
  });
  if (wants !== 'run') {
    console.log(formatConfig(entries));
    process.exit(EXIT_CODES.ok);
  }
  const log = createLogger({ name: 'da-node', level: config.logLevel, file: config.logFile });
  const quit = Promise.withResolvers<void>();
  process.on('SIGINT', () => quit.resolve());
  process.on('SIGTERM', () => quit.resolve());
  if (config.exitWithParent)
    process.stdin
      .on('end', () => quit.resolve())
      .on('error', () => quit.resolve())
      .resume();
  const node = await startDaNode({ log }, config);
  if (config.readyJson)
    console.log(
      JSON.stringify({
        url: node.address,
        address: node.operator,
        pid: process.pid,
        ...(node.metricsUrl ? { metricsUrl: node.metricsUrl } : {}),
      }),
    );
  await quit.promise;
  await node.stop();
  process.exit(EXIT_CODES.ok);
} catch (error) {
  console.error(`da node: ${errorMessage(error)}`);
  if (isCodedError(error) && error.hint) console.error(error.hint);
  const code = isCodedError(error) ? error.code : '';
  process.exit(
    /^(CONFIG_|DA_)/.test(code)
      ? EXIT_CODES.usage
      : code.startsWith('STORE_')
        ? EXIT_CODES.disk
        : EXIT_CODES.network,
  );
}
