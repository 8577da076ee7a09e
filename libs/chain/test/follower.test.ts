// What a follower does when its endpoint is wrong rather than the chain: old, or another. The chain is a list of blocks.
import { type Hash32, silentLogger } from '@cairn/base';
import { expect, it } from 'vitest';
import { type BlockHeader, type ChainReader, LogFollower, type Submission } from '../src/index.ts';
import { MemorySink } from './memory-sink.ts';

const CHAIN = 31_337;

/** A chain of `length` blocks that differ from another fork's from `forkAt` on; a submission in every block. */
function makeChain(length: number, fork = 0, forkAt = 0): BlockHeader[] {
  const hash = (number: number): Hash32 =>
    `0x${(number < forkAt ? 0 : fork).toString(16).padStart(32, '0')}${number.toString(16).padStart(32, '0')}` as Hash32;
  return Array.from({ length }, (_, number) => ({
    number,
    hash: hash(number),
    parentHash: hash(number - 1),
    timestamp: number,
  }));
}

/** An endpoint that knows these blocks. */
class Endpoint implements Partial<ChainReader> {
  blocks: BlockHeader[];
  id = CHAIN;

  constructor(blocks: BlockHeader[]) {
    this.blocks = blocks;
  }

  chainId = async (): Promise<number> => this.id;
  head = async (): Promise<BlockHeader> => this.blocks.at(-1)!;
  block = async (number: number): Promise<BlockHeader | undefined> => this.blocks[number];
  submissions = async ({
    fromBlock,
    toBlock,
  }: {
    fromBlock: number;
    toBlock: number;
  }): Promise<Submission[]> =>
    this.blocks
      .slice(fromBlock, toBlock + 1)
      .map(
        ({ number, hash }) => ({ seq: number, blockNumber: number, blockHash: hash }) as Submission,
      );
}

function follow(endpoint: Endpoint): { sink: MemorySink; follower: LogFollower } {
  const sink = new MemorySink();
  const follower = new LogFollower(
    { reader: endpoint as unknown as ChainReader, sink, log: silentLogger },
    { startBlock: 0, confirmationBlocks: 0, pollMs: 60_000, pageBlocks: 7, chainId: CHAIN },
  );
  follower.start();
  return { sink, follower };
}

it('an endpoint that is some blocks behind is waited for: nothing is undone', async () => {
  const endpoint = new Endpoint(makeChain(30));
  const { sink, follower } = follow(endpoint);
  await follower.trigger();
  expect(sink.submissions).toHaveLength(30);
  endpoint.blocks = makeChain(25);
  await follower.trigger();
  expect([sink.reverts, sink.submissions.length]).toEqual([0, 30]);
  endpoint.blocks = makeChain(32);
  await follower.trigger();
  expect([sink.reverts, sink.submissions.length]).toEqual([0, 32]);
  await follower.stop();
});

it('a fork that is shorter is a reorganisation all the same', async () => {
  const endpoint = new Endpoint(makeChain(30));
  const { sink, follower } = follow(endpoint);
  await follower.trigger();
  endpoint.blocks = makeChain(28, 1, 20);
  await follower.trigger();
  expect(sink.reverts).toBe(1);
  expect(sink.blocks).toEqual(endpoint.blocks.map(({ number, hash }) => ({ number, hash })));
  await follower.stop();
});

it.each([10, 30, 50])(
  'an endpoint that serves another chain of %i blocks undoes nothing, and is followed again when it is right',
  async (length) => {
    const endpoint = new Endpoint(makeChain(30));
    const { sink, follower } = follow(endpoint);
    await follower.trigger();
    endpoint.blocks = makeChain(length, 7);
    endpoint.id = 5;
    await follower.trigger();
    expect([sink.reverts, sink.submissions.length]).toEqual([0, 30]);
    endpoint.blocks = makeChain(31);
    endpoint.id = CHAIN;
    await follower.trigger();
    expect([sink.reverts, sink.submissions.length]).toEqual([0, 31]);
    await follower.stop();
  },
);

it('an endpoint that turns to another chain and back while it is looked at undoes nothing', async () => {
  const endpoint = new Endpoint(makeChain(30));
  const { sink, follower } = follow(endpoint);
  await follower.trigger();
  endpoint.blocks = makeChain(40, 7);
  endpoint.chainId = async () => {
    endpoint.blocks = makeChain(31);
    return CHAIN;
  };
  await follower.trigger();
  await follower.trigger();
  expect([sink.reverts, sink.submissions.length]).toEqual([0, 31]);
  await follower.stop();
});
