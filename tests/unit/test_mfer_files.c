/** MFER: refusals, cut files, de-identification, and the real file against an independent decoder. */
#include "harness.h"

#include <math.h>

#include "mfer_read.h"

static void test_refusals(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    made_end(m);
    assert_refused(m, SHN_FORMAT, SHN_REASON_NO_ECG, "no waveform");
    m = fresh(0);
    made_head(m, 0x0e, 6, 0);
    made_number(m, 1, 2);
    made_number(m, 10, 4);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "compressed");
    m = fresh(0);
    made_def(m, 0x05, 257, 2);
    assert_refused(m, SHN_RANGE, SHN_REASON_LIMIT, "257 channels");
    m = fresh(0);
    made_def(m, 0x04, 0, 2);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_VALUE, "is 0");
    m = fresh(0);
    made_scaled(m, 0x0c, 0, -6, 0);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_VALUE, "more than 0");
    m = fresh(0);
    made_scaled(m, 0x0b, 2, -3, 1);                                         /* sampled by way, not by time */
    made_wave(m, 1, 1, 2, 0);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "not sampled in time");
    m = fresh(0);
    made_bytes(m, "\x01\x01\x02", 3);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "byte order");
    m = fresh(0);
    made_bytes(m, "\x3f\x00\x04\x3f\x00\x01\x00", 7);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "channel inside a channel");
    m = fresh(0);
    for (int i = 0; i < 12; i++) made_bytes(m, "\x67\x80", 2);
    for (int i = 0; i < 12; i++) made_bytes(m, "\x00\x00", 2);
    assert_refused(m, SHN_RANGE, SHN_REASON_LIMIT, "deeper");
    m = fresh(0);
    made_frame(m, 0x7fffffff, 200, 0x7fffffff);                             /* announces 2^70 bytes */
    made_wave(m, 1, 2, 4, 0);
    assert_refused(m, SHN_FORMAT, SHN_REASON_TRUNCATED, "one sequence");
    m = fresh(0);
    made_frame(m, 1, 1, 2);
    made_wave(m, 1, 1, 2, 0);
    shn_error          err = { 0 };
    shn_record        *rec;
    shn_format_options o = { .first_sample = 2 };
    shn_input          in = input_of(m->b, m->n);
    in.options = &o;
    assert_status(shn_reader_mfer.read(&in, &rec, &err), SHN_RANGE);
}

static void test_every_cut(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    put_people(m);
    made_frame(m, 1, 2, 4);
    made_wave(m, 1, 2, 4, 0);
    const size_t whole = m->n;
    for (m->n = 0; m->n < whole; m->n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        assert_status(read_made(m, &rec, &err), SHN_FORMAT);
        assert_null(rec);
        assert_true(err.reason == SHN_REASON_TRUNCATED || err.reason == SHN_REASON_NO_ECG);
        if (m->n >= 6) assert_true(shn_reader_mfer.recognises(m->b, m->n));
    }
}

static void test_recognition(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    m->n = 0;                                                               /* no preamble */
    made_order(m, 0);
    made_frame(m, 1, 2, 2);
    made_wave(m, 1, 2, 2, 0);
    assert_true(shn_reader_mfer.recognises(m->b, m->n));
    const uint8_t zeros[256] = { 0 };
    assert_false(shn_reader_mfer.recognises(zeros, sizeof zeros));
    assert_false(shn_reader_mfer.recognises(NULL, 0));
    assert_false(shn_reader_mfer.recognises((const uint8_t *)"@ text of some kind", 19));
    assert_false(shn_reader_mfer.recognises((const uint8_t *)"\t\t\t1,2,3\n4,5,6\n", 14));
    assert_false(shn_reader_mfer.recognises((const uint8_t *)"ISHNE1.0", 8));
}

static void test_allocations(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    put_people(m);
    made_frame(m, 1, 2, 4);
    made_wave(m, 1, 2, 4, 0);
    for (long n = 1;; n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        shn_alloc_fail_after(n);
        const shn_status st = read_made(m, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 5);
            shn_record_free(rec);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
}

static void test_deidentify(void **state)
{
    (void)state;
    static const char key[] = "a key of thirty-two bytes, secret";
    for (int big = 0; big < 2; big++) {
        shn_error   err = { 0 };
        shn_record *before, *after;
        shn_deid   *d;
        shn_bytes   out;
        mfer_made  *m = fresh(big);
        put_people(m);
        made_frame(m, 3, 2, 2);
        made_bytes(m, "\x3f\x01\x80\x09\x01\x3e\x16\x09said Taro\x00\x00", 19);      /* a channel's own comment, and an indefinite length */
        made_wave(m, 3, 2, 2, 0);
        made_end(m);
        made_bytes(m, "Yamada", 6);
        assert_ok(read_made(m, &before, &err));
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        const shn_input in = input_of(m->b, m->n);
        assert_ok(shn_reader_mfer.deidentify(&in, d, &out, &err));
        static const char *const gone[] = { "Yamada", "Taro", "PAT-00417", "EX9", "SN-98765", "Sato" };
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) assert_null(memmem(out.bytes, out.n, gone[i], strlen(gone[i])));
        const shn_input rewritten = input_of(out.bytes, out.n);
        assert_ok(shn_reader_mfer.read(&rewritten, &after, &err));
        const shn_record_meta *meta = shn_record_meta_of(after), *had = shn_record_meta_of(before);
        assert_string_equal(meta->patient, shn_deid_patient_of(d));
        assert_int_equal(strlen(meta->patient), 17);
        assert_string_not_equal(meta->acquired, had->acquired);
        assert_string_equal(meta->acquired + 10, had->acquired + 10);       /* the time of day stays */
        assert_string_equal(meta->device, had->device);
        assert_string_equal(meta->filters, had->filters);
        assert_near(meta->age_years, 44, 0);
        assert_int_equal(shn_record_n_measurements(after), 1);
        assert_string_equal(shn_record_statement(after, 0), "event 7 at sample 3 for 2");
        for (size_t lead = 0; lead < 2; lead++) {
            assert_string_equal(shn_record_name(after, lead), shn_record_name(before, lead));
            assert_memory_equal(shn_record_lead(after, lead), shn_record_lead(before, lead), 6 * sizeof(float));
        }
        assert_true(shn_deid_n_changes(d) >= 11);
        shn_record_free(before);
        shn_record_free(after);
        shn_bytes_free(&out);
        for (long n = 1; n < 400; n++) {                                    /* out of memory at every place */
            shn_alloc_fail_after(n);
            const shn_status st = shn_reader_mfer.deidentify(&in, d, &out, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) break;
            assert_int_equal(st, SHN_NOMEM);
            assert_null(out.bytes);
        }
        shn_bytes_free(&out);
        uint8_t *age = memmem(m->b, m->n, "\x83\x07", 2);
        age[2] = 93;                                                        /* over 89: 90, and no birth date */
        assert_ok(shn_reader_mfer.deidentify(&in, d, &out, &err));
        age = memmem(out.bytes, out.n, "\x83\x07", 2);
        assert_non_null(age);
        assert_memory_equal(age + 2, "\x5a\0\0\0\0\0\0", 7);
        shn_bytes_free(&out);
        shn_deid_free(d);
    }
}

static void test_deidentify_refuses(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_deid  *d;
    shn_bytes  out;
    assert_ok(shn_deid_new("sixteen bytes of key", 20, &d, &err));
    mfer_made *m = fresh(0);
    made_text(m, 0x82, "one");
    made_text(m, 0x82, "two");
    made_frame(m, 1, 2, 2);
    made_wave(m, 1, 2, 2, 0);
    shn_input in = input_of(m->b, m->n);
    assert_status(shn_reader_mfer.deidentify(&in, d, &out, &err), SHN_UNSUPPORTED);
    m = fresh(0);
    made_text(m, 0x81, "Yamada^^Taro");
    made_frame(m, 1, 2, 2);
    made_bytes(m, "\x3f\x01\x0b\x09\x09\x00\x00yamada1", 14);
    made_wave(m, 1, 2, 2, 0);
    in = input_of(m->b, m->n);
    assert_status(shn_reader_mfer.deidentify(&in, d, &out, &err), SHN_UNSUPPORTED);
    assert_null(out.bytes);
    shn_deid_free(d);
}

/** Suzuken's sample: the recorder wrote a square wave of 1 mV before the ECG, in both channels, by which the gain is proved. */
static void test_real_file(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX + 64];
    shn_error   err = { 0 };
    shn_record *rec;
    snprintf(path, sizeof path, "%s/formats/mfer/sample.mwf", test_data());
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    assert_int_equal(shn_record_n_leads(rec), 2);
    assert_int_equal(shn_record_n_samples(rec), 225000);
    assert_near(shn_record_fs_hz(rec), 125, 0);
    assert_string_equal(shn_record_name(rec, 0), "I");
    assert_string_equal(shn_record_name(rec, 1), "II");
    assert_string_equal(shn_record_meta_of(rec)->device, "Suzuken Co. Ltd CVS-01 1.21");
    assert_string_equal(shn_record_statement(rec, 0), "Atternate Mode Test Version.");
    assert_true(noted(rec, "preamble says 12 leads"));
    for (size_t lead = 0; lead < 2; lead++) {                               /* by the numbers: low, high by 1 mV, low again, many times */
        const float *x = shn_record_lead(rec, lead);
        int steps = 0;
        for (int i = 1; i < 2000; i++)
            if (fabsf(x[i] - x[i - 1] - 1.0f) < 1e-6f) steps++;
        assert_near(x[9] - x[0], 1.0, 1e-6);
        assert_true(steps >= 5);
    }
    shn_format_options o;
    shn_record *part;
    shn_format_defaults(&o);
    o.first_sample = 123456;
    o.max_samples = 1000;
    assert_ok(shn_record_read(path, &o, &part, &err));
    assert_int_equal(shn_record_n_samples(part), 1000);
    assert_memory_equal(shn_record_lead(part, 1), shn_record_lead(rec, 1) + 123456, 1000 * sizeof(float));
    shn_record_free(part);
    shn_record_free(rec);
}

/** tests/oracle/mfer.py decodes the file on its own way: sums, and some samples in steps. */
static void test_golden(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX + 64], line[512];
    shn_error   err = { 0 };
    shn_record *rec;
    int         n_lines = 0;
    snprintf(path, sizeof path, "%s/formats/mfer/sample.mwf", test_data());
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    FILE *f = fopen(SHN_TESTS_DIR "/golden/mfer_records.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char   name[16];
        int    n, at = 0, used = 0;
        double sum, squares, got = 0, got2 = 0;
        if (*line == '#' || sscanf(line, "sample.mwf %15s %d %lf %lf%n", name, &n, &sum, &squares, &at) != 4) continue;
        const int lead = shn_record_find(rec, name);
        assert_true(lead >= 0 && (size_t)n == shn_record_n_samples(rec));
        const float *x = shn_record_lead(rec, (size_t)lead);
        for (int i = 0; i < n; i++) got += x[i], got2 += (double)x[i] * x[i];
        assert_near(got, sum, 1e-6 * fabs(sum) + 1e-3);
        assert_near(got2, squares, 1e-6 * squares);
        long where;
        double mv;
        for (const char *p = line + at; sscanf(p, " %ld:%lf%n", &where, &mv, &used) == 2; p += used) assert_near(x[where], mv, 1e-6);
        n_lines++;
    }
    fclose(f);
    assert_int_equal(n_lines, 2);
    shn_record_free(rec);
}

/** No other format's sample is taken for MFER. */
static void test_not_others(void **state)
{
    (void)state;
    static const char *const others[] = { "scp/Example.scp", "scp/demo.scp", "edf/0000050.edf", "wfdb/100_3chan.dat", "wfdb/binformats.d1", "dicom/waveform_ecg.dcm", "mat/cpsc2018_A1980.mat",
                                          "hdf5/exams_part_sample.hdf5", "wfdb/a103l.mat", "wfdb/100_3chan.hea" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char        path[SHN_PATH_MAX + 64];
        shn_error   err = { 0 };
        shn_mapping map;
        snprintf(path, sizeof path, "%s/formats/%s", test_data(), others[i]);
        if (access(path, R_OK) != 0) continue;
        assert_ok(shn_file_map(path, &map, &err));
        assert_false(shn_reader_mfer.recognises(map.bytes, map.n_bytes));
        shn_file_unmap(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_recognition),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_deidentify),
        cmocka_unit_test(test_deidentify_refuses),
        cmocka_unit_test(test_real_file),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_not_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
