// How far replay is, what became of a batch, and what the state comes to.
import { bytesToHex, CodedError } from '@cairn/base';
import type { RpcMethod } from '@cairn/rpc';
import type { Replayer } from '../replay/replayer.ts';
import type { KvState } from '../store/kv-state.ts';
import { parseSeq, parseStreamId } from './params.ts';

export function statusMethods(deps: {
  state: KvState;
  replayer: Replayer;
}): Record<string, RpcMethod> {
  const { state, replayer } = deps;
  return {
    kv_getStatus: () => true,
    kv_getTransactionResult: ([seq]) => state.batches.result(parseSeq(seq)) ?? null,
    kv_getHoldingStreamIds: () => state.streams.all().map(({ streamId }) => streamId),
    kv_getReplayProgress: () => ({
      appliedSeq: state.log.applied(),
      firstTxSeq: state.log.firstSeq() ?? null,
    }),
    /**
     * Ours: `[streamId | null, txSeq?]` → roots after that txSeq (default: the last applied), to compare nodes with. Two
     * nodes agree on a stream's root when they hold the same versions of it and the same roles.
     */
    kv_getStateRoot: ([id, at]) => {
      const applied = state.log.applied();
      const version = at === undefined || at === null ? applied - 1 : parseSeq(at);
      if (version < 0 || version >= applied)
        throw new CodedError({
          code: 'KV_NOT_APPLIED',
          kind: 'not_ready',
          message: `txSeq ${Math.max(0, version)} is not decided yet, this node is at ${applied}`,
        });
      if (id === undefined || id === null)
        return { txSeq: version, root: bytesToHex(state.stateRootAt(version)) };
      const { count, root } = state.streamRootAt(parseStreamId(id), version);
      return { txSeq: version, root: bytesToHex(root), count };
    },
    /** Ours: what replay waits for, null when it does not wait. */
    kv_getBlocked: () => replayer.blocked() ?? null,
  };
}
