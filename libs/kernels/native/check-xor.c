#include <stdlib.h>

#include "check.h"
#include "xor.h"

void xor_check(const char *isa) {
  (void)isa;
  for (size_t bytes = 0; bytes <= 200; bytes++) {
    uint8_t *a = check_block(bytes), *b = check_block(bytes), *c = check_block(bytes);
    for (size_t i = 0; i < bytes; i++) c[i] = a[i] ^ b[i];
    xor_in_place(a, b, bytes);
    check_equal(c, a, bytes, "xor_in_place", bytes, 0);
    free(a);
    free(b);
    free(c);
  }
}
