import { expect, test } from 'vitest';
import pinned from './conformance.json' with { type: 'json' };
import { conformance } from './conformance.ts';

test('draws, assignments and encodings are those of version 1', () => {
  const { cases, keccak256 } = conformance();
  expect({ cases, keccak256 }).toEqual({ cases: pinned.cases, keccak256: pinned.keccak256 });
});
