#include "cpu.h"

#include <string.h>

static const char *const NAMES[] = {"portable", "neon", "avx2", "avx512", "gfni"};
#define LEVELS (sizeof NAMES / sizeof *NAMES)

static int ready;
static int available[LEVELS];
static int sha_available, sha_allowed;
static cpu_level_t level = CPU_PORTABLE;

#if defined(__x86_64__)
#include <cpuid.h>

static int detect_sha(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
}
#endif

/* Every thread that loads the addon calls this; all of them store the same values. */
void cpu_init(void) {
  if (ready) return;
  available[CPU_PORTABLE] = 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  available[CPU_AVX2] = __builtin_cpu_supports("avx2");
  available[CPU_AVX512] = available[CPU_AVX2] && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  available[CPU_GFNI] = available[CPU_AVX512] && __builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512vbmi");
  sha_available = sha_allowed = detect_sha();
#elif defined(__aarch64__)
  available[CPU_NEON] = 1;
#endif
  for (size_t i = 0; i < LEVELS; i++)
    if (available[i]) level = (cpu_level_t)i;
  ready = 1;
}

int cpu_select(const char *name) {
  int with_sha = strcmp(name, "sha") == 0;
  if (with_sha) name = NAMES[CPU_AVX2];
  if (with_sha && !sha_available) return 0;
  for (size_t i = 0; i < LEVELS; i++) {
    if (strcmp(name, NAMES[i]) != 0 || !available[i]) continue;
    level = (cpu_level_t)i;
    sha_allowed = sha_available && (with_sha || level > CPU_AVX2);
    return 1;
  }
  return 0;
}

cpu_level_t cpu_level(void) { return level; }

const char *cpu_level_name(void) { return level == CPU_AVX2 && sha_allowed ? "sha" : NAMES[level]; }

int cpu_has_sha(void) { return sha_allowed; }
