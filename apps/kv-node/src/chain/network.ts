import { type Address, CodedError, isCodedError, type Logger, systemClock } from '@cairn/base';
import type { ChainReader } from '@cairn/chain';

const RETRY_MS = 1000;

/**
 * Learns the chain id and makes sure that the flow address has code; waits for a chain that is not up yet and says so.
 * Throws `KV_NO_FLOW`.
 */
export async function waitForChain(
  deps: { reader: ChainReader; log: Logger },
  options: { flowAddress: Address; signal?: AbortSignal | undefined },
): Promise<number> {
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const chainId = await deps.reader.chainId();
      if (!(await deps.reader.hasFlow())) {
        throw new CodedError({
          code: 'KV_NO_FLOW',
          kind: 'invalid',
          message: `there is no contract at the flow address ${options.flowAddress} on chain ${chainId}`,
          hint: 'check --flow-address and --chain-rpc-url',
        });
      }
      return chainId;
    } catch (error) {
      if (!isCodedError(error) || error.kind !== 'unavailable') throw error;
      deps.log.warn({ error: error.message }, 'the chain does not answer yet, waiting');
      await systemClock.sleep(RETRY_MS, options.signal);
    }
  }
}
