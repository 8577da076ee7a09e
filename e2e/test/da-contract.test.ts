/*
 * The DA contracts on a real chain, driven by libs/quorum and blst as a node and a disperser will drive them: stake, register,
 * snapshot, seed from the block's own header, reveal, quorum, certificate with real signatures, lookup. Every hash that both
 * sides make must agree, or nothing here passes.
 */
import { type Address, bytesToHex, type Hash32, type Hex, hexToBytes } from '@cairn/base';
import { daEntranceAbi, daRegistryAbi, stakeVaultAbi } from '@cairn/chain';
import { encodeBlockHeader } from '@cairn/chain/da';
import { type DaDeployment, deployDa } from '@cairn/contracts/deploy-da';
import { DEVNET } from '@cairn/protocol';
import {
  attestMessage,
  authorizationDigest,
  type Batch,
  BLOB_VERSION,
  type BlobHeader,
  batchHash,
  batchProof,
  batchRoot,
  blobFee,
  blobKey,
  buildCertificate,
  buildQuorums,
  type Certificate,
  chooseShape,
  encodeLookup,
  epochMix,
  epochSeed,
  epochStart,
  popMessage,
  type Quorum,
  quorumCount,
  type Reveal,
  revealWindow,
  rowBytes,
  secretKeyFromSeed,
  seedBlock,
  voteSums,
  vrfMessage,
  vrfOutput,
} from '@cairn/quorum';
import { blstBls } from '@cairn/quorum/node';
import { type Anvil, startAnvil } from '@cairn/testkit';
import {
  createPublicClient,
  createWalletClient,
  http,
  keccak256,
  type PublicClient,
  parseEventLogs,
  toHex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, expect, test } from 'vitest';

const STAKES = [1000, 700, 500, 400, 250, 100, 50];
const ETHER = 10n ** 18n;
let anvil: Anvil;
let client: PublicClient;
let da: DaDeployment;
let chainId: number;

const operators = STAKES.map((stake, i) => {
  const account = privateKeyToAccount(keccak256(toHex(`operator ${i}`)));
  const secretKey = secretKeyFromSeed(hexToBytes(keccak256(toHex(`bls ${i}`))));
  return { stake, account, secretKey, publicKey: blstBls.publicKey(secretKey) };
});
const payer = privateKeyToAccount(keccak256(toHex('payer')));
const disperser = privateKeyToAccount(keccak256(toHex('disperser')));
const lower = (address: string): Address => address.toLowerCase() as Address;
const words = (bytes: Uint8Array): Hex[] =>
  Array.from({ length: bytes.length / 32 }, (_, i) =>
    bytesToHex(bytes.subarray(32 * i, 32 * i + 32)),
  );
const registry = () => ({ chainId, contract: da.contracts.daRegistry });
const entrance = () => ({ chainId, contract: da.contracts.daEntrance });

type Sender = typeof payer;
async function send(
  from: Sender,
  to: 'stakeVault' | 'daRegistry' | 'daEntrance',
  functionName: string,
  args: unknown[],
  value = 0n,
) {
  const abi = { stakeVault: stakeVaultAbi, daRegistry: daRegistryAbi, daEntrance: daEntranceAbi };
  const wallet = createWalletClient({ account: from, transport: http(anvil.rpcUrl) });
  const hash = await wallet.writeContract({
    address: da.contracts[to],
    abi: abi[to] as never,
    functionName: functionName as never,
    args: args as never,
    value: value as never,
    chain: null,
    account: from,
  });
  const receipt = await client.waitForTransactionReceipt({ hash });
  expect(receipt.status).toBe('success');
  return receipt;
}

/** Mines until the next transaction lands in `block`. */
async function untilNext(block: number): Promise<void> {
  const now = Number(await client.getBlockNumber({ cacheTime: 0 }));
  if (block - 1 > now) await anvil.mine(block - 1 - now);
}

beforeAll(async () => {
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.rpcUrl), pollingInterval: 20 });
  chainId = await client.getChainId();
  da = await deployDa({
    rpcUrl: anvil.rpcUrl,
    privateKey: anvil.accounts[0]!.privateKey,
    parameters: DEVNET.da,
    timelockSeconds: 0,
  });
  for (const { account } of [...operators, { account: payer }, { account: disperser }])
    await anvil.rpc('anvil_setBalance', [account.address, toHex(10_000n * ETHER)]);
}, 60_000);
afterAll(() => anvil.stop());

/** Stakes, opts in, proves possession of the key, becomes active. */
async function join(operator: (typeof operators)[number]): Promise<void> {
  const { account, publicKey, secretKey } = operator;
  const key = blstBls.publicKeyToEvm(publicKey);
  const message = popMessage(registry(), { operator: lower(account.address), key });
  const possession = blstBls.signatureToEvm(blstBls.sign(secretKey, hexToBytes(message)));
  await send(account, 'stakeVault', 'deposit', [account.address], BigInt(operator.stake) * ETHER);
  await send(account, 'stakeVault', 'optIn', [da.contracts.daRegistry]);
  await send(account, 'daRegistry', 'register', [words(key), words(possession), '127.0.0.1:1']);
  await send(account, 'daRegistry', 'activate', [`0x${'0'.repeat(40)}`]);
}

test('operators are drawn, a batch is certified, and every hash agrees on both sides', async () => {
  const genesisBlock = Number(
    await client.readContract({
      address: da.contracts.daRegistry,
      abi: daRegistryAbi,
      functionName: 'genesisBlock',
    }),
  );
  const schedule = { ...DEVNET.da, genesisBlock };
  for (const operator of operators) await join(operator);
  const joined = Number(await client.getBlockNumber({ cacheTime: 0 }));
  const epoch = 1 + Math.ceil((joined + schedule.lookaheadBlocks - genesisBlock) / 30);

  // Seed: the node encodes the header of the seed block itself.
  const window = revealWindow(schedule, epoch);
  await untilNext(window.start);
  const block = (await anvil.rpc('eth_getBlockByNumber', [
    toHex(seedBlock(schedule, epoch)),
    false,
  ])) as Readonly<Record<string, unknown>> & { mixHash: Hash32 };
  const seed = epochSeed(registry(), {
    epoch,
    randao: block.mixHash,
    previousMix: epochMix(epoch - 1, []),
  });
  const message = hexToBytes(vrfMessage(registry(), { epoch, seed }));
  const reveals: Reveal[] = operators.map((operator) => ({
    operator: lower(operator.account.address),
    weight: operator.stake,
    publicKey: operator.publicKey,
    output: vrfOutput(blstBls.signatureToEvm(blstBls.sign(operator.secretKey, message))),
  }));
  const signature = (i: number): Hex[] =>
    words(blstBls.signatureToEvm(blstBls.sign(operators[i]!.secretKey, message)));
  const first = operators[0]!.account;
  await send(first, 'daRegistry', 'captureAndReveal', [
    BigInt(epoch),
    bytesToHex(encodeBlockHeader(block)),
    seed,
    first.address,
    signature(0),
  ]);
  // The others at once, sent by a stranger to them.
  const rest = operators.slice(1);
  await send(disperser, 'daRegistry', 'revealBatch', [
    BigInt(epoch),
    seed,
    rest.map(({ account }) => account.address),
    rest.map((_, i) => signature(i + 1)),
  ]);

  const sums = voteSums(STAKES);
  const quorums = buildQuorums(reveals, quorumCount(sums, schedule.effectivePerQuorum));
  const quorum = quorums[0] as Quorum;
  const mix = await client.readContract({
    address: da.contracts.daRegistry,
    abi: daRegistryAbi,
    functionName: 'mixOf',
    args: [BigInt(epoch)],
  });
  expect(mix).toBe(
    epochMix(
      epoch,
      reveals.map((reveal) => reveal.output),
    ),
  );
  await untilNext(epochStart(schedule, epoch) + 1);
  const [weight, members, key, isOpen] = await client.readContract({
    address: da.contracts.daRegistry,
    abi: daRegistryAbi,
    functionName: 'quorumOf',
    args: [BigInt(epoch), 0n],
  });
  expect([Number(weight), Number(members), isOpen]).toEqual([quorum.weight, 7, true]);
  const aggregate = blstBls.aggregatePublicKeys(quorum.members.map((member) => member.publicKey));
  expect(key).toEqual(words(blstBls.publicKeyToEvm(aggregate)));

  // Three blobs of one account in one batch; member 4 signs something else and member 6 stays silent.
  await send(payer, 'daEntrance', 'deposit', [payer.address], 100n * ETHER);
  const head = await client.getBlock();
  const shape = chooseShape(7, 1_000_000);
  const headers: BlobHeader[] = [1n, 2n, 3n].map((nonce) => ({
    version: BLOB_VERSION,
    shape: shape.code,
    length: 1_000_000,
    rowSize: rowBytes(shape, 1_000_000),
    commitment: keccak256(toHex(`commitment ${nonce}`)) as Hash32,
    account: lower(payer.address),
    disperser: lower(disperser.address),
    nonce,
    epoch,
    quorum: 0,
    expiry: Number(head.timestamp) + DEVNET.da.retentionSeconds - 10,
    maxFee: ETHER,
  }));
  const keys = headers.map((header) => blobKey(entrance(), header));
  const batch: Batch = {
    epoch,
    quorum: 0,
    referenceBlock: Number(head.number),
    expiry: headers[0]!.expiry,
    blobs: headers.length,
    root: batchRoot(keys),
  };
  const attest = hexToBytes(attestMessage(entrance(), batch));
  const shares = operators.slice(0, 6).map((operator, member) => ({
    member,
    signature: blstBls.sign(operator.secretKey, member === 4 ? message : attest),
  }));
  const built = buildCertificate(blstBls, { entrance: entrance(), batch, quorum, shares });
  if (built.kind !== 'certified') throw new Error('not enough weight');
  expect(built.bad).toEqual([4]);
  expect(built.certificate.absentees).toEqual([4, 6]);

  const lookup = (index: number): Hex =>
    bytesToHex(
      encodeLookup({ batch, header: headers[index]!, index, siblings: batchProof(keys, index) }),
    );
  const verdict = (data: Hex): Promise<number> =>
    client.readContract({
      address: da.contracts.daEntrance,
      abi: daEntranceAbi,
      functionName: 'checkCertificate',
      args: [data],
    });
  expect(await verdict(lookup(1))).toBe(2);
  const authorizations = await Promise.all(
    headers.map((header) => payer.sign({ hash: authorizationDigest(entrance(), header) })),
  );
  const receipt = await send(disperser, 'daEntrance', 'confirmBatch', [
    onChain(built.certificate),
    headers,
    authorizations,
  ]);
  const confirmed = parseEventLogs({
    abi: daEntranceAbi,
    logs: receipt.logs,
    eventName: 'BatchConfirmed',
  });
  expect(confirmed.map((log) => log.args.batchHash)).toEqual([batchHash(batch)]);
  const charged = parseEventLogs({
    abi: daEntranceAbi,
    logs: receipt.logs,
    eventName: 'BlobCharged',
  });
  expect(charged.map((log) => log.args.blobKey)).toEqual(keys);
  const fee = blobFee(headers[0]!, DEVNET.da);
  expect(charged[0]!.args.amount).toBeLessThan(fee);
  for (const index of [0, 1, 2]) expect(await verdict(lookup(index))).toBe(1);
  expect(await verdict('0x')).toBe(3);
  expect(await verdict(`${lookup(0).slice(0, -2)}00` as Hex)).toBe(4);
  // The relay's fifth waits for it.
  const credit = await client.readContract({
    address: da.contracts.daEntrance,
    abi: daEntranceAbi,
    functionName: 'credits',
    args: [disperser.address],
  });
  expect(credit).toBe(3n * (fee / 5n));
});

/** A certificate as `confirmBatch` takes it. */
function onChain(certificate: Certificate) {
  return {
    batch: {
      ...certificate.batch,
      referenceBlock: BigInt(certificate.batch.referenceBlock),
      expiry: BigInt(certificate.batch.expiry),
    },
    signature: words(blstBls.signatureToEvm(certificate.signature)),
    absentees: certificate.absentees,
  };
}
