/** ECGs as CSV: the layout that csv.h states, line by line; what is no ECG; integers that come back; rewriting. */
#include "reader_input.h"

#include <dirent.h>

#include "formats/csv/csv.h"
#include "formats/decimal.h"

static const shn_reader *const reader = &shn_reader_csv;

static shn_record *read_ok(const char *text)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(test_read(reader, text, &rec, &err));
    return rec;
}

static int recognised(const char *text) { return reader->recognises((const uint8_t *)text, strlen(text)); }

#define FULL                                                                                                                                     \
    "\xef\xbb\xbf# shinden ecg csv 1\n# a remark\n# fs_hz: 500\n# unit: adu adu mV\n# gain_adu_per_mv: I=1000 aVR=200\n# baseline_adu: aVR=5.5\n# bits: 16\n" \
    "# unit_origin: default declared declared\n# id: 0001\n# patient: 1234567\n# acquired: 2001-02-03T04:05:06\n# age: 93.5\n# sex: F\n# device: D 1\n" \
    "# filters: 0.05-150 Hz\n# statement: Sinus rhythm\n# statement: seen: by X\n# label: 426783006\n# measurement: qrs_duration 98 ms\n"        \
    "# measurement: RV5 1.5\nI,aVR,\"odd, name\"\n-12,5,0.5\n\n,7,nan\r\n 3 ,-2, \"-1.5e-3\" "

static void test_layout(void **state)
{
    (void)state;
    shn_record *rec = read_ok(FULL);
    assert_int_equal(shn_record_n_leads(rec), 3);
    assert_int_equal(shn_record_n_samples(rec), 3);
    assert_near(shn_record_fs_hz(rec), 500, 0);
    assert_string_equal(shn_record_name(rec, 2), "odd, name");
    const float *a = shn_record_lead(rec, 0), *b = shn_record_lead(rec, 1), *c = shn_record_lead(rec, 2);
    assert_true(a[0] == (float)(-12 / 1000.0) && isnan(a[1]) && a[2] == (float)(3 / 1000.0));
    assert_true(b[0] == (float)((5 - 5.5) / 200) && b[1] == (float)((7 - 5.5) / 200) && b[2] == (float)((-2 - 5.5) / 200));
    assert_true(c[0] == 0.5f && isnan(c[1]) && c[2] == -0.0015f);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DEFAULT);
    assert_int_equal(shn_record_unit(rec, 2), SHN_UNIT_DECLARED);
    const shn_lead_cal cal = shn_record_calibration(rec, 1);
    assert_true(cal.gain_adu_per_mv == 200 && cal.baseline_adu == 5.5 && cal.bits == 16);
    assert_near(shn_record_calibration(rec, 2).gain_adu_per_mv, 0, 0);
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->id, "0001");
    assert_string_equal(m->patient, "1234567");
    assert_string_equal(m->acquired, "2001-02-03T04:05:06");
    assert_near(m->age_years, 93.5, 0);
    assert_int_equal(m->sex, 'F');
    assert_string_equal(m->device, "D 1");
    assert_string_equal(m->filters, "0.05-150 Hz");
    assert_string_equal(m->format, "csv");
    assert_int_equal(shn_record_n_statements(rec), 2);
    assert_string_equal(shn_record_statement(rec, 1), "seen: by X");
    assert_string_equal(shn_record_label(rec, 0), "426783006");
    assert_true(test_has_measurement(rec, "qrs_duration", 98, "ms") && test_has_measurement(rec, "RV5", 1.5, ""));
    shn_record_free(rec);
}

static void test_output_follows(void **state)
{
    (void)state;
    static const struct { const char *text; double first; shn_unit_origin unit; } cases[] = {
        { "# fs_hz: 500\n# unit: mV\nV1\n4\n", 4, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: mV\nV1\n5\n", 5, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: uV\nV1\n4\n", 0.004, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: \xc2\xb5V\nV1\n4\n", 0.004, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: nV\nV1\n4000\n", 0.004, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: V\nV1\n0.004\n", 4, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: other\nV1\n4\n", 4, SHN_UNIT_NOT_VOLTAGE },
        { "# fs_hz: 500\n# unit: unknown\nV1\n4\n", 4, SHN_UNIT_UNKNOWN },
        { "# fs_hz: 500\nV1\n4\n", 4, SHN_UNIT_UNKNOWN },
        { "# fs_hz: 500\n# unit: adu\nV1\n4\n", 4, SHN_UNIT_UNKNOWN },
        { "# fs_hz: 500\n# unit: adu\n# gain_adu_per_mv: 400\nV1\n4\n", 0.01, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: adu\n# gain_adu_per_mv: -400\n# baseline_adu: 2\nV1\n4\n", -0.005, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: adu\n# gain_adu_per_mv: 400\n# unit_origin: assumed\nV1\n4\n", 0.01, SHN_UNIT_ASSUMED },
        { "# fs_hz: 500\n# unit: mV\n# decimal: comma\nV1;V2\n0,25;7\n", 0.25, SHN_UNIT_DECLARED },
        { "# fs_hz: 500\n# unit: mV\nsample\tV1\n0\t4.5\n", 4.5, SHN_UNIT_DECLARED },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_record *rec = read_ok(cases[c].text);
        assert_near(shn_record_lead(rec, 0)[0], cases[c].first, 1e-6 * fabs(cases[c].first));
        assert_int_equal(shn_record_unit(rec, 0), cases[c].unit);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_NO_UNIT), cases[c].unit == SHN_UNIT_UNKNOWN);
        shn_record_free(rec);
    }
}

/** Every int16 and some wider integers come back from what the reader made of them, at gains that are no round numbers. */
static void test_integers_come_back(void **state)
{
    (void)state;
    static const double gains[] = { 1000, 200, 409.6, 204.8, 1.0 / 3, 6553.5, -200 }, baselines[] = { 0, 5.5, -1024, 0.125 };
    static char text[700000];
    for (size_t g = 0; g < sizeof gains / sizeof *gains; g++)
        for (size_t b = 0; b < sizeof baselines / sizeof *baselines; b++) {
            size_t n = (size_t)sprintf(text, "# fs_hz: 360\n# unit: adu\n# gain_adu_per_mv: %.17g\n# baseline_adu: %.17g\nMLII\n", gains[g], baselines[b]);
            for (int v = -32767; v <= 32767; v++) n += (size_t)sprintf(text + n, "%d\n", v);
            shn_record        *rec = read_ok(text);
            const shn_lead_cal cal = shn_record_calibration(rec, 0);
            assert_true(cal.gain_adu_per_mv == gains[g] && cal.baseline_adu == baselines[b]);
            for (int v = -32767; v <= 32767; v++)
                if (nearbyint((double)shn_record_lead(rec, 0)[v + 32767] * cal.gain_adu_per_mv + cal.baseline_adu) != v) fail_msg("%d is lost at gain %g", v, gains[g]);
            shn_record_free(rec);
        }
}

static void test_one_column(void **state)
{
    (void)state;
    shn_record *rec = read_ok("# fs_hz: 1\n# unit: mV\nII\n1\n\n3\n");        /* with one column an empty line is a gap */
    assert_int_equal(shn_record_n_samples(rec), 3);
    assert_true(isnan(shn_record_lead(rec, 0)[1]) && shn_record_lead(rec, 0)[2] == 3);
    shn_record_free(rec);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *text; shn_reason reason; const char *words; } cases[] = {
        { "I,II\n1,2\n", SHN_REASON_BAD_HEADER, "add a line such as '# fs_hz: 500'" },
        { "# unit: mV\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "# fs_hz: 500" },
        { "# fs_hz: 0\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "line 1: fs_hz" },
        { "# fs_hz: 500 Hz\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "line 1: fs_hz" },
        { "# fs_hz: 500\n# fs_hz: 250\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "line 2: fs_hz again, after line 1" },
        { "# fs_hz: 500\n# unit: MV\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "line 2: 'unit: MV'" },
        { "# fs_hz: 500\n# unit: mV mV mV\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "one for each lead" },
        { "# fs_hz: 500\n# unit: I=mV uV\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "one for each lead" },
        { "# fs_hz: 500\n# unit: V9=mV\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "V9=mV" },
        { "# fs_hz: 500\n# gain_adu_per_mv: 0\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "gain_adu_per_mv: 0" },
        { "# fs_hz: 500\n# bits: 17\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "bits" },
        { "# fs_hz: 500\n# decimal: comma\nI,II\n1,2\n", SHN_REASON_BAD_HEADER, "decimal comma" },
        { "# fs_hz: 500\nI,\"II\n1,2\n", SHN_REASON_BAD_HEADER, "stray quote" },
        { "# fs_hz: 500\nI,,II\n1,2,3\n", SHN_REASON_BAD_HEADER, "column 2 has no name" },
        { "# fs_hz: 500\nI,II\n", SHN_REASON_TRUNCATED, "no row" },
        { "# fs_hz: 500\nI,II\n1,2\n1\n", SHN_REASON_BAD_VALUE, "line 4 has 1 fields, the row of names 2" },
        { "# fs_hz: 500\nI,II\n1,2\n1,2,3\n", SHN_REASON_BAD_VALUE, "line 4 has more fields" },
        { "# fs_hz: 500\nI,II\n1,2\n1,x2\n", SHN_REASON_BAD_VALUE, "line 4, column 2: 'x2' is no number" },
        { "# fs_hz: 500\nI,II\n1,inf\n", SHN_REASON_BAD_VALUE, "'inf'" },
        { "# fs_hz: 500\nI,II\n1,1e999\n", SHN_REASON_BAD_VALUE, "no number" },
        { "# fs_hz: 500\nI,II\n1,1 2\n", SHN_REASON_BAD_VALUE, "no number" },
        { "# fs_hz: 500\nI;II\n1,5;2\n", SHN_REASON_BAD_VALUE, "add the line '# decimal: comma'" },
        { "# fs_hz: 500\n# unit: adu\n# gain_adu_per_mv: 1\nI,II\n1,1.5\n", SHN_REASON_BAD_VALUE, "adu, which are integers" },
        { "# fs_hz: 500\ntime_s,I\n0,1\n0.004,1\n0.008,1\n", SHN_REASON_FS_MISMATCH, "column of times" },
        { "# fs_hz: 500\n# remark only\n", SHN_REASON_BAD_HEADER, "no row of names" },
        { "# fs_hz: 500\nI,II,III\na\nb\nc\nd\n", SHN_REASON_BAD_VALUE, "cannot have 3 columns" },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) assert_refused(reader, cases[c].text, SHN_FORMAT, cases[c].reason, cases[c].words);
    shn_record *rec = read_ok("# fs_hz: 500\ntime_ms,I\n0,1\n2,1\n4,1\n");
    assert_int_equal(shn_record_n_leads(rec), 1);
    shn_record_free(rec);
}

static void test_recognition(void **state)
{
    (void)state;
    static const char *const ecgs[] = { FULL, "I,II\n1,2\n", "time,I,II,V1\n0,1,2,3\n", "# fs_hz: 500\nI\n1\n", "# unit: mV\nresp;MLII\n1;2\n", "# shinden ecg csv 1\nECG 1\n2\n",
                                        "# shinden ecg csv 1\n", "I,II\r\n", "mdc_ecg_lead_avr\tV5 \n" };
    static const char *const others[] = { "", "id,age,sex\n1,2,3\n", "record,I,II\n1,2,3\n", "I\n1\n", "# fs_hz: 500\nresp,pleth\n1,2\n", "<xml/>", "name\n", "# only a remark\n",
                                          "sample\n1\n", "I,II,\n1,2,\n", "x I,II\n", "file,V1,V2\na,1,0\n" };
    for (size_t i = 0; i < sizeof ecgs / sizeof *ecgs; i++)
        if (!recognised(ecgs[i])) fail_msg("not recognised: %s", ecgs[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (recognised(others[i])) fail_msg("recognised: %s", others[i]);
}

/** The label tables and headers of the real data are no ECGs. */
static void test_tables_are_none(void **state)
{
    (void)state;
    static const char *const folders[] = { "ptbxl", "cinc2021", "ludb", "brugada_huca", "code15", "mitdb", "vocab", "formats", "formats/mat", "formats/hdf5", "formats/hl7_aecg", "formats/scp",
                                           "formats/dicom", "formats/edf", "formats/muse_xml", "formats/philips_sierra_xml", "formats/mfer", "formats/wfdb" };
    int n = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[8192];
        snprintf(path, sizeof path, "%s/%s", test_data(), folders[i]);
        DIR *dir = opendir(path);
        for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
            char        file[8192 + 300];
            shn_mapping map;
            snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            if (e->d_name[0] == '.' || shn_path_is_dir(file) || shn_file_map(file, &map, NULL) != SHN_OK) continue;
            if (reader->recognises(map.bytes, map.n_bytes)) fail_msg("%s is taken for an ECG", file);
            shn_file_unmap(&map);
            n++;
        }
        if (dir) closedir(dir);
    }
    assert_true(n > 50);
}

static void test_parts_and_memory(void **state)
{
    (void)state;
    test_file f;
    test_parts(reader, FULL);
    test_parts(reader, "# fs_hz: 1\n# unit: mV\nII\n1\n\n3\n\n");
    test_parts(reader, "# fs_hz: 500\ntime_s,I\n0,1\n0.002,1\n0.004,1\n");
    test_input(&f, "a.csv", FULL, strlen(FULL), NULL);
    test_allocations(reader, &f.in);
}

static void test_limits(void **state)
{
    (void)state;
    char *text = malloc(3 << 20);
    strcpy(text, "# fs_hz: 500\n");
    size_t n = strlen(text);
    for (int i = 0; i < 300; i++) n += (size_t)sprintf(text + n, "%sV%d", i ? "," : "", i);
    strcpy(text + n, "\n1\n");
    assert_refused(reader, text, SHN_RANGE, SHN_REASON_LIMIT, "more than 256 leads");
    strcpy(text, "# fs_hz: 500\n");
    for (n = strlen(text); n < SHN_ECG_CSV_HEAD_MAX + 10; n += 8) memcpy(text + n, "# xxxxx\n", 9);
    strcpy(text + n, "I,II\n1,2\n");
    assert_refused(reader, text, SHN_RANGE, SHN_REASON_LIMIT, "no row of names");
    free(text);
}

static void test_deidentify(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_deid   *deid;
    shn_bytes   out;
    shn_record *rec;
    test_file   f;
    test_input(&f, "a.csv", FULL, strlen(FULL), NULL);
    test_rewrite(reader, &f.in, &deid, &out);
    static const char *const gone[] = { "1234567", "0001", "2001-02-03", "93.5", "remark", "seen", "D 1" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (strstr((char *)out.bytes, gone[i])) fail_msg("%s is still there", gone[i]);
    f.in.bytes = out.bytes;
    f.in.n_bytes = out.n;
    assert_ok(reader->read(&f.in, &rec, &err));
    assert_string_equal(shn_record_meta_of(rec)->patient, shn_deid_patient_of(deid));
    assert_near(shn_record_meta_of(rec)->age_years, 90, 0);
    assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
    assert_non_null(strstr(shn_record_meta_of(rec)->acquired, "T04:05:06"));
    assert_string_equal(shn_record_label(rec, 0), "426783006");
    assert_int_equal(shn_record_n_statements(rec), 0);               /* free text may name a person */
    assert_true(test_has_measurement(rec, "qrs_duration", 98, "ms"));
    assert_int_equal(shn_record_n_measurements(rec), 1);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DEFAULT);
    assert_int_equal(shn_deid_n_changes(deid), 10);
    shn_record_free(rec);
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

/** The shared parser of numbers against the C library's. */
static void test_decimal(void **state)
{
    (void)state;
    static const char *const good[] = { "0", "-0", "+7", "12345678901234567", "0.1", ".5", "5.", "1e5", "1E-7", "2.2250738585072014e-308", "1.7976931348623157e308", "9007199254740993",
                                        "0.000000000000000000000000123456789", "123456789012345678901234567890", "3.14159265358979323846", "-4.88e-3", "999999999999999", "1000000000000000" };
    static const char *const bad[] = { "", "-", ".", "e5", "1e", "1e+", "x", "+-1", "1e999", "0x10", "inf", "nan" };
    double v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char *end = good[i] + strlen(good[i]);
        assert_ptr_equal(shn_decimal(good[i], end, '.', &v), end);
        if (v != strtod(good[i], NULL)) fail_msg("%s: %.17g", good[i], v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (shn_decimal_whole(bad[i], bad[i] + strlen(bad[i]), &v)) fail_msg("'%s' is taken for %g", bad[i], v);
    char     text[64];
    uint64_t state64 = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        state64 ^= state64 << 13;
        state64 ^= state64 >> 7;
        state64 ^= state64 << 17;
        const int digits = (int)(state64 % 17) + 1;
        snprintf(text, sizeof text, i % 2 ? "%.*g" : "%.*e", digits, ldexp((double)(int64_t)state64, (int)(state64 >> 8 & 127) - 110));
        assert_true(shn_decimal_whole(text, text + strlen(text), &v));
        if (v != strtod(text, NULL)) fail_msg("%s: %.17g", text, v);
    }
    const char *p = "123456";
    assert_ptr_equal(shn_decimal(p, p + 3, '.', &v), p + 3);            /* nothing is read behind the end */
    assert_near(v, 123, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),      cmocka_unit_test(test_output_follows),  cmocka_unit_test(test_integers_come_back), cmocka_unit_test(test_one_column),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_recognition),     cmocka_unit_test(test_tables_are_none),    cmocka_unit_test(test_parts_and_memory),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_deidentify),      cmocka_unit_test(test_decimal),
    };
    return cmocka_run_group_tests_name("ecg_csv", tests, NULL, NULL);
}
