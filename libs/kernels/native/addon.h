#pragma once

/*
 * Shared by the N-API surfaces of the kernel families. The TypeScript wrappers (src/node/native-*.ts) check arguments; the
 * addon checks once more whatever would let it touch memory that is not ours.
 */
#define NAPI_VERSION 8
#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

#define ADDON_CHECK(env, call)                               \
  do {                                                       \
    if ((call) != napi_ok) {                                 \
      napi_throw_error(env, NULL, "native kernel: bad call"); \
      return NULL;                                           \
    }                                                        \
  } while (0)

#define ADDON_METHOD(name, function) {name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL}

typedef struct {
  uint8_t *data;
  size_t length;
} bytes_view;

/* Fills `args`; 0 unless exactly `count` arguments (at most 16) were given. */
int addon_args(napi_env env, napi_callback_info info, size_t count, napi_value *args);
/* A Uint8Array's memory (valid during the call only); 0 for anything else. */
int addon_bytes(napi_env env, napi_value value, bytes_view *out);
int addon_u32(napi_env env, napi_value value, uint32_t *out);
napi_value addon_range_error(napi_env env, const char *message);

/* One per family, in native/addon-<family>.c: adds its functions to the exports. */
napi_status keccak_register(napi_env env, napi_value exports);
napi_status mining_register(napi_env env, napi_value exports);
napi_status sha256_register(napi_env env, napi_value exports);
napi_status xor_register(napi_env env, napi_value exports);
napi_status galois_register(napi_env env, napi_value exports);
