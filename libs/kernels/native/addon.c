/* The addon: helpers of its families, the choice of instruction set, and the table of families. */
#include "addon.h"

#include <stdbool.h>

#include "cpu.h"

static napi_status (*const FAMILIES[])(napi_env, napi_value) = {
    keccak_register,
    mining_register,
    sha256_register,
    xor_register,
    galois_register,
};

int addon_args(napi_env env, napi_callback_info info, size_t count, napi_value *args) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, args, NULL, NULL) == napi_ok && given == count;
}

int addon_bytes(napi_env env, napi_value value, bytes_view *out) {
  napi_typedarray_type type;
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return 0;
  void *data = NULL;
  if (napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) != napi_ok) return 0;
  out->data = data;
  return type == napi_uint8_array;
}

int addon_u32(napi_env env, napi_value value, uint32_t *out) { return napi_get_value_uint32(env, value, out) == napi_ok; }

napi_value addon_range_error(napi_env env, const char *message) {
  napi_throw_range_error(env, NULL, message);
  return NULL;
}

/* isa() -> name of the level in use */
static napi_value js_isa(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value;
  ADDON_CHECK(env, napi_create_string_utf8(env, cpu_level_name(), NAPI_AUTO_LENGTH, &value));
  return value;
}

/* select(name) -> boolean */
static napi_value js_select(napi_env env, napi_callback_info info) {
  napi_value args[1], value;
  char name[16];
  size_t length;
  if (!addon_args(env, info, 1, args)) return addon_range_error(env, "select: a name");
  ADDON_CHECK(env, napi_get_value_string_utf8(env, args[0], name, sizeof name, &length));
  ADDON_CHECK(env, napi_get_boolean(env, cpu_select(name) != 0, &value));
  return value;
}

static napi_value init(napi_env env, napi_value exports) {
  cpu_init();
  napi_property_descriptor properties[] = {ADDON_METHOD("isa", js_isa), ADDON_METHOD("select", js_select)};
  ADDON_CHECK(env, napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties));
  for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) ADDON_CHECK(env, FAMILIES[i](env, exports));
  return exports;
}

NAPI_MODULE(cairn_kernels, init)
