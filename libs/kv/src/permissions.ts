/*
 * Who may do what (spec/kv.md section 6). The state of a role is the newest control entry that decides it; a stream
 * without any entry is new, and open to everybody until the first committed batch makes its sender the admin.
 */
import type { Address, Hash32 } from '@cairn/base';
import { CONTROL, CONTROL_GROUP, type ControlGroup, type ControlOp } from './constants.ts';

/** An account or key without meaning for a group is asked for as this. */
export const NO_KEY = new Uint8Array();
export const NO_ACCOUNT = `0x${'00'.repeat(20)}` as Address;

/** Roles of the streams at one version. */
export interface RoleView {
  /** True while the stream has no control entry. */
  isNew(streamId: Hash32): boolean;
  /** Operation of the newest entry of the group for this key and account. */
  newestOp(
    streamId: Hash32,
    group: ControlGroup,
    key: Uint8Array,
    account: Address,
  ): ControlOp | undefined;
  /** True when the newest special-writer entry of some key grants it to the account. */
  isSpecialWriterOfAny(streamId: Hash32, account: Address): boolean;
}

export function isAdmin(view: RoleView, account: Address, streamId: Hash32): boolean {
  return view.newestOp(streamId, CONTROL_GROUP.admin, NO_KEY, account) === CONTROL.grantAdmin;
}

export function isStreamWriter(view: RoleView, account: Address, streamId: Hash32): boolean {
  return view.newestOp(streamId, CONTROL_GROUP.writer, NO_KEY, account) === CONTROL.grantWriter;
}

export function isSpecialKey(view: RoleView, streamId: Hash32, key: Uint8Array): boolean {
  return view.newestOp(streamId, CONTROL_GROUP.key, key, NO_ACCOUNT) === CONTROL.setKeySpecial;
}

export function isSpecialWriter(
  view: RoleView,
  account: Address,
  streamId: Hash32,
  key: Uint8Array,
): boolean {
  return (
    view.newestOp(streamId, CONTROL_GROUP.specialWriter, key, account) ===
    CONTROL.grantSpecialWriter
  );
}

/** May the account write this key? */
export function hasWritePermission(
  view: RoleView,
  account: Address,
  streamId: Hash32,
  key: Uint8Array,
): boolean {
  if (view.isNew(streamId) || isAdmin(view, account, streamId)) return true;
  return isSpecialKey(view, streamId, key)
    ? isSpecialWriter(view, account, streamId, key)
    : isStreamWriter(view, account, streamId);
}

/** May the account write anything in the stream? */
export function canWrite(view: RoleView, account: Address, streamId: Hash32): boolean {
  return (
    view.isNew(streamId) ||
    isAdmin(view, account, streamId) ||
    isStreamWriter(view, account, streamId) ||
    view.isSpecialWriterOfAny(streamId, account)
  );
}
