/** The cuda engine's errors: each call of a device failing in turn, memory that ends, no GPU at all. On the host device of gpu_host.h. */
#include "cuda_support.h"

#include "base/alloc.h"

/** Everything a training does, once; what fails, fails cleanly. */
static shn_status course(const net *n, const float *x, const float *d_z, shn_error *err)
{
    shn_engine *e = NULL;
    float      *z = floats(3 * n->enc.config.embed), *p = floats(n->enc.n_params), *s = floats(n->enc.n_state);
    shn_status  st = try_engine(n, ON_HOST, 20, 3, 1, SHN_PRECISION_BF16, &e, err);
    for (uint64_t k = 1; k <= 3 && st == SHN_OK; k++) {
        st = shn_engine_forward(e, x, 3, 1, z, err);
        shn_engine_zero_gradient(e);
        if (st == SHN_OK) st = shn_engine_backward(e, x, d_z, 3, err);
        if (st == SHN_OK && !isfinite(shn_engine_gradient_square(e))) st = shn_engine_check(e, err);
        if (st == SHN_OK) st = shn_engine_step(e, &hyper, k, 1, err);
        if (st == SHN_OK) st = shn_engine_embed(e, x, 2, z, err);
    }
    if (st == SHN_OK) {
        shn_engine_get_moments(e, p, p);
        shn_engine_get(e, p, s);
        st = shn_engine_check(e, err);
        for (size_t i = 0; i < n->enc.n_params && st == SHN_OK; i++) assert_true(isfinite(p[i]));
        shn_error again;
        if (st != SHN_OK) assert_int_equal(shn_engine_embed(e, x, 2, z, &again), st);     /* what was kept is told again */
    }
    shn_engine_free(e);
    free(z), free(p), free(s);
    return st;
}

static void test_every_failing_call_is_survived(void **state)
{
    (void)state;
    shn_error                err;
    const shn_encoder_config tiny = { .n_leads = 2, .width = 8, .blocks = { 1, 1 }, .max_pool = 1, .embed = 2 };
    net   *n = net_new(&tiny, 1);
    float *x = noise(1, 3 * 20 * 2), *d_z = noise(2, 3 * 2);
    long   failures = 0;
    for (long at = 1;; at++) {
        memset(&err, 0, sizeof err);
        host_wish.fail_at = at;
        const shn_status st = course(n, x, d_z, &err);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_DEVICE);
        assert_non_null(strstr(err.text, "made to fail"));
        assert_null(host_last);
        failures++;
    }
    host_wish.fail_at = 0;
    printf("           %ld calls failed in turn\n", failures);
    assert_true(failures > 200);
    free(x), free(d_z);
    net_free(n);
}

static void test_memory_has_an_end(void **state)
{
    (void)state;
    shn_error   err;
    shn_engine *e;
    net        *n = net_new(&narrow, 1);
    host_wish.memory = 1 << 20;
    assert_status(try_engine(n, ON_HOST, 1000, 64, 1, SHN_PRECISION_F32, &e, &err), SHN_NOMEM);
    assert_non_null(strstr(err.text, "64 records of 1000 samples"));
    host_wish.memory = 0;
    assert_status(try_engine(n, ON_HOST, 1 << 20, 1 << 14, 1, SHN_PRECISION_F32, &e, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "2^31"));
    for (long at = 1, failures = 0;; at++) {
        shn_alloc_fail_after(at);
        const shn_status st = try_engine(n, ON_HOST, 40, 2, 1, SHN_PRECISION_F32, &e, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(failures >= 2);
            shn_engine_free(e);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        failures++;
    }
    net_free(n);
}

/** Without CUDA in the build, or without a GPU, asking for the engine is a clear error and nothing worse. */
static void test_absence_is_told(void **state)
{
    (void)state;
    shn_error        err;
    shn_engine      *e = NULL;
    net             *n = net_new(&narrow, 1);
    const shn_status st = try_engine(n, ON_GPU, 40, 2, 0, SHN_PRECISION_F32, &e, &err);
#ifdef SHINDEN_CUDA
    if (st != SHN_OK) assert_non_null(strstr(err.text, "no CUDA device"));
#else
    assert_int_equal(st, SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "--preset cuda"));
#endif
    assert_true((st == SHN_OK) == (e != NULL));
    shn_engine_free(e);
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failing_call_is_survived), cmocka_unit_test(test_memory_has_an_end), cmocka_unit_test(test_absence_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
