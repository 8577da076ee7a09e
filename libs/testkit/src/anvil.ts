import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Hex } from '@cairn/base';
import { deployStorage } from '@cairn/contracts/deploy';
import { DEVNET, type Deployment, type Preset } from '@cairn/protocol';
import { mnemonicToAccount } from 'viem/accounts';
import { freePort, waitFor } from './net.ts';

const MNEMONIC = 'test test test test test test test test test test test junk';

export type TestAccount = { address: string; privateKey: Hex };
export type Anvil = AsyncDisposable & {
  rpcUrl: string;
  pid: number;
  accounts: TestAccount[];
  /** One raw JSON-RPC call. */
  rpc(method: string, params?: unknown[]): Promise<unknown>;
  /** Mines `count` blocks. */
  mine(count: number): Promise<void>;
  stop(): Promise<void>;
};

/** The anvil binary inside its platform package; the launcher beside it would hide the real process id. */
export function anvilPath(): string {
  const require = createRequire(
    createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json'),
  );
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const manifest = require.resolve(`@foundry-rs/anvil-${process.platform}-${arch}/package.json`);
  return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil');
}

/** Starts a chain on a free port. Without `blockTimeMs` each transaction mines its own block. */
export async function startAnvil(
  options: { blockTimeMs?: number; chainId?: number } = {},
): Promise<Anvil> {
  const port = await freePort();
  const child = spawn(
    anvilPath(),
    [
      '--port',
      String(port),
      '--silent',
      '--slots-in-an-epoch',
      '1',
      '--chain-id',
      String(options.chainId ?? 31337),
      '--hardfork',
      'prague',
    ],
    { stdio: 'ignore' },
  );
  const rpcUrl = `http://127.0.0.1:${port}`;
  const rpc = async (method: string, params: unknown[] = []): Promise<unknown> => {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const body = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (body.error) throw new Error(`${method}: ${body.error.message}`);
    return body.result;
  };
  await waitFor(
    () =>
      rpc('eth_chainId').then(
        () => true,
        () => false,
      ),
    { timeoutMs: 20_000, what: 'anvil' },
  );
  if (options.blockTimeMs) await rpc('evm_setIntervalMining', [options.blockTimeMs / 1000]);
  const accounts = Array.from({ length: 10 }, (_, addressIndex) => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex });
    const key = account.getHdKey().privateKey!;
    return {
      address: account.address.toLowerCase(),
      privateKey: `0x${Buffer.from(key).toString('hex')}` as Hex,
    };
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  };
  return {
    rpcUrl,
    pid: child.pid!,
    accounts,
    rpc,
    mine: async (count) => {
      await rpc('anvil_mine', [`0x${count.toString(16)}`]);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export type TestChain = Anvil & { deployment: Deployment };

/** A chain with the storage contracts on it. */
export async function startTestChain(
  options: { preset?: Partial<Preset>; chainId?: number } = {},
): Promise<TestChain> {
  const anvil = await startAnvil(options.chainId === undefined ? {} : { chainId: options.chainId });
  const deployment = await deployStorage({
    rpcUrl: anvil.rpcUrl,
    privateKey: anvil.accounts[0]!.privateKey,
    preset: { ...DEVNET, ...options.preset },
  });
  return { ...anvil, deployment };
}

/** Folder of this repository, for tests that start its programs. */
export const REPOSITORY: string = fileURLToPath(new URL('../../..', import.meta.url));
