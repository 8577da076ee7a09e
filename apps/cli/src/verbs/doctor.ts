import { statfs } from 'node:fs/promises';
import { errorMessage } from '@cairn/base';
import { createChainReader, createFlowWriter } from '@cairn/chain';
import { kernelsFromEnvironment } from '@cairn/config';
import { loadNodeKernels } from '@cairn/kernels/node';
import { EXIT_CODES } from '@cairn/protocol';
import { createIndexerClient, createNodeClient } from '@cairn/rpc';
import { formatEther } from 'viem';
import { type Network, resolveNetwork } from '../context.ts';
import { formatBytes, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

type Finding = { check: string; state: 'ok' | 'warn' | 'fail'; detail: string; remedy?: string };

const LOW_DISK_BYTES = 1024 ** 3;
const STALE_BLOCK_SECONDS = 120;

async function look(
  check: string,
  remedy: string,
  run: () => Promise<Omit<Finding, 'check' | 'remedy'>>,
): Promise<Finding> {
  try {
    const found = await run();
    return found.state === 'ok' ? { check, ...found } : { check, ...found, remedy };
  } catch (error) {
    return { check, state: 'fail', detail: errorMessage(error), remedy };
  }
}

async function networkFindings(network: Network): Promise<Finding[]> {
  const findings: Finding[] = [];
  let urls = network.nodeUrls ?? [];
  if (network.indexerUrl) {
    const url = network.indexerUrl;
    findings.push(
      await look('indexer', 'start it, or name another with --indexer', async () => {
        const nodes = await createIndexerClient(url, { timeoutMs: 5000 }).getShardedNodes();
        urls = nodes.trusted.map((node) => node.url);
        return {
          state: urls.length > 0 ? 'ok' : 'fail',
          detail: `${url} knows ${urls.length} nodes`,
        };
      }),
    );
  }
  let flow:
    | Awaited<ReturnType<ReturnType<typeof createNodeClient>['getStatus']>>['networkIdentity']
    | undefined;
  for (const url of urls) {
    findings.push(
      await look(`node ${url}`, 'look at its log', async () => {
        const client = createNodeClient(url, { timeoutMs: 5000 });
        const [status, shard] = await Promise.all([client.getStatus(), client.getShardConfig()]);
        flow = status.networkIdentity;
        return {
          state: 'ok',
          detail: `shard ${shard.shardId}/${shard.numShard}, block ${status.logSyncHeight}, ${status.nextTxSeq} submissions`,
        };
      }),
    );
  }
  const { rpcUrl, privateKey } = network;
  const identity = flow;
  if (!rpcUrl || !identity) return findings;
  findings.push(
    await look('chain', 'check --rpc', async () => {
      const reader = createChainReader({ rpcUrl, flow: identity.flowAddress, timeoutMs: 5000 });
      const [chainId, head] = await Promise.all([reader.chainId(), reader.head()]);
      const age = Math.max(0, Math.round(Date.now() / 1000 - head.timestamp));
      if (chainId !== identity.chainId)
        return {
          state: 'fail',
          detail: `${rpcUrl} is chain ${chainId}, the nodes follow ${identity.chainId}`,
        };
      return {
        state: age > STALE_BLOCK_SECONDS ? 'warn' : 'ok',
        detail: `chain ${chainId}, block ${head.number}, ${age} s old`,
      };
    }),
  );
  if (privateKey) {
    findings.push(
      await look('account', 'send it funds, or name another with --key-file', async () => {
        const writer = createFlowWriter({ rpcUrl, flow: identity.flowAddress, privateKey });
        const balance = await writer.balance();
        return {
          state: balance > 0n ? 'ok' : 'warn',
          detail: `${writer.address} has ${formatEther(balance)}`,
        };
      }),
    );
  }
  return findings;
}

export const doctor: Verb = {
  name: 'doctor',
  summary: 'check this machine and the network, and say what to do',
  usage: 'cairn doctor',
  flags: {},
  async run({ global }) {
    const findings: Finding[] = [
      await look('node.js', 'run it through npx cairn or npm', async () => ({
        state: Number(process.versions.node.split('.')[0]) >= 24 ? 'ok' : 'fail',
        detail: `Node ${process.versions.node} on ${process.platform} ${process.arch}`,
      })),
      await look(
        'kernels',
        'install a C compiler and run npm run build to get the native kernels',
        async () => {
          const { kernels, why } = await loadNodeKernels(kernelsFromEnvironment(process.env));
          return { state: kernels.backend === 'native' ? 'ok' : 'warn', detail: why };
        },
      ),
      await look('disk', 'free space', async () => {
        const { bavail, bsize } = await statfs(process.cwd());
        return {
          state: bavail * bsize > LOW_DISK_BYTES ? 'ok' : 'warn',
          detail: `${formatBytes(bavail * bsize)} free here`,
        };
      }),
    ];
    let network: Network | undefined;
    findings.push(
      await look(
        'network',
        'start one with npm start, or give --indexer URL and --rpc URL',
        async () => {
          network = resolveNetwork(global);
          return {
            state: 'ok',
            detail: network.devnet
              ? `devnet, process ${network.devnet.pid}`
              : (network.indexerUrl ?? network.nodeUrls?.join(' ') ?? ''),
          };
        },
      ),
    );
    if (network) findings.push(...(await networkFindings(network)));
    const isFailed = findings.some((finding) => finding.state === 'fail');
    printResult(
      global.json,
      { ok: !isFailed, findings },
      findings.flatMap(({ check, state, detail, remedy }) => [
        `${state.padEnd(5)} ${check.padEnd(28)} ${detail}`,
        ...(remedy ? [`      ${remedy}`] : []),
      ]),
    );
    return isFailed ? EXIT_CODES.network : EXIT_CODES.ok;
  },
};
