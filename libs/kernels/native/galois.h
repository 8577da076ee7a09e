#pragma once
#include <stddef.h>
#include <stdint.h>

/*
 * Finite-field work on rows: src/galois/galois.ts has the definitions. Sizes are the caller's duty. Row i of a buffer is at
 * i * row_bytes; only bytes [start, end) of each row are touched. Functions that need working memory give 0 when there is none.
 */
typedef enum { GF8_CANTOR, GF8_POLYNOMIAL, GF16_CANTOR } gf_kind;

typedef struct {
  gf_kind kind;
  size_t row_bytes, start, end;
} gf_rows;

typedef struct {
  gf_rows rows;
  size_t block_rows;
  const uint8_t *source;
  size_t source_rows, source_point;
  uint8_t *target;
  size_t target_rows, target_point;
} gf_transform_job;

typedef struct {
  gf_rows rows;
  size_t source_count, target_count;
  const uint16_t *constants;
  const uint8_t *source;
  const int32_t *source_rows;
  uint8_t *target;
  const int32_t *target_rows;
  /* Adds to the target instead of overwriting it. */
  int accumulate;
} gf_matrix_job;

typedef struct {
  gf_rows rows;
  size_t size;
  const uint8_t *input;
  const int32_t *input_rows;
  const uint16_t *input_scale;
  uint8_t *output;
  const int32_t *output_rows;
  const uint16_t *output_scale;
} gf_recover_job;

int gf_transform(const gf_transform_job *job);
int gf_matrix(const gf_matrix_job *job);
int gf_recover(const gf_recover_job *job);
/* 16 bytes per row to `out`; `coefficients` has 8 * row_bytes bytes. */
int gf_combine(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out);
