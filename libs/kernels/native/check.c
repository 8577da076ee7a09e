#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

static void (*const FAMILIES[])(const char *) = {
    keccak_check,
    mining_check,
    sha256_check,
    xor_check,
    galois_check,
};

uint8_t *check_block(size_t bytes) {
  uint8_t *data = malloc(bytes > 0 ? bytes : 1);
  if (data == NULL) abort();
  for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(rand() >> 7);
  return data;
}

void check_equal(const uint8_t *a, const uint8_t *b, size_t bytes, const char *what, size_t x, size_t y) {
  if (bytes == 0 || memcmp(a, b, bytes) == 0) return;
  fprintf(stderr, "%s: %s differs from portable at %zu, %zu\n", cpu_level_name(), what, x, y);
  exit(1);
}

int main(void) {
  const char *isas[] = {"neon", "avx2", "sha", "avx512", "gfni"};
  cpu_init();
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!cpu_select(isas[k])) continue;
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) FAMILIES[i](isas[k]);
    printf("%s equals portable\n", isas[k]);
  }
  return 0;
}
