/*
 * Header of a blob: what an account signs and a member is obliged by (da-protocol.md section 4). Twelve words in ABI order;
 * `blobKey` names the blob everywhere, `authorizationDigest` is what the account signs (EIP-712).
 */
import { type Address, bytesToHex, type Hash32, hexToBytes } from '@cairn/base';
import { encodeWords, hashWords, keccak, type Word } from './abi.ts';
import { quorumError } from './errors.ts';
import { ROW_BYTES_MAX, ROWS_PER_MEMBER_MIN, rowBytes, SHAPES, shapeOf } from './rows.ts';
import { TAG_BLOB } from './tags.ts';
import type { Domain } from './vrf.ts';

/** Codec version of the network: natural layout, piece trees (da-protocol.md section 3). */
export const BLOB_VERSION = 0x11;
/** Words of a header. */
export const HEADER_WORDS = 12;

export type BlobHeader = {
  version: number;
  /** Index into `SHAPES`. */
  shape: number;
  /** Payload bytes, from 1. */
  length: number;
  /** Bytes of one row. */
  rowSize: number;
  commitment: Hash32;
  /** Who pays. */
  account: Address;
  /** Who gets the relay's part of the fee. */
  disperser: Address;
  /** Unordered, one use per account. */
  nonce: bigint;
  epoch: number;
  quorum: number;
  /** Unix seconds until which members answer for their rows. */
  expiry: number;
  /** Wei the account is ready to pay. */
  maxFee: bigint;
};

const HEADER_TYPE =
  'BlobHeader(uint8 version,uint8 shape,uint32 length,uint32 rowSize,bytes32 commitment,address account,' +
  'address disperser,uint256 nonce,uint32 epoch,uint16 quorum,uint64 expiry,uint256 maxFee)';
const DOMAIN_TYPE =
  'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';
const textHash = (text: string): Uint8Array => keccak(new TextEncoder().encode(text));

/** The header as ABI words. Throws `QUORUM_HEADER` when a field does not fit its type. */
export function headerWords(header: BlobHeader): Word[] {
  const bounded = (name: keyof BlobHeader, end: number): number => {
    const value = header[name] as number;
    if (!Number.isSafeInteger(value) || value < 0 || value >= end)
      throw quorumError('QUORUM_HEADER', `${name} out of range: ${value}`, { [name]: value });
    return value;
  };
  return [
    bounded('version', 2 ** 8),
    bounded('shape', 2 ** 8),
    bounded('length', 2 ** 32),
    bounded('rowSize', 2 ** 32),
    header.commitment,
    header.account,
    header.disperser,
    header.nonce,
    bounded('epoch', 2 ** 32),
    bounded('quorum', 2 ** 16),
    bounded('expiry', 2 ** 53),
    header.maxFee,
  ];
}

export function encodeHeader(header: BlobHeader): Uint8Array {
  return encodeWords(headerWords(header));
}

/** Parses a header from a stranger. Throws `QUORUM_HEADER` on wrong length or a word beyond its type. */
export function decodeHeader(bytes: Uint8Array): BlobHeader {
  if (bytes.length !== HEADER_WORDS * 32)
    throw quorumError('QUORUM_HEADER', `a header has ${HEADER_WORDS * 32} bytes`, {
      actual: bytes.length,
    });
  const hex = (i: number): string => bytesToHex(bytes.subarray(32 * i, 32 * i + 32));
  const uint = (i: number, name: string, end: bigint): bigint => {
    const value = BigInt(hex(i));
    if (value >= end) throw quorumError('QUORUM_HEADER', `${name} out of range`, { word: i });
    return value;
  };
  const number = (i: number, name: string, bits: bigint): number =>
    Number(uint(i, name, 1n << bits));
  const address = (i: number, name: string): Address => {
    uint(i, name, 1n << 160n);
    return `0x${hex(i).slice(26)}` as Address;
  };
  return {
    version: number(0, 'version', 8n),
    shape: number(1, 'shape', 8n),
    length: number(2, 'length', 32n),
    rowSize: number(3, 'rowSize', 32n),
    commitment: hex(4) as Hash32,
    account: address(5, 'account'),
    disperser: address(6, 'disperser'),
    nonce: BigInt(hex(7)),
    epoch: number(8, 'epoch', 32n),
    quorum: number(9, 'quorum', 16n),
    // The type is uint64; a time past 2^53 is nothing anybody means.
    expiry: number(10, 'expiry', 53n),
    maxFee: BigInt(hex(11)),
  };
}

/** `K(abi(BLOB, chainId, entrance, header))`. */
export function blobKey(entrance: Domain, header: BlobHeader): Hash32 {
  return hashWords(TAG_BLOB, entrance.chainId, entrance.contract, ...headerWords(header));
}

/** The 32 bytes an account, or a session key it registered, signs with ECDSA. */
export function authorizationDigest(entrance: Domain, header: BlobHeader): Hash32 {
  const domain = hashWords(
    textHash(DOMAIN_TYPE),
    textHash('Cairn DA'),
    textHash('1'),
    entrance.chainId,
    entrance.contract,
  );
  const struct = hashWords(textHash(HEADER_TYPE), ...headerWords(header));
  const bytes = new Uint8Array(66);
  bytes.set([0x19, 0x01]);
  bytes.set(hexToBytes(domain), 2);
  bytes.set(hexToBytes(struct), 34);
  return bytesToHex(keccak(bytes)) as Hash32;
}

/** What is wrong with a header by itself, given the members of its quorum; undefined when nothing is. */
export function headerFault(header: BlobHeader, memberCount: number): string | undefined {
  if (header.version !== BLOB_VERSION) return 'version';
  if (header.shape >= SHAPES.length) return 'shape';
  if (header.length === 0) return 'length';
  const shape = shapeOf(header.shape);
  if (header.rowSize !== rowBytes(shape, header.length)) return 'rowSize';
  if (header.rowSize > ROW_BYTES_MAX) return 'length';
  // The smallest shape that fits, so that nobody spreads a blob over too few rows per member.
  if (shape.rows < ROWS_PER_MEMBER_MIN * memberCount) return 'shape';
  const smaller = SHAPES[header.shape - 1];
  if (
    smaller &&
    smaller.rows >= ROWS_PER_MEMBER_MIN * memberCount &&
    rowBytes(smaller, header.length) <= ROW_BYTES_MAX
  )
    return 'shape';
  return undefined;
}

/** Wei: `n · rowSize · retention · price`, `pricePerByteSecond` in wei, as DAEntrance charges it. */
export function blobFee(
  header: Pick<BlobHeader, 'shape' | 'rowSize'>,
  price: { retentionSeconds: number; pricePerByteSecond: bigint },
): bigint {
  const bytes = BigInt(shapeOf(header.shape).rows) * BigInt(header.rowSize);
  return bytes * BigInt(price.retentionSeconds) * price.pricePerByteSecond;
}
