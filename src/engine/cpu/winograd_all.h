/** All Winograd kernels of one instruction set, on top of product_body.h: each algorithm's transforms, and the loops around them. */
#define SPAN          (TILE * STRIDE + 3 - STRIDE)      /* rows of x that a tile reads */
#define NAME(x)       PASTE(x, TAG)
#define PASTE(x, tag) PASTE_(x, tag)
#define PASTE_(x, tag) x##_##tag

#define TAG f23
#include "engine/cpu/winograd_f23.h"
#define TAG f43
#include "engine/cpu/winograd_f43.h"
#define TAG f63
#include "engine/cpu/winograd_f63.h"
#define TAG f42s2
#include "engine/cpu/winograd_f42s2.h"

#define WINO_TABLE { &wino_f23, &wino_f43, &wino_f63, &wino_f42s2 }
