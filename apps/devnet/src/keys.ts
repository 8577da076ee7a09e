import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, type Hex, parseAddress } from '@cairn/base';
import { mnemonicToAccount } from 'viem/accounts';
import { DA_NODES_MAX } from './options.ts';

/** The well-known development mnemonic; these keys are worth nothing anywhere else. */
export const MNEMONIC = 'test test test test test test test test test test test junk';

/** Which accounts of the mnemonic are whose, in order. */
export const ACCOUNTS = {
  /** Those that people use; the first also deploys. */
  user: { first: 0, count: 5, prefix: '' },
  /** Full storage nodes and one for each part. */
  miner: { first: 5, count: 32, prefix: 'miner-' },
  daNode: { first: 37, count: DA_NODES_MAX, prefix: 'da-' },
  disperser: { first: 37 + DA_NODES_MAX, count: 1, prefix: 'disperser-' },
  /** What storage nodes stake and sign receipts with. */
  provider: { first: 38 + DA_NODES_MAX, count: 32, prefix: 'provider-' },
  /** What the disperser pays the archive of rollups with. */
  archive: { first: 70 + DA_NODES_MAX, count: 1, prefix: 'archive-' },
} as const;
export const ACCOUNTS_FUNDED = ACCOUNTS.archive.first + ACCOUNTS.archive.count;

export type DevelopmentKey = { address: Address; privateKey: Hex; privateKeyFile: string };

/** Key files `<prefix><index>.key` of the first `count` accounts of a kind, readable by their owner only. */
export function writeKeys(
  dir: string,
  kind: keyof typeof ACCOUNTS,
  count: number = ACCOUNTS[kind].count,
): DevelopmentKey[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { first, prefix } = ACCOUNTS[kind];
  return Array.from({ length: count }, (_, i) => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex: first + i });
    const privateKey = `0x${Buffer.from(account.getHdKey().privateKey!).toString('hex')}` as Hex;
    const privateKeyFile = join(dir, `${prefix}${i}.key`);
    writeFileSync(privateKeyFile, `${privateKey}\n`, { mode: 0o600 });
    return { address: parseAddress(account.address), privateKey, privateKeyFile };
  });
}
