import { CodedError, type DataRoot, seededRandom } from '@cairn/base';
import type { CustodyReader } from '@cairn/chain/custody';
import { loadKernels } from '@cairn/kernels';
import { fileTreeOfBytes } from '@cairn/merkle';
import type { SignedReceipt } from '@cairn/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeDirectory } from '../src/nodes.ts';
import { checkReceipt, collectReceipts, coverage } from '../src/receipts.ts';

const kernels = await loadKernels();
const bytes = seededRandom(7).bytes(5 * 262_144);
const tree = fileTreeOfBytes(kernels, bytes);
const place = { root: tree.root, size: bytes.length, txSeq: 3, startSector: 8192 };
const CONTRACT = `0x${'cc'.repeat(20)}` as SignedReceipt['contract'];
const expected = { chainId: 31_337, contract: CONTRACT };

function signed(provider: number, [shardId, numShard]: [number, number]): SignedReceipt {
  return {
    receipt: {
      txSeq: place.txSeq,
      flowRoot: `0x${'11'.repeat(32)}` as DataRoot,
      startPos: place.startSector,
      sectors: 5 * 1024,
      dataRoot: tree.root,
      shardId,
      numShard,
      issuedAt: 1000,
      expiry: 1600,
      provider: `0x${provider.toString(16).padStart(40, '0')}` as SignedReceipt['contract'],
      serial: `0x${provider.toString(16).padStart(64, '0')}` as DataRoot,
    },
    signature: `0x${'00'.repeat(65)}`,
    ...expected,
  };
}

/** Nodes that give these receipts, and a chain that refuses the providers named. */
function network(given: (SignedReceipt | null | Error)[], refused: number[] = []) {
  const info = {
    tx: {
      dataMerkleRoot: tree.root,
      merkleNodes: tree.submissionNodes.map(({ root, height }) => [height + 1, root]),
    },
  };
  const directory = {
    writable: async () =>
      given.map((receipt, i) => ({
        client: {
          url: `http://node-${i}`,
          getFileInfoByTxSeq: async () => info,
          getReceipt: async () => {
            if (receipt instanceof Error) throw receipt;
            return receipt;
          },
        },
        shard: { shardId: 0, numShard: 1 },
      })),
  } as unknown as NodeDirectory;
  const custody = {
    contract: CONTRACT,
    parameters: async () => ({ chainId: expected.chainId }),
    submission: async () => ({ startSector: place.startSector, size: place.size }),
    checkReceipt: async ({ receipt }: SignedReceipt) => {
      if (refused.includes(Number(receipt.provider)))
        throw new CodedError({ code: 'CHAIN_REVERTED', kind: 'invalid', message: 'NotSigned' });
    },
  } as unknown as CustodyReader;
  return { kernels, directory, custody };
}

describe('receipts of a stored file', () => {
  it('are enough when every segment is promised by so many different providers', async () => {
    const given = [signed(1, [0, 1]), signed(2, [0, 2]), signed(3, [1, 2])];
    const receipts = await collectReceipts(network(given), place, { count: 2 });
    expect(receipts).toHaveLength(3);
    await expect(
      collectReceipts(network(given), place, { count: 3, timeoutMs: 0 }),
    ).rejects.toMatchObject({ code: 'SDK_RECEIPTS_SHORT', details: { wanted: 3, covered: 2 } });
  });

  it('of one provider under many names count once', async () => {
    const given = [signed(1, [0, 1]), signed(1, [0, 1])];
    await expect(
      collectReceipts(network(given), place, { count: 2, timeoutMs: 0 }),
    ).rejects.toMatchObject({ details: { covered: 1 } });
  });

  it('are not believed when the chain refuses them, and a node of 0G is no failure of the others', async () => {
    const given = [signed(1, [0, 1]), signed(2, [0, 1]), null, new Error('method not found')];
    await expect(
      collectReceipts(network(given, [2]), place, { count: 2, timeoutMs: 0 }),
    ).rejects.toMatchObject({
      details: {
        covered: 1,
        refusals: {
          'http://node-1': 'NotSigned',
          'http://node-2': 'has no receipt to give yet',
          'http://node-3': 'method not found',
        },
      },
    });
    expect(await collectReceipts(network(given, [2]), place, { count: 1 })).toHaveLength(1);
  });

  it('are refused for every field that is not the chain’s', () => {
    const good = signed(1, [0, 1]);
    expect(() => checkReceipt(good, place, expected)).not.toThrow();
    const other = `0x${'ab'.repeat(32)}` as DataRoot;
    for (const [field, value] of Object.entries({
      txSeq: 4,
      startPos: 8193,
      sectors: 5 * 1024 - 1,
      dataRoot: other,
    })) {
      const wrong = { ...good, receipt: { ...good.receipt, [field]: value } };
      expect(() => checkReceipt(wrong, place, expected), field).toThrow(`the receipt's ${field}`);
    }
    expect(() => checkReceipt({ ...good, chainId: 1 }, place, expected)).toThrow('chainId');
    const foreign = { ...good, contract: `0x${'dd'.repeat(20)}` as SignedReceipt['contract'] };
    expect(() => checkReceipt(foreign, place, expected)).toThrow('contract');
  });

  it('cover what counting segment by segment says', () => {
    const shard = fc
      .tuple(fc.nat(3), fc.nat(7))
      .map(([log, id]): [number, number] => [id % 2 ** log, 2 ** log]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), shard), { maxLength: 12 }),
        fc.integer({ min: 1, max: 20 * 262_144 }),
        fc.nat(50),
        (all, size, firstSegment) => {
          const receipts = all.map(([provider, of]) => signed(provider, of));
          const where = { ...place, size, startSector: firstSegment * 1024 };
          let least = Number.POSITIVE_INFINITY;
          for (let i = 0; i < Math.ceil(size / 262_144); i++) {
            const holders = receipts.filter(
              ({ receipt }) => (firstSegment + i) % receipt.numShard === receipt.shardId,
            );
            least = Math.min(least, new Set(holders.map(({ receipt }) => receipt.provider)).size);
          }
          expect(coverage(where, receipts)).toBe(least);
        },
      ),
    );
  });
});
