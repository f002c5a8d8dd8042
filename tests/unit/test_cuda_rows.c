/** Windows that the cuda engine cuts from rows on its device, against those that the loader makes: same records, same draws. */
#include "cuda_support.h"

#include "data/loader.h"
#include "shinden/cohort.h"
#include "shinden/signal.h"

enum { ROWS = 9, SAMPLES = 150, WINDOW = 100 };

typedef struct rows { int16_t signal[ROWS][SHN_LEADS * SAMPLES]; float offset_uv[SHN_LEADS]; size_t n_valid[ROWS]; } rows;

static shn_packed row_of(const void *context, size_t i)
{
    const rows *r = context;
    return (shn_packed){ .signal = r->signal[i], .offset_uv = r->offset_uv, .uv_per_unit = 4.88f, .n_samples = SAMPLES, .n_valid = r->n_valid[i] };
}

static const int16_t *samples_of(const void *context, size_t i) { return ((const rows *)context)->signal[i]; }

/** Noise with gaps; one row shorter than the window, one flat, one without a sample. */
static rows *rows_new(void)
{
    rows   *r = calloc(1, sizeof *r);
    shn_rng rng = shn_rng_stream(4, 1, 0, 0);
    for (size_t l = 0; l < SHN_LEADS; l++) r->offset_uv[l] = 10.f * (float)l - 40;
    for (size_t i = 0; i < ROWS; i++) {
        r->n_valid[i] = i == 3 ? 60 : i == 5 ? 0 : i == 6 ? 120 : SAMPLES;
        for (size_t k = 0; k < SHN_LEADS * SAMPLES; k++) {
            r->signal[i][k] = i == 4 ? 7 : (int16_t)(100 * shn_rng_normal(&rng));
            if (i % 2 == 0 && k % 97 < 5) r->signal[i][k] = SHN_GAP_I16;
        }
    }
    return r;
}

/** Encoder outputs and gradients of windows that the loader made and of the same windows described; returns how far apart. */
static double compare(place where, const rows *r, const shn_loader_options *o, shn_precision precision)
{
    shn_error    err;
    const size_t B = ROWS, E = narrow.embed;
    net         *n = net_new(&narrow, 2);
    const shn_loader_source source = { ROWS, row_of, r };
    float       *x = floats(B * WINDOW * SHN_LEADS), *z = floats(B * E), *z2 = floats(B * E), *d_z = noise(3, B * E), *g = floats(n->enc.n_params), *g2 = floats(n->enc.n_params);
    shn_crop     crops[ROWS];
    int          taken = 0;
    for (size_t i = 0; i < B; i++) {
        const size_t item = (i * 4 + 1) % ROWS;
        shn_loader_item(&source, o, 7, item, i % 2, x + i * WINDOW * SHN_LEADS);
        shn_loader_crop(&source, o, 7, item, i % 2, &crops[i]);
        assert_int_equal(crops[i].row, item);
    }
    shn_engine *e = cuda_engine_of(n, where, WINDOW, B + 2, precision);
    assert_status(shn_engine_forward_crops(e, crops, B, 0, z2, &err), SHN_RANGE);       /* no rows yet */
    assert_ok(shn_engine_rows(e, ROWS, SAMPLES, SHN_GAP_I16, samples_of, r, &taken, &err));
    assert_int_equal(taken, 1);
    for (int again = 0; again < 3; again++) {           /* directly, recorded, replayed; with other windows between */
        assert_ok(shn_engine_forward(e, x, B, 0, z, &err));
        shn_engine_zero_gradient(e);
        assert_ok(shn_engine_backward(e, x, d_z, B, &err));
        shn_engine_get_gradient(e, g);
        assert_ok(shn_engine_forward_crops(e, crops + 1, B - 1, 0, z2, &err));
        assert_ok(shn_engine_forward_crops(e, crops, B, 0, z2, &err));
        shn_engine_zero_gradient(e);
        assert_ok(shn_engine_backward(e, NULL, d_z, B, &err));
        shn_engine_get_gradient(e, g2);
    }
    const double apart = distance(z2, z, B * E) + distance(g2, g, n->enc.n_params);
    crops[2].row = ROWS;
    assert_status(shn_engine_forward_crops(e, crops, B, 0, z2, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "window 2 is of row 9"));
    assert_status(shn_engine_backward(e, NULL, d_z, B, &err), SHN_RANGE);               /* nothing was kept */
    shn_engine_free(e);
    net_free(n);
    free(x), free(z), free(z2), free(d_z), free(g), free(g2);
    return apart;
}

static void check(place where)
{
    rows *r = rows_new();
    const shn_input global = { .fs_hz = 100, .window = WINDOW, .n_windows = 1, .norm = SHN_NORM_GLOBAL, .scale_per_mv = 1.7f };
    shn_input record = global;
    record.norm = SHN_NORM_RECORD;
    const shn_augment all[] = { { 0 }, { .gain = 0.3 }, { .lead_dropout = 0.3 }, { .noise = 0.2 }, { .gain = 0.1, .noise = 0.05, .lead_dropout = 0.1 },
                                { .gain = 0.1, .noise = 0.05, .wander = 0.2, .lead_dropout = 0.1 } };
    for (size_t a = 0; a < sizeof all / sizeof *all; a++)
        for (int k = 0; k < 2; k++) {
            const shn_loader_options o = { .input = k ? record : global, .augment = all[a], .seed = 5, .batch = ROWS, .views = 2 };
            const double apart = compare(where, r, &o, SHN_PRECISION_F32);
            /* without noise and wander the same bits; noise is scaled by an sd summed in another order, the sine is not the loader's recurrence */
            if (!(apart <= (all[a].noise > 0 || all[a].wander > 0 ? 2e-5 : 0))) fail_msg("augmentation %zu, scaling %d: %g", a, k, apart);
            if (k == 0 && a == 4) assert_true(compare(where, r, &o, SHN_PRECISION_BF16) < 1e-2);
        }
    free(r);
}

static void test_windows_are_the_loaders(void **state)
{
    (void)state;
    check(ON_HOST);
}

static void test_windows_are_the_loaders_on_gpu(void **state)
{
    (void)state;
    need_gpu();
    check(ON_GPU);
}

/** Where rows do not fit, or an engine has no use for them, the caller goes on making windows. */
static void test_rows_are_not_taken(void **state)
{
    (void)state;
    shn_error   err;
    rows       *r = rows_new();
    net        *n = net_new(&narrow, 1);
    int         taken = 1;
    host_wish.memory = 20 << 20;
    shn_engine *e = cuda_engine_of(n, ON_HOST, WINDOW, 4, SHN_PRECISION_F32);
    host_last->memory = host_last->used + 1000;
    assert_ok(shn_engine_rows(e, ROWS, SAMPLES, SHN_GAP_I16, samples_of, r, &taken, &err));
    assert_int_equal(taken, 0);
    host_last->memory = 0;
    host_wish.memory = 0;
    assert_ok(shn_engine_rows(e, ROWS, SAMPLES, SHN_GAP_I16, samples_of, r, &taken, &err));
    assert_int_equal(taken, 1);
    assert_ok(shn_engine_rows(e, 2, SAMPLES, SHN_GAP_I16, samples_of, r, &taken, &err));       /* in the place of the first */
    assert_int_equal(taken, 1);
    for (long at = 1; at <= 3; at++) {          /* memory, copy, wait */
        host_last->calls = 0;
        host_last->fail_at = at;
        assert_status(shn_engine_rows(e, ROWS, SAMPLES, SHN_GAP_I16, samples_of, r, &taken, &err), SHN_DEVICE);
        assert_int_equal(taken, 0);
        host_last->fail_at = 0;
    }
    shn_engine_free(e);
    e = engine_new(n, "cpu", WINDOW, 4, 1, SHN_PRECISION_F32);
    taken = 1;
    assert_ok(shn_engine_rows(e, ROWS, SAMPLES, SHN_GAP_I16, samples_of, r, &taken, &err));
    assert_int_equal(taken, 0);
    float z[4 * 5];
    assert_status(shn_engine_forward_crops(e, &(shn_crop){ 0 }, 1, 0, z, &err), SHN_UNSUPPORTED);
    shn_engine_free(e);
    net_free(n);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_are_the_loaders), cmocka_unit_test(test_rows_are_not_taken), cmocka_unit_test(test_windows_are_the_loaders_on_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
