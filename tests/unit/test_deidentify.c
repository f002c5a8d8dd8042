/** Rules of de-identification: hashes, shifted dates, the audit, and that nothing is written that was not vouched for. */
#include "harness.h"

#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "formats/deidentify.h"

static const char key[] = "a key of thirty-two bytes, secret";
static const char path_sized[SHN_PATH_MAX] = "";

static shn_deid *new_deid(const char *with)
{
    shn_error err;
    shn_deid *d;
    assert_ok(shn_deid_new(with, strlen(with), &d, &err));
    return d;
}

/** RFC 4231, test cases 2 and 6 (a key longer than a block). */
static void test_hmac(void **state)
{
    (void)state;
    uint8_t digest[32], long_key[131];
    char    hex[65];
    static const char data[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    shn_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest);
    shn_sha256_hex(digest, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, 0xaa, sizeof long_key);
    shn_hmac_sha256(long_key, sizeof long_key, data, strlen(data), digest);
    shn_sha256_hex(digest, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_patients(void **state)
{
    (void)state;
    char      a[SHN_DEID_PATIENT_MAX], b[SHN_DEID_PATIENT_MAX], cut[8];
    shn_deid *d = new_deid(key), *other = new_deid("another key, not the same at all");
    shn_deid_patient(d, "123456");
    shn_deid_id(d, a, sizeof a);
    assert_int_equal(a[0], 'P');
    assert_int_equal(strlen(a), 17);
    assert_null(strstr(a, "123456"));
    shn_deid_patient(d, "  123456\n");          /* spaces around an id are not part of it */
    shn_deid_id(d, b, sizeof b);
    assert_string_equal(a, b);
    shn_deid_id(d, cut, sizeof cut);
    assert_int_equal(strlen(cut), 7);
    assert_memory_equal(cut, a, 7);
    shn_deid_patient(d, "123457");
    shn_deid_id(d, b, sizeof b);
    assert_string_not_equal(a, b);
    shn_deid_patient(other, "123456");          /* another key, another patient */
    shn_deid_id(other, b, sizeof b);
    assert_string_not_equal(a, b);
    shn_deid_free(d);
    shn_deid_free(other);
}

static long day_number(int y, int m, int day)
{
    struct tm t = { .tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = day };      /* midnight: a whole number of days, on both sides of 1970 */
    return (long)(timegm(&t) / 86400);
}

/** The same shift for every date of a patient, 1 to 365 days back, across leap days and centuries; checked against the C library's calendar. */
static void test_dates(void **state)
{
    (void)state;
    shn_error err;
    shn_deid *d = new_deid(key);
    long      least = 0, most = -400;
    for (int p = 0; p < 400; p++) {
        static const int dates[6][3] = { { 2024, 2, 29 }, { 2000, 3, 1 }, { 1900, 3, 1 }, { 1970, 1, 1 }, { 1899, 12, 31 }, { 2100, 12, 31 } };
        char patient[16];
        long shift = 0;
        snprintf(patient, sizeof patient, "p%d", p);
        shn_deid_patient(d, patient);
        for (int i = 0; i < 6; i++) {
            int y = dates[i][0], m = dates[i][1], day = dates[i][2];
            assert_ok(shn_deid_date(d, &y, &m, &day, &err));
            const long moved = day_number(y, m, day) - day_number(dates[i][0], dates[i][1], dates[i][2]);
            if (i == 0) shift = moved;
            assert_int_equal(moved, shift);
        }
        assert_true(shift >= -365 && shift <= -1);
        if (shift < least) least = shift;
        if (shift > most) most = shift;
    }
    assert_true(least < -340 && most > -25);    /* the shifts are spread over the year */
    int y = 2023, m = 2, day = 29;
    assert_status(shn_deid_date(d, &y, &m, &day, &err), SHN_RANGE);
    assert_int_equal(day, 29);
    shn_deid_free(d);
}

static void test_date_texts(void **state)
{
    (void)state;
    shn_error err;
    shn_deid *d = new_deid(key);
    shn_deid_patient(d, "x");
    int y = 1999, m = 5, day = 17;
    assert_ok(shn_deid_date(d, &y, &m, &day, &err));
    char want[4][40], got[4][40] = { "19990517", "1999-05-17T10:11:12", "17-05-1999", "17/05/1999 rest" };
    snprintf(want[0], 40, "%04d%02d%02d", y, m, day);
    snprintf(want[1], 40, "%04d-%02d-%02dT10:11:12", y, m, day);
    snprintf(want[2], 40, "%02d-%02d-%04d", day, m, y);
    snprintf(want[3], 40, "%02d/%02d/%04d rest", day, m, y);
    for (int i = 0; i < 4; i++) {
        assert_ok(shn_deid_date_text(d, got[i], i >= 2, &err));
        assert_string_equal(got[i], want[i]);
    }
    char none[] = "Tanaka, 1999";
    assert_status(shn_deid_date_text(d, none, 0, &err), SHN_RANGE);
    assert_null(strstr(err.text, "Tanaka"));    /* the error does not repeat what may be a name */
    assert_int_equal(shn_deid_age(89), 89);
    assert_int_equal(shn_deid_age(90), 90);
    assert_int_equal(shn_deid_age(104), 90);
    shn_deid_free(d);
}

static void test_errors(void **state)
{
    (void)state;
    shn_error err;
    shn_deid *d;
    char      path[SHN_PATH_MAX], out[SHN_DEID_PATH_MAX];
    const char *folder = test_folder();
    assert_status(shn_deid_new("short", 5, &d, &err), SHN_RANGE);
    d = new_deid(key);
    assert_ok(shn_path_join(path, folder, "note.txt", &err));
    assert_ok(shn_file_write(path, "no ECG at all", 13, &err));
    assert_status(shn_deid_file(d, path, folder, out, &err), SHN_FORMAT);
    assert_string_equal(out, "");
    assert_status(shn_deid_companion(d, "../a.dat", "b.dat", &err), SHN_FORMAT);
    shn_deid_free(d);
}

/** Files that fuzzing found, whose rewriting changes what is read: refused, and nothing is left in the folder. */
static void test_not_vouched_for(void **state)
{
    (void)state;
    static const struct { const char *file, *why; } cases[] = {
        { "cardiosoft/data_in_data.xml", "does not give the same samples" },
        { "mfer/unrecognised_rewritten.mwf", "no longer be recognised as MFER" },
    };
    shn_deid *d = new_deid(key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char      path[SHN_PATH_MAX + 64], out[SHN_DEID_PATH_MAX];
        shn_error err = { 0 };
        snprintf(path, sizeof path, "%s/fuzz/corpus/%s", SHN_TESTS_DIR, cases[i].file);
        assert_status(shn_deid_file(d, path, test_folder(), out, &err), SHN_UNSUPPORTED);
        assert_non_null(strstr(err.text, cases[i].why));
        assert_string_equal(out, "");
    }
    shn_deid_free(d);
}

/** Notes and bytes keep what they had when memory runs out. */
static void test_no_memory(void **state)
{
    (void)state;
    shn_error err;
    shn_deid *d = new_deid(key);
    shn_bytes b = { 0 };
    assert_ok(shn_bytes_add(&b, "abc", 3, &err));
    assert_ok(shn_deid_note(d, "byte 8", "patient name", "removed", &err));
    for (int n = 1; n <= 4; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_deid_note(d, "p", "w", "d", &err);
        shn_alloc_fail_after(0);
        assert_int_equal(st == SHN_OK, shn_deid_n_changes(d) == 2);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
    }
    assert_string_equal(shn_deid_change_at(d, 0).what, "patient name");
    shn_alloc_fail_after(1);
    const shn_status st = shn_bytes_add(&b, path_sized, sizeof path_sized, &err);
    shn_alloc_fail_after(0);
    assert_int_equal(st, SHN_NOMEM);
    assert_int_equal(b.n, 3);
    assert_memory_equal(b.bytes, "abc", 3);
    shn_bytes_free(&b);
    shn_deid_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac),       cmocka_unit_test(test_patients), cmocka_unit_test(test_dates),
        cmocka_unit_test(test_date_texts), cmocka_unit_test(test_errors), cmocka_unit_test(test_not_vouched_for),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
