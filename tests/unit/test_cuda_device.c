/**
 * device_cuda.c and cudnn_plan.c on a fake machine: the CUDA runtime, cuBLAS and cuDNN that they call are the loops of fake_cuda.h and
 * fake_cudnn.h, which do what the calls' arguments and descriptors say. So what is unproven without a GPU is the libraries and the silicon,
 * not the calls. Builds without CUDA skip: their headers are needed.
 */
#ifdef SHINDEN_CUDA
#include "cuda_support.h"
#include "fake_cudnn.h"

static void machine(void)
{
    memset(&fake, 0, offsetof(fake_machine, recorded));
    fake.devices = 1;
    fake.major = 9;
    unsetenv("SHINDEN_CUDA_DEVICE");
}

static shn_status new_engine(const net *n, const char *name, size_t T, size_t B, shn_precision precision, shn_engine **out, shn_error *err)
{
    shn_engine_options o;
    shn_engine_defaults(&o);
    o.name = name;
    o.precision = precision;
    const shn_status st = shn_engine_new(&n->enc, T, B, 1, &o, out, err);
    if (st == SHN_OK) shn_engine_set(*out, n->params, n->state);
    return st;
}

/** Three steps of training, the third from recordings, and an embedding, on one engine. */
static shn_status course(shn_engine *e, const float *x, const float *d_z, size_t B, float *z, float *gradient, float *params, float *state, shn_error *err)
{
    shn_status st = SHN_OK;
    for (uint64_t k = 1; k <= 3 && st == SHN_OK; k++) {
        st = shn_engine_forward(e, x, B, 1, z, err);
        shn_engine_zero_gradient(e);
        if (st == SHN_OK) st = shn_engine_backward(e, x, d_z, B, err);
        if (st == SHN_OK && k == 1) st = shn_engine_backward(e, x, d_z, B, err);        /* gradients add up */
        if (st == SHN_OK && k == 1) shn_engine_get_gradient(e, gradient);
        if (st == SHN_OK && !isfinite(shn_engine_gradient_square(e))) st = shn_engine_check(e, err);
        if (st == SHN_OK) st = shn_engine_step(e, &hyper, k, 1, err);
        if (st == SHN_OK) st = shn_engine_embed(e, x, B, z, err);
    }
    if (st == SHN_OK) shn_engine_get(e, params, state);
    return st == SHN_OK ? shn_engine_check(e, err) : st;
}

typedef struct outcome { float *z, *gradient, *params, *state; } outcome;

static outcome course_of(const net *n, shn_engine *e, const float *x, const float *d_z, size_t B)
{
    shn_error err;
    outcome   o = { floats(B * n->enc.config.embed), floats(n->enc.n_params), floats(n->enc.n_params), floats(n->enc.n_state) };
    assert_ok(course(e, x, d_z, B, o.z, o.gradient, o.params, o.state, &err));
    return o;
}

static void outcome_free(outcome *o) { free(o->z), free(o->gradient), free(o->params), free(o->state); }

static void check(const char *name, shn_precision precision, const shn_encoder_config *config, const char *engine, double most)
{
    shn_error    err;
    const size_t T = 77, B = 5;
    net         *n = net_new(config, 3);
    float       *x = noise(1, B * T * config->n_leads), *d_z = noise(2, B * config->embed);
    shn_engine  *e, *ref = engine_new(n, "ref", T, B, 1, SHN_PRECISION_F32);
    char         text[SHN_EXPLAIN_MAX];
    machine();
    assert_ok(new_engine(n, name, T, B, precision, &e, &err));
    shn_engine_explain(e, 1, text);
    if (!strstr(text, engine)) fail_msg("%s: %s, expected %s", shn_engine_describe(e), text, engine);
    outcome a = course_of(n, e, x, d_z, 4), b = course_of(n, ref, x, d_z, 4);
    const double d[] = { distance(a.z, b.z, 4 * config->embed), distance(a.gradient, b.gradient, n->enc.n_params), distance(a.state, b.state, n->enc.n_state) };
    printf("           %s: embedding %.2g, gradient %.2g, statistics %.2g from the reference, %d recordings run\n", shn_engine_describe(e), d[0], d[1], d[2], fake.graphs_run);
    for (int k = 0; k < 3; k++)
        if (!(d[k] < most * (k == 1 ? 10 : 1))) fail_msg("quantity %d: %g", k, d[k]);
    assert_true(fake.graphs_run >= 3);
    outcome_free(&a), outcome_free(&b);
    shn_engine_free(e), shn_engine_free(ref);
    assert_int_equal(fake.open, 0);
    free(x), free(d_z);
    net_free(n);
}

static void test_calls_mean_what_the_engine_means(void **state)
{
    (void)state;
    const shn_encoder_config odd = { .n_leads = 3, .width = 24, .blocks = { 1, 2 }, .max_pool = 0, .embed = 9 };
    check("cuda", SHN_PRECISION_F32, &narrow, "cuDNN engine 2; cuDNN engine 2; cuDNN engine 2", 1e-4);
    check("cuda", SHN_PRECISION_F32, &odd, "cuDNN engine 2", 1e-4);
    check("cuda", SHN_PRECISION_TF32, &narrow, "cuDNN engine 1", 1e-4);       /* the fake one does not round */
    check("cuda", SHN_PRECISION_AUTO, &narrow, "cuDNN engine 1", 0.05);
    check("cuda-fast", SHN_PRECISION_AUTO, &narrow, "cuDNN engine 0", 0.05);
}

/** SHINDEN_CUDA_GRAPH=0, to look for a fault: no recordings, the same bits. */
static void test_without_recordings(void **state)
{
    (void)state;
    shn_error   err;
    net        *n = net_new(&narrow, 3);
    float      *x = noise(1, 4 * 50 * 12), *d_z = noise(2, 4 * narrow.embed);
    outcome     o[2];
    for (int k = 0; k < 2; k++) {
        shn_engine *e;
        machine();
        if (k) setenv("SHINDEN_CUDA_GRAPH", "0", 1);
        assert_ok(new_engine(n, "cuda", 50, 4, SHN_PRECISION_AUTO, &e, &err));
        unsetenv("SHINDEN_CUDA_GRAPH");
        o[k] = course_of(n, e, x, d_z, 4);
        assert_true(k ? fake.graphs_run == 0 : fake.graphs_run > 0);
        shn_engine_free(e);
    }
    assert_memory_equal(o[0].params, o[1].params, n->enc.n_params * sizeof *x);
    assert_memory_equal(o[0].z, o[1].z, 4 * narrow.embed * sizeof *x);
    outcome_free(&o[0]), outcome_free(&o[1]);
    free(x), free(d_z);
    net_free(n);
}

static void test_every_failing_call_is_an_error(void **state)
{
    (void)state;
    const shn_encoder_config tiny = { .n_leads = 2, .width = 8, .blocks = { 1, 1 }, .max_pool = 1, .embed = 2 };
    net   *n = net_new(&tiny, 1);
    float *x = noise(1, 3 * 20 * 2), *d_z = noise(2, 3 * 2), *z = floats(3 * 2), *g = floats(n->enc.n_params), *p = floats(n->enc.n_params), *s = floats(n->enc.n_state);
    long   failures = 0;
    for (long at = 1;; at++) {
        shn_error   err = { 0 };
        shn_engine *e = NULL;
        machine();
        fake.fail_at = at;
        shn_status st = new_engine(n, "cuda", 20, 3, SHN_PRECISION_AUTO, &e, &err);
        assert_true((st == SHN_OK) == (e != NULL));
        if (st == SHN_OK) st = course(e, x, d_z, 3, z, g, p, s, &err);
        shn_engine_free(e);
        assert_int_equal(fake.open, 0);
        assert_int_equal(fake.capturing, 0);
        if (fake.calls < at) break;
        failures++;
        if (st == SHN_OK) continue;             /* an engine of cuDNN that fails is passed over for the next */
        assert_true(st == SHN_DEVICE || (st == SHN_UNSUPPORTED && (strstr(err.text, "no CUDA device") || strstr(err.text, "cuDNN has no"))));
        if (st == SHN_DEVICE) assert_non_null(strstr(err.text, "made to fail"));
    }
    printf("           %ld calls failed in turn\n", failures);
    assert_true(failures > 1000);
    free(x), free(d_z), free(z), free(g), free(p), free(s);
    net_free(n);
}

static void test_what_a_machine_lacks(void **state)
{
    (void)state;
    shn_error   err;
    shn_engine *e = NULL;
    gpu_peaks   peaks;
    net        *n = net_new(&narrow, 1);
    machine();
    fake.memory = 40 << 20;                     /* cuBLAS's 32 MB fit */
    assert_status(new_engine(n, "cuda", 1000, 64, SHN_PRECISION_AUTO, &e, &err), SHN_NOMEM);
    assert_non_null(strstr(err.text, "64 records of 1000 samples"));
    assert_int_equal(fake.open, 0);
    machine();
    fake.major = 7;
    assert_status(new_engine(n, "cuda", 40, 2, SHN_PRECISION_AUTO, &e, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "sm_70"));
    machine();
    setenv("SHINDEN_CUDA_DEVICE", "1", 1);
    assert_status(new_engine(n, "cuda", 40, 2, SHN_PRECISION_AUTO, &e, &err), SHN_RANGE);
    setenv("SHINDEN_CUDA_DEVICE", "x", 1);
    assert_status(new_engine(n, "cuda", 40, 2, SHN_PRECISION_AUTO, &e, &err), SHN_RANGE);
    fake.devices = 2;
    setenv("SHINDEN_CUDA_DEVICE", "1", 1);
    assert_ok(new_engine(n, "cuda", 40, 2, SHN_PRECISION_AUTO, &e, &err));
    assert_string_equal(shn_engine_describe(e), "cuda bf16 Fake 1 sm_90 cuDNN 9.8.1");
    shn_engine_free(e);
    machine();
    assert_ok(gpu_cuda_peaks(&peaks, &err));
    assert_near(peaks.bf16, 989.4e3, 0.2e3);    /* NVIDIA's figures for an H100 with these clocks and units: 989.4 TFLOP/s in bf16, 3.35 TB/s */
    assert_near(peaks.f32, 61.8e3, 0.1e3);
    assert_near(peaks.bandwidth, 3352, 1);
    machine();
    fake.devices = 0;
    assert_status(new_engine(n, "cuda", 40, 2, SHN_PRECISION_AUTO, &e, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "no CUDA device: no CUDA-capable device is detected"));
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_mean_what_the_engine_means), cmocka_unit_test(test_without_recordings),
        cmocka_unit_test(test_every_failing_call_is_an_error), cmocka_unit_test(test_what_a_machine_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include "without_cuda.inc"
#endif
