// Who may send a message in pieces: nobody in particular, whoever commits to what it sends, or one account (the batch poster).
import { type Address, bytesToHex, equalBytes } from '@cairn/base';
import { recoverAddress } from 'viem';
import type { VerifySignature } from './chunked.ts';

const SIGNATURE_BYTES = 65;

/** `none`, `commitment` (the signature is the hash), or the address whose ECDSA signature it must be. */
export function signatureCheck(mode: 'none' | 'commitment' | Address): VerifySignature {
  if (mode === 'none') return () => Promise.resolve(true);
  if (mode === 'commitment')
    return (hash, signature) => Promise.resolve(equalBytes(hash, signature));
  return async (hash, signature) => {
    if (signature.length !== SIGNATURE_BYTES) return false;
    // Go's signers give the recovery bit as 0 or 1.
    const v = signature[64]!;
    const normal = Uint8Array.of(...signature.subarray(0, 64), v < 27 ? v + 27 : v);
    try {
      const signer = await recoverAddress({
        hash: bytesToHex(hash),
        signature: bytesToHex(normal),
      });
      return signer.toLowerCase() === mode.toLowerCase();
    } catch {
      return false;
    }
  };
}
