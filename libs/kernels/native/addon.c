/*
 * N-API surface of the native kernels. Arguments are checked by the TypeScript wrapper (src/node/native.ts), and once more
 * here where a wrong length would touch memory that is not ours.
 */
#define NAPI_VERSION 8
#include <node_api.h>

#include <string.h>

#include "keccak.h"

#define CHECK(env, call)                                     \
  do {                                                       \
    if ((call) != napi_ok) {                                 \
      napi_throw_error(env, NULL, "native kernel: bad call"); \
      return NULL;                                           \
    }                                                        \
  } while (0)

typedef struct {
  uint8_t *data;
  size_t length;
} bytes_view;

static int get_bytes(napi_env env, napi_value value, bytes_view *out) {
  napi_typedarray_type type;
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return 0;
  void *data = NULL;
  if (napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) != napi_ok) return 0;
  out->data = data;
  return type == napi_uint8_array;
}

/* keccakMany(input, itemBytes, count, out) */
static napi_value js_keccak_many(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value args[4];
  CHECK(env, napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  bytes_view in, out;
  uint32_t item_bytes, count;
  if (argc < 4 || !get_bytes(env, args[0], &in) || napi_get_value_uint32(env, args[1], &item_bytes) != napi_ok ||
      napi_get_value_uint32(env, args[2], &count) != napi_ok || !get_bytes(env, args[3], &out) ||
      (uint64_t)item_bytes * count > in.length || (uint64_t)count * 32 > out.length) {
    napi_throw_range_error(env, NULL, "keccakMany: lengths do not fit");
    return NULL;
  }
  keccak_many(in.data, item_bytes, count, out.data);
  return NULL;
}

/* sectorTreeRoots(input, leavesPerTree, treeCount, out) */
static napi_value js_sector_tree_roots(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value args[4];
  CHECK(env, napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  bytes_view in, out;
  uint32_t leaves, trees;
  if (argc < 4 || !get_bytes(env, args[0], &in) || napi_get_value_uint32(env, args[1], &leaves) != napi_ok ||
      napi_get_value_uint32(env, args[2], &trees) != napi_ok || !get_bytes(env, args[3], &out) || leaves == 0 ||
      leaves > 1024 || (leaves & (leaves - 1)) != 0 || (uint64_t)leaves * 256 * trees > in.length ||
      (uint64_t)trees * 32 > out.length) {
    napi_throw_range_error(env, NULL, "sectorTreeRoots: lengths do not fit");
    return NULL;
  }
  keccak_sector_tree_roots(in.data, leaves, trees, out.data);
  return NULL;
}

static napi_value js_isa(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value;
  CHECK(env, napi_create_string_utf8(env, keccak_isa(), NAPI_AUTO_LENGTH, &value));
  return value;
}

/* select(name) -> boolean */
static napi_value js_select(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value args[1], value;
  char name[16];
  size_t length;
  CHECK(env, napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  CHECK(env, napi_get_value_string_utf8(env, args[0], name, sizeof name, &length));
  CHECK(env, napi_get_boolean(env, keccak_select(name) != 0, &value));
  return value;
}

static napi_value init(napi_env env, napi_value exports) {
  keccak_init();
  napi_property_descriptor properties[] = {
      {"keccakMany", NULL, js_keccak_many, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sectorTreeRoots", NULL, js_sector_tree_roots, NULL, NULL, NULL, napi_enumerable, NULL},
      {"isa", NULL, js_isa, NULL, NULL, NULL, napi_enumerable, NULL},
      {"select", NULL, js_select, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  CHECK(env, napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties));
  return exports;
}

NAPI_MODULE(cairn_kernels, init)
