import { enableCompileCache } from 'node:module';
import { errorMessage, isCodedError } from '@cairn/base';
import { formatConfig, loadConfig } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { createLogger } from '@cairn/telemetry';
import { kvConfigSchema } from './config.ts';
import { startKvNode } from './node.ts';

enableCompileCache();

const abort = new AbortController();
try {
  const { config, entries, wants } = loadConfig({
    schema: kvConfigSchema,
    argv: process.argv.slice(2),
    env: process.env,
    envPrefix: 'CAIRN_KV',
  });
  if (wants !== 'run') {
    console.log(formatConfig(entries));
    process.exit(EXIT_CODES.ok);
  }
  const log = createLogger({ name: 'kv-node', level: config.logLevel, file: config.logFile });
  const quit = Promise.withResolvers<void>();
  const stop = (): void => {
    abort.abort();
    quit.resolve();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  if (config.exitWithParent) process.stdin.on('end', stop).on('error', stop).resume();
  const node = await startKvNode({ log }, config, abort.signal);
  if (config.readyJson)
    console.log(JSON.stringify({ url: node.url, adminUrl: node.adminUrl, pid: process.pid }));
  await quit.promise;
  await node.stop();
  process.exit(EXIT_CODES.ok);
} catch (error) {
  if (abort.signal.aborted) process.exit(EXIT_CODES.ok);
  console.error(`kv node: ${errorMessage(error)}`);
  if (isCodedError(error) && error.hint) console.error(error.hint);
  const code = isCodedError(error) ? error.code : '';
  process.exit(
    code.startsWith('CONFIG_')
      ? EXIT_CODES.usage
      : code.startsWith('STORE_')
        ? EXIT_CODES.disk
        : EXIT_CODES.network,
  );
}
