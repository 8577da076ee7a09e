#pragma once
#include <stddef.h>
#include <stdint.h>

/* Picks the widest implementation this CPU runs. Call once. */
void keccak_init(void);
/* Forces "portable", "avx2", "avx512" or "neon"; 0 when this build or CPU has no such thing. For tests. */
int keccak_select(const char *name);
const char *keccak_isa(void);

/* Keccak-256 of `count` consecutive inputs of `bytes` each; 32 * count bytes to `out`. `out` may be `in` when bytes >= 32. */
void keccak_many(const uint8_t *in, size_t bytes, size_t count, uint8_t *out);
/* Roots of `trees` perfect trees of `leaves` 256-byte sectors each; leaves is a power of two up to 1024. */
void keccak_sector_tree_roots(const uint8_t *in, size_t leaves, size_t trees, uint8_t *out);
