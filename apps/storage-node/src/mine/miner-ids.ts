// The ids this node mines with: those the folder remembers, those the account registered and a kill made us forget, new ones.
import { type Hash32, type Logger, parseHash32, type RandomSource } from '@cairn/base';
import type { MineChain } from '@cairn/chain';
import type { NodeDatabase } from '../store/node-database.ts';

const KEY = 'miner_ids';

export async function ensureMinerIds(
  deps: { chain: MineChain; database: NodeDatabase; random: RandomSource; log: Logger },
  options: { count: number; fromBlock: number; signal: AbortSignal },
): Promise<Hash32[]> {
  const { chain, database, random, log } = deps;
  const remembered = (database.meta(KEY)?.split(',') ?? []).map((id) => parseHash32(id));
  const ids: Hash32[] = [];
  const remember = (id: Hash32): void => {
    ids.push(id);
    database.setMeta(KEY, ids.join(','));
  };
  for (const id of remembered) {
    // A retired id, or one of a chain that is gone, is of no use.
    if ((await chain.beneficiary(id)) !== undefined) ids.push(id);
  }
  if (ids.length < options.count) {
    // A kill between registration and the note above would otherwise cost a second bond.
    for (const id of await chain.ownIds(options.fromBlock)) {
      if (ids.length < options.count && !ids.includes(id)) remember(id);
    }
  }
  while (ids.length < options.count) {
    options.signal.throwIfAborted();
    const seed = BigInt(Math.floor(random.next() * 2 ** 52));
    const id = await chain.requestId(seed, options.signal);
    log.info({ minerId: id, account: chain.account }, 'miner id registered');
    remember(id);
  }
  return ids.slice(0, options.count);
}
