/*
 * Keccak-256 of many equal-length inputs and of whole Merkle levels, by what the CPU can do; portable C otherwise.
 * Little-endian hosts only (the addon is not built elsewhere).
 */
#include "keccak.h"

#include "cpu.h"
#include "keccak_constants.h"
#include "lanes.h"

#define RATE 136

#define LANES 1
#define FN(name) one_##name
#define TARGET
#include "lanes.inc"
#include "keccak_permute.inc"
#include "keccak_lanes.inc"
#include "lanes_end.inc"

#if defined(__x86_64__)
#define LANES 4
#define FN(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#include "lanes.inc"
#include "keccak_permute.inc"
#include "keccak_lanes.inc"
#include "lanes_end.inc"

#define LANES 8
#define FN(name) avx512_##name
#define TARGET __attribute__((target("avx512f,avx512vl,prefer-vector-width=512")))
#include "lanes.inc"
#include "keccak_permute.inc"
#include "keccak_lanes.inc"
#include "lanes_end.inc"
#elif defined(__aarch64__)
#define LANES 2
#define FN(name) neon_##name
#define TARGET
#include "lanes.inc"
#include "keccak_permute.inc"
#include "keccak_lanes.inc"
#include "lanes_end.inc"
#endif

static void many(const uint8_t *in, size_t bytes, size_t count, uint8_t *out) {
  switch (cpu_level()) {
#if defined(__x86_64__)
    case CPU_GFNI:
    case CPU_AVX512: return avx512_many(in, bytes, count, out);
    case CPU_AVX2: return avx2_many(in, bytes, count, out);
#elif defined(__aarch64__)
    case CPU_NEON: return neon_many(in, bytes, count, out);
#endif
    default: return one_many(in, bytes, count, out);
  }
}

void keccak_many(const uint8_t *in, size_t bytes, size_t count, uint8_t *out) { many(in, bytes, count, out); }

/* Trees reduced together at the top, and nodes of each kept until then: as many as the widest vector has lanes. */
#define TOGETHER 8

void keccak_sector_tree_roots(const uint8_t *in, size_t leaves, size_t trees, uint8_t *out) {
  uint8_t nodes[1024 * 32], tops[TOGETHER * TOGETHER * 32];
  size_t keep = leaves < TOGETHER ? leaves : TOGETHER;
  for (size_t t = 0; t < trees; t += TOGETHER) {
    size_t group = trees - t < TOGETHER ? trees - t : TOGETHER;
    for (size_t k = 0; k < group; k++) {
      many(in + (t + k) * leaves * 256, 256, leaves, nodes);
      /* A level overwrites itself from the left: each group of lanes reads its pairs before it writes their parents. */
      for (size_t n = leaves / 2; n >= keep; n /= 2) many(nodes, 64, n, nodes);
      memcpy(tops + 32 * keep * k, nodes, 32 * keep);
    }
    /* The last levels would leave lanes empty tree by tree; side by side they fill them. */
    for (size_t n = group * keep / 2; n >= group; n /= 2) many(tops, 64, n, tops);
    memcpy(out + 32 * t, tops, 32 * group);
  }
}
