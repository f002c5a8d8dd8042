/** Lead order by the share of samples that obey, and noise as a median: spikes, wrong names, gaps, every length. */
#include "harness.h"

#include <math.h>

#include "signal/integrity.h"

enum { N = 2000 };

/** Two independent limb leads with beats, the other four derived; the rest of the twelve are copies of lead I. */
static shn_record *make_record(void)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(shn_record_new(12, N, 500, &rec, &err));
    for (size_t l = 0; l < 12; l++) shn_record_set_name(rec, l, shn_lead_name(l));
    for (size_t t = 0; t < N; t++) {
        const double qrs = exp(-pow(((double)(t % 400) - 120) / 8, 2)), wave = exp(-pow(((double)(t % 400) - 250) / 30, 2));
        const double i = 0.8 * qrs + 0.2 * wave, ii = 1.3 * qrs - 0.1 * wave;
        const double v[6] = { i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2 };
        for (size_t l = 0; l < 12; l++) shn_record_lead_mut(rec, l)[t] = (float)(l < 6 ? v[l] : i);
    }
    return rec;
}

static shn_integrity check(const shn_record *rec)
{
    shn_integrity c;
    shn_integrity_check(rec, &c);
    return c;
}

static void test_spikes_do_not_refute(void **state)
{
    (void)state;
    shn_record *rec = make_record();
    assert_int_equal(check(rec).order_proven, 1);
    for (size_t k = 0; k < 10; k++) shn_record_lead_mut(rec, 2)[150 + 190 * k] += 9;        /* 9 mV in III alone: RMS 640 uV */
    const shn_integrity c = check(rec);
    assert_int_equal(c.order_proven, 1);
    assert_near(c.einthoven_uv_max, 9000, 1);                   /* and the maximum says so still */
    assert_true(c.goldberger_uv_max < 1);
    for (size_t t = 0; t < N; t += 10) shn_record_lead_mut(rec, 2)[t] += 9;                 /* a tenth of the samples is too many */
    assert_int_equal(check(rec).order_proven, -1);
    shn_record_free(rec);
}

static void test_wrong_names_refute(void **state)
{
    (void)state;
    for (size_t a = 0; a < 6; a++)
        for (size_t b = a + 1; b < 6; b++) {
            shn_record *rec = make_record();
            shn_record_set_name(rec, a, shn_lead_name(b));
            shn_record_set_name(rec, b, shn_lead_name(a));
            const shn_integrity c = check(rec);
            if (c.order_proven != -1) fail_msg("%s and %s exchanged: %d", shn_lead_name(a), shn_lead_name(b), c.order_proven);
            assert_int_equal(c.swapped_avl_avf, a == 4 && b == 5);
            shn_signal_options o;                       /* what the signal path mends is the same and no other pair */
            shn_record        *out;
            shn_error          err = { 0 };
            shn_signal_defaults(&o);
            o.min_seconds = 0;
            o.assume_mv_per_unit = 1;
            assert_ok(shn_record_canonical(rec, &o, &out, &err));
            assert_int_equal(shn_record_has_note(out, SHN_REASON_LEADS_SWAPPED), a == 4 && b == 5);
            shn_record_free(out);
            shn_record_free(rec);
        }
}

static void test_between_the_two_nothing_is_claimed(void **state)
{
    (void)state;
    shn_record *rec = make_record();
    for (size_t t = 0; t < N; t++) shn_record_lead_mut(rec, 2)[t] += t % 4 ? 0 : 0.035f;    /* a quarter is off by little: RMS 17 uV */
    assert_int_equal(check(rec).order_proven, 0);
    shn_record_free(rec);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/** The median of a sorted copy, for every length and with gaps: exactly. */
static void test_noise_is_the_median(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (size_t n = 1; n < 300; n++) {
        shn_error   err = { 0 };
        shn_record *rec;
        float       d[300];
        size_t      m = 0;
        assert_ok(shn_record_new(1, n, 500, &rec, &err));
        shn_record_set_name(rec, 0, "I");
        float *x = shn_record_lead_mut(rec, 0);
        for (size_t t = 0; t < n; t++) {
            seed = seed * 1664525u + 1013904223u;
            x[t] = n % 3 == 0 ? (float)(seed >> 29) : ldexpf((float)(seed >> 8) - 8388608.0f, -(int)(seed & 31));
            if (n % 5 == 0 && t % 11 == 3) x[t] = t % 2 ? NAN : INFINITY;
        }
        for (size_t t = 2; t < n; t++) {
            const float v = fabsf(x[t] - 2 * x[t - 1] + x[t - 2]);
            if (isfinite(v)) d[m++] = v;
        }
        if (m) qsort(d, m, sizeof *d, by_value);
        const float expected = m ? (float)(1.4826 / sqrt(6) * 1e3) * d[m / 2] : 0;
        const float found = check(rec).lead[0].noise_uv;
        if (memcmp(&found, &expected, sizeof found) != 0) fail_msg("%zu samples: %.9g, sorted %.9g", n, (double)found, (double)expected);
        shn_record_free(rec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spikes_do_not_refute),
        cmocka_unit_test(test_wrong_names_refute),
        cmocka_unit_test(test_between_the_two_nothing_is_claimed),
        cmocka_unit_test(test_noise_is_the_median),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
