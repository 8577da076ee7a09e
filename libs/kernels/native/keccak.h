#pragma once
#include <stddef.h>
#include <stdint.h>

/* Keccak-256 of `count` consecutive inputs of `bytes` each; 32 * count bytes to `out`. `out` may be `in` when bytes >= 32. */
void keccak_many(const uint8_t *in, size_t bytes, size_t count, uint8_t *out);
/* Roots of `trees` perfect trees of `leaves` 256-byte sectors each; leaves is a power of two up to 1024. */
void keccak_sector_tree_roots(const uint8_t *in, size_t leaves, size_t trees, uint8_t *out);
