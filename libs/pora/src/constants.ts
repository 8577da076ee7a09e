// Sizes of mining (spec/storage-protocol.md section 1) that only this package uses.
import { BYTES_PER_SEAL, SECTORS_PER_SEAL, SECTORS_PER_SEGMENT } from '@cairn/protocol';

/** A load: what one recall reads. The same 256 KiB as a segment. */
export const SECTORS_PER_LOAD: number = SECTORS_PER_SEGMENT;
export const SEALS_PER_LOAD: number = SECTORS_PER_LOAD / SECTORS_PER_SEAL;
export const BYTES_PER_LOAD: number = SEALS_PER_LOAD * BYTES_PER_SEAL;
export const BYTES_PER_WORD = 32;
export const WORDS_PER_SEAL: number = BYTES_PER_SEAL / BYTES_PER_WORD;
/** Four seals share one pass over the pad. */
export const SEALS_PER_PAD = 4;
export const BYTES_PER_PAD: number = SEALS_PER_PAD * BYTES_PER_SEAL;
/** One cell of the pad. */
export const BYTES_PER_CELL = 64;
/** 8 TiB in sectors: the longest range of an unsharded miner. */
export const MINING_SECTORS_MAX: number = 2 ** 35;
/** Merkle height of one seal. */
export const SEAL_HEIGHT = 4;
/** What `poraVersion()` must say. */
export const PORA_VERSION = 1;
