/** SCP-ECG: de-identification, and the real files against an independent decoder and their twins. */
#include "harness.h"

#include <math.h>

#include "scp_made.h"

static sw_bytes tags;

/* ---- de-identification ---- */

static const char secret_key[] = "a key of thirty-two bytes, secret";

static shn_status deidentify(const sw_bytes *in_bytes, shn_deid *d, shn_bytes *out, shn_error *err)
{
    shn_format_options o;
    shn_format_defaults(&o);
    const shn_input in = { .bytes = in_bytes->b, .n_bytes = in_bytes->n, .name = "a.scp", .source = &no_source, .options = &o };
    *out = (shn_bytes){ 0 };
    return shn_reader_scp.deidentify(&in, d, out, err);
}

static void full_tags(int birth_year)
{
    tags.n = 0;
    static const int texts[] = { 0, 1, 3, 13, 16, 17, 18, 19, 20, 21, 22, 23, 30, 31, 35, 201, 36 };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) sw_tag_text(&tags, (unsigned)texts[i], "JONES");
    sw_tag_text(&tags, 2, "PAT-4711");
    uint8_t born[4] = { (uint8_t)(birth_year & 255), (uint8_t)(birth_year >> 8), 6, 15 };
    sw_tag(&tags, 5, born, 4);
    sw_tag(&tags, 6, "\xb4\x00\x01", 3);
    sw_tag(&tags, 8, "\x01", 1);
    sw_tag(&tags, 10, "\x00\x01\x02JONES", 9);
    sw_tag(&tags, 34, "\x3c\x00\x00\x00JONES", 10);
    sw_tag(&tags, 24, "\x01JONES", 6);          /* longer than a stat code */
    device_tag(&tags, 0, "JONES inc");
    sw_tag(&tags, 15, "\0\0\0\0\0\0JONESJONESJONESJONESJONESJONESJONES", 41);
    sw_tag(&tags, 25, "\xd4\x07\x06\x0e", 4);   /* 2004-06-14 */
    sw_tag(&tags, 26, "\x17\x3b\x05", 3);
}

static void check_seals(const shn_bytes *b)
{
    assert_int_equal(sw_get32(b->bytes + 2), b->n);
    assert_int_equal(sw_crc(b->bytes + 2, b->n - 2), b->bytes[0] | b->bytes[1] << 8);
    for (int i = 0; i < 12; i++) {
        const uint32_t n = sw_get32(b->bytes + 22 + 10 * i + 2), at = sw_get32(b->bytes + 22 + 10 * i + 6);
        if (!n) continue;
        const uint8_t *s = b->bytes + at - 1;
        assert_int_equal(n % 2, 0);
        assert_int_equal(sw_crc(s + 2, n - 2), s[0] | s[1] << 8);
        for (int k = 10; k < 16 && i; k++) assert_int_equal(s[k], 0);
    }
}

static void test_deidentify(void **state)
{
    (void)state;
    sw_spec *s = with_findings();
    with_beats(s);
    s->n_samples = 480;
    s->ratio = 4;
    with_tables(s);
    full_tags(1950);
    s->tags = tags.b;
    s->n_tags = tags.n;
    sw_make(s, &file);
    keep(&file, "identifiers.scp");
    memcpy(sw_section(&file, 6) - 6, "JONES!", 6);              /* scraps of memory in reserved bytes and behind the record */
    sw_seal(&file);
    sw_put(&file, "JONES", 5);
    shn_error   err;
    shn_deid   *d;
    shn_bytes   out;
    assert_ok(shn_deid_new(secret_key, strlen(secret_key), &d, &err));
    shn_deid_patient(d, "file");
    assert_ok(deidentify(&file, d, &out, &err));
    static const char *const gone[] = { "JONES", "PAT-4711", "SECRET", "SN-4711", "Sinus", "tagged" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (memmem(out.bytes, out.n, gone[i], strlen(gone[i]))) fail_msg("%s is still there", gone[i]);
    assert_null(memmem(out.bytes, out.n, "\x9e\x07\x06\x0f", 4));           /* the birth date */
    check_seals(&out);
    shn_record        *before = read_ok(&file), *after;
    shn_format_options o;
    shn_format_defaults(&o);
    assert_ok(read_options(out.bytes, out.n, o, &after, &err));
    for (size_t l = 0; l < shn_record_n_leads(before); l++)
        assert_memory_equal(shn_record_lead(before, l), shn_record_lead(after, l), shn_record_n_samples(before) * sizeof(float));
    const shn_record_meta *m = shn_record_meta_of(after);
    char                   id[SHN_DEID_PATIENT_MAX];
    shn_deid_patient(d, "PAT-4711");
    shn_deid_id(d, id, sizeof id);
    assert_string_equal(m->patient, id);
    int y = 2004, mo = 6, day = 14;
    char moved[32];
    assert_ok(shn_deid_date(d, &y, &mo, &day, &err));
    snprintf(moved, sizeof moved, "%04d-%02d-%02dT23:59:05", y, mo, day);
    assert_string_equal(m->acquired, moved);
    assert_true(fabs(m->age_years - shn_record_meta_of(before)->age_years) <= 1);      /* both dates moved together */
    assert_int_equal(m->sex, 'M');
    assert_string_equal(m->device, "ECG-9");
    assert_near(measured(after, "qrs_duration", "ms"), 90, 0);
    assert_near(measured(after, "V1 q_amplitude", "uV"), -111, 0);
    assert_int_equal(shn_record_n_statements(after), 1);
    assert_string_equal(shn_record_statement(after, 0), "NSR PROBABLE");
    assert_true(shn_deid_n_changes(d) >= 28);
    shn_record_free(before);
    shn_record_free(after);
    shn_bytes_free(&out);
    shn_deid_free(d);
}

/** Over 89 when recorded: the birth date goes, an age is cut. Whatever cannot be read is not rewritten. */
static void test_deidentify_edges(void **state)
{
    (void)state;
    sw_spec   *s = plain(2, 60);
    shn_error  err;
    shn_deid  *d;
    shn_bytes  out;
    shn_record *rec;
    shn_format_options o;
    shn_format_defaults(&o);
    assert_ok(shn_deid_new(secret_key, strlen(secret_key), &d, &err));
    full_tags(1910);
    s->tags = tags.b;
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_ok(deidentify(&file, d, &out, &err));
    assert_ok(read_options(out.bytes, out.n, o, &rec, &err));
    assert_true(isnan(shn_record_meta_of(rec)->age_years));
    shn_record_free(rec);
    shn_bytes_free(&out);

    sw_tag(&tags, 4, "\x5f\x00\x01", 3);        /* 95 years */
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_ok(deidentify(&file, d, &out, &err));
    assert_ok(read_options(out.bytes, out.n, o, &rec, &err));
    assert_near(shn_record_meta_of(rec)->age_years, 90, 0);
    shn_record_free(rec);
    shn_bytes_free(&out);

    tags.n = 0;                                 /* a date that is none cannot be moved */
    sw_tag(&tags, 25, "\xd4\x07\x02\x1e", 4);
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_ok(deidentify(&file, d, &out, &err));
    assert_ok(read_options(out.bytes, out.n, o, &rec, &err));
    assert_string_equal(shn_record_meta_of(rec)->acquired, "");
    shn_record_free(rec);
    shn_bytes_free(&out);

    tags.n = 0;
    device_tag(&tags, 7, "x");                  /* 16-bit characters */
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_status(deidentify(&file, d, &out, &err), SHN_UNSUPPORTED);
    assert_null(out.bytes);

    sw_set16(sw_section(&file, 1) + 1, 9999);
    sw_seal(&file);
    assert_status(deidentify(&file, d, &out, &err), SHN_UNSUPPORTED);
    assert_null(out.bytes);
    file.n -= 2;
    assert_status(deidentify(&file, d, &out, &err), SHN_FORMAT);

    s = with_findings();
    sw_make(s, &file);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = deidentify(&file, d, &out, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(out.bytes);
    }
    shn_bytes_free(&out);
    shn_deid_free(d);
}

/* ---- real files ---- */

static shn_record *read_real(const char *name)
{
    char        path[SHN_PATH_MAX];
    shn_error   err;
    shn_record *rec;
    real_path(path, "scp/", name);
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    return rec;
}

/** Each lead against the independent decoder's sums in nanovolts: exact, through the calibration. */
static void test_golden(void **state)
{
    (void)state;
    char  line[4096], name[128], path[SHN_PATH_MAX];
    int   n_files = 0;
    test_data();
    snprintf(path, sizeof path, "%s/golden/scp_records.txt", SHN_TESTS_DIR);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        size_t n_leads, n_samples;
        double fs;
        int    at;
        if (*line == '#' || strncmp(line, "biosig", 6) == 0) continue;
        if (sscanf(line, "%127s %zu %zu %lf%n", name, &n_leads, &n_samples, &fs, &at) != 4) continue;      /* refused there */
        shn_record *rec = read_real(name);
        assert_int_equal(shn_record_n_leads(rec), n_leads);
        assert_int_equal(shn_record_n_samples(rec), n_samples);
        assert_near(shn_record_fs_hz(rec), fs, 0);
        for (size_t l = 0; l < n_leads; l++) {
            char      lead[32];
            long long sum, squares, first[3], our_sum = 0, our_squares = 0;
            int       used;
            assert_int_equal(sscanf(line + at, " %31[^:]:%lld:%lld:%lld,%lld,%lld%n", lead, &sum, &squares, &first[0], &first[1], &first[2], &used), 6);
            at += used;
            assert_string_equal(shn_record_name(rec, l), lead);
            const long long nv = llround(1e6 / shn_record_calibration(rec, l).gain_adu_per_mv);
            for (size_t i = 0; i < n_samples; i++) {
                const double    adu = shn_record_lead(rec, l)[i] * 1e6 / (double)nv;
                const long long value = llround(adu) * nv;
                if (fabs(adu - (double)llround(adu)) > 1e-2) fail_msg("%s %s %zu: %g units", name, lead, i, adu);
                if (i < 3) assert_true(value == first[i]);
                our_sum += value;
                our_squares += value * value;
            }
            assert_true(our_sum == sum && our_squares == squares);
        }
        shn_record_free(rec);
        n_files++;
    }
    fclose(f);
    assert_int_equal(n_files, 4);
}

/**
 * wfdb_test.dat is a conversion of wfdb_test.scp: the same where the reference beat was added; elsewhere the converter smoothed with a mean of
 * three samples, which the bytes do not ask for.
 */
static void test_twin_wfdb(void **state)
{
    (void)state;
    static const int zones[4][2] = { { 109, 457 }, { 973, 1321 }, { 2295, 2643 }, { 3707, 4055 } }, columns[8] = { 0, 1, 6, 7, 8, 9, 10, 11 };
    char        path[SHN_PATH_MAX];
    uint8_t    *dat;
    size_t      n, smoothed = 0, same = 0;
    shn_error   err;
    shn_record *rec = read_real("wfdb_test.scp");
    real_path(path, "", "scp/wfdb_test.dat");
    assert_ok(shn_file_read(path, 1 << 20, &dat, &n, &err));
    assert_int_equal(n, 5000 * 24);
    for (size_t l = 0; l < 8; l++) {
        const float *x = shn_record_lead(rec, l);
        for (int t = 2; t < 5000; t++) {
            int in = 0, near = 0;
            for (int z = 0; z < 4; z++) {
                in |= t >= zones[z][0] && t <= zones[z][1];
                near |= t >= zones[z][0] - 1 && t <= zones[z][1] + 2;       /* its filter starts two samples behind an area */
            }
            const uint8_t *p = dat + ((size_t)(t - 1) * 12 + (size_t)columns[l]) * 2;
            const double   twin = (int16_t)(p[0] | p[1] << 8) * 0.005;
            if (in) assert_near(x[t - 1], twin, 1e-5);
            else if (!near) assert_near((x[t - 2] + x[t - 1] + x[t]) / 3, twin, 0.005 + 1e-5);
            same += (size_t)in;
            smoothed += !in && fabs(x[t - 1] - twin) > 1e-4;
        }
    }
    assert_int_equal(same, 8 * 4 * 349);
    assert_true(smoothed > 10000);
    assert_int_equal(shn_record_n_statements(rec), 6);
    assert_string_equal(shn_record_statement(rec, 0), "Ectopic atrial rhythm");
    static const struct { const char *name; double value; const char *unit; } as_described[] = {       /* wfdb_test.des */
        { "rr_interval", 869, "ms" }, { "p_axis", -18, "deg" }, { "qrs_axis", -41, "deg" }, { "t_axis", 118, "deg" }, { "p_duration", 148, "ms" },
        { "qrs_duration", 104, "ms" }, { "qt_interval", 446, "ms" }, { "I p_duration", 134, "ms" }, { "V2 q_amplitude", -1917, "uV" },
        { "V6 intrinsicoid", 51, "ms" }, { "aVL r_amplitude", 1306, "uV" }, { "III st_slope", 5, "uV/s" }, { "V1 p_amplitude_plus", 60, "uV" },
    };
    for (size_t i = 0; i < sizeof as_described / sizeof *as_described; i++)
        assert_near(measured(rec, as_described[i].name, as_described[i].unit), as_described[i].value, 0);
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->filters, "high pass 0.05 Hz, low pass 150 Hz, 60 Hz notch, baseline filter");
    assert_string_equal(m->acquired, "2004-01-01T02:13:18");
    assert_near(m->age_years, 49, 0);
    free(dat);
    shn_record_free(rec);
}

/** 0000050.edf holds the same integers, 37,855 of them; the scp stops at 32,767 (a lead's length is 16 bits) and the EDF's gain is another. */
static void test_twin_edf(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX];
    shn_mapping map;
    shn_error   err;
    shn_record *rec = read_real("0000050.scp");
    real_path(path, "", "edf/0000050.edf");
    assert_ok(shn_file_map(path, &map, &err));
    assert_int_equal(map.n_bytes, 256 * 13 + 37855 * 24);
    assert_int_equal(shn_record_n_samples(rec), 32767);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    for (size_t l = 0; l < 12; l++)
        for (size_t i = 0; i < 32767; i++) {
            const uint8_t *p = map.bytes + 256 * 13 + (i * 12 + l) * 2;
            assert_int_equal(lround(shn_record_lead(rec, l)[i] / 0.005), (int16_t)(p[0] | p[1] << 8));
        }
    shn_file_unmap(&map);
    shn_record_free(rec);
}

/** Example.scp, example_aecg.xml and ecgtoolkit_example.dcm are one recording: the same integers of 2.5 uV in all three. */
static void test_twins_example(void **state)
{
    (void)state;
    static const char *const twins[] = { "hl7_aecg/example_aecg.xml", "dicom/ecgtoolkit_example.dcm" };
    shn_record *rec = read_real("Example.scp");
    for (size_t k = 0; k < 2; k++) {
        char        path[SHN_PATH_MAX];
        shn_error   err;
        shn_record *twin;
        real_path(path, "", twins[k]);
        assert_ok(shn_record_read(path, NULL, &twin, &err));
        assert_int_equal(shn_record_n_samples(twin), 5000);
        for (size_t l = 0; l < 12; l++) {
            const int at = shn_record_find(twin, shn_record_name(rec, l));
            assert_true(at >= 0);
            for (size_t i = 0; i < 5000; i++) assert_near(shn_record_lead(twin, (size_t)at)[i], shn_record_lead(rec, l)[i], 1e-6);
        }
        assert_string_equal(shn_record_meta_of(rec)->acquired, "2002-11-22T09:10:00");
        shn_record_free(twin);
    }
    shn_record_free(rec);
}

static void test_healforce(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX];
    shn_error   err;
    shn_record *rec;
    real_path(path, "", "scp/healforce_nonconformant_62.SCP");
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_UNSUPPORTED);
    assert_int_equal(err.reason, SHN_REASON_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Healforce"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deidentify),
        cmocka_unit_test(test_deidentify_edges),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_twin_wfdb),
        cmocka_unit_test(test_twin_edf),
        cmocka_unit_test(test_twins_example),
        cmocka_unit_test(test_healforce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
