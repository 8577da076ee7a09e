/* N-API surface of the SHA-256 kernels. */
#include "addon.h"
#include "sha256.h"

/* sha256Many(input, itemBytes, count, prefix or -1, out) */
static napi_value js_many(napi_env env, napi_callback_info info) {
  napi_value args[5];
  bytes_view in, out;
  uint32_t item_bytes, count;
  int32_t prefix;
  if (!addon_args(env, info, 5, args) || !addon_bytes(env, args[0], &in) || !addon_u32(env, args[1], &item_bytes) ||
      !addon_u32(env, args[2], &count) || napi_get_value_int32(env, args[3], &prefix) != napi_ok || prefix < -1 ||
      prefix > 255 || !addon_bytes(env, args[4], &out) || item_bytes == 0 ||
      (uint64_t)item_bytes * count > in.length || (uint64_t)count * 32 > out.length)
    return addon_range_error(env, "sha256Many: lengths do not fit");
  sha256_many(in.data, item_bytes, count, prefix, out.data);
  return NULL;
}

/* sha256Pairs(nodes, count, out) */
static napi_value js_pairs(napi_env env, napi_callback_info info) {
  napi_value args[3];
  bytes_view in, out;
  uint32_t count;
  if (!addon_args(env, info, 3, args) || !addon_bytes(env, args[0], &in) || !addon_u32(env, args[1], &count) ||
      !addon_bytes(env, args[2], &out) || (uint64_t)count * 64 > in.length || (uint64_t)count * 32 > out.length)
    return addon_range_error(env, "sha256Pairs: lengths do not fit");
  sha256_pairs(in.data, count, out.data);
  return NULL;
}

napi_status sha256_register(napi_env env, napi_value exports) {
  napi_property_descriptor properties[] = {ADDON_METHOD("sha256Many", js_many), ADDON_METHOD("sha256Pairs", js_pairs)};
  return napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
}
