/** kernels_body.h compiled for AVX2. */
#include <math.h>
#include <string.h>

#include "engine/cpu/kernels.h"

#if SHN_X86_KERNELS
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define V 8
#define SQRT(v) ((VF)_mm256_sqrt_ps((__m256)(v)))
#define BF16 0
#define NAME(x) x##_f32
#include "engine/cpu/kernels_body.h"
const shn_kernels shn_kernels_avx2_f32 = TABLE;
#undef BF16
#undef NAME

#define BF16 1
#define NAME(x) x##_bf16
#include "engine/cpu/kernels_body.h"
const shn_kernels shn_kernels_avx2_bf16 = TABLE;

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
