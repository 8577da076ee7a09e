/*
 * What a rollup posts to its own chain to name an input it stored here: the certificate of a blob and a byte range of it, in
 * as few bytes as the contract can do with (a lookup is 672 bytes or more, this is 164). Big-endian:
 *
 *     0   0x01         type byte: a generic commitment for OP, the DA certificate flag for Nitro
 *     1   0x43         our layer byte
 *     2   0x01         version of what follows
 *     3   shape u8 | blob length u32 | offset u32 | length u32       the input is payload[offset, offset + length)
 *    16   epoch u32 | quorum u16 | reference block u64 | expiry u64 | blobs u8 | index u8       the batch
 *    40   commitment (32) | account (20) | disperser (20) | nonce u256 | max fee u128           the header
 *   160   siblings of the blob's key in the batch, 32 bytes each, as many as (blobs, index) want
 *   end   checksum: first 4 bytes of Keccak-256 of everything before
 *
 * Row size and root of the batch follow from the rest. The checksum makes a changed byte a malformed certificate instead of
 * one that names something else. It is no authentication: the contract's answer about the lookup is.
 * contracts/src/libraries/RollupCertificates.sol is the twin and runs the same vectors.
 */
import { type Address, bytesToHex, equalBytes, type Hash32, hexToBytes } from '@cairn/base';
import { keccak } from './abi.ts';
import { BATCH_MAX, type Batch, foldBatchProof, pathSides } from './batch.ts';
import { BLOB_VERSION, type BlobHeader, blobKey } from './blob.ts';
import { encodeLookup } from './certificate.ts';
import { quorumError } from './errors.ts';
import { ROW_BYTES_MAX, rowBytes, SHAPES, shapeOf } from './rows.ts';
import type { Domain } from './vrf.ts';

export const ROLLUP_TYPE_BYTE = 0x01;
/** Free among OP layer bytes (spec/rollup-interfaces.md 1.1). */
export const ROLLUP_LAYER_BYTE = 0x43;
export const ROLLUP_VERSION = 0x01;
const FIXED_BYTES = 160;
const CHECKSUM_BYTES = 4;
/** Longest certificate: a batch of 64. */
export const ROLLUP_CERTIFICATE_BYTES_MAX = FIXED_BYTES + 32 * 6 + CHECKSUM_BYTES;
const MAX_FEE_END = 1n << 128n;

export type RollupCertificate = {
  header: BlobHeader;
  /** Root left out: it follows. */
  batch: Omit<Batch, 'root'>;
  /** Place of the blob in its batch. */
  index: number;
  siblings: readonly Hash32[];
  /** The input is `payload[offset, offset + length)`. */
  offset: number;
  length: number;
};

/** Encodes a certificate; new bytes. Throws `QUORUM_ROLLUP` when a field does not fit. */
export function encodeRollupCertificate(certificate: RollupCertificate): Uint8Array {
  const { header, batch, index, siblings, offset, length } = certificate;
  const fault = faultOf(certificate);
  if (fault) throw malformed(fault);
  const out = new Uint8Array(FIXED_BYTES + 32 * siblings.length + CHECKSUM_BYTES);
  const view = new DataView(out.buffer);
  out.set([ROLLUP_TYPE_BYTE, ROLLUP_LAYER_BYTE, ROLLUP_VERSION, header.shape]);
  view.setUint32(4, header.length);
  view.setUint32(8, offset);
  view.setUint32(12, length);
  view.setUint32(16, batch.epoch);
  view.setUint16(20, batch.quorum);
  view.setBigUint64(22, BigInt(batch.referenceBlock));
  view.setBigUint64(30, BigInt(batch.expiry));
  out.set([batch.blobs, index], 38);
  out.set(hexToBytes(header.commitment), 40);
  out.set(hexToBytes(header.account), 72);
  out.set(hexToBytes(header.disperser), 92);
  out.set(hexToBytes(header.nonce.toString(16).padStart(64, '0')), 112);
  out.set(hexToBytes(header.maxFee.toString(16).padStart(32, '0')), 144);
  for (const [i, sibling] of siblings.entries()) out.set(hexToBytes(sibling), FIXED_BYTES + 32 * i);
  out.set(checksum(out.subarray(0, -CHECKSUM_BYTES)), out.length - CHECKSUM_BYTES);
  return out;
}

/** Parses a stranger's bytes. Throws `QUORUM_ROLLUP` on anything `encodeRollupCertificate` does not make. */
export function decodeRollupCertificate(bytes: Uint8Array): RollupCertificate {
  if (bytes.length < FIXED_BYTES + CHECKSUM_BYTES || bytes.length > ROLLUP_CERTIFICATE_BYTES_MAX)
    throw malformed(`a certificate of ${bytes.length} bytes`);
  const [type, layer, version, shape] = bytes as unknown as [number, number, number, number];
  if (type !== ROLLUP_TYPE_BYTE || layer !== ROLLUP_LAYER_BYTE || version !== ROLLUP_VERSION)
    throw malformed('not a certificate of this network and version');
  const end = bytes.length - CHECKSUM_BYTES;
  if (!equalBytes(checksum(bytes.subarray(0, end)), bytes.subarray(end)))
    throw malformed('the checksum does not match');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const position = (at: number): number => Number(view.getBigUint64(at));
  const hex = (from: number, to: number): `0x${string}` => bytesToHex(bytes.subarray(from, to));
  const batch = {
    epoch: view.getUint32(16),
    quorum: view.getUint16(20),
    referenceBlock: position(22),
    expiry: position(30),
    blobs: bytes[38]!,
  };
  if (shape >= SHAPES.length) throw malformed('no such shape');
  const length = view.getUint32(4);
  const certificate: RollupCertificate = {
    header: {
      version: BLOB_VERSION,
      shape,
      length,
      rowSize: rowBytes(shapeOf(shape), length),
      commitment: hex(40, 72) as Hash32,
      account: hex(72, 92) as Address,
      disperser: hex(92, 112) as Address,
      nonce: BigInt(hex(112, 144)),
      epoch: batch.epoch,
      quorum: batch.quorum,
      expiry: batch.expiry,
      maxFee: BigInt(hex(144, 160)),
    },
    batch,
    index: bytes[39]!,
    siblings: Array.from(
      { length: (end - FIXED_BYTES) >> 5 },
      (_, i) => hex(FIXED_BYTES + 32 * i, FIXED_BYTES + 32 * i + 32) as Hash32,
    ),
    offset: view.getUint32(8),
    length: view.getUint32(12),
  };
  const fault = (end - FIXED_BYTES) % 32 === 0 ? faultOf(certificate) : 'a broken sibling';
  if (fault) throw malformed(fault);
  return certificate;
}

/** The blob's key in the domain of a chain and entrance. */
export function rollupBlobKey(entrance: Domain, { header }: RollupCertificate): Hash32 {
  return blobKey(entrance, header);
}

/** What `DAEntrance.checkCertificate` takes. The leaf is in the batch by construction; whether the batch exists, it says. */
export function rollupLookup(entrance: Domain, certificate: RollupCertificate): Uint8Array {
  const { header, index, siblings } = certificate;
  const key = rollupBlobKey(entrance, certificate);
  const root = foldBatchProof({ key, index, siblings }, certificate.batch.blobs);
  return encodeLookup({ batch: { ...certificate.batch, root }, header, index, siblings });
}

function faultOf(certificate: RollupCertificate): string | undefined {
  const { header, batch, index, siblings, offset, length } = certificate;
  if (header.version !== BLOB_VERSION) return 'another blob version';
  if (header.length < 1 || header.length > 0xffff_ffff) return 'no such blob length';
  if (header.rowSize !== rowBytes(shapeOf(header.shape), header.length)) return 'a wrong row size';
  if (header.rowSize > ROW_BYTES_MAX) return 'a blob too long for its shape';
  if (header.epoch !== batch.epoch || header.quorum !== batch.quorum) return 'another quorum';
  if (header.expiry !== batch.expiry) return 'another expiry';
  if (header.maxFee >= MAX_FEE_END) return 'a fee above 128 bits';
  if (length < 1 || offset < 0 || offset + length > header.length) return 'a range out of the blob';
  if (!Number.isSafeInteger(batch.referenceBlock) || !Number.isSafeInteger(batch.expiry))
    return 'a block or time beyond 2^53';
  if (batch.blobs < 1 || batch.blobs > BATCH_MAX || index >= batch.blobs) return 'no such leaf';
  if (siblings.length !== pathSides(batch.blobs, index).length) return 'a path of wrong length';
  return undefined;
}

function checksum(bytes: Uint8Array): Uint8Array {
  return keccak(bytes).subarray(0, CHECKSUM_BYTES);
}

function malformed(why: string): Error {
  return quorumError('QUORUM_ROLLUP', `malformed certificate: ${why}`);
}

/** Whether bytes begin as ours do: a reader that serves several kinds of commitments tells them apart by it. */
export function isRollupCertificate(bytes: Uint8Array): boolean {
  const head = Uint8Array.of(ROLLUP_TYPE_BYTE, ROLLUP_LAYER_BYTE, ROLLUP_VERSION);
  return equalBytes(bytes.subarray(0, head.length), head);
}
