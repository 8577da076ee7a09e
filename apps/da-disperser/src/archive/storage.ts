import { type ChainAccount, openAccount } from '@cairn/chain';
import { readKeyFile } from '@cairn/config';
import type { Kernels } from '@cairn/kernels';
import { createHttpTransport } from '@cairn/rpc/node';
import { createStorageClient, type StorageClient } from '@cairn/sdk';
import type { DisperserConfig } from '../config.ts';
import type { OpenStorage } from './archiver.ts';

/**
 * The storage network that blobs are archived to, opened when first needed and again after a failure; undefined when the settings
 * name none. `account` pays unless they name another key.
 */
export function openStorage(
  { account, kernels }: { account: ChainAccount; kernels: Kernels },
  config: Pick<DisperserConfig, 'chainRpcUrl' | 'archiveIndexerUrl' | 'archiveKeyFile'>,
): OpenStorage | undefined {
  const { chainRpcUrl: rpcUrl, archiveIndexerUrl: indexerUrl, archiveKeyFile } = config;
  if (indexerUrl === undefined) return undefined;
  const own =
    archiveKeyFile === undefined
      ? undefined
      : openAccount({ rpcUrl, privateKey: readKeyFile(archiveKeyFile), pollMs: 100 });
  // The same key in another file is the same account: its senders take turns.
  const payer = own && own.address !== account.address ? own : account;
  let opened: Promise<StorageClient> | undefined;
  return () => {
    opened ??= createStorageClient({
      account: payer,
      indexerUrl,
      kernels,
      transport: createHttpTransport(),
    });
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
}
