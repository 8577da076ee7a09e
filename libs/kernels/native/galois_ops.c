/*
 * Row operations by what the CPU can do. Nibble tables need a 16-entry byte lookup (pshufb, tbl; a loop elsewhere). GFNI
 * multiplies bytes by any 8x8 bit matrix: a planar 64-byte block of GF(2^16) is one register, low bytes in its low half, and a
 * product is two affine transformations, one of them of the block with its halves exchanged.
 */
#include "galois_ops.h"

#include <string.h>

#include "cpu.h"

typedef uint8_t bytes16 __attribute__((vector_size(16)));

#if defined(__aarch64__)
#include <arm_neon.h>
static inline bytes16 lookup16(const uint8_t *table, bytes16 index) {
  return (bytes16)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)index);
}
#else
static inline bytes16 lookup16(const uint8_t *table, bytes16 index) {
  bytes16 out;
  for (int i = 0; i < 16; i++) out[i] = table[index[i]];
  return out;
}
#endif

typedef struct {
  bytes16 v[4];
} block_generic;

static inline block_generic generic_load(const uint8_t *p) {
  block_generic out;
  memcpy(&out, p, 64);
  return out;
}

static inline void generic_store(uint8_t *p, block_generic v) { memcpy(p, &v, 64); }

static inline block_generic generic_xor(block_generic x, block_generic y) {
  for (int i = 0; i < 4; i++) x.v[i] ^= y.v[i];
  return x;
}

static inline block_generic generic_mul_add8(block_generic x, block_generic y, const uint8_t *table) {
  for (int i = 0; i < 4; i++) x.v[i] ^= lookup16(table, y.v[i] & 15) ^ lookup16(table + 16, y.v[i] >> 4);
  return x;
}

static inline block_generic generic_mul_add16(block_generic x, block_generic y, const uint8_t *table) {
  for (int i = 0; i < 2; i++) {
    bytes16 nibbles[4] = {y.v[i] & 15, y.v[i] >> 4, y.v[i + 2] & 15, y.v[i + 2] >> 4};
    for (int n = 0; n < 4; n++) {
      x.v[i] ^= lookup16(table + 32 * n, nibbles[n]);
      x.v[i + 2] ^= lookup16(table + 32 * n + 16, nibbles[n]);
    }
  }
  return x;
}

#define FN(name) generic_##name
#define TARGET
#define VEC block_generic
#define LOAD(p) generic_load(p)
#define STORE(p, v) generic_store(p, v)
#define XOR(x, y) generic_xor(x, y)
#define ZERO ((block_generic){0})
#define TABLE8_AT(p) (p)
#define TABLE16_AT(p) (p)
#define MUL_ADD8 generic_mul_add8
#define MUL_ADD16 generic_mul_add16
#define OUTPUTS 2
#define STEPS 1
#include "galois_rows.inc"
#include "galois_rows_end.inc"

static const gf_ops GENERIC = {GF_NIBBLES, generic_pass4, generic_pass2, generic_xor_bytes, generic_multiply,
                               gf_combine_tables};

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline)) AVX2

typedef struct {
  __m256i l, h;
} block_avx2;

AVX2_INLINE block_avx2 avx2_load(const uint8_t *p) {
  return (block_avx2){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 32))};
}

AVX2_INLINE void avx2_store(uint8_t *p, block_avx2 v) {
  _mm256_storeu_si256((__m256i *)p, v.l);
  _mm256_storeu_si256((__m256i *)(p + 32), v.h);
}

AVX2_INLINE block_avx2 avx2_xor(block_avx2 x, block_avx2 y) {
  return (block_avx2){_mm256_xor_si256(x.l, y.l), _mm256_xor_si256(x.h, y.h)};
}

AVX2_INLINE __m256i avx2_lookup(const uint8_t *table, __m256i index) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), index);
}

AVX2_INLINE __m256i avx2_low(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
AVX2_INLINE __m256i avx2_high(__m256i v) { return avx2_low(_mm256_srli_epi16(v, 4)); }

AVX2_INLINE __m256i avx2_mul_add_bytes(__m256i x, __m256i y, const uint8_t *table) {
  __m256i product = _mm256_xor_si256(avx2_lookup(table, avx2_low(y)), avx2_lookup(table + 16, avx2_high(y)));
  return _mm256_xor_si256(x, product);
}

AVX2_INLINE block_avx2 avx2_mul_add8(block_avx2 x, block_avx2 y, const uint8_t *table) {
  return (block_avx2){avx2_mul_add_bytes(x.l, y.l, table), avx2_mul_add_bytes(x.h, y.h, table)};
}

AVX2_INLINE block_avx2 avx2_mul_add16(block_avx2 x, block_avx2 y, const uint8_t *table) {
  __m256i nibbles[4] = {avx2_low(y.l), avx2_high(y.l), avx2_low(y.h), avx2_high(y.h)};
  for (int n = 0; n < 4; n++) {
    x.l = _mm256_xor_si256(x.l, avx2_lookup(table + 32 * n, nibbles[n]));
    x.h = _mm256_xor_si256(x.h, avx2_lookup(table + 32 * n + 16, nibbles[n]));
  }
  return x;
}

#define FN(name) avx2_##name
#define TARGET AVX2
#define VEC block_avx2
#define LOAD(p) avx2_load(p)
#define STORE(p, v) avx2_store(p, v)
#define XOR(x, y) avx2_xor(x, y)
#define ZERO ((block_avx2){_mm256_setzero_si256(), _mm256_setzero_si256()})
#define TABLE8_AT(p) (p)
#define TABLE16_AT(p) (p)
#define MUL_ADD8 avx2_mul_add8
#define MUL_ADD16 avx2_mul_add16
#define OUTPUTS 4
#define STEPS 1
#include "galois_rows.inc"
#include "galois_rows_end.inc"

static const gf_ops AVX2_OPS = {GF_NIBBLES, avx2_pass4, avx2_pass2, avx2_xor_bytes, avx2_multiply, gf_combine_tables};

#define GFNI __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,gfni,prefer-vector-width=512")))
#define GFNI_INLINE static inline __attribute__((always_inline)) GFNI

typedef struct {
  /* Low to low and high to high byte; high to low and low to high. */
  __m512i straight, crossed;
} matrices16;

GFNI_INLINE matrices16 gfni_table16(const uint8_t *p) {
  __m512i four = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p));
  return (matrices16){_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 0, 0, 3, 3, 3, 3), four),
                      _mm512_permutexvar_epi64(_mm512_setr_epi64(1, 1, 1, 1, 2, 2, 2, 2), four)};
}

GFNI_INLINE __m512i gfni_table8(const uint8_t *p) {
  long long matrix;
  memcpy(&matrix, p, 8);
  return _mm512_set1_epi64(matrix);
}

GFNI_INLINE __m512i gfni_mul_add16(__m512i x, __m512i y, matrices16 m) {
  __m512i straight = _mm512_gf2p8affine_epi64_epi8(y, m.straight, 0);
  __m512i crossed = _mm512_gf2p8affine_epi64_epi8(_mm512_shuffle_i64x2(y, y, 0x4e), m.crossed, 0);
  return _mm512_ternarylogic_epi64(x, straight, crossed, 0x96);
}

GFNI_INLINE __m512i gfni_mul_add8(__m512i x, __m512i y, __m512i matrix) {
  return _mm512_xor_si512(x, _mm512_gf2p8affine_epi64_epi8(y, matrix, 0));
}

#define FN(name) gfni_##name
#define TARGET GFNI
#define VEC __m512i
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define XOR(x, y) _mm512_xor_si512(x, y)
#define ZERO _mm512_setzero_si512()
#define TABLE8_AT(p) gfni_table8(p)
#define TABLE16_AT(p) gfni_table16(p)
#define MUL_ADD8 gfni_mul_add8
#define MUL_ADD16 gfni_mul_add16
#define OUTPUTS 4
#define STEPS 2
#include "galois_rows.inc"
#include "galois_rows_end.inc"

static const gf_ops GFNI_OPS = {GF_MATRICES, gfni_pass4, gfni_pass2, gfni_xor_bytes, gfni_multiply, gf_combine_gfni};
#endif

const gf_ops *gf_ops_of_cpu(void) {
  switch (cpu_level()) {
#if defined(__x86_64__)
    case CPU_GFNI: return &GFNI_OPS;
    /* Without GFNI wider registers gain little: the lookups of AVX-512 are twice as wide on half as many ports. */
    case CPU_AVX512:
    case CPU_AVX2: return &AVX2_OPS;
#endif
    default: return &GENERIC;
  }
}
