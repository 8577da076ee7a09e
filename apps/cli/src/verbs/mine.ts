// Miners through the admin port of their nodes: what they do, what they earned, pay it out.
import { CodedError, isCodedError } from '@cairn/base';
import { rpcCall } from '@cairn/rpc';
import { formatEther } from 'viem';
import { z } from 'zod';
import { type ParsedArgs, usage } from '../args.ts';
import { readDevnet } from '../context.ts';
import { printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

const statusSchema = z.object({
  account: z.string(),
  problem: z.string().optional(),
  miners: z.array(
    z.object({
      minerId: z.string(),
      state: z.string(),
      epoch: z.number().optional(),
      sealedLoads: z.number(),
      sealBacklogLoads: z.number(),
    }),
  ),
  iterationsPerSecond: z.number(),
  loadsPerSecond: z.number(),
  expectedSecondsToWin: z.number().optional(),
  results: z.record(z.string(), z.number()),
  owedWei: z.string(),
  balanceWei: z.string(),
});
type Status = z.output<typeof statusSchema>;

export const mine: Verb = {
  name: 'mine',
  summary: 'what the miners do, what they earned; pay it out',
  usage: 'cairn mine status|withdraw [--admin URL ...]',
  flags: {
    admin: {
      type: 'string',
      multiple: true,
      description: 'admin URL of a storage node (repeat for more); those of the devnet by default',
    },
  },
  async run(args, { signal }) {
    const [action] = args.positionals;
    if (action !== 'status' && action !== 'withdraw')
      throw usage('mine takes status or withdraw', this.usage);
    const urls = adminUrls(args);
    return action === 'status'
      ? showStatus(urls, args.global.json, signal)
      : withdraw(urls, args.global.json, signal);
  },
};

function adminUrls({ flags }: ParsedArgs): string[] {
  const named = flags.admin as string[] | undefined;
  const urls = named ?? readDevnet()?.storageNodes.map((node) => node.adminUrl) ?? [];
  if (urls.length > 0) return urls;
  throw new CodedError({
    code: 'CLI_NO_NETWORK',
    kind: 'unavailable',
    message: 'no node was named and no devnet is running here',
    hint: 'start one with npm start, or give --admin URL',
  });
}

/** Undefined when the node does not mine. */
async function statusOf(url: string, signal: AbortSignal): Promise<Status | undefined> {
  try {
    const found = await rpcCall(url, 'miner_getStatus', [], { signal, timeoutMs: 10_000 });
    return found === null ? undefined : statusSchema.parse(found);
  } catch (error) {
    if (isCodedError(error) && /not found/i.test(error.message)) return undefined;
    throw error;
  }
}

type Looked = { adminUrl: string; status: Status | undefined; error?: CodedError };

/** What each node says; one that says nothing does not hide the others. Throws the first failure when no node answers. */
async function lookAt(urls: string[], signal: AbortSignal): Promise<Looked[]> {
  const looked = await Promise.all(
    urls.map(async (adminUrl): Promise<Looked> => {
      try {
        return { adminUrl, status: await statusOf(adminUrl, signal) };
      } catch (error) {
        signal.throwIfAborted();
        if (!isCodedError(error)) throw error;
        return { adminUrl, status: undefined, error };
      }
    }),
  );
  const failed = looked.filter(({ error }) => error);
  if (failed.length === looked.length) throw failed[0]!.error;
  return looked;
}

async function showStatus(urls: string[], json: boolean, signal: AbortSignal): Promise<number> {
  const nodes = await lookAt(urls, signal);
  const lines = nodes.flatMap(({ adminUrl, status, error }) => {
    if (error) return [`${adminUrl}   ${error.message}`];
    if (!status) return [`${adminUrl}   does not mine`];
    const { results, expectedSecondsToWin } = status;
    return [
      `${adminUrl}   account ${status.account}`,
      ...(status.problem ? [`  problem    ${status.problem}`] : []),
      ...status.miners.map(
        (miner) =>
          `  miner      ${miner.minerId.slice(0, 18)}   ${miner.state}, ${miner.sealedLoads} loads sealed, ${miner.sealBacklogLoads} to seal`,
      ),
      `  search     ${status.iterationsPerSecond.toFixed(0)} iterations/s, ${status.loadsPerSecond.toFixed(0)} loads/s${expectedSecondsToWin === undefined ? '' : `, a win every ${expectedSecondsToWin.toFixed(0)} s on average`}`,
      `  answers    ${results.accepted ?? 0} accepted, ${(results.lost ?? 0) + (results.stale ?? 0)} too late, ${(results.refused ?? 0) + (results.failed ?? 0)} refused`,
      `  to withdraw ${formatEther(BigInt(status.owedWei || 0))}   balance ${formatEther(BigInt(status.balanceWei || 0))}`,
    ];
  });
  printResult(
    json,
    {
      nodes: nodes.map(({ adminUrl, status, error }) => ({
        adminUrl,
        status: status ?? null,
        ...(error ? { error: { code: error.code, message: error.message } } : {}),
      })),
    },
    lines,
  );
  return 0;
}

async function withdraw(urls: string[], json: boolean, signal: AbortSignal): Promise<number> {
  const paid: { adminUrl: string; account: string; wei: string; txHash: string }[] = [];
  const looked = await lookAt(urls, signal);
  for (const { adminUrl, status } of looked) {
    if (!status || BigInt(status.owedWei || 0) === 0n) continue;
    const txHash = await rpcCall(adminUrl, 'miner_withdraw', [], { signal, timeoutMs: 130_000 });
    const { account, owedWei: wei } = status;
    paid.push({ adminUrl, account, wei, txHash: String(txHash) });
  }
  printResult(
    json,
    {
      paid,
      unreachable: looked.flatMap(({ adminUrl, error }) => (error ? [adminUrl] : [])),
    },
    [
      ...looked.flatMap(({ adminUrl, error }) => (error ? [`${adminUrl}   ${error.message}`] : [])),
      ...paid.map(
        ({ account, wei, txHash }) => `paid ${formatEther(BigInt(wei))} to ${account} in ${txHash}`,
      ),
      ...(paid.length === 0 ? ['nothing to withdraw'] : []),
    ],
  );
  return 0;
}
