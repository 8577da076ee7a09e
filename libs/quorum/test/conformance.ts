/*
 * One hash over seeded draws, assignments, headers and batches. When it changes, what nodes sign or hold has changed:
 * `node --conditions=source libs/quorum/test/conformance.ts` writes the new one, as a commit of its own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, bytesToHex, type Hash32, seededRandom } from '@cairn/base';
import {
  assignRows,
  attestMessage,
  authorizationDigest,
  batchHash,
  batchProof,
  batchRoot,
  blobKey,
  buildQuorums,
  encodeLookup,
  epochMix,
  epochSeed,
  keccak,
  RowPermutation,
  rowKey,
  SHAPES,
  vrfMessage,
} from '../src/index.ts';

export type Conformance = { cases: number; keccak256: string };

export function conformance(cases = 24): Conformance {
  const random = seededRandom(2026);
  const hash = (): Hash32 => bytesToHex(random.bytes(32)) as Hash32;
  const address = (): Address => bytesToHex(random.bytes(20)) as Address;
  const below = (end: number): number => Math.floor(random.next() * end);
  const lines: string[] = [];
  for (let i = 0; i < cases; i++) {
    const domain = { chainId: 1 + below(2 ** 31), contract: address() };
    const epoch = below(2 ** 20);
    const seed = epochSeed(domain, { epoch, randao: hash(), previousMix: hash() });
    const reveals = Array.from({ length: 1 + below(40) }, () => ({
      operator: address(),
      weight: 1 + below(5000),
      publicKey: random.bytes(48),
      output: hash(),
    }));
    const mix = epochMix(
      epoch,
      reveals.map((reveal) => reveal.output),
    );
    const quorum = buildQuorums(reveals, 1)[0]!;
    const member = quorum.members[below(quorum.members.length)]!;
    const shape = SHAPES[i % 2]!;
    const headers = Array.from({ length: 1 + below(12) }, () => ({
      version: 0x11,
      shape: shape.code,
      length: below(2 ** 25),
      rowSize: 64 * (1 + below(512)),
      commitment: hash(),
      account: address(),
      disperser: address(),
      nonce: BigInt(hash()),
      epoch,
      quorum: 0,
      expiry: below(2 ** 40),
      maxFee: BigInt(hash()),
    }));
    const keys = headers.map((header) => blobKey(domain, header));
    const batch = {
      epoch,
      quorum: 0,
      referenceBlock: below(2 ** 40),
      expiry: headers[0]!.expiry,
      blobs: keys.length,
      root: batchRoot(keys),
    };
    const index = below(keys.length);
    const commitment = headers[0]!.commitment;
    const key = rowKey(domain, { epoch, quorum: 0, mix, commitment });
    const rows = assignRows(
      {
        entrance: domain,
        epoch,
        quorum: 0,
        mix,
        commitment,
        member: member.index,
        weightBefore: member.weightBefore,
        weight: member.weight,
        totalWeight: quorum.weight,
      },
      new RowPermutation(key, shape.rows),
    );
    const lookup = encodeLookup({
      batch,
      header: headers[index]!,
      index,
      siblings: batchProof(keys, index),
    });
    lines.push(
      JSON.stringify([
        seed,
        mix,
        vrfMessage(domain, { epoch, seed }),
        key,
        rows,
        headers.map((header) => authorizationDigest(domain, header)),
        batchHash(batch),
        attestMessage(domain, batch),
        bytesToHex(lookup),
      ]),
    );
  }
  return { cases, keccak256: bytesToHex(keccak(new TextEncoder().encode(lines.join('\n')))) };
}

if (import.meta.main)
  writeFileSync(
    join(import.meta.dirname, 'conformance.json'),
    `${JSON.stringify({ about: 'libs/quorum/test/conformance.ts', ...conformance() }, undefined, 2)}\n`,
  );
