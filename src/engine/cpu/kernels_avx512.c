/** kernels_body.h compiled for AVX-512. */
#include <math.h>
#include <string.h>

#include "engine/cpu/kernels.h"

#if SHN_X86_KERNELS
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#endif
#define V 16
#define SQRT(v) ((VF)_mm512_sqrt_ps((__m512)(v)))
#define BF16 0
#define NAME(x) x##_f32
#include "engine/cpu/kernels_body.h"
const shn_kernels shn_kernels_avx512_f32 = TABLE;
#undef BF16
#undef NAME

#define BF16 1
#define NAME(x) x##_bf16
#include "engine/cpu/kernels_body.h"
const shn_kernels shn_kernels_avx512_bf16 = TABLE;

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
