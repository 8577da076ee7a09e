#pragma once
#include <stddef.h>
#include <stdint.h>

#define SHA256_NO_PREFIX (-1)

/*
 * SHA-256 of `count` consecutive inputs of `bytes` (> 0) each, every one after the byte `prefix` (0..255) unless that is
 * SHA256_NO_PREFIX; 32 * count bytes to `out`, which may be `in` when bytes >= 32.
 */
void sha256_many(const uint8_t *in, size_t bytes, size_t count, int prefix, uint8_t *out);
/* SHA-256 of `count` consecutive inputs of 64 bytes; `out` may be `in`. */
void sha256_pairs(const uint8_t *in, size_t count, uint8_t *out);
