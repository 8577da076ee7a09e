#pragma once
#include <stddef.h>
#include <stdint.h>

#include "galois.h"

/*
 * Arithmetic of the fields, and for every constant the table by which rows are multiplied, in one of two forms:
 *
 *   nibbles   16 products per nibble of the operand. GF(2^8): low, high nibble (32 bytes). GF(2^16): for each of 4 nibbles the low
 *             bytes of the products, then the high bytes (128 bytes).
 *   matrices  8x8 bit matrices of gf2p8affineqb. GF(2^8): one (8 bytes). GF(2^16): low to low, high to low, low to high, high to
 *             high byte (32 bytes).
 */
typedef enum { GF_NIBBLES, GF_MATRICES } gf_form;

typedef struct {
  /* Table of constant c at tables + (c << table_shift). */
  const uint8_t *tables;
  unsigned table_shift;
  unsigned bits;
  /* FFT constants of GF(2^8), [layer][point >> layer]; NULL where they are the index itself (GF(2^16)). */
  const uint8_t (*twiddles)[256];
  /* Factor of the formal derivative per layer; NULL where it is 1. */
  const uint8_t *slopes;
} gf_field;

/* Built on first use, by whichever thread comes first; NULL without memory. */
const gf_field *gf_field_of(gf_kind kind, gf_form form);
/* Product in GF(2^16), after gf_field_of(GF16_CANTOR, ...). */
uint16_t gf16_mul(uint16_t a, uint16_t b);

/* Table of the butterflies of rows 2^layer apart whose first point is `point`. */
static inline const uint8_t *gf_twiddle(const gf_field *f, unsigned layer, size_t point) {
  size_t c = point >> layer;
  if (f->twiddles) c = f->twiddles[layer][c];
  return f->tables + (c << f->table_shift);
}
