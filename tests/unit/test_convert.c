/**
 * The writers: integers that go round WFDB, EDF+ and CSV come back, with random values over all 16 bits, gaps, odd gains and baselines with
 * fractions; what a format cannot hold is counted and is what shinden/convert.h says. All comparisons go through files.
 */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "shinden/convert.h"
#include "shinden/format.h"
#include "shinden/wfdb.h"

enum { GAP = INT32_MIN, N_MAX = 4000, LEADS_MAX = 15 };

/** Stored integers with their scale: the truth that files are compared with. */
typedef struct stored { size_t n_leads, n; double fs; double gain[LEADS_MAX], baseline[LEADS_MAX]; int32_t v[LEADS_MAX][N_MAX]; } stored;

static uint64_t rng = 20261124;
static uint32_t draw(uint32_t below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng >> 33) % below);
}

static const char *const names[LEADS_MAX] = { "I", "II", "III", "AVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "MLII", "Pleth 2", "V1" };

static shn_record *make_record(const stored *s)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(shn_record_new(s->n_leads, s->n, s->fs, &rec, &err));
    for (size_t l = 0; l < s->n_leads; l++) {
        shn_record_set_name(rec, l, names[l]);
        shn_record_set_unit(rec, l, SHN_UNIT_DECLARED);
        shn_record_set_calibration(rec, l, (shn_lead_cal){ s->gain[l], s->baseline[l], 16 });
        for (size_t t = 0; t < s->n; t++) shn_record_lead_mut(rec, l)[t] = s->v[l][t] == GAP ? NAN : (float)((s->v[l][t] - s->baseline[l]) / s->gain[l]);
    }
    return rec;
}

/** The integers of a record by its own calibration. */
static int32_t integer_of(const shn_record *rec, size_t lead, size_t t)
{
    const shn_lead_cal c = shn_record_calibration(rec, lead);
    const float        x = shn_record_lead(rec, lead)[t];
    assert_true(c.gain_adu_per_mv != 0);
    return isnan(x) ? GAP : (int32_t)nearbyint((double)x * c.gain_adu_per_mv + c.baseline_adu);
}

static void assert_same(const stored *s, const shn_record *rec, const char *after, double gain_within, double baseline_within)
{
    assert_int_equal(shn_record_n_leads(rec), s->n_leads);
    assert_int_equal(shn_record_n_samples(rec), s->n);
    assert_near(shn_record_fs_hz(rec), s->fs, 1e-9 * s->fs);
    for (size_t l = 0; l < s->n_leads; l++) {
        const shn_lead_cal c = shn_record_calibration(rec, l);
        assert_string_equal(shn_record_name(rec, l), names[l]);
        assert_near(c.gain_adu_per_mv / s->gain[l], 1, gain_within);
        assert_near(c.baseline_adu, s->baseline[l], baseline_within);
        for (size_t t = 0; t < s->n; t++)
            if (integer_of(rec, l, t) != s->v[l][t])
                fail_msg("after %s: lead %zu (%s, gain %g, baseline %g) sample %zu is %d, was %d", after, l, names[l], s->gain[l], s->baseline[l], t, integer_of(rec, l, t), s->v[l][t]);
    }
}

typedef enum step { W, E, C } step;
static const char *const endings[] = { ".hea", ".edf", ".csv" };

static shn_record *through(const shn_record *rec, step to, const char *folder, const char *name, shn_convert_report *report)
{
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX];
    shn_record *again;
    snprintf(path, sizeof path, "%s/%s%s", folder, name, endings[to]);
    if (to == W) assert_ok(shn_wfdb_write(rec, folder, name, NULL, report, &err));
    else if (to == E) assert_ok(shn_edf_write(rec, path, NULL, report, &err));
    else assert_ok(shn_csv_write(rec, path, NULL, report, &err));
    assert_ok(shn_record_read(path, NULL, &again, &err));
    assert_string_equal(shn_format_of(path), to == W ? "wfdb" : to == E ? "edf" : "csv");
    return again;
}

static void fill(stored *s, int low)
{
    static const double gains[] = { 1000, 200, 204.8, 327.67, 400, 306.99672, -500, 1e5, 12.5, 0.001, 3333.3333333333335 }, rates[] = { 100, 250, 257, 360, 500, 1000, 128.5, 400 };
    s->n_leads = 1 + draw(LEADS_MAX);
    s->n = 1 + draw(draw(2) ? N_MAX : 40);
    s->fs = rates[draw(8)];
    for (size_t l = 0; l < s->n_leads; l++) {
        s->gain[l] = gains[draw(11)];
        s->baseline[l] = draw(2) ? 0 : (int)draw(4096) - 2048;
        const int gappy = draw(3) == 0, full = (int)draw(2);
        for (size_t t = 0; t < s->n; t++) {
            s->v[l][t] = full ? low + (int)draw((uint32_t)(32768 - low)) : (int)draw(2000) - 1000;
            if (gappy && draw(6) == 0) s->v[l][t] = GAP;
        }
        if (full) {
            s->v[l][0] = low;
            s->v[l][s->n - 1] = 32767;
        }
    }
    if (draw(3) == 0)
        for (size_t t = s->n / 2; t < s->n / 2 + s->n / 5; t++)         /* a gap of all leads */
            for (size_t l = 0; l < s->n_leads; l++) s->v[l][t] = GAP;
}

static void test_random_records_go_round(void **state)
{
    (void)state;
    static const step ways[][4] = { { W, E, C, W }, { C, W, E, C }, { E, C, E, W }, { E, W, C, E } };
    const char *folder = test_folder();
    static stored s;
    for (int round = 0; round < 120; round++) {
        char         name[32], so_far[64] = "";
        const step  *way = ways[draw(4)];
        fill(&s, -32767);
        shn_record *rec = make_record(&s);
        double gain_within = 1e-11, baseline_within = 1e-6;
        for (int k = 0; k < 4; k++) {
            shn_convert_report report;
            snprintf(name, sizeof name, "r%d_%d", round, k);
            shn_record *again = through(rec, way[k], folder, name, &report);
            shn_record_free(rec);
            rec = again;
            strcat(so_far, endings[way[k]]);
            gain_within += report.gain_error;           /* what it says it did, and no more */
            baseline_within += report.baseline_error;
            if (report.gain_error > 2e-5 || report.baseline_error > 0.5) fail_msg("%s, round %d: gain off by %g, baseline by %g", so_far, round, report.gain_error, report.baseline_error);
            assert_int_equal(report.n_rounded + report.n_clipped, 0);
            size_t gaps = 0;
            for (size_t l = 0; l < s.n_leads; l++)
                for (size_t t = 0; t < s.n; t++) gaps += s.v[l][t] == GAP;
            assert_int_equal(report.n_gaps, gaps);
            assert_same(&s, rec, so_far, gain_within, baseline_within);
        }
        shn_record_free(rec);
    }
}

/** EDF has all of 16 bits and baselines with fractions; WFDB has neither. */
static void test_what_wfdb_cannot_hold(void **state)
{
    (void)state;
    static stored s = { .n_leads = 2, .n = 4, .fs = 500, .gain = { 32.7675, 200 }, .baseline = { -0.5, 7.25 }, .v = { { -32768, 32767, 5, GAP }, { 1, 2, 3, -4 } } };
    const char        *folder = test_folder();
    shn_convert_report report;
    shn_record        *rec = make_record(&s), *edf = through(rec, E, folder, "a", &report);
    assert_same(&s, edf, "EDF", 1e-11, 1e-3);
    shn_record *csv = through(edf, C, folder, "a", &report);
    assert_same(&s, csv, "CSV", 1e-11, 1e-3);
    shn_record *wfdb = through(csv, W, folder, "a", &report);
    assert_int_equal(report.n_clipped, 1);
    assert_near(report.baseline_error, 0.5, 1e-3);
    s.v[0][0] = -32767;                         /* one step at the rail; all others are what they were */
    assert_same(&s, wfdb, "WFDB", 1e-11, 0.51);
    assert_near(shn_record_lead(wfdb, 0)[2], 5 / 32.7675, 1e-6);       /* the baseline is 0 now: half a step lower */
    shn_record_free(rec);
    shn_record_free(edf);
    shn_record_free(csv);
    shn_record_free(wfdb);
}

static void test_integers_beyond_16_bits(void **state)
{
    (void)state;
    static stored s = { .n_leads = 2, .n = 3, .fs = 500, .gain = { 1000, 1e5 }, .baseline = { 100000, 0 }, .v = { { 99000, 100001, 130000 }, { -400000, 10, 300001 } } };
    const char        *folder = test_folder();
    shn_convert_report report;
    for (step to = W; to <= E; to++) {
        shn_record *rec = make_record(&s), *again = through(rec, to, folder, "b", &report);
        /* the first moves by whole steps and loses nothing; the second has a range of 700,001 steps: 16 of them become one */
        for (size_t t = 0; t < 3; t++) {
            assert_near(shn_record_lead(again, 0)[t], shn_record_lead(rec, 0)[t], 1e-6);
            assert_near(shn_record_lead(again, 1)[t], shn_record_lead(rec, 1)[t], 8.01 / 1e5);
        }
        assert_near(shn_record_calibration(again, 0).gain_adu_per_mv, 1000, 1e-8);
        assert_near(shn_record_calibration(again, 1).gain_adu_per_mv, 1e5 / 16, 1e-6);
        assert_true(report.n_rounded > 0 && report.n_clipped == 0);
        shn_record_free(rec);
        shn_record_free(again);
    }
    shn_record *rec = make_record(&s), *csv = through(rec, C, folder, "b", &report);
    assert_same(&s, csv, "CSV", 1e-11, 1e-9);
    shn_record_free(rec);
    shn_record_free(csv);
}

static void test_values_that_were_no_integers(void **state)
{
    (void)state;
    shn_error          err = { 0 };
    const char        *folder = test_folder();
    shn_convert_report report;
    shn_record        *rec;
    assert_ok(shn_record_new(3, 4, 400, &rec, &err));
    static const float x[3][4] = { { 0.001f, -1.2345f, 0.0004f, 70 }, { 1, 2, 3, NAN }, { 36.6f, 37.25f, 41, 38 } };
    static const char *const own[3] = { "I", "V9", "Temp" };
    for (size_t l = 0; l < 3; l++) {
        memcpy(shn_record_lead_mut(rec, l), x[l], sizeof x[l]);
        shn_record_set_name(rec, l, own[l]);
        shn_record_set_unit(rec, l, l == 2 ? SHN_UNIT_NOT_VOLTAGE : SHN_UNIT_DECLARED);
    }
    for (step to = W; to <= C; to++) {
        shn_record *again = through(rec, to, folder, "c", &report);
        assert_near(shn_record_lead(again, 0)[1], to == C ? -1.2345f : -1.235, 1e-6);
        assert_near(shn_record_lead(again, 0)[3], to == C ? 70 : 32.767, 1e-5);
        assert_true(isnan(shn_record_lead(again, 1)[3]));
        assert_int_equal(shn_record_unit(again, 2), SHN_UNIT_NOT_VOLTAGE);
        assert_near(shn_record_lead(again, 2)[1], 37.25, to == C ? 0 : 0.0051);
        assert_int_equal(report.n_clipped, to == C ? 0 : 1);
        assert_int_equal(report.n_rounded > 0, to != C);
        shn_record_free(again);
    }
    shn_record_free(rec);
}

/** EDF has places for a date only: a text that is no day of the calendar leaves it unknown, "Startdate X". */
static void test_edf_writes_days_only(void **state)
{
    (void)state;
    static const struct { const char *acquired, *date, *start; } cases[] = {
        { "2024-02-29T10:11:12", "29.02.24", "Startdate 29-FEB-2024 X" }, { "2023-02-29T10:11:12", "01.01.85", "Startdate X X" }, { "2024-04-31", "01.01.85", "Startdate X X" },
    };
    static stored s = { .n_leads = 1, .n = 5, .fs = 500, .gain = { 1000 }, .v = { { 1, 2, 3, 4, 5 } } };
    shn_error err = { 0 };
    char      path[SHN_PATH_MAX];
    snprintf(path, sizeof path, "%s/day.edf", test_folder());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_record *rec = make_record(&s);
        uint8_t    *bytes;
        size_t      n;
        strcpy(shn_record_meta_mut(rec)->acquired, cases[i].acquired);
        assert_ok(shn_edf_write(rec, path, NULL, NULL, &err));
        assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
        assert_memory_equal(bytes + 88, cases[i].start, strlen(cases[i].start));       /* the recording field */
        assert_memory_equal(bytes + 168, cases[i].date, 8);
        free(bytes);
        shn_record_free(rec);
        unlink(path);
    }
}

static void test_what_is_known_goes_along(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    const char *folder = test_folder();
    static stored s = { .n_leads = 1, .n = 5, .fs = 500, .gain = { 1000 }, .v = { { 1, 2, 3, 4, 5 } } };
    for (step to = W; to <= C; to++)
        for (int keep = 0; keep <= 1; keep++) {
            shn_record      *rec = make_record(&s), *again;
            shn_record_meta *m = shn_record_meta_mut(rec);
            char             path[SHN_PATH_MAX];
            const shn_convert_options options = { .keep_identifiers = keep };
            strcpy(m->patient, "MCH-0234567");
            strcpy(m->id, "EMG561");
            strcpy(m->acquired, "1984-11-09T09:17:34");
            strcpy(m->device, "Sony X1");
            strcpy(m->filters, "0.05-150 Hz, notch 50 Hz");
            m->age_years = 63;
            m->sex = 'F';
            assert_ok(shn_record_add_statement(rec, "Sinus rhythm", &err));
            assert_ok(shn_record_add_statement(rec, "+0.004 s (0.002 s): Noise", &err));
            assert_ok(shn_record_add_label(rec, "426783006", &err));
            assert_ok(shn_record_add_measurement(rec, "qrs_duration", 98, "ms", &err));
            snprintf(path, sizeof path, "%s/d%d%s", folder, keep, endings[to]);
            char name[16];
            snprintf(name, sizeof name, "d%d", keep);
            if (to == W) assert_ok(shn_wfdb_write(rec, folder, name, &options, NULL, &err));
            else if (to == E) assert_ok(shn_edf_write(rec, path, &options, NULL, &err));
            else assert_ok(shn_csv_write(rec, path, &options, NULL, &err));
            assert_ok(shn_record_read(path, NULL, &again, &err));
            const shn_record_meta *n = shn_record_meta_of(again);
            assert_string_equal(n->patient, keep ? "MCH-0234567" : "");
            if (to != W) assert_int_equal(strcmp(n->id, "EMG561") == 0, keep);
            assert_string_equal(n->acquired, "1984-11-09T09:17:34");
            assert_string_equal(n->device, "Sony X1");
            assert_string_equal(n->filters, "0.05-150 Hz, notch 50 Hz");
            assert_near(n->age_years, 63, 0);
            assert_int_equal(n->sex, 'F');
            assert_int_equal(shn_record_n_statements(again), 2);
            assert_string_equal(shn_record_statement(again, 0), "Sinus rhythm");
            assert_string_equal(shn_record_statement(again, 1), "+0.004 s (0.002 s): Noise");
            assert_int_equal(shn_record_n_labels(again), 1);
            assert_string_equal(shn_record_label(again, 0), "426783006");
            if (to != W) assert_near(shn_record_measurement(again, 0)->value, 98, 0);
            uint8_t *bytes;
            size_t   n_bytes;
            assert_ok(shn_file_read(path, 1 << 20, &bytes, &n_bytes, &err));
            assert_int_equal(memmem(bytes, n_bytes, "0234567", 7) != NULL, keep);
            assert_int_equal(memmem(bytes, n_bytes, "EMG561", 6) != NULL, keep && to != W);
            free(bytes);
            shn_record_free(rec);
            shn_record_free(again);
        }
}

static void test_unknown_units(void **state)
{
    (void)state;
    shn_error          err = { 0 };
    const char        *folder = test_folder();
    char               path[SHN_PATH_MAX];
    shn_convert_report report;
    static stored s = { .n_leads = 2, .n = 3, .fs = 500, .gain = { 1, 1 }, .v = { { 1000, -2000, 3 }, { 4, 5, 6 } } };
    shn_record *rec = make_record(&s);
    shn_record_set_unit(rec, 0, SHN_UNIT_UNKNOWN);
    snprintf(path, sizeof path, "%s/u.edf", folder);
    assert_status(shn_edf_write(rec, path, NULL, NULL, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_NO_UNIT);
    assert_status(shn_wfdb_write(rec, folder, "u", NULL, NULL, &err), SHN_FORMAT);
    assert_int_equal(shn_path_exists(path), 0);
    shn_record *csv = through(rec, C, folder, "u", &report);
    assert_int_equal(shn_record_unit(csv, 0), SHN_UNIT_UNKNOWN);
    assert_near(shn_record_lead(csv, 0)[1], -2000, 0);
    assert_int_equal(shn_record_assume_unit(rec, 1e-3), 1);
    shn_record *edf = through(rec, E, folder, "u", &report);
    assert_near(shn_record_lead(edf, 0)[1], -2, 1e-6);
    assert_int_equal(integer_of(edf, 0, 1), -2000);
    shn_record_free(csv);
    shn_record_free(edf);
    shn_record_free(rec);
}

/** Awkward rates: seconds of a data record in eight characters. */
static void test_rates_of_edf(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    const char *folder = test_folder();
    static const struct { double fs; size_t n; double within; } cases[] = { { 500, 4999, 0 }, { 360, 21601, 0 }, { 1000.0 / 7, 1001, 1e-12 }, { 333.0 / 7, 701, 1e-6 }, { 799.92321, 1000, 1e-6 },
                                                                          { 0.1, 3, 0 }, { 1e6, 77, 1e-6 }, { 128, 300007, 0 }, { 499.87, 5000, 1e-6 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_convert_report report;
        shn_record        *rec;
        assert_ok(shn_record_new(1, cases[i].n, cases[i].fs, &rec, &err));
        shn_record_set_name(rec, 0, "V1");
        shn_record_set_unit(rec, 0, SHN_UNIT_DECLARED);
        shn_record_lead_mut(rec, 0)[cases[i].n - 1] = 1;
        shn_record *again = through(rec, E, folder, "e", &report);
        assert_int_equal(shn_record_n_samples(again), cases[i].n);
        assert_near(shn_record_fs_hz(again) / cases[i].fs, 1, cases[i].within + 1e-12);
        assert_near(report.fs_error, fabs(shn_record_fs_hz(again) / cases[i].fs - 1), 1e-12);
        assert_near(shn_record_lead(again, 0)[cases[i].n - 1], 1, 1e-6);
        shn_record_free(again);
        shn_record_free(rec);
    }
}

static void test_failing_allocations_and_paths(void **state)
{
    (void)state;
    const char   *folder = test_folder();
    static stored s;
    fill(&s, -32767);
    s.v[0][0] = GAP;
    shn_record *rec = make_record(&s);
    char        path[SHN_PATH_MAX];
    for (step to = W; to <= C; to++) {
        long n = 1;
        for (;; n++) {
            shn_error err = { 0 };
            snprintf(path, sizeof path, "%s/f%s", folder, endings[to]);
            shn_alloc_fail_after(n);
            const shn_status st = to == W ? shn_wfdb_write(rec, folder, "f", NULL, NULL, &err) : to == E ? shn_edf_write(rec, path, NULL, NULL, &err) : shn_csv_write(rec, path, NULL, NULL, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) break;
            assert_int_equal(st, SHN_NOMEM);
            assert_false(shn_path_exists(path));
            assert_true(n < 1000);
        }
        assert_true(n > 1);
    }
    shn_error err = { 0 };
    assert_status(shn_edf_write(rec, "/nonexistent/a.edf", NULL, NULL, &err), SHN_IO);
    assert_status(shn_csv_write(rec, "/nonexistent/a.csv", NULL, NULL, &err), SHN_IO);
    assert_status(shn_wfdb_write(rec, "/nonexistent", "a", NULL, NULL, &err), SHN_IO);
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_records_go_round),
        cmocka_unit_test(test_what_wfdb_cannot_hold),
        cmocka_unit_test(test_integers_beyond_16_bits),
        cmocka_unit_test(test_values_that_were_no_integers),
        cmocka_unit_test(test_edf_writes_days_only),
        cmocka_unit_test(test_what_is_known_goes_along),
        cmocka_unit_test(test_unknown_units),
        cmocka_unit_test(test_rates_of_edf),
        cmocka_unit_test(test_failing_allocations_and_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
