import { join } from 'node:path';
import { deployStorage } from '@cairn/contracts/deploy';
import { DEVNET } from '@cairn/protocol';
import { startIndexer, startStorageNode } from '@cairn/testkit';
import type { DaNetwork } from './da-network.ts';

/** A storage network of one node on the chain of a DA network. */
export async function startStorageLane({
  anvil,
  dir,
}: Pick<DaNetwork, 'anvil' | 'dir'>): Promise<AsyncDisposable & { indexerUrl: string }> {
  await using stack = new AsyncDisposableStack();
  const { rpcUrl, accounts } = anvil;
  // A block for each transaction meanwhile: by the clock a deployment takes a dozen seconds.
  await anvil.rpc('evm_setAutomine', [true]);
  const { privateKey } = accounts[0]!;
  const deployment = await deployStorage({ rpcUrl, privateKey, preset: DEVNET });
  await anvil.rpc('evm_setIntervalMining', [1]);
  const node = stack.use(await startStorageNode({ rpcUrl, deployment }, join(dir, 'storage')));
  const indexer = stack.use(await startIndexer([String(node.ready.url)]));
  const owned = stack.move();
  return {
    indexerUrl: String(indexer.ready.url),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
