#include "train/matrix.h"

#include <string.h>

#include "base/clones.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")              /* -O2 leaves loops of unknown length scalar */
#endif

enum { TILE_ROWS = 4, TILE_COLUMNS = 16, LANES = 8 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef float  narrow __attribute__((vector_size(LANES * sizeof(float))));

/** A full tile, its sums kept in registers over the inner loop. Lanes are columns, so no sum is split or reordered. */
SHN_CLONES static void tile_full(double *c, shn_factor a, const float *b, size_t inner, size_t n)
{
    lanes low[TILE_ROWS], high[TILE_ROWS];
    for (size_t r = 0; r < TILE_ROWS; r++) {
        memcpy(&low[r], c + r * n, sizeof low[r]);
        memcpy(&high[r], c + r * n + LANES, sizeof high[r]);
    }
    for (size_t k = 0; k < inner; k++) {
        narrow first, second;
        memcpy(&first, b + k * n, sizeof first);
        memcpy(&second, b + k * n + LANES, sizeof second);
        const lanes b_low = __builtin_convertvector(first, lanes), b_high = __builtin_convertvector(second, lanes);
        for (size_t r = 0; r < TILE_ROWS; r++) {
            const double x = a.a[r * a.row + k * a.col];
            low[r] += x * b_low;
            high[r] += x * b_high;
        }
    }
    for (size_t r = 0; r < TILE_ROWS; r++) {
        memcpy(c + r * n, &low[r], sizeof low[r]);
        memcpy(c + r * n + LANES, &high[r], sizeof high[r]);
    }
}

static void tile_edge(double *c, shn_factor a, const float *b, size_t n_rows, size_t n_columns, size_t inner, size_t n)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t k = 0; k < inner; k++) {
            const double x = a.a[r * a.row + k * a.col];
            for (size_t j = 0; j < n_columns; j++) c[r * n + j] += x * (double)b[k * n + j];
        }
}

void shn_matrix_add(double *c, shn_factor a, const float *b, size_t n_rows, size_t inner, size_t n)
{
    for (size_t j = 0; j < n; j += TILE_COLUMNS)
        for (size_t r = 0; r < n_rows; r += TILE_ROWS) {
            const size_t rows = n_rows - r < TILE_ROWS ? n_rows - r : TILE_ROWS;
            const size_t columns = n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS;
            const shn_factor part = { a.a + r * a.row, a.row, a.col };
            if (rows == TILE_ROWS && columns == TILE_COLUMNS) tile_full(c + r * n + j, part, b + j, inner, n);
            else tile_edge(c + r * n + j, part, b + j, rows, columns, inner, n);
        }
}

void shn_matrix_transpose(const float *in, size_t m, size_t n, float *out)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) out[j * m + i] = in[i * n + j];
}

void shn_matrix_widen(const float *in, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) out[i] = (double)in[i];
}
