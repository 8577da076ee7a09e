import { errorMessage, isCodedError } from '@cairn/base';
import { isProcessAlive } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { runningDevnet } from './descriptor.ts';
import { untilStopped } from './lifetime.ts';
import { type RunningNetwork, startNetwork } from './network.ts';
import type { DevnetOptions } from './options.ts';

/** Brings the network up, runs `story`, stays until stopped (or not), takes it down. Returns the exit code. */
export async function supervise(
  options: DevnetOptions,
  say: (text: string) => void,
  story: (network: RunningNetwork, upMs: number) => Promise<void>,
): Promise<number> {
  const stopped = untilStopped();
  const started = performance.now();
  if (options.stop) return stopRunning(options.dir, say);
  const failure = Promise.withResolvers<string>();
  let isUp = false;
  await using network = await startNetwork(
    {
      say,
      onExit: (name, reason) => {
        say(`${name} ended (${reason})`);
        if (!isUp || name === 'chain') failure.resolve(`${name} ended: ${reason}`);
      },
    },
    options,
  );
  isUp = true;
  const told = story(network, performance.now() - started);
  const outcome = await Promise.race([
    told.then(() => 'told' as const),
    stopped.then(() => 'stopped' as const),
  ]);
  if (outcome === 'stopped') {
    told.catch(() => {}); // it was cut short on purpose
    return EXIT_CODES.interrupted;
  }
  if (options.once) return EXIT_CODES.ok;
  const reason = await Promise.race([stopped, failure.promise]);
  if (reason !== undefined) {
    say(`error: ${reason}; stopping the network`);
    return EXIT_CODES.network;
  }
  say('stopping');
  return EXIT_CODES.ok;
}

async function stopRunning(dir: string, say: (text: string) => void): Promise<number> {
  const running = runningDevnet(dir);
  if (!running) {
    say(`no devnet runs in ${dir}`);
    return EXIT_CODES.ok;
  }
  process.kill(running.pid, 'SIGTERM');
  const deadline = performance.now() + 20_000;
  while (runningDevnet(dir) !== undefined || isProcessAlive(running.pid)) {
    if (performance.now() > deadline) {
      say(`process ${running.pid} does not stop`);
      return EXIT_CODES.network;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  say(`stopped the devnet of process ${running.pid}`);
  return EXIT_CODES.ok;
}

/** First line the real cause, then what to try; with `--json` as one object on standard output. */
export function reportFailure(error: unknown, json: boolean): number {
  const hint = isCodedError(error) ? error.hint : undefined;
  if (json)
    console.log(
      JSON.stringify({
        error: {
          code: isCodedError(error) ? error.code : 'DEVNET_FAILED',
          message: errorMessage(error),
          ...(hint ? { hint } : {}),
        },
      }),
    );
  console.error(`error: ${errorMessage(error)}`);
  if (hint) console.error(hint);
  if (isCodedError(error) && error.code.startsWith('CONFIG_')) return EXIT_CODES.usage;
  return isCodedError(error) && error.kind === 'corrupt'
    ? EXIT_CODES.verification
    : EXIT_CODES.network;
}
