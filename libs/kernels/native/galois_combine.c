/*
 * Combination of every row into 16 bytes: the sum over symbols of symbol times an 8-limb coefficient. The product is linear in
 * the symbol, so a table per symbol column holds all limbs: two windows of 256 entries (8 KiB), or four of 16 for few rows.
 * Four columns of byte tables stay in the first-level cache while all rows pass. Rows are gathered 64 bytes at a time, because
 * rows a power of two apart fall on few cache sets.
 */
#include <stdlib.h>
#include <string.h>

#include "galois_ops.h"

typedef uint8_t bytes16 __attribute__((vector_size(16)));

enum { COLUMNS = 4, ROWS_MAX = 16384, ROWS_WIDE = 220 };

static inline bytes16 load16(const uint8_t *p) {
  bytes16 v;
  memcpy(&v, p, 16);
  return v;
}

/* Windows of `bits` bits of one symbol column: entry v of window w is v << (w * bits) times the coefficient. */
static void column_tables(bytes16 *tables, int bits, const uint8_t *coefficient) {
  for (int w = 0; w < 16 / bits; w++, tables += 1 << bits) {
    tables[0] = (bytes16){0};
    for (int i = 0; i < bits; i++) {
      uint8_t product[16];
      for (int k = 0; k < 16; k += 2) {
        uint16_t limb = (uint16_t)(coefficient[k] | coefficient[k + 1] << 8);
        uint16_t value = gf16_mul((uint16_t)(1u << (w * bits + i)), limb);
        product[k] = (uint8_t)value;
        product[k + 1] = (uint8_t)(value >> 8);
      }
      for (int v = 0; v < 1 << i; v++) tables[(1 << i) + v] = tables[v] ^ load16(product);
    }
  }
}

static inline __attribute__((always_inline)) void combine_columns(const bytes16 *tables, int bits, const uint8_t *tile,
                                                                  size_t count, uint8_t *sums) {
  const int windows = 8 / bits, mask = (1 << bits) - 1;
  for (size_t i = 0; i < count; i++) {
    bytes16 sum = load16(sums + 16 * i);
    for (int column = 0; column < COLUMNS; column++) {
      for (int half = 0; half < 2; half++) {
        int byte = tile[64 * i + 32 * half + column];
        for (int w = 0; w < windows; w++)
          sum ^= tables[((column * 2 + half) * windows + w) * (1 << bits) + (byte >> w * bits & mask)];
      }
    }
    memcpy(sums + 16 * i, &sum, 16);
  }
}

static void combine_block(const uint8_t *tile, size_t count, const uint8_t *coefficients, uint8_t *sums) {
  bytes16 tables[COLUMNS * 2 * 256];
  int bits = count < ROWS_WIDE ? 4 : 8;
  for (int at = 0; at < 32; at += COLUMNS) {
    for (int column = 0; column < COLUMNS; column++)
      column_tables(tables + column * (16 / bits << bits), bits, coefficients + 16 * (at + column));
    if (bits == 4) combine_columns(tables, 4, tile + at, count, sums);
    else combine_columns(tables, 8, tile + at, count, sums);
  }
}

int gf_combine_tables(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out) {
  if (!gf_field_of(GF16_CANTOR, GF_NIBBLES)) return 0;
  size_t batch = count < ROWS_MAX ? count : ROWS_MAX;
  uint8_t *tile = aligned_alloc(64, 64 * (batch + 1));
  if (!tile) return 0;
  memset(out, 0, 16 * count);
  for (size_t first = 0; first < count; first += batch) {
    size_t rows_here = count - first < batch ? count - first : batch;
    for (size_t at = 0; at < row_bytes; at += 64) {
      for (size_t i = 0; i < rows_here; i++) memcpy(tile + 64 * i, rows + (first + i) * row_bytes + at, 64);
      combine_block(tile, rows_here, coefficients + 8 * at, out + 16 * first);
    }
  }
  free(tile);
  return 1;
}

#if defined(__x86_64__)
#include <immintrin.h>

/*
 * GFNI: 64 rows at a time. A 64 x 64 byte block is transposed, so that a register holds one byte of one symbol of 64 rows; each of
 * the 16 result bytes gains two affine transformations of it. Matrices of 128 columns (32 KiB) stay in the first-level cache.
 */
#define GFNI __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,gfni,prefer-vector-width=512")))
#define GFNI_INLINE static inline __attribute__((always_inline)) GFNI

enum { TILE_BLOCKS = 4, SYMBOL_BYTES = 256 };

/* Bytes of symbols j and j + 1, …, transposed: out[c] has byte c of the 64 rows at `rows`. */
GFNI static void transpose64(const uint8_t *const *rows, size_t at, __m512i *out) {
  __m512i quarter[4][16];
  for (int g = 0; g < 4; g++) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_si512(rows[16 * g + i] + at);
    for (int i = 0; i < 8; i++) {
      b[i] = _mm512_unpacklo_epi8(a[2 * i], a[2 * i + 1]);
      b[8 + i] = _mm512_unpackhi_epi8(a[2 * i], a[2 * i + 1]);
    }
    for (int h = 0; h < 2; h++)
      for (int i = 0; i < 4; i++) {
        a[8 * h + i] = _mm512_unpacklo_epi16(b[8 * h + 2 * i], b[8 * h + 2 * i + 1]);
        a[8 * h + 4 + i] = _mm512_unpackhi_epi16(b[8 * h + 2 * i], b[8 * h + 2 * i + 1]);
      }
    for (int h = 0; h < 4; h++)
      for (int i = 0; i < 2; i++) {
        b[4 * h + i] = _mm512_unpacklo_epi32(a[4 * h + 2 * i], a[4 * h + 2 * i + 1]);
        b[4 * h + 2 + i] = _mm512_unpackhi_epi32(a[4 * h + 2 * i], a[4 * h + 2 * i + 1]);
      }
    for (int h = 0; h < 8; h++) {
      quarter[g][2 * h] = _mm512_unpacklo_epi64(b[2 * h], b[2 * h + 1]);
      quarter[g][2 * h + 1] = _mm512_unpackhi_epi64(b[2 * h], b[2 * h + 1]);
    }
  }
  for (int i = 0; i < 16; i++) {
    __m512i low0 = _mm512_shuffle_i64x2(quarter[0][i], quarter[1][i], 0x44);
    __m512i low1 = _mm512_shuffle_i64x2(quarter[2][i], quarter[3][i], 0x44);
    __m512i high0 = _mm512_shuffle_i64x2(quarter[0][i], quarter[1][i], 0xee);
    __m512i high1 = _mm512_shuffle_i64x2(quarter[2][i], quarter[3][i], 0xee);
    out[i] = _mm512_shuffle_i64x2(low0, low1, 0x88);
    out[16 + i] = _mm512_shuffle_i64x2(low0, low1, 0xdd);
    out[32 + i] = _mm512_shuffle_i64x2(high0, high1, 0x88);
    out[48 + i] = _mm512_shuffle_i64x2(high0, high1, 0xdd);
  }
}

/* Eight rows of bytes to 8-byte columns: lane l of out[r] has columns 16 l + 2 r and 16 l + 2 r + 1. */
GFNI_INLINE void transpose8(const __m512i *in, __m512i *out) {
  __m512i t[8], w[8];
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_unpacklo_epi8(in[2 * i], in[2 * i + 1]);
    t[4 + i] = _mm512_unpackhi_epi8(in[2 * i], in[2 * i + 1]);
  }
  for (int i = 0; i < 4; i++) {
    w[2 * i] = _mm512_unpacklo_epi16(t[2 * i], t[2 * i + 1]);
    w[2 * i + 1] = _mm512_unpackhi_epi16(t[2 * i], t[2 * i + 1]);
  }
  for (int h = 0; h < 2; h++)
    for (int i = 0; i < 2; i++) {
      out[4 * h + 2 * i] = _mm512_unpacklo_epi32(w[4 * h + i], w[4 * h + 2 + i]);
      out[4 * h + 2 * i + 1] = _mm512_unpackhi_epi32(w[4 * h + i], w[4 * h + 2 + i]);
    }
}

/*
 * Matrices of four symbols, 256 bytes each: for the low byte of the symbol, then the high one, 16 matrices that give the low bytes
 * of the 8 limbs, then the high bytes.
 */
GFNI static void symbol_matrices(const gf_field *f, const uint8_t *coefficients, uint8_t *out) {
  uint8_t planar[64];
  for (int i = 0; i < 32; i++) {
    planar[i] = coefficients[2 * i];
    planar[32 + i] = coefficients[2 * i + 1];
  }
  const __m512i limbs = _mm512_loadu_si512(planar), crossed = _mm512_shuffle_i64x2(limbs, limbs, 0x4e);
  const __m512i straight_index = _mm512_setr_epi64(0, 0, 0, 0, 3, 3, 3, 3);
  const __m512i crossed_index = _mm512_setr_epi64(1, 1, 1, 1, 2, 2, 2, 2);
  const __m512i reverse = _mm512_broadcast_i32x4(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
  const __m512i diagonal = _mm512_set1_epi64(0x0102040810204080);
  for (int half = 0; half < 2; half++) {
    __m512i products[8], columns[8];
    for (int i = 0; i < 8; i++) {
      const uint8_t *table = f->tables + ((size_t)1 << (8 * half + i) << f->table_shift);
      __m512i four = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)table));
      products[i] = _mm512_xor_si512(
          _mm512_gf2p8affine_epi64_epi8(limbs, _mm512_permutexvar_epi64(straight_index, four), 0),
          _mm512_gf2p8affine_epi64_epi8(crossed, _mm512_permutexvar_epi64(crossed_index, four), 0));
    }
    transpose8(products, columns);
    for (int r = 0; r < 8; r++) {
      /* Bit i of the result must be the parity over the bits j of the operand where bit i of product j is set: a transposition. */
      __m512i matrices = _mm512_gf2p8affine_epi64_epi8(diagonal, _mm512_shuffle_epi8(columns[r], reverse), 0);
      uint8_t lanes[64];
      _mm512_storeu_si512(lanes, matrices);
      for (int lane = 0; lane < 4; lane++) {
        int symbol = 2 * (lane & 1) + (r >> 2), limb = 2 * r & 7;
        memcpy(out + SYMBOL_BYTES * symbol + 128 * half + 64 * (lane >> 1) + 8 * limb, lanes + 16 * lane, 16);
      }
    }
  }
}

/* Adds the products of a transposed block: 32 symbols of 64 rows. */
GFNI static void add_block(const __m512i *bytes, const uint8_t *matrices, __m512i *sums) {
  __m512i s[16];
  for (int o = 0; o < 16; o++) s[o] = sums[o];
  for (int j = 0; j < 32; j++, matrices += SYMBOL_BYTES) {
    const long long *low = (const long long *)matrices, *high = low + 16;
    for (int o = 0; o < 16; o++) {
      __m512i a = _mm512_gf2p8affine_epi64_epi8(bytes[j], _mm512_set1_epi64(low[o]), 0);
      __m512i b = _mm512_gf2p8affine_epi64_epi8(bytes[32 + j], _mm512_set1_epi64(high[o]), 0);
      s[o] = _mm512_ternarylogic_epi64(s[o], a, b, 0x96);
    }
  }
  for (int o = 0; o < 16; o++) sums[o] = s[o];
}

GFNI int gf_combine_gfni(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out) {
  static const uint8_t zeros[64];
  const gf_field *f = gf_field_of(GF16_CANTOR, GF_MATRICES);
  size_t groups = (count + 63) / 64, blocks = row_bytes / 64;
  if (!f) return 0;
  if (count == 0) return 1;
  __m512i *sums = aligned_alloc(64, groups * 16 * 64);
  if (!sums) return 0;
  memset(sums, 0, groups * 16 * 64);
  for (size_t first = 0; first < blocks; first += TILE_BLOCKS) {
    long long matrices[TILE_BLOCKS * 32 * SYMBOL_BYTES / 8];
    size_t tile = blocks - first < TILE_BLOCKS ? blocks - first : TILE_BLOCKS;
    for (size_t j = 0; j < 32 * tile; j += 4)
      symbol_matrices(f, coefficients + 16 * (32 * first + j), (uint8_t *)matrices + j * SYMBOL_BYTES);
    for (size_t g = 0; g < groups; g++) {
      for (size_t b = 0; b < tile; b++) {
        const uint8_t *addresses[64];
        __m512i bytes[64];
        for (size_t i = 0; i < 64; i++)
          addresses[i] = 64 * g + i < count ? rows + (64 * g + i) * row_bytes + 64 * (first + b) : zeros;
        transpose64(addresses, 0, bytes);
        add_block(bytes, (const uint8_t *)matrices + b * 32 * SYMBOL_BYTES, sums + 16 * g);
      }
    }
  }
  for (size_t i = 0; i < count; i++) {
    const uint8_t *group = (const uint8_t *)(sums + 16 * (i / 64)) + i % 64;
    for (size_t k = 0; k < 8; k++) {
      out[16 * i + 2 * k] = group[64 * k];
      out[16 * i + 2 * k + 1] = group[64 * (8 + k)];
    }
  }
  free(sums);
  return 1;
}
#endif
