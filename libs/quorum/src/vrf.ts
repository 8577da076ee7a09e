/*
 * Seed, reveal and mix (da-protocol.md section 2). A BLS signature on a message is unique, so `beta` is a verifiable random
 * output: nobody, its owner included, can choose among several.
 */
import { type Address, bytesToHex, type Hash32 } from '@cairn/base';
import { hashToUint, hashWords, keccak } from './abi.ts';
import { TAG_MIX, TAG_POP, TAG_SEED, TAG_VRF } from './tags.ts';

/** Chain and contract that a signed message is bound to. */
export type Domain = { chainId: number; contract: Address };

const UINT256_MASK = (1n << 256n) - 1n;

/** `seed(e)`; `randao` is the mixHash of the header of the epoch's seed block. */
export function epochSeed(
  registry: Domain,
  input: { epoch: number; randao: Hash32; previousMix: Hash32 },
): Hash32 {
  return hashWords(
    TAG_SEED,
    registry.chainId,
    registry.contract,
    input.epoch,
    input.randao,
    input.previousMix,
  );
}

/** The 32 bytes an operator signs to draw its quorum of `epoch`. */
export function vrfMessage(registry: Domain, input: { epoch: number; seed: Hash32 }): Hash32 {
  return hashWords(TAG_VRF, registry.chainId, registry.contract, input.epoch, input.seed);
}

/** The 32 bytes an operator signs to prove that it holds a key. `key` is the point in EIP-2537 form, 128 bytes. */
export function popMessage(
  registry: Domain,
  input: { operator: Address; key: Uint8Array },
): Hash32 {
  return hashWords(
    TAG_POP,
    registry.chainId,
    registry.contract,
    input.operator,
    ...[0, 1, 2, 3].map((i) => input.key.subarray(32 * i, 32 * (i + 1))),
  );
}

/** `beta = K(y)` over the revealed signature in EIP-2537 form, 256 bytes. */
export function vrfOutput(reveal: Uint8Array): Hash32 {
  return bytesToHex(keccak(reveal)) as Hash32;
}

/** `mix(e)` from the sum of all outputs of the epoch modulo 2^256; the order of reveals does not matter. */
export function epochMix(epoch: number, outputs: readonly Hash32[]): Hash32 {
  let sum = 0n;
  for (const output of outputs) sum = (sum + hashToUint(output)) & UINT256_MASK;
  return hashWords(TAG_MIX, epoch, sum);
}

/** Index of the quorum that an operator with this output belongs to. */
export function quorumOfOutput(output: Hash32, quorumCount: number): number {
  return Number(hashToUint(output) % BigInt(quorumCount));
}
