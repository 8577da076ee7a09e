/*
 * Replay of one batch (spec/kv.md sections 3, 5, 6): pure, on a view of the state before it.
 *
 * Order of checks, the first failure wins and nothing of a failed batch is applied:
 *   sender may write → version → reads parsed → reads checked → writes parsed → writes checked → controls parsed →
 *   controls checked → commit.
 * Permissions and conflicts are judged on the state before the batch, except that the sender of a batch that creates a
 * stream counts as its admin.
 */
import { type Address, type Hash32, isCodedError } from '@cairn/base';
import { BatchReader, type BatchSource, type ParsedControl, type StreamWrite } from './batch.ts';
import { CONTROL, type ControlOp, controlGroup, NEWEST } from './constants.ts';
import { bytesToText, compareBytes } from './key-text.ts';
import {
  canWrite,
  hasWritePermission,
  isAdmin,
  isSpecialWriter,
  isStreamWriter,
  NO_ACCOUNT,
  NO_KEY,
  type RoleView,
} from './permissions.ts';
import { RESULT } from './results.ts';

/** The state before a batch. */
export interface StreamView extends RoleView {
  isWatched(streamId: Hash32): boolean;
  /** Largest version of the key, 0 when it was never written (and for one that txSeq 0 wrote: the reference's corner). */
  latestVersion(streamId: Hash32, key: Uint8Array): number;
}

export type BatchInput = {
  /** Account that signed the transaction; never the submitter that the event names. */
  sender: Address;
  /** Streams that the tags name. */
  streamIds: readonly Hash32[];
  data: BatchSource;
  /** Bytes of an encryption header that `data` no longer has. */
  headerBytes?: number | undefined;
};

export type StreamControl = {
  op: ControlOp;
  streamId: Hash32;
  key: Uint8Array;
  account: Address;
  /** Who did it; zero for the admin that comes with a new stream. */
  operator: Address;
};

export type ReplayOutcome =
  | { kind: 'commit'; writes: StreamWrite[]; controls: StreamControl[] }
  | { kind: 'refused'; result: string };

const refused = (result: string): ReplayOutcome => ({ kind: 'refused', result });

/** True when the sender may write to none of the streams: the data need not be fetched. */
export function isSenderRefused(
  view: RoleView,
  sender: Address,
  streamIds: readonly Hash32[],
): boolean {
  return !streamIds.some((id) => canWrite(view, sender, id));
}

export function replayBatch(view: StreamView, input: BatchInput): ReplayOutcome {
  if (isSenderRefused(view, input.sender, input.streamIds))
    return refused(RESULT.senderNoPermission);
  try {
    return replayData(view, input);
  } catch (error) {
    if (isCodedError(error, 'KV_BATCH_MALFORMED')) return refused(RESULT.malformed);
    if (isCodedError(error, 'KV_BATCH_LIST_TOO_LONG')) return refused(RESULT.listTooLong);
    throw error;
  }
}

function replayData(view: StreamView, input: BatchInput): ReplayOutcome {
  const { sender } = input;
  const tagged = new Set(input.streamIds);
  const reader = new BatchReader(input.data, input.headerBytes);
  const version = reader.version();
  for (const { streamId, key } of reader.reads()) {
    if (!view.isWatched(streamId)) return refused(RESULT.tagsMismatch);
    if (isConflict(view, streamId, key, version)) return refused(RESULT.versionConflict);
  }
  const writes = lastOfEachKey(reader.writes());
  const mayWrite = writePermission(view, sender);
  for (const { streamId, key } of writes) {
    if (!tagged.has(streamId)) return refused(RESULT.tagsMismatch);
    if (isConflict(view, streamId, key, version)) return refused(RESULT.versionConflict);
    if (!mayWrite(streamId, key)) return refused(RESULT.writeDenied(streamId, key));
  }
  const { controls, admins } = effectiveControls(view, input, reader.controls());
  for (const control of controls) {
    if (!tagged.has(control.streamId)) return refused(RESULT.tagsMismatch);
    if (!mayControl(view, sender, control, admins)) return refused(RESULT.controlDenied(control));
  }
  return { kind: 'commit', writes, controls };
}

function isConflict(view: StreamView, streamId: Hash32, key: Uint8Array, version: number): boolean {
  return version < NEWEST && view.latestVersion(streamId, key) > version;
}

/** In the order of first appearance, with the value of the last. */
function lastOfEachKey(writes: StreamWrite[]): StreamWrite[] {
  if (isAscending(writes)) return writes;
  const out = new Map<string, StreamWrite>();
  for (const write of writes) out.set(write.streamId + bytesToText(write.key), write);
  return out.size === writes.length ? writes : [...out.values()];
}

/** True for a sorted batch, in which no key can stand twice. */
function isAscending(writes: readonly StreamWrite[]): boolean {
  return writes.every((write, i) => {
    const before = writes[i - 1];
    if (!before || before.streamId < write.streamId) return true;
    return before.streamId === write.streamId && compareBytes(before.key, write.key) < 0;
  });
}

/** Whether the sender is admin is asked once a stream, not once a key. */
function writePermission(
  view: RoleView,
  sender: Address,
): (streamId: Hash32, key: Uint8Array) => boolean {
  const open = new Map<Hash32, boolean>();
  return (streamId, key) => {
    let isOpen = open.get(streamId);
    if (isOpen === undefined) {
      isOpen = view.isNew(streamId) || isAdmin(view, sender, streamId);
      open.set(streamId, isOpen);
    }
    return isOpen || hasWritePermission(view, sender, streamId, key);
  };
}

/**
 * What the controls come to: for each (group, stream, key, account) the last operation, except that GRANT_ADMIN overrides
 * nothing and is ignored for oneself. New streams get their sender as admin first; a later entry may override that too.
 */
function effectiveControls(
  view: RoleView,
  { sender, streamIds }: BatchInput,
  parsed: readonly ParsedControl[],
): { controls: StreamControl[]; admins: Set<Hash32> } {
  const entries = new Map<string, StreamControl>();
  const admins = new Set<Hash32>();
  const nameOf = ({ op, streamId, key, account }: StreamControl): string =>
    `${controlGroup(op)}${streamId}${account}${bytesToText(key)}`;
  for (const streamId of streamIds) {
    if (view.isNew(streamId)) {
      const op = CONTROL.grantAdmin;
      const entry = { op, streamId, key: NO_KEY, account: sender, operator: NO_ACCOUNT };
      entries.set(nameOf(entry), entry);
      admins.add(streamId);
    } else if (isAdmin(view, sender, streamId)) admins.add(streamId);
  }
  for (const { op, streamId, key, account } of parsed) {
    const entry: StreamControl = {
      op,
      streamId,
      key,
      account: account ?? (isAboutKey(op) ? NO_ACCOUNT : sender),
      operator: sender,
    };
    const name = nameOf(entry);
    if (op === CONTROL.grantAdmin && (entry.account === sender || entries.has(name))) continue;
    // A key keeps its place in the order when a later operation overrides an earlier one.
    entries.set(name, entry);
  }
  return { controls: [...entries.values()], admins };
}

const isAboutKey = (op: ControlOp): boolean =>
  op === CONTROL.setKeySpecial || op === CONTROL.setKeyNormal;

function mayControl(
  view: RoleView,
  sender: Address,
  { op, streamId, key }: StreamControl,
  admins: ReadonlySet<Hash32>,
): boolean {
  switch (op) {
    case CONTROL.grantAdmin:
    case CONTROL.setKeySpecial:
    case CONTROL.setKeyNormal:
    case CONTROL.revokeWriter:
    case CONTROL.revokeSpecialWriter:
      return admins.has(streamId);
    case CONTROL.grantWriter:
      return admins.has(streamId) || isStreamWriter(view, sender, streamId);
    case CONTROL.grantSpecialWriter:
      return admins.has(streamId) || isSpecialWriter(view, sender, streamId, key);
    case CONTROL.renounceAdmin:
    case CONTROL.renounceWriter:
    case CONTROL.renounceSpecialWriter:
      return true;
  }
}
