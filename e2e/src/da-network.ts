// A chain with the DA contracts, DA nodes and a disperser as processes of a test's own, brought to the first open quorum.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '@cairn/base';
import { createDaReader, type DaReader } from '@cairn/chain/da';
import { deployDa } from '@cairn/contracts/deploy-da';
import { DEVNET } from '@cairn/protocol';
import {
  type Anvil,
  bringUpDa,
  startAnvil,
  startProcess,
  type TestProcess,
  temporaryFolder,
} from '@cairn/testkit';

export type DaNetwork = AsyncDisposable & {
  dir: string;
  anvil: Anvil;
  reader: DaReader;
  /** Verdicts and proofs for rollups. */
  rollupVerifier: Address;
  nodes: TestProcess[];
  disperser: TestProcess;
  /** Starts the disperser again on its data, with other flags from now on when they are given. */
  restartDisperser(flags?: readonly string[]): Promise<void>;
};

/** Stakes in tokens, one node each. Blocks come every second once the quorum is open. `flags` are the disperser's. */
export async function startDaNetwork(
  stakes: readonly number[],
  flags: readonly string[] = [],
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
  const nodes = await Promise.all(
    stakes.map(async (stake, i) =>
      stack.use(
        await startProcess('apps/da-node/src/main.ts', [
          ...common,
          ...['--data-dir', join(dir, `node-${i}`)],
          ...['--key-file', keyFile(i + 1)],
          ...['--stake-wei', String(BigInt(stake) * 10n ** 18n)],
          ...['--port', '0', '--poll-ms', '100'],
        ]),
      ),
    ),
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
    rollupVerifier: contracts.rollupVerifier,
    nodes,
    disperser: await startDisperser(),
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
