#include "compute/isa.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

#if SHN_X86_KERNELS
#include <cpuid.h>

/** AMX: tiles and bf16 products in the CPU (CPUID 7), and tile state enabled by the system (XCR0 bits 17 and 18). */
static int has_amx(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) return 0;         /* OSXSAVE */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & (1u << 24)) || !(d & (1u << 22))) return 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & (3u << 17)) == 3u << 17;
}

shn_isa shn_isa_host(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return SHN_ISA_BASE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512dq"))
        return SHN_ISA_AVX2;
    return has_amx() ? SHN_ISA_AMX : SHN_ISA_AVX512;
}
#else
shn_isa shn_isa_host(void) { return SHN_ISA_BASE; }
#endif

static const char *const names[] = { "base", "avx2", "avx512", "amx" };

const char *shn_isa_name(shn_isa isa) { return names[isa]; }

shn_status shn_isa_choose(const char *name, shn_isa *out, shn_error *err)
{
    const char *source = name ? "isa" : "SHINDEN_ISA";
    *out = shn_isa_host();
    if (!name) name = getenv("SHINDEN_ISA");
    if (!name || !*name) return SHN_OK;
    for (int i = SHN_ISA_BASE; i <= SHN_ISA_AMX; i++)
        if (strcmp(name, names[i]) == 0) {
            if ((shn_isa)i < *out) *out = (shn_isa)i;
            return SHN_OK;
        }
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "compute", "%s is '%.40s', must be base, avx2, avx512 or amx", source,
                    name);
}
