/** winograd_body.h compiled for AVX-512: a register block of 13 x 32. */
#include <stdint.h>
#include <string.h>

#include "engine/cpu/winograd.h"

#if SHN_X86_KERNELS
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#endif
#define V            16
#define ROWS         13
#define FMA(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define NAME(x)      x##_avx512
#include "engine/cpu/winograd_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
