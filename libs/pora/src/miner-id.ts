import { type Address, type Hash32, hexToBytes } from '@cairn/base';
import { keccakHash32, u256 } from './words.ts';

/** The id that `requestMinerId(…, seed)` gives to `sender` in the block after `parentBlockHash`. */
export function minerIdOf(parentBlockHash: Hash32, sender: Address, seed: bigint): Hash32 {
  return keccakHash32(hexToBytes(parentBlockHash), hexToBytes(sender), u256(seed).subarray(24));
}
