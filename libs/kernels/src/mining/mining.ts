// Interface of the mining kernels. Source: spec/storage-protocol.md 4.2 (sealing) and 4.5 (one iteration). K is Keccak-256, B
// is BLAKE2b-512, a word is 32 bytes.

/** One seal: 128 words. */
export const SEAL_BYTES = 4096;
/** What a nonce recalls: 64 seals. */
export const LOAD_BYTES = 262_144;
export const SEALS_PER_LOAD = LOAD_BYTES / SEAL_BYTES;
/** Buffers that `loadBuffers` gives. */
export const LOAD_BUFFERS = 8;
/** 256 cells of 64 bytes. */
export const SCRATCHPAD_BYTES = 16_384;
/** B(minerId, nonce, subtaskDigest, rangeDigest). */
export const PAD_SEED_BYTES = 64;

/** What several nonces need before their loads are read. */
export type Scratchpads = {
  /** 16 KiB per nonce, in order. */
  pads: Uint8Array;
  /** 32 bytes per nonce: K(last cell), which names the load. */
  recallSeeds: Uint8Array;
};

export type LoadSearch = {
  /** 256 KiB: the sealed bytes of the recalled load. One of `loadBuffers` is hashed where it lies. */
  load: Uint8Array;
  /** 16 KiB. */
  pad: Uint8Array;
  /** 64 bytes. */
  padSeed: Uint8Array;
  /** 32 bytes, big-endian: a quality up to and including it is a hit. */
  target: Uint8Array;
  /** Bit i & 7 of byte i >> 3 says whether seal i is held and sealed (8 bytes); all are when absent. */
  present?: Uint8Array | undefined;
};

/** A seal whose quality reached the target. `quality`: 32 bytes, big-endian, new. */
export type LoadHit = { sealIndex: number; quality: Uint8Array };

/**
 * What a miner computes. Lengths are asserted; results are new arrays unless `out` is given. Nothing here is secret and
 * nothing is constant time.
 *
 * A miner draws a batch of nonces (`nonceLanes` fill the vectors; more go through in groups), makes their pads in lock step,
 * reads the loads they recall, and searches each load as it arrives.
 */
export interface MiningKernels {
  /** Nonces that one pass of `scratchpads` runs side by side. */
  readonly nonceLanes: number;
  /** B of `input.length / itemBytes` consecutive inputs; 64 bytes each, in order. `out` does not overlap the input. */
  blake2b512Many(input: Uint8Array, itemBytes: number, out?: Uint8Array): Uint8Array;
  /**
   * Seals n seals of 4 KiB: c[0] = w[0] ^ mask, c[i] = w[i] ^ K(c[i - 1]). `masks` holds the first mask of each, 32 bytes:
   * K(minerId, context digest, u256(start sector)). `out` is `data` itself or does not overlap it.
   */
  seal(data: Uint8Array, masks: Uint8Array, out?: Uint8Array): Uint8Array;
  /** Inverse of `seal`. `out` is `sealed` itself or does not overlap it. */
  unseal(sealed: Uint8Array, masks: Uint8Array, out?: Uint8Array): Uint8Array;
  /**
   * Pads and recall seeds of n nonces from their pad seeds (64 n bytes): 512 chained K of 64 bytes each. Writes to the
   * fronts of `out` when given and returns views of it.
   */
  scratchpads(padSeeds: Uint8Array, out?: Scratchpads): Scratchpads;
  /**
   * Qualities of a load: q = B(u256(seal), padSeed, 0^32, seal ^ pad[seal mod 4])[0:32] for each present seal. Only hits
   * leave the kernel, in ascending order of seal; others are dropped after their first word.
   */
  searchLoad(search: LoadSearch): LoadHit[];
  /**
   * The same 8 buffers of 256 KiB at every call, for loads to be read into: this backend hashes them without a copy. The
   * caller decides who uses which.
   */
  loadBuffers(): readonly Uint8Array[];
}
