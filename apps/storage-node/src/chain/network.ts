import { type Address, CodedError, isCodedError, type Logger, systemClock } from '@cairn/base';
import type { ChainReader } from '@cairn/chain';
import type { NetworkName } from '../network.ts';

const RETRY_MS = 1000;

/**
 * Learns the chain id and makes sure that the flow address has code; waits for a chain that is not up yet and says so.
 * Throws `NODE_NO_FLOW`.
 */
export async function waitForNetwork(
  deps: { reader: ChainReader; log: Logger },
  options: { flowAddress: Address; signal?: AbortSignal | undefined },
): Promise<NetworkName> {
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const chainId = await deps.reader.chainId();
      if (!(await deps.reader.hasFlow())) {
        throw new CodedError({
          code: 'NODE_NO_FLOW',
          kind: 'invalid',
          message: `there is no contract at the flow address ${options.flowAddress} on chain ${chainId}`,
          hint: 'check --flow-address and --chain-rpc-url',
        });
      }
      return { chainId, flowAddress: options.flowAddress };
    } catch (error) {
      if (!isCodedError(error) || error.kind !== 'unavailable') throw error;
      deps.log.warn({ error: error.message }, 'the chain does not answer yet, waiting');
      await systemClock.sleep(RETRY_MS, options.signal);
    }
  }
}
