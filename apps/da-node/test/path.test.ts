// The thin path on a real chain: operators join and reveal, a blob is dispersed, certified, confirmed, and read back.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, hexToBytes, seededRandom, silentLogger } from '@cairn/base';
import { createTransactionSender, type TransactionSender } from '@cairn/chain';
import { confirmBatchCall, createDaReader, type DaReader, depositCall } from '@cairn/chain/da';
import { deployDa } from '@cairn/contracts/deploy-da';
import { encodeBlob, parseBlobFormat } from '@cairn/erasure';
import { loadNodeKernels } from '@cairn/kernels/node';
import { DEVNET } from '@cairn/protocol';
import {
  authorizationDigest,
  type BlobHeader,
  blobFee,
  blobKey,
  chooseShape,
  encodeLookup,
  rowBytes,
} from '@cairn/quorum';
import { blstBls } from '@cairn/quorum/node';
import { Disperser, MemberPool, retrieveBlob } from '@cairn/sdk/da';
import { createLogger } from '@cairn/telemetry';
import { type Anvil, bringUpDa, startAnvil, temporaryFolder } from '@cairn/testkit';
import { sign } from 'viem/accounts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { daNodeConfigSchema } from '../src/config.ts';
import { type DaNode, startDaNode } from '../src/node.ts';

const OPERATORS = 4;
const stack = new AsyncDisposableStack();
let anvil: Anvil;
let reader: DaReader;
let nodes: DaNode[];
let payer: TransactionSender;
let payerKey: `0x${string}`;
const { kernels } = await loadNodeKernels();

beforeAll(async () => {
  anvil = stack.use(await startAnvil());
  const dir = stack.use(await temporaryFolder('cairn-da-')).path;
  const { contracts } = await deployDa({
    rpcUrl: anvil.rpcUrl,
    privateKey: anvil.accounts[0]!.privateKey,
    parameters: DEVNET.da,
    timelockSeconds: 0,
  });
  reader = createDaReader({
    rpcUrl: anvil.rpcUrl,
    contracts: {
      registry: contracts.daRegistry,
      entrance: contracts.daEntrance,
      vault: contracts.stakeVault,
      challenges: contracts.daChallenges,
    },
  });
  payerKey = anvil.accounts[9]!.privateKey;
  payer = createTransactionSender({ rpcUrl: anvil.rpcUrl, privateKey: payerKey, pollMs: 50 });
  await payer.send(depositCall(reader.contracts, payer.address, 10n ** 18n));
  nodes = await Promise.all(
    Array.from({ length: OPERATORS }, async (_, i) => {
      const keyFile = join(dir, `${i}.key`);
      writeFileSync(keyFile, anvil.accounts[i + 1]!.privateKey, { mode: 0o600 });
      const config = daNodeConfigSchema.parse({
        dataDir: join(dir, `node-${i}`),
        chainRpcUrl: anvil.rpcUrl,
        registryAddress: contracts.daRegistry,
        entranceAddress: contracts.daEntrance,
        vaultAddress: contracts.stakeVault,
        challengesAddress: contracts.daChallenges,
        keyFile,
        stakeWei: String(BigInt(100 + 50 * i) * 10n ** 18n),
        port: 0,
        pollMs: 50,
      });
      return stack.use(
        await startDaNode(
          {
            log: process.env.DEBUG_DA ? createLogger({ name: 'da', level: 'debug' }) : silentLogger,
          },
          config,
        ),
      );
    }),
  );
  await bringUpDa({ rpc: anvil.rpc, reader, operators: nodes.map(({ operator }) => operator) });
  await anvil.rpc('evm_setAutomine', [true]);
}, 120_000);
afterAll(() => stack.disposeAsync());

it('a blob is dispersed, certified by one signature, confirmed on chain, and read back from the members', async () => {
  const payload = seededRandom(7).bytes(300_000);
  const parameters = await reader.parameters();
  const head = await reader.head();
  const epoch = (await reader.serving(head.number))!;
  const quorum = epoch.quorums[0]!;
  expect(quorum.members).toHaveLength(OPERATORS);
  const entrance = { chainId: parameters.chainId, contract: reader.contracts.entrance };

  const shape = chooseShape(OPERATORS, payload.length);
  const encoded = encodeBlob(kernels, payload, {
    version: 0x11,
    shape: parseBlobFormat({
      version: 0x11,
      shape: shape.code,
      length: payload.length,
      rowBytes: rowBytes(shape, payload.length),
    }).shape,
  });
  const draft = { shape: shape.code, rowSize: encoded.format.rowBytes };
  const fee = blobFee(draft, {
    retentionSeconds: parameters.retentionSeconds,
    pricePerByteSecond: await reader.pricePerByteSecond(),
  });
  const header: BlobHeader = {
    version: 0x11,
    ...draft,
    length: payload.length,
    commitment: `0x${Buffer.from(encoded.commitment).toString('hex')}` as never,
    account: payer.address,
    disperser: payer.address as Address,
    nonce: 1n,
    epoch: epoch.epoch,
    quorum: 0,
    expiry: head.timestamp + parameters.retentionSeconds - 5,
    maxFee: fee,
  };
  const authorization = hexToBytes(
    await sign({ hash: authorizationDigest(entrance, header), privateKey: payerKey, to: 'hex' }),
  );
  const members = stack.use(new MemberPool());
  const disperser = new Disperser({ members, bls: blstBls, entrance, log: silentLogger });
  const { stored, failed } = await disperser.store(
    { epoch, quorum },
    { header, authorization, encoded },
  );
  expect(failed).toEqual([]);
  expect(stored.size).toBe(OPERATORS);

  const key = blobKey(entrance, header);
  const batch = {
    epoch: epoch.epoch,
    quorum: 0,
    referenceBlock: (await reader.head()).number,
    expiry: header.expiry,
    blobs: 1,
    root: key,
  };
  const { certificate } = await disperser.certify(quorum, batch, [hexToBytes(key)], stored);
  expect(certificate.absentees).toEqual([]);
  await anvil.mine(1); // a batch is confirmed in a later block than its reference
  const receipt = await payer.send(
    confirmBatchCall(reader.contracts, {
      certificate,
      signature: blstBls.signatureToEvm(certificate.signature),
      headers: [header],
      authorizations: [authorization],
    }),
  );
  const events = await reader.eventsOf(receipt.transactionHash as never);
  expect(events).toContainEqual(expect.objectContaining({ kind: 'charged', blobKey: key }));
  expect(
    await reader.checkCertificate(encodeLookup({ batch, header, index: 0, siblings: [] })),
  ).toBe(1);

  const back = await retrieveBlob({ members, kernels, entrance }, { epoch, quorum }, header);
  expect(Buffer.from(back.payload).equals(Buffer.from(payload))).toBe(true);
  expect(back.dropped).toEqual([]);
}, 60_000);
