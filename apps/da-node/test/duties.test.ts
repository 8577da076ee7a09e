/*
 * What a node does by itself, on a real chain: which headers it takes, how long it keeps rows, how it answers challenges. The
 * nodes run in this process over their own files; a restart is the same folder and port again.
 */
import { readdir, rename, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { hexToBytes, parseAddress, seededRandom } from '@cairn/base';
import { daEntranceAbi, type TransactionSender } from '@cairn/chain';
import { challengeCall, type DaChallengeOpened, depositCall, failCall } from '@cairn/chain/da';
import { encodeRowsHead, ROWS_PATH } from '@cairn/protocol';
import { encodeHeader } from '@cairn/quorum';
import { GrpcClient } from '@cairn/rpc/grpc';
import { waitFor } from '@cairn/testkit';
import { createPublicClient, http, parseAbi } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certified, type Prepared, TestNetwork } from './network.ts';

const CHALLENGES = parseAbi(['function credits(address) view returns (uint256)']);
let network: TestNetwork;
let challenger: TransactionSender;
let seed = 1;
const payload = (bytes = 20_000): Uint8Array => seededRandom(seed++).bytes(bytes);

beforeAll(async () => {
  network = await TestNetwork.start([400, 300, 200, 100]);
  challenger = network.senderOf(0);
}, 120_000);
afterAll(() => network?.[Symbol.asyncDispose]());

/** Keys of the blobs whose rows are on the disk of node `i`. */
const onDisk = async (i: number): Promise<string[]> =>
  (await readdir(join(network.configs[i]!.dataDir, 'rows'))).map(
    (name) => `0x${name.slice(0, 64)}`,
  );
const confirmed = async (): Promise<Certified> => {
  const certified = await network.certify(await network.prepare(payload()));
  await network.confirm(certified);
  return certified;
};
/** A round of every node's loops has passed and seen the head. */
const settled = async (): Promise<void> => {
  const { number } = await network.reader.head();
  for (const node of network.nodes)
    await waitFor(() => node.watcher.watchedBlock >= number, {
      timeoutMs: 10_000,
      what: 'the watchers',
    });
};

/** Opens a challenge against node `i` for a position of its own; `offset` counts from its first. */
async function challenge(blob: Certified, i: number, offset = 0): Promise<DaChallengeOpened> {
  const { reader } = network;
  const operator = network.nodes[i]!.operator;
  const member = blob.place.quorum.members.find((one) => one.operator === operator)!;
  const { totalWeight } = blob.place.quorum;
  const first = Math.floor((4096 * member.weightBefore) / totalWeight);
  const receipt = await challenger.send(
    challengeCall(reader.contracts, {
      ...blob.leaf,
      member: member.index,
      position: first + offset,
      // Enough for twenty at once: each fourth one that is open doubles it.
      bondWei: 64n * (await reader.challengeBond(operator)),
    }),
  );
  const events = await reader.eventsOf(receipt.transactionHash as never);
  return events.find((event) => event.kind === 'challenge')!;
}
const answered = (opened: DaChallengeOpened, what: string): Promise<true> =>
  waitFor(
    async () => {
      const { number } = await network.reader.head();
      const events = await network.reader.events({
        fromBlock: opened.openedBlock,
        toBlock: number,
      });
      return events.some(
        ({ kind, ...event }) => kind === 'answered' && 'id' in event && event.id === opened.id,
      );
    },
    { timeoutMs: 15_000, what },
  );
const credit = (operator: string): Promise<bigint> =>
  createPublicClient({ transport: http(network.anvil.rpcUrl) }).readContract({
    address: network.reader.contracts.challenges,
    abi: CHALLENGES,
    functionName: 'credits',
    args: [operator as never],
  });

/** Offers a blob's head alone, as a client does that waits to be asked for the rows. */
function sentUntilRefused({
  header,
  authorization,
}: Prepared): Promise<{ answer: string; isAskedForRows: boolean }> {
  return new Promise((resolve, reject) => {
    let isAskedForRows = false;
    const outgoing = request(`http://${network.nodes[0]!.address}${ROWS_PATH}`, {
      method: 'POST',
      headers: {
        ...encodeRowsHead({ header: encodeHeader(header), authorization, member: 0 }),
        ...{ expect: '100-continue', 'content-length': 1_000_000 },
      },
    });
    outgoing.on('error', reject);
    outgoing.on('continue', () => {
      isAskedForRows = true;
      outgoing.destroy(new Error('the node asked for rows'));
    });
    outgoing.on('response', (incoming) => {
      text(incoming).then((answer) => {
        outgoing.off('error', reject).on('error', () => {});
        outgoing.destroy();
        resolve({ answer, isAskedForRows });
      }, reject);
    });
    outgoing.flushHeaders();
  });
}

describe('headers', () => {
  it.each<[string, (good: Prepared) => Partial<Prepared['header']>]>([
    ['another version', () => ({ version: 0x10 })],
    ['no bytes', () => ({ length: 0 })],
    ['more bytes than any shape takes', () => ({ length: 200_000_000, rowSize: 48_832 })],
    [
      'a row size that does not follow from the length',
      ({ header }) => ({ rowSize: header.rowSize + 64 }),
    ],
    ['a shape too large', () => ({ shape: 1, rowSize: 64 })],
    ['an expiry too far', ({ header }) => ({ expiry: header.expiry + 1000 })],
    ['an expiry too near', ({ header }) => ({ expiry: header.expiry - 400 })],
    ['a fee it does not want to pay', ({ header }) => ({ maxFee: header.maxFee - 1n })],
  ])('with %s are refused before a row travels', async (_what, change) => {
    const good = await network.prepare(payload());
    const bad = await network.prepare(payload(), change(good));
    const sent = await sentUntilRefused(bad);
    expect(sent.answer).toMatch(/header refused|no shape|out of range/);
    expect(sent.isAskedForRows).toBe(false);
    expect(await onDisk(0)).not.toContain(bad.key);
  });

  it('of other epochs, for other members, of a strange signer or cut short are refused', async () => {
    const good = await network.prepare(payload());
    const other = await network.prepare(payload(), { epoch: good.header.epoch + 1 });
    await expect(network.offer(0, other)).rejects.toThrow(/does not serve/);
    await expect(network.offer(0, good, { member: 3_000 })).rejects.toThrow(/are for member/);
    const stranger = await network.prepare(payload(), {}, 8);
    await expect(network.offer(0, good, { authorization: stranger.authorization })).rejects.toThrow(
      /authorization/,
    );
    const mirrored = mirror(good.authorization);
    await expect(network.offer(0, good, { authorization: mirrored })).rejects.toThrow(
      /authorization/,
    );
    const bytes = encodeHeader(good.header);
    await expect(network.offer(0, good, { header: bytes.slice(1) })).rejects.toThrow(/header has/);
    await network.offer(0, good);
  });

  it('of an account without balance, and beyond its balance, are refused; each counts until it is confirmed', async () => {
    const poor = network.anvil.accounts[7]!;
    const first = await network.prepare(payload(), {}, 7);
    await expect(network.offer(0, first)).rejects.toThrow(/cannot pay/);
    const { maxFee } = first.header;
    await network.payer.send(
      depositCall(network.reader.contracts, poor.address as never, 2n * maxFee),
    );
    // Three at once on a balance for two: exactly one is refused, however they interleave.
    const offers = [
      first,
      ...(await Promise.all([0, 0].map(() => network.prepare(payload(), {}, 7)))),
    ];
    const outcomes = await Promise.allSettled(offers.map((one) => network.offer(0, one)));
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });

  it('whose nonce is spent are refused', async () => {
    const { header } = await confirmed();
    const again = await network.prepare(payload(), { nonce: header.nonce });
    await expect(network.offer(0, again)).rejects.toThrow(/nonce/);
  });
});

describe('rows', () => {
  it('of a confirmed blob are kept when another batch with it is rejected', async () => {
    const prepared = await network.prepare(payload());
    const first = await network.certify(prepared);
    await network.anvil.mine(1);
    const second = await network.certify(prepared); // the same blob under a later reference block
    await network.confirm(first);
    await network.confirm(second); // its leaf is rejected: the nonce is spent
    await settled();
    for (const i of [0, 1, 2, 3]) expect(await onDisk(i)).toContain(prepared.key);
  });

  it('that stall on their way give their memory back', async () => {
    const prepared = await network.prepare(payload());
    const { header, authorization, encoded } = prepared;
    using client = new GrpcClient(network.nodes[0]!.address, 'cairn.da.v1.DANode', {
      messageBytesMax: 1 << 20,
    });
    const { rowRoot, rlc } = encoded;
    const member = prepared.place.quorum.members.findIndex(
      ({ operator }) => operator === network.nodes[0]!.operator,
    );
    const open = {
      header: encodeHeader(header),
      authorization,
      member,
      rowRoot,
      rlc,
      siblings: rlc,
    };
    const messages = (async function* () {
      yield { open };
      await new Promise(() => {}); // and nothing ever after
    })();
    const silent = client.clientStream('StoreRows', messages, { timeoutMs: 20_000 });
    const outcome = expect(silent).rejects.toMatchObject({ kind: 'timeout' });
    await waitFor(() => network.nodes[0]!.receiver.inFlightBytes > 0, {
      timeoutMs: 2000,
      what: 'the offer to hold memory',
    });
    await outcome;
    await waitFor(() => network.nodes[0]!.receiver.inFlightBytes === 0, {
      timeoutMs: 10_000,
      what: 'the memory',
    });
    await network.offer(0, prepared);
  });
});

describe('challenges', () => {
  it('are answered by the node itself, which is paid its cost out of the bond', async () => {
    const blob = await confirmed();
    const { operator } = network.nodes[1]!;
    const before = await credit(operator);
    const opened = await challenge(blob, 1);
    await network.anvil.mine(3);
    await answered(opened, 'the answer');
    const paid = (await credit(operator)) - before;
    const { baseFee, bond } = opened.raw as { baseFee: bigint; bond: bigint };
    const cost = 2n * 250_000n * baseFee;
    expect(paid).toBe(cost < bond ? cost : bond);
    expect(paid).toBeGreaterThan(0n);
  });

  it('twenty at once are all answered in time', async () => {
    const blob = await confirmed();
    const { rpc, mine } = network.anvil;
    const opened: DaChallengeOpened[] = [];
    const pending = async (): Promise<number> =>
      Number(((await rpc('txpool_status')) as { pending: string }).pending);
    const until = (count: number, what: string): Promise<true> =>
      waitFor(async () => (await pending()) >= count, { timeoutMs: 20_000, what });
    await rpc('evm_setAutomine', [false]);
    try {
      const opening = Promise.all(Array.from({ length: 20 }, (_, i) => challenge(blob, 0, i)));
      await until(20, 'twenty challenges');
      await mine(1);
      opened.push(...(await opening));
      await mine(3);
      // Deadlines leave room for ten answers or so in a block: one at a time would be too late.
      await until(16, 'sixteen answers at once');
    } finally {
      await rpc('evm_setAutomine', [true]);
    }
    await mine(1);
    for (const one of opened) await answered(one, `challenge ${one.position}`);
  });

  it('opened while the node was down, or left open by one that went down, are answered after its start', async () => {
    const blob = await confirmed();
    const { dataDir } = network.configs[2]!;
    const rows = join(dataDir, 'rows', `${blob.key.slice(2)}.rows`);
    await rename(rows, join(dataDir, 'aside')); // it sees the challenge and cannot answer it
    const before = await challenge(blob, 2);
    await network.anvil.mine(20); // further back than a pass looks by itself
    await settled();
    await network.nodes[2]!.stop();
    await rename(join(dataDir, 'aside'), rows);
    const meanwhile = await challenge(blob, 2, 1);
    await network.anvil.mine(3);
    await network.startNode(2);
    await answered(before, 'the one it had seen');
    await answered(meanwhile, 'the one it had not');
  });

  it('about rows that are lost cannot be answered: the member is slashed and jailed, once', async () => {
    const blob = await confirmed();
    const { operator } = network.nodes[3]!;
    await rm(join(network.configs[3]!.dataDir, 'rows', `${blob.key.slice(2)}.rows`));
    const opened = await challenge(blob, 3);
    const votes = (await network.reader.operator(operator)).votes;
    await network.anvil.mine(40);
    await challenger.send(failCall(network.reader.contracts, opened.raw));
    const after = await network.reader.operator(operator);
    expect(after.isJailed).toBe(true);
    expect(votes).toBe(100);
    expect(await network.reader.isChallengeOpen(opened.id)).toBe(false);
  });
});

describe('in the end', () => {
  it('rows that nobody confirmed are dropped, and four such lapses double what an account must show', async () => {
    const account = 6;
    const poor = network.anvil.accounts[account]!.address as never;
    const blobs: Prepared[] = [];
    await network.nextEpoch();
    const { maxFee } = (await network.prepare(payload(), {}, account)).header;
    await network.payer.send(depositCall(network.reader.contracts, poor, 4n * maxFee));
    for (let i = 0; i < 4; i++) {
      const blob = await network.prepare(payload(), {}, account);
      await network.offer(0, blob);
      blobs.push(blob);
    }
    await network.nextEpoch();
    await network.nextEpoch();
    await network.anvil.mine(10); // twice the window since they came
    await waitFor(
      async () => {
        const keys = await onDisk(0);
        return blobs.every(({ key }) => !keys.includes(key));
      },
      { timeoutMs: 10_000, what: 'the unconfirmed rows to be dropped' },
    );
    // A balance for four fees: with the double shown, three get in.
    for (let i = 0; i < 3; i++)
      await network.offer(0, await network.prepare(payload(), {}, account));
    const fourth = await network.prepare(payload(), {}, account);
    await expect(network.offer(0, fourth)).rejects.toThrow(/cannot pay/);
  });

  it('rows go after their expiry, but not while they are challenged', async () => {
    await network.nextEpoch();
    const [kept, gone] = [await confirmed(), await confirmed()];
    await network.nodes[0]!.stop(); // does not answer while its rows expire
    const opened = await challenge(kept, 0);
    await network.anvil.rpc('evm_increaseTime', [700]);
    await network.anvil.mine(3);
    await network.startNode(0);
    await waitFor(async () => !(await onDisk(0)).includes(gone.key), {
      timeoutMs: 10_000,
      what: 'the expired rows to be dropped',
    });
    await answered(opened, 'the challenge of an expired blob');
    await network.anvil.mine(3);
    await waitFor(async () => !(await onDisk(0)).includes(kept.key), {
      timeoutMs: 10_000,
      what: 'the rows to go once the answer is final',
    });
  });
});

describe('what a node earns', () => {
  const claims = async () => {
    const logs = await createPublicClient({
      transport: http(network.anvil.rpcUrl),
    }).getContractEvents({
      address: network.reader.contracts.entrance,
      abi: daEntranceAbi,
      eventName: 'RewardClaimed',
      fromBlock: 0n,
    });
    return logs.map(({ args }) => args);
  };

  it('is claimed when the epoch answers for nothing any more, once, and paid out', async () => {
    await network.nextEpoch();
    await network.nodes[1]!.stop();
    network.configs[1]!.rewardSeconds = 1;
    await network.startNode(1);
    const { operator } = network.nodes[1]!;
    const { header } = await confirmed();
    await settled();
    const isOurs = (claim: Awaited<ReturnType<typeof claims>>[number]): boolean =>
      parseAddress(claim.operator) === operator && claim.epoch === BigInt(header.epoch);
    expect((await claims()).filter(isOurs)).toEqual([]);
    await network.anvil.rpc('evm_increaseTime', [5000]);
    await network.anvil.mine(1);
    await waitFor(async () => (await claims()).some(isOurs) || undefined, {
      timeoutMs: 15_000,
      what: 'the reward to be claimed',
    });
    expect((await claims()).find(isOurs)!.amount).toBeGreaterThan(0n);
    await waitFor(async () => (await network.reader.credits(operator)).fees === 0n || undefined, {
      timeoutMs: 15_000,
      what: 'the reward to be paid out',
    });
    const names = (await claims()).map((one) => `${one.operator} ${one.epoch} ${one.quorum}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('is sent where the node is reached now, after it moved', async () => {
    const node = network.nodes[0]!;
    await node.stop();
    network.configs[0]!.port = 0;
    await network.startNode(0);
    const { address, operator } = network.nodes[0]!;
    expect(address).not.toBe(node.address);
    await waitFor(async () => (await network.reader.endpoint(operator)) === address || undefined, {
      timeoutMs: 10_000,
      what: 'the new endpoint to be announced',
    });
  });
});

/** The other form of a signature: `(r, n - s)` with the other parity. */
function mirror(authorization: Uint8Array): Uint8Array {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const out = new Uint8Array(authorization);
  const s = BigInt(`0x${Buffer.from(out.subarray(32, 64)).toString('hex')}`);
  out.set(hexToBytes(`0x${(order - s).toString(16).padStart(64, '0')}`), 32);
  out[64] = out[64] === 27 ? 28 : 27;
  return out;
}
