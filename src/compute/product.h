/**
 * Matrix products y[M][N] = x[M][K] w[N][K]^T by oneDNN, in blocks: SHN_PRODUCT_ROWS rows of x at a time against a block of
 * rows of w that was packed once. A product is one primitive of one shape, made for one thread and run by all members of a
 * team at once. Every row of x goes through the same tile whatever stands in the other rows, and a block of w is one
 * primitive whoever runs it: so a row's result depends neither on how many rows there are nor on the number of threads.
 */
#ifndef SHN_COMPUTE_PRODUCT_H
#define SHN_COMPUTE_PRODUCT_H

#include <stddef.h>
#include <stdint.h>

#include "compute/conv.h"

#define SHN_PRODUCT_ROWS 48     /* of x in a tile; callers pad to whole tiles. A multiple of what the kernels take at once (AVX2: 6):
                                 * a tile of 64 left 4 rows to a kernel that sums in another order (oneDNN 2.6, gemm:jit) */

typedef struct shn_product shn_product;
/**
 * @param[in] n_threads  members of the team that will run it; shn_compute_new() must have settled the instruction mask before
 * @param[in] dtype           of x and of the packed weights; y is f32 and sums are f32 always
 * @param[in] K, N            both 1..2^20
 *
 * Errors  SHN_RANGE; SHN_UNSUPPORTED no kernel for this type on this CPU;  SHN_DEVICE;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_product_new(unsigned n_threads, shn_dtype dtype, size_t K, size_t N, shn_product **out, shn_error *err);
void        shn_product_free(shn_product *p);                   /* accepts NULL */
size_t      shn_product_packed_bytes(const shn_product *p);
size_t      shn_product_scratch_bytes(const shn_product *p);    /* 64-byte aligned, one per thread, for both calls below */
const char *shn_product_kernel(const shn_product *p);           /* oneDNN's name of the kernel; borrowed */
/** w [N][K] f32, row-major, into the kernel's layout and type (rounded to nearest even where that is bf16). */
SHN_NODISCARD shn_status shn_product_pack(shn_product *p, unsigned thread, const float *w, void *packed, void *scratch, shn_error *err);
/** x [SHN_PRODUCT_ROWS][K] of dtype, y [SHN_PRODUCT_ROWS][N] f32, overwritten. */
SHN_NODISCARD shn_status shn_product_run(shn_product *p, unsigned thread, const void *x, const void *packed, float *y, void *scratch,
                                         shn_error *err);
/** float32 to bfloat16, to nearest even; NaN stays NaN. */
void shn_bf16_from_f32(const float *x, size_t n, uint16_t *out);

#endif
