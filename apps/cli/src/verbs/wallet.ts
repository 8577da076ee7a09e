import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CodedError, type Hex } from '@cairn/base';
import { readKeyFile } from '@cairn/config';
import { createPublicClient, formatEther, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { usage } from '../args.ts';
import { cairnHome, resolveNetwork } from '../context.ts';
import { printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

export const wallet: Verb = {
  name: 'wallet',
  summary: 'make a key, show its address or balance',
  usage: 'cairn wallet new|show|balance [--key-file FILE]',
  flags: {},
  async run({ positionals, global }) {
    const [action] = positionals;
    if (action === 'new') {
      const path = resolve(global.keyFile ?? join(cairnHome(), 'wallet.key'));
      const key = `0x${randomBytes(32).toString('hex')}` as Hex;
      mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
      try {
        writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx' });
      } catch (error) {
        throw new CodedError({
          code: 'CLI_EXISTS',
          kind: 'conflict',
          message: `${path} cannot be created (a key there is never overwritten)`,
          hint: 'name another file with --key-file',
          cause: error,
        });
      }
      const { address } = privateKeyToAccount(key);
      printResult(global.json, { address, keyFile: path }, [
        `address   ${address}`,
        `key file  ${path} (keep it secret, back it up)`,
      ]);
      return 0;
    }
    if (action !== 'show' && action !== 'balance')
      throw usage('wallet takes new, show or balance', this.usage);
    const network = action === 'balance' || !global.keyFile ? resolveNetwork(global) : undefined;
    const key = global.keyFile ? readKeyFile(global.keyFile) : network?.privateKey;
    if (!key) throw usage('there is no key yet', 'make one with cairn wallet new');
    const { address } = privateKeyToAccount(key);
    if (action === 'show') {
      printResult(global.json, { address }, [`address   ${address}`]);
      return 0;
    }
    if (!network?.rpcUrl) throw usage('wallet balance needs --rpc URL');
    const balance = await createPublicClient({ transport: http(network.rpcUrl) }).getBalance({
      address,
    });
    printResult(global.json, { address, balanceWei: balance }, [
      `address   ${address}`,
      `balance   ${formatEther(balance)}`,
    ]);
    return 0;
  },
};
