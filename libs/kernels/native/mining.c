/*
 * Seals, scratchpads and qualities of Proof of Random Access, by what the CPU can do; portable C otherwise. Little-endian
 * hosts only. A chain cannot be cut, so lanes are independent chains: seals, nonces, or seals of one load.
 */
#include "mining.h"

#include "cpu.h"
#include "keccak_constants.h"
#include "lanes.h"

static const uint64_t BLAKE2B_IV[8] = {
    0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull,
    0x510e527fade682d1ull, 0x9b05688c2b3e6c1full, 0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull,
};

#define LANES 1
#define FN(name) one_##name
#define TAIL(name) one_##name
#define TARGET
#include "lanes.inc"
#include "keccak_permute.inc"
#include "blake2b_compress.inc"
#include "mining_lanes.inc"
#include "lanes_end.inc"

#if defined(__x86_64__)
#define LANES 4
#define FN(name) avx2_##name
#define TAIL(name) one_##name
#define TARGET __attribute__((target("avx2")))
#include "lanes.inc"
#include "keccak_permute.inc"
#include "blake2b_compress.inc"
#include "mining_lanes.inc"
#include "lanes_end.inc"

#define LANES 8
#define FN(name) avx512_##name
#define TAIL(name) avx2_##name
#define TARGET __attribute__((target("avx512f,avx512vl,prefer-vector-width=512")))
#include "lanes.inc"
#include "keccak_permute.inc"
#include "blake2b_compress.inc"
#include "mining_lanes.inc"
#include "lanes_end.inc"

#define DISPATCH(name, ...)                             \
  switch (cpu_level()) {                                \
    case CPU_GFNI:                                      \
    case CPU_AVX512: return avx512_##name(__VA_ARGS__); \
    case CPU_AVX2: return avx2_##name(__VA_ARGS__);     \
    default: return one_##name(__VA_ARGS__);            \
  }
#elif defined(__aarch64__)
#define LANES 2
#define FN(name) neon_##name
#define TAIL(name) one_##name
#define TARGET
#include "lanes.inc"
#include "keccak_permute.inc"
#include "blake2b_compress.inc"
#include "mining_lanes.inc"
#include "lanes_end.inc"

#define DISPATCH(name, ...)                         \
  switch (cpu_level()) {                            \
    case CPU_NEON: return neon_##name(__VA_ARGS__); \
    default: return one_##name(__VA_ARGS__);        \
  }
#else
#define DISPATCH(name, ...) return one_##name(__VA_ARGS__)
#endif

void mining_blake2b_many(const uint8_t *in, size_t bytes, size_t count, uint8_t *out) {
  DISPATCH(blake2b_many, in, bytes, count, out);
}

void mining_seal(const uint8_t *in, size_t count, const uint8_t *masks, uint8_t *out) {
  DISPATCH(seal, in, count, masks, out);
}

void mining_unseal(const uint8_t *in, size_t count, const uint8_t *masks, uint8_t *out) {
  DISPATCH(unseal, in, count, masks, out);
}

void mining_scratchpads(const uint8_t *seeds, size_t count, uint8_t *pads, uint8_t *recall_seeds) {
  DISPATCH(scratchpads, seeds, count, pads, recall_seeds);
}

size_t mining_search(const uint8_t *load, const uint8_t *pad, const uint8_t *pad_seed, uint64_t top, uint64_t present,
                     uint8_t *out) {
  DISPATCH(search, load, pad, pad_seed, top, present, out);
}
