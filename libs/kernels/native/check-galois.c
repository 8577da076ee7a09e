/* Finite-field kernels against portable C, on exactly sized blocks and lengths that are no multiple of a register. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cpu.h"
#include "galois.h"

static size_t below(size_t n) { return (size_t)rand() % n; }

static uint8_t *copy_of(const uint8_t *data, size_t bytes) {
  uint8_t *out = check_block(bytes);
  memcpy(out, data, bytes);
  return out;
}

static gf_rows random_rows(gf_kind kind) {
  size_t unit = kind == GF16_CANTOR ? 64 : 1, count = 1 + below(kind == GF16_CANTOR ? 12 : 700);
  size_t start = below(count + 1), end = start + below(count - start + 1);
  return (gf_rows){kind, count * unit, start * unit, end * unit};
}

static uint16_t *random_constants(gf_kind kind, size_t count) {
  uint16_t *out = (uint16_t *)check_block(2 * count);
  for (size_t i = 0; i < count; i++) out[i] &= kind == GF16_CANTOR ? 65535 : 255;
  return out;
}

static int32_t *random_list(size_t count, size_t rows, int holes) {
  int32_t *out = (int32_t *)check_block(4 * count);
  for (size_t i = 0; i < count; i++) out[i] = holes && below(2) ? -1 : (int32_t)(i % rows);
  return out;
}

static void check_transform(const char *isa, gf_kind kind) {
  size_t block = (size_t)1 << below(7);
  gf_transform_job job = {.rows = random_rows(kind), .block_rows = block};
  job.source_rows = below(2 * block + 1);
  job.target_rows = below(2 * block + 1);
  job.source_point = below(2) * block;
  job.target_point = below(2) * block;
  size_t bytes = job.target_rows * job.rows.row_bytes;
  uint8_t *source = check_block(job.source_rows * job.rows.row_bytes), *a = check_block(bytes), *b = copy_of(a, bytes);
  job.source = source;
  job.target = a;
  cpu_select("portable");
  gf_transform(&job);
  job.target = b;
  cpu_select(isa);
  gf_transform(&job);
  check_equal(a, b, bytes, "gf_transform", block, job.rows.row_bytes);
  free(source);
  free(a);
  free(b);
}

static void check_matrix(const char *isa, gf_kind kind) {
  gf_matrix_job job = {.rows = random_rows(kind), .source_count = 1 + below(12), .target_count = below(10)};
  job.accumulate = (int)below(2);
  size_t bytes = job.target_count * job.rows.row_bytes;
  uint8_t *source = check_block(job.source_count * job.rows.row_bytes), *a = check_block(bytes), *b = copy_of(a, bytes);
  uint16_t *constants = random_constants(kind, job.source_count * job.target_count);
  int32_t *source_rows = random_list(job.source_count, job.source_count, 0);
  int32_t *target_rows = random_list(job.target_count, job.target_count, 0);
  job.constants = constants;
  job.source = source;
  job.source_rows = source_rows;
  job.target_rows = target_rows;
  job.target = a;
  cpu_select("portable");
  gf_matrix(&job);
  job.target = b;
  cpu_select(isa);
  gf_matrix(&job);
  check_equal(a, b, bytes, "gf_matrix", job.source_count, job.rows.row_bytes);
  free(source);
  free(a);
  free(b);
  free(constants);
  free(source_rows);
  free(target_rows);
}

static void check_recover(const char *isa, gf_kind kind) {
  size_t size = (size_t)1 << below(8);
  gf_recover_job job = {.rows = random_rows(kind), .size = size};
  size_t bytes = size * job.rows.row_bytes;
  uint8_t *input = check_block(bytes), *a = check_block(bytes), *b = copy_of(a, bytes);
  uint16_t *input_scale = random_constants(kind, size), *output_scale = random_constants(kind, size);
  int32_t *input_rows = random_list(size, size, 1), *output_rows = random_list(size, size, 1);
  job.input = input;
  job.input_rows = input_rows;
  job.input_scale = input_scale;
  job.output_rows = output_rows;
  job.output_scale = output_scale;
  job.output = a;
  cpu_select("portable");
  gf_recover(&job);
  job.output = b;
  cpu_select(isa);
  gf_recover(&job);
  check_equal(a, b, bytes, "gf_recover", size, job.rows.row_bytes);
  free(input);
  free(a);
  free(b);
  free(input_scale);
  free(output_scale);
  free(input_rows);
  free(output_rows);
}

static void check_combine(const char *isa, size_t count, size_t blocks) {
  uint8_t *rows = check_block(64 * blocks * count), *coefficients = check_block(512 * blocks);
  uint8_t *a = check_block(16 * count), *b = check_block(16 * count);
  cpu_select("portable");
  gf_combine(rows, 64 * blocks, count, coefficients, a);
  cpu_select(isa);
  gf_combine(rows, 64 * blocks, count, coefficients, b);
  check_equal(a, b, 16 * count, "gf_combine", count, blocks);
  free(rows);
  free(coefficients);
  free(a);
  free(b);
}

void galois_check(const char *isa) {
  for (int round = 0; round < 12; round++) {
    for (int kind = 0; kind < 3; kind++) {
      check_transform(isa, (gf_kind)kind);
      check_matrix(isa, (gf_kind)kind);
      check_recover(isa, (gf_kind)kind);
    }
  }
  const size_t counts[] = {0, 1, 63, 64, 65, 219, 220, 300};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    for (size_t blocks = 1; blocks < 7; blocks++) check_combine(isa, counts[i], blocks);
}
