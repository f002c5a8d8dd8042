/** simulate: the contract of records and folders; test_simulate_criteria asks whether the labels are true. */
#include "harness.h"

#include <math.h>
#include <sys/stat.h>

#include "base/csv.h"
#include "base/file.h"
#include "shinden/findings.h"
#include "shinden/record.h"
#include "shinden/signal.h"
#include "shinden/simulate.h"
#include "shinden/wfdb.h"

static void same_record(const shn_record *a, const shn_record *b, int expected)
{
    const size_t n = shn_record_n_samples(a);
    int          same = n == shn_record_n_samples(b);
    for (size_t l = 0; l < SHN_LEADS && same; l++) same = memcmp(shn_record_lead(a, l), shn_record_lead(b, l), n * sizeof(float)) == 0;
    assert_int_equal(same, expected);
}

static void test_a_record_depends_on_seed_and_index_only(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o, many;
    shn_record          *a, *b, *c, *d;
    shn_truth            t, u;
    shn_simulate_defaults(&o);
    many = o;
    many.n_records = 7;
    many.n_threads = 2;
    assert_ok(shn_simulate_record(&o, 5, &a, &t, &err));
    assert_ok(shn_simulate_record(&o, 6, &c, NULL, &err));
    assert_ok(shn_simulate_record(&many, 5, &b, &u, &err));
    same_record(a, b, 1);
    same_record(a, c, 0);
    assert_true(t.findings[0] == u.findings[0]);
    o.seed = 2;
    assert_ok(shn_simulate_record(&o, 5, &d, NULL, &err));
    same_record(a, d, 0);
    shn_record_free(a);
    shn_record_free(b);
    shn_record_free(c);
    shn_record_free(d);
}

/** I + III = II and the augmented leads, to the rounding of one float operation, with all disturbances on. */
static void test_lead_identities_hold_to_float_precision(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    shn_simulate_defaults(&o);
    for (uint32_t i = 0; i < 40; i++) {
        shn_record *rec;
        assert_ok(shn_simulate_record(&o, i, &rec, NULL, &err));
        const float *x[6];
        for (size_t l = 0; l < 6; l++) x[l] = shn_record_lead(rec, l);
        for (size_t k = 0; k < shn_record_n_samples(rec); k++) {
            const float one = x[0][k], two = x[1][k], slack = 2.4e-7f * (fabsf(one) + fabsf(two) + 1e-6f);
            assert_true(isfinite(one) && fabsf(two) < 12);
            assert_true(fabsf(x[2][k] - (two - one)) <= slack && fabsf(x[3][k] + (one + two) / 2) <= slack);
            assert_true(fabsf(x[4][k] - (one - two / 2)) <= slack && fabsf(x[5][k] - (two - one / 2)) <= slack);
        }
        shn_integrity in;
        shn_integrity_check(rec, &in);
        assert_int_equal(in.order_proven, 1);
        shn_record_free(rec);
    }
}

static void test_every_finding_is_in_the_registry_and_occurs(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    enum { RECORDS = 2000 };
    int                  count[128] = { 0 };
    size_t               n = 0;
    shn_simulate_defaults(&o);
    o.fs_hz = 50;
    for (uint32_t i = 0; i < RECORDS; i++) {
        shn_record *rec;
        shn_truth   t;
        assert_ok(shn_simulate_record(&o, i, &rec, &t, &err));
        for (size_t f = 0; shn_simulate_finding(f); f++) count[f] += (int)(t.findings[f / 64] >> (f % 64) & 1);
        assert_true(t.rate_bpm > 25 && t.rate_bpm < 230 && t.qrs_ms > 70 && t.qt_ms > t.qrs_ms);
        shn_record_free(rec);
    }
    for (; shn_simulate_finding(n); n++) {
        const char  *id = shn_simulate_finding(n);
        const double share = (double)count[n] / RECORDS;
        const int    common = strcmp(id, "sinus_rhythm") == 0 || strcmp(id, "normal_ecg") == 0;
        assert_true(shn_registry_find(shn_registry_builtin(), id) >= 0);
        if (!common && (share < 0.014 || share > 0.20)) fail_msg("%s: %.3f of the records", id, share);
        if (common && (share < 0.1 || share > 0.7)) fail_msg("%s: %.3f of the records", id, share);
    }
    assert_true(n >= 25);
    assert_null(shn_simulate_finding(n));
    assert_null(shn_simulate_finding(n + 1000));
}

/** The same heart at another rate: resampling aside, samples at common times agree when there is no noise. */
static void test_another_sampling_rate_is_the_same_ecg(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    shn_simulate_defaults(&o);
    o.noise = 0;
    for (uint32_t i = 0; i < 30; i++) {
        shn_record *slow, *fast;
        shn_truth   t, u;
        int         paced = 0;
        o.fs_hz = 250;
        assert_ok(shn_simulate_record(&o, i, &slow, &t, &err));
        o.fs_hz = 1000;
        assert_ok(shn_simulate_record(&o, i, &fast, &u, &err));
        assert_true(t.findings[0] == u.findings[0] && t.rate_bpm == u.rate_bpm && t.qrs_ms == u.qrs_ms);
        for (size_t f = 0; shn_simulate_finding(f); f++)
            paced |= strcmp(shn_simulate_finding(f), "pacing_rhythm") == 0 && (t.findings[0] >> f & 1);
        for (size_t l = 0; l < SHN_LEADS && !paced; l++)        /* a spike is broader on a slow recorder */
            for (size_t k = 0; k < shn_record_n_samples(slow); k++)
                assert_near(shn_record_lead(slow, l)[k], shn_record_lead(fast, l)[4 * k], 2e-3);
        shn_record_free(slow);
        shn_record_free(fast);
    }
}

static void test_noise_scales_and_zero_is_clean(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    double               differs[3];
    shn_record          *clean, *rec;
    shn_simulate_defaults(&o);
    o.noise = 0;
    assert_ok(shn_simulate_record(&o, 3, &clean, NULL, &err));
    for (int k = 0; k < 3; k++) {
        o.noise = k;
        differs[k] = 0;
        assert_ok(shn_simulate_record(&o, 3, &rec, NULL, &err));
        for (size_t i = 0; i < shn_record_n_samples(rec); i++)
            differs[k] += pow(shn_record_lead(rec, 0)[i] - shn_record_lead(clean, 0)[i], 2);
        shn_record_free(rec);
    }
    shn_record_free(clean);
    assert_true(differs[0] == 0 && differs[1] > 0.1);
    assert_near(sqrt(differs[2] / differs[1]), 2, 1e-3);
}

static void test_patients_keep_their_heart(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    shn_record          *rec[6];
    shn_truth            t;
    double               axis[6];
    shn_simulate_defaults(&o);
    o.records_per_patient = 3;
    o.noise = 0;
    for (uint32_t i = 0; i < 6; i++) {
        assert_ok(shn_simulate_record(&o, i, &rec[i], &t, &err));
        axis[i] = t.axis_deg;
    }
    for (int i = 1; i < 3; i++) {
        assert_string_equal(shn_record_meta_of(rec[i])->patient, shn_record_meta_of(rec[0])->patient);
        assert_true(shn_record_meta_of(rec[i])->age_years == shn_record_meta_of(rec[0])->age_years);
        if (isfinite(axis[i]) && isfinite(axis[0])) assert_near(axis[i], axis[0], 2);
        same_record(rec[0], rec[i], 0);
    }
    assert_string_not_equal(shn_record_meta_of(rec[3])->patient, shn_record_meta_of(rec[0])->patient);
    for (int i = 0; i < 6; i++) shn_record_free(rec[i]);
}

static void test_bad_options_are_named(void **state)
{
    (void)state;
    shn_error                  err;
    const shn_simulate_options good = { .n_records = 1, .records_per_patient = 1, .seed = 1, .fs_hz = 500, .seconds = 10, .noise = 1 };
    shn_simulate_options       bad[6] = { good, good, good, good, good, good };
    shn_record                *rec;
    bad[0].fs_hz = 20;
    bad[1].fs_hz = NAN;
    bad[2].seconds = 2;
    bad[3].noise = -1;
    bad[4].records_per_patient = 0;
    bad[5].seconds = INFINITY;
    for (int i = 0; i < 6; i++) {
        assert_status(shn_simulate_record(&bad[i], 0, &rec, NULL, &err), SHN_RANGE);
        assert_null(rec);
    }
    bad[0] = good;
    bad[0].n_records = 0;
    assert_status(shn_simulate_write(&bad[0], NULL, test_folder(), &err), SHN_RANGE);
    assert_status(shn_simulate_write(&good, "a,b", test_folder(), &err), SHN_RANGE);
    assert_status(shn_simulate_write(&good, NULL, "/dev/null/no", &err), SHN_IO);
}

static void test_a_folder_holds_what_the_records_are(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    char                 folder[4096], path[8192];
    shn_csv             *csv;
    struct stat          info;
    shn_simulate_defaults(&o);
    o.n_records = 30;
    o.records_per_patient = 2;
    o.fs_hz = 100;
    o.n_threads = 2;
    snprintf(folder, sizeof folder, "%s/sim", test_folder());
    assert_ok(shn_simulate_write(&o, NULL, folder, &err));
    snprintf(path, sizeof path, "%s/labels.csv", folder);
    assert_ok(shn_csv_read(path, ',', &csv, &err));
    assert_int_equal(shn_csv_rows(csv), 30);
    const int at = shn_csv_column(csv, "path"), labels = shn_csv_column(csv, "labels"), split = shn_csv_column(csv, "split"),
              patient = shn_csv_column(csv, "patient"), rate = shn_csv_column(csv, "rate_bpm");
    for (size_t i = 0; i < 30; i++) {
        shn_record *rec;
        shn_truth   t;
        char        expected[2048] = "";
        assert_ok(shn_simulate_record(&o, (uint32_t)i, &rec, &t, &err));
        for (size_t f = 0; shn_simulate_finding(f); f++)
            if (t.findings[f / 64] >> (f % 64) & 1) {
                if (expected[0]) strcat(expected, ";");
                strcat(expected, shn_simulate_finding(f));
            }
        assert_string_equal(shn_csv_cell(csv, i, (size_t)labels), expected);
        assert_near(atof(shn_csv_cell(csv, i, (size_t)rate)), t.rate_bpm, 0.006);
        snprintf(path, sizeof path, "%s/%s.hea", folder, shn_csv_cell(csv, i, (size_t)at));
        assert_int_equal(stat(path, &info), 0);
        snprintf(path, sizeof path, "%s/%s.dat", folder, shn_csv_cell(csv, i, (size_t)at));
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_size, 12 * 1000 * 2);
        /* first sample of lead II on disk, in microvolts */
        uint8_t *bytes;
        size_t   n;
        assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
        assert_near((int16_t)(bytes[2] | bytes[3] << 8), 1000 * shn_record_lead(rec, 1)[0], 0.51);
        free(bytes);
        shn_record_free(rec);
        if (i % 2) {
            assert_string_equal(shn_csv_cell(csv, i, (size_t)patient), shn_csv_cell(csv, i - 1, (size_t)patient));
            assert_string_equal(shn_csv_cell(csv, i, (size_t)split), shn_csv_cell(csv, i - 1, (size_t)split));
        }
    }
    shn_csv_free(csv);
    static const char *const others[] = { "README", "mapping.yaml", "findings.csv" };
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, others[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_true(info.st_size > 100);
    }
    snprintf(path, sizeof path, "rm -r '%s'", folder);
    assert_int_equal(system(path), 0);
}

static int stop(void *context, const shn_progress *p)
{
    (void)context;
    (void)p;
    return 1;
}

static void test_a_stopped_run_leaves_no_table(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    char                 path[4096];
    const char          *folder = test_folder();
    shn_simulate_defaults(&o);
    o.n_records = 3;
    o.fs_hz = 50;
    o.watcher.fn = stop;
    assert_status(shn_simulate_write(&o, NULL, folder, &err), SHN_CANCELLED);
    snprintf(path, sizeof path, "%s/labels.csv", folder);
    assert_int_equal(shn_path_exists(path), 0);
    snprintf(path, sizeof path, "rm -r '%s'", folder);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_depends_on_seed_and_index_only),
        cmocka_unit_test(test_lead_identities_hold_to_float_precision),
        cmocka_unit_test(test_every_finding_is_in_the_registry_and_occurs),
        cmocka_unit_test(test_another_sampling_rate_is_the_same_ecg),
        cmocka_unit_test(test_noise_scales_and_zero_is_clean),
        cmocka_unit_test(test_patients_keep_their_heart),
        cmocka_unit_test(test_bad_options_are_named),
        cmocka_unit_test(test_a_folder_holds_what_the_records_are),
        cmocka_unit_test(test_a_stopped_run_leaves_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
