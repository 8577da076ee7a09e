import { loadKernels } from '@cairn/kernels';
import { verifyFlowProof } from '@cairn/merkle';
import type { FlowProof } from '@cairn/protocol';
import { rpcCall } from '@cairn/rpc';
import { patternBytes, waitFor } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  finalized,
  frameOf,
  framesOf,
  jsonSegment,
  makeFile,
  seen,
  segmentBytes,
  startTestNetwork,
  type TestNetwork,
} from './harness.ts';

const kernels = await loadKernels();
let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork();
});
afterAll(() => network[Symbol.asyncDispose]());

describe('a full node', () => {
  it('stores a file by frames and gives it back by every route, also after a restart', async () => {
    let node = await network.node();
    const file = makeFile(patternBytes(262_144 * 3 + 1000, 1));
    const seq = await network.submit(file);
    await seen(node.client, seq);
    expect(
      await node.client.uploadFrames(
        file.tree.root,
        { fileSize: file.bytes.length, txSeq: seq },
        framesOf(file),
      ),
    ).toBe(4);
    await finalized(node.client, seq);
    await node.stop();
    node = await network.node({ dir: node.dir });
    const info = await node.client.getFileInfo(file.tree.root, true);
    expect(info).toMatchObject({
      finalized: true,
      uploadedSegNum: 4,
      tx: { seq, size: file.bytes.length },
    });
    const frames = await node.client.downloadFrames(seq, { index: 0, count: 4 });
    for (const [i, frame] of frames.entries()) {
      expect(frame).toEqual(frameOf(file, i));
      expect(await node.client.downloadSegmentWithProofByTxSeq(seq, i)).toEqual(
        jsonSegment(file, i),
      );
    }
    const part = await rpcCall<string>(node.url, 'zgs_downloadSegment', [
      file.tree.root,
      1000,
      1100,
    ]);
    expect(new Uint8Array(Buffer.from(part, 'base64'))).toEqual(file.bytes.slice(256_000, 281_600));
    await node.stop();
  });

  it('small files share a segment; sector proofs lead to every flow root the chain had', async () => {
    const node = await network.node();
    const files = [1, 255, 256, 257, 5000, 300].map((size, i) =>
      makeFile(patternBytes(size, 10 + i)),
    );
    const seqs: number[] = [];
    for (const file of files) {
      const seq = await network.submit(file);
      seqs.push(seq);
      await seen(node.client, seq);
      await node.client.uploadSegmentsByTxSeq([jsonSegment(file, 0)], seq);
      await finalized(node.client, seq);
    }
    const last = (await node.client.getFileInfoByTxSeq(seqs.at(-1)!))!;
    const [root] = await node.client.getFlowContext();
    for (const [i, file] of files.entries()) {
      const { startEntryIndex } = (await node.client.getFileInfoByTxSeq(seqs[i]!))!.tx;
      for (const flowRoot of [null, root]) {
        const proof = await rpcCall<FlowProof>(node.url, 'zgs_getSectorProof', [
          startEntryIndex,
          flowRoot,
        ]);
        const leaf = kernels.keccak256(segmentBytes(file, 0).subarray(0, 256));
        expect(
          verifyFlowProof(kernels, { root: root as never, sector: startEntryIndex, leaf, proof }),
        ).toBe(true);
      }
    }
    expect(last.tx.startEntryIndex).toBeGreaterThan(0);
    await node.stop();
  });

  it('takes segments before their log entry and flushes them', async () => {
    const node = await network.node();
    const file = makeFile(patternBytes(400_000, 20));
    await rpcCall(node.url, 'zgs_uploadSegments', [[jsonSegment(file, 0), jsonSegment(file, 1)]]);
    expect(await node.client.getFileInfo(file.tree.root, false)).toBeNull();
    await finalized(node.client, await network.submit(file));
    await node.stop();
  });

  it('a root submitted again is finalized from its own bytes', async () => {
    const node = await network.node();
    const file = makeFile(patternBytes(300_000, 21));
    const [first, second] = [await network.submit(file), await network.submit(file)];
    await seen(node.client, second);
    await node.client.uploadFrames(
      file.tree.root,
      { fileSize: file.bytes.length, txSeq: first },
      framesOf(file),
    );
    await finalized(node.client, first);
    await finalized(node.client, second);
    const third = await network.submit(file);
    await finalized(node.client, third);
    expect(await node.client.downloadFrames(third, { index: 1, count: 1 })).toEqual([
      frameOf(file, 1),
    ]);
    await node.stop();
  });
});

describe('half shards', () => {
  it('keep their half, drop the other without an error, and finalize what needs nothing', async () => {
    const nodes = [await network.node({ shard: '0/2' }), await network.node({ shard: '1/2' })];
    const file = makeFile(patternBytes(262_144 * 4, 30));
    const tiny = makeFile(patternBytes(1, 31));
    const [seq, tinySeq] = [await network.submit(file), await network.submit(tiny)];
    for (const { client } of nodes) {
      await seen(client, tinySeq);
      expect(
        await client.uploadFrames(
          file.tree.root,
          { fileSize: file.bytes.length, txSeq: seq },
          framesOf(file),
        ),
      ).toBe(4);
      await finalized(client, seq);
    }
    await waitFor(
      async () => {
        const infos = await Promise.all(
          nodes.map(({ client }) => client.getFileInfoByTxSeq(tinySeq)),
        );
        return infos.filter((info) => info?.finalized).length === 1;
      },
      { timeoutMs: 5000, what: 'the shard that needs nothing' },
    );
    const { startEntryIndex } = (await nodes[0]!.client.getFileInfoByTxSeq(seq))!.tx;
    for (const [id, { client }] of nodes.entries()) {
      const first = (startEntryIndex / 1024) % 2 === id ? 0 : 1;
      expect(await client.downloadFrames(seq, { index: first, count: 2, stride: 2 })).toEqual([
        frameOf(file, first),
        frameOf(file, first + 2),
      ]);
      await expect(
        client.downloadFrames(seq, { index: 1 - first, count: 1 }),
      ).rejects.toMatchObject({ details: { message: 'segment not found' } });
    }
    for (const node of nodes) await node.stop();
  });
});

describe('reorgs', () => {
  it('a reverted file loses its place, is placed anew from kept bytes, and roots agree with the chain', async () => {
    const node = await network.node();
    const file = makeFile(patternBytes(500_000, 40));
    const other = makeFile(patternBytes(700_000, 41));
    const snapshot = await network.chain.rpc('evm_snapshot');
    const seq = await network.submit(file);
    await seen(node.client, seq);
    await node.client.uploadFrames(
      file.tree.root,
      { fileSize: file.bytes.length, txSeq: seq },
      framesOf(file),
    );
    await finalized(node.client, seq);
    await network.chain.rpc('evm_revert', [snapshot]);
    const otherSeq = await network.submit(other);
    expect(otherSeq).toBe(seq);
    const again = await network.submit(file);
    await finalized(node.client, again);
    expect(await node.client.getFileInfoByTxSeq(otherSeq)).toMatchObject({
      finalized: false,
      tx: { dataMerkleRoot: other.tree.root },
    });
    expect(await node.client.downloadFrames(again, { index: 0, count: 2 })).toEqual(framesOf(file));
    await node.client.uploadFrames(
      other.tree.root,
      { fileSize: other.bytes.length, txSeq: otherSeq },
      framesOf(other),
    );
    await finalized(node.client, otherSeq);
    expect(await node.client.downloadFrames(otherSeq, { index: 0, count: 3 })).toEqual(
      framesOf(other),
    );
    await node.stop();
  });
});
