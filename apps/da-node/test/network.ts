// A chain with DA nodes in this process, for tests of what a node does by itself. Blocks come with transactions or when mined.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, type Hash32, hexToBytes, parseAddress, silentLogger } from '@cairn/base';
import { type ContractCall, createTransactionSender, type TransactionSender } from '@cairn/chain';
import {
  BlobAssignment,
  type ConfirmedLeaf,
  confirmBatchCall,
  createDaReader,
  type DaReader,
  depositCall,
  memberOf,
} from '@cairn/chain/da';
import { deployDa } from '@cairn/contracts/deploy-da';
import { type EncodedBlob, encodeBlob, parseBlobFormat } from '@cairn/erasure';
import { loadNodeKernels } from '@cairn/kernels/node';
import { DEVNET } from '@cairn/protocol';
import {
  authorizationDigest,
  type BlobHeader,
  batchRoot,
  blobFee,
  blobKey,
  type Certificate,
  chooseShape,
  encodeHeader,
  rowBytes,
} from '@cairn/quorum';
import { blstBls } from '@cairn/quorum/node';
import type { RowsUpload } from '@cairn/rpc/node';
import { Disperser, MemberPool, type Place } from '@cairn/sdk/da';
import { createLogger } from '@cairn/telemetry';
import { type Anvil, bringUpDa, startAnvil, temporaryFolder } from '@cairn/testkit';
import { sign } from 'viem/accounts';
import { type DaNodeConfig, daNodeConfigSchema } from '../src/config.ts';
import { type DaNode, startDaNode } from '../src/node.ts';

const { kernels } = await loadNodeKernels();
const log = process.env.DEBUG_DA ? createLogger({ name: 'da', level: 'debug' }) : silentLogger;

export type Prepared = {
  header: BlobHeader;
  authorization: Uint8Array;
  encoded: EncodedBlob;
  key: Hash32;
  place: Place;
};
export type Certified = Prepared & { certificate: Certificate; leaf: ConfirmedLeaf };

export class TestNetwork implements AsyncDisposable {
  readonly anvil: Anvil;
  readonly reader: DaReader;
  readonly members = new MemberPool();
  readonly nodes: DaNode[] = [];
  readonly configs: DaNodeConfig[] = [];
  readonly payer: TransactionSender;
  readonly disperser: Disperser;
  #owned: AsyncDisposableStack | undefined;
  #nonce = 1n;

  private constructor(anvil: Anvil, reader: DaReader, chainId: number) {
    this.anvil = anvil;
    this.reader = reader;
    this.payer = this.senderOf(9);
    const entrance = { chainId, contract: reader.contracts.entrance };
    this.disperser = new Disperser({ members: this.members, bls: blstBls, entrance, log });
  }

  /** Stakes in tokens, one node each; account 9 has a balance for blobs. */
  static async start(stakes: readonly number[]): Promise<TestNetwork> {
    await using stack = new AsyncDisposableStack();
    const anvil = stack.use(await startAnvil());
    const dir = stack.use(await temporaryFolder('cairn-da-')).path;
    const { contracts } = await deployDa({
      rpcUrl: anvil.rpcUrl,
      privateKey: anvil.accounts[0]!.privateKey,
      parameters: DEVNET.da,
      timelockSeconds: 0,
    });
    const addresses = {
      registry: contracts.daRegistry,
      entrance: contracts.daEntrance,
      vault: contracts.stakeVault,
      challenges: contracts.daChallenges,
    };
    const reader = createDaReader({ rpcUrl: anvil.rpcUrl, contracts: addresses });
    const { chainId } = await reader.parameters();
    const network = new TestNetwork(anvil, reader, chainId);
    stack.use(network.members);
    await network.payer.send(depositCall(addresses, network.payer.address, 10n ** 18n));
    for (const [i, stake] of stakes.entries()) {
      const keyFile = join(dir, `${i}.key`);
      writeFileSync(keyFile, anvil.accounts[i + 1]!.privateKey, { mode: 0o600 });
      network.configs.push(
        daNodeConfigSchema.parse({
          ...{ keyFile, chainRpcUrl: anvil.rpcUrl, dataDir: join(dir, `node-${i}`) },
          registryAddress: addresses.registry,
          entranceAddress: addresses.entrance,
          vaultAddress: addresses.vault,
          challengesAddress: addresses.challenges,
          stakeWei: String(BigInt(stake) * 10n ** 18n),
          ...{ port: 0, pollMs: 50, receiveSeconds: 3, rewardLeastWei: '1' },
          // Whether a node looks for lost rows is each test's to say.
          ...{ scrubBytesPerSecond: 0, scrubPauseMs: 100 },
        }),
      );
    }
    stack.defer(() => network.stopAll());
    await Promise.all(stakes.map((_, i) => network.startNode(i)));
    await network.nextEpoch();
    network.#owned = stack.move();
    return network;
  }

  /** Starts node `i`, again on its data and its port when it ran before. */
  async startNode(i: number): Promise<void> {
    const config = this.configs[i]!;
    const node = await startDaNode({ log }, config);
    this.nodes[i] = node;
    config.port = Number(node.address.split(':').at(-1));
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  /** Mines to the start of the next epoch with an open quorum; waits for everybody who is not jailed. */
  async nextEpoch(): Promise<number> {
    const { rpc } = this.anvil;
    const operators: Address[] = [];
    for (const { operator } of this.nodes)
      if (!(await this.reader.operator(operator)).isJailed) operators.push(operator);
    const epoch = await bringUpDa({ rpc, reader: this.reader, operators });
    await rpc('evm_setAutomine', [true]);
    return epoch;
  }

  senderOf(account: number): TransactionSender {
    const { privateKey } = this.anvil.accounts[account]!;
    return createTransactionSender({ rpcUrl: this.anvil.rpcUrl, privateKey, pollMs: 20 });
  }

  /** An encoded blob with a signed header; `change` is applied to the header before it is signed. */
  async prepare(
    payload: Uint8Array,
    change: Partial<BlobHeader> = {},
    account = 9,
  ): Promise<Prepared> {
    const { reader } = this;
    const [parameters, head, pricePerByteSecond] = await Promise.all([
      reader.parameters(),
      reader.head(),
      reader.pricePerByteSecond(),
    ]);
    const epoch = (await reader.serving(head.number))!;
    const quorum = epoch.quorums[0]!;
    const shape = chooseShape(quorum.members.length, payload.length);
    const format = parseBlobFormat({
      ...{ version: 0x11, shape: shape.code, length: payload.length },
      rowBytes: rowBytes(shape, payload.length),
    });
    const encoded = encodeBlob(kernels, payload, { version: 0x11, shape: format.shape });
    const draft = { shape: shape.code, rowSize: format.rowBytes };
    const address = parseAddress(this.anvil.accounts[account]!.address);
    const header: BlobHeader = {
      ...{ version: 0x11, ...draft, length: payload.length },
      commitment: `0x${Buffer.from(encoded.commitment).toString('hex')}` as Hash32,
      ...{ account: address, disperser: address as Address, nonce: this.#nonce++ },
      ...{ epoch: epoch.epoch, quorum: 0 },
      expiry: head.timestamp + parameters.retentionSeconds - 5,
      maxFee: blobFee(draft, { ...parameters, pricePerByteSecond }),
      ...change,
    };
    const entrance = { chainId: parameters.chainId, contract: reader.contracts.entrance };
    const { privateKey } = this.anvil.accounts[account]!;
    const hash = authorizationDigest(entrance, header);
    const authorization = hexToBytes(await sign({ hash, privateKey, to: 'hex' }));
    return {
      header,
      authorization,
      encoded,
      key: blobKey(entrance, header),
      place: { epoch, quorum },
    };
  }

  /** Offers a blob's rows to node `i`; `change` is applied to what is sent. */
  async offer(
    i: number,
    { header, authorization, encoded, place }: Prepared,
    change: Partial<RowsUpload> = {},
  ): Promise<void> {
    const { chainId } = await this.reader.parameters();
    const entrance = { chainId, contract: this.reader.contracts.entrance };
    const node = this.nodes[i]!;
    const member = memberOf(place.quorum, node.operator);
    // By the shape it was encoded in, whatever the header says.
    const { commitment } = header;
    const shape = encoded.format.shape.id;
    const assignment = new BlobAssignment(entrance, place.epoch, place.quorum, {
      commitment,
      shape,
    });
    const { assigned } = assignment.rowsOf(member);
    const { rows, rowRoot, rlc, siblings } = encoded.shard(assigned);
    return this.members.at(node.address).storeRows(
      {
        ...{ header: encodeHeader(header), authorization, member: member.index },
        ...{ rowRoot, rlc, siblings, rows: [rows] },
        ...change,
      },
      { timeoutMs: 10_000 },
    );
  }

  /** Stores a blob at its members and collects a certificate over it alone. */
  async certify(prepared: Prepared): Promise<Certified> {
    const { header, key, place } = prepared;
    const { stored } = await this.disperser.store(place, prepared, { graceMs: 5000 });
    const batch = {
      ...{ epoch: header.epoch, quorum: header.quorum, blobs: 1, expiry: header.expiry },
      referenceBlock: (await this.reader.head()).number,
      root: batchRoot([key]),
    };
    const { certificate } = await this.disperser.certify(
      place.quorum,
      batch,
      [hexToBytes(key)],
      stored,
      { graceMs: 5000 },
    );
    const { absentees } = certificate;
    return { ...prepared, certificate, leaf: { batch, absentees, header, index: 0, siblings: [] } };
  }

  confirmCall({ certificate, header, authorization }: Certified): ContractCall {
    return confirmBatchCall(this.reader.contracts, {
      certificate,
      signature: blstBls.signatureToEvm(certificate.signature),
      headers: [header],
      authorizations: [authorization],
    });
  }

  /** Confirms a certified blob in a block after its reference. */
  async confirm(certified: Certified): Promise<void> {
    await this.anvil.mine(1);
    await this.payer.send(this.confirmCall(certified));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned?.disposeAsync();
  }
}
