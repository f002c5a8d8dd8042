/** kernels_body.h compiled for any x86-64 (or other) CPU. */
#include <math.h>
#include <string.h>

#include "engine/cpu/kernels.h"

#define V 4
#define SQRT(v) ((VF){ __builtin_sqrtf((v)[0]), __builtin_sqrtf((v)[1]), __builtin_sqrtf((v)[2]), __builtin_sqrtf((v)[3]) })
#define BF16 0
#define NAME(x) x##_f32
#include "engine/cpu/kernels_body.h"
const shn_kernels shn_kernels_base_f32 = TABLE;
#undef BF16
#undef NAME

#define BF16 1
#define NAME(x) x##_bf16
#include "engine/cpu/kernels_body.h"
const shn_kernels shn_kernels_base_bf16 = TABLE;
