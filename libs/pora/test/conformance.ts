/*
 * One hash over seeded seals, pads, recalls and qualities. When it changes, answers of other miners no longer verify:
 * `node --conditions=source libs/pora/test/conformance.ts` writes the new one, as a commit of its own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHash32, bytesToHex, seededRandom } from '@cairn/base';
import { type Kernels, loadKernels } from '@cairn/kernels';
import {
  mixSeal,
  nextEpoch,
  padSeeds,
  qualityOf,
  qualityThreshold,
  rangeOfShard,
  recallLoad,
  sealInPlace,
  seedBase,
} from '../src/index.ts';

export type Conformance = { cases: number; keccak256: string };

export function conformance(kernels: Kernels, cases = 64): Conformance {
  const random = seededRandom(2026);
  const draw = (below: number): number => Math.floor(random.next() * below);
  const lines: string[] = [];
  for (let i = 0; i < cases; i++) {
    const numShard = 2 ** draw(5);
    const flowLength = 1024 * numShard + draw(2 ** (11 + draw(30)));
    const range = rangeOfShard({ shardId: draw(numShard), numShard }, flowLength);
    const minerId = bytesToHash32(random.bytes(32));
    const digest = bytesToHash32(random.bytes(32));
    const base = seedBase({ minerId, subtaskDigest: digest, range });
    const padSeed = padSeeds(kernels, base, random.bytes(32));
    const { pads, recallSeeds } = kernels.mining.scratchpads(padSeed);
    const seal = random.bytes(4096);
    sealInPlace(kernels, seal, { minerId, contextDigest: digest, startSector: 16 * draw(2 ** 30) });
    const sealOffset = draw(64);
    const target = BigInt(bytesToHex(random.bytes(32)));
    lines.push(
      [
        bytesToHex(kernels.keccak256(seal)),
        bytesToHex(padSeed),
        recallLoad(range, recallSeeds) ?? 'none',
        qualityOf(sealOffset, padSeed, mixSeal(seal, sealOffset, pads)).toString(16),
        qualityThreshold(target, range, flowLength).toString(16),
        nextEpoch(
          {
            poraTarget: target,
            currentSubmissions: draw(5),
            targetBeforeGap: 0n,
            hasAnswers: true,
          },
          { targetSubmissions: 3, adjustRatio: 20, minDifficulty: 1n },
          draw(200),
        ).poraTarget.toString(16),
      ].join(' '),
    );
  }
  const text = new TextEncoder().encode(lines.join('\n'));
  return { cases, keccak256: bytesToHex(kernels.keccak256(text)) };
}

if (import.meta.main) {
  const result = conformance(await loadKernels());
  writeFileSync(
    join(import.meta.dirname, 'conformance.json'),
    `${JSON.stringify({ about: 'libs/pora/test/conformance.ts', ...result }, undefined, 2)}\n`,
  );
}
