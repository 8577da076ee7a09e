import { type Address, type Hash32, hexToBytes } from '@cairn/base';
import type { Batch, BlobHeader, Domain } from '../src/index.ts';
import vectors from './vectors/quorum.json' with { type: 'json' };

export { vectors };

type Name = keyof typeof vectors;

export const registry: Domain = { chainId: 31_337, contract: vectors.registry as Address };
export const entrance: Domain = { chainId: 31_337, contract: vectors.entrance as Address };
export const hashes = (name: Name): Hash32[] => vectors[name] as unknown as Hash32[];
export const numbers = (name: Name): number[] => vectors[name] as unknown as number[];
export const blobs = (name: Name): Uint8Array[] => hashes(name).map((hex) => hexToBytes(hex));

export function headerVector(i: number): BlobHeader {
  const field = (k: number): number => numbers('headerNumbers')[7 * i + k]!;
  return {
    version: field(0),
    shape: field(1),
    length: field(2),
    rowSize: field(3),
    commitment: hashes('headerCommitments')[i]!,
    account: hashes('headerAccounts')[i]! as unknown as Address,
    disperser: hashes('headerDispersers')[i]! as unknown as Address,
    nonce: BigInt(hashes('headerNonces')[i]!),
    epoch: field(4),
    quorum: field(5),
    expiry: field(6),
    maxFee: BigInt(hashes('headerMaxFees')[i]!),
  };
}

export function batchVector(count: number): Batch {
  return {
    epoch: vectors.epoch,
    quorum: 0,
    referenceBlock: vectors.batchReferenceBlock,
    expiry: vectors.batchExpiry,
    blobs: count,
    root: hashes('batchRoots')[count - 1]!,
  };
}

/** The `code` of what `run` throws; undefined when it returns. */
export function codeOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}
