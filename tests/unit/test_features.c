/** What a ruler measures: on traces drawn here, whose rate, amplitudes and intervals are known, and on MIT-BIH's records against their annotated beats. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "data/cohort_writer.h"
#include "eval/features.h"
#include "shinden/annotation.h"
#include "shinden/format.h"
#include "shinden/metrics.h"
#include "shinden/model.h"
#include "shinden/signal.h"

/** A raised cosine of this height, centred, of this width. */
static double bump(double t, double centre, double width, double height)
{
    const double u = (t - centre) / width;
    return fabs(u) < 0.5 ? height * 0.5 * (1 + cos(2 * M_PI * u)) : 0;
}

/** 10 s: beats at the given instants with P (-0.15 s, 0.1 mV), QRS of 80 ms (R of 1 mV; V6 2 mV; V1 -1 mV), ST 0.1 mV, T (+0.28 s, 0.3 mV), all times the lead's sign. */
static float *draw(const double *beats, size_t n_beats, double fs_hz, double offset, size_t *T)
{
    *T = (size_t)(10 * fs_hz);
    float *mv = shn_alloc(12 * *T, sizeof *mv);
    assert_non_null(mv);
    for (size_t lead = 0; lead < 12; lead++) {
        const double height = lead == 11 ? 2 : lead == 6 ? -1 : 1;
        for (size_t t = 0; t < *T; t++) {
            double v = offset;
            for (size_t b = 0; b < n_beats; b++) {
                const double at = (double)t / fs_hz - beats[b];
                v += height * (bump(at, -0.15, 0.08, 0.1) + bump(at, 0, 0.08, 1) + (at >= 0.05 && at < 0.16 ? 0.1 : 0) + bump(at, 0.28, 0.16, 0.3));
            }
            mv[lead * *T + t] = (float)v;
        }
    }
    return mv;
}

static void test_a_regular_trace(void **state)
{
    (void)state;
    double beats[12], x[2][FEATURES];
    for (size_t b = 0; b < 12; b++) beats[b] = 0.5 + 0.8 * (double)b;
    for (int rate = 0; rate < 2; rate++) {
        const double fs_hz = rate ? 500 : 100;
        size_t       T;
        float       *mv = draw(beats, 12, fs_hz, rate ? 0.4 : 0, &T);           /* a shifted baseline changes nothing */
        assert_true(features_of(mv, T, T, fs_hz, x[rate]));
        const double *f = x[rate], *i = f + FEATURES_RHYTHM, *v1 = i + 6 * FEATURES_PER_LEAD, *v6 = i + 11 * FEATURES_PER_LEAD;
        assert_near(f[FEATURE_BEATS], 12, 0);
        assert_near(f[FEATURE_RATE], 75, 1);
        assert_near(f[FEATURE_RR_SD], 0, 0.02);
        assert_near(f[FEATURE_RR_SHORTEST], 1, 0.03);
        assert_near(f[FEATURE_RR_LONGEST], 1, 0.03);
        assert_near(i[FEATURE_QRS_HIGH], 1, 0.08);
        assert_near(v6[FEATURE_QRS_HIGH], 2, 0.16);
        assert_near(v1[FEATURE_QRS_LOW], -1, 0.08);
        assert_near(i[FEATURE_ST], 0.1, 0.03);
        assert_near(v6[FEATURE_ST], 0.2, 0.06);
        assert_near(i[FEATURE_T_HIGH], 0.3, 0.03);
        assert_near(v1[FEATURE_T_LOW], -0.3, 0.03);
        assert_near(i[FEATURE_P], 0.1, 0.03);
        assert_true(f[FEATURE_QRS] > 0.08 && f[FEATURE_QRS] < 0.2);             /* 80 ms seen through an 80 ms mean */
        free(mv);
    }
    for (size_t k = 0; k < FEATURES; k++) assert_near(x[0][k], x[1][k], 0.08 + 0.02 * fabs(x[1][k]));       /* the rate does not matter */
}

static void test_an_irregular_trace(void **state)
{
    (void)state;
    double beats[12], x[FEATURES], at = 0.5;
    size_t n = 0, T;
    for (; at < 9.6; at += n % 2 ? 0.6 : 1.0) beats[n++] = at;
    float *mv = draw(beats, n, 250, 0, &T);
    assert_true(features_of(mv, T, T, 250, x));
    assert_near(x[FEATURE_BEATS], (double)n, 0);
    assert_near(x[FEATURE_RATE], 75, 2);
    assert_near(x[FEATURE_RR_SD], 0.25, 0.02);
    assert_near(x[FEATURE_RR_CHANGE], 0.5, 0.02);
    assert_near(x[FEATURE_RR_SHORTEST], 0.75, 0.03);
    assert_near(x[FEATURE_RR_LONGEST], 1.25, 0.03);
    free(mv);
}

static void test_what_cannot_be_measured_is_zero(void **state)
{
    (void)state;
    double x[FEATURES];
    float *flat = shn_alloc(12 * 1000, sizeof *flat);
    assert_true(features_of(flat, 1000, 1000, 100, x));
    for (size_t k = 0; k < FEATURES; k++) assert_near(x[k], 0, 0);
    for (size_t n = 0; n < 4; n++) assert_true(features_of(flat, 1000, n, 100, x));         /* almost nothing recorded */
    for (size_t t = 0; t < 12000; t++) flat[t] = 0.01f * (float)((t * 7919) % 13);          /* noise: some numbers, all finite */
    assert_true(features_of(flat, 1000, 1000, 100, x));
    for (size_t k = 0; k < FEATURES; k++) assert_true(isfinite(x[k]));
    for (long n = 1; n < 5; n++) {
        shn_alloc_fail_after(n);
        const int done = features_of(flat, 1000, 1000, 100, x);
        shn_alloc_fail_after(0);
        assert_int_equal(done, n > 4);
    }
    free(flat);
}

/** 40 records of 5 s in units of 2.5 uV, half of them fast, the label; every fourth is for testing. Offsets and gaps as in real cohorts. */
enum { ROWS = 40, SAMPLES = 500 };
static const char *const fast_id[] = { "sinus_tachycardia" };

static float *draw_row(size_t i, size_t *T)
{
    double       beats[16];
    size_t       n = 0;
    const double apart = (i % 2 ? 0.45 : 0.85) + 0.01 * (double)(i % 7);
    for (double at = 0.4; at < 9.9 && n < 16; at += apart) beats[n++] = at;
    float *mv = draw(beats, n, 100, i % 3 ? 0 : 0.2, T);
    mv[3 * *T + 20] = NAN;
    return mv;
}

static shn_cohort *write_rates(void)
{
    static const char *const sources[] = { "s" };
    char               path[512];
    shn_error          err = { 0 };
    shn_cohort_writer *w;
    shn_cohort        *c;
    snprintf(path, sizeof path, "%s/rates.h5", test_folder());
    const shn_cohort_spec spec = { .path = path, .n_rows = ROWS, .n_samples = SAMPLES, .fs_hz = 100, .uv_per_unit = 2.5f, .finding_ids = fast_id, .n_findings = 1, .source_names = sources,
                                   .n_sources = 1 };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < ROWS; i++) {
        const uint8_t yes[1] = { 1 }, fast[1] = { (uint8_t)(i % 2) };
        char          id[16];
        size_t        T;
        float        *mv = draw_row(i, &T);
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = SAMPLES, .labels = fast, .known = yes, .id = id, .patient = id, .split = i / 2 % 4 == 3 ? "test" : "train" };
        for (size_t l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv + l * T;
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
        free(mv);
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    assert_ok(shn_cohort_open(path, &c, &err));
    return c;
}

/** A cohort's rows are measured in mV, whatever its unit: as the trace that was packed. */
static void test_rows_of_a_cohort(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_cohort    *c = write_rates();
    const uint32_t rows[3] = { 1, 0, 39 };
    double         x[3 * FEATURES], y[FEATURES];
    assert_near(shn_cohort_uv_per_unit(c), 2.5, 0);
    assert_ok(features_of_cohort(c, rows, 3, x, &err));
    for (size_t r = 0; r < 3; r++) {
        size_t T;
        float *mv = draw_row(rows[r], &T);
        mv[3 * T + 20] = 0;                                 /* a gap counts as 0 */
        assert_true(features_of(mv, T, SAMPLES, 100, y));
        for (size_t k = 0; k < FEATURES; k++) assert_near(x[r * FEATURES + k], y[k], 0.01);
        assert_true(x[r * FEATURES + FEATURE_BEATS] >= 5);
        free(mv);
    }
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = features_of_cohort(c, rows, 3, x, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_true(n < 100);
    }
    shn_cohort_close(c);
}

/** The control finds what a ruler can: fast or slow. */
static void test_the_probe_tells_rates_apart(void **state)
{
    (void)state;
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 4 };
    shn_error   err = { 0 };
    shn_cohort *c = write_rates();
    shn_model  *m;
    evalset     s;
    double      penalty;
    assert_ok(shn_model_new(&config, 1, 0, &m, &err));
    m->finding_id[0] = shn_strdup(fast_id[0]);
    m->input = (shn_input){ .fs_hz = 100, .n_samples = SAMPLES, .window = 250, .n_windows = 2, .scale_per_mv = 4, .lead_present = 0xfff };
    assert_ok(evalset_open_labels(m, c, "test", &s, &err));
    assert_int_equal(s.n, 10);
    float    score[ROWS];
    uint32_t order[ROWS];
    assert_ok(control_simple_features(&s, "train", score, &penalty, &err));
    assert_true(shn_auroc(score, s.label, s.n, order) > 0.95);
    assert_status(control_simple_features(&s, "home", score, &penalty, &err), SHN_RANGE);
    evalset_close(&s);
    shn_model_free(m);
    shn_cohort_close(c);
}

/** Beats found within 0.15 s of an annotated one, in the first minute of six records of different kinds. */
static void test_beats_of_real_recordings(void **state)
{
    (void)state;
    static const char *const records[] = { "100", "106", "119", "203", "209", "231" };
    size_t n_true = 0, n_found = 0, n_false = 0;
    for (size_t r = 0; r < 6; r++) {
        shn_error        err = { 0 };
        char             path[4200];
        shn_record      *rec, *canonical;
        shn_annotations *set;
        uint32_t         beat[FEATURES_BEATS_MAX];
        float            width[FEATURES_BEATS_MAX];
        shn_format_options format;
        shn_signal_options signal;
        snprintf(path, sizeof path, "%s/mitdb/%s", test_data(), records[r]);
        shn_format_defaults(&format);
        format.max_samples = 60 * 360;
        shn_signal_defaults(&signal);
        signal.allow_missing_leads = 1;
        signal.fs_hz = 100;
        assert_ok(shn_record_read(path, &format, &rec, &err));
        assert_ok(shn_record_canonical(rec, &signal, &canonical, &err));
        assert_ok(shn_annotations_read(path, "atr", &set, &err));
        const size_t n = shn_record_n_samples(canonical);
        float       *mv = shn_alloc(12 * n, sizeof *mv);
        for (size_t lead = 0; lead < 12; lead++)
            for (size_t t = 0; t < n; t++) {
                const float v = shn_record_lead(canonical, lead)[t];
                mv[lead * n + t] = isnan(v) ? 0 : v;
            }
        const int n_beats = features_beats(mv, n, n, 100, beat, width);
        size_t begin, end, matched = 0;
        shn_annotations_range(set, 0, 60 * 360, &begin, &end);
        for (size_t i = begin; i < end; i++) {
            const shn_annotation *a = shn_annotations_at(set, i);
            if (!shn_annotation_is_beat(a->code)) continue;
            int near = 0;
            for (int b = 0; b < n_beats; b++) near |= fabs(beat[b] / 100.0 - (double)a->sample / 360) < 0.15;
            n_true++;
            matched += (size_t)near;
        }
        n_found += matched;
        n_false += (size_t)n_beats > matched ? (size_t)n_beats - matched : 0;
        free(mv);
        shn_annotations_free(set);
        shn_record_free(rec);
        shn_record_free(canonical);
    }
    print_message("%zu annotated beats, %zu found, %zu others\n", n_true, n_found, n_false);
    assert_true(n_true > 400);
    assert_true((double)n_found > 0.95 * (double)n_true);
    assert_true((double)n_false < 0.05 * (double)n_true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_regular_trace),
        cmocka_unit_test(test_an_irregular_trace),
        cmocka_unit_test(test_what_cannot_be_measured_is_zero),
        cmocka_unit_test(test_rows_of_a_cohort),
        cmocka_unit_test(test_the_probe_tells_rates_apart),
        cmocka_unit_test(test_beats_of_real_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
