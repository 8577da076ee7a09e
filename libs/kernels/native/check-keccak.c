#include <stdlib.h>

#include "check.h"
#include "cpu.h"
#include "keccak.h"

static void check_many(const char *isa, size_t bytes, size_t count) {
  uint8_t *in = check_block(bytes * count), *a = check_block(32 * count), *b = check_block(32 * count);
  cpu_select("portable");
  keccak_many(in, bytes, count, a);
  cpu_select(isa);
  keccak_many(in, bytes, count, b);
  check_equal(a, b, 32 * count, "keccak_many", bytes, count);
  if (bytes >= 32) {
    keccak_many(in, bytes, count, in);
    check_equal(a, in, 32 * count, "keccak_many in place", bytes, count);
  }
  free(in);
  free(a);
  free(b);
}

static void check_trees(const char *isa, size_t leaves, size_t trees) {
  uint8_t *in = check_block(256 * leaves * trees), *a = check_block(32 * trees), *b = check_block(32 * trees);
  cpu_select("portable");
  keccak_sector_tree_roots(in, leaves, trees, a);
  cpu_select(isa);
  keccak_sector_tree_roots(in, leaves, trees, b);
  check_equal(a, b, 32 * trees, "keccak_sector_tree_roots", leaves, trees);
  free(in);
  free(a);
  free(b);
}

void keccak_check(const char *isa) {
  for (size_t bytes = 1; bytes <= 420; bytes++)
    for (size_t count = 0; count <= 19; count++) check_many(isa, bytes, count);
  for (size_t leaves = 1; leaves <= 1024; leaves *= 2)
    for (size_t trees = 0; trees <= 19; trees += 3) check_trees(isa, leaves, trees);
}
