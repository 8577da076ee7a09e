import { CodedError, errorMessage, findCause, redactUrl } from '@cairn/base';
import {
  BaseError,
  ContractFunctionRevertedError,
  HttpRequestError,
  InsufficientFundsError,
  TimeoutError,
} from 'viem';

/** Turns what viem throws into our errors: the first line names the real cause. */
export function chainError(error: unknown, rpcUrl: string): CodedError {
  if (error instanceof CodedError) return error;
  const shownUrl = redactUrl(rpcUrl);
  const reverted = findCause(error, (e) => e instanceof ContractFunctionRevertedError);
  if (reverted instanceof ContractFunctionRevertedError) {
    const name = reverted.data?.errorName;
    const reason =
      name && name !== 'Error'
        ? `${name}(${(reverted.data?.args ?? []).join(', ')})`
        : (reverted.reason ?? 'without a reason');
    return new CodedError({
      code: 'CHAIN_REVERTED',
      kind: 'invalid',
      message: `the contract refused the transaction: ${reason}`,
      details: { errorName: name, args: (reverted.data?.args ?? []).map(String) },
      cause: error,
    });
  }
  if (findCause(error, (e) => e instanceof InsufficientFundsError)) {
    return new CodedError({
      code: 'CHAIN_INSUFFICIENT_FUNDS',
      kind: 'exhausted',
      message: 'the account cannot pay for the transaction',
      hint: 'fund the account, or use another key with --key-file',
      cause: error,
    });
  }
  if (
    findCause(
      error,
      (e) => e instanceof HttpRequestError || e instanceof TimeoutError || e instanceof TypeError,
    )
  ) {
    return new CodedError({
      code: 'CHAIN_UNREACHABLE',
      kind: 'unavailable',
      message: `the chain RPC at ${shownUrl} ${reasonOf(error)}`,
      hint: 'check that it runs, that the URL is right, and that it is the RPC of a chain',
      details: { rpcUrl: shownUrl },
      cause: error,
    });
  }
  return new CodedError({
    code: 'CHAIN_CALL_FAILED',
    kind: 'unavailable',
    message: error instanceof BaseError ? error.shortMessage : errorMessage(error),
    details: { rpcUrl: shownUrl },
    cause: error,
  });
}

/** Whether nobody was there, or somebody who does not speak as a chain does. */
function reasonOf(error: unknown): string {
  const failed = findCause(error, (e) => e instanceof HttpRequestError);
  return failed instanceof HttpRequestError && failed.status !== undefined
    ? `answers with HTTP ${failed.status}`
    : 'does not answer';
}
