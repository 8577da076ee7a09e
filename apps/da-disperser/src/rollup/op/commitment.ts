/*
 * Commitments as OP's alt-DA writes them (spec/rollup-interfaces.md 1.1):
 *
 *     00 | keccak256 of the input (32)
 *     01 | 43 | our certificate …                                     libs/quorum/src/rollup.ts
 *     01 | 47 | epoch u64 LE | quorum u64 LE | commitment (32)        0G's, 50 bytes
 *
 * With `commitment_mode=standard` the first two bytes of ours are left out.
 */
import { bytesToHash32, concatBytes, type Hash32, hexToBytes } from '@cairn/base';
import { ROLLUP_LAYER_BYTE, ROLLUP_TYPE_BYTE } from '@cairn/quorum';
import { badRequest, DROP, dropError } from '../errors.ts';

const KECCAK_TYPE = 0x00;
const ZEROG_LAYER_BYTE = 0x47;
const ZEROG_BYTES = 50;
const PREFIX = Uint8Array.of(ROLLUP_TYPE_BYTE, ROLLUP_LAYER_BYTE);
/** Type, layer and version: what it takes to say whose a generic commitment is. */
const GENERIC_BYTES_MIN = 3;

export type CommitmentMode = 'op' | 'standard';
export type OpCommitment =
  | { kind: 'keccak'; bytes: Uint8Array; hash: Uint8Array }
  | { kind: 'zerog'; bytes: Uint8Array; commitment: Hash32; epoch: number; quorum: number }
  | { kind: 'certificate'; bytes: Uint8Array };

/** Throws `ROLLUP_REQUEST` on what is no commitment at all, `ROLLUP_CERTIFICATE` on one that can never be good. */
export function parseOpCommitment(hex: string, mode: CommitmentMode): OpCommitment {
  if (!/^(0x)?([0-9a-fA-F]{2})*$/.test(hex)) throw badRequest('a commitment is written in hex');
  const raw = hexToBytes(hex);
  if (mode === 'standard' && raw.length === 0) throw badRequest('the commitment is too short');
  const bytes = mode === 'standard' ? concatBytes(PREFIX, raw) : raw;
  if (bytes[0] === KECCAK_TYPE) {
    if (bytes.length !== 33) throw badRequest('a keccak commitment has 33 bytes');
    return { kind: 'keccak', bytes, hash: bytes.subarray(1) };
  }
  if (bytes.length < GENERIC_BYTES_MIN) throw badRequest('the commitment is too short');
  if (bytes[0] !== ROLLUP_TYPE_BYTE) throw badRequest(`no commitment has type ${bytes[0]}`);
  if (bytes[1] !== ZEROG_LAYER_BYTE) return { kind: 'certificate', bytes };
  if (bytes.length !== ZEROG_BYTES)
    throw dropError(DROP.malformed, `a commitment of 0G has ${ZEROG_BYTES} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [epoch, quorum] = [view.getBigUint64(2, true), view.getBigUint64(10, true)];
  if (epoch >= 1n << 32n || quorum >= 1n << 16n)
    throw dropError(DROP.malformed, 'no such epoch or quorum');
  return {
    kind: 'zerog',
    bytes,
    commitment: bytesToHash32(bytes.subarray(18)),
    epoch: Number(epoch),
    quorum: Number(quorum),
  };
}

/** 0G's commitment to a whole blob. */
export function encodeZeroGCommitment(at: {
  commitment: Hash32;
  epoch: number;
  quorum: number;
}): Uint8Array {
  const out = new Uint8Array(ZEROG_BYTES);
  const view = new DataView(out.buffer);
  out.set([ROLLUP_TYPE_BYTE, ZEROG_LAYER_BYTE]);
  view.setBigUint64(2, BigInt(at.epoch), true);
  view.setBigUint64(10, BigInt(at.quorum), true);
  out.set(hexToBytes(at.commitment), 18);
  return out;
}

/** What a client of this mode gets for a certificate. */
export function certificateIn(mode: CommitmentMode, certificate: Uint8Array): Uint8Array {
  return mode === 'standard' ? certificate.subarray(PREFIX.length) : certificate;
}
