import { enableCompileCache } from 'node:module';
import { errorMessage, isCodedError } from '@cairn/base';
import { formatConfig, loadConfig } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { createLogger } from '@cairn/telemetry';
import { disperserConfigSchema } from './config.ts';
import { startDisperser } from './disperser.ts';

enableCompileCache();

try {
  const { config, entries, wants } = loadConfig({
    schema: disperserConfigSchema,
    argv: process.argv.slice(2),
    env: process.env,
    envPrefix: 'CAIRN_DISPERSER',
  });
  if (wants !== 'run') {
    console.log(formatConfig(entries));
    process.exit(EXIT_CODES.ok);
  }
  const log = createLogger({ name: 'da-disperser', level: config.logLevel, file: config.logFile });
  const quit = Promise.withResolvers<void>();
  process.on('SIGINT', () => quit.resolve());
  process.on('SIGTERM', () => quit.resolve());
  if (config.exitWithParent)
    process.stdin
      .on('end', () => quit.resolve())
      .on('error', () => quit.resolve())
      .resume();
  const disperser = await startDisperser({ log }, config);
  if (config.readyJson)
    console.log(
      JSON.stringify({ grpc: disperser.address, account: disperser.account, pid: process.pid }),
    );
  await quit.promise;
  await disperser.stop();
  process.exit(EXIT_CODES.ok);
} catch (error) {
  console.error(`disperser: ${errorMessage(error)}`);
  if (isCodedError(error) && error.hint) console.error(error.hint);
  const code = isCodedError(error) ? error.code : '';
  process.exit(
    /^(CONFIG_|DISPERSER_|CHAIN_KEY)/.test(code)
      ? EXIT_CODES.usage
      : code.startsWith('STORE_')
        ? EXIT_CODES.disk
        : EXIT_CODES.network,
  );
}
