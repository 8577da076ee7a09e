/*
 * What the tags of a parity submission say (spec/storage-erasure.md 4.3), 82 bytes:
 *
 *     "EC" | version u8 | code u8 | k u8 | n u8 | dataRoot 32 | data length BE64 | windows BE32 | checkRoot 32
 *
 * Nothing else is trusted: positions follow from the layout.
 */
import { assert, bytesToHex, type DataRoot, divCeil, hexToBytes } from '@cairn/base';
import { erasureError } from '../errors.ts';
import {
  CODED_FILE_BYTES_MIN,
  FRAGMENT_BYTES,
  STRIPE_DATA,
  type StripeCode,
  WINDOW_SEGMENTS,
} from './layout.ts';

/** The file that a parity file belongs to, and how it was made. */
export type ParityDescriptor = {
  dataRoot: DataRoot;
  dataBytes: number;
  code: StripeCode;
  /** 32 bytes; zero where parity is not certified. */
  checkRoot: Uint8Array;
};

export const PARITY_DESCRIPTOR_BYTES = 82;
const MAGIC = 0x4543;
const VERSION = 1;
/** Code id 1: Reed-Solomon. */
const CODE_RS = 1;
const AT = { version: 2, code: 3, k: 4, n: 5, dataRoot: 6, length: 38, windows: 46, checkRoot: 50 };

const windowsOf = (dataBytes: number): number =>
  divCeil(divCeil(dataBytes, FRAGMENT_BYTES), WINDOW_SEGMENTS);

/** Tags of a parity submission. */
export function encodeParityDescriptor(descriptor: ParityDescriptor): Uint8Array {
  const { dataRoot, dataBytes, code, checkRoot } = descriptor;
  assert(checkRoot.length === 32, 'checkRoot has 32 bytes');
  assert(dataBytes >= CODED_FILE_BYTES_MIN, 'a coded file has 8 MiB at least');
  const out = new Uint8Array(PARITY_DESCRIPTOR_BYTES);
  const view = new DataView(out.buffer);
  view.setUint16(0, MAGIC);
  out.set([VERSION, CODE_RS, STRIPE_DATA, code], AT.version);
  out.set(hexToBytes(dataRoot), AT.dataRoot);
  view.setBigUint64(AT.length, BigInt(dataBytes));
  view.setUint32(AT.windows, windowsOf(dataBytes));
  out.set(checkRoot, AT.checkRoot);
  return out;
}

/** Reads a stranger's tags. Throws `ERASURE_DESCRIPTOR` on anything `encodeParityDescriptor` would not write. */
export function parseParityDescriptor(tags: Uint8Array): ParityDescriptor {
  const refuse = (reason: string): Error =>
    erasureError('ERASURE_DESCRIPTOR', `not a parity descriptor: ${reason}`, { reason });
  if (tags.length !== PARITY_DESCRIPTOR_BYTES) throw refuse('length');
  const view = new DataView(tags.buffer, tags.byteOffset, tags.length);
  if (view.getUint16(0) !== MAGIC) throw refuse('magic');
  if (tags[AT.version] !== VERSION) throw refuse('version');
  const code = tags[AT.n];
  if (tags[AT.code] !== CODE_RS || tags[AT.k] !== STRIPE_DATA || (code !== 32 && code !== 24))
    throw refuse('code');
  const length = view.getBigUint64(AT.length);
  if (length < BigInt(CODED_FILE_BYTES_MIN) || length > BigInt(Number.MAX_SAFE_INTEGER))
    throw refuse('data length');
  const dataBytes = Number(length);
  if (view.getUint32(AT.windows) !== windowsOf(dataBytes)) throw refuse('windows');
  return {
    dataRoot: bytesToHex(tags.subarray(AT.dataRoot, AT.length)) as DataRoot,
    dataBytes,
    code,
    checkRoot: tags.slice(AT.checkRoot),
  };
}
