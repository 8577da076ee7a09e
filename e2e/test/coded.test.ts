// Erasure-coded files over real nodes: read with half of them gone, rebuilt on fresh ones.
import { BytesSink, bytesSource } from '@cairn/sdk';
import { patternBytes } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNetwork, type TestNetwork } from '../src/network.ts';

const MIB = 1024 * 1024;
const SHARDS = 8;

describe('a coded file on eight nodes of one shard each', () => {
  const bytes = patternBytes(16 * MIB + 12_345, 500);
  let network: TestNetwork;
  let root: string;
  beforeAll(async () => {
    network = await startNetwork(Array.from({ length: SHARDS }, (_, id) => [id, SHARDS] as const));
    const client = await network.client();
    const stored = await client.uploadStream(bytesSource(bytes), { code: 32 });
    root = stored.parts[0]!.root;
    expect(stored.parts[0]!.parity).toMatchObject({ code: 32, size: 24 * MIB });
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  const read = async (ids: readonly number[], range?: { start: number; end: number }) => {
    const client = await network.client(ids.map((id) => network.nodes[id]!.url));
    const { start, end } = range ?? { start: 0, end: bytes.length };
    const sink = new BytesSink(end - start, start);
    const result = await client.download(root, sink, range ? { range } : {});
    expect(Buffer.from(bytes.subarray(start, end)).equals(sink.bytes)).toBe(true);
    return result;
  };

  it.each([[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[0, 2, 4, 6]], [[1, 2, 4, 7]]])(
    'reads back from nodes %j alone',
    async (ids) => {
      const result = await read(ids);
      expect(result.rebuiltSegments).toBeGreaterThan(20);
    },
  );
});
