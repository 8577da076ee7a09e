/*
 * Domain tags: every hash of this protocol starts with one, so no signature and no draw serves two purposes. A tag is the
 * Keccak-256 of its name; `contracts/src/libraries/DaTags.sol` has the same list.
 */
import { bytesToHex, type Hash32 } from '@cairn/base';
import { keccak } from './abi.ts';

const tag = (name: string): Hash32 =>
  bytesToHex(keccak(new TextEncoder().encode(`cairn.da.v1.${name}`))) as Hash32;

/** Proof of possession of a BLS key. */
export const TAG_POP: Hash32 = tag('POP');
/** What an operator signs to draw its quorum. */
export const TAG_VRF: Hash32 = tag('VRF');
/** What members sign for a batch. */
export const TAG_ATTEST: Hash32 = tag('ATTEST');
export const TAG_SEED: Hash32 = tag('SEED');
export const TAG_MIX: Hash32 = tag('MIX');
export const TAG_ROWS: Hash32 = tag('ROWS');
export const TAG_SAMPLE: Hash32 = tag('SAMPLE');
export const TAG_BLOB: Hash32 = tag('BLOB');
