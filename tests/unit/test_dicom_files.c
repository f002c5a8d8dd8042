/** DICOM waveforms: refusals, de-identification, real files and their twins. */
#include "harness.h"

#include <dirent.h>
#include <math.h>

#include "dicom_made.h"
#include "shinden/deidentify.h"

static const char key[] = "a key of thirty-two bytes, secret";

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    (void)state;
    dw *w = fresh(0, 0, 0);
    dw_people(w, NULL, NULL, NULL);
    assert_refused(w, SHN_FORMAT, SHN_REASON_NO_ECG, "no waveform sequence");
    static const struct { dw_group g; shn_status status; shn_reason reason; const char *words; } cases[] = {
        { { .bits = 16, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp, .interpretation = "MB" }, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mu-law" },
        { { .bits = 16, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp, .interpretation = "XX" }, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "'XX'" },
        { { .bits = 8, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp, .interpretation = "SS" }, SHN_FORMAT, SHN_REASON_BAD_HEADER, "in 8 bits" },
        { { .bits = 16, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp, .rate = "0" }, SHN_FORMAT, SHN_REASON_BAD_VALUE, "sampling frequency" },
        { { .bits = 16, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp, .announced = 6 }, SHN_FORMAT, SHN_REASON_TRUNCATED, "6 samples" },
        { { .bits = 16, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp, .announced = 0xffffffff }, SHN_FORMAT, SHN_REASON_TRUNCATED, "4294967295 samples" },
        { { .bits = 16, .channels = two, .n_channels = 0, .n_samples = 5, .samples = ramp }, SHN_FORMAT, SHN_REASON_BAD_HEADER, "no number of channels" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        w = fresh(0, 0, 0);
        dw_groups(w, &cases[i].g, 1);
        assert_refused(w, cases[i].status, cases[i].reason, cases[i].words);
    }
}

/** Every length short of the whole is refused, as truncated once the data set has begun. */
static void test_truncated(void **state)
{
    (void)state;
    for (int undefined = 0; undefined < 2; undefined++) {
        const dw_group g = plain();
        dw            *w = fresh(0, 0, undefined);
        dw_people(w, NULL, NULL, NULL);
        dw_groups(w, &g, 1);
        const size_t whole = w->n;
        for (w->n = 0; w->n < whole; w->n++) {
            shn_error   err = { 0 };
            shn_record *rec = NULL;
            const shn_status st = read_made(w, &rec, &err);
            assert_true(st != SHN_OK && !rec && *err.text);
            if (w->n > whole - 40) assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
            if (w->n >= 132) assert_true(shn_reader_dicom.recognises(w->b, w->n));
        }
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    const dw_group g = plain();
    dw            *w = fresh(0, 0, 1);
    const size_t   s = dw_open(w, 0x0040b020);
    dw_statement(w, "SINUS RHYTHM");
    dw_measure(w, "2:15872", "PR interval global", "161", "ms", 1, 0);
    dw_close(w, s, DW_END_SEQUENCE);
    dw_groups(w, &g, 1);
    for (long n = 1;; n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        shn_alloc_fail_after(n);
        const shn_status st = read_made(w, &rec, &err);
        shn_alloc_fail_after(0);
        shn_record_free(rec);
        if (st == SHN_OK) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
}

/* ---- de-identification ---- */

static size_t count_of(const shn_bytes *b, const char *words)
{
    size_t n = 0;
    for (const uint8_t *p = b->bytes; (p = memmem(p, b->n - (size_t)(p - b->bytes), words, strlen(words))) != NULL; p++) n++;
    return n;
}

static int audited(const shn_deid *d, const char *place, const char *done)
{
    for (size_t i = 0; i < shn_deid_n_changes(d); i++)
        if (strstr(shn_deid_change_at(d, i).place, place) && strcmp(shn_deid_change_at(d, i).done, done) == 0) return 1;
    return 0;
}

static void put_annotated(dw *w)
{
    const size_t s = dw_open(w, 0x0040b020);
    dw_statement(w, "Confirmed by Dr. House");
    dw_measure(w, "2:15872", "PR interval global", "161", "ms", 1, 0);
    dw_close(w, s, DW_END_SEQUENCE);
}

static void test_deidentify(void **state)
{
    (void)state;
    static const char *const gone[] = { "Clark", "Mary", "SBJ-1234", "ACC-77", "Galliera", "Referrer", "Operator", "Main Street", "SERIAL", "ADM-9", "19710123", "20130125", "20130124", "1.2.3.4",
                                        "House", "PRIVATE", "WARD7", "pppp" };
    for (int coding = 0; coding < 6; coding++) {
        shn_error      err = { 0 };
        shn_deid      *d;
        shn_bytes      out;
        shn_record    *before, *after;
        const dw_group g = plain();
        dw            *w = fresh(coding % 3 == 1, coding % 3 == 2, coding > 2);
        dw_people(w, "ISO_IR 100", "19710123", "042Y");
        put_annotated(w);
        dw_groups(w, &g, 1);
        dw_text(w, 0x70011131, "LO", "Clark");
        const shn_input in = input_of(w->b, w->n, &defaults);
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        assert_ok(shn_reader_dicom.deidentify(&in, d, &out, &err));
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
            if (count_of(&out, gone[i])) fail_msg("coding %d: '%s' is still there", coding, gone[i]);
        const shn_input again = input_of(out.bytes, out.n, &defaults);
        assert_ok(shn_reader_dicom.read(&in, &before, &err));
        assert_ok(shn_reader_dicom.read(&again, &after, &err));
        for (size_t lead = 0; lead < 2; lead++) assert_memory_equal(shn_record_lead(before, lead), shn_record_lead(after, lead), 5 * sizeof(float));
        const shn_record_meta *meta = shn_record_meta_of(after);
        assert_string_equal(meta->patient, shn_deid_patient_of(d));
        assert_int_equal(meta->patient[0], 'P');
        assert_near(meta->age_years, 42, 0);
        assert_int_equal(meta->sex, 'F');
        assert_string_equal(meta->device, "Maker Model 9");
        assert_int_equal(strlen(meta->acquired), strlen("2013-01-25T10:59:19.25+09:00"));
        assert_string_equal(meta->acquired + 10, "T10:59:19.25+09:00");
        assert_int_equal(strncmp(meta->id, "2.25.", 5), 0);
        assert_int_equal(count_of(&out, meta->id), 2);                  /* the meta elements' UID stays the data set's */
        assert_int_equal(shn_record_n_measurements(after), 1);
        assert_int_equal(shn_record_n_statements(after), 0);
        assert_int_equal(count_of(&out, "YES "), 1);
        assert_true(audited(d, "(0010,0020)", "hashed") && audited(d, "(0010,0010)", "removed") && audited(d, "(0010,0030)", "shifted") && audited(d, "(0008,002A)", "shifted") &&
                    audited(d, "(0070,0006)", "removed") && audited(d, "(7001,1131)", "removed") && audited(d, "(0009,1001)", "removed") && audited(d, "(0008,0018)", "hashed"));
        shn_bytes twice;                        /* once more: what is left has nothing to lose but dates and ids */
        assert_ok(shn_reader_dicom.deidentify(&again, d, &twice, &err));
        assert_int_equal(twice.n, out.n);
        shn_record_free(before);
        shn_record_free(after);
        shn_bytes_free(&out);
        shn_bytes_free(&twice);
        shn_deid_free(d);
    }
}

/** Samples that a middleman stored as of unknown kind stay; a sequence where a value must be is not vouched for. */
static void test_deidentify_odd_kinds(void **state)
{
    (void)state;
    for (int sequence = 0; sequence < 2; sequence++) {
        shn_error  err = { 0 };
        shn_deid  *d;
        shn_bytes  out;
        dw_group   g = plain();
        dw        *w = fresh(0, 0, 0);
        g.data_vr = "UN";
        if (sequence) {
            const size_t s = dw_head(w, 0x00080060, "SQ", 0), item = dw_item(w);
            dw_text(w, 0x00100010, "PN", "Clark");
            dw_close(w, item, DW_END_ITEM);
            dw_close(w, s, DW_END_SEQUENCE);
        }
        dw_groups(w, &g, 1);
        const shn_input in = input_of(w->b, w->n, &defaults);
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        assert_status(shn_reader_dicom.deidentify(&in, d, &out, &err), sequence ? SHN_UNSUPPORTED : SHN_OK);
        assert_int_equal(out.n != 0, !sequence);
        if (!sequence) {
            shn_record     *rec;
            const shn_input again = input_of(out.bytes, out.n, &defaults);
            assert_ok(shn_reader_dicom.read(&again, &rec, &err));
            assert_plain(rec);
            shn_record_free(rec);
        }
        shn_bytes_free(&out);
        shn_deid_free(d);
    }
}

static void test_deidentify_old_people(void **state)
{
    (void)state;
    static const struct { const char *birth, *age; double years; int has_birth; } cases[] = { { "19200123", "093Y", 90, 0 }, { "19200123", NULL, NAN, 0 }, { "19300123", NULL, 83, 1 } };
    for (size_t i = 0; i < 3; i++) {
        shn_error      err = { 0 };
        shn_deid      *d;
        shn_bytes      out;
        shn_record    *rec;
        const dw_group g = plain();
        dw            *w = fresh(0, 0, 0);
        dw_people(w, NULL, cases[i].birth, cases[i].age);
        dw_groups(w, &g, 1);
        const shn_input in = input_of(w->b, w->n, &defaults);
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        assert_ok(shn_reader_dicom.deidentify(&in, d, &out, &err));
        const shn_input again = input_of(out.bytes, out.n, &defaults);
        assert_ok(shn_reader_dicom.read(&again, &rec, &err));
        const double age = shn_record_meta_of(rec)->age_years;
        if (isnan(cases[i].years)) assert_true(isnan(age));
        else assert_near(age, cases[i].years, 1);
        assert_int_equal(audited(d, "(0010,0030)", cases[i].has_birth ? "shifted" : "removed"), 1);
        shn_record_free(rec);
        shn_bytes_free(&out);
        shn_deid_free(d);
    }
}

static void test_deidentify_no_memory(void **state)
{
    (void)state;
    const dw_group g = plain();
    dw            *w = fresh(0, 0, 0);
    dw_people(w, NULL, "19710123", NULL);
    dw_groups(w, &g, 1);
    const shn_input in = input_of(w->b, w->n, &defaults);
    for (long n = 1;; n++) {
        shn_error err = { 0 };
        shn_deid *d;
        shn_bytes out = { 0 };
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        shn_alloc_fail_after(n);
        const shn_status st = shn_reader_dicom.deidentify(&in, d, &out, &err);
        shn_alloc_fail_after(0);
        if (st != SHN_OK) assert_true(st == SHN_NOMEM && !out.bytes);
        shn_bytes_free(&out);
        shn_deid_free(d);
        if (st == SHN_OK) break;
    }
}

/* ---- real files ---- */

static void test_not_others(void **state)
{
    (void)state;
    char        folder[SHN_PATH_MAX + 64];
    const char *names[] = { "scp", "edf", "mfer", "mat", "hdf5", "muse_xml", "hl7_aecg", "wfdb", "philips_sierra_xml", "cardiosoft_xml" };
    size_t      seen = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(folder, sizeof folder, "%s/formats/%s", test_data(), names[i]);
        DIR *dir = opendir(folder);
        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir)) != NULL;) {
            char        path[SHN_PATH_MAX + 400];
            shn_error   err = { 0 };
            shn_mapping map;
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            if (e->d_name[0] == '.' || shn_path_is_dir(path)) continue;
            assert_ok(shn_file_map(path, &map, &err));
            if (shn_reader_dicom.recognises(map.bytes, map.n_bytes)) fail_msg("%s is no DICOM", path);
            shn_file_unmap(&map);
            seen++;
        }
        closedir(dir);
    }
    assert_true(seen > 100);
}

static void test_golden(void **state)
{
    (void)state;
    char        line[512], open[64] = "";
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    size_t      n_leads = 0, n_numbers = 0, n_texts = 0;
    FILE       *f = fopen(SHN_TESTS_DIR "/golden/dicom_waveforms.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char   name[64], label[64], word[64], acquired[32], age[16], sex;
        int    group, n;
        double fs, sum, squares, a, b, c, d, got = 0, got2 = 0, value;
        if (sscanf(line, "file %63s %c %31s %15s", name, &sex, acquired, age) == 4) {
            char path[SHN_PATH_MAX + 128];
            shn_record_free(rec);
            snprintf(path, sizeof path, "%s/formats/dicom/%s", test_data(), name);
            assert_ok(shn_record_read(path, NULL, &rec, &err));
            strcpy(open, name);
            assert_int_equal(shn_record_meta_of(rec)->sex, sex);
            assert_memory_equal(shn_record_meta_of(rec)->acquired, acquired, 4);
        } else if (sscanf(line, "number %63s %63s %lf", name, word, &value) == 3) {
            int found = 0;
            for (size_t i = 0; i < shn_record_n_measurements(rec); i++) found |= shn_record_measurement(rec, i)->value == value;
            if (!found) fail_msg("%s", line);
            n_numbers++;
        } else if (strncmp(line, "text ", 5) == 0) {
            int found = 0;
            for (size_t i = 0; i < shn_record_n_statements(rec); i++) found |= strstr(line, shn_record_statement(rec, i)) != NULL;
            if (!found) fail_msg("%s", line);
            n_texts++;
        } else if (sscanf(line, "%63s %d %63s %63s %lf %d %lf %lf %lf %lf %lf %lf", name, &group, label, word, &fs, &n, &sum, &squares, &a, &b, &c, &d) == 12 && group == 0) {
            char lead[64];
            snprintf(lead, sizeof lead, "%.*s", (int)strcspn(word, "_,"), word);
            const int at = shn_record_find(rec, lead);
            assert_string_equal(name, open);
            assert_true(at >= 0 && (size_t)n == shn_record_n_samples(rec) && fs == shn_record_fs_hz(rec));
            const float *x = shn_record_lead(rec, (size_t)at);
            for (int i = 0; i < n; i++) got += x[i] * 1e3, got2 += (double)x[i] * x[i] * 1e6;
            assert_near(got, sum, 1e-6 * fabs(sum) + 0.1);
            assert_near(got2, squares, 1e-6 * squares);
            assert_true(fabs(x[0] * 1e3 - a) < 1e-3 && fabs(x[1] * 1e3 - b) < 1e-3 && fabs(x[777] * 1e3 - c) < 1e-3 && fabs(x[n - 1] * 1e3 - d) < 1e-3);
            n_leads++;
        }
    }
    fclose(f);
    shn_record_free(rec);
    assert_int_equal(n_leads, 36);
    assert_true(n_numbers >= 18 && n_texts >= 4);
}

/** Example.scp, its aECG and its DICOM are one recording. */
static void test_twins(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX + 64];
    shn_error   err = { 0 };
    shn_record *dicom, *other;
    int         compared = 0;
    snprintf(path, sizeof path, "%s/formats/dicom/ecgtoolkit_example.dcm", test_data());
    assert_ok(shn_record_read(path, NULL, &dicom, &err));
    static const char *const others[] = { "hl7_aecg/example_aecg.xml", "scp/Example.scp" };
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/formats/%s", test_data(), others[i]);
        if (!shn_format_of(path)) continue;
        assert_ok(shn_record_read(path, NULL, &other, &err));
        assert_int_equal(shn_record_n_samples(other), 5000);
        for (size_t lead = 0; lead < shn_record_n_leads(other); lead++) {
            const int at = shn_record_find(dicom, shn_record_name(other, lead));
            assert_true(at >= 0);
            for (size_t t = 0; t < 5000; t++) assert_near(shn_record_lead(dicom, (size_t)at)[t], shn_record_lead(other, lead)[t], 1e-6);
        }
        compared++;
        shn_record_free(other);
    }
    shn_record_free(dicom);
    if (!compared) {
        printf("skipped: neither aECG nor SCP is read by this build\n");
        skip();
    }
}

/** Real objects through the whole path: rewritten, read again, and no word of the old identifiers. */
static void test_real_deidentified(void **state)
{
    (void)state;
    static const char *const files[] = { "anonymous_ecg.dcm", "ecgtoolkit_example.dcm", "waveform_ecg.dcm" };
    static const char *const gone[] = { "642341", "Galliera", "SBJ-123", "Clark", "1.3.6.1.4.1.20029", "1.2.826.0.1.34471.2.44.6.2002", "03028041970546", "13002689", "DW_AM" };
    for (int i = 0; i < 3; i++) {
        char       path[SHN_PATH_MAX + 64], out[SHN_DEID_PATH_MAX];
        shn_error  err = { 0 };
        shn_deid  *d;
        shn_bytes  bytes = { 0 };
        snprintf(path, sizeof path, "%s/formats/dicom/%s", test_data(), files[i]);
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        assert_ok(shn_deid_file(d, path, test_folder(), out, &err));
        assert_ok(shn_file_read(out, 1 << 24, &bytes.bytes, &bytes.n, &err));
        for (size_t k = 0; k < sizeof gone / sizeof *gone; k++)
            if (count_of(&bytes, gone[k])) fail_msg("%s: '%s' is still there", files[i], gone[k]);
        unlink(out);
        free(bytes.bytes);
        shn_deid_free(d);
    }
}

/** With a folder named in $SHN_WRITE_CORPUS: the fuzz target's seeds, from the writer above. */
static void test_write_corpus(void **state)
{
    (void)state;
    const char *folder = getenv("SHN_WRITE_CORPUS");
    if (!folder) skip();
    static const struct { const char *name; int implicit, big, undefined, preamble; const char *syntax; } seeds[] = {
        { "explicit", 0, 0, 0, 1, "1.2.840.10008.1.2.1" }, { "implicit_undefined", 1, 0, 1, 1, "1.2.840.10008.1.2" }, { "big", 0, 1, 0, 1, "1.2.840.10008.1.2.2" },
        { "bare_explicit", 0, 0, 1, 0, NULL }, { "bare_implicit", 1, 0, 0, 0, NULL }, { "deflated", 0, 0, 0, 1, "1.2.840.10008.1.2.1.99" } };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        static dw  w;
        char       path[SHN_PATH_MAX];
        shn_error  err = { 0 };
        dw_group   g[2] = { plain(), plain() };
        const int  gap = -32768;
        dw_channel narrow[2] = { two[0], two[1] };
        narrow[0].bits_stored = narrow[1].bits_stored = i % 2 ? 12 : 16;
        static const int small[10] = { 1, 2, -3, 4, 5, 6, 7, 8, 9, 10 };
        g[0].channels = narrow;
        g[0].samples = small;
        g[0].padding = &gap;
        g[1].label = "MEDIAN BEAT";
        w.implicit = seeds[i].implicit, w.big = seeds[i].big, w.undefined = seeds[i].undefined;
        dw_begin(&w, seeds[i].preamble, seeds[i].syntax);
        dw_people(&w, i % 2 ? "\\ISO 2022 IR 87" : "ISO_IR 100", "19710123", "042Y");
        put_annotated(&w);
        dw_groups(&w, g, 2);
        snprintf(path, sizeof path, "%s/%s", folder, seeds[i].name);
        assert_ok(shn_file_write(path, w.b, w.n, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_deidentify),
        cmocka_unit_test(test_deidentify_odd_kinds),
        cmocka_unit_test(test_deidentify_old_people),
        cmocka_unit_test(test_deidentify_no_memory),
        cmocka_unit_test(test_not_others),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_real_deidentified),
        cmocka_unit_test(test_write_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
