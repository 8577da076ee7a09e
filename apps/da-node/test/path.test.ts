// The thin path on a real chain: operators join and reveal, a blob is dispersed, certified, confirmed, and read back.
import { seededRandom } from '@cairn/base';
import { loadNodeKernels } from '@cairn/kernels/node';
import { encodeLookup } from '@cairn/quorum';
import { retrieveBlob } from '@cairn/sdk/da';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestNetwork } from './network.ts';

const STAKES = [100, 150, 200, 250];
const { kernels } = await loadNodeKernels();
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.start(STAKES);
}, 120_000);
afterAll(() => network?.[Symbol.asyncDispose]());

it('a blob is dispersed, certified by one signature, confirmed on chain, and read back from the members', async () => {
  const { reader, members } = network;
  const payload = seededRandom(7).bytes(300_000);
  const prepared = await network.prepare(payload);
  const { header, place, key } = prepared;
  expect(place.quorum.members).toHaveLength(STAKES.length);
  const certified = await network.certify(prepared);
  expect(certified.certificate.absentees).toEqual([]);
  await network.anvil.mine(1); // a batch is confirmed in a later block than its reference
  const receipt = await network.payer.send(network.confirmCall(certified));
  const events = await reader.eventsOf(receipt.transactionHash as never);
  expect(events).toContainEqual(expect.objectContaining({ kind: 'charged', blobKey: key }));
  expect(await reader.checkCertificate(encodeLookup({ ...certified.leaf }))).toBe(1);

  const { chainId } = await reader.parameters();
  const entrance = { chainId, contract: reader.contracts.entrance };
  const back = await retrieveBlob({ members, kernels, entrance }, place, header);
  expect(Buffer.from(back.payload).equals(Buffer.from(payload))).toBe(true);
  expect(back.dropped).toEqual([]);
}, 60_000);
