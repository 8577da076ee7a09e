#pragma once

/*
 * What this CPU can do, and what the kernels are allowed to use of it. Levels are ordered on x86; each includes those below.
 * gfni is AVX-512 (F, VL, BW, DQ) with GFNI and VBMI.
 */
typedef enum { CPU_PORTABLE, CPU_NEON, CPU_AVX2, CPU_AVX512, CPU_GFNI } cpu_level_t;

/* Allows the widest level there is. Later calls do nothing. */
void cpu_init(void);
/* Allows no more than "portable", "neon", "avx2", "sha" (avx2 with SHA), "avx512" or "gfni"; 0 when this build or CPU has no such thing. For tests. */
int cpu_select(const char *name);
cpu_level_t cpu_level(void);
const char *cpu_level_name(void);
/* SHA-256 instructions, from level "sha" upwards. */
int cpu_has_sha(void);
