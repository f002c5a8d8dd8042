/**
 * Convolutions of 3 taps, stride 1, padding 1 in f32 with fewer multiplications: Winograd's minimal filtering F(4,3), 6
 * multiplications for 4 outputs where the direct form takes 12. These layers are four fifths of the encoder's arithmetic and
 * oneDNN's direct kernels already run at nine tenths of the multiply-add peak, so this is the way past it (compute.md 11).
 *
 *   Y = A' [ (G w) . (B' d) ]   per tile of 4 outputs, from 6 inputs; points 0, 1, -1, 2, -2, infinity
 *
 * B' is applied to a block of tiles with lanes on channels, then come 6 products of matrices [tiles][in] x [in][out] over packed
 * transformed weights, then A'. The data gradient is the same with flipped, transposed weights; the weight gradient adds up
 * [in][tiles] x [tiles][out] in the transformed domain and ends with G'. A tile's arithmetic does not depend on its place in
 * a block, so a record's bits do not depend on its neighbours.
 *
 * Source  Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308 (the transforms of F(4x4,3x3), here in one dimension).
 */
#ifndef SHN_ENGINE_CPU_WINOGRAD_H
#define SHN_ENGINE_CPU_WINOGRAD_H

#include <stddef.h>

#include "compute/isa.h"

/** A layer on [n][T] positions. Master weights and their gradient are [3][in][out] ("tap, in, out"). */
typedef struct shn_wino_layer { size_t n, T, in, out; } shn_wino_layer;

typedef struct shn_wino {
    size_t columns;         /* channels must be multiples of this */
    /** Transformed weights, 6 in out floats. backward 0: for forward; 1: for data_gradient's forward (flipped, transposed). */
    void (*pack)(const float *weights, size_t in, size_t out, int backward, float *packed);
    /** y [n][T][out] of x [n][T][in]; bias [out] may be NULL; add: y += result; relu: at the end. */
    void (*forward)(const shn_wino_layer *s, const float *x, const float *packed, const float *bias, int add, int relu, float *y,
                    float *scratch);
    /** sums [6][in][out] (+)= the weight gradient in the transformed domain; first: = */
    void (*weights)(const shn_wino_layer *s, const float *x, const float *d_y, int first, float *sums, float *scratch);
    /** d_weights [3][in][out] of the sums */
    void (*weights_end)(const float *sums, size_t in, size_t out, float *d_weights);
} shn_wino;

extern const shn_wino shn_wino_base, shn_wino_avx2, shn_wino_avx512;
/** The kernels for these instructions, or NULL where they do not apply (channels, too few positions). */
const shn_wino *shn_wino_choose(shn_isa isa, size_t in, size_t out, size_t T);
/** Floats of scratch that forward and weights need for any n. */
size_t shn_wino_scratch(size_t in, size_t out);

/** Tiles of a block: the transformed input of one stays within half a megabyte of level-2 cache (forward). */
size_t shn_wino_block(size_t in, size_t rows);
#define SHN_WINO_WEIGHT_TILES 192   /* tiles per product in the weight gradient: one panel of d_y stays in level-1 cache */

#endif
