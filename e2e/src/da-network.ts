// A chain with the DA contracts, DA nodes and a disperser as processes of a test's own, brought to the first open quorum.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, type Hash32, type Hex, parseAddress } from '@cairn/base';
import { daEntranceAbi } from '@cairn/chain';
import { createDaReader, type DaReader } from '@cairn/chain/da';
import { deployDa } from '@cairn/contracts/deploy-da';
import { DEVNET } from '@cairn/protocol';
import type { BlobHeader } from '@cairn/quorum';
import {
  type Anvil,
  bringUpDa,
  freePort,
  startAnvil,
  startProcess,
  type TestProcess,
  temporaryFolder,
} from '@cairn/testkit';
import { decodeFunctionData } from 'viem';

import type { Fault } from './false-members.ts';

export type DaNetwork = AsyncDisposable & {
  dir: string;
  anvil: Anvil;
  reader: DaReader;
  /** Verdicts and proofs for rollups. */
  rollupVerifier: Address;
  nodes: TestProcess[];
  disperser: TestProcess;
  /** What confirmed batches were called with, in order. */
  certificates(): Promise<{ absentees: readonly number[]; headers: readonly BlobHeader[] }[]>;
  /** Header of a confirmed blob. */
  headerOf(commitment: Hash32): Promise<BlobHeader>;
  /** `host:port` under which others know node `i`. */
  endpointOf(i: number): Promise<string>;
  /** Starts node `i` again on its data and port, with these flags besides. */
  restartNode(i: number, flags: readonly string[]): Promise<void>;
  /** Starts the disperser again on its data, with other flags from now on when they are given. */
  restartDisperser(flags?: readonly string[]): Promise<void>;
};

/**
 * Stakes in tokens, one node each. Blocks come every second once the quorum is open. `flags` are the disperser's. `faults[i]` puts
 * a false member in front of node `i`: everybody reaches the node through it.
 */
export async function startDaNetwork(
  stakes: readonly number[],
  flags: readonly string[] = [],
  faults: readonly (Fault | undefined)[] = [],
): Promise<DaNetwork> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await temporaryFolder('cairn-da-')).path;
  const anvil = stack.use(await startAnvil());
  const { contracts } = await deployDa({
    rpcUrl: anvil.rpcUrl,
    privateKey: anvil.accounts[0]!.privateKey,
    parameters: DEVNET.da,
    timelockSeconds: 0,
  });
  const reader = createDaReader({
    rpcUrl: anvil.rpcUrl,
    contracts: {
      registry: contracts.daRegistry,
      entrance: contracts.daEntrance,
      vault: contracts.stakeVault,
      challenges: contracts.daChallenges,
    },
  });
  const keyFile = (index: number): string => {
    const path = join(dir, `${index}.key`);
    writeFileSync(path, anvil.accounts[index]!.privateKey, { mode: 0o600 });
    return path;
  };
  const common = [
    ...['--chain-rpc-url', anvil.rpcUrl],
    ...['--registry-address', contracts.daRegistry],
    ...['--entrance-address', contracts.daEntrance],
    ...['--vault-address', contracts.stakeVault],
    ...['--challenges-address', contracts.daChallenges],
    ...['--log-level', 'warn', '--ready-json'],
  ];
  const ports = await Promise.all(stakes.map(() => freePort()));
  const endpoints = new Map<number, string>();
  const bad = stakes.map((_, i) => i).filter((i) => faults[i]);
  if (bad.length > 0) {
    const targets = bad.map((i) => `${faults[i]}=127.0.0.1:${ports[i]}`);
    const process = stack.use(await startProcess('e2e/src/false-members.ts', targets));
    for (const [at, i] of bad.entries())
      endpoints.set(i, (process.ready.endpoints as string[])[at]!);
  }
  // Nodes do not look for rows that they lost unless a test says so: what a loss leads to is under test too.
  const startNode = (i: number, more = ['--scrub-bytes-per-second', '0'] as readonly string[]) =>
    startProcess('apps/da-node/src/main.ts', [
      ...common,
      ...['--data-dir', join(dir, `node-${i}`)],
      ...['--key-file', keyFile(i + 1)],
      ...['--stake-wei', String(BigInt(stakes[i]!) * 10n ** 18n)],
      ...['--port', String(ports[i]), '--poll-ms', '100'],
      ...(endpoints.has(i) ? ['--endpoint', endpoints.get(i)!] : []),
      ...more,
    ]);
  const nodes: TestProcess[] = [];
  stack.defer(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });
  await Promise.all(
    stakes.map(async (_, i) => {
      nodes[i] = await startNode(i);
    }),
  );
  await bringUpDa({
    rpc: anvil.rpc,
    reader,
    operators: nodes.map(({ ready }) => String(ready.address)),
  });
  await anvil.rpc('evm_setIntervalMining', [1]);
  let disperserFlags = flags;
  const startDisperser = (): Promise<TestProcess> =>
    startProcess('apps/da-disperser/src/main.ts', [
      ...common,
      ...['--data-dir', join(dir, 'disperser')],
      ...['--key-file', keyFile(stakes.length + 1)],
      ...['--grpc-port', '0', '--poll-ms', '200', '--threads', '1'],
      ...disperserFlags,
    ]);
  const network: Omit<DaNetwork, typeof Symbol.asyncDispose> = {
    dir,
    anvil,
    reader,
    rollupVerifier: contracts.nitroValidator,
    nodes,
    disperser: await startDisperser(),
    async certificates() {
      const { number: toBlock } = await reader.head();
      const events = await reader.events({ fromBlock: 0, toBlock });
      return Promise.all(
        events.flatMap((event) =>
          event.kind === 'confirmed' ? [readConfirmation(anvil, event.txHash)] : [],
        ),
      );
    },
    async headerOf(commitment) {
      for (const { headers } of await network.certificates())
        for (const header of headers) if (header.commitment === commitment) return header;
      throw new Error(`no confirmed blob ${commitment}`);
    },
    async endpointOf(i) {
      const head = (await reader.head()).number;
      const operator = String(nodes[i]!.ready.address);
      const { members } = (await reader.serving(head))!.quorums[0]!;
      return members.find((member) => member.operator === operator)!.endpoint;
    },
    async restartNode(i, more) {
      await nodes[i]!.stop();
      nodes[i] = await startNode(i, more);
    },
    async restartDisperser(more = disperserFlags) {
      disperserFlags = more;
      await network.disperser.stop();
      network.disperser = await startDisperser();
    },
  };
  stack.defer(() => network.disperser.stop());
  const owned = stack.move();
  return Object.assign(network, { [Symbol.asyncDispose]: () => owned.disposeAsync() });
}

/** Arguments of a `confirmBatch` transaction. */
async function readConfirmation(
  anvil: Anvil,
  txHash: Hash32,
): Promise<{ absentees: readonly number[]; headers: readonly BlobHeader[] }> {
  const { input } = (await anvil.rpc('eth_getTransactionByHash', [txHash])) as { input: Hex };
  const { args } = decodeFunctionData({ abi: daEntranceAbi, data: input });
  const [certificate, headers] = args as unknown as [
    { absentees: number[] },
    (Omit<BlobHeader, 'expiry' | 'account' | 'disperser'> & {
      expiry: bigint;
      account: string;
      disperser: string;
    })[],
  ];
  return {
    absentees: certificate.absentees,
    headers: headers.map((header) => ({
      ...header,
      expiry: Number(header.expiry),
      account: parseAddress(header.account),
      disperser: parseAddress(header.disperser),
    })),
  };
}
