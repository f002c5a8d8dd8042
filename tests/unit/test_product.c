/**
 * compute/product: the tile product against sums in double, and what the forward pass stands on: a row's bits depend neither on
 * its place in the tile, nor on the other rows, nor on the thread. Tolerance: f32 1e-6, bf16 6e-3, relative to sums of magnitudes.
 */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "compute/product.h"

enum { ROWS = SHN_PRODUCT_ROWS, N_THREADS = 2 };

static shn_compute *compute;

static int open_compute(void **state)
{
    shn_isa isa;
    (void)state;
    return shn_isa_choose(NULL, &isa, NULL) != SHN_OK || shn_compute_new(isa, N_THREADS, &compute, NULL) != SHN_OK;
}

static int close_compute(void **state)
{
    (void)state;
    shn_compute_free(compute);
    return 0;
}

static float *noise(uint64_t seed, size_t n)
{
    shn_rng r = shn_rng_stream(seed, 1, 2, 3);
    float  *x = shn_alloc_aligned(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)shn_rng_normal(&r);
    return x;
}

typedef struct one { shn_product *p; void *packed, *scratch; } one;

static int make(one *o, shn_dtype dtype, size_t K, size_t N, const float *w)
{
    shn_error err;
    const shn_status st = shn_product_new(N_THREADS, dtype, K, N, &o->p, &err);
    if (st == SHN_UNSUPPORTED && dtype == SHN_BF16) {
        printf("skipped: %s\n", err.text);
        return 0;
    }
    assert_ok(st);
    o->packed = shn_alloc_aligned(shn_product_packed_bytes(o->p), 1);
    o->scratch = shn_alloc_aligned(shn_product_scratch_bytes(o->p), 1);
    assert_ok(shn_product_pack(o->p, 1, w, o->packed, o->scratch, &err));
    return 1;
}

static void release(one *o)
{
    shn_product_free(o->p);
    free(o->packed), free(o->scratch);
}

static void run(one *o, shn_dtype dtype, unsigned thread, const float *x, size_t K, float *y)
{
    shn_error err;
    uint16_t *half = shn_alloc_aligned(ROWS * K, sizeof *half);
    shn_bf16_from_f32(x, ROWS * K, half);
    assert_ok(shn_product_run(o->p, thread, dtype == SHN_BF16 ? (const void *)half : (const void *)x, o->packed, y, o->scratch, &err));
    free(half);
}

static void one_shape(shn_dtype dtype, size_t K, size_t N)
{
    one    o;
    float *x = noise(1, ROWS * K), *w = noise(2, N * K), *moved = noise(3, ROWS * K);
    float *y = shn_alloc_aligned(ROWS * N, sizeof *y), *again = shn_alloc_aligned(ROWS * N, sizeof *y);
    if (make(&o, dtype, K, N, w)) {
        run(&o, dtype, 0, x, K, y);
        for (size_t r = 0; r < ROWS; r += 13) {
            double distance = 0, length = 0;
            for (size_t n = 0; n < N; n++) {
                double want = 0, size = 0;              /* size: what rounding scales with, where terms cancel too */
                for (size_t k = 0; k < K; k++) {
                    const double term = (double)x[r * K + k] * (double)w[n * K + k];
                    want += term;
                    size += fabs(term);
                }
                distance += (y[r * N + n] - want) * (y[r * N + n] - want);
                length += size * size;
            }
            assert_true(sqrt(distance / length) < (dtype == SHN_BF16 ? 6e-3 : 1e-6));
        }
        for (size_t place = 0; place < ROWS; place++) {         /* row 5 among strangers, in every place, on the other thread */
            memcpy(moved + place * K, x + 5 * K, K * sizeof *x);
            run(&o, dtype, 1, moved, K, again);
            assert_memory_equal(again + place * N, y + 5 * N, N * sizeof *y);
            memcpy(moved + place * K, w, K * sizeof *x);
        }
        release(&o);
    }
    free(x), free(w), free(moved), free(y), free(again);
}

static void test_shapes(void **state)
{
    static const size_t shape[][2] = { { 1, 64 }, { 8, 1 }, { 40, 64 }, { 72, 8 }, { 384, 64 }, { 576, 37 }, { 1536, 64 } };
    (void)state;
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        one_shape(SHN_F32, shape[i][0], shape[i][1]);
        one_shape(SHN_BF16, shape[i][0], shape[i][1]);
    }
}

static void test_refusals(void **state)
{
    shn_product *p;
    shn_error    err;
    (void)state;
    assert_status(shn_product_new(1, SHN_F32, 0, 1, &p, &err), SHN_RANGE);
    assert_status(shn_product_new(1, SHN_F32, 1, ((size_t)1 << 20) + 1, &p, &err), SHN_RANGE);
    assert_null(p);
}

static void test_bf16(void **state)
{
    /* 1, the tie 1 + 2^-8 to even, the tie 1 + 3 * 2^-8 to even, just above a tie, -0, the largest float to infinity, NaN */
    const float    x[7] = { 1, 1.00390625f, 1.01171875f, 1.00390637f, -0.f, 3.4028235e38f, NAN };
    const uint16_t want[6] = { 0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x8000, 0x7f80 };
    uint16_t       got[7];
    (void)state;
    shn_bf16_from_f32(x, 7, got);
    assert_memory_equal(got, want, sizeof want);
    assert_true((got[6] & 0x7f80) == 0x7f80 && (got[6] & 0x7f));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_shapes), cmocka_unit_test(test_refusals), cmocka_unit_test(test_bf16) };
    return cmocka_run_group_tests(tests, open_compute, close_compute);
}
