/** ISHNE Holter: files made by hand, the checksum by another way, counts of both kinds, cut files, parts of very long recordings, rewriting. */
#include "harness.h"

#include <fcntl.h>
#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/ishne/ishne.h"
#include "ishne_writer.h"
#include "shinden/signal.h"

static shn_format_options defaults;
static ishne_made made;

static shn_input input_of(const uint8_t *bytes, size_t n) { return (shn_input){ .bytes = bytes, .n_bytes = n, .name = "made.ecg", .options = &defaults }; }

static shn_status read_bytes(const uint8_t *bytes, size_t n, shn_record **rec, shn_error *err)
{
    uint8_t *exact = malloc(n ? n : 1);                 /* exact size, so that sanitizers see an overrun */
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    const shn_input  in = input_of(exact, n);
    const shn_status st = shn_reader_ishne.read(&in, rec, err);
    free(exact);
    return st;
}
static shn_status read_made(shn_record **rec, shn_error *err) { return read_bytes(made.b, made.n, rec, err); }

static void assert_refused(shn_status status, shn_reason reason, const char *words)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    assert_status(read_made(&rec, &err), status);
    if (err.reason != reason || !strstr(err.text, words)) fail_msg("%s: %s", shn_reason_name(err.reason), err.text);
    assert_null(rec);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(ishne_crc((const uint8_t *)"123456789", 9), 0x29b1);           /* the published check value of CRC-16/CCITT-FALSE */
    assert_int_equal(ishne_made_crc((const uint8_t *)"123456789", 9), 0x29b1);
}

static void test_twelve_leads(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    ishne_make(&made, 12, 50);
    assert_true(shn_reader_ishne.recognises(made.b, made.n));
    assert_ok(read_made(&rec, &err));
    assert_int_equal(shn_record_n_leads(rec), 12);
    assert_int_equal(shn_record_n_samples(rec), 50);
    assert_near(shn_record_fs_hz(rec), 200, 0);
    for (size_t l = 0; l < 12; l++) {
        assert_string_equal(shn_record_name(rec, l), shn_lead_name(l));
        assert_int_equal(shn_record_unit(rec, l), SHN_UNIT_DECLARED);
        assert_near(shn_record_calibration(rec, l).gain_adu_per_mv, 400, 1e-9);
        for (int i = 0; i < 50; i++) assert_near(shn_record_lead(rec, l)[i], (10 * i + (int)l) * 0.0025, 1e-6);
    }
    const shn_record_meta *meta = shn_record_meta_of(rec);
    assert_string_equal(meta->patient, "PAT-00417");
    assert_string_equal(meta->acquired, "2021-03-01T09:17:34");
    assert_string_equal(meta->device, "digital");
    assert_string_equal(meta->id, "made");
    assert_string_equal(meta->format, "ishne 1.0");
    assert_near(meta->age_years, 61, 0);
    assert_int_equal(meta->sex, 'F');
    assert_int_equal(shn_record_n_notes(rec), 0);
    assert_string_equal(shn_record_statement(rec, 0), "Pacemaker: dual chamber, bipolar");
    shn_record_free(rec);
}

static void test_nothing_is_memorised(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    ishne_make(&made, 3, 20);
    ishne_put(&made, 206 + 2, 10000, 2);                /* the second lead's step */
    ishne_put(&made, 158 + 4, 16, 2);                   /* the third is V6 */
    ishne_put(&made, made.ecg + 2 * (3 * 7 + 1), -5, 2);
    ishne_sign(&made);
    assert_ok(read_made(&rec, &err));
    assert_near(shn_record_lead(rec, 1)[7], -0.05, 1e-8);
    assert_near(shn_record_lead(rec, 1)[8], 0.81, 1e-6);
    assert_near(shn_record_lead(rec, 0)[8], 0.2, 1e-7);
    assert_string_equal(shn_record_name(rec, 2), "V6");
    shn_record_free(rec);
    ishne_put(&made, 206, -9, 2);                       /* no step: no unit */
    ishne_sign(&made);
    assert_ok(read_made(&rec, &err));
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);
    assert_near(shn_record_lead(rec, 0)[8], 80, 0);
    shn_record_free(rec);
}

static void test_leads_and_quality(void **state)
{
    (void)state;
    static const struct { int code; const char *name; } cases[] = { { 0, "channel 2" }, { 1, "bipolar 2" }, { 2, "X" }, { 4, "Z" }, { 17, "ES" }, { 18, "AS" }, { 19, "AI" }, { 20, "channel 2" },
                                                                    { -9, "channel 2" }, { 10, "aVF" } };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_error   err = { 0 };
        shn_record *rec;
        ishne_make(&made, 2, 4);
        ishne_put(&made, 158 + 2, cases[c].code, 2);
        ishne_put(&made, 182 + 2, 5, 2);
        ishne_sign(&made);
        assert_ok(read_made(&rec, &err));
        assert_string_equal(shn_record_name(rec, 1), cases[c].name);
        assert_true(shn_record_has_note(rec, SHN_REASON_NOISE));
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_MISSING_LEAD), cases[c].code == -9);
        shn_record_free(rec);
    }
}

static void test_counts(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    static const struct { int said; size_t got; const char *words; } cases[] = { { 40, 40, NULL }, { 120, 40, "all leads together" }, { -9, 40, "does not count" }, { 30, 30, "60 bytes follow" } };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ishne_make(&made, 3, 40);
        ishne_put(&made, 14, cases[c].said, 4);
        ishne_sign(&made);
        assert_ok(read_made(&rec, &err));
        assert_int_equal(shn_record_n_samples(rec), cases[c].got);
        assert_int_equal(shn_record_n_notes(rec), cases[c].words ? 1 : 0);
        if (cases[c].words) assert_non_null(strstr(shn_record_note(rec, 0)->text, cases[c].words));
        shn_record_free(rec);
    }
    ishne_make(&made, 3, 40);
    made.n -= 2 * 3 * 10 + 1;                           /* ten samples and a byte are missing */
    assert_refused(SHN_FORMAT, SHN_REASON_TRUNCATED, "says 40 samples of 3 leads, the file holds 29");
    made.n = made.ecg;
    assert_refused(SHN_FORMAT, SHN_REASON_TRUNCATED, "holds none");
    made.n = 525;
    assert_refused(SHN_FORMAT, SHN_REASON_TRUNCATED, "before the ECG");
    made.n = 100;
    assert_refused(SHN_FORMAT, SHN_REASON_TRUNCATED, "header alone");
}

static void test_checksum(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    ishne_make(&made, 2, 4);
    made.b[30] ^= 1;
    assert_refused(SHN_FORMAT, SHN_REASON_CHECKSUM, "damaged");
    shn_format_options o = defaults;
    shn_input          in = input_of(made.b, made.n);
    o.verify_checksums = 0;
    in.options = &o;
    assert_ok(shn_reader_ishne.read(&in, &rec, &err));
    assert_true(shn_record_has_note(rec, SHN_REASON_CHECKSUM));
    shn_record_free(rec);
    ishne_make(&made, 2, 4);
    made.b[525] ^= 1;                                   /* the variable block is summed, too */
    assert_refused(SHN_FORMAT, SHN_REASON_CHECKSUM, "damaged");
    made.b[8] = made.b[9] = 0;                          /* none */
    assert_ok(read_made(&rec, &err));
    assert_true(shn_record_has_note(rec, SHN_REASON_CHECKSUM));
    shn_record_free(rec);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { size_t at; long value; int bytes; shn_reason reason; const char *words; } cases[] = {
        { 156, 13, 2, SHN_REASON_BAD_HEADER, "13 leads" },       { 156, 0, 2, SHN_REASON_BAD_HEADER, "0 leads" },     { 272, 0, 2, SHN_REASON_BAD_VALUE, "0 Hz" },
        { 272, -9, 2, SHN_REASON_BAD_VALUE, "-9 Hz" },           { 22, 100, 4, SHN_REASON_BAD_HEADER, "byte 22" },    { 22, 0x7fffffff, 4, SHN_REASON_BAD_HEADER, "byte 22" },
        { 10, -1, 4, SHN_REASON_BAD_HEADER, "byte 10" },         { 10, 9, 4, SHN_REASON_BAD_HEADER, "byte 18" },      { 18, 0, 4, SHN_REASON_BAD_HEADER, "byte 18" },
        { 14, 0x7fffffff, 4, SHN_REASON_TRUNCATED, "says 2147483647 samples" },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ishne_make(&made, 2, 4);
        ishne_put(&made, cases[c].at, cases[c].value, cases[c].bytes);
        ishne_sign(&made);
        assert_refused(SHN_FORMAT, cases[c].reason, cases[c].words);
    }
    ishne_make(&made, 2, 4);
    memcpy(made.b, "ANN  1.0", 8);
    assert_true(shn_reader_ishne.recognises(made.b, made.n));
    assert_refused(SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "annotations");
    ishne_make(&made, 2, 4);
    for (made.n = 0; made.n < made.ecg + 16; made.n++) {                    /* cut at every byte */
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        if (made.n / 2 == (made.ecg + 8) / 2) {         /* four steps in all: the count of four may be of all leads; that is noted */
            const shn_status st = read_made(&rec, &err);
            if (st == SHN_OK) assert_true(shn_record_n_samples(rec) == 2 && shn_record_has_note(rec, SHN_REASON_BAD_VALUE));
            shn_record_free(rec);
            continue;
        }
        assert_status(read_made(&rec, &err), SHN_FORMAT);
        assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
    }
    assert_false(shn_reader_ishne.recognises((const uint8_t *)"ISHNE1.", 7));
    assert_false(shn_reader_ishne.recognises(NULL, 0));
}

static void test_parts(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *whole, *part;
    ishne_make(&made, 12, 40);
    assert_ok(read_made(&whole, &err));
    for (size_t first = 0; first < 40; first += 3)
        for (size_t n = 0; n < 45; n += 4) {
            shn_format_options o = defaults;
            shn_input          in = input_of(made.b, made.n);
            o.first_sample = first;
            o.max_samples = n;
            in.options = &o;
            assert_ok(shn_reader_ishne.read(&in, &part, &err));
            assert_int_equal(shn_record_n_samples(part), n == 0 || n > 40 - first ? 40 - first : n);
            for (size_t l = 0; l < 12; l++) assert_memory_equal(shn_record_lead(part, l), shn_record_lead(whole, l) + first, shn_record_n_samples(part) * sizeof(float));
            assert_int_equal(shn_record_meta_of(part)->total_samples, 40);
            shn_record_free(part);
        }
    shn_record_free(whole);
}

static long pages_touched(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_minflt + use.ru_majflt;
}

/** Pages that reading a minute of a recording of `hours` hours touches (12 leads, 1000 Hz; a sparse file), and where that minute is. */
static long pages_of(const char *path, double hours, size_t first, shn_record **rec)
{
    shn_error err = { 0 };
    const size_t samples = (size_t)(hours * 3600) * 1000;
    ishne_make(&made, 12, 0);
    ishne_put(&made, 14, (long)samples, 4);
    ishne_put(&made, 272, 1000, 2);
    ishne_sign(&made);
    const int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, made.b, made.ecg), (ssize_t)made.ecg);
    assert_int_equal(ftruncate(fd, (off_t)(made.ecg + samples * 24)), 0);
    const uint8_t mark[2] = { 0x10, 0x27 };             /* 10000 steps in lead I at the minute's third sample */
    assert_int_equal(pwrite(fd, mark, 2, (off_t)(made.ecg + (first + 2) * 24)), 2);
    close(fd);
    shn_format_options o = defaults;
    o.first_sample = first;
    o.max_samples = 60000;
    shn_mapping whole;
    const long  before = pages_touched();
    assert_ok(shn_file_map(path, &whole, &err));
    shn_file_unmap(&whole);
    const long mapped = pages_touched();                /* a page or two; under an emulator, its own tables of what is mapped */
    assert_ok(shn_record_read(path, &o, rec, &err));
    const long after = pages_touched();
    unlink(path);
    return (after - mapped) - (mapped - before);
}

/** A minute out of 24 hours (2.07 GB) costs what a minute out of two minutes costs: no more memory is touched. */
static void test_a_day_is_read_in_parts(void **state)
{
    (void)state;
    char        path[300];
    shn_record *rec;
    snprintf(path, sizeof path, "%s/day.ecg", test_folder());
    pages_of(path, 2.0 / 60, 30000, &rec);              /* warm up the allocator */
    shn_record_free(rec);
    const long two_minutes = pages_of(path, 2.0 / 60, 30000, &rec);
    shn_record_free(rec);
    const long day = pages_of(path, 24, 70000000, &rec);
    assert_near(shn_record_lead(rec, 0)[2], 25, 1e-5);
    assert_near(shn_record_lead(rec, 0)[3], 0, 0);
    assert_int_equal(shn_record_n_samples(rec), 60000);
    assert_int_equal(shn_record_meta_of(rec)->first_sample, 70000000);
    assert_int_equal(shn_record_meta_of(rec)->total_samples, 86400000);
    shn_record_free(rec);
    printf("pages touched: a minute of two %ld, of a day %ld\n", two_minutes, day);
    assert_true(day < two_minutes + 300);               /* of 4 KiB; the day has 506,000 */
}

static void test_allocations(void **state)
{
    (void)state;
    ishne_make(&made, 2, 4);
    for (long n = 1;; n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        shn_alloc_fail_after(n);
        const shn_status st = read_made(&rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 3);
            shn_record_free(rec);
            return;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
}

static void test_deidentify(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *before, *after;
    shn_deid   *d;
    shn_bytes   out;
    ishne_make(&made, 3, 20);
    memcpy(made.b + made.n, "Yamada", 6);               /* something behind the samples */
    made.n += 6;
    assert_ok(read_made(&before, &err));
    assert_ok(shn_deid_new("sixteen bytes of key", 20, &d, &err));
    const shn_input in = input_of(made.b, made.n);
    assert_ok(shn_reader_ishne.deidentify(&in, d, &out, &err));
    static const char *const gone[] = { "Yamada", "Hanako", "PAT-0041", "4711", "hospital" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) assert_null(memmem(out.bytes, out.n, gone[i], strlen(gone[i])));
    assert_int_equal(out.n, 522 + 3 * 20 * 2);
    assert_memory_equal(out.bytes + 522, made.b + made.ecg, 3 * 20 * 2);
    assert_int_equal(ishne_made_crc(out.bytes + 10, 512), out.bytes[8] | out.bytes[9] << 8);
    assert_ok(read_bytes(out.bytes, out.n, &after, &err));
    const shn_record_meta *meta = shn_record_meta_of(after);
    assert_memory_equal(meta->patient, shn_deid_patient_of(d), 17);
    assert_string_not_equal(meta->acquired, shn_record_meta_of(before)->acquired);
    assert_string_equal(meta->acquired + 10, "T09:17:34");
    assert_near(meta->age_years, 61, 1);                /* both dates moved by the same days; a leap day may lie between */
    assert_string_equal(meta->device, "digital");
    assert_int_equal(shn_record_n_notes(after), 0);
    assert_int_equal(shn_deid_n_changes(d), 10);
    shn_record_free(before);
    shn_record_free(after);
    shn_bytes_free(&out);
    ishne_put(&made, 136, 1900, 2);                     /* over 89 */
    ishne_sign(&made);
    assert_ok(shn_reader_ishne.deidentify(&in, d, &out, &err));
    assert_memory_equal(out.bytes + 132, "\xf7\xff\xf7\xff\xf7\xff", 6);
    shn_bytes_free(&out);
    made.b[40] ^= 1;
    assert_status(shn_reader_ishne.deidentify(&in, d, &out, &err), SHN_FORMAT);
    ishne_sign(&made);
    for (long n = 1; n < 100; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_reader_ishne.deidentify(&in, d, &out, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(out.bytes);
    }
    shn_bytes_free(&out);
    shn_deid_free(d);
}

/** tests/oracle/ishne.py made the same recording by numbers of its own: reader, writer and oracle agree on every byte that matters. */
static void test_golden(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX], line[256];
    shn_error   err = { 0 };
    shn_record *rec;
    uint8_t    *bytes;
    size_t      n_bytes;
    int         n_lines = 0;
    snprintf(path, sizeof path, "%s/golden/ishne_made.ecg", SHN_TESTS_DIR);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n_bytes, &err));
    assert_ok(read_bytes(bytes, n_bytes, &rec, &err));
    snprintf(path, sizeof path, "%s/golden/ishne_made.txt", SHN_TESTS_DIR);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char   name[16];
        int    n;
        double sum, squares, first, last, got = 0, got2 = 0;
        if (*line == '#' || sscanf(line, "%15s %d %lf %lf %lf %lf", name, &n, &sum, &squares, &first, &last) != 6) continue;
        const int lead = shn_record_find(rec, name);
        assert_true(lead >= 0 && (size_t)n == shn_record_n_samples(rec));
        const float *x = shn_record_lead(rec, (size_t)lead);
        for (int i = 0; i < n; i++) got += x[i], got2 += (double)x[i] * x[i];
        assert_near(got, sum, 1e-4);
        assert_near(got2, squares, 1e-4);
        assert_near(x[0], first, 1e-6);
        assert_near(x[n - 1], last, 1e-6);
        n_lines++;
    }
    fclose(f);
    assert_int_equal(n_lines, 3);
    shn_record_free(rec);
    free(bytes);
}

int main(void)
{
    shn_format_defaults(&defaults);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),      cmocka_unit_test(test_twelve_leads), cmocka_unit_test(test_nothing_is_memorised), cmocka_unit_test(test_leads_and_quality),
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_checksum),     cmocka_unit_test(test_refusals),             cmocka_unit_test(test_parts),
        cmocka_unit_test(test_a_day_is_read_in_parts), cmocka_unit_test(test_allocations), cmocka_unit_test(test_deidentify), cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
