#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cpu.h"
#include "mining.h"

typedef struct {
  uint8_t *a, *b;
  size_t bytes;
} pair;

static pair new_pair(size_t bytes) { return (pair){check_block(bytes), check_block(bytes), bytes}; }

static void end_pair(pair p, const char *what, size_t x, size_t y) {
  check_equal(p.a, p.b, p.bytes, what, x, y);
  free(p.a);
  free(p.b);
}

static void check_blake(const char *isa, size_t bytes, size_t count) {
  uint8_t *in = check_block(bytes * count);
  pair out = new_pair(64 * count);
  cpu_select("portable");
  mining_blake2b_many(in, bytes, count, out.a);
  cpu_select(isa);
  mining_blake2b_many(in, bytes, count, out.b);
  end_pair(out, "mining_blake2b_many", bytes, count);
  free(in);
}

static void check_seals(const char *isa, size_t count) {
  uint8_t *in = check_block(SEAL_BYTES * count), *masks = check_block(32 * count);
  pair out = new_pair(SEAL_BYTES * count);
  cpu_select("portable");
  mining_seal(in, count, masks, out.a);
  cpu_select(isa);
  mining_seal(in, count, masks, out.b);
  check_equal(out.a, out.b, out.bytes, "mining_seal", count, 0);
  mining_unseal(out.b, count, masks, out.b);
  check_equal(in, out.b, out.bytes, "mining_unseal in place", count, 0);
  mining_unseal(out.a, count, masks, out.b);
  check_equal(in, out.b, out.bytes, "mining_unseal", count, 0);
  mining_seal(out.b, count, masks, out.b);
  end_pair(out, "mining_seal in place", count, 0);
  free(in);
  free(masks);
}

static void check_pads(const char *isa, size_t count) {
  uint8_t *seeds = check_block(64 * count);
  pair pads = new_pair(PAD_BYTES * count), recall = new_pair(32 * count);
  cpu_select("portable");
  mining_scratchpads(seeds, count, pads.a, recall.a);
  cpu_select(isa);
  mining_scratchpads(seeds, count, pads.b, recall.b);
  end_pair(pads, "mining_scratchpads", count, 0);
  end_pair(recall, "mining_scratchpads recall", count, 0);
  free(seeds);
}

static int by_seal(const void *a, const void *b) { return *(const uint8_t *)a - *(const uint8_t *)b; }

static void check_search(const char *isa, uint64_t top, uint64_t present) {
  uint8_t *load = check_block(LOAD_BYTES), *pad = check_block(PAD_BYTES), *seed = check_block(64);
  pair out = new_pair(64 * CANDIDATE_BYTES);
  cpu_select("portable");
  size_t expected = mining_search(load, pad, seed, top, present, out.a);
  cpu_select(isa);
  size_t count = mining_search(load, pad, seed, top, present, out.b);
  if (count != expected) abort();
  qsort(out.a, count, CANDIDATE_BYTES, by_seal);
  qsort(out.b, count, CANDIDATE_BYTES, by_seal);
  out.bytes = count * CANDIDATE_BYTES;
  end_pair(out, "mining_search", count, 0);
  free(load);
  free(pad);
  free(seed);
}

void mining_check(const char *isa) {
  for (size_t bytes = 1; bytes <= 400; bytes++)
    for (size_t count = 0; count <= 17; count++) check_blake(isa, bytes, count);
  for (size_t count = 0; count <= 19; count++) check_seals(isa, count);
  for (size_t count = 0; count <= 17; count++) check_pads(isa, count);
  check_search(isa, ~0ull, ~0ull);
  check_search(isa, ~0ull >> 2, ~0ull);
  check_search(isa, ~0ull, 0x8000400000000001ull);
  check_search(isa, 0, ~0ull);
}
