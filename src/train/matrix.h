/**
 * The one matrix product the losses need: float and double in, double out, every element summed in the order of the inner
 * index. So the bits do not depend on how the rows were cut into chunks, nor on the CPU (no contraction, no reordering).
 */
#ifndef SHN_TRAIN_MATRIX_H
#define SHN_TRAIN_MATRIX_H

#include <stddef.h>

/** A factor read as a[r * row + k * col], so that a transposed one needs no copy. */
typedef struct shn_factor { const double *a; size_t row, col; } shn_factor;

/** c [n_rows][n] += a [n_rows][inner] . b [inner][n]; rows of c and b are contiguous. */
void shn_matrix_add(double *c, shn_factor a, const float *b, size_t n_rows, size_t inner, size_t n);
/** out [n][m] = transpose of in [m][n]. */
void shn_matrix_transpose(const float *in, size_t m, size_t n, float *out);
void shn_matrix_widen(const float *in, size_t n, double *out);

#endif
