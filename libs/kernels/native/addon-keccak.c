/* N-API surface of the Keccak kernels. */
#include "addon.h"
#include "keccak.h"

/* keccakMany(input, itemBytes, count, out) */
static napi_value js_keccak_many(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes_view in, out;
  uint32_t item_bytes, count;
  if (!addon_args(env, info, 4, args) || !addon_bytes(env, args[0], &in) || !addon_u32(env, args[1], &item_bytes) ||
      !addon_u32(env, args[2], &count) || !addon_bytes(env, args[3], &out) ||
      (uint64_t)item_bytes * count > in.length || (uint64_t)count * 32 > out.length)
    return addon_range_error(env, "keccakMany: lengths do not fit");
  keccak_many(in.data, item_bytes, count, out.data);
  return NULL;
}

/* sectorTreeRoots(input, leavesPerTree, treeCount, out) */
static napi_value js_sector_tree_roots(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes_view in, out;
  uint32_t leaves, trees;
  if (!addon_args(env, info, 4, args) || !addon_bytes(env, args[0], &in) || !addon_u32(env, args[1], &leaves) ||
      !addon_u32(env, args[2], &trees) || !addon_bytes(env, args[3], &out) || leaves == 0 || leaves > 1024 ||
      (leaves & (leaves - 1)) != 0 || (uint64_t)leaves * 256 * trees > in.length || (uint64_t)trees * 32 > out.length)
    return addon_range_error(env, "sectorTreeRoots: lengths do not fit");
  keccak_sector_tree_roots(in.data, leaves, trees, out.data);
  return NULL;
}

napi_status keccak_register(napi_env env, napi_value exports) {
  napi_property_descriptor properties[] = {
      ADDON_METHOD("keccakMany", js_keccak_many),
      ADDON_METHOD("sectorTreeRoots", js_sector_tree_roots),
  };
  return napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
}
