import type { Address, Hash32 } from '@cairn/base';
import { CONTROL_SHAPES, type ControlOp } from './constants.ts';
import { keyForResult } from './key-text.ts';

// Texts of `kv_getTransactionResult`; clients match them, so change none (spec/kv.md section 3).

export const RESULT = {
  commit: 'Commit',
  malformed: 'DataParseError: Invalid stream data',
  listTooLong: 'DataParseError: Stream read/write/access_control list too long',
  versionConflict: 'VersionConfliction',
  tagsMismatch: 'TagsMismatch',
  senderNoPermission: 'SenderNoWritePermission',
  downloadFailed: 'DownloadFailed',
  writeDenied: (streamId: Hash32, key: Uint8Array): string =>
    `WritePermissionDenied: stream: ${streamId}, key: ${keyForResult(key)}`,
  controlDenied: (control: {
    op: ControlOp;
    streamId: Hash32;
    key: Uint8Array;
    account: Address;
  }): string =>
    `AccessControlPermissionDenied: operation: ${CONTROL_SHAPES[control.op].name}, stream: ${control.streamId}, key: ${keyForResult(control.key)}, account: ${control.account}`,
} as const;
