// Adding and dropping streams while the node runs.
import { type Hash32, type Hex, isCodedError, type Logger, parseAddress } from '@cairn/base';
import { internalError, invalidParams, type RpcMethod } from '@cairn/rpc';
import { registerStreamMessage } from '@cairn/sdk';
import { recoverTypedDataAddress } from 'viem';
import type { KvState } from '../store/kv-state.ts';
import { parseAccount, parseStreamId } from './params.ts';

export type StreamMethodDeps = {
  state: KvState;
  chainId: number;
  log: Logger;
  /** The set of watched streams has changed. */
  onChanged: () => void;
};

/** `admin_addStream` of the public RPC: any wallet may register any stream, and says so with a signature. */
export function publicStreamMethods(deps: StreamMethodDeps): Record<string, RpcMethod> {
  return {
    admin_addStream: async ([id, account, signature]) => {
      const streamId = parseStreamId(id);
      const wallet = parseAccount(account);
      if (typeof signature !== 'string' || !/^0x[0-9a-fA-F]{130}$/.test(signature))
        throw invalidParams('signature', 'expected 0x and 130 hex digits');
      let signer: string;
      try {
        signer = await recoverTypedDataAddress({
          ...registerStreamMessage(deps.chainId, wallet, streamId),
          signature: signature as Hex,
        });
      } catch {
        throw invalidParams('signature', 'not a signature');
      }
      if (parseAddress(signer) !== wallet)
        throw invalidParams('signature', 'signature is not of the wallet');
      addStream(deps, streamId);
      return true;
    },
  };
}

/** The same without a signature, and `admin_dropStream`, for the operator's port. */
export function operatorStreamMethods(deps: StreamMethodDeps): Record<string, RpcMethod> {
  return {
    admin_addStream: ([id]) => {
      addStream(deps, parseStreamId(id));
      return true;
    },
    admin_dropStream: ([id]) => {
      const streamId = parseStreamId(id);
      const isDropped = deps.state.drop(streamId);
      if (isDropped) {
        deps.log.info({ streamId }, 'stream dropped');
        deps.onChanged();
      }
      return isDropped;
    },
  };
}

function addStream({ state, log, onChanged }: StreamMethodDeps, streamId: Hash32): void {
  try {
    // What was submitted before is not replayed: the stream begins with the next submission.
    const fromSeq = state.log.nextSeq() ?? 0;
    if (!state.streams.add(streamId, fromSeq, 'runtime')) return;
    log.info({ streamId, fromSeq }, 'stream added');
    onChanged();
  } catch (error) {
    if (isCodedError(error, 'KV_TOO_MANY_STREAMS')) throw internalError(error.message);
    throw error;
  }
}
