#pragma once
#include "galois_field.h"

/* Addresses of the rows of a matrix product. */
typedef struct {
  const uint8_t *const *sources;
  size_t source_count;
  /* Constants of one target row, `source_count` of them; those of the next one `source_count` further. */
  const uint16_t *constants;
  uint8_t *const *targets;
  size_t target_count;
  size_t width;
  int accumulate;
} gf_product;

/* What an instruction set provides. Widths are multiples of 64. */
typedef struct {
  gf_form form;
  /*
   * FFT (or inverse) layers d, and for `pass4` d + 1, of the groups of rows that begin below `limit`: from rows at s + i ss to rows at
   * t + i ts.
   */
  void (*pass4)(const gf_field *f, int inverse, const uint8_t *s, size_t ss, uint8_t *t, size_t ts, unsigned d, size_t off,
                size_t limit, size_t width);
  void (*pass2)(const gf_field *f, int inverse, const uint8_t *s, size_t ss, uint8_t *t, size_t ts, unsigned d, size_t off,
                size_t limit, size_t width);
  void (*xor_bytes)(uint8_t *target, const uint8_t *source, size_t width);
  void (*multiply)(const gf_field *f, const gf_product *product);
  int (*combine)(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out);
} gf_ops;

/* For the widest allowed instruction set. */
const gf_ops *gf_ops_of_cpu(void);

int gf_combine_tables(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out);
#if defined(__x86_64__)
int gf_combine_gfni(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out);
#endif
