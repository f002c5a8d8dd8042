/** The Winograd kernels compiled for what every CPU of the architecture has: 4 lanes (SSE2, NEON), a register block of 4 x 8. */
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
#include "engine/cpu/product_body.h"
#include "engine/cpu/winograd_all.h"

const shn_wino *const shn_wino_base[SHN_WINO_KERNELS] = WINO_TABLE;
