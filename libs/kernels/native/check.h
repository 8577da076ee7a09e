#pragma once

/*
 * Sanitizer checks: `node scripts/build-native.ts --check`. Every instruction set of this CPU against portable C, on exactly
 * sized heap blocks, so that address and undefined-behaviour sanitizers see one byte too many. The portable code itself is
 * compared with the reference by the tests.
 */
#include <stddef.h>
#include <stdint.h>

/* `bytes` random bytes on the heap (never NULL). */
uint8_t *check_block(size_t bytes);
/* Ends the program when the blocks differ. */
void check_equal(const uint8_t *a, const uint8_t *b, size_t bytes, const char *what, size_t x, size_t y);

/* One per family, in native/check-<family>.c: compares instruction set `isa` (already known to exist) with "portable". */
void keccak_check(const char *isa);
void mining_check(const char *isa);
void sha256_check(const char *isa);
void xor_check(const char *isa);
void galois_check(const char *isa);
