/* Tables of the finite fields. Sources: src/galois/field.ts, which has the same mathematics with its references. */
#include "galois_field.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t BASIS16[16] = {0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012,
                                     0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8, 0xfb34, 0xff38, 0x991e};
static const uint16_t BASIS8[8] = {1, 214, 152, 146, 86, 200, 88, 230};
static const uint16_t POWERS[8] = {1, 2, 4, 8, 16, 32, 64, 128};

typedef struct {
  uint16_t *log, *exp;
  unsigned bits;
} arithmetic;

static uint16_t log16[65536], exp16[131070];
static uint16_t log8[2][256], exp8[2][510];
static const arithmetic ARITHMETIC[3] = {{log8[0], exp8[0], 8}, {log8[1], exp8[1], 8}, {log16, exp16, 16}};
static uint8_t twiddles8[2][8][256], slopes8[2][8];

static gf_field fields[3][2];
static pthread_once_t once_small = PTHREAD_ONCE_INIT, once_large[2] = {PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT};

static uint16_t mul(const arithmetic *a, uint16_t x, uint16_t y) {
  return x == 0 || y == 0 ? 0 : a->exp[a->log[x] + a->log[y]];
}

uint16_t gf16_mul(uint16_t a, uint16_t b) { return mul(&ARITHMETIC[GF16_CANTOR], a, b); }

static void build_arithmetic(const arithmetic *a, uint32_t polynomial, const uint16_t *basis) {
  static uint16_t polynomial_log[65536];
  uint32_t order = 1u << a->bits, modulus = order - 1;
  for (uint32_t e = 0, state = 1; e < modulus; e++) {
    polynomial_log[state] = (uint16_t)e;
    state <<= 1;
    if (state >= order) state ^= polynomial;
  }
  a->log[0] = 0;
  for (uint32_t v = 1; v < order; v++) {
    uint32_t element = 0;
    for (unsigned i = 0; i < a->bits; i++)
      if (v >> i & 1) element ^= basis[i];
    uint16_t e = polynomial_log[element];
    a->log[v] = e;
    a->exp[e] = a->exp[e + modulus] = (uint16_t)v;
  }
}

static void build_twiddles(const arithmetic *a, uint8_t (*layers)[256], uint8_t *slopes) {
  uint8_t values[256], slope = 1;
  for (unsigned v = 0; v < 256; v++) values[v] = (uint8_t)v;
  for (unsigned d = 0; d < 8; d++) {
    uint8_t norm = values[1 << d];
    uint8_t inverse = (uint8_t)a->exp[255 - a->log[norm]];
    for (unsigned i = 0; i << d < 256; i++) layers[d][i] = (uint8_t)mul(a, values[i << d], inverse);
    slopes[d] = (uint8_t)mul(a, slope, inverse);
    for (unsigned v = 0; v < 256; v++)
      values[v] = (uint8_t)(mul(a, values[v], values[v]) ^ mul(a, norm, values[v]));
    slope = (uint8_t)mul(a, norm, slope);
  }
}

static size_t table_bytes(unsigned bits, gf_form form) {
  if (form == GF_NIBBLES) return bits == 8 ? 32 : 128;
  return bits == 8 ? 8 : 32;
}

static void nibble_table(const arithmetic *a, uint16_t c, uint8_t *out) {
  for (unsigned n = 0; n < a->bits / 4; n++) {
    for (unsigned v = 0; v < 16; v++) {
      uint16_t product = mul(a, c, (uint16_t)(v << 4 * n));
      if (a->bits == 8) {
        out[16 * n + v] = (uint8_t)product;
      } else {
        out[32 * n + v] = (uint8_t)product;
        out[32 * n + 16 + v] = (uint8_t)(product >> 8);
      }
    }
  }
}

/* gf2p8affineqb: bit i of the result is the parity of the operand and byte 7 - i of the matrix. */
static void matrix_table(const arithmetic *a, uint16_t c, uint8_t *out) {
  unsigned bytes = a->bits / 8;
  memset(out, 0, 8 * bytes * bytes);
  for (unsigned j = 0; j < a->bits; j++) {
    uint16_t product = mul(a, c, (uint16_t)(1u << j));
    for (unsigned i = 0; i < a->bits; i++) {
      uint8_t *matrix = out + 8 * (j / 8 + bytes * (i / 8));
      if (product >> i & 1) matrix[7 - i % 8] |= (uint8_t)(1u << j % 8);
    }
  }
}

/* All constants: tables are linear in the constant, so each doubling XORs one more. */
static void build_field(gf_kind kind, gf_form form, uint8_t *tables) {
  const arithmetic *a = &ARITHMETIC[kind];
  size_t bytes = table_bytes(a->bits, form);
  memset(tables, 0, bytes);
  for (unsigned bit = 0; bit < a->bits; bit++) {
    size_t count = (size_t)1 << bit;
    uint8_t *unit = tables + count * bytes;
    if (form == GF_NIBBLES) nibble_table(a, (uint16_t)count, unit);
    else matrix_table(a, (uint16_t)count, unit);
    for (size_t c = 1; c < count; c++)
      for (size_t at = 0; at < bytes; at++) unit[c * bytes + at] = tables[c * bytes + at] ^ unit[at];
  }
  gf_field *f = &fields[kind][form];
  f->bits = a->bits;
  f->table_shift = (unsigned)__builtin_ctzll(bytes);
  if (kind != GF16_CANTOR) f->twiddles = twiddles8[kind];
  if (kind == GF8_POLYNOMIAL) f->slopes = slopes8[kind];
  f->tables = tables;
}

static void build_small(void) {
  static uint8_t tables[2][256 * (32 + 8)] __attribute__((aligned(64)));
  build_arithmetic(&ARITHMETIC[GF8_CANTOR], 0x11d, BASIS8);
  build_arithmetic(&ARITHMETIC[GF8_POLYNOMIAL], 0x11d, POWERS);
  build_arithmetic(&ARITHMETIC[GF16_CANTOR], 0x1002d, BASIS16);
  for (int kind = 0; kind < 2; kind++) {
    build_twiddles(&ARITHMETIC[kind], twiddles8[kind], slopes8[kind]);
    build_field((gf_kind)kind, GF_NIBBLES, tables[kind]);
    build_field((gf_kind)kind, GF_MATRICES, tables[kind] + 256 * 32);
  }
}

/* 8 MiB of nibbles or 2 MiB of matrices, kept as long as the process. */
static void build_large(gf_form form) {
  uint8_t *tables = aligned_alloc(128, 65536 * table_bytes(16, form));
  if (tables) build_field(GF16_CANTOR, form, tables);
}
static void build_large_nibbles(void) { build_large(GF_NIBBLES); }
static void build_large_matrices(void) { build_large(GF_MATRICES); }

const gf_field *gf_field_of(gf_kind kind, gf_form form) {
  pthread_once(&once_small, build_small);
  if (kind == GF16_CANTOR)
    pthread_once(&once_large[form], form == GF_NIBBLES ? build_large_nibbles : build_large_matrices);
  const gf_field *f = &fields[kind][form];
  return f->tables ? f : NULL;
}
