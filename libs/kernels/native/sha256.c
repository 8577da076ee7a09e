/*
 * SHA-256 (FIPS 180-4) of many equal-length inputs, by what the CPU can do: 16 messages in the lanes of AVX-512 (1.6 to 1.9
 * times the next on Emerald Rapids), else two messages interleaved through the SHA instructions (one alone waits for its own
 * results half of the time; 1.4 times AVX2), else 8 messages in the lanes of AVX2, else one by one.
 */
#include "sha256.h"

#include "cpu.h"
#include "lanes.h"

static const uint32_t SHA256_IV[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t SHA256_K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* K plus the message schedule of the second block of a 64-byte message: 0x80, zeros, 512 bits. Filled once by sha256_init. */
static uint32_t SHA256_PAD64[64] __attribute__((aligned(16)));

static uint32_t ror32(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* Before main or when the addon is loaded; the loader runs it once. */
__attribute__((constructor)) static void sha256_init(void) {
  uint32_t w[64] = {0x80000000};
  w[15] = 512;
  for (int t = 16; t < 64; t++)
    w[t] = w[t - 16] + (ror32(w[t - 15], 7) ^ ror32(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 7] +
           (ror32(w[t - 2], 17) ^ ror32(w[t - 2], 19) ^ w[t - 2] >> 10);
  for (int t = 0; t < 64; t++) SHA256_PAD64[t] = SHA256_K[t] + w[t];
}

#define LANES 1
#define FN(name) one_##name
#define TAIL(name) one_##name
#define TARGET
#include "sha256_lanes.inc"
#include "sha256_driver.inc"

#if defined(__x86_64__)
#define LANES 8
#define FN(name) avx2_##name
#define TAIL(name) one_##name
#define TARGET __attribute__((target("avx2")))
#include "sha256_lanes.inc"
#include "sha256_driver.inc"

#define LANES 1
#define FN(name) sha1_##name
#define TAIL(name) sha1_##name
#define TARGET __attribute__((target("sha,sse4.1")))
#include "sha256_ni.inc"
#include "sha256_driver.inc"

#define LANES 2
#define FN(name) sha2_##name
#define TAIL(name) sha1_##name
#define TARGET __attribute__((target("sha,sse4.1")))
#include "sha256_ni.inc"
#include "sha256_driver.inc"

/* What AVX-512 leaves over: fewer than 16 messages. */
static void tail_many(const uint8_t *in, size_t bytes, size_t count, int prefix, uint8_t *out) {
  if (cpu_has_sha()) sha2_many(in, bytes, count, prefix, out);
  else avx2_many(in, bytes, count, prefix, out);
}

static void tail_pairs(const uint8_t *in, size_t count, uint8_t *out) {
  if (cpu_has_sha()) sha2_pairs(in, count, out);
  else avx2_pairs(in, count, out);
}

#define LANES 16
#define FN(name) avx512_##name
#define TAIL(name) tail_##name
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512")))
#include "sha256_lanes.inc"
#include "sha256_driver.inc"

#define DISPATCH(name, ...)                                                                \
  switch (cpu_level()) {                                                                   \
    case CPU_GFNI:                                                                         \
    case CPU_AVX512: return avx512_##name(__VA_ARGS__);                                    \
    case CPU_AVX2: return cpu_has_sha() ? sha2_##name(__VA_ARGS__) : avx2_##name(__VA_ARGS__); \
    default: return one_##name(__VA_ARGS__);                                               \
  }
#elif defined(__aarch64__)
#define LANES 4
#define FN(name) neon_##name
#define TAIL(name) one_##name
#define TARGET
#include "sha256_lanes.inc"
#include "sha256_driver.inc"

#define DISPATCH(name, ...)                         \
  switch (cpu_level()) {                            \
    case CPU_NEON: return neon_##name(__VA_ARGS__); \
    default: return one_##name(__VA_ARGS__);        \
  }
#else
#define DISPATCH(name, ...) return one_##name(__VA_ARGS__)
#endif

void sha256_many(const uint8_t *in, size_t bytes, size_t count, int prefix, uint8_t *out) {
  DISPATCH(many, in, bytes, count, prefix, out);
}

void sha256_pairs(const uint8_t *in, size_t count, uint8_t *out) { DISPATCH(pairs, in, count, out); }
