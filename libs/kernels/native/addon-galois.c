/* N-API surface of the finite-field kernels. Row lists and scales come as the bytes of an Int32Array and a Uint16Array. */
#include "addon.h"
#include "galois.h"

/* field (0 .. 2), rowBytes, start, end */
static int get_rows(napi_env env, const napi_value *args, gf_rows *out) {
  uint32_t kind, row_bytes, start, end;
  if (!addon_u32(env, args[0], &kind) || !addon_u32(env, args[1], &row_bytes) || !addon_u32(env, args[2], &start) ||
      !addon_u32(env, args[3], &end) || kind > GF16_CANTOR || row_bytes == 0 || start > end || end > row_bytes)
    return 0;
  if (kind == GF16_CANTOR && (row_bytes % 64 != 0 || start % 64 != 0 || end % 64 != 0)) return 0;
  *out = (gf_rows){(gf_kind)kind, row_bytes, start, end};
  return 1;
}

static size_t points_of(gf_kind kind) { return kind == GF16_CANTOR ? 65536 : 256; }

static int is_power_of_two(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* Entries of `list` that are not a row of a buffer of `bytes` bytes make it wrong; -1 is allowed if `holes`. */
static int rows_fit(const int32_t *list, size_t count, int holes, uint64_t bytes, uint64_t row_bytes) {
  for (size_t i = 0; i < count; i++)
    if (list[i] < (holes ? -1 : 0) || (list[i] >= 0 && ((uint64_t)list[i] + 1) * row_bytes > bytes)) return 0;
  return 1;
}

/* GF(2^8) has tables of its 256 elements only. */
static int constants_fit(gf_kind kind, const uint16_t *list, size_t count) {
  if (kind == GF16_CANTOR) return 1;
  for (size_t i = 0; i < count; i++)
    if (list[i] > 255) return 0;
  return 1;
}

static napi_value finish(napi_env env, int done) {
  if (!done) napi_throw_error(env, NULL, "finite-field kernel: out of memory");
  return NULL;
}

/* galoisTransform(field, rowBytes, start, end, blockRows, source, sourceRows, sourcePoint, target, targetRows, targetPoint) */
static napi_value js_transform(napi_env env, napi_callback_info info) {
  napi_value args[11];
  gf_transform_job job;
  bytes_view source, target;
  uint32_t block_rows, source_rows, source_point, target_rows, target_point;
  if (!addon_args(env, info, 11, args) || !get_rows(env, args, &job.rows) || !addon_u32(env, args[4], &block_rows) ||
      !addon_bytes(env, args[5], &source) || !addon_u32(env, args[6], &source_rows) ||
      !addon_u32(env, args[7], &source_point) || !addon_bytes(env, args[8], &target) ||
      !addon_u32(env, args[9], &target_rows) || !addon_u32(env, args[10], &target_point) || !is_power_of_two(block_rows))
    return addon_range_error(env, "galoisTransform: arguments");
  uint64_t points = points_of(job.rows.kind);
  if (block_rows > points || (uint64_t)source_point + source_rows > points ||
      (uint64_t)target_point + target_rows > points || source_point % block_rows != 0 || target_point % block_rows != 0 ||
      (uint64_t)source_rows * job.rows.row_bytes > source.length ||
      (uint64_t)target_rows * job.rows.row_bytes > target.length)
    return addon_range_error(env, "galoisTransform: sizes do not fit");
  job.block_rows = block_rows;
  job.source = source.data;
  job.source_rows = source_rows;
  job.source_point = source_point;
  job.target = target.data;
  job.target_rows = target_rows;
  job.target_point = target_point;
  return finish(env, gf_transform(&job));
}

/* galoisMatrix(field, rowBytes, start, end, constants, source, sourceRows, target, targetRows, accumulate) */
static napi_value js_matrix(napi_env env, napi_callback_info info) {
  napi_value args[10];
  gf_matrix_job job;
  bytes_view constants, source, source_rows, target, target_rows;
  uint32_t accumulate;
  if (!addon_args(env, info, 10, args) || !get_rows(env, args, &job.rows) || !addon_bytes(env, args[4], &constants) ||
      !addon_bytes(env, args[5], &source) || !addon_bytes(env, args[6], &source_rows) ||
      !addon_bytes(env, args[7], &target) || !addon_bytes(env, args[8], &target_rows) ||
      !addon_u32(env, args[9], &accumulate))
    return addon_range_error(env, "galoisMatrix: arguments");
  job.source_count = source_rows.length / 4;
  job.target_count = target_rows.length / 4;
  job.constants = (const uint16_t *)constants.data;
  job.source = source.data;
  job.source_rows = (const int32_t *)source_rows.data;
  job.target = target.data;
  job.target_rows = (const int32_t *)target_rows.data;
  job.accumulate = accumulate != 0;
  if ((uint64_t)job.source_count * job.target_count * 2 != constants.length ||
      !constants_fit(job.rows.kind, job.constants, constants.length / 2) ||
      !rows_fit(job.source_rows, job.source_count, 0, source.length, job.rows.row_bytes) ||
      !rows_fit(job.target_rows, job.target_count, 0, target.length, job.rows.row_bytes))
    return addon_range_error(env, "galoisMatrix: sizes do not fit");
  return finish(env, gf_matrix(&job));
}

/* galoisRecover(field, rowBytes, start, end, size, input, inputRows, inputScale, output, outputRows, outputScale) */
static napi_value js_recover(napi_env env, napi_callback_info info) {
  napi_value args[11];
  gf_recover_job job;
  bytes_view input, input_rows, input_scale, output, output_rows, output_scale;
  uint32_t size;
  if (!addon_args(env, info, 11, args) || !get_rows(env, args, &job.rows) || !addon_u32(env, args[4], &size) ||
      !addon_bytes(env, args[5], &input) || !addon_bytes(env, args[6], &input_rows) ||
      !addon_bytes(env, args[7], &input_scale) || !addon_bytes(env, args[8], &output) ||
      !addon_bytes(env, args[9], &output_rows) || !addon_bytes(env, args[10], &output_scale) || !is_power_of_two(size))
    return addon_range_error(env, "galoisRecover: arguments");
  job.size = size;
  job.input = input.data;
  job.input_rows = (const int32_t *)input_rows.data;
  job.input_scale = (const uint16_t *)input_scale.data;
  job.output = output.data;
  job.output_rows = (const int32_t *)output_rows.data;
  job.output_scale = (const uint16_t *)output_scale.data;
  if (size > points_of(job.rows.kind) || input_rows.length != 4 * job.size || output_rows.length != 4 * job.size ||
      input_scale.length != 2 * job.size || output_scale.length != 2 * job.size ||
      !constants_fit(job.rows.kind, job.input_scale, size) || !constants_fit(job.rows.kind, job.output_scale, size) ||
      !rows_fit(job.input_rows, size, 1, input.length, job.rows.row_bytes) ||
      !rows_fit(job.output_rows, size, 1, output.length, job.rows.row_bytes))
    return addon_range_error(env, "galoisRecover: sizes do not fit");
  return finish(env, gf_recover(&job));
}

/* galoisCombine(rows, rowBytes, count, coefficients, out) */
static napi_value js_combine(napi_env env, napi_callback_info info) {
  napi_value args[5];
  bytes_view rows, coefficients, out;
  uint32_t row_bytes, count;
  if (!addon_args(env, info, 5, args) || !addon_bytes(env, args[0], &rows) || !addon_u32(env, args[1], &row_bytes) ||
      !addon_u32(env, args[2], &count) || !addon_bytes(env, args[3], &coefficients) || !addon_bytes(env, args[4], &out) ||
      row_bytes % 64 != 0 || (uint64_t)row_bytes * count > rows.length ||
      8 * (uint64_t)row_bytes != coefficients.length || 16 * (uint64_t)count > out.length)
    return addon_range_error(env, "galoisCombine: lengths do not fit");
  return finish(env, gf_combine(rows.data, row_bytes, count, coefficients.data, out.data));
}

napi_status galois_register(napi_env env, napi_value exports) {
  napi_property_descriptor properties[] = {
      ADDON_METHOD("galoisTransform", js_transform),
      ADDON_METHOD("galoisMatrix", js_matrix),
      ADDON_METHOD("galoisRecover", js_recover),
      ADDON_METHOD("galoisCombine", js_combine),
  };
  return napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
}
