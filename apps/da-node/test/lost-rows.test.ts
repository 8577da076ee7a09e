/*
 * Rows that go missing or rot on a member's disk, on a real chain with real files: nothing wrong is served, nothing is signed for
 * them, and they come back from the other members.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hexToBytes, seededRandom } from '@cairn/base';
import { challengeCall } from '@cairn/chain/da';
import { batchRoot } from '@cairn/quorum';
import { waitFor } from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Certified, TestNetwork } from './network.ts';

/** Of 4,096 rows 1,638, 1,229, 819, 410; K is 1,024. */
const STAKES = [400, 300, 200, 100];
const SCRUB = 64 * 1024 * 1024;
let network: TestNetwork;
let seed = 100;

beforeAll(async () => {
  network = await TestNetwork.start(STAKES);
}, 120_000);
afterAll(() => network?.[Symbol.asyncDispose]());

const confirmed = async (): Promise<Certified> => {
  const certified = await network.certify(
    await network.prepare(seededRandom(seed++).bytes(20_000)),
  );
  await network.confirm(certified);
  return certified;
};
const fileOf = (i: number, { key }: Certified): string =>
  join(network.configs[i]!.dataDir, 'rows', `${key.slice(2)}.rows`);
/** Runs `change` on what a node has on its disk while it is down; it looks for damage from then on if `scrubs`. */
const whileDown = async (
  i: number,
  scrubs: boolean,
  change: () => Promise<unknown>,
): Promise<void> => {
  await network.nodes[i]!.stop();
  await change();
  network.configs[i]!.scrubBytesPerSecond = scrubs ? SCRUB : 0;
  await network.startNode(i);
};
const flip = async (path: string, at: number): Promise<void> => {
  const bytes = await readFile(path);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
};
const comesBack = (path: string, whole: Uint8Array): Promise<true> =>
  waitFor(async () => whole.length > 0 && (await sameFile(path, whole)), {
    timeoutMs: 20_000,
    what: 'the rows to be back',
  });
const sameFile = async (path: string, whole: Uint8Array): Promise<boolean> => {
  const found = await readFile(path).catch(() => undefined);
  return found !== undefined && Buffer.compare(found, whole) === 0;
};
const rowsOf = async (i: number, { key }: Certified): Promise<number[]> => {
  const client = network.members.at(network.nodes[i]!.address);
  const request = { blobKey: hexToBytes(key), indices: [], withoutRlc: true };
  const indices: number[] = [];
  for await (const part of client.getRows(request, { timeoutMs: 5000 }))
    if ('row' in part) indices.push(part.row.index);
  return indices;
};
/** Asks node `i` to sign a batch of one blob. */
const sign = async (i: number, { key, header }: Certified): Promise<unknown> => {
  const batch = {
    ...{ epoch: header.epoch, quorum: header.quorum, blobs: 1, expiry: header.expiry },
    referenceBlock: (await network.reader.head()).number,
    root: hexToBytes(batchRoot([key])),
  };
  const client = network.members.at(network.nodes[i]!.address);
  return client.signBatch(batch, [hexToBytes(key)], { timeoutMs: 5000 });
};

it('damage of every kind that came while the node was down is found at its start and healed', async () => {
  const [gone, row, table, head] = [
    await confirmed(),
    await confirmed(),
    await confirmed(),
    await confirmed(),
  ];
  const blobs = [gone, row, table, head];
  const paths = blobs.map((blob) => fileOf(0, blob));
  const whole = await Promise.all(paths.map((path) => readFile(path)));
  await whileDown(0, true, async () => {
    await rm(paths[0]!);
    await flip(paths[1]!, whole[1]!.length - 1);
    await flip(paths[2]!, 52 + 4);
    await writeFile(paths[3]!, whole[3]!.subarray(0, 30));
  });
  for (const [i, path] of paths.entries()) await comesBack(path, whole[i]!);
  for (const blob of blobs) expect((await rowsOf(0, blob)).length).toBeGreaterThan(1600);
}, 60_000);

it('a damaged row, index or combination is never served', async () => {
  const [row, table, rlc] = [await confirmed(), await confirmed(), await confirmed()];
  const complete = await rowsOf(1, row);
  await whileDown(1, false, async () => {
    await flip(fileOf(1, row), (await stat(fileOf(1, row))).size - 1);
    await flip(fileOf(1, table), 52 + 4);
    await flip(fileOf(1, rlc), 52 + 8 * complete.length + 3);
  });
  expect(await rowsOf(1, row)).toEqual(complete.slice(0, -1));
  for (const blob of [table, rlc])
    await expect(rowsOf(1, blob)).rejects.toMatchObject({ code: 'DA_ROWS_DAMAGED' });
}, 60_000);

it('nothing is signed for rows that are gone, and they are taken again when they are offered again', async () => {
  const blob = await network.prepare(seededRandom(seed++).bytes(20_000));
  const certified = await network.certify(blob);
  await sign(2, certified);
  const whole = await readFile(fileOf(2, certified));
  await rm(fileOf(2, certified));
  await expect(sign(2, certified)).rejects.toMatchObject({ code: 'DA_ROWS_MISSING' });
  await network.offer(2, blob);
  expect(await sameFile(fileOf(2, certified), whole)).toBe(true);
  await sign(2, certified);
}, 60_000);

it('a challenge about rows that are gone brings them back in time, and is answered', async () => {
  const blob = await confirmed();
  network.configs[2]!.scrubPauseMs = 3_600_000; // the first pass finds nothing, and there is no second
  await whileDown(2, true, async () => {});
  const whole = await readFile(fileOf(2, blob));
  await rm(fileOf(2, blob));
  const { reader } = network;
  const { operator } = network.nodes[2]!;
  const member = blob.place.quorum.members.find((one) => one.operator === operator)!;
  const position = Math.ceil((4096 * member.weightBefore) / blob.place.quorum.totalWeight);
  const bondWei = await reader.challengeBond(operator);
  const before = (await reader.credits(operator)).answers;
  await network
    .senderOf(0)
    .send(
      challengeCall(reader.contracts, { ...blob.leaf, member: member.index, position, bondWei }),
    );
  await network.anvil.mine(3);
  await waitFor(async () => (await reader.credits(operator)).answers > before, {
    timeoutMs: 20_000,
    what: 'the answer',
  });
  expect(await sameFile(fileOf(2, blob), whole)).toBe(true);
}, 60_000);

it('rows that the others cannot give now are tried again until they can', async () => {
  const blob = await confirmed();
  const whole = await readFile(fileOf(0, blob));
  await network.nodes[1]!.stop();
  await network.nodes[2]!.stop();
  await whileDown(0, true, () => rm(fileOf(0, blob)));
  await expect(rowsOf(0, blob)).rejects.toMatchObject({ code: 'DA_BLOB_UNKNOWN' });
  await network.startNode(1);
  await network.startNode(2);
  await comesBack(fileOf(0, blob), whole);
}, 60_000);
