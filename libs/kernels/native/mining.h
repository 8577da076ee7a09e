#pragma once
#include <stddef.h>
#include <stdint.h>

/* Mining kernels; see src/mining/mining.ts for what they mean. */

#define SEAL_BYTES 4096
#define PAD_BYTES 16384
#define LOAD_BYTES 262144
#define CANDIDATE_BYTES 40

/* BLAKE2b-512 of `count` consecutive inputs of `bytes` (> 0) each; 64 * count bytes to `out`, which does not overlap `in`. */
void mining_blake2b_many(const uint8_t *in, size_t bytes, size_t count, uint8_t *out);
/* Seals or unseals `count` seals with a first mask of 32 bytes each. `out` is `in` or does not overlap it. */
void mining_seal(const uint8_t *in, size_t count, const uint8_t *masks, uint8_t *out);
void mining_unseal(const uint8_t *in, size_t count, const uint8_t *masks, uint8_t *out);
/* Pads (16 KiB each) and recall seeds (32 bytes each) of `count` nonces from their pad seeds (64 bytes each). */
void mining_scratchpads(const uint8_t *seeds, size_t count, uint8_t *pads, uint8_t *recall_seeds);
/*
 * Qualities of the 64 seals of a load. Writes a candidate (seal as LE64, 32 bytes of quality) for each seal of the bit set
 * `present` whose first 8 bytes, as a big-endian number, are at most `top`; returns how many (`out` has room for 64).
 */
size_t mining_search(const uint8_t *load, const uint8_t *pad, const uint8_t *pad_seed, uint64_t top, uint64_t present,
                     uint8_t *out);
