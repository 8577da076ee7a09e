export type Sha256ManyOptions = {
  /** One byte (0..255) hashed before every item, as the leaf and node prefixes of RFC 6962 trees. */
  prefix?: number | undefined;
  out?: Uint8Array | undefined;
};

/**
 * SHA-256 in batches. Functions take views and write to the front of `out` when given (which they return) or to a new array.
 * `out` may begin where the input begins when items have 32 bytes or more; it must not overlap otherwise. Lengths are
 * asserted.
 */
export interface Sha256Kernels {
  /** SHA-256 of `input.length / itemBytes` consecutive inputs, each after `prefix` when given; 32 bytes each, in order. */
  hashMany(input: Uint8Array, itemBytes: number, options?: Sha256ManyOptions): Uint8Array;
  /** One Merkle level without prefixes: n pairs of nodes (64 n bytes) to n parents (32 n bytes). */
  hashPairs(nodes: Uint8Array, out?: Uint8Array): Uint8Array;
}
