/** Which instructions this run may use: what the CPU has, masked from outside so that every path can be tested. */
#ifndef SHN_COMPUTE_ISA_H
#define SHN_COMPUTE_ISA_H

#include "shinden/status.h"

/* 1: kernels beyond the architecture's baseline are compiled in and chosen at run time; 0: plain C, vectorised by the compiler
 * for what every CPU of the architecture has (SSE2, NEON). SHN_BASELINE is the build's option of that name. */
#if defined(__x86_64__) && !defined(SHN_BASELINE)
#define SHN_X86_KERNELS 1
#else
#define SHN_X86_KERNELS 0
#endif

typedef enum shn_isa { SHN_ISA_BASE, SHN_ISA_AVX2, SHN_ISA_AVX512, SHN_ISA_AMX } shn_isa;   /* each includes those before it */

/** The most that the CPU, the operating system and this build offer; BASE on every architecture but x86-64. */
shn_isa     shn_isa_host(void);
/** "base", "avx2", "avx512", "amx"; static. */
const char *shn_isa_name(shn_isa isa);
/**
 * The host's, but at most `name` ("base", "avx2", "avx512", "amx"); name NULL reads $SHINDEN_ISA, which may be unset.
 * Errors  SHN_RANGE (bad_value) another name
 */
SHN_NODISCARD shn_status shn_isa_choose(const char *name, shn_isa *out, shn_error *err);

#endif
