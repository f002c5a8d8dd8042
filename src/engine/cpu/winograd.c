#include "engine/cpu/winograd.h"

const shn_wino *shn_wino_choose(shn_isa isa, size_t in, size_t out, size_t T)
{
    const shn_wino *w = &shn_wino_base;
#if SHN_X86_KERNELS
    if (isa >= SHN_ISA_AVX2) w = isa >= SHN_ISA_AVX512 ? &shn_wino_avx512 : &shn_wino_avx2;
#else
    (void)isa;
#endif
    /* below 4 positions a tile computes mostly what nobody asked for */
    return in % w->columns == 0 && out % w->columns == 0 && T >= 4 ? w : NULL;
}

size_t shn_wino_block(size_t in, size_t rows)
{
    enum { FLOATS = 20480 };                    /* tiles x channels; times 6 x 4 bytes: 480 KB */
    const size_t tiles = FLOATS / in / rows * rows;
    return tiles > rows ? tiles : rows;
}

size_t shn_wino_scratch(size_t in, size_t out)
{
    enum { ROWS = 13, COLUMNS = 32, LINE = 16 };        /* the larger of the two kernels' blocks */
    const size_t most = in > out ? in : out, block = shn_wino_block(most, 1) + ROWS;
    const size_t forward = 6 * block * (most + LINE) + 6 * block * COLUMNS + most;
    const size_t small = 6 * (shn_wino_block(in < out ? in : out, 1) + ROWS) * ((in < out ? in : out) + LINE + COLUMNS) + most;
    const size_t weights = 6 * SHN_WINO_WEIGHT_TILES * (in + out) + most;
    return (forward > small ? forward : small) + weights;
}
