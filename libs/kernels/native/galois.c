/*
 * Jobs on rows: transforms, matrices, erasure recovery. Rows are worked on in stripes: columns narrow enough that a whole block
 * of coefficients, and one of work, stays in the second-level cache. The first FFT pass of a stripe reads the caller's rows
 * and the last one writes them, so that nothing is copied; two layers per pass. What does not fill a group of rows or 64 bytes
 * goes through a small padded copy.
 */
#include "galois.h"

#include <stdlib.h>
#include <string.h>

#include "galois_ops.h"

enum { STRIPE_BLOCKS_MIN = 5, STRIPE_BLOCKS_MAX = 17, BLOCK_BYTES = 1 << 20, MATRIX_COLUMNS = 4096 };

typedef struct {
  const gf_ops *ops;
  const gf_field *field;
  /* Four rows of a stripe. */
  uint8_t *pad;
} context;

typedef struct {
  const uint8_t *at;
  size_t stride;
} source_rows;

typedef struct {
  uint8_t *at;
  size_t stride;
} target_rows;

typedef struct {
  size_t rows, off, width;
} block;

static int open_context(context *c, gf_kind kind) {
  c->ops = gf_ops_of_cpu();
  c->field = gf_field_of(kind, c->ops->form);
  c->pad = NULL;
  return c->field != NULL;
}

static unsigned log2_of(size_t n) { return (unsigned)__builtin_ctzll(n); }
static size_t min_of(size_t a, size_t b) { return a < b ? a : b; }
static uint8_t *allocate(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64 + 64); }

/*
 * Columns at a time: an odd number of 64-byte blocks, so that the rows of a stripe do not share the sets of the caches. With
 * fewer than five blocks of very many rows memory does not keep up.
 */
static size_t stripe_width(size_t rows) {
  size_t blocks = min_of(BLOCK_BYTES / rows / 64, STRIPE_BLOCKS_MAX) | 1;
  return 64 * (blocks < STRIPE_BLOCKS_MIN ? STRIPE_BLOCKS_MIN : blocks);
}

static void copy_rows(target_rows to, source_rows from, size_t count, size_t width) {
  for (size_t i = 0; i < count; i++) memcpy(to.at + i * to.stride, from.at + i * from.stride, width);
}

static void pass(const context *c, int inverse, unsigned layers, source_rows from, target_rows to, unsigned d, size_t off,
                 size_t limit, size_t width) {
  void (*run)(const gf_field *, int, const uint8_t *, size_t, uint8_t *, size_t, unsigned, size_t, size_t, size_t) =
      layers == 2 ? c->ops->pass4 : c->ops->pass2;
  run(c->field, inverse, from.at, from.stride, to.at, to.stride, d, off, limit, width);
}

/* Coefficients of a block. Rows of `from` from `present` on are not read; they count as zero. */
static void inverse_block(const context *c, block b, source_rows from, target_rows to, size_t present) {
  unsigned layers = log2_of(b.rows);
  if (layers == 0 || present == 0) {
    copy_rows(to, from, present, b.width);
    for (size_t i = present; i < b.rows; i++) memset(to.at + i * to.stride, 0, b.width);
    return;
  }
  unsigned first = layers >= 2 ? 2 : 1;
  size_t group = (size_t)1 << first, whole = present / group * group, read = whole;
  pass(c, 1, first, from, to, 0, b.off, whole, b.width);
  if (whole < present) {
    memset(c->pad, 0, group * b.width);
    copy_rows((target_rows){c->pad, b.width}, (source_rows){from.at + whole * from.stride, from.stride}, present - whole,
              b.width);
    pass(c, 1, first, (source_rows){c->pad, b.width}, (target_rows){to.at + whole * to.stride, to.stride}, 0, b.off + whole,
         1, b.width);
    read += group;
  }
  for (size_t i = read; i < b.rows; i++) memset(to.at + i * to.stride, 0, b.width);
  for (unsigned d = first; d < layers; d += 2)
    pass(c, 1, layers - d >= 2 ? 2 : 1, (source_rows){to.at, to.stride}, to, d, b.off, present, b.width);
}

/* The first `wanted` evaluations of a block; other rows of `to` are not written. `work` may be `from`. */
static void forward_block(const context *c, block b, source_rows from, target_rows work, target_rows to, size_t wanted) {
  unsigned layers = log2_of(b.rows);
  if (layers == 0) {
    copy_rows(to, from, wanted, b.width);
    return;
  }
  unsigned d = layers, last = layers >= 2 ? 2 : 1;
  while (d > last) {
    unsigned fused = d == layers && layers % 2 == 1 ? 1 : 2;
    d -= fused;
    pass(c, 0, fused, from, work, d, b.off, wanted, b.width);
    from = (source_rows){work.at, work.stride};
  }
  size_t group = (size_t)1 << last, whole = wanted / group * group;
  pass(c, 0, last, from, to, 0, b.off, whole, b.width);
  if (whole == wanted) return;
  pass(c, 0, last, (source_rows){from.at + whole * from.stride, from.stride}, (target_rows){c->pad, b.width}, 0,
       b.off + whole, 1, b.width);
  copy_rows((target_rows){to.at + whole * to.stride, to.stride}, (source_rows){c->pad, b.width}, wanted - whole, b.width);
}

static void transform_stripe(const context *c, const gf_transform_job *job, uint8_t *scratch, source_rows source,
                             target_rows target, size_t width) {
  size_t rows = job->block_rows;
  target_rows coefficients = {scratch, width}, work = {scratch + rows * width, width};
  if (job->source_rows == 0) memset(scratch, 0, rows * width);
  for (size_t start = 0; start < job->source_rows; start += rows) {
    block b = {rows, job->source_point + start, width};
    size_t present = min_of(rows, job->source_rows - start);
    source_rows from = {source.at + start * source.stride, source.stride};
    inverse_block(c, b, from, start == 0 ? coefficients : work, present);
    if (start > 0) c->ops->xor_bytes(coefficients.at, work.at, rows * width);
  }
  for (size_t start = 0; start < job->target_rows; start += rows) {
    block b = {rows, job->target_point + start, width};
    size_t wanted = min_of(rows, job->target_rows - start);
    target_rows to = {target.at + start * target.stride, target.stride};
    forward_block(c, b, (source_rows){coefficients.at, width}, work, to, wanted);
  }
}

int gf_transform(const gf_transform_job *job) {
  context c;
  const gf_rows *r = &job->rows;
  size_t stripe = min_of(stripe_width(2 * job->block_rows), (r->end - r->start + 63) / 64 * 64);
  if (job->target_rows == 0 || stripe == 0) return 1;
  if (!open_context(&c, r->kind)) return 0;
  uint8_t *scratch = allocate((2 * job->block_rows + 4) * stripe);
  if (!scratch) return 0;
  c.pad = scratch + 2 * job->block_rows * stripe;
  size_t end = r->start + (r->end - r->start) / 64 * 64;
  for (size_t at = r->start; at < end; at += stripe)
    transform_stripe(&c, job, scratch, (source_rows){job->source + at, r->row_bytes},
                     (target_rows){job->target + at, r->row_bytes}, min_of(stripe, end - at));
  int done = 1;
  if (end < r->end) {
    uint8_t *padded = allocate((job->source_rows + job->target_rows) * 64);
    done = padded != NULL;
    if (done) {
      uint8_t *out = padded + job->source_rows * 64;
      memset(padded, 0, job->source_rows * 64);
      copy_rows((target_rows){padded, 64}, (source_rows){job->source + end, r->row_bytes}, job->source_rows, r->end - end);
      transform_stripe(&c, job, scratch, (source_rows){padded, 64}, (target_rows){out, 64}, 64);
      copy_rows((target_rows){job->target + end, r->row_bytes}, (source_rows){out, 64}, job->target_rows, r->end - end);
    }
    free(padded);
  }
  free(scratch);
  return done;
}

/* The last, incomplete 64 bytes of all rows. */
static int multiply_tail(const context *c, const gf_matrix_job *job, gf_product *product, const uint8_t **sources,
                         uint8_t **targets, size_t at) {
  size_t width = job->rows.end - at, row_bytes = job->rows.row_bytes;
  uint8_t *padded = allocate((job->source_count + job->target_count) * 64);
  if (!padded) return 0;
  memset(padded, 0, (job->source_count + job->target_count) * 64);
  for (size_t j = 0; j < job->source_count; j++) {
    sources[j] = padded + 64 * j;
    memcpy(padded + 64 * j, job->source + job->source_rows[j] * row_bytes + at, width);
  }
  for (size_t i = 0; i < job->target_count; i++) {
    targets[i] = padded + 64 * (job->source_count + i);
    if (job->accumulate) memcpy(targets[i], job->target + job->target_rows[i] * row_bytes + at, width);
  }
  product->width = 64;
  c->ops->multiply(c->field, product);
  for (size_t i = 0; i < job->target_count; i++)
    memcpy(job->target + job->target_rows[i] * row_bytes + at, targets[i], width);
  free(padded);
  return 1;
}

int gf_matrix(const gf_matrix_job *job) {
  context c;
  const gf_rows *r = &job->rows;
  if (job->target_count == 0 || r->start == r->end) return 1;
  const uint8_t **sources = malloc(job->source_count * sizeof *sources);
  uint8_t **targets = malloc(job->target_count * sizeof *targets);
  int done = sources && targets && open_context(&c, r->kind);
  if (done) {
    size_t end = r->start + (r->end - r->start) / 64 * 64;
    gf_product product = {sources, job->source_count, job->constants, targets, job->target_count, 0, job->accumulate};
    for (size_t at = r->start; at < end; at += MATRIX_COLUMNS) {
      for (size_t j = 0; j < job->source_count; j++) sources[j] = job->source + job->source_rows[j] * r->row_bytes + at;
      for (size_t i = 0; i < job->target_count; i++) targets[i] = job->target + job->target_rows[i] * r->row_bytes + at;
      product.width = min_of(MATRIX_COLUMNS, end - at);
      c.ops->multiply(c.field, &product);
    }
    if (end < r->end) done = multiply_tail(&c, job, &product, sources, targets, end);
  }
  free(sources);
  free(targets);
  return done;
}

static void scale(const context *c, const uint8_t *from, uint8_t *to, uint16_t constant, size_t width, int accumulate) {
  c->ops->multiply(c->field, &(gf_product){&from, 1, &constant, &to, 1, width, accumulate});
}

/* Rows [0, wanted) of the formal derivative, added to the polynomial itself (spec/da-encoding.md section 12, step 5). */
static void derivative(const context *c, uint8_t *word, size_t size, size_t width, size_t wanted) {
  for (size_t i = 1; i < size; i += i < wanted ? 1 : i) {
    size_t apart = i & -i, rows = min_of(apart, wanted);
    uint8_t slope = c->field->slopes ? c->field->slopes[log2_of(apart)] : 1;
    uint8_t *to = word + (i - apart) * width, *from = word + i * width;
    if (slope == 1) c->ops->xor_bytes(to, from, rows * width);
    else scale(c, from, to, slope, rows * width, 1);
  }
}

typedef struct {
  size_t present, last, wanted;
} recover_span;

/* One stripe: bytes [at, at + width) of the rows, of which the last may be short of `padded`, a multiple of 64. */
static void recover_stripe(const context *c, const gf_recover_job *job, recover_span span, uint8_t *word, size_t at,
                           size_t width, size_t padded) {
  size_t row_bytes = job->rows.row_bytes;
  for (size_t p = 0; p < job->size; p++) {
    uint8_t *row = word + p * padded;
    if (job->input_rows[p] < 0) {
      memset(row, 0, padded);
      continue;
    }
    const uint8_t *from = job->input + job->input_rows[p] * row_bytes + at;
    if (width < padded) {
      memset(row, 0, padded);
      memcpy(row, from, width);
      from = row;
    }
    scale(c, from, row, job->input_scale[p], padded, 0);
  }
  target_rows work = {word, padded};
  size_t group = min_of(4, job->size);
  inverse_block(c, (block){job->size, 0, padded}, (source_rows){word, padded}, work, (span.present + group - 1) / group * group);
  derivative(c, word, job->size, padded, span.wanted);
  size_t wanted_group = min_of(4, span.wanted);
  forward_block(c, (block){span.wanted, 0, padded}, (source_rows){word, padded}, work, work,
                (span.last + wanted_group - 1) / wanted_group * wanted_group);
  for (size_t p = 0; p < span.last; p++) {
    if (job->output_rows[p] < 0) continue;
    uint8_t *to = job->output + job->output_rows[p] * row_bytes + at;
    scale(c, word + p * padded, width < padded ? c->pad : to, job->output_scale[p], padded, 0);
    if (width < padded) memcpy(to, c->pad, width);
  }
}

int gf_recover(const gf_recover_job *job) {
  context c;
  const gf_rows *r = &job->rows;
  recover_span span = {0, 0, 1};
  for (size_t p = 0; p < job->size; p++) {
    if (job->input_rows[p] >= 0) span.present = p + 1;
    if (job->output_rows[p] >= 0) span.last = p + 1;
  }
  if (span.last == 0 || r->start == r->end) return 1;
  while (span.wanted < span.last) span.wanted *= 2;
  if (!open_context(&c, r->kind)) return 0;
  size_t stripe = min_of(stripe_width(job->size), (r->end - r->start + 63) / 64 * 64);
  uint8_t *word = allocate((job->size + 4) * stripe);
  if (!word) return 0;
  c.pad = word + job->size * stripe;
  size_t end = r->start + (r->end - r->start) / 64 * 64;
  for (size_t at = r->start; at < end; at += stripe) {
    size_t width = min_of(stripe, end - at);
    recover_stripe(&c, job, span, word, at, width, width);
  }
  if (end < r->end) recover_stripe(&c, job, span, word, end, r->end - end, 64);
  free(word);
  return 1;
}

int gf_combine(const uint8_t *rows, size_t row_bytes, size_t count, const uint8_t *coefficients, uint8_t *out) {
  return gf_ops_of_cpu()->combine(rows, row_bytes, count, coefficients, out);
}
