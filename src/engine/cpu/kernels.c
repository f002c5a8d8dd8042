#include "engine/cpu/kernels.h"

const shn_kernels *shn_kernels_choose(shn_isa isa, shn_dtype type, size_t C)
{
    const int bf16 = type == SHN_BF16;
#if SHN_X86_KERNELS
    if (isa >= SHN_ISA_AVX512 && C % 16 == 0) return bf16 ? &shn_kernels_avx512_bf16 : &shn_kernels_avx512_f32;
    if (isa >= SHN_ISA_AVX2) return bf16 ? &shn_kernels_avx2_bf16 : &shn_kernels_avx2_f32;
#else
    (void)isa, (void)C;
#endif
    return bf16 ? &shn_kernels_base_bf16 : &shn_kernels_base_f32;
}
