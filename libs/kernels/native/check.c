/*
 * Runs every instruction set of this CPU against portable C, on exactly sized heap blocks, under address and undefined-behaviour
 * sanitizers: `node scripts/build-native.ts --check`. The portable code itself is compared with the reference by the tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keccak.h"

static uint8_t *block(size_t bytes) {
  uint8_t *data = malloc(bytes > 0 ? bytes : 1);
  if (data == NULL) abort();
  for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)rand();
  return data;
}

static void expect_equal(const uint8_t *a, const uint8_t *b, size_t bytes, const char *what, size_t x, size_t y) {
  if (memcmp(a, b, bytes) == 0) return;
  fprintf(stderr, "%s: %s differs from portable at %zu, %zu\n", keccak_isa(), what, x, y);
  exit(1);
}

static void check_many(const char *isa, size_t bytes, size_t count) {
  uint8_t *in = block(bytes * count), *a = block(32 * count), *b = block(32 * count);
  keccak_select("portable");
  keccak_many(in, bytes, count, a);
  keccak_select(isa);
  keccak_many(in, bytes, count, b);
  expect_equal(a, b, 32 * count, "keccak_many", bytes, count);
  if (bytes >= 32) {
    keccak_many(in, bytes, count, in);
    expect_equal(a, in, 32 * count, "keccak_many in place", bytes, count);
  }
  free(in);
  free(a);
  free(b);
}

static void check_trees(const char *isa, size_t leaves, size_t trees) {
  uint8_t *in = block(256 * leaves * trees), *a = block(32 * trees), *b = block(32 * trees);
  keccak_select("portable");
  keccak_sector_tree_roots(in, leaves, trees, a);
  keccak_select(isa);
  keccak_sector_tree_roots(in, leaves, trees, b);
  expect_equal(a, b, 32 * trees, "keccak_sector_tree_roots", leaves, trees);
  free(in);
  free(a);
  free(b);
}

int main(void) {
  const char *isas[] = {"avx2", "avx512", "neon"};
  keccak_init();
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!keccak_select(isas[k])) continue;
    for (size_t bytes = 1; bytes <= 420; bytes++)
      for (size_t count = 0; count <= 19; count++) check_many(isas[k], bytes, count);
    for (size_t leaves = 1; leaves <= 1024; leaves *= 2)
      for (size_t trees = 0; trees <= 19; trees += 3) check_trees(isas[k], leaves, trees);
    printf("%s equals portable\n", isas[k]);
  }
  return 0;
}
