import type { Hash32 } from '@cairn/base';

/** SHA-256 of "STREAM": the first 32 bytes of the tags of every batch. */
export const STREAM_DOMAIN =
  '0xdf2ff3bb0af36c6384e6206552a4ed807f6f6a26e7d0aa6bff772ddc9d4307aa' as Hash32;
/** Entries a list of a batch may have. */
export const LIST_ENTRIES_MAX = 65_536;
/** Longest key: what a u24 can say. */
export const KEY_BYTES_MAX = 2 ** 24 - 1;
/** Bytes of a value one read may ask for. */
export const QUERY_BYTES_MAX = 262_144;
/** A file's tail up to a multiple of this reads as zeros (spec/kv.md section 2). */
export const BOUND_BYTES = 256;
/** As a snapshot: no conflict check. As a version to read at: the newest. Exact: every txSeq is below it. */
export const NEWEST = Number.MAX_SAFE_INTEGER;

/** Control operations by their code on the wire. */
export const CONTROL = {
  grantAdmin: 0x00,
  renounceAdmin: 0x01,
  setKeySpecial: 0x10,
  setKeyNormal: 0x11,
  grantWriter: 0x20,
  revokeWriter: 0x21,
  renounceWriter: 0x22,
  grantSpecialWriter: 0x30,
  revokeSpecialWriter: 0x31,
  renounceSpecialWriter: 0x32,
} as const;
export type ControlOp = (typeof CONTROL)[keyof typeof CONTROL];

/** Operations of one group decide one role: `op & 0xf0`. */
export const CONTROL_GROUP = { admin: 0x00, key: 0x10, writer: 0x20, specialWriter: 0x30 } as const;
export type ControlGroup = (typeof CONTROL_GROUP)[keyof typeof CONTROL_GROUP];

type ControlShape = { name: string; hasKey: boolean; hasAccount: boolean };
/** Names as results print them, and what follows the stream id on the wire: key first, then account. */
export const CONTROL_SHAPES: Readonly<Record<ControlOp, ControlShape>> = {
  [CONTROL.grantAdmin]: { name: 'GRANT_ADMIN_ROLE', hasKey: false, hasAccount: true },
  [CONTROL.renounceAdmin]: { name: 'RENOUNCE_ADMIN_ROLE', hasKey: false, hasAccount: false },
  [CONTROL.setKeySpecial]: { name: 'SET_KEY_TO_SPECIAL', hasKey: true, hasAccount: false },
  [CONTROL.setKeyNormal]: { name: 'SET_KEY_TO_NORMAL', hasKey: true, hasAccount: false },
  [CONTROL.grantWriter]: { name: 'GRANT_WRITER_ROLE', hasKey: false, hasAccount: true },
  [CONTROL.revokeWriter]: { name: 'REVOKE_WRITER_ROLE', hasKey: false, hasAccount: true },
  [CONTROL.renounceWriter]: { name: 'RENOUNCE_WRITER_ROLE', hasKey: false, hasAccount: false },
  [CONTROL.grantSpecialWriter]: {
    name: 'GRANT_SPECIAL_WRITER_ROLE',
    hasKey: true,
    hasAccount: true,
  },
  [CONTROL.revokeSpecialWriter]: {
    name: 'REVOKE_SPECIAL_WRITER_ROLE',
    hasKey: true,
    hasAccount: true,
  },
  [CONTROL.renounceSpecialWriter]: {
    name: 'RENOUNCE_SPECIAL_WRITER_ROLE',
    hasKey: true,
    hasAccount: false,
  },
};

export function isControlOp(code: number): code is ControlOp {
  return Object.hasOwn(CONTROL_SHAPES, code);
}

/** The role that an operation decides. */
export function controlGroup(op: ControlOp): ControlGroup {
  return (op & 0xf0) as ControlGroup;
}
