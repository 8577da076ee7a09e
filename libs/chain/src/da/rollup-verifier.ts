/* The contract that judges certificates of rollups. */
import { type Address, bytesToHex } from '@cairn/base';
import { createPublicClient, http } from 'viem';
import { chainError } from '../errors.ts';
import { rollupVerifierAbi } from '../generated/rollup-verifier-abi.ts';
import type { ContractCall } from '../sender.ts';

/** Blocks to come beyond which a reference block makes a certificate refusable (`RollupVerifier.REFUSE_AHEAD`). */
export const REFUSE_AHEAD_BLOCKS = 64;

export interface RollupVerifierReader {
  readonly address: Address;
  /** 1 confirmed and paid for, 2 undecided, 3 and above invalid for good. */
  checkCertificate(certificate: Uint8Array): Promise<number>;
}

export function createRollupVerifier(options: {
  rpcUrl: string;
  address: Address;
}): RollupVerifierReader {
  const { rpcUrl, address } = options;
  const client = createPublicClient({
    transport: http(rpcUrl, { batch: { batchSize: 100, wait: 0 }, retryCount: 1 }),
    cacheTime: 0,
  });
  return {
    address,
    async checkCertificate(certificate) {
      try {
        return await client.readContract({
          ...{ address, abi: rollupVerifierAbi, functionName: 'checkCertificate' },
          args: [bytesToHex(certificate)],
        });
      } catch (error) {
        throw chainError(error, rpcUrl);
      }
    },
  };
}

/** Makes a certificate that names a block far ahead invalid for good. */
export const refuseCall = (verifier: Address, certificate: Uint8Array): ContractCall => ({
  address: verifier,
  abi: rollupVerifierAbi,
  functionName: 'refuse',
  args: [bytesToHex(certificate)],
});
