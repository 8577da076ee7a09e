// What mining costs an upload: one node that mines at half its threads' time, and the same with mining stopped, in turns.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEVNET } from '@cairn/protocol';
import { bytesSource, createStorageClient } from '@cairn/sdk';
import { patternBytes, startStorageNode, startTestChain, waitFor } from '@cairn/testkit';
import { timed } from '../samples.ts';

const MIB = 1024 * 1024;
export const UPLOAD_BYTES: number = 64 * MIB;
/** So long that no round leaves it. */
const EPOCH_BLOCKS = 4000;

/** What a method of a node's admin RPC gives. */
export async function askAdmin(adminUrl: string, method: string): Promise<unknown> {
  const response = await fetch(adminUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] }),
  });
  return ((await response.json()) as { result?: unknown }).result;
}

/** Milliseconds of each round's upload: while the node mines, and while it does not. */
export async function uploadBesideMining(
  dir: string,
  rounds: number,
  signal: AbortSignal | undefined,
): Promise<{ mining: number[]; idle: number[] }> {
  await using stack = new AsyncDisposableStack();
  const chain = stack.use(
    await startTestChain({
      preset: {
        blocksPerEpoch: EPOCH_BLOCKS,
        // Nothing is found: the search alone is what runs.
        mine: { ...DEVNET.mine, targetMineBlocks: 2000, difficulty: 2n ** 200n },
      },
    }),
  );
  const keyFile = join(dir, 'mine.key');
  writeFileSync(keyFile, chain.accounts[2]!.privateKey);
  const node = stack.use(
    await startStorageNode(chain, join(dir, 'mining-node'), [
      ...['--mine-key-file', keyFile],
      ...['--mine-contract-address', chain.deployment.contracts.mine!],
      ...['--mine-cpu', '50'],
      ...['--mine-query-ms', '100'],
    ]),
  );
  const admin = (method: string): Promise<unknown> => askAdmin(String(node.ready.adminUrl), method);
  const client = await createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[1]!.privateKey,
    nodeUrls: [String(node.ready.url)],
  });
  const bytes = patternBytes(UPLOAD_BYTES, 1);
  let files = 0;
  const upload = (): Promise<number> => {
    // Other bytes each time: equal ones are not sent.
    new DataView(bytes.buffer).setUint32(0, ++files);
    return timed(() => client.upload(bytesSource(bytes), { replicas: 1 }));
  };
  await upload();
  await chain.mine(EPOCH_BLOCKS + 1);
  const isMining = async (): Promise<boolean> => {
    const status = (await admin('miner_getStatus')) as {
      loadsPerSecond: number;
      miners: { state: string; sealBacklogLoads: number }[];
    } | null;
    const id = status?.miners[0];
    return id?.state === 'mining' && status!.loadsPerSecond > 0;
  };
  const samples = { mining: [] as number[], idle: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    signal?.throwIfAborted();
    await waitFor(isMining, { timeoutMs: 60_000, what: 'the node to mine' });
    const mining = await upload();
    await admin('miner_stop');
    const idle = await upload();
    await admin('miner_start');
    if (round < 0) continue; // the first round warms up
    samples.mining.push(mining);
    samples.idle.push(idle);
  }
  return samples;
}
