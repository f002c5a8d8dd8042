/** Philips Sierra XML: XLI, limb leads, the calibration tail, plain encodings, versions, facts, refusals, de-identification; real files and their twin. */
#include "harness.h"

#include "formats/sierra/sierra.h"
#include "sierra_writer.h"
#include "xml_record.h"

static const shn_reader *const sierra = &shn_reader_sierra;
static sierra_made made_leads;

static made_text document(int n_ecg, int with_tail, const sierra_words *words)
{
    made_text m;
    sierra_fill(&made_leads, n_ecg, with_tail);
    made_open(&m);
    sierra_document(&m, &made_leads, words);
    made_close(&m);
    return m;
}

static void has_leads(const shn_record *rec, size_t n, double uv)
{
    static const char *const names[12] = { "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6" };
    assert_int_equal(shn_record_n_leads(rec), 12);
    assert_int_equal(shn_record_n_samples(rec), n);
    for (size_t l = 0; l < 12; l++) {
        assert_string_equal(shn_record_name(rec, l), names[l]);
        for (size_t t = 0; t < n; t++)
            if (fabs((double)shn_record_lead(rec, l)[t] - made_leads.leads[l][t] * uv / 1000) > 1e-5)
                fail_msg("%s[%zu] is %g, expected %g", names[l], t, (double)shn_record_lead(rec, l)[t], made_leads.leads[l][t] * uv / 1000);
    }
}

static void xli_and_limb_leads(void **state)
{
    (void)state;
    static const char *const versions[] = { "1.03", "1.04", "1.04.01", "1.04.02" };
    for (int v = 0; v < 4; v++) {
        sierra_words words = SIERRA_WORDS;
        words.version = versions[v];
        words.type = v ? "PhilipsECG" : "SierraECG";
        words.labels = v ? words.labels : NULL;                 /* 1.03: the acquisition type stands for the leads */
        words.interpretation = sierra_sinus;
        made_text   m = document(2000, 0, &words);
        shn_record *rec;
        assert_true(sierra->recognises((uint8_t *)m.text, m.n));
        assert_ok(read_text(sierra, m.text, m.n, &rec));
        has_leads(rec, 2000, 5);
        assert_int_equal(shn_record_n_notes(rec), 0);
        assert_near(shn_record_fs_hz(rec), 500, 0);
        assert_near(shn_record_calibration(rec, 3).gain_adu_per_mv, 200, 1e-9);
        if (v == 3) parts_equal_whole(sierra, m.text, m.n, rec);
        char format[48];
        snprintf(format, sizeof format, "sierra_xml %s", versions[v]);
        assert_string_equal(shn_record_meta_of(rec)->format, format);
        shn_record_free(rec);
        made_free(&m);
    }
}

static void facts(void **state)
{
    (void)state;
    sierra_words words = SIERRA_WORDS;
    words.interpretation = sierra_sinus;
    made_text   m = document(300, 0, &words);
    shn_record *rec;
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    const shn_record_meta *meta = shn_record_meta_of(rec);
    assert_string_equal(meta->id, "7eacbc80");
    assert_string_equal(meta->patient, "9999");
    assert_string_equal(meta->acquired, "2010-01-19T15:19:22");
    assert_near(meta->age_years, 59, 0);                        /* the day before the 60th birthday; defaultage is no age */
    assert_int_equal(meta->sex, 'F');
    assert_string_equal(meta->device, "PageWriter, 860315:A.01");
    assert_string_equal(meta->filters, "0.05-150 Hz, notch 60");
    measured(rec, "heart_rate", 64, "/min");
    measured(rec, "pr_interval", 164, "ms");
    measured(rec, "qrs_duration", 102, "ms");
    measured(rec, "qt_interval", 399, "ms");
    measured(rec, "qtc_interval", 412, "ms");
    measured(rec, "p_axis", 27, "deg");
    measured(rec, "qrs_axis", 22, "deg");
    measured(rec, "tonset", 712, "");
    assert_int_equal(shn_record_n_measurements(rec), 9);        /* "Failed" is none */
    assert_int_equal(shn_record_n_statements(rec), 3);
    assert_string_equal(shn_record_statement(rec, 0), "Sinus rhythm: V-rate 50-99");
    assert_string_equal(shn_record_statement(rec, 1), "seen by Smith");
    assert_string_equal(shn_record_statement(rec, 2), "- OTHERWISE NORMAL ECG -");
    shn_record_free(rec);
    made_free(&m);
}

static void calibration_tail(void **state)
{
    (void)state;
    sierra_words words = SIERRA_WORDS;
    made_text    m = document(2000, 1, &words);
    shn_record  *rec;
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 2000, 5);
    assert_true(noted(rec, SHN_REASON_EXCLUDED, "2000 to 2199"));
    parts_equal_whole(sierra, m.text, m.n, rec);
    shn_record_free(rec);
    made_free(&m);
    /* a pulse of another height, or in one lead only, is no calibration: all stays */
    words.resolution = "2.5";
    m = document(2000, 1, &words);
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 2200, 2.5);
    assert_false(noted(rec, SHN_REASON_EXCLUDED, ""));
    shn_record_free(rec);
    made_free(&m);
    words.resolution = "5";
    sierra_fill(&made_leads, 2000, 1);
    made_leads.leads[8][2120] = 199;
    made_open(&m);
    sierra_document(&m, &made_leads, &words);
    made_close(&m);
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 2200, 5);
    shn_record_free(rec);
    made_free(&m);
}

static void plain_encodings(void **state)
{
    (void)state;
    shn_record *rec;
    for (int kind = 0; kind < 4; kind++) {                      /* int16 or decimal, as leads or as differences */
        sierra_words words = SIERRA_WORDS;
        words.compression = kind == 0 ? NULL : "Uncompressed";
        words.encoding = kind < 2 ? "Base64" : "Plain";
        if (kind < 2) words.raw = 1 + (kind == 1);
        else words.decimal = 1 + (kind == 3);
        made_text m = document(500, 0, &words);
        assert_ok(read_text(sierra, m.text, m.n, &rec));
        has_leads(rec, 500, 5);
        assert_int_equal(noted(rec, SHN_REASON_LEAD_ORDER, "differences"), kind == 1 || kind == 3);
        shn_record_free(rec);
        made_free(&m);
    }
}

/** Sums that leave 16 bits wrap, as in the machine (1.04.02 files have them); what comes out is right again, and it is said. */
static void overflow(void **state)
{
    (void)state;
    sierra_words words = SIERRA_WORDS;
    made_text    m;
    shn_record  *rec;
    sierra_fill(&made_leads, 500, 0);
    for (int t = 100; t < 110; t++) made_leads.leads[9][t] = t % 2 ? 32000 : -32000;
    made_open(&m);
    sierra_document(&m, &made_leads, &words);
    made_close(&m);
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 500, 5);
    assert_true(noted(rec, SHN_REASON_CLIPPED, "lead V4"));
    shn_record_free(rec);
    made_free(&m);
}

static void nothing_memorised(void **state)
{
    (void)state;
    sierra_words words = SIERRA_WORDS;
    shn_record  *rec;
    words.resolution = "1.25";
    made_text m = document(400, 0, &words);
    char     *rate = strstr(m.text, "samplespersecond=\"500\"");
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 400, 1.25);
    shn_record_free(rec);
    memcpy(rate, "samplespersecond=\"250\"", 22);                /* 800 ms at 250 Hz announce 200 samples; the chunks hold 400 */
    text_refused(sierra, m.text, m.n, SHN_FORMAT, SHN_REASON_BAD_VALUE, "more samples than the file announces (200)");
    made_free(&m);
    sierra_fill(&made_leads, 400, 0);
    made_leads.leads[7][123] += 11;
    made_open(&m);
    sierra_document(&m, &made_leads, &words);
    made_close(&m);
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 400, 1.25);
    shn_record_free(rec);
    made_free(&m);
    words.resolution = NULL;
    m = document(400, 0, &words);
    assert_ok(read_text(sierra, m.text, m.n, &rec));
    has_leads(rec, 400, 1000);                                  /* the stored integers, for --assume-unit */
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);
    assert_true(noted(rec, SHN_REASON_NO_UNIT, "resolution"));
    shn_record_free(rec);
    made_free(&m);
}

static void refusals(void **state)
{
    (void)state;
    static const struct { const char *from, *to; shn_status status; shn_reason reason; const char *words; } edits[] = {
        { ">PhilipsECG<", ">MortaraECG<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "MortaraECG" },
        { "version>1.04<", "version>1.05<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "1.05" },
        { "<documenttype>", "<documentkind>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "line" },
        { "compression=\"XLI\"", "compression=\"ZIP\"", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "ZIP" },
        { "dataencoding=\"Base64\"", "dataencoding=\"Base32\"", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "Base32" },
        { "numberofleads=\"12\"", "numberofleads=\"17\"", SHN_RANGE, SHN_REASON_LIMIT, "17 leads" },
        { "numberofleads=\"12\"", "numberofleads=\"13\"", SHN_FORMAT, SHN_REASON_BAD_HEADER, "names 12" },
        { "\"I II III aVR", "\"I II aVF aVR", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "I II aVF" },
        { "resolution=\"5\"", "resolution=\"0\"", SHN_FORMAT, SHN_REASON_BAD_VALUE, "resolution" },
        { "durationperchannel=\"800\"", "durationperchannel=\"801\"", SHN_OK, SHN_REASON_NONE, "" },      /* 400.5 samples: 400 */
        { "durationperchannel=\"800\"", "durationperchannel=\"900\"", SHN_FORMAT, SHN_REASON_TRUNCATED, "450 samples announced, 400" },
        { "durationperchannel=\"800\"", "durationperchannel=\"9e9\"", SHN_RANGE, SHN_REASON_LIMIT, "samples in a channel" },
        { "durationperchannel=\"800\"", "durationperchannel=\"-10\"", SHN_FORMAT, SHN_REASON_BAD_HEADER, "durationperchannel" },
        { "samplespersecond=\"500\"", "samplespersecond=\"0.0\"", SHN_FORMAT, SHN_REASON_BAD_HEADER, "sampling rate" },
        { "<bitspersample>16<", "<bitspersample>12<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "12 bits" },
        { "<waveforms><parsedwave", "<waveforms><parsedwive", SHN_FORMAT, SHN_REASON_BAD_HEADER, "line" },
        { "</restingecgdata>", "                 ", SHN_FORMAT, SHN_REASON_TRUNCATED, "ends early" },
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        sierra_words words = SIERRA_WORDS;
        made_text    m = document(400, 0, &words);
        char        *at = strstr(m.text, edits[i].from);
        if (!at) fail_msg("edit %zu", i);
        memcpy(at, edits[i].to, strlen(edits[i].to));
        if (edits[i].status != SHN_OK) text_refused(sierra, m.text, m.n, edits[i].status, edits[i].reason, edits[i].words);
        else {
            shn_record *rec;
            assert_ok(read_text(sierra, m.text, m.n, &rec));
            shn_record_free(rec);
        }
        made_free(&m);
    }
    static const char bare[] = "<restingecgdata><documentinfo><documenttype>SierraECG</documenttype><documentversion>1.03</documentversion></documentinfo></restingecgdata>";
    text_refused(sierra, bare, sizeof bare - 1, SHN_FORMAT, SHN_REASON_NO_ECG, "parsedwaveforms");
    /* fewer bytes than the leads need, compressed or not */
    for (int raw = 0; raw < 2; raw++) {
        sierra_words words = SIERRA_WORDS;
        words.raw = raw;
        words.compression = raw ? "None" : "XLI";
        words.cut = 6;
        made_text m = document(400, 0, &words);
        text_refused(sierra, m.text, m.n, SHN_FORMAT, SHN_REASON_TRUNCATED, "export the file again");
        made_free(&m);
    }
}

static void damaged_chunks(void **state)
{
    (void)state;
    static const struct { uint8_t bytes[16]; size_t n; shn_reason reason; const char *words; } cases[] = {
        { { 1, 2, 3 }, 3, SHN_REASON_TRUNCATED, "3 bytes are left" },
        { { 200, 0, 0, 0, 1, 0, 0, 0, 0 }, 9, SHN_REASON_TRUNCATED, "a chunk of 200 bytes, 1 are left" },
        { { 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0 }, 8, SHN_REASON_TRUNCATED, "a chunk of" },
        { { 2, 0, 0, 0, 1, 0, 0, 0, 0x40, 0x00 }, 10, SHN_REASON_BAD_VALUE, "code 256" },      /* the first code cannot be a string */
        { { 4, 0, 0, 0, 1, 0, 0, 0, 0x00, 0x50, 0x8f, 0xff }, 12, SHN_REASON_BAD_VALUE, "code 264" },
        { { 3, 0, 0, 0, 1, 0, 0, 0, 0x00, 0x3f, 0xf0 }, 11, SHN_REASON_BAD_VALUE, "whole number" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *p = cases[i].bytes;
        size_t         left = cases[i].n, n, wrapped;
        int16_t       *out;
        assert_status(sierra_xli_chunk(&p, &left, 100, "test", &out, &n, &wrapped, &err), SHN_FORMAT);
        if (err.reason != cases[i].reason || !strstr(err.text, cases[i].words)) fail_msg("case %zu: %s: %s", i, shn_reason_name(err.reason), err.text);
        assert_null(out);
    }
    /* an empty chunk is no error of its own: its samples are missing */
    const uint8_t  empty[8] = { 0 }, *p = empty;
    size_t         left = 8, n, wrapped;
    int16_t       *out;
    assert_ok(sierra_xli_chunk(&p, &left, 100, "test", &out, &n, &wrapped, &err));
    assert_int_equal(n, 0);
    assert_int_equal(left, 0);
    free(out);
}

static void deidentified(void **state)
{
    (void)state;
    sierra_words words = SIERRA_WORDS;
    shn_record  *after;
    words.interpretation = sierra_sinus;
    made_text m = document(600, 1, &words);
    char     *text = rewritten(sierra, m.text, m.n, &after);
    static const char *const gone[] = { "9999", "7eacbc80", "120190145", "4711", "EKG1715", "VWJ", "Kim", "North", "Doe", "Jane", "1950-01-20", "2010-01-19", "Smith" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (strstr(text, gone[i])) fail_msg("'%s' is still there", gone[i]);
    const shn_record_meta *meta = shn_record_meta_of(after);
    assert_int_equal(meta->patient[0], 'P');
    assert_near(meta->age_years, 59, 0);                        /* both dates moved alike */
    assert_string_equal(meta->acquired + 10, "T15:19:22");
    assert_string_equal(meta->device, "PageWriter, 860315:A.01");
    assert_int_equal(shn_record_n_statements(after), 2);
    assert_string_equal(shn_record_statement(after, 0), "Sinus rhythm: V-rate 50-99");
    measured(after, "qt_interval", 399, "ms");
    shn_record_free(after);
    free(text);
    memcpy(strstr(m.text, "1950-01-20"), "1912-01-20", 10);
    text = rewritten(sierra, m.text, m.n, &after);
    assert_null(strstr(text, "dateofbirth"));
    shn_record_free(after);
    free(text);
    made_free(&m);
    /* a confirmed document without marks of editing: nobody knows who wrote the statements */
    words.interpretation = "<statement><leftstatement>seen by Smith</leftstatement></statement>";
    m = document(300, 0, &words);
    memcpy(strstr(m.text, "status=\"New\" lang=\"en\""), "status=\"Confirmed\"     ", 22);
    text = rewritten(sierra, m.text, m.n, &after);
    assert_null(strstr(text, "Smith"));
    shn_record_free(after);
    free(text);
    made_free(&m);
}

static void real_files(void **state)
{
    (void)state;
    char path[4608];
    test_data();
    assert_int_equal(fits_golden(sierra, "sierra_records.txt", "formats/philips_sierra_xml"), 84);
    static const struct { const char *file, *words; } broken[] = { { "invalid-doc-type.xml", "MortaraECG" }, { "invalid-doc-version.xml", "1.05" } };
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        snprintf(path, sizeof path, "%s/formats/philips_sierra_xml/%s", test_data(), broken[i].file);
        char *text = read_whole(path, &n);
        assert_true(sierra->recognises((uint8_t *)text, n));
        text_refused(sierra, text, n, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, broken[i].words);
        free(text);
    }
    size_t n;
    snprintf(path, sizeof path, "%s/formats/philips_sierra_xml/ad4d3d80_1_04_converted.xml", test_data());
    char *text = read_whole(path, &n);
    assert_false(sierra->recognises((uint8_t *)text, n));       /* an HL7 aECG */
    free(text);
}

/**
 * The vendor's conversion of ad4d3d80 to aECG was smoothed: no sample is off by more than 4 steps of 5 uV. On the average it is not off at all,
 * which proves the direction of rounding of the derived limb leads.
 */
static void twin(void **state)
{
    (void)state;
    char        path[4608];
    size_t      n;
    shn_record *rec;
    snprintf(path, sizeof path, "%s/formats/philips_sierra_xml/ad4d3d80_1_04.xml", test_data());
    char *text = read_whole(path, &n);
    assert_ok(read_text(sierra, text, n, &rec));
    free(text);
    assert_int_equal(shn_record_n_samples(rec), 5300);
    snprintf(path, sizeof path, "%s/formats/philips_sierra_xml/ad4d3d80_1_04_converted.xml", test_data());
    text = read_whole(path, &n);
    const char *at = text;
    for (size_t l = 0; l < 12; l++) {
        double worst = 0, mean_odd = 0;
        size_t n_odd = 0;
        at = strstr(at, "<digits>");
        assert_non_null(at);
        at += 8;
        const float *i = shn_record_lead(rec, 0), *ii = shn_record_lead(rec, 1), *iii = shn_record_lead(rec, 2), *v = shn_record_lead(rec, l);
        for (size_t t = 0; t < 5290; t++) {                     /* the last steps before the tail are smoothed into it */
            char        *end;
            const double step = v[t] * 200, twin_step = (double)strtol(at, &end, 10);
            at = end;
            worst = fmax(worst, fabs(step - twin_step));
            const float sum = l == 3 ? i[t] + ii[t] : l == 4 ? i[t] - iii[t] : ii[t] + iii[t];
            const long  steps = lrintf(sum * 200);
            if (l < 3 || l > 5 || steps >= 0 || steps % 2 == 0) continue;
            mean_odd += twin_step - step;
            n_odd++;
        }
        if (worst > 4.001) fail_msg("lead %zu: %g steps", l, worst);
        if (l >= 3 && l <= 5) {
            assert_true(n_odd > 500);
            if (fabs(mean_odd / (double)n_odd) > 0.2) fail_msg("lead %zu: %g steps in the mean of odd negative sums", l, mean_odd / (double)n_odd);
        }
    }
    free(text);
    shn_record_free(rec);
}

static void real_files_rewritten(void **state)
{
    (void)state;
    char path[4608];
    static const struct { const char *file, *gone; } files[] = {
        { "129DYPRG_1_03.xml", "1112010721168bdc" }, { "2020-5-18_1_04_01.xml", "US71621374" }, { "PhilipsExample02.xml", "pat0001" },
        { "demo_1_04.xml", "ZZDEMOPTONLY" }, { "deid_3.xml", NULL }, { "repbeats_1_03.xml", "1112010721168bdc" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t      n;
        shn_record *after;
        snprintf(path, sizeof path, "%s/formats/philips_sierra_xml/%s", test_data(), files[i].file);
        char *text = read_whole(path, &n), *out = rewritten(sierra, text, n, &after);
        if (files[i].gone) assert_null(strstr(out, files[i].gone));
        free(text);
        free(out);
        shn_record_free(after);
    }
}

static void out_of_memory(void **state)
{
    (void)state;
    sierra_words words = SIERRA_WORDS;
    words.interpretation = sierra_sinus;
    made_text m = document(200, 1, &words);
    assert_true(every_allocation_fails(sierra, m.text, m.n) > 30);
    made_free(&m);
}

/** Runs only with SHINDEN_SEEDS set to a folder: writes the seeds of the fuzz corpus there. */
static void seeds(void **state)
{
    (void)state;
    const char *folder = getenv("SHINDEN_SEEDS");
    for (int i = 0; i < 4; i++) {
        sierra_words words = SIERRA_WORDS;
        char         path[4096];
        words.decimal = i == 1;
        words.raw = i == 2;
        if (i == 1) words.encoding = "Plain";
        if (i == 1 || i == 2) words.compression = "None";
        if (i == 3) words.labels = NULL;
        words.interpretation = sierra_sinus;
        made_text m = document(i == 0 ? 30 : 12, i == 0, &words);
        snprintf(path, sizeof path, "%s/made_%d", folder, i);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fwrite(m.text, 1, m.n, f);
        fclose(f);
        made_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xli_and_limb_leads), cmocka_unit_test(facts), cmocka_unit_test(calibration_tail), cmocka_unit_test(plain_encodings),
        cmocka_unit_test(overflow), cmocka_unit_test(nothing_memorised), cmocka_unit_test(refusals), cmocka_unit_test(damaged_chunks),
        cmocka_unit_test(deidentified), cmocka_unit_test(real_files), cmocka_unit_test(twin), cmocka_unit_test(real_files_rewritten),
        cmocka_unit_test(out_of_memory), cmocka_unit_test(seeds),
    };
    const size_t n = sizeof tests / sizeof *tests - (getenv("SHINDEN_SEEDS") == NULL);        /* seeds is the last */
    return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}
