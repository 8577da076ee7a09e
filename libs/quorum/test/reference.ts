/*
 * Plain twin of the package for vectors and property tests: viem's ABI encoder instead of our words, no tables, no shared code
 * with `src`. Slow on purpose.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import {
  type AbiParameter,
  encodeAbiParameters,
  type Hex,
  hashTypedData,
  keccak256,
  toHex,
} from 'viem';

export const tag = (name: string): Hex => keccak256(toHex(`cairn.da.v1.${name}`));

function encode(types: string, values: readonly unknown[]): Hex {
  const parameters = types.split(',').map((type) => ({ type }) as AbiParameter);
  return encodeAbiParameters(parameters, values as never);
}

export const hash = (types: string, ...values: unknown[]): Hex => keccak256(encode(types, values));

export type Place = { chainId: number; contract: Hex };
const PLACE = 'bytes32,uint256,address';
const at = (name: string, place: Place): unknown[] => [
  tag(name),
  BigInt(place.chainId),
  place.contract,
];

export const seed = (place: Place, epoch: number, randao: Hex, mix: Hex): Hex =>
  hash(`${PLACE},uint256,bytes32,bytes32`, ...at('SEED', place), BigInt(epoch), randao, mix);
export const vrfMessage = (place: Place, epoch: number, seedOf: Hex): Hex =>
  hash(`${PLACE},uint256,bytes32`, ...at('VRF', place), BigInt(epoch), seedOf);
export const popMessage = (place: Place, operator: Hex, key: readonly Hex[]): Hex =>
  hash(`${PLACE},address,bytes32[4]`, ...at('POP', place), operator, key);
export const mix = (epoch: number, outputs: readonly Hex[]): Hex => {
  const sum = outputs.reduce((a, b) => a + BigInt(b), 0n) % (1n << 256n);
  return hash('bytes32,uint256,uint256', tag('MIX'), BigInt(epoch), sum);
};

export const rowKey = (
  place: Place,
  input: { epoch: number; quorum: number; mix: Hex; commitment: Hex },
): Hex =>
  hash(
    `${PLACE},uint256,uint256,bytes32,bytes32`,
    ...at('ROWS', place),
    BigInt(input.epoch),
    BigInt(input.quorum),
    input.mix,
    input.commitment,
  );

/** Four Feistel rounds, straight from the text. */
export function rowAt(key: Hex, n: number, position: number): number {
  const h = BigInt(Math.log2(n) / 2);
  let left = BigInt(position) >> h;
  let right = BigInt(position) % 2n ** h;
  for (let r = 0n; r < 4n; r++) {
    const round = BigInt(hash('bytes32,uint256,uint256', key, r, right)) % 2n ** h;
    [left, right] = [right, left ^ round];
  }
  return Number(left * 2n ** h + right);
}

export function positions(
  n: number,
  before: number,
  weight: number,
  total: number,
): [number, number] {
  const [bn, bb, bw, bt] = [n, before, weight, total].map(BigInt) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  return [Number((bn * bb) / bt), Number((bn * (bb + bw)) / bt)];
}

export function samples(
  input: { epoch: number; member: number; commitment: Hex },
  custody: readonly number[],
  n: number,
): number[] {
  const out: number[] = [];
  for (let j = 0; custody.length + out.length < Math.min(148, n); j++) {
    const draw = hash(
      'bytes32,uint256,uint256,bytes32,uint256',
      tag('SAMPLE'),
      BigInt(input.epoch),
      BigInt(input.member),
      input.commitment,
      BigInt(j),
    );
    const row = Number(BigInt(draw) % BigInt(n));
    if (!custody.includes(row) && !out.includes(row)) out.push(row);
  }
  return out;
}

export type Header = {
  version: number;
  shape: number;
  length: number;
  rowSize: number;
  commitment: Hex;
  account: Hex;
  disperser: Hex;
  nonce: bigint;
  epoch: number;
  quorum: number;
  expiry: number;
  maxFee: bigint;
};
const HEADER_FIELDS = [
  { name: 'version', type: 'uint8' },
  { name: 'shape', type: 'uint8' },
  { name: 'length', type: 'uint32' },
  { name: 'rowSize', type: 'uint32' },
  { name: 'commitment', type: 'bytes32' },
  { name: 'account', type: 'address' },
  { name: 'disperser', type: 'address' },
  { name: 'nonce', type: 'uint256' },
  { name: 'epoch', type: 'uint32' },
  { name: 'quorum', type: 'uint16' },
  { name: 'expiry', type: 'uint64' },
  { name: 'maxFee', type: 'uint256' },
] as const;
const HEADER_TUPLE = { type: 'tuple', components: HEADER_FIELDS } as const;
const placeParameters = [{ type: 'bytes32' }, { type: 'uint256' }, { type: 'address' }] as const;
const wide = (header: Header) => ({ ...header, expiry: BigInt(header.expiry) });

export const blobKey = (place: Place, header: Header): Hex =>
  keccak256(
    encodeAbiParameters(
      [...placeParameters, HEADER_TUPLE],
      [tag('BLOB'), BigInt(place.chainId), place.contract, wide(header)],
    ),
  );

export const authorizationDigest = (place: Place, header: Header): Hex =>
  hashTypedData({
    domain: {
      name: 'Cairn DA',
      version: '1',
      chainId: place.chainId,
      verifyingContract: place.contract,
    },
    types: { BlobHeader: HEADER_FIELDS },
    primaryType: 'BlobHeader',
    message: wide(header),
  });

export type BatchFields = {
  epoch: number;
  quorum: number;
  referenceBlock: number;
  expiry: number;
  blobs: number;
  root: Hex;
};
export const BATCH_TUPLE = {
  type: 'tuple',
  components: [
    { name: 'epoch', type: 'uint32' },
    { name: 'quorum', type: 'uint16' },
    { name: 'referenceBlock', type: 'uint64' },
    { name: 'expiry', type: 'uint64' },
    { name: 'blobs', type: 'uint32' },
    { name: 'root', type: 'bytes32' },
  ],
} as const;
export const wideBatch = (batch: BatchFields) => ({
  ...batch,
  referenceBlock: BigInt(batch.referenceBlock),
  expiry: BigInt(batch.expiry),
});
export const batchHash = (batch: BatchFields): Hex =>
  keccak256(encodeAbiParameters([BATCH_TUPLE], [wideBatch(batch)]));
export const attestMessage = (place: Place, batch: BatchFields): Hex =>
  keccak256(
    encodeAbiParameters(
      [...placeParameters, BATCH_TUPLE],
      [tag('ATTEST'), BigInt(place.chainId), place.contract, wideBatch(batch)],
    ),
  );

/** Left-heavy tree by recursion over copies. */
export function batchRoot(keys: readonly Hex[]): Hex {
  if (keys.length === 1) return keys[0]!;
  let half = 1;
  while (half * 2 < keys.length) half *= 2;
  return hash('bytes32,bytes32', batchRoot(keys.slice(0, half)), batchRoot(keys.slice(half)));
}

const words = (values: readonly bigint[]): Hex[] =>
  values.flatMap((value) => {
    const digits = value.toString(16).padStart(128, '0');
    return [`0x${digits.slice(0, 64)}`, `0x${digits.slice(64)}`] as Hex[];
  });
/** Points as the words EIP-2537 takes. */
export const g1Words = (point: { toAffine(): { x: bigint; y: bigint } }): Hex[] => {
  const { x, y } = point.toAffine();
  return words([x, y]);
};
type Fp2 = { c0: bigint; c1: bigint };
export const g2Words = (point: { toAffine(): { x: Fp2; y: Fp2 } }): Hex[] => {
  const { x, y } = point.toAffine();
  return words([x.c0, x.c1, y.c0, y.c1]);
};
export const DST = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_';
export const hashToG2 = (message: Uint8Array) => bls12_381.G2.hashToCurve(message, { DST });
export const G1 = bls12_381.G1.Point;
