/** The batch loader: every batch a function of (seed, step), crops inside the valid part, augmentation with the sds it promises. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "data/loader.h"
#include "shinden/signal.h"

enum { N = 23, T = 200, WINDOW = 50 };

/** Records whose samples name their record, lead and time, so that a crop can be read off the output. */
typedef struct made { int16_t signal[N][SHN_LEADS][T]; float offset[SHN_LEADS]; size_t n_valid[N]; } made;

static shn_packed made_row(const void *context, size_t item)
{
    const made *m = context;
    return (shn_packed){ &m->signal[item][0][0], m->offset, 1, T, m->n_valid[item] };
}

static made *make(void)
{
    made *m = calloc(1, sizeof *m);
    assert_non_null(m);
    for (int i = 0; i < N; i++) {
        m->n_valid[i] = i == 3 ? 30 : i == 4 ? 120 : T;
        for (int l = 0; l < SHN_LEADS; l++)
            for (int t = 0; t < T; t++)
                m->signal[i][l][t] = (size_t)t < m->n_valid[i] ? (int16_t)(i * 1000 + l * 4 + t * 50 % 9973 + 1) : SHN_GAP_I16;
    }
    return m;
}

static shn_loader_options plain(void)
{
    return (shn_loader_options){ .input = { .fs_hz = 100, .n_samples = T, .window = WINDOW, .n_windows = 3, .scale_per_mv = 1000 },
                                 .seed = 7, .batch = 5, .n_steps = 12 };
}

static void test_epochs_are_shuffles_that_differ(void **state)
{
    (void)state;
    uint32_t a[100], b[100];
    uint8_t  seen[100] = { 0 };
    shn_loader_order(1, 0, 100, a);
    for (int i = 0; i < 100; i++) seen[a[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    for (uint64_t epoch = 1; epoch < 30; epoch++) {
        shn_loader_order(1, epoch, 100, b);
        int same = 0;
        for (int i = 0; i < 100; i++) same += a[i] == b[i];
        assert_true(same < 12);                 /* expected 1 */
    }
    shn_loader_order(2, 0, 100, b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(shn_loader_batch(3, 5), 3);
    assert_int_equal(shn_loader_steps(23, 5), 4);
    assert_int_equal(shn_loader_steps(3, 5), 1);
}

static void test_crops_stay_inside_the_record(void **state)
{
    (void)state;
    made *m = make();
    const shn_loader_source source = { N, made_row, m };
    const shn_loader_options o = plain();
    float  x[WINDOW * SHN_LEADS];
    size_t lowest = T, highest = 0;
    for (uint64_t epoch = 0; epoch < 400; epoch++) {
        shn_loader_item(&source, &o, epoch, 4, 0, x);
        size_t start = T;
        for (size_t s = 0; s <= 120 - WINDOW; s++)
            if (fabsf(x[0] - (float)m->signal[4][0][s]) < 0.01f) start = s;
        assert_true(start <= 120 - WINDOW);
        lowest = start < lowest ? start : lowest;
        highest = start > highest ? start : highest;
        for (size_t t = 0; t < WINDOW; t++)
            for (size_t l = 0; l < SHN_LEADS; l++)
                assert_true(fabsf(x[t * SHN_LEADS + l] - (float)m->signal[4][l][start + t]) < 0.01f);
    }
    assert_int_equal(lowest, 0);                /* both ends are reached: 71 starts, 400 draws */
    assert_int_equal(highest, 120 - WINDOW);
    shn_loader_item(&source, &o, 0, 3, 0, x);      /* shorter than the window: from 0, then gaps */
    assert_near((double)x[0], (double)m->signal[3][0][0], 0.01);
    for (size_t i = 30 * SHN_LEADS; i < WINDOW * SHN_LEADS; i++) assert_true(x[i] == 0);
    free(m);
}

/** What the thread hands out equals what is computed alone, from any first step on. */
static void test_batches_depend_on_seed_and_step_alone(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made *m = make();
    const shn_loader_source source = { N, made_row, m };
    shn_loader_options o = plain();
    o.augment = (shn_augment){ 0.2, 0.1, 0.2, 0.3 };
    for (uint64_t first = 0; first < 12; first += first < 3 ? 1 : 4) {
        shn_loader *l;
        shn_batch   batch;
        o.first_step = first;
        assert_ok(shn_loader_new(&source, &o, &l, &err));
        for (uint64_t step = first; step < 12; step++) {
            uint32_t order[N];
            float    x[WINDOW * SHN_LEADS];
            assert_ok(shn_loader_next(l, &batch, &err));
            assert_int_equal(batch.step, step);
            assert_int_equal(batch.epoch, step / 4);
            assert_int_equal(batch.B, 5);
            shn_loader_order(7, step / 4, N, order);
            for (size_t i = 0; i < 5; i++) {
                assert_int_equal(batch.items[i], order[step % 4 * 5 + i]);
                shn_loader_item(&source, &o, step / 4, batch.items[i], 0, x);
                assert_memory_equal(x, batch.x + i * WINDOW * SHN_LEADS, sizeof x);
            }
        }
        assert_status(shn_loader_next(l, &batch, &err), SHN_RANGE);
        shn_loader_free(l);
    }
    o.seed = 8;
    float a[WINDOW * SHN_LEADS], b[WINDOW * SHN_LEADS];
    shn_loader_item(&source, &o, 0, 0, 0, a);
    o.seed = 7;
    shn_loader_item(&source, &o, 0, 0, 0, b);
    assert_memory_not_equal(a, b, sizeof a);
    free(m);
}

/** A batch of several parts comes part by part, then once more, with the rows of the whole batch. */
static void test_parts_are_the_batch_twice(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made *m = make();
    const shn_loader_source source = { N, made_row, m };
    const size_t   parts[] = { 0, 2, 4 };
    const uint32_t take[] = { 4, 0, 3, 1 };             /* a rank's places: not all, not in order */
    shn_loader_options o = plain();
    shn_loader *l;
    shn_batch   batch;
    o.augment = (shn_augment){ 0.2, 0.1, 0.2, 0.3 };
    o.take = take, o.n_take = 4;
    o.parts = parts, o.n_parts = 2;
    o.first_step = 3;
    o.n_steps = 6;                                      /* over the end of an epoch of 4 */
    assert_ok(shn_loader_new(&source, &o, &l, &err));
    for (uint64_t step = 3; step < 6; step++)
        for (size_t k = 0; k < 4; k++) {
            uint32_t order[N];
            float    x[WINDOW * SHN_LEADS];
            assert_ok(shn_loader_next(l, &batch, &err));
            assert_int_equal(batch.step, step);
            assert_int_equal(batch.part, k % 2);
            assert_int_equal(batch.B, 5);
            shn_loader_order(7, step / 4, N, order);
            for (size_t i = 0; i < 5; i++) assert_int_equal(batch.items[i], order[step % 4 * 5 + i]);
            for (size_t i = 0; i < 2; i++) {
                shn_loader_item(&source, &o, step / 4, batch.items[take[parts[batch.part] + i]], 0, x);
                assert_memory_equal(x, batch.x + i * WINDOW * SHN_LEADS, sizeof x);
            }
        }
    assert_status(shn_loader_next(l, &batch, &err), SHN_RANGE);
    shn_loader_free(l);
    free(m);
}

/** Two views: the first is what one view would be, the second another crop of the same records. */
static void test_views_are_crops_of_the_same_records(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    made       *m = make();
    shn_loader *l;
    shn_batch   batch;
    const shn_loader_source source = { N, made_row, m };
    shn_loader_options o = plain();
    o.augment = (shn_augment){ 0.2, 0.1, 0.2, 0.3 };
    o.views = 2;
    assert_ok(shn_loader_new(&source, &o, &l, &err));
    for (uint64_t step = 0; step < 6; step++) {
        float x[WINDOW * SHN_LEADS];
        int   differ = 0;
        assert_ok(shn_loader_next(l, &batch, &err));
        for (size_t v = 0; v < 2; v++)
            for (size_t i = 0; i < batch.B; i++) {
                shn_loader_item(&source, &o, batch.epoch, batch.items[i], v, x);
                assert_memory_equal(x, batch.x + (v * batch.B + i) * WINDOW * SHN_LEADS, sizeof x);
                differ += v && memcmp(x, batch.x + i * WINDOW * SHN_LEADS, sizeof x) != 0;
            }
        assert_int_equal(differ, batch.B);
    }
    shn_loader_free(l);
    free(m);
}

static void test_a_loader_can_be_left_at_any_time(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made *m = make();
    const shn_loader_source source = { N, made_row, m };
    shn_loader_options o = plain();
    for (int taken = 0; taken < 6; taken++) {
        shn_loader *l;
        shn_batch   batch;
        assert_ok(shn_loader_new(&source, &o, &l, &err));
        for (int i = 0; i < taken; i++) assert_ok(shn_loader_next(l, &batch, &err));
        shn_loader_free(l);
    }
    o.batch = 1;
    shn_loader *l;
    assert_status(shn_loader_new(&source, &o, &l, &err), SHN_RANGE);
    assert_null(l);
    o.batch = 5;
    for (long n = 1; n <= 8; n++) {
        shn_alloc_fail_after(n);
        assert_status(shn_loader_new(&source, &o, &l, &err), SHN_NOMEM);
        shn_alloc_fail_after(0);
        assert_null(l);
    }
    shn_loader_free(NULL);
    free(m);
}

/* --- augmentation --- */

enum { LONG_T = 5000 };

static void moments(const float *x, size_t n, double *mean, double *sd)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
    }
    *mean = sum / (double)n;
    *sd = sqrt(square / (double)n - *mean * *mean);
}

/** A window of alternating +-1 (sd 1), with a gap in lead 2 and 1,000 samples missing at the end. */
static shn_packed flat_row(int16_t *signal, float *x)
{
    static const float offset[SHN_LEADS];
    for (size_t l = 0; l < SHN_LEADS; l++)
        for (size_t t = 0; t < LONG_T; t++) {
            signal[l * LONG_T + t] = l == 2 && t >= 100 && t < 200 ? SHN_GAP_I16 : 1;
            x[t * SHN_LEADS + l] = signal[l * LONG_T + t] == SHN_GAP_I16 || t >= 4000 ? 0 : t % 2 ? 1 : -1;
        }
    return (shn_packed){ signal, offset, 1, LONG_T, 4000 };
}

static void test_augmentation_does_what_it_says(void **state)
{
    (void)state;
    int16_t *signal = malloc(SHN_LEADS * LONG_T * sizeof *signal);
    float   *x = malloc(SHN_LEADS * LONG_T * sizeof *x), *y = malloc(SHN_LEADS * LONG_T * sizeof *y);
    const size_t n = (size_t)SHN_LEADS * LONG_T;
    const shn_input in = { .fs_hz = 100, .n_samples = LONG_T, .window = LONG_T, .scale_per_mv = 5 };
    const shn_packed row = flat_row(signal, x);
    double mean, sd, whole_sd;
    moments(x, n, &mean, &whole_sd);

    shn_rng rng = shn_rng_stream(1, 2, 3, 4);
    memcpy(y, x, n * sizeof *y);
    shn_augment_window(&(shn_augment){ .noise = 0.1 }, &in, &row, 0, &rng, y);
    for (size_t i = 0; i < n; i++) {
        if (x[i] == 0) assert_true(y[i] == 0);              /* gaps and the missing end stay 0 */
        y[i] -= x[i];
    }
    moments(y, (size_t)100 * SHN_LEADS, &mean, &sd);        /* the first 100 samples have no gap */
    assert_near(mean, 0, 0.02);
    assert_near(sd, 0.1 * whole_sd, 0.01);

    memcpy(y, x, n * sizeof *y);
    shn_augment_window(&(shn_augment){ .gain = 0.3 }, &in, &row, 0, &rng, y);
    const float factor = y[0] / x[0];
    assert_true(factor > 0 && fabsf(factor - 1) > 1e-4f);
    for (size_t i = 0; i < n; i++) assert_true(y[i] == x[i] * factor);

    memcpy(y, x, n * sizeof *y);
    shn_augment_window(&(shn_augment){ .wander = 0.2 }, &in, &row, 0, &rng, y);
    double largest = 0;
    for (size_t t = 1; t < 4000; t++) {
        const double w = (double)(y[t * SHN_LEADS] - x[t * SHN_LEADS]), before = (double)(y[(t - 1) * SHN_LEADS] - x[(t - 1) * SHN_LEADS]);
        largest = fmax(largest, fabs(w));
        assert_true(fabs(w - before) < 2 * M_PI * 0.5 / 100 * 5);     /* slow: 0.5 Hz at most, amplitude within 5 sd */
    }
    assert_true(largest > 0 && largest < 5);
    assert_true(y[150 * SHN_LEADS + 2] == 0 && y[4500 * SHN_LEADS] == 0);

    int dropped = 0;
    for (int round = 0; round < 500; round++) {
        memcpy(y, x, 100 * SHN_LEADS * sizeof *y);
        const shn_input small = { .fs_hz = 100, .n_samples = LONG_T, .window = 100, .scale_per_mv = 5 };
        shn_augment_window(&(shn_augment){ .lead_dropout = 0.1 }, &small, &row, 0, &rng, y);
        for (size_t l = 0; l < SHN_LEADS; l++) {
            int zeros = 0;
            for (size_t t = 0; t < 100; t++) zeros += y[t * SHN_LEADS + l] == 0;
            assert_true(zeros == 0 || zeros == 100);        /* a lead goes as a whole */
            dropped += zeros == 100;
        }
    }
    assert_near(dropped, 600, 115);                         /* 5 sd of a binomial of 6,000 */
    free(signal);
    free(x);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs_are_shuffles_that_differ),
        cmocka_unit_test(test_crops_stay_inside_the_record),
        cmocka_unit_test(test_batches_depend_on_seed_and_step_alone),
        cmocka_unit_test(test_parts_are_the_batch_twice), cmocka_unit_test(test_a_loader_can_be_left_at_any_time),
        cmocka_unit_test(test_views_are_crops_of_the_same_records),
        cmocka_unit_test(test_a_loader_can_be_left_at_any_time),
        cmocka_unit_test(test_augmentation_does_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
