/* N-API surface of the mining kernels. */
#include "addon.h"
#include "mining.h"

/* blake2b(input, itemBytes, count, out) */
static napi_value js_blake2b(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes_view in, out;
  uint32_t item_bytes, count;
  if (!addon_args(env, info, 4, args) || !addon_bytes(env, args[0], &in) || !addon_u32(env, args[1], &item_bytes) ||
      !addon_u32(env, args[2], &count) || !addon_bytes(env, args[3], &out) || item_bytes == 0 ||
      (uint64_t)item_bytes * count > in.length || (uint64_t)count * 64 > out.length)
    return addon_range_error(env, "blake2b: lengths do not fit");
  mining_blake2b_many(in.data, item_bytes, count, out.data);
  return NULL;
}

typedef void (*chain_fn)(const uint8_t *, size_t, const uint8_t *, uint8_t *);

/* (data, count, masks, out) */
static napi_value run_chain(napi_env env, napi_callback_info info, chain_fn chain) {
  napi_value args[4];
  bytes_view in, masks, out;
  uint32_t count;
  if (!addon_args(env, info, 4, args) || !addon_bytes(env, args[0], &in) || !addon_u32(env, args[1], &count) ||
      !addon_bytes(env, args[2], &masks) || !addon_bytes(env, args[3], &out) || (uint64_t)count * SEAL_BYTES > in.length ||
      (uint64_t)count * 32 > masks.length || (uint64_t)count * SEAL_BYTES > out.length)
    return addon_range_error(env, "seal: lengths do not fit");
  chain(in.data, count, masks.data, out.data);
  return NULL;
}

static napi_value js_seal(napi_env env, napi_callback_info info) { return run_chain(env, info, mining_seal); }

static napi_value js_unseal(napi_env env, napi_callback_info info) { return run_chain(env, info, mining_unseal); }

/* scratchpads(seeds, count, pads, recallSeeds) */
static napi_value js_scratchpads(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes_view seeds, pads, recall_seeds;
  uint32_t count;
  if (!addon_args(env, info, 4, args) || !addon_bytes(env, args[0], &seeds) || !addon_u32(env, args[1], &count) ||
      !addon_bytes(env, args[2], &pads) || !addon_bytes(env, args[3], &recall_seeds) ||
      (uint64_t)count * 64 > seeds.length || (uint64_t)count * PAD_BYTES > pads.length ||
      (uint64_t)count * 32 > recall_seeds.length)
    return addon_range_error(env, "scratchpads: lengths do not fit");
  mining_scratchpads(seeds.data, count, pads.data, recall_seeds.data);
  return NULL;
}

/* searchLoad(load, pad, padSeed, top, present, candidates) -> how many; top and present are bigints */
static napi_value js_search(napi_env env, napi_callback_info info) {
  napi_value args[6], value;
  bytes_view load, pad, pad_seed, out;
  uint64_t top, present;
  bool lossless;
  if (!addon_args(env, info, 6, args) || !addon_bytes(env, args[0], &load) || !addon_bytes(env, args[1], &pad) ||
      !addon_bytes(env, args[2], &pad_seed) || napi_get_value_bigint_uint64(env, args[3], &top, &lossless) != napi_ok ||
      napi_get_value_bigint_uint64(env, args[4], &present, &lossless) != napi_ok || !addon_bytes(env, args[5], &out) ||
      load.length < LOAD_BYTES || pad.length < PAD_BYTES || pad_seed.length < 64 || out.length < 64 * CANDIDATE_BYTES)
    return addon_range_error(env, "searchLoad: lengths do not fit");
  size_t count = mining_search(load.data, pad.data, pad_seed.data, top, present, out.data);
  ADDON_CHECK(env, napi_create_uint32(env, (uint32_t)count, &value));
  return value;
}

napi_status mining_register(napi_env env, napi_value exports) {
  napi_property_descriptor properties[] = {
      ADDON_METHOD("blake2b", js_blake2b),         ADDON_METHOD("seal", js_seal),         ADDON_METHOD("unseal", js_unseal),
      ADDON_METHOD("scratchpads", js_scratchpads), ADDON_METHOD("searchLoad", js_search),
  };
  return napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
}
