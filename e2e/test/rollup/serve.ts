import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY, startProcess, type TestProcess, waitFor } from '@cairn/testkit';
import { afterAll, expect, it } from 'vitest';
import { OpClient } from '../../src/op-client.ts';
import { inputOf, type OnRollups } from '../../src/rollup-network.ts';
import { startStorageLane } from '../../src/storage-lane.ts';

/** What the suites after this one find in the archive, and how to read it. */
export type ServedArchive = {
  input: Uint8Array;
  commitment: Uint8Array;
  /** `cairn da serve` on the data of before. */
  start(extra?: readonly string[]): Promise<TestProcess>;
};

/** `cairn da serve` with a storage network, the example posters, the archive. Gives out what it archived. */
export function daServe(on: OnRollups): () => ServedArchive {
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync());
  let archive: ServedArchive | undefined;

  it('serves posters of both stacks and archives their blobs', async () => {
    const { network } = on();
    const { rpcUrl, accounts } = network.anvil;
    const { indexerUrl } = stack.use(await startStorageLane(network));
    const keyFile = join(network.dir, 'serve.key');
    writeFileSync(keyFile, accounts[6]!.privateKey, { mode: 0o600 });
    const dataDir = join(network.dir, 'serve');
    // Blobs and their copies are paid from one account: its senders must not take each other's nonces.
    const start = async (extra: readonly string[] = []): Promise<TestProcess> =>
      stack.use(
        await startProcess('apps/cli/src/main.ts', [
          ...['da', 'serve', '--rpc', rpcUrl, '--entrance', network.reader.contracts.entrance],
          ...['--indexer', indexerUrl, '--data-dir', dataDir],
          ...['--key-file', keyFile, '--op-port', '0', '--nitro-port', '0', ...extra],
        ]),
      );
    const served = await start();
    const example = async (name: string, ...args: string[]): Promise<unknown> => {
      const program = join(REPOSITORY, 'e2e/examples', name);
      const command = ['--conditions=source', program, ...args];
      return JSON.parse((await promisify(execFile)(process.execPath, command)).stdout);
    };
    const url = String(served.ready.op);
    const [frames, batches] = await Promise.all([
      example('op-poster.ts', url, '8', '4'),
      example('nitro-poster.ts', String(served.ready.nitro), '2'),
    ]);
    expect(frames).toMatchObject({ frames: 8, onDa: 8, verified: 8 });
    expect(batches).toEqual({ batches: 2, onDa: 2, verified: 2 });

    const mine = new OpClient(url);
    const input = inputOf(30_000, 61);
    const commitment = await mine.put(input);
    await waitFor(
      async () =>
        JSON.parse((await mine.request('/config')).text).archive.waiting === 0 || undefined,
      { timeoutMs: 60_000, what: 'the archive to have every blob' },
    );
    await served.stop('SIGINT');
    rmSync(join(dataDir, 'payloads'), { recursive: true });
    archive = { input, commitment, start };
  });
  return () => archive!;
}
