/**
 * Convolutions of 3 taps with padding 1 in f32 with fewer multiplications: Winograd's minimal filtering. These layers are 95 % of the
 * encoder's arithmetic and oneDNN's direct kernels already run at nine tenths of the multiply-add peak, so this is the way past it.
 *
 *   Y = A' [ (G w) . (B' d) ]   per tile of m outputs, from m + 2 inputs (stride 1)
 *
 * B' is applied to a block of tiles with lanes on channels, then come products of matrices [tiles][in] x [in][out] over packed
 * transformed weights, then A'. BN and ReLU of the layer before are part of B', the sums for the layer's own BN, or bias, residual
 * and ReLU, part of A'. The data gradient is the same with flipped, transposed weights; the weight gradient adds up
 * [in][tiles] x [tiles][out] in the transformed domain and ends with G'. A tile's arithmetic does not depend on its place in
 * a block, so a record's bits do not depend on its neighbours.
 *
 *   kernel   products, direct   error against direct   file
 *   F(2,3)    4 for  6           1 - 1.5                winograd_f23.h    as exact as the direct form
 *   F(4,3)    6 for 12           3.5 - 4                winograd_f43.h
 *   F(6,3)    8 for 18           5 - 6                  winograd_f63.h
 *   F(4,2)s2  9 for 12           3                      winograd_f42s2.h  stride 2, as two interleaved halves
 *
 * Source  Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308 (here in one dimension); points as in Toom-Cook interpolation.
 */
#ifndef SHN_ENGINE_CPU_WINOGRAD_H
#define SHN_ENGINE_CPU_WINOGRAD_H

#include <stddef.h>

#include "compute/isa.h"
#include "engine/cpu/kernels.h"

/** A layer: x [n][T_in][in] -> y [n][T][out]. Master weights and their gradient are [3][in][out] ("tap, in, out"). */
typedef struct shn_wino_layer { size_t n, T_in, T, in, out; } shn_wino_layer;

/** Where forward's results go: either with moments (sum, square [out] double, added to), or with the rest. */
typedef struct shn_wino_out {
    float       *y;
    double      *sum, *square;          /* NULL: none */
    const float *bias;                  /* [out], NULL: none */
    int          add, relu;             /* y += result; ReLU at the end */
} shn_wino_out;

typedef struct shn_wino {
    const char *name;                   /* "F(4,3)" */
    unsigned tile, stride, products, matrices;
    unsigned columns, rows;             /* channels must be multiples of columns; rows of the register block */
    /** Transformed weights, `matrices` in out floats, of result channels [first, last), multiples of columns. backward 0: for forward, results
        are the outputs; 1: for data (flipped, transposed), results are the inputs. */
    void (*pack)(const float *weights, size_t in, size_t out, int backward, size_t first, size_t last, float *packed);
    /** Of x, or of relu(bn(x)) where bn is not NULL. */
    void (*forward)(const shn_wino_layer *s, const float *x, const shn_affine *bn, const float *packed, const shn_wino_out *out, float *scratch);
    /** d_x of d_y */
    void (*data)(const shn_wino_layer *s, const float *d_y, const float *packed, float *d_x, float *scratch);
    /** sums [matrices][in][out] (+)= the weight gradient in the transformed domain; first: =; bn as in forward */
    void (*weights)(const shn_wino_layer *s, const float *x, const shn_affine *bn, const float *d_y, int first, float *sums, float *scratch);
    /** d_weights [3][in][out] of the sums */
    void (*weights_end)(const float *sums, size_t in, size_t out, float *d_weights);
} shn_wino;

enum { SHN_WINO_KERNELS = 4 };
/** F(2,3), F(4,3), F(6,3), F(4,2)s2 for one instruction set. */
extern const shn_wino *const shn_wino_base[SHN_WINO_KERNELS], *const shn_wino_avx2[SHN_WINO_KERNELS], *const shn_wino_avx512[SHN_WINO_KERNELS];

/** The kernels of an instruction set, SHN_WINO_KERNELS of them. */
const shn_wino *const *shn_wino_table(shn_isa isa);
/**
 * The kernel with the fewest products for a layer among those with tiles of at most tile_max outputs, the smaller tile where two are
 * equal; NULL where none has fewer than the direct form or the channels do not fit. A function of its arguments: bits repeat.
 */
const shn_wino *shn_wino_choose(shn_isa isa, unsigned tile_max, size_t stride, size_t in, size_t out, size_t T);
/** Floats of scratch that all passes of a kernel need for a layer, any n. */
size_t shn_wino_scratch(const shn_wino *w, size_t in, size_t out);

/** Tiles of a block: its transformed input stays in a part of level-2 cache. */
size_t shn_wino_block(size_t K, size_t products, size_t rows);
#define SHN_WINO_WEIGHT_TILES 208       /* tiles per product in the weight gradient: one panel of d_y stays in level-1 cache */

#endif
