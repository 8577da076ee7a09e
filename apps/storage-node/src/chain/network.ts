import {
  type Address,
  type Clock,
  CodedError,
  isCodedError,
  type Logger,
  systemClock,
} from '@cairn/base';
import type { ChainReader } from '@cairn/chain';
import type { NetworkName } from '../network.ts';

const RETRY_MS = 1000;

/**
 * Learns the chain id and makes sure that it is the one meant and that the flow address has code. A chain that is not up
 * yet is waited for, up to `waitMs`. Throws `NODE_WRONG_CHAIN`, `NODE_NO_FLOW`, `CHAIN_UNREACHABLE`.
 */
export async function waitForNetwork(
  deps: { reader: ChainReader; log: Logger; clock?: Clock | undefined },
  options: {
    flowAddress: Address;
    /** The chain it must be; undefined for any. */
    chainId?: number | undefined;
    waitMs: number;
    signal?: AbortSignal | undefined;
  },
): Promise<NetworkName> {
  const clock = deps.clock ?? systemClock;
  const deadline = clock.monotonic() + options.waitMs;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      return await askNetwork(deps.reader, options);
    } catch (error) {
      if (!isCodedError(error) || error.kind !== 'unavailable') throw error;
      if (clock.monotonic() >= deadline) throw error;
      deps.log.warn({ error: error.message }, 'the chain does not answer yet, waiting');
      await clock.sleep(RETRY_MS, options.signal);
    }
  }
}

async function askNetwork(
  reader: ChainReader,
  { flowAddress, chainId: wanted }: { flowAddress: Address; chainId?: number | undefined },
): Promise<NetworkName> {
  const chainId = await reader.chainId();
  if (wanted !== undefined && chainId !== wanted) {
    throw new CodedError({
      code: 'NODE_WRONG_CHAIN',
      kind: 'invalid',
      message: `the chain RPC serves chain ${chainId}, not ${wanted}`,
      hint: 'check --chain-rpc-url and --chain-id',
      details: { chainId, wanted },
    });
  }
  if (!(await reader.hasFlow())) {
    throw new CodedError({
      code: 'NODE_NO_FLOW',
      kind: 'invalid',
      message: `there is no contract at the flow address ${flowAddress} on chain ${chainId}`,
      hint: 'check --flow-address and --chain-rpc-url',
      details: { flowAddress, chainId },
    });
  }
  return { chainId, flowAddress };
}
