/** winograd_body.h compiled for what every CPU of the architecture has: 4 lanes (SSE2, NEON), a register block of 4 x 8. */
#include <stdint.h>
#include <string.h>

#include "engine/cpu/winograd.h"

#define V    4
#define ROWS 4
#if defined(__aarch64__)
#include <arm_neon.h>
#define FMA(a, b, c) ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif
#define NAME(x) x##_base
#include "engine/cpu/winograd_body.h"
