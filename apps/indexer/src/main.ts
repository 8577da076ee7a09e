import { enableCompileCache } from 'node:module';
import { errorMessage, isCodedError } from '@cairn/base';
import { formatConfig, loadConfig } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { createLogger } from '@cairn/telemetry';
import { indexerConfigSchema } from './config.ts';
import { startIndexer } from './indexer.ts';

enableCompileCache();

try {
  const { config, entries, wants } = loadConfig({
    schema: indexerConfigSchema,
    argv: process.argv.slice(2),
    env: process.env,
    envPrefix: 'CAIRN_INDEXER',
  });
  if (wants !== 'run') {
    console.log(formatConfig(entries));
    process.exit(EXIT_CODES.ok);
  }
  const log = createLogger({ name: 'indexer', level: config.logLevel, file: config.logFile });
  const quit = Promise.withResolvers<void>();
  process.on('SIGINT', () => quit.resolve());
  process.on('SIGTERM', () => quit.resolve());
  if (config.exitWithParent)
    process.stdin
      .on('end', () => quit.resolve())
      .on('error', () => quit.resolve())
      .resume();
  const indexer = await startIndexer({ log }, config);
  if (config.readyJson) console.log(JSON.stringify({ url: indexer.url, pid: process.pid }));
  await quit.promise;
  await indexer.stop();
  process.exit(EXIT_CODES.ok);
} catch (error) {
  console.error(`indexer: ${errorMessage(error)}`);
  if (isCodedError(error) && error.hint) console.error(error.hint);
  process.exit(
    isCodedError(error) && /^(CONFIG_|HTTP_CANNOT_LISTEN)/.test(error.code)
      ? EXIT_CODES.usage
      : EXIT_CODES.network,
  );
}
