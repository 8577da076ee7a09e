import { enableCompileCache } from 'node:module';
import { errorMessage, isCodedError } from '@cairn/base';
import { formatConfig, loadConfig } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { createLogger } from '@cairn/telemetry';
import { nodeConfigSchema } from './config.ts';
import { startStorageNode } from './node.ts';

enableCompileCache();

/** Why the signal aborts when somebody asks the node to end; also the end of a start that is still waiting. */
const STOPPED = new Error('stopped');

/** Architecture section 6: 2 what the operator gave, 7 the disk, 4 everything about the network. */
function exitCodeOf(error: unknown): number {
  const code = isCodedError(error) ? error.code : '';
  if (/^(CONFIG|PROTOCOL|NODE|BASE_INVALID)_|^HTTP_CANNOT_LISTEN/.test(code))
    return EXIT_CODES.usage;
  return code.startsWith('STORE_') ? EXIT_CODES.disk : EXIT_CODES.network;
}

function fail(error: unknown, exitCode: number): never {
  console.error(`storage node: ${errorMessage(error)}`);
  if (isCodedError(error) && error.hint) console.error(error.hint);
  process.exit(exitCode);
}

try {
  const { config, entries, wants } = loadConfig({
    schema: nodeConfigSchema,
    argv: process.argv.slice(2),
    env: process.env,
    envPrefix: 'CAIRN_NODE',
  });
  if (wants !== 'run') {
    console.log(formatConfig(entries));
    process.exit(EXIT_CODES.ok);
  }
  const log = createLogger({ name: 'storage-node', level: config.logLevel, file: config.logFile });
  const abort = new AbortController();
  const quit = (): void => abort.abort(STOPPED);
  process.on('SIGINT', quit);
  process.on('SIGTERM', quit);
  if (config.exitWithParent) process.stdin.on('end', quit).on('error', quit).resume();
  const node = await startStorageNode({ log }, config, abort.signal);
  if (config.readyJson)
    console.log(
      JSON.stringify({
        url: node.url,
        adminUrl: node.adminUrl,
        ...node.shard,
        p2pAddresses: node.p2pAddresses,
        pid: process.pid,
      }),
    );
  const aborted = new Promise<undefined>((resolve) => {
    if (abort.signal.aborted) resolve(undefined);
    abort.signal.addEventListener('abort', () => resolve(undefined));
  });
  const reason = await Promise.race([node.ended, aborted]);
  await node.stop();
  if (reason) {
    log.error({ error: reason.message }, 'storage node stopped');
    fail(reason, EXIT_CODES.verification);
  }
  process.exit(EXIT_CODES.ok);
} catch (error) {
  if (error === STOPPED) process.exit(EXIT_CODES.ok);
  fail(error, exitCodeOf(error));
}
