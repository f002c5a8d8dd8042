/**
 * WFDB beyond whole plain records: FLAC streams from a writer of our own, parts of every kind of record against the whole, calibration, what
 * headers say in words, de-identification, and a day of twelve leads read without being held.
 */
#include "harness.h"

#include <math.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/peek.h"
#include "flac_writer.h"
#include "shinden/deidentify.h"
#include "shinden/signal.h"
#include "shinden/wfdb.h"

typedef struct memory_file { const char *name; const void *bytes; size_t n; } memory_file;
typedef struct memory { memory_file files[12]; size_t n; } memory;

static shn_status lend(void *context, const char *name, const uint8_t **bytes, size_t *n_bytes, shn_error *err)
{
    memory *m = context;
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->files[i].name, name) == 0) {
            *bytes = m->files[i].bytes;
            *n_bytes = m->files[i].n;
            return SHN_OK;
        }
    err->status = SHN_IO;
    err->reason = SHN_REASON_NOT_FOUND;
    return SHN_IO;
}

static void give_back(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

static void add_file(memory *m, const char *name, const void *bytes, size_t n) { m->files[m->n++] = (memory_file){ name, bytes, n }; }

static shn_status read_part(memory *m, const char *header, size_t first, size_t n, shn_record **rec, shn_error *err)
{
    const shn_source   source = { m, lend, give_back };
    shn_format_options o;
    shn_format_defaults(&o);
    o.first_sample = first;
    o.max_samples = n;
    return shn_wfdb_read((const uint8_t *)header, strlen(header), &source, &o, rec, err);
}

static shn_status read_whole(memory *m, const char *header, shn_record **rec, shn_error *err) { return read_part(m, header, 0, 0, rec, err); }

/* ---- FLAC ---- */

enum { FLAC_N = 700, FLAC_BLOCK = 64, FLAC_BYTES = 16384 };
typedef struct flac_fixture { int a[FLAC_N], b[FLAC_N]; uint8_t bytes[FLAC_BYTES]; size_t n; } flac_fixture;

static void make_flac(flac_fixture *f, unsigned bits, uint64_t announced, const char *comment)
{
    const int top = (1 << (bits - 1)) - 1;
    const int *const v[2] = { f->a, f->b };
    for (int i = 0; i < FLAC_N; i++) {
        f->a[i] = i == 0 ? top : i == 1 ? -top : (i * 7919) % 201 - 100;
        f->b[i] = i < 128 ? 5 : i == 300 ? -top - 1 : i % 50 - 25;      /* two constant blocks; the invalid value */
    }
    f->n = flac_write(v, 2, bits, FLAC_N, FLAC_BLOCK, announced, comment, f->bytes);
    assert_true(f->n <= FLAC_BYTES);
}

static void test_flac_formats(void **state)
{
    (void)state;
    static flac_fixture f;
    for (unsigned bits = 8; bits <= 24; bits += 8)
        for (int announced = 0; announced < 2; announced++) {
            shn_error   err = { 0 };
            shn_record *rec, *part;
            memory      m = { .n = 0 };
            char        header[256];
            unsigned    sum[2] = { 0, 0 };
            make_flac(&f, bits, announced ? FLAC_N : 0, NULL);
            for (int i = 0; i < FLAC_N; i++) sum[0] += (unsigned)f.a[i], sum[1] += (unsigned)f.b[i];
            add_file(&m, "a.dat", f.bytes, f.n);
            snprintf(header, sizeof header, "a 2 500 %d\na.dat %u 100(7)/mV 0 0 0 %d 0 I\na.dat %u 50 0 0 0 %d 0 II\n", FLAC_N, 500 + bits, (int)(int16_t)sum[0],
                     500 + bits, (int)(int16_t)sum[1]);
            assert_ok(read_whole(&m, header, &rec, &err));
            assert_int_equal(shn_record_n_samples(rec), FLAC_N);
            for (int i = 0; i < FLAC_N; i++) {
                assert_true(shn_record_lead(rec, 0)[i] == (float)((f.a[i] - 7.0) * 0.01));
                if (i == 300) assert_true(isnan(shn_record_lead(rec, 1)[i]));
                else assert_true(shn_record_lead(rec, 1)[i] == (float)(f.b[i] * 0.02));
            }
            assert_int_equal(shn_record_calibration(rec, 0).bits, (int)bits);
            for (size_t first = 0; first < FLAC_N; first += 37) {       /* inside blocks, across them, at the end */
                assert_ok(read_part(&m, header, first, 100, &part, &err));
                const size_t n = shn_record_n_samples(part);
                assert_int_equal(n, FLAC_N - first < 100 ? FLAC_N - first : 100);
                for (size_t l = 0; l < 2; l++) assert_memory_equal(shn_record_lead(part, l), shn_record_lead(rec, l) + first, n * sizeof(float));
                shn_record_free(part);
            }
            shn_record_free(rec);
            f.bytes[f.n - 40] ^= 1;             /* a frame's own checksum */
            assert_status(read_whole(&m, header, &rec, &err), SHN_FORMAT);
            assert_int_equal(err.reason, SHN_REASON_CHECKSUM);
            f.bytes[f.n - 40] ^= 1;
            m.files[0].n = f.n - 200;
            assert_status(read_whole(&m, header, &rec, &err), SHN_FORMAT);
            assert_true(err.reason == SHN_REASON_TRUNCATED || err.reason == SHN_REASON_CHECKSUM);
        }
}

/** One sample, the gain and the offset of a FLAC record changed: the output follows. */
static void test_flac_is_not_memorised(void **state)
{
    (void)state;
    static flac_fixture f;
    shn_error   err = { 0 };
    shn_record *rec;
    memory      m = { .n = 0 };
    const int *const v[2] = { f.a, f.b };
    make_flac(&f, 16, FLAC_N, NULL);
    f.a[450] = 12345;
    f.n = flac_write(v, 2, 16, FLAC_N, FLAC_BLOCK, FLAC_N, NULL, f.bytes);
    add_file(&m, "a.dat", f.bytes, f.n);
    assert_ok(read_whole(&m, "a 2 500\na.dat 516 200(45)/uV\na.dat 516\n", &rec, &err));      /* length from the stream */
    assert_near(shn_record_lead(rec, 0)[450], (12345 - 45) / 200.0 * 1e-3, 1e-7);
    shn_record_free(rec);
}

static void test_flac_refusals(void **state)
{
    (void)state;
    static flac_fixture f;
    shn_error   err = { 0 };
    shn_record *rec;
    static const struct { const char *header; shn_status status; shn_reason reason; } cases[] = {
        { "a 1 500 10\na.dat 516\n", SHN_FORMAT, SHN_REASON_BAD_HEADER },                           /* two channels */
        { "a 2 500 10\na.dat 508\na.dat 508\n", SHN_FORMAT, SHN_REASON_BAD_HEADER },                /* 16 bits */
        { "a 2 500 10\na.dat 516x2\na.dat 516\n", SHN_FORMAT, SHN_REASON_BAD_HEADER },
        { "a 2 500 10\na.dat 516\na.dat 16\n", SHN_FORMAT, SHN_REASON_BAD_HEADER },
        { "a 2 500 10\na.dat 516+4\na.dat 516+4\n", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED },
        { "a 2 500 701\na.dat 516\na.dat 516\n", SHN_FORMAT, SHN_REASON_TRUNCATED },
    };
    make_flac(&f, 16, FLAC_N, NULL);
    memory m = { .n = 0 };
    add_file(&m, "a.dat", f.bytes, f.n);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        assert_status(read_whole(&m, cases[c].header, &rec, &err), cases[c].status);
        if (err.reason != cases[c].reason) fail_msg("%s: %s", cases[c].header, err.text);
    }
    make_flac(&f, 16, UINT64_C(1) << 35, NULL);         /* more than so few bytes can hold, before memory is taken */
    m.files[0].n = f.n;
    assert_status(read_whole(&m, "a 2 500\na.dat 516\na.dat 516\n", &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
    make_flac(&f, 16, 0, NULL);                         /* nobody says how long it is */
    m.files[0].n = f.n;
    assert_status(read_whole(&m, "a 2 500\na.dat 516\na.dat 516\n", &rec, &err), SHN_UNSUPPORTED);
    static const struct { size_t at; uint8_t value; } broken[] = { { 0, 'F' }, { 4, 1 }, { 7, 33 }, { 5, 0xff }, { 8, 0 } };
    for (size_t c = 0; c < sizeof broken / sizeof *broken; c++) {
        make_flac(&f, 16, FLAC_N, NULL);
        f.bytes[broken[c].at] = broken[c].value;
        if (broken[c].at == 8) memset(f.bytes + 8, 0, 4);       /* blocks of no samples */
        assert_status(read_whole(&m, "a 2 500 10\na.dat 516\na.dat 516\n", &rec, &err), SHN_FORMAT);
        assert_null(rec);
    }
    for (size_t n = 0; n < f.n; n += n < 60 ? 1 : 97) {         /* cut anywhere */
        make_flac(&f, 16, FLAC_N, NULL);
        m.files[0].n = n;
        assert_status(read_whole(&m, "a 2 500 700\na.dat 516\na.dat 516\n", &rec, &err), SHN_FORMAT);
    }
}

/* ---- parts ---- */

/** Every part of a record equals that part of the whole. */
static void check_parts(memory *m, const char *header)
{
    shn_error   err = { 0 };
    shn_record *whole, *part;
    assert_ok(read_whole(m, header, &whole, &err));
    const size_t n = shn_record_n_samples(whole);
    for (size_t first = 0; first < n; first++)
        for (size_t count = 1; count <= n - first + 1; count++) {
            assert_ok(read_part(m, header, first, count, &part, &err));
            const size_t got = shn_record_n_samples(part), expected = n - first < count ? n - first : count;
            assert_int_equal(got, expected);
            assert_int_equal(shn_record_meta_of(part)->first_sample, first);
            assert_int_equal(shn_record_meta_of(part)->total_samples, n);
            for (size_t l = 0; l < shn_record_n_leads(whole); l++)
                if (memcmp(shn_record_lead(part, l), shn_record_lead(whole, l) + first, got * sizeof(float)) != 0)
                    fail_msg("%s: samples %zu to %zu of lead %zu differ from the whole", header, first, first + count, l);
            shn_record_free(part);
        }
    assert_status(read_part(m, header, n, 1, &part, &err), SHN_RANGE);
    assert_null(part);
    shn_record_free(whole);
}

static void test_parts_equal_the_whole(void **state)
{
    (void)state;
    memory  m = { .n = 0 };
    uint8_t bytes[96];
    for (int i = 0; i < 96; i++) bytes[i] = (uint8_t)(i * 37 + i / 7);
    add_file(&m, "a.dat", bytes, sizeof bytes);
    add_file(&m, "b.dat", bytes, 48);
    static const char s1[] = "s1 2 100 5\na.dat 16:2 100\na.dat 16 100\n", s2[] = "s2 2 100 7\nb.dat 212 100\nb.dat 212 100\n";
    static const char *const formats[] = { "8", "16", "24", "32", "61", "80", "160", "212", "310", "311" };
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        char header[128];
        snprintf(header, sizeof header, "a 1 500 21\na.dat %s 100(3)\n", formats[f]);
        check_parts(&m, header);
        snprintf(header, sizeof header, "a 2 500 7\na.dat %s 100(3)\na.dat %s 10\n", formats[f], formats[f]);
        check_parts(&m, header);
    }
    check_parts(&m, "a 3 100 5\na.dat 16x3 1\na.dat 16 1\na.dat 16x2 1\n");                        /* several rates */
    check_parts(&m, "a 2 100 9\na.dat 16:3 1\na.dat 16 1\n");                                       /* skew */
    check_parts(&m, "a 3 100 6\na.dat 16x2:1 1\na.dat 16 1\nb.dat 16x3 1\n");                       /* both, and two files */
    add_file(&m, "s1.hea", s1, strlen(s1));
    add_file(&m, "s2.hea", s2, strlen(s2));
    check_parts(&m, "s/2 2 100 12\ns1 5\ns2 7\n");                                                  /* segments; a variable layout is below */
}

static void test_checksums_and_parts(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    memory      m = { .n = 0 };
    const int16_t v[6] = { 1, 2, 3, 4, 5, 6 };
    add_file(&m, "a.dat", v, sizeof v);
    assert_status(read_whole(&m, "a 1 500 6\na.dat 16 1 0 0 0 99\n", &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_CHECKSUM);
    assert_ok(read_part(&m, "a 1 500 6\na.dat 16 1 0 0 0 99\n", 0, 5, &rec, &err));     /* it is about all of the signal */
    shn_record_free(rec);
    assert_status(read_part(&m, "a 1 500 6\na.dat 16 1 0 0 0 99\n", 0, 6, &rec, &err), SHN_FORMAT);
    assert_status(read_part(&m, "a 1 500 7\na.dat 16 1\n", 0, 2, &rec, &err), SHN_FORMAT);      /* a cut file is found out in any part */
    assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
}

static void test_variable_layout(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    memory      m = { .n = 0 };
    const int16_t v[4] = { 10, 20, 30, 40 };
    static const char layout[] = "l 2 100 0\n~ 0 100 0 0 0 0 0 I\n~ 0 100 0 0 0 0 0 II\n";
    static const char s1[] = "s1 1 100 4\nd.dat 16 10(5)/mV 16 0 10 100 0 II\n", s2[] = "s2 1 100 4\nd.dat 16 10(5)/mV 16 0 10 100 0 I\n";
    static const char s3[] = "s3 1 100 4\nd.dat 16 20(5)/mV 16 0 10 100 0 I\n", s4[] = "s4 1 100 4\nd.dat 16 20(5)/mmHg 16 0 10 100 0 I\n";
    add_file(&m, "d.dat", v, sizeof v);
    add_file(&m, "l.hea", layout, strlen(layout));
    add_file(&m, "s1.hea", s1, strlen(s1));
    add_file(&m, "s2.hea", s2, strlen(s2));
    add_file(&m, "s3.hea", s3, strlen(s3));
    add_file(&m, "s4.hea", s4, strlen(s4));
    check_parts(&m, "s/5 2 100 14\nl 0\ns1 4\n~ 2\ns2 4\ns3 4\n");
    assert_ok(read_whole(&m, "s/5 2 100 14\nl 0\ns1 4\n~ 2\ns2 4\ns3 4\n", &rec, &err));
    const float *i = shn_record_lead(rec, 0), *ii = shn_record_lead(rec, 1);
    assert_true(isnan(i[0]) && ii[0] == 0.5f && isnan(ii[4]) && i[6] == 0.5f && i[10] == 0.25f && isnan(ii[10]));
    assert_near(shn_record_calibration(rec, 1).gain_adu_per_mv, 10, 0);
    assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 0, 0);          /* two gains in one lead: no one scale */
    shn_record_free(rec);
    assert_status(read_whole(&m, "s/4 2 100 8\nl 0\ns2 4\ns4 4\n~ 0\n", &rec, &err), SHN_FORMAT);       /* mV, then mmHg */
    assert_ok(read_part(&m, "s/4 2 100 8\nl 0\ns2 4\ns4 4\n~ 0\n", 0, 4, &rec, &err));                   /* a segment that is not touched is not opened */
    shn_record_free(rec);
    assert_ok(read_part(&m, "s/4 2 100 8\nl 0\ns2 4\nabsent 4\n~ 0\n", 0, 4, &rec, &err));
    shn_record_free(rec);
    assert_status(read_part(&m, "s/4 2 100 8\nl 0\ns2 4\nabsent 4\n~ 0\n", 3, 4, &rec, &err), SHN_IO);
}

/** Integers come back from the samples by the calibration that the record carries. */
static void test_calibration(void **state)
{
    (void)state;
    static const struct { const char *gain; double per_mv, baseline; } cases[] = {
        { "200(1024)/mV", 200, 1024 }, { "0.5(-7)/uV", 500, -7 }, { "100000/V", 100, 0 }, { "0", 200, 0 }, { "1000.0(0)/mV", 1000, 0 }, { "3/mmHg", 3, 0 },
    };
    const int16_t v[6] = { -32767, -1, 0, 1, 1023, 32767 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_error   err = { 0 };
        shn_record *rec;
        memory      m = { .n = 0 };
        char        header[64];
        add_file(&m, "a.dat", v, sizeof v);
        snprintf(header, sizeof header, "a 1 500 6\na.dat 16 %s\n", cases[c].gain);
        assert_ok(read_whole(&m, header, &rec, &err));
        const shn_lead_cal cal = shn_record_calibration(rec, 0);
        assert_near(cal.gain_adu_per_mv, cases[c].per_mv, 1e-9);
        assert_near(cal.baseline_adu, cases[c].baseline, 0);
        assert_int_equal(cal.bits, 16);
        for (int i = 0; i < 6; i++) assert_int_equal(lrint(shn_record_lead(rec, 0)[i] * cal.gain_adu_per_mv + cal.baseline_adu), v[i]);
        shn_record_free(rec);
    }
}

/* ---- words of headers ---- */

static shn_record *read_words(const char *record_line, const char *comments)
{
    shn_error   err = { 0 };
    shn_record *rec;
    char        header[2048];
    static const int16_t v[2] = { 1, 2 };
    memory      m = { .n = 0 };
    add_file(&m, "a.dat", v, sizeof v);
    snprintf(header, sizeof header, "%s\na.dat 16 100\n%s", record_line, comments);
    assert_ok(read_whole(&m, header, &rec, &err));
    return rec;
}

static void test_times(void **state)
{
    (void)state;
    static const struct { const char *line, *acquired; } cases[] = {
        { "a 1 500 2", "" },
        { "a 1 500 2 0:01", "T00:00:01" },                       /* minutes and seconds, and no date */
        { "a 1 500 2 12:33:59", "T12:33:59" },
        { "a 1 500 2 22:41:16 29/04/2023", "2023-04-29T22:41:16" },
        { "a 1 500 2 24-Mar-2021 02:04:57", "2021-03-24T02:04:57" },
        { "a 1 500 2 10:10:10.25 01/02/1999", "1999-02-01T10:10:10.250" },
        { "a 1 500 2 25:00:00 01/02/1999", "1999-02-01" },
        { "a 1 500 2 99/99/9999", "" },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_record *rec = read_words(cases[c].line, "");
        assert_string_equal(shn_record_meta_of(rec)->acquired, cases[c].acquired);
        shn_record_free(rec);
    }
}

static void test_comments(void **state)
{
    (void)state;
    shn_record *rec = read_words("a 1 500 2", "# 69 M 1085 1629 x1\n# Aldomet, Inderal\n# The PVCs are\n# multiform.\n");
    assert_near(shn_record_meta_of(rec)->age_years, 69, 0);
    assert_int_equal(shn_record_meta_of(rec)->sex, 'M');
    assert_int_equal(shn_record_n_statements(rec), 1);                  /* not the drugs */
    assert_string_equal(shn_record_statement(rec, 0), "The PVCs are multiform");
    shn_record_free(rec);
    rec = read_words("a 1 500 2", "#<age>: 51\n#<sex>: F\n#<diagnoses>:\n#Rhythm: Sinus rhythm.\n#Left ventricular hypertrophy. \n");
    assert_int_equal(shn_record_n_labels(rec), 2);
    assert_string_equal(shn_record_label(rec, 1), "Left ventricular hypertrophy");
    assert_string_equal(shn_record_statement(rec, 0), "Rhythm: Sinus rhythm");
    assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
    shn_record_free(rec);
    rec = read_words("a 1 500 2", "# mrn 0012\n# age 71\n# sex FEMALE\n# diagnosis Atrial fibrillation, Abnormal ECG\n# Device: MAC 5500\n# Filter: 0.05-150 Hz\n");
    assert_string_equal(shn_record_meta_of(rec)->patient, "0012");
    assert_near(shn_record_meta_of(rec)->age_years, 71, 0);
    assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
    assert_string_equal(shn_record_statement(rec, 0), "Atrial fibrillation, Abnormal ECG");
    assert_string_equal(shn_record_meta_of(rec)->device, "MAC 5500");
    assert_string_equal(shn_record_meta_of(rec)->filters, "0.05-150 Hz");
    shn_record_free(rec);
    rec = read_words("a 1 500 2", "# <age>: 25  <sex>: M  <diagnoses>: (none)  <medications>: Aspirin\n# Patient ID: 507884\n# ECG date: 01/10/1990\n# Image: x\n");
    assert_int_equal(shn_record_n_statements(rec), 0);
    assert_string_equal(shn_record_meta_of(rec)->patient, "507884");
    assert_string_equal(shn_record_meta_of(rec)->acquired, "1990-10-01");
    assert_near(shn_record_meta_of(rec)->age_years, 25, 0);
    shn_record_free(rec);
}

static void test_surplus_lines(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    memory      m = { .n = 0 };
    const int16_t v[4] = { 1, 2, 3, 4 };
    add_file(&m, "a.dat", v, sizeof v);
    assert_status(read_whole(&m, "a 1 500 2\na.dat 16 1\na.dat 16 1\n", &rec, &err), SHN_FORMAT);       /* which of them is it? */
    assert_non_null(strstr(err.text, "line 3"));
    assert_ok(read_whole(&m, "a 1 500 2\na.dat 16 1\nsome words of the recordist\n# Age: 4\n", &rec, &err));
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_HEADER));
    assert_near(shn_record_meta_of(rec)->age_years, 4, 0);
    shn_record_free(rec);
}

static void test_ludb_diagnoses(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    char        path[SHN_PATH_MAX];
    assert_ok(shn_path_join(path, test_data(), "ludb/data/44.hea", &err));
    assert_ok(shn_record_read(path, NULL, &rec, &err));         /* as its table has them */
    assert_int_equal(shn_record_n_labels(rec), 6);
    assert_string_equal(shn_record_label(rec, 0), "Rhythm: Atrial fibrillation");
    assert_string_equal(shn_record_label(rec, 5), "Scar formation: apical");
    assert_near(shn_record_meta_of(rec)->age_years, 76, 0);
    shn_record_free(rec);
}

/** Before samples are read, the header of a record in segments says too little. */
static void test_peek(void **state)
{
    (void)state;
    static shn_peek peek;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX];
    const char *folder = test_folder();
    static const char whole[] = "w/2 2 100 20\na 10\nb 10\n", plain[] = "p 1 100 20 0:01\np.dat 16\n#<diagnoses>:\n#One.\n#Two\n";
    snprintf(path, sizeof path, "%s/w.hea", folder);
    assert_ok(shn_file_write(path, whole, strlen(whole), &err));
    assert_int_equal(shn_peek_header(path, &peek), 0);
    snprintf(path, sizeof path, "%s/p.hea", folder);
    assert_ok(shn_file_write(path, plain, strlen(plain), &err));
    assert_int_equal(shn_peek_header(path, &peek), 1);
    assert_string_equal(peek.labels, "One\nTwo");
}

/* ---- de-identification ---- */

static const char *folder_of(const char *header, const void *dat, size_t n)
{
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX];
    const char *folder = test_folder();
    assert_ok(shn_path_join(path, folder, "Suzuki.dat", &err));
    assert_ok(shn_file_write(path, dat, n, &err));
    assert_ok(shn_path_join(path, folder, "Suzuki.hea", &err));
    assert_ok(shn_file_write(path, header, strlen(header), &err));
    return folder;
}

static shn_status deidentify(const char *header, const void *dat, size_t n, shn_deid *d, char out[SHN_DEID_PATH_MAX], shn_error *err)
{
    char path[SHN_PATH_MAX], to[SHN_PATH_MAX];
    const char *folder = folder_of(header, dat, n);
    snprintf(path, sizeof path, "%s/Suzuki.hea", folder);
    snprintf(to, sizeof to, "%s/out", folder);
    return shn_deid_file(d, path, to, out, err);
}

static void test_deidentify(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_deid   *d;
    shn_record *rec;
    uint8_t    *bytes;
    size_t      n;
    char        out[SHN_DEID_PATH_MAX];
    const int16_t v[6] = { 1, 2, 3, 4, 5, 6 };
    assert_ok(shn_deid_new("sixteen bytes or more", 21, &d, &err));
    assert_ok(deidentify("Suzuki 2 500 3 10:00:00 29/04/2023\nSuzuki.dat 16 200(0)/mV 16 0 1 9 0 I\nSuzuki.dat 16 200(0)/mV 16 0 2 12 0 aVR\n"
                         "#Age: 93\n#Sex: F\n#Patient ID: 74747981\n#Dx: 164889003,Suzuki,AF\n#Seen by Dr Tanaka, Room 5\n", v, sizeof v, d, out, &err));
    assert_ok(shn_file_read(out, 65536, &bytes, &n, &err));
    static const char *const gone[] = { "Suzuki", "Tanaka", "Room", "74747981", "93", "2023-04-29", "29/04/2023" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (memmem(bytes, n, gone[i], strlen(gone[i]))) fail_msg("'%s' is still there", gone[i]);
    free(bytes);
    assert_ok(shn_record_read(out, NULL, &rec, &err));
    assert_true(shn_record_lead(rec, 0)[2] == 0.025f && shn_record_lead(rec, 1)[0] == 0.01f);
    assert_near(shn_record_meta_of(rec)->age_years, 90, 0);
    assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
    assert_string_equal(shn_record_meta_of(rec)->patient, shn_deid_patient_of(d));
    assert_int_equal(shn_record_n_labels(rec), 2);
    assert_string_equal(shn_record_label(rec, 1), "AF");
    assert_string_equal(shn_record_meta_of(rec)->acquired + 10, "T10:00:00");
    assert_true(strncmp(shn_record_meta_of(rec)->acquired, "2022-04-29", 10) >= 0 && strncmp(shn_record_meta_of(rec)->acquired, "2023-04-29", 10) < 0);
    assert_true(shn_deid_n_changes(d) >= 8);
    shn_record_free(rec);
    shn_deid_free(d);
}

static void test_deidentify_refuses(void **state)
{
    (void)state;
    static flac_fixture f;
    shn_error   err = { 0 };
    shn_deid   *d;
    char        out[SHN_DEID_PATH_MAX];
    const uint8_t prolog[28] = "Mr Suzuki, born 1 May 1950";
    uint8_t       tail[32] = { 1, 2, 3, 4 };
    strcpy((char *)tail + 4, "Mr Suzuki");
    assert_ok(shn_deid_new("sixteen bytes or more", 21, &d, &err));
    assert_status(deidentify("a 1 500 2\nSuzuki.dat 16+24 200\n", prolog, sizeof prolog, d, out, &err), SHN_UNSUPPORTED);
    assert_status(deidentify("a 1 500 2\nSuzuki.dat 16 200\n", tail, sizeof tail, d, out, &err), SHN_UNSUPPORTED);
    assert_ok(deidentify("a 1 500 2\nSuzuki.dat 16 200\n", tail, 4, d, out, &err));
    assert_status(deidentify("a 1 500 2\nSuzuki.dat 16 200 0 0 0 1027 0 bed of Suzuki\n", tail, 4, d, out, &err), SHN_UNSUPPORTED);
    assert_status(deidentify("a 1 500 2\nSuzuki.dat 16 200/Suzuki\n", tail, 4, d, out, &err), SHN_UNSUPPORTED);
    assert_status(deidentify("a/1 1 500 2\nb 2\n", tail, 4, d, out, &err), SHN_UNSUPPORTED);
    make_flac(&f, 16, FLAC_N, "ARTIST=Suzuki");
    assert_status(deidentify("a 2 500 700\nSuzuki.dat 516 200\nSuzuki.dat 516 200\n", f.bytes, f.n, d, out, &err), SHN_UNSUPPORTED);
    make_flac(&f, 16, FLAC_N, NULL);
    assert_ok(deidentify("a 2 500 700\nSuzuki.dat 516 200\nSuzuki.dat 516 200\n", f.bytes, f.n, d, out, &err));
    shn_deid_free(d);
}

/** Real headers of every set: rewritten, read again, the same samples (shn_deid_file sees to that), and age and sex still there. */
static void test_deidentify_real(void **state)
{
    (void)state;
    static const char *const files[] = { "formats/muse_xml/muse-af.hea", "formats/muse_xml/muse-sinus.hea", "mitdb/100.hea", "ludb/data/44.hea", "code15/records/91906.hea",
                                         "cinc2021/chapman_shaoxing/JS05282.hea", "ptbxl/records100/00000/00547_lr.hea", "formats/wfdb/s0010_re.hea",
                                         "brugada_huca/files/1081032/1081032.hea" };
    shn_error err = { 0 };
    shn_deid *d;
    char      path[SHN_PATH_MAX], out[SHN_DEID_PATH_MAX], folder[256];
    const char *data = test_data();
    snprintf(folder, sizeof folder, "%s", test_folder());
    assert_ok(shn_deid_new("sixteen bytes or more", 21, &d, &err));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        shn_record *before, *after;
        assert_ok(shn_path_join(path, data, files[i], &err));
        assert_ok(shn_record_read(path, NULL, &before, &err));
        assert_ok(shn_deid_file(d, path, folder, out, &err));
        assert_ok(shn_record_read(out, NULL, &after, &err));
        const shn_record_meta *a = shn_record_meta_of(before), *b = shn_record_meta_of(after);
        assert_int_equal(a->sex, b->sex);
        assert_true(isnan(a->age_years) ? isnan(b->age_years) : a->age_years == b->age_years || b->age_years == 90);
        assert_true(!*a->patient || strcmp(a->patient, b->patient) != 0);
        assert_string_not_equal(a->id, b->id);
        shn_record_free(before);
        shn_record_free(after);
    }
    shn_deid_free(d);
}

/* ---- a day of twelve leads ---- */

#if defined(__SANITIZE_ADDRESS__)
enum { UNDER_ASAN = 1 };
#else
enum { UNDER_ASAN = 0 };
#endif

static long status_kib(const char *key)
{
    char  line[256];
    long  value = -1;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) value = strtol(line + strlen(key) + 1, NULL, 10);
    fclose(f);
    return value;
}

/** A part from the middle of a record of so many samples, in a sparse file: its seconds. A sample of it is marked, so that the place is proved. */
static double read_middle(size_t n_samples, size_t limit_mib)
{
    shn_error          err = { 0 };
    shn_record        *rec = NULL;
    shn_format_options o;
    struct timespec    a, b;
    struct rlimit      before, now;
    char               path[SHN_PATH_MAX];
    const char        *folder = test_folder();
    const size_t       middle = n_samples / 2;
    const uint8_t      mark[2] = { 0xd2, 0x04 };         /* 1234 */
    snprintf(path, sizeof path, "%s/day.dat", folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)(n_samples * 24)), 0);
    assert_int_equal(fseeko(f, (off_t)((middle + 7) * 24 + 2 * 11), SEEK_SET), 0);
    assert_int_equal(fwrite(mark, 1, 2, f), 2);
    assert_int_equal(fclose(f), 0);
    snprintf(path, sizeof path, "%s/day.hea", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "day 12 500 %zu\n", n_samples);
    for (size_t l = 0; l < 12; l++) fprintf(f, "day.dat 16 1000(0)/mV 16 0 0 7 0 %s\n", shn_lead_name(l));
    assert_int_equal(fclose(f), 0);
    shn_format_defaults(&o);
    o.first_sample = middle;
    o.max_samples = 5000;
    const long data_kib = status_kib("VmData:");
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)data_kib * 1024 + ((rlim_t)limit_mib << 20);
    if (!UNDER_ASAN && data_kib > 0) assert_int_equal(setrlimit(RLIMIT_DATA, &now), 0);      /* anonymous memory; mapped files do not count */
    clock_gettime(CLOCK_MONOTONIC, &a);
    const shn_status st = shn_record_read(path, &o, &rec, &err);
    clock_gettime(CLOCK_MONOTONIC, &b);
    setrlimit(RLIMIT_DATA, &before);
    if (st != SHN_OK) fail_msg("%s", err.text);
    assert_int_equal(shn_record_n_samples(rec), 5000);
    assert_int_equal(shn_record_meta_of(rec)->total_samples, n_samples);
    assert_true(shn_record_lead(rec, 11)[7] == 1.234f && shn_record_lead(rec, 11)[8] == 0);
    shn_record_free(rec);
    snprintf(path, sizeof path, "%s/day.dat", folder);
    assert_int_equal(unlink(path), 0);
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

static void test_a_day_streams(void **state)
{
    (void)state;
    const size_t day = (size_t)24 * 3600 * 500;         /* 1 GB of file; more samples than one record may hold */
    assert_true(day * 12 > SHN_SAMPLES_MAX);
    const double minute = read_middle(30000, 4), whole_day = read_middle(day, 4);
    if (whole_day > 0.05 + 20 * minute) fail_msg("a part of a day takes %g s, of a minute %g s", whole_day, minute);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    static flac_fixture f;
    shn_error   err = { 0 };
    shn_record *rec;
    memory      m = { .n = 0 };
    const int16_t v[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    static const char s1[] = "s1 2 100 2\na.dat 16x1 1 0 0 0 4 0 I\na.dat 16 1 0 0 0 6 0 II\n";
    static const char *const headers[] = { "a 2 500 2\na.dat 16x2 1\na.dat 16 1\n#<diagnoses>:\n#One\n", "a/2 2 100 4\ns1 2\ns1 2\n", "f 2 500 600\nf.dat 516\nf.dat 516\n" };
    make_flac(&f, 16, FLAC_N, NULL);
    add_file(&m, "a.dat", v, sizeof v);
    add_file(&m, "s1.hea", s1, strlen(s1));
    add_file(&m, "f.dat", f.bytes, f.n);
    for (size_t h = 0; h < 3; h++)
        for (long n = 1;; n++) {
            shn_alloc_fail_after(n);
            const shn_status st = read_whole(&m, headers[h], &rec, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) {
                shn_record_free(rec);
                assert_true(n >= 6);
                break;
            }
            assert_int_equal(st, SHN_NOMEM);
            assert_null(rec);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flac_formats),        cmocka_unit_test(test_flac_is_not_memorised), cmocka_unit_test(test_flac_refusals),
        cmocka_unit_test(test_parts_equal_the_whole), cmocka_unit_test(test_checksums_and_parts), cmocka_unit_test(test_variable_layout),
        cmocka_unit_test(test_calibration),         cmocka_unit_test(test_times),                 cmocka_unit_test(test_comments),
        cmocka_unit_test(test_surplus_lines),       cmocka_unit_test(test_ludb_diagnoses),        cmocka_unit_test(test_peek),        cmocka_unit_test(test_deidentify),
        cmocka_unit_test(test_deidentify_refuses),  cmocka_unit_test(test_deidentify_real),       cmocka_unit_test(test_a_day_streams),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
