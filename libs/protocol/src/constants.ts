import type { Hash32 } from '@cairn/base';

// Sizes of the storage protocol (spec/storage-protocol.md section 1). KiB, GiB, TiB are powers of 1024.

/** One leaf of every Merkle tree. */
export const BYTES_PER_SECTOR = 256;
/** Upload and download granularity; also the mining load. */
export const BYTES_PER_SEGMENT = 262_144;
export const SECTORS_PER_SEGMENT = 1024;
/** Merkle height of a whole segment. */
export const SEGMENT_HEIGHT = 10;
export const BYTES_PER_SEAL = 4096;
export const SECTORS_PER_SEAL = 16;
/** Reward pool granularity: 8 GiB. */
export const SECTORS_PER_PRICING = 2 ** 25;
/** Highest height a submission node may have is below this. */
export const MAX_SUBMISSION_HEIGHT = 64;

/** Keccak-256 of 256 zero bytes. */
export const ZERO_SECTOR_HASH =
  '0xd397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5' as Hash32;
/** Keccak-256 of nothing; marks a context without a block hash. */
export const EMPTY_HASH =
  '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470' as Hash32;

/** Segments one JSON-RPC upload call usually carries; our binary route takes the same. */
export const SEGMENTS_PER_CALL_MAX = 16;
/** Files above this are not cached before their log entry is known (spec/storage-rpc.md section 5). */
export const UNKNOWN_FILE_BYTES_MAX = 10 * 1024 * 1024;
/** Memory pool bound: 4 Mi sectors = 1 GiB upstream; a node may set less. */
export const POOL_SECTORS_MAX = 4_194_304;
export const POOL_TTL_MS = 300_000;
/** Parallel writers before `too many data writing`. */
export const WRITERS_MAX = 16;

/** What we report as p2pProtocolVersion (upstream's). */
export const P2P_PROTOCOL_VERSION = { major: 0, minor: 4, build: 0 } as const;

/** Exit codes of every command (architecture section 6). */
export const EXIT_CODES = {
  ok: 0,
  usage: 2,
  funds: 3,
  network: 4,
  notFound: 5,
  verification: 6,
  disk: 7,
  interrupted: 130,
} as const;
