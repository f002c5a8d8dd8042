#include "engine/cpu/winograd.h"

const shn_wino *const *shn_wino_table(shn_isa isa)
{
#if SHN_X86_KERNELS
    if (isa >= SHN_ISA_AVX2) return isa >= SHN_ISA_AVX512 ? shn_wino_avx512 : shn_wino_avx2;
#else
    (void)isa;
#endif
    return shn_wino_base;
}

const shn_wino *shn_wino_choose(shn_isa isa, unsigned tile_max, size_t stride, size_t in, size_t out, size_t T)
{
    const shn_wino *const *table = shn_wino_table(isa), *best = NULL;
    size_t fewest = 3 * T;                          /* products of the direct form */
    for (int i = 0; i < SHN_WINO_KERNELS; i++) {
        const shn_wino *w = table[i];
        const size_t    products = (T + w->tile - 1) / w->tile * w->products;
        if (w->tile > tile_max || w->stride != stride || in % w->columns != 0 || out % w->columns != 0 || products >= fewest) continue;
        best = w;
        fewest = products;
    }
    return best;
}

size_t shn_wino_block(size_t K, size_t products, size_t rows)
{
    enum { FLOATS = 64 * 1024, LEAST = 26 };        /* products x tiles x channels: 256 KB; packed weights are read once for so many tiles */
    const size_t tiles = FLOATS / (K * products) / rows * rows, least = (LEAST + rows - 1) / rows * rows;
    return tiles > least ? tiles : least;
}

size_t shn_wino_scratch(const shn_wino *w, size_t in, size_t out)
{
    size_t most = 0;
    for (int back = 0; back < 2; back++) {
        const size_t K = back ? out : in, block = shn_wino_block(K, w->products, w->rows);
        const size_t pass = w->products * block * (K + 16 + w->columns);
        if (pass > most) most = pass;
    }
    const size_t weights = w->products * (SHN_WINO_WEIGHT_TILES * (in + out) + 2 * 16);
    return most > weights ? most : weights;
}
