import {
  type Address,
  type Clock,
  CodedError,
  isCodedError,
  type Logger,
  systemClock,
} from '@cairn/base';
import type { ChainReader } from './types.ts';

const RETRY_MS = 1000;

export type WaitDeps = { log: Logger; clock?: Clock | undefined };
export type WaitOptions = {
  /** How long a chain that does not answer is waited for; for ever by default. */
  waitMs?: number | undefined;
  signal?: AbortSignal | undefined;
};

/** Asks until the chain answers; throws what it last threw (`unavailable`) when `waitMs` are over, other errors at once. */
export async function untilChainAnswers<T>(
  ask: () => Promise<T>,
  { log, clock = systemClock }: WaitDeps,
  { waitMs = Number.POSITIVE_INFINITY, signal }: WaitOptions = {},
): Promise<T> {
  const deadline = clock.monotonic() + waitMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!isCodedError(error) || error.kind !== 'unavailable') throw error;
      if (clock.monotonic() >= deadline) throw error;
      log.warn({ error: error.message }, 'the chain does not answer yet, waiting');
      await clock.sleep(RETRY_MS, signal);
    }
  }
}

/**
 * Learns the chain id and makes sure that it is the one meant and that the flow address has code; waits for a chain that is
 * not up yet. Throws `CHAIN_WRONG_CHAIN_ID`, `CHAIN_NO_FLOW`, `CHAIN_UNREACHABLE`.
 */
export function waitForFlow(
  deps: WaitDeps & { reader: ChainReader },
  options: WaitOptions & {
    flowAddress: Address;
    /** The chain it must be; undefined for any. */
    chainId?: number | undefined;
  },
): Promise<number> {
  return untilChainAnswers(() => askFlow(deps.reader, options), deps, options);
}

async function askFlow(
  reader: ChainReader,
  { flowAddress, chainId: wanted }: { flowAddress: Address; chainId?: number | undefined },
): Promise<number> {
  const chainId = await reader.chainId();
  if (wanted !== undefined && chainId !== wanted) {
    throw new CodedError({
      code: 'CHAIN_WRONG_CHAIN_ID',
      kind: 'invalid',
      message: `the chain RPC serves chain ${chainId}, not ${wanted}`,
      hint: 'check --chain-rpc-url and --chain-id',
      details: { chainId, wanted },
    });
  }
  if (!(await reader.hasFlow())) {
    throw new CodedError({
      code: 'CHAIN_NO_FLOW',
      kind: 'invalid',
      message: `there is no contract at the flow address ${flowAddress} on chain ${chainId}`,
      hint: 'check --flow-address and --chain-rpc-url',
      details: { flowAddress, chainId },
    });
  }
  return chainId;
}
