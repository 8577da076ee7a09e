import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CodedError, systemClock } from '@cairn/base';
import { rpcCall } from '@cairn/rpc';
import { Child } from './child.ts';

/** The anvil binary inside its platform package. */
export function anvilPath(): string {
  const require = createRequire(
    createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json'),
  );
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const manifest = require.resolve(`@foundry-rs/anvil-${process.platform}-${arch}/package.json`);
  return join(dirname(manifest), 'bin', 'anvil');
}

/*
 * anvil does not watch its standard input, so a shell does: it starts anvil, prints its process id, and ends it when the
 * pipe closes. SIGINT makes anvil write its state.
 */
const GUARD =
  'exec 3<&0; "$@" </dev/null >/dev/null & p=$!; echo $p; trap "kill -INT $p" TERM INT; (cat <&3 >/dev/null; kill -INT $p 2>/dev/null) & wait $p; wait $p; exit 0';

export type ChainProcess = { child: Child; rpcUrl: string; pid: number };

/** Starts the chain; its state is in `stateFile` and comes back. Blocks are mined on demand until `setBlockTime`. */
export async function startChain(options: {
  port: number;
  stateFile: string;
  logDir: string;
  mnemonic: string;
  /** Accounts of the mnemonic that start with money. */
  accounts: number;
  /** Seconds by which the clock of a new chain is behind; one that comes back goes on where it was. */
  behindSeconds: number;
}): Promise<ChainProcess> {
  const child = await Child.start({
    name: 'chain',
    kind: 'anvil',
    command: 'sh',
    args: [
      '-c',
      GUARD,
      'guard',
      anvilPath(),
      '--port',
      String(options.port),
      '--slots-in-an-epoch',
      '1',
      '--hardfork',
      'prague',
      '--accounts',
      String(options.accounts),
      '--mnemonic',
      options.mnemonic,
      ...(existsSync(options.stateFile)
        ? []
        : ['--timestamp', String(Math.floor(systemClock.now() / 1000) - options.behindSeconds)]),
      '--state',
      options.stateFile,
      '--state-interval',
      '30',
      '--prune-history',
      '256',
    ],
    logDir: options.logDir,
    readyMs: 10_000,
  });
  const rpcUrl = `http://127.0.0.1:${options.port}`;
  const deadline = systemClock.monotonic() + 15_000;
  for (;;) {
    const isUp = await rpcCall(rpcUrl, 'eth_chainId', [], { timeoutMs: 1000 }).then(
      () => true,
      () => false,
    );
    if (isUp) break;
    if (systemClock.monotonic() > deadline) {
      await child.stop();
      throw new CodedError({
        code: 'DEVNET_CHILD_FAILED',
        kind: 'unavailable',
        message: 'the chain does not answer',
        hint: `its log is in ${options.logDir}`,
      });
    }
    await systemClock.sleep(30);
  }
  return { child, rpcUrl, pid: Number(child.firstLine) };
}

/** Sets the chain's clock to `offsetSeconds` from ours. */
export async function setClock(rpcUrl: string, offsetSeconds: number): Promise<void> {
  await rpcCall(rpcUrl, 'evm_setTime', [Math.floor(systemClock.now() / 1000) + offsetSeconds]);
}

/** From now on a block every `ms`, whether or not there are transactions. */
export async function setBlockTime(rpcUrl: string, ms: number): Promise<void> {
  await rpcCall(rpcUrl, 'evm_setAutomine', [false]);
  await rpcCall(rpcUrl, 'evm_setIntervalMining', [Math.max(1, Math.round(ms / 1000))]);
}
