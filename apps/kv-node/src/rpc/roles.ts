// Who may do what, at a version (spec/kv.md sections 6 and 8).
import {
  hasWritePermission,
  isAdmin,
  isSpecialKey,
  isSpecialWriter,
  isStreamWriter,
} from '@cairn/kv';
import type { RpcMethod } from '@cairn/rpc';
import type { KvState } from '../store/kv-state.ts';
import { parseAccount, parseKey, parseStreamId, parseVersion } from './params.ts';

export function roleMethods({ state }: { state: KvState }): Record<string, RpcMethod> {
  const admin: RpcMethod = ([account, id, at]) =>
    isAdmin(state.roleView(parseVersion(at)), parseAccount(account), parseStreamId(id));
  return {
    kv_isAdmin: admin,
    // The TypeScript SDK spells it so.
    kv_IsAdmin: admin,
    kv_hasWritePermission: ([account, id, key, at]) =>
      hasWritePermission(
        state.roleView(parseVersion(at)),
        parseAccount(account),
        parseStreamId(id),
        parseKey(key),
      ),
    kv_isSpecialKey: ([id, key, at]) =>
      isSpecialKey(state.roleView(parseVersion(at)), parseStreamId(id), parseKey(key)),
    kv_isWriterOfKey: ([account, id, key, at]) =>
      isSpecialWriter(
        state.roleView(parseVersion(at)),
        parseAccount(account),
        parseStreamId(id),
        parseKey(key),
      ),
    kv_isWriterOfStream: ([account, id, at]) =>
      isStreamWriter(state.roleView(parseVersion(at)), parseAccount(account), parseStreamId(id)),
  };
}
