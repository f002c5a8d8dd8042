/** The signal path: lead names, derivation, proofs and mending, doubts, resampling, filters. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "shinden/signal.h"
#include "signal/filter.h"

static const double pi = 3.14159265358979323846;

/** Twelve leads from two made-up limb signals that obey the identities exactly, amplitudes about 1 mV. */
static shn_record *make_record(size_t n, double fs, double scale)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(shn_record_new(SHN_LEADS, n, fs, &rec, &err));
    for (size_t l = 0; l < SHN_LEADS; l++) {
        shn_record_set_name(rec, l, shn_lead_name(l));
        shn_record_set_unit(rec, l, SHN_UNIT_DECLARED);
        for (size_t t = 0; t < n; t++) {
            const double s = (double)t / fs, i = sin(2 * pi * 1.3 * s) + 0.2 * sin(2 * pi * 9 * s), ii = 0.8 * cos(2 * pi * 1.3 * s);
            const double v[6] = { i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2 };
            shn_record_lead_mut(rec, l)[t] = (float)(scale * (l < 6 ? v[l] : i + 0.1 * (double)l * ii));
        }
    }
    return rec;
}

static shn_record *canonical(const shn_record *rec, shn_signal_options *o)
{
    shn_error   err = { 0 };
    shn_record *out;
    assert_ok(shn_record_canonical(rec, o, &out, &err));
    return out;
}

static void test_lead_names(void **state)
{
    (void)state;
    assert_int_equal(shn_lead_index("AVR"), 3);
    assert_int_equal(shn_lead_index("avl"), 4);
    assert_int_equal(shn_lead_index(" Lead V6"), 11);
    assert_int_equal(shn_lead_index("MDC_ECG_LEAD_aVF"), 5);
    assert_int_equal(shn_lead_index("MLII"), 1);
    assert_int_equal(shn_lead_index("ECG I"), 0);
    assert_int_equal(shn_lead_index("ECG-V1"), 6);
    assert_int_equal(shn_lead_index("-aVR"), -1);       /* Cabrera's turned lead is not aVR */
    assert_int_equal(shn_lead_index("Lead -aVR"), -1);
    assert_int_equal(shn_lead_index("V7"), -1);
    assert_int_equal(shn_lead_index("RESP"), -1);
    assert_int_equal(shn_lead_index(""), -1);
    for (size_t l = 0; l < SHN_LEADS; l++) assert_int_equal(shn_lead_index(shn_lead_name(l)), l);
}

static void test_missing_limb_leads_are_derived(void **state)
{
    (void)state;
    shn_signal_options o;
    shn_signal_defaults(&o);
    shn_record *all = make_record(1000, 100, 1);
    for (int a = 0; a < 6; a++)
        for (int b = a + 1; b < 6; b++) {               /* any two limb leads give the other four */
            shn_error   err = { 0 };
            shn_record *two;
            assert_ok(shn_record_new(8, 1000, 100, &two, &err));
            for (size_t i = 0; i < 8; i++) {
                const size_t from = i == 0 ? (size_t)a : i == 1 ? (size_t)b : 4 + i;
                shn_record_set_name(two, i, shn_lead_name(from));
                shn_record_set_unit(two, i, SHN_UNIT_DECLARED);
                memcpy(shn_record_lead_mut(two, i), shn_record_lead(all, from), 1000 * sizeof(float));
            }
            shn_record *out = canonical(two, &o);
            for (size_t l = 0; l < SHN_LEADS; l++)
                for (size_t t = 0; t < 1000; t += 37) assert_near(shn_record_lead(out, l)[t], shn_record_lead(all, l)[t], 2e-6);
            assert_true(shn_record_has_note(out, SHN_REASON_LEAD_DERIVED));
            shn_record_free(out);
            shn_record_free(two);
        }
    shn_record_free(all);
}

static void test_swapped_avl_avf_are_mended(void **state)
{
    (void)state;
    shn_signal_options o;
    shn_signal_defaults(&o);
    shn_record *rec = make_record(1000, 100, 1), *right = make_record(1000, 100, 1);
    shn_record_set_name(rec, 4, "aVF");
    shn_record_set_name(rec, 5, "aVL");
    shn_integrity check;
    shn_integrity_check(rec, &check);
    assert_int_equal(check.swapped_avl_avf, 1);
    assert_int_equal(check.order_proven, -1);
    shn_record *out = canonical(rec, &o);
    assert_true(shn_record_has_note(out, SHN_REASON_LEADS_SWAPPED));
    assert_false(shn_record_has_note(out, SHN_REASON_LEAD_ORDER));
    for (size_t t = 0; t < 1000; t++) assert_near(shn_record_lead(out, 4)[t], shn_record_lead(right, 4)[t], 1e-6);
    shn_record_free(out);
    out = canonical(right, &o);
    assert_int_equal(shn_record_n_notes(out), 0);       /* a clean record raises no doubt */
    shn_record_free(out);
    shn_record_set_name(rec, 0, "II");                  /* I and II exchanged cannot be told from the four others alone ... */
    shn_record_set_name(rec, 1, "I");
    out = canonical(rec, &o);
    assert_true(shn_record_has_note(out, SHN_REASON_LEAD_ORDER));      /* ... but it is noticed */
    shn_record_free(out);
    shn_record_free(rec);
    shn_record_free(right);
}

static void test_doubts_become_notes(void **state)
{
    (void)state;
    shn_signal_options o;
    shn_signal_defaults(&o);
    shn_record *rec = make_record(1000, 100, 1);
    float *v1 = shn_record_lead_mut(rec, 6), *v2 = shn_record_lead_mut(rec, 7), *v3 = shn_record_lead_mut(rec, 8);
    for (int t = 0; t < 1000; t++) {
        v1[t] = 0.25f;
        v2[t] = t % 100 < 30 ? 1.2f : v2[t] * 0.1f;
    }
    v3[3] = NAN;
    v3[4] = INFINITY;
    v3[500] = 40;
    shn_record *out = canonical(rec, &o);
    assert_true(shn_record_has_note(out, SHN_REASON_FLAT_LEAD));
    assert_true(shn_record_has_note(out, SHN_REASON_CLIPPED));
    assert_true(shn_record_has_note(out, SHN_REASON_NAN_AND_INF));
    assert_true(shn_record_has_note(out, SHN_REASON_GAPS));
    assert_true(shn_record_has_note(out, SHN_REASON_AMPLITUDE));
    assert_true(isnan(shn_record_lead(out, 8)[3]) && isnan(shn_record_lead(out, 8)[4]));
    shn_record_free(out);
    shn_record_free(rec);
    rec = make_record(1000, 100, 1000);                 /* microvolts that say millivolts */
    out = canonical(rec, &o);
    assert_true(shn_record_has_note(out, SHN_REASON_UNIT_SUSPECT));
    shn_record_free(out);
    shn_record_free(rec);
    rec = make_record(1000, 100, 1);                    /* arm electrodes exchanged: I negated, aVR and aVL trade places */
    for (int t = 0; t < 1000; t++) {
        float *i = shn_record_lead_mut(rec, 0), *avr = shn_record_lead_mut(rec, 3), *avl = shn_record_lead_mut(rec, 4);
        shn_record_lead_mut(rec, 11)[t] = i[t];
        i[t] = -i[t];
        const float s = avr[t];
        avr[t] = avl[t];
        avl[t] = s;
    }
    shn_integrity check;
    shn_integrity_check(rec, &check);
    assert_int_equal(check.limb_leads_reversed, 1);
    shn_record_free(rec);
}

static void expect_refusal(const shn_record *rec, shn_signal_options *o, shn_reason reason)
{
    shn_error   err = { 0 };
    shn_record *out;
    assert_int_not_equal(shn_record_canonical(rec, o, &out, &err), SHN_OK);
    assert_null(out);
    if (err.reason != reason) fail_msg("reason %s, expected %s: %s", shn_reason_name(err.reason), shn_reason_name(reason), err.text);
}

static void test_refusals(void **state)
{
    (void)state;
    shn_signal_options o;
    shn_signal_defaults(&o);
    shn_record *rec = make_record(1000, 100, 1);
    shn_record_set_unit(rec, 0, SHN_UNIT_UNKNOWN);
    expect_refusal(rec, &o, SHN_REASON_NO_UNIT);
    o.assume_mv_per_unit = 2;
    shn_record *out = canonical(rec, &o);
    assert_near(shn_record_lead(out, 0)[20], 2 * shn_record_lead(rec, 0)[20], 1e-6);
    assert_true(shn_record_has_note(out, SHN_REASON_NO_UNIT));
    shn_record_free(out);
    shn_record_set_unit(rec, 0, SHN_UNIT_NOT_VOLTAGE);
    expect_refusal(rec, &o, SHN_REASON_NO_UNIT);
    shn_record_set_unit(rec, 0, SHN_UNIT_DECLARED);
    shn_record_set_name(rec, 7, "V1");
    expect_refusal(rec, &o, SHN_REASON_DUPLICATE_LEAD);
    shn_record_set_name(rec, 7, "C2 of another world");
    expect_refusal(rec, &o, SHN_REASON_MISSING_LEAD);
    o.allow_missing_leads = 1;
    out = canonical(rec, &o);
    assert_true(isnan(shn_record_lead(out, 7)[0]));
    shn_record_free(out);
    o.fs_hz = 200;
    expect_refusal(rec, &o, SHN_REASON_UPSAMPLING);
    o.fs_hz = 0;
    o.min_seconds = 11;
    expect_refusal(rec, &o, SHN_REASON_TOO_SHORT);
    for (size_t l = 0; l < SHN_LEADS; l++) shn_record_set_name(rec, l, "EEG");
    o.min_seconds = 5;
    expect_refusal(rec, &o, SHN_REASON_NO_ECG);
    shn_record_free(rec);
}

/** Amplitude of a sinusoid in the middle half of y, by projection. */
static double amplitude(const float *y, size_t n, double cycles_per_sample)
{
    double c = 0, s = 0;
    size_t m = 0;
    for (size_t t = n / 4; t < 3 * n / 4; t++, m++) {
        c += y[t] * cos(2 * pi * cycles_per_sample * (double)t);
        s += y[t] * sin(2 * pi * cycles_per_sample * (double)t);
    }
    return 2 * sqrt(c * c + s * s) / (double)m;
}

static double rms_of(const float *y, size_t n)
{
    double sum = 0;
    for (size_t t = n / 4; t < 3 * n / 4; t++) sum += (double)y[t] * y[t];
    return sqrt(sum / (double)(n / 2));
}

static void test_resampler_pass_and_stop_band(void **state)
{
    (void)state;
    static const struct { unsigned up, down; } ratios[] = { { 1, 5 }, { 1, 4 }, { 25, 18 }, { 2, 1 }, { 5, 4 }, { 1, 10 } };
    for (size_t r = 0; r < sizeof ratios / sizeof *ratios; r++) {
        const unsigned up = ratios[r].up, down = ratios[r].down;
        const size_t n = 8000, n_out = shn_resample_length(n, up, down);
        shn_error err = { 0 };
        float *x = shn_alloc(n, sizeof *x), *y = shn_alloc(n_out, sizeof *y);
        const double nyquist = up < down ? 0.5 * up / down : 0.5;       /* the lower one, in cycles per input sample */
        for (double share = 0.01; share <= 0.8; share += 0.0395) {
            const double f = share * nyquist;
            for (size_t t = 0; t < n; t++) x[t] = (float)sin(2 * pi * f * (double)t);
            assert_ok(shn_resample(x, n, up, down, y, n_out, &err));
            assert_near(20 * log10(amplitude(y, n_out, f * down / up)), 0, 0.1);
        }
        for (double f = 1.2 * nyquist; up < down && f < 0.5; f += 0.013) {
            for (size_t t = 0; t < n; t++) x[t] = (float)sin(2 * pi * f * (double)t);
            assert_ok(shn_resample(x, n, up, down, y, n_out, &err));
            assert_true(20 * log10(rms_of(y, n_out) * sqrt(2) + 1e-12) < -60);
        }
        free(x);
        free(y);
    }
}

static void test_resampler_keeps_constants_time_and_gaps(void **state)
{
    (void)state;
    shn_error err = { 0 };
    float     x[1000], y[200], back[7];
    for (int t = 0; t < 1000; t++) x[t] = 0.7f;
    assert_ok(shn_resample(x, 1000, 1, 5, y, 200, &err));
    for (int t = 0; t < 200; t++) assert_near(y[t], 0.7, 1e-6);
    for (int t = 0; t < 1000; t++) x[t] = (float)exp(-0.5 * pow((t - 500) / 15.0, 2));
    assert_ok(shn_resample(x, 1000, 1, 5, y, 200, &err));
    for (int t = 0; t < 200; t++) assert_true(y[t] <= y[100]);          /* the peak stays where it was: no delay */
    assert_near(y[100], 1, 1e-3);
    x[500] = NAN;
    assert_ok(shn_resample(x, 1000, 1, 5, y, 200, &err));
    assert_true(isnan(y[100]) && !isnan(y[80]) && !isnan(y[120]));
    assert_status(shn_resample(x, 1000, 0, 5, y, 200, &err), SHN_RANGE);
    assert_status(shn_resample(x, 1000, 1, 5, y, 199, &err), SHN_RANGE);
    assert_status(shn_resample(x, 7, 10007, 10009, back, 7, &err), SHN_RANGE);
    assert_int_equal(shn_resample_length(7, 1, 5), 2);
}

static void test_resampler_equals_scipy(void **state)
{
    (void)state;
    char  line[8192];
    int   n_cases = 0;
    FILE *golden = fopen(SHN_TESTS_DIR "/golden/resample_scipy.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        shn_error err = { 0 };
        unsigned  up, down;
        size_t    n, first;
        double    fs;
        int       at;
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%u %u %lf %zu %zu%n", &up, &down, &fs, &n, &first, &at), 5);
        const size_t n_out = shn_resample_length(n, up, down);
        const double low = up < down ? fs * up / down : fs;
        float *x = shn_alloc(n, sizeof *x), *y = shn_alloc(n_out, sizeof *y);
        for (size_t t = 0; t < n; t++) {
            const double w = 2 * pi * low * (double)t / fs;
            x[t] = (float)(sin(0.03 * w + 0.1) + 0.5 * sin(0.21 * w + 1) + 0.25 * sin(0.37 * w + 2));
        }
        assert_ok(shn_resample(x, n, up, down, y, n_out, &err));
        char *word = line + at;
        for (size_t i = first; i < first + 60 && i < n_out; i++) assert_near(y[i], strtod(word, &word), 2e-3);
        free(x);
        free(y);
        n_cases++;
    }
    fclose(golden);
    assert_int_equal(n_cases, 6);
}

static void test_filters(void **state)
{
    (void)state;
    enum { N = 10000 };
    shn_error err = { 0 };
    static float x[N];
    static const struct { int highpass; double corner, f, gain_db; } cases[] = {
        { 1, 0.5, 0.5, -6.02 }, { 1, 0.5, 5, 0 }, { 1, 0.5, 0.05, -80 }, { 0, 40, 40, -6.02 }, { 0, 40, 5, 0 }, { 0, 40, 200, -80 },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (int t = 0; t < N; t++) x[t] = (float)sin(2 * pi * cases[c].f * t / 500);
        assert_ok((cases[c].highpass ? shn_filter_highpass : shn_filter_lowpass)(x, N, 500, cases[c].corner, &err));
        const double db = 20 * log10(amplitude(x, N, cases[c].f / 500) + 1e-12);
        if (cases[c].gain_db < -70) assert_true(db < -68);
        else assert_near(db, cases[c].gain_db, 0.1);
    }
    for (int t = 0; t < N; t++) x[t] = 3 + 0.5f * (float)sin(2 * pi * 0.1 * t / 500) + (t % 500 < 20 ? 1 : 0);
    x[5000] = NAN;
    assert_ok(shn_filter_baseline(x, N, 500, &err));
    for (int t = 1000; t < 9000; t++) {
        if (t == 5000) continue;
        assert_near(x[t], t % 500 < 20 ? 1 : 0, 0.06);          /* the spikes stay, the drift goes */
    }
    assert_true(isnan(x[5000]));
    assert_status(shn_filter_lowpass(x, N, 500, 250, &err), SHN_RANGE);
    assert_status(shn_filter_highpass(x, N, 500, 0, &err), SHN_RANGE);
    for (int t = 0; t < 100; t++) x[t] = NAN;
    assert_ok(shn_filter_lowpass(x, 100, 500, 40, &err));
    assert_true(isnan(x[0]) && isnan(x[99]));
}

static void test_failing_allocations(void **state)
{
    (void)state;
    shn_signal_options o;
    shn_signal_defaults(&o);
    o.fs_hz = 50;
    o.highpass_hz = 0.5;
    o.remove_baseline = 1;
    shn_record *rec = make_record(600, 100, 1);
    for (long n = 1;; n++) {
        shn_error   err = { 0 };
        shn_record *out;
        shn_alloc_fail_after(n);
        const shn_status st = shn_record_canonical(rec, &o, &out, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            shn_record_free(out);
            assert_true(n > 20);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(out);
    }
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lead_names),
        cmocka_unit_test(test_missing_limb_leads_are_derived),
        cmocka_unit_test(test_swapped_avl_avf_are_mended),
        cmocka_unit_test(test_doubts_become_notes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_resampler_pass_and_stop_band),
        cmocka_unit_test(test_resampler_keeps_constants_time_and_gaps),
        cmocka_unit_test(test_resampler_equals_scipy),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
