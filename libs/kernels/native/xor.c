/* XOR of buffers: memory bound, so the compiler's loop over vectors of 32 bytes is enough. */
#include "xor.h"

#include <string.h>

typedef uint64_t vec __attribute__((vector_size(32)));

void xor_in_place(uint8_t *target, const uint8_t *source, size_t bytes) {
  size_t at = 0;
  for (; bytes - at >= sizeof(vec); at += sizeof(vec)) {
    vec a, b;
    memcpy(&a, target + at, sizeof a);
    memcpy(&b, source + at, sizeof b);
    a ^= b;
    memcpy(target + at, &a, sizeof a);
  }
  for (; at < bytes; at++) target[at] ^= source[at];
}
