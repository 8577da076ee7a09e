import { bytesToHex, seededRandom } from '@cairn/base';
import { rollupVerifierAbi } from '@cairn/chain';
import { keccak } from '@cairn/quorum';
import { createPublicClient, http } from 'viem';
import { expect, it } from 'vitest';
import { enhanced, quantity } from '../../src/nitro-client.ts';
import { flip, forged, hex, inputOf, type OnRollups } from '../../src/rollup-network.ts';

/** Proofs of the provider, checked by the contract. */
export function fraudProofs(on: OnRollups): void {
  it('any offset of a random blob is accepted by the contract, every mutated proof is refused', async () => {
    const random = seededRandom(2026);
    const pick = (end: number): number => new DataView(random.bytes(4).buffer).getUint32(0) % end;
    const chain = createPublicClient({ transport: http(on().network.anvil.rpcUrl) });
    const verifier = { address: on().network.rollupVerifier, abi: rollupVerifierAbi } as const;
    const read = (certificate: Uint8Array, offset: number, proof: Uint8Array): Promise<string> =>
      chain.readContract({
        ...verifier,
        functionName: 'validateReadPreimage',
        args: [bytesToHex(keccak(certificate)), BigInt(offset), hex(enhanced(certificate, proof))],
      });
    const validate = (certificate: Uint8Array, proof: Uint8Array): Promise<boolean> =>
      chain.readContract({
        ...verifier,
        functionName: 'validateCertificate',
        args: [hex(enhanced(certificate, proof))],
      });
    // Small ones share blobs; the long one has rows of several pieces.
    const messages = await Promise.all(
      [33, 64, 1000, 5000, 20_000, 50_000, 90_000, 1_500_000].map(async (size) => {
        const message = inputOf(size, size);
        return { message, certificate: await on().nitro.store(message) };
      }),
    );
    for (let round = 0; round < 24; round++) {
      const { message, certificate } = messages[round % messages.length]!;
      const offset = pick(message.length);
      const proof = await on().nitro.readPreimageProof(offset, certificate);
      const what = `offset ${offset} of ${message.length}`;
      expect(await read(certificate, offset, proof), what).toBe(
        hex(message.subarray(offset, offset + 32)),
      );
      const changed = flip(proof, pick(proof.length), 1 + pick(255));
      await expect(read(certificate, offset, changed), what).rejects.toThrow(/revert/i);
    }
    const { message, certificate } = messages[3]!;
    const beyond = await on().nitro.readPreimageProof(message.length, certificate);
    expect(await read(certificate, message.length, beyond)).toBe('0x');
    // The form of older clients, with the hash first.
    const { proof } = await on().nitro.call<{ proof: string }>(
      'generateReadPreimageProof',
      hex(keccak(certificate)),
      quantity(0),
      hex(certificate),
    );
    expect(proof).toBe(hex(await on().nitro.readPreimageProof(0, certificate)));

    const valid = await on().nitro.validityProof(certificate);
    expect(hex(valid)).toBe('0x0101');
    expect(await validate(certificate, valid)).toBe(true);
    const head = (await on().network.reader.head()).number;
    for (const bad of [flip(certificate, 50), forged(certificate, Math.max(0, head - 40))]) {
      const invalid = await on().nitro.validityProof(bad);
      expect(hex(invalid)).toBe('0x0001');
      expect(await validate(bad, invalid)).toBe(false);
      expect(await validate(bad, valid), 'a claim proves nothing').toBe(false);
    }
    await expect(validate(certificate, new Uint8Array(1))).rejects.toThrow(/MalformedProof/);
  });
}
