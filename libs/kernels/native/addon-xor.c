/* N-API surface of XOR. */
#include "addon.h"
#include "xor.h"

/* xorInPlace(target, source) */
static napi_value js_xor(napi_env env, napi_callback_info info) {
  napi_value args[2];
  bytes_view target, source;
  if (!addon_args(env, info, 2, args) || !addon_bytes(env, args[0], &target) || !addon_bytes(env, args[1], &source) ||
      target.length != source.length)
    return addon_range_error(env, "xorInPlace: lengths differ");
  xor_in_place(target.data, source.data, target.length);
  return NULL;
}

napi_status xor_register(napi_env env, napi_value exports) {
  napi_property_descriptor properties[] = {ADDON_METHOD("xorInPlace", js_xor)};
  return napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
}
