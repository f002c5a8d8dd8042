/** winograd_body.h compiled for AVX2: a register block of 6 x 16. */
#include <stdint.h>
#include <string.h>

#include "engine/cpu/winograd.h"

#if SHN_X86_KERNELS
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define V            8
#define ROWS         6
#define FMA(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define NAME(x)      x##_avx2
#include "engine/cpu/winograd_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
