// The chain and its endpoint: reorganised, limited, broken, old, another.
import { startTestChain, waitFor } from '@cairn/testkit';
import { type RpcFault, startBadRpc } from '../src/bad-rpc.ts';
import { metric, seen, servedCounts, startSite } from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const SEGMENT = 262_144;
const FAULTS: readonly Exclude<RpcFault, 'none'>[] = [
  'limits',
  'fails',
  'truncates',
  'says nonsense',
  'is stale',
  'is another',
];
/** Requests that must have met the fault before it ends: several looks at the chain. */
const SPOILED_MIN = 6;

/** A node whose endpoint turns bad with a file stored and blocks going on, and good again. */
async function badRpc({ size, seed, signal, log }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  await using other = await startTestChain({ chainId: 5 });
  await using rpc = await startBadRpc(site.chain.rpcUrl, other.rpcUrl);
  const node = await site.start('node', [], { rpcUrl: rpc.url });
  const file = await site.put(node, 4 * SEGMENT, seed);
  let last = file;
  for (let round = 0; round < size; round++)
    for (const [f, fault] of FAULTS.entries()) {
      signal.throwIfAborted();
      log(fault);
      const expectKept = async (when: string): Promise<void> => {
        const counts = await servedCounts(node, file);
        observed.expect(counts.true === 4, `${fault}, ${when}: served ${JSON.stringify(counts)}`);
        const info = await node.client.getFileInfoByTxSeq(last.seq);
        observed.expect(info !== null, `${fault}, ${when}: submission ${last.seq} was forgotten`);
      };
      // The last submission is among the blocks that a stale endpoint does not know.
      last = await site.submit(1000 + round * 10 + f, seed * 1000 + round * 10 + f);
      await seen(node, last.seq);
      rpc.set(fault, { staleBlocks: 2 });
      await waitFor(() => rpc.spoiled >= SPOILED_MIN, {
        timeoutMs: 60_000,
        what: `looks at a chain that ${fault}`,
      });
      observed.count++;
      await expectKept('while it lasts');
      const next = await site.submit(2000 + round * 10 + f, seed * 1000 + 500 + round * 10 + f);
      rpc.set('none');
      await seen(node, next.seq);
      await expectKept('afterwards');
    }
  const stored = await metric(node, 'storage_node_store_segments');
  observed.expect(stored === 4, `${stored} segments are stored instead of 4`);
  const fresh = await site.start('fresh');
  const { nextTxSeq } = await node.client.getStatus();
  await seen(fresh, nextTxSeq - 1);
  const [ours, theirs] = [await node.client.getFlowContext(), await fresh.client.getFlowContext()];
  observed.expect(ours.join() === theirs.join(), `flow ${ours.join()} instead of ${theirs.join()}`);
  await node.process.stop();
  return observed.seen();
}

export const chainRows: readonly FaultRow[] = [
  testRow({
    id: 'reorg-follow',
    family: 'chain',
    injection: 'reorganisations 1 to 20 blocks deep under a log follower, and one while it is down',
    pass: 'every entry undone and read again; equal to a fresh replay',
    size: { full: 24, short: 4 },
    unit: 'reorganisations',
    project: 'unit',
    file: 'libs/chain/test/chain.test.ts',
    name: 'comes out right after reorgs of 1 to 20 blocks',
  }),
  testRow({
    id: 'reorg-upload',
    family: 'chain',
    injection:
      'reorganisations 1 to 20 deep in the middle of an upload, some with another file in its place',
    pass: 'submitted again, stored whole, read back byte-equal',
    size: { full: 1, short: 1 },
    unit: 'reorganisations',
    project: 'e2e',
    file: 'e2e/test/faults.test.ts',
    name: 'a chain that is reorganized with uploads in flight',
  }),
  {
    id: 'bad-rpc',
    family: 'chain',
    injection:
      'the chain endpoint of a node answers 429, 500, half of the JSON, nonsense, as of two blocks ago, or as another chain',
    pass: 'nothing stored is dropped, no submission forgotten, everything stays served; it catches up afterwards',
    size: { full: 8, short: 1 },
    unit: 'bad endpoints',
    run: badRpc,
  },
];
