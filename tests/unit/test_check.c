/** shn_check_file: what is told of a record, that parts of a long one add up to the whole, and the reasons for doubt. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "shinden/check.h"
#include "shinden/signal.h"
#include "shinden/wfdb.h"

/** Twelve leads of n samples: a wave of `mv` on I and II, limb leads by the identities, chest leads of their own. */
static shn_record *make_record(size_t n, double mv)
{
    shn_error   err;
    shn_record *rec;
    assert_ok(shn_record_new(SHN_LEADS, n, 500, &rec, &err));
    for (size_t l = 0; l < SHN_LEADS; l++) {
        shn_record_set_name(rec, l, shn_lead_name(l));
        shn_record_set_unit(rec, l, SHN_UNIT_DECLARED);
    }
    for (size_t t = 0; t < n; t++) {
        const double i = round(mv * sin(0.031 * (double)t) * 1000) / 1000, ii = round(mv * cos(0.043 * (double)t) * 500) / 500;
        const double limb[6] = { i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2 };
        for (size_t l = 0; l < SHN_LEADS; l++)
            shn_record_lead_mut(rec, l)[t] = (float)(l < 6 ? limb[l] : mv * sin(0.05 * (double)t + (double)l));
    }
    return rec;
}

/** Writes the record into a new folder and checks it. */
static shn_check *checked(const shn_record *rec, double assume)
{
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX];
    shn_check *c;
    const char *const comments[] = { "Age: 71", "Sex: Female" };
    const char *folder = test_folder();
    assert_ok(shn_wfdb_write16(rec, folder, "r", comments, 2, &err));
    assert_ok(shn_path_join(path, folder, "r.hea", &err));
    assert_ok(shn_check_file(path, NULL, assume, &c, &err));
    return c;
}

static int has_reason(const shn_check *c, shn_reason reason)
{
    for (size_t i = 0; i < c->n_reasons; i++)
        if (c->reasons[i].reason == reason) return 1;
    return 0;
}

static void test_good(void **state)
{
    (void)state;
    shn_record *rec = make_record(5000, 1);
    shn_check  *c = checked(rec, 0);
    assert_int_equal(c->status, SHN_CHECK_OK);
    assert_int_equal(c->n_reasons, 0);
    assert_string_equal(c->format, "wfdb");
    assert_int_equal(c->n_leads, 12);
    assert_int_equal(c->n_samples, 5000);
    assert_near(c->fs_hz, 500, 0);
    assert_int_equal(c->order_proven, 1);
    assert_true(c->einthoven_uv_max < 2);
    assert_near(c->meta.age_years, 71, 0);
    assert_int_equal(c->meta.sex, 'F');
    assert_string_equal(c->leads[3].name, "aVR");
    for (size_t t = 0; t < SHN_CHECK_FIRST; t++) assert_near(c->leads[6].first_mv[t], shn_record_lead(rec, 6)[t], 6e-4);
    assert_near(c->leads[0].max_mv, 1, 2e-3);
    shn_check_free(c);
    shn_record_free(rec);
}

/** The same numbers from parts as from the whole: 12 x 200,000 samples are three parts. */
static void test_parts(void **state)
{
    (void)state;
    const size_t n = 200000, gap = 150000;
    shn_record  *rec = make_record(n, 1);
    assert_true(n * SHN_LEADS > 2 * SHN_CHECK_PART_SAMPLES);
    for (size_t t = gap; t < gap + 100; t++) shn_record_lead_mut(rec, 7)[t] = NAN;
    shn_record_lead_mut(rec, 8)[n - 1] = 3;     /* the largest value stands in the last part */
    shn_check *c = checked(rec, 0);
    assert_int_equal(c->status, SHN_CHECK_WARN);
    assert_int_equal(c->n_samples, n);
    assert_int_equal(c->leads[7].n_missing, 100);
    assert_int_equal(c->leads[6].n_missing, 0);
    assert_near(c->leads[8].max_mv, 3, 1e-3);
    assert_int_equal(c->order_proven, 1);
    assert_true(has_reason(c, SHN_REASON_GAPS));
    assert_non_null(strstr(c->reasons[0].text, "from "));       /* later parts say where */
    shn_check_free(c);
    shn_record_free(rec);
}

static void test_doubts(void **state)
{
    (void)state;
    shn_record *rec = make_record(5000, 1);
    shn_record_set_name(rec, 4, "aVF");
    shn_record_set_name(rec, 5, "aVL");
    shn_check *c = checked(rec, 0);
    assert_int_equal(c->status, SHN_CHECK_WARN);
    assert_true(has_reason(c, SHN_REASON_LEADS_SWAPPED));
    assert_int_equal(c->order_proven, -1);
    shn_check_free(c);
    shn_record_set_name(rec, 4, "aVL");
    shn_record_set_name(rec, 5, "aVF");
    memset(shn_record_lead_mut(rec, 11), 0, 5000 * sizeof(float));
    c = checked(rec, 0);
    assert_true(has_reason(c, SHN_REASON_FLAT_LEAD));
    assert_int_equal(c->leads[11].flat, 1);
    shn_check_free(c);
    shn_record_set_name(rec, 11, "respiration");
    c = checked(rec, 0);
    assert_true(has_reason(c, SHN_REASON_MISSING_LEAD));
    assert_non_null(strstr(c->reasons[0].text, "V6"));
    assert_string_equal(c->leads[11].name, "respiration");
    shn_check_free(c);
    shn_record_free(rec);
}

static void test_refused(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX];
    shn_check *c;
    const char *folder = test_folder();
    assert_ok(shn_path_join(path, folder, "no.hea", &err));
    assert_ok(shn_check_file(path, NULL, 0, &c, &err));
    assert_int_equal(c->status, SHN_CHECK_REFUSED);
    assert_true(has_reason(c, SHN_REASON_NOT_FOUND));
    shn_check_free(c);
    static const char header[] = "r 1 100 10\nr.dat 16 200/mmHg 12 0 0 0 0 II\n";
    assert_ok(shn_path_join(path, folder, "r.hea", &err));
    assert_ok(shn_file_write(path, header, strlen(header), &err));
    assert_ok(shn_path_join(path, folder, "r.dat", &err));
    assert_ok(shn_file_write(path, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, &err));
    assert_ok(shn_check_file(path, NULL, 0, &c, &err));         /* the signal file by itself: its header is the record */
    assert_int_equal(c->status, SHN_CHECK_REFUSED);
    assert_true(has_reason(c, SHN_REASON_COMPANION));
    assert_non_null(strstr(c->reasons[0].text, "r.hea"));
    shn_check_free(c);
    assert_ok(shn_path_join(path, folder, "r.hea", &err));
    assert_ok(shn_check_file(path, NULL, 0, &c, &err));         /* pressure is no voltage */
    assert_int_equal(c->status, SHN_CHECK_REFUSED);
    assert_int_equal(c->n_leads, 0);
    assert_int_equal(c->n_not_voltage, 1);
    assert_true(has_reason(c, SHN_REASON_NO_ECG));
    shn_check_free(c);
}

static void test_no_memory(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX];
    shn_check  *c = NULL;
    shn_record *rec = make_record(1000, 1);
    const char *folder = test_folder();
    long        n = 1;
    assert_ok(shn_wfdb_write16(rec, folder, "r", NULL, 0, &err));
    assert_ok(shn_path_join(path, folder, "r.hea", &err));
    for (;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_check_file(path, NULL, 0, &c, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            const int complete = c->status == SHN_CHECK_WARN && !has_reason(c, SHN_REASON_NO_MEMORY);       /* 2 s of record: one doubt at most */
            shn_check_free(c);
            if (complete || n > 300) break;
        } else {
            assert_int_equal(st, SHN_NOMEM);
            assert_null(c);
        }
        c = NULL;
        if (n > 300) break;
    }
    assert_true(n > 20);
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_parts), cmocka_unit_test(test_doubts), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
