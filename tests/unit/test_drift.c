/** Drift between two made cohorts: values by hand, what is not recorded, embeddings that are apart and that are not. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "data/cohort_writer.h"
#include "eval/drift.h"

enum { T = 200, LONG = 1000, E = 6, W = 2 };

/** A record's trace in mV: `size` says what the drawing takes it for. */
typedef float drawing(double size, size_t lead, size_t t);

/** From 0 to `size` uV within T / 2 samples, twice that in chest leads. */
static float ramp(double size, size_t lead, size_t t) { return (float)t / (T / 2 - 1) * (float)size * 1e-3f * (lead < 6 ? 1 : 2); }

/** Spikes of 1 mV, `size` a minute. */
static float spikes(double size, size_t lead, size_t t)
{
    const double apart = 6000 / size, from = fabs(fmod((double)t, apart) - apart / 2);
    (void)lead;
    return from < 3 ? 1 - (float)from / 3 : 0;
}

/** n records of n_valid of n_samples; ages 50, 51, ... or none. */
static shn_cohort *write_cohort(const char *folder, const char *name, size_t n, size_t n_samples, size_t n_valid, drawing *draw, double size, int ages)
{
    static const char *const ids[] = { "sinus_rhythm" }, *const sources[] = { "s" };
    static float  mv[SHN_LEADS][LONG];
    char          path[512];
    shn_error     err = { 0 };
    shn_cohort_writer *w;
    shn_cohort   *c;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const shn_cohort_spec spec = { .path = path, .n_rows = n, .n_samples = n_samples, .fs_hz = 100, .finding_ids = ids, .n_findings = 1, .source_names = sources, .n_sources = 1 };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < n; i++) {
        const uint8_t yes[1] = { 1 };
        char          id[32];
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = n_valid, .labels = yes, .known = yes, .id = id, .split = "val", .age = ages ? 50 + (float)i : NAN, .sex = ages ? (i % 2 ? 'F' : 'M') : 0 };
        for (size_t l = 0; l < SHN_LEADS; l++) {
            for (size_t t = 0; t < n_samples; t++) mv[l][t] = draw(size, l, t);
            row.lead_mv[l] = mv[l];
        }
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    assert_ok(shn_cohort_open(path, &c, &err));
    return c;
}

static shn_cohort *make_cohort(const char *folder, const char *name, size_t n, float uv, int ages) { return write_cohort(folder, name, n, T, T / 2, ramp, uv, ages); }

static void test_records(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    const char    *folder = test_folder();
    shn_cohort    *home = make_cohort(folder, "home.h5", 5, 1000, 1), *away = make_cohort(folder, "away.h5", 4, 500, 0);
    const uint32_t rows[5] = { 0, 1, 2, 3, 4 };
    drift_measure  m[DRIFT_MEASURES];
    assert_ok(drift_records(home, rows, 5, away, rows, 4, m, &err));
    assert_near(m[DRIFT_LIMB_MV].home.median, 0.98, 0.02);          /* 1 % off either end of the ramp */
    assert_near(m[DRIFT_CHEST_MV].home.median, 1.96, 0.04);
    assert_near(m[DRIFT_LIMB_MV].away.median, 0.49, 0.01);
    assert_near(m[DRIFT_SECONDS].home.median, 1, 1e-9);
    assert_near(m[DRIFT_SECONDS].effect, 0, 0);
    assert_near(m[DRIFT_AGE].home.median, 52, 1e-6);
    assert_near(m[DRIFT_AGE].home.low, 51, 1e-6);
    assert_near(m[DRIFT_AGE].home.high, 53, 1e-6);
    assert_int_equal(m[DRIFT_AGE].away.n, 0);                       /* not recorded there: nothing is made up */
    assert_true(isnan(m[DRIFT_AGE].away.median) && isnan(m[DRIFT_AGE].effect));
    assert_near(m[DRIFT_FEMALE].home.mean, 0.4, 1e-12);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = drift_records(home, rows, 5, away, rows, 4, m, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
    }
    /* an effect of known size: ages 50..54 against 52..55 */
    assert_ok(drift_records(home, rows, 5, home, rows + 1, 4, m, &err));
    assert_near(m[DRIFT_AGE].effect, 0.5 / sqrt((10 + 5.0) / 7), 1e-6);
    shn_cohort_close(home);
    shn_cohort_close(away);
}

/** Spikes at 60 and 90 a minute; on a flat record there is nothing to count. */
static void test_heart_rate(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    const char    *folder = test_folder();
    shn_cohort    *slow = write_cohort(folder, "slow.h5", 2, LONG, LONG, spikes, 60, 0), *fast = write_cohort(folder, "fast.h5", 3, LONG, LONG, spikes, 90, 0);
    shn_cohort    *flat = write_cohort(folder, "flat.h5", 2, LONG, LONG, ramp, 0, 0);
    const uint32_t rows[3] = { 0, 1, 2 };
    drift_measure  m[DRIFT_MEASURES];
    assert_ok(drift_records(slow, rows, 2, fast, rows, 3, m, &err));
    assert_string_equal(m[DRIFT_RATE].name, "heart_rate");
    assert_string_equal(m[DRIFT_RATE].unit, "1/min");
    assert_near(m[DRIFT_RATE].home.median, 60, 0.5);
    assert_near(m[DRIFT_RATE].away.mean, 90, 0.5);
    assert_int_equal(m[DRIFT_RATE].away.n, 3);
    assert_ok(drift_records(slow, rows, 2, flat, rows, 2, m, &err));
    assert_int_equal(m[DRIFT_RATE].home.n, 2);
    assert_int_equal(m[DRIFT_RATE].away.n, 0);
    assert_true(isnan(m[DRIFT_RATE].away.mean) && isnan(m[DRIFT_RATE].effect));
    shn_cohort_close(slow);
    shn_cohort_close(fast);
    shn_cohort_close(flat);
}

/** Records that are all of one length have no effect, though their means round differently. */
static void test_no_effect_of_rounding(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_cohort    *home = write_cohort(test_folder(), "twelve.h5", 12, LONG, LONG - 1, ramp, 500, 0);
    shn_cohort    *longer = write_cohort(test_folder(), "longer.h5", 3, LONG, LONG, ramp, 500, 0);
    const uint32_t rows[12] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
    drift_measure  m[DRIFT_MEASURES];
    for (size_t n = 2; n <= 12; n++) {
        assert_ok(drift_records(home, rows, 12, home, rows, n, m, &err));
        assert_near(m[DRIFT_SECONDS].effect, 0, 0);
    }
    assert_ok(drift_records(home, rows, 12, longer, rows, 3, m, &err));
    assert_true(isnan(m[DRIFT_SECONDS].effect));            /* a difference without any spread is no number of deviations */
    shn_cohort_close(home);
    shn_cohort_close(longer);
}

static void fill(float *z, size_t n, double shift, uint64_t seed)
{
    shn_rng r = shn_rng_stream(seed, 0, 0, 0);
    for (size_t i = 0; i < n * W; i++)
        for (size_t e = 0; e < E; e++) z[i * E + e] = (float)(shn_rng_normal(&r) + (e == 0 ? shift : 0));
}

static void test_embeddings(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    enum { H = 120, A = 80 };
    static float home[H * W * E], away[A * W * E];
    drift_space same, apart;
    fill(home, H, 2, 1);
    fill(away, A, 2, 2);
    assert_ok(drift_embeddings(home, H, away, A, W, E, &same, &err));
    assert_true(same.auroc > 0.35 && same.auroc < 0.65 && same.distance < 0.35);
    fill(away, A, -2, 2);
    assert_ok(drift_embeddings(home, H, away, A, W, E, &apart, &err));
    assert_true(apart.auroc > 0.99 && apart.distance > 5 * same.distance);
    assert_ok(drift_embeddings(home, 3, away, A, W, E, &same, &err));
    assert_true(isnan(same.auroc) && isnan(same.distance));
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = drift_embeddings(home, H, away, A, W, E, &same, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_records), cmocka_unit_test(test_heart_rate), cmocka_unit_test(test_no_effect_of_rounding), cmocka_unit_test(test_embeddings) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
