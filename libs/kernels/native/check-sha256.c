#include <stdlib.h>

#include "check.h"
#include "cpu.h"
#include "sha256.h"

static void check_many(const char *isa, size_t bytes, size_t count, int prefix) {
  uint8_t *in = check_block(bytes * count), *a = check_block(32 * count), *b = check_block(32 * count);
  cpu_select("portable");
  sha256_many(in, bytes, count, prefix, a);
  cpu_select(isa);
  sha256_many(in, bytes, count, prefix, b);
  check_equal(a, b, 32 * count, "sha256_many", bytes, count);
  if (bytes >= 32) {
    sha256_many(in, bytes, count, prefix, in);
    check_equal(a, in, 32 * count, "sha256_many in place", bytes, count);
  }
  free(in);
  free(a);
  free(b);
}

static void check_pairs(const char *isa, size_t count) {
  uint8_t *in = check_block(64 * count), *a = check_block(32 * count), *b = check_block(32 * count);
  cpu_select("portable");
  sha256_many(in, 64, count, SHA256_NO_PREFIX, a);
  cpu_select(isa);
  sha256_pairs(in, count, b);
  check_equal(a, b, 32 * count, "sha256_pairs", count, 0);
  sha256_pairs(in, count, in);
  check_equal(a, in, 32 * count, "sha256_pairs in place", count, 0);
  free(in);
  free(a);
  free(b);
}

void sha256_check(const char *isa) {
  for (size_t bytes = 1; bytes <= 260; bytes++)
    for (size_t count = 0; count <= 35; count += 1 + count / 4)
      for (int prefix = SHA256_NO_PREFIX; prefix <= 1; prefix++) check_many(isa, bytes, count, prefix);
  for (size_t count = 0; count <= 40; count++) check_pairs(isa, count);
}
