/** GE MUSE XML: median first, 8 leads, units, checksums, dialects, facts, refusals, de-identification; real files against goldens and their twin. */
#include "harness.h"

#include "formats/muse/muse.h"
#include "formats/xml/dates.h"
#include "muse_writer.h"
#include "xml_record.h"

static const shn_reader *const muse = &shn_reader_muse;

/** Median first, then rhythm, with these words for the rhythm's leads. */
static made_text document(const muse_lead_words *words)
{
    const muse_lead_words plain = MUSE_LEAD_WORDS;
    made_text             m;
    made_open(&m);
    muse_head(&m);
    muse_diagnosis(&m);
    muse_waveform(&m, "Median", 0, 8, 60, muse_rate_500, &plain);
    muse_waveform(&m, "Rhythm", 1, 8, 400, muse_rate_500, words ? words : &plain);
    made(&m, "<PharmaData><PharmaCartID>SKJ18310123PA</PharmaCartID></PharmaData></RestingECG>\n");
    made_close(&m);
    return m;
}

/** A document around one waveform that the caller writes. */
static made_text around(const char *type, int w, int n_leads, const char *rate, const muse_lead_words *words)
{
    made_text m;
    made_open(&m);
    made(&m, "<RestingECG>");
    muse_waveform(&m, type, w, n_leads, 40, rate, words);
    made(&m, "</RestingECG>");
    made_close(&m);
    return m;
}

static void has_rhythm(const shn_record *rec, double uv_per_bit, size_t n)
{
    assert_int_equal(shn_record_n_samples(rec), n);
    for (size_t l = 0; l < shn_record_n_leads(rec); l++) {
        assert_string_equal(shn_record_name(rec, l), muse_eight[l]);
        for (size_t t = 0; t < n; t++) assert_near(shn_record_lead(rec, l)[t], muse_sample(1, (int)l, (int)t) * uv_per_bit / 1000, 1e-5 * uv_per_bit);
    }
}

static void rhythm_not_median(void **state)
{
    (void)state;
    made_text   m = document(NULL);
    shn_record *rec;
    assert_true(muse->recognises((uint8_t *)m.text, m.n));
    assert_ok(read_text(muse, m.text, m.n, &rec));
    assert_int_equal(shn_record_n_leads(rec), 8);
    assert_near(shn_record_fs_hz(rec), 500, 0);
    has_rhythm(rec, 4.88, 400);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
    assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 1000 / 4.88, 1e-9);
    assert_int_equal(shn_record_n_notes(rec), 0);
    parts_equal_whole(muse, m.text, m.n, rec);

    const shn_record_meta *meta = shn_record_meta_of(rec);
    assert_string_equal(meta->id, "made");
    assert_string_equal(meta->patient, "0815");
    assert_string_equal(meta->acquired, "2023-04-29T22:41:16");
    assert_near(meta->age_years, 61, 0);
    assert_int_equal(meta->sex, 'F');
    assert_string_equal(meta->device, "MAC55, software 1.02");
    assert_string_equal(meta->filters, "high-pass 0.16 Hz, low-pass 150 Hz, mains 50 Hz");
    assert_string_equal(meta->format, "muse_xml rhythm");
    measured(rec, "heart_rate", 90, "/min");
    measured(rec, "pr_interval", 144, "ms");
    measured(rec, "qtc_interval", 491, "ms");
    measured(rec, "qrs_axis", -5, "deg");
    measured(rec, "POnset", 147, "");
    static const char *const lines[] = { "Normal sinus rhythm", "Anterior infarct, age undetermined", "Seen by SMITH", "original: ST & T wave abnormality",
                                         "original: compared with 30-MAR-2023 09:09" };
    assert_int_equal(shn_record_n_statements(rec), 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(shn_record_statement(rec, i), lines[i]);
    shn_record_free(rec);
    made_free(&m);
}

/** Gain, unit, rate and a sample inside the file: the output follows. */
static void nothing_memorised(void **state)
{
    (void)state;
    static const struct { const char *per_bit, *units; double uv; } scales[] = { { "2.5", "MICROVOLTS", 2.5 }, { "0.005", "MILLIVOLTS", 5 }, { "4880", "nanovolts", 4.88 }, { "4,88", "uV", 4.88 } };
    shn_record *rec;
    for (size_t i = 0; i < 4; i++) {
        muse_lead_words words = MUSE_LEAD_WORDS;
        words.per_bit = scales[i].per_bit;
        words.units = scales[i].units;
        made_text m = document(&words);
        assert_ok(read_text(muse, m.text, m.n, &rec));
        has_rhythm(rec, scales[i].uv, 400);
        shn_record_free(rec);
        made_free(&m);
    }
    /* uV declared as mV is read as declared: a thousand times too large, which check finds implausible */
    muse_lead_words words = MUSE_LEAD_WORDS;
    words.units = "MILLIVOLTS";
    made_text m = document(&words);
    assert_ok(read_text(muse, m.text, m.n, &rec));
    assert_true(shn_record_lead(rec, 0)[0] > 1000);
    shn_record_free(rec);
    made_free(&m);

    const muse_lead_words plain = MUSE_LEAD_WORDS;
    m = around("Rhythm", 1, 2, "<SampleBase>25</SampleBase><SampleExponent>1</SampleExponent>", &plain);
    assert_ok(read_text(muse, m.text, m.n, &rec));
    assert_near(shn_record_fs_hz(rec), 250, 1e-9);
    shn_record_free(rec);
    /* the first base64 character of lead I decides the low bits of sample 0 */
    char *wave = strstr(m.text, "<WaveFormData>\n") + 15;
    wave[1] = wave[1] == 'A' ? 'B' : 'A';
    options.verify_checksums = 0;
    shn_record *other;
    assert_ok(read_text(muse, m.text, m.n, &other));
    options.verify_checksums = 1;
    assert_true(shn_record_lead(other, 0)[0] * 1000 / 4.88f != (float)muse_sample(1, 0, 0));
    assert_near(shn_record_lead(other, 0)[1], muse_sample(1, 0, 1) * 0.00488, 1e-5);
    assert_true(noted(other, SHN_REASON_CHECKSUM, "lead I"));
    shn_record_free(other);
    text_refused(muse, m.text, m.n, SHN_FORMAT, SHN_REASON_CHECKSUM, "LeadDataCRC32");
    made_free(&m);
}

static void checksums(void **state)
{
    (void)state;
    static const uint8_t check[] = "123456789";
    assert_int_equal(muse_crc32(check, 9), 0xcbf43926u);                /* the published check value */
    for (size_t n = 0; n < 40; n++) {
        uint8_t bytes[40];
        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 37 + n);
        assert_int_equal(muse_crc32(bytes, n), made_crc32(bytes, n));
    }
    muse_lead_words words = MUSE_LEAD_WORDS;
    words.crc_off = 1;
    made_text m = document(&words);
    text_refused(muse, m.text, m.n, SHN_FORMAT, SHN_REASON_CHECKSUM, "lead I");
    made_free(&m);
}

static void units_missing(void **state)
{
    (void)state;
    static const struct { const char *per_bit, *units, *words; } cases[] = {
        { NULL, NULL, "LeadAmplitudeUnitsPerBit" }, { NULL, "MICROVOLTS", "LeadAmplitudeUnitsPerBit" }, { "4.88", NULL, "LeadAmplitudeUnits" }, { "4.88", "CUBITS", "CUBITS" },
    };
    for (size_t i = 0; i < 4; i++) {
        muse_lead_words words = MUSE_LEAD_WORDS;
        words.per_bit = cases[i].per_bit;
        words.units = cases[i].units;
        made_text   m = document(&words);
        shn_record *rec;
        assert_ok(read_text(muse, m.text, m.n, &rec));
        assert_int_equal(shn_record_unit(rec, 7), SHN_UNIT_UNKNOWN);
        assert_true(noted(rec, SHN_REASON_NO_UNIT, cases[i].words));
        assert_near(shn_record_lead(rec, 0)[3], muse_sample(1, 0, 3), 0);        /* the stored integers, for --assume-unit */
        shn_record_free(rec);
        made_free(&m);
    }
}

static void dialects(void **state)
{
    (void)state;
    const muse_lead_words plain = MUSE_LEAD_WORDS;
    shn_record *rec;
    /* no type, no rate but in the measurements; decimal samples; a lead that ends early; the electrode off */
    made_text m;
    made_open(&m);
    made(&m, "<RestingECG><RestingECGMeasurements><ECGSampleBase>250</ECGSampleBase></RestingECGMeasurements>");
    muse_waveform(&m, NULL, 0, 2, 30, "", &plain);
    muse_waveform(&m, NULL, 1, 2, 60, "", &plain);
    made(&m, "</RestingECG>");
    made_close(&m);
    assert_ok(read_text(muse, m.text, m.n, &rec));
    has_rhythm(rec, 4.88, 60);
    assert_near(shn_record_fs_hz(rec), 250, 0);
    assert_true(noted(rec, SHN_REASON_EXCLUDED, "longest of 2"));
    assert_true(noted(rec, SHN_REASON_FS_MISMATCH, "250"));
    shn_record_free(rec);
    made_free(&m);

    muse_lead_words words = MUSE_LEAD_WORDS;
    words.decimal = 1;
    words.announced_bytes = 0;
    m = document(&words);
    assert_ok(read_text(muse, m.text, m.n, &rec));
    has_rhythm(rec, 4.88, 400);
    shn_record_free(rec);
    made_free(&m);

    made_open(&m);
    made(&m, "<restingecg:RestingECG xmlns:restingecg='x'><waveform><waveformtype>RHYTHM</waveformtype><samplebase>500</samplebase>");
    muse_lead(&m, "I", 1, 0, 20, &plain);
    words = plain;
    words.extra = "<LeadOff>TRUE</LeadOff><BaselineSway>TRUE</BaselineSway>";
    muse_lead(&m, "II", 1, 1, 12, &words);
    made(&m, "</waveform></restingecg:RestingECG>");
    made_close(&m);
    assert_ok(read_text(muse, m.text, m.n, &rec));
    assert_true(isnan(shn_record_lead(rec, 1)[12]) && isnan(shn_record_lead(rec, 1)[19]) && !isnan(shn_record_lead(rec, 1)[11]));
    assert_true(noted(rec, SHN_REASON_GAPS, "II ends after 12 of 20"));
    assert_true(noted(rec, SHN_REASON_NOISE, "electrode was off"));
    assert_true(noted(rec, SHN_REASON_NOISE, "sways"));
    shn_record_free(rec);
    made_free(&m);

    words = plain;
    words.announced_samples = 25;
    m = around("Rhythm", 1, 2, muse_rate_500, &words);
    assert_ok(read_text(muse, m.text, m.n, &rec));
    assert_int_equal(shn_record_n_samples(rec), 25);
    assert_true(noted(rec, SHN_REASON_BAD_VALUE, "25 samples announced, 40"));
    shn_record_free(rec);
    made_free(&m);
}

static void stray_ampersand(void **state)
{
    (void)state;
    made_text m = document(NULL);
    char     *at = strstr(m.text, "NORTH HOSPITAL");
    memcpy(at, "ST J & P <3 HOS", 14);
    shn_record *rec;
    assert_ok(read_text(muse, m.text, m.n, &rec));
    has_rhythm(rec, 4.88, 400);
    assert_true(noted(rec, SHN_REASON_BAD_HEADER, "2 stray"));
    shn_record_free(rec);
    made_free(&m);
}

static void ages_and_dates(void **state)
{
    (void)state;
    static const struct { const char *demographics, *date; double age; const char *acquired; } cases[] = {
        { "<PatientAge>6</PatientAge><AgeUnits>MONTHS</AgeUnits>", "01-02-2020", 0.5, "2020-01-02" },
        { "<PatientAge>40</PatientAge>", "2020-01-02", 40, "2020-01-02" },
        { "<DateofBirth>03-15-1962</DateofBirth>", "03-14-2020", 57, "2020-03-14" },
        { "<DateofBirth>03-15-1962</DateofBirth>", "03/15/2020", 58, "2020-03-15" },
        { "<PatientAge>unknown</PatientAge>", "29-04-2023", NAN, "2023-04-29" },
        { "<PatientAge>40</PatientAge><AgeUnits>DOG YEARS</AgeUnits>", "13-13-2023", NAN, "" },
        { "<PatientAge>-3</PatientAge>", "02-30-2023", NAN, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const muse_lead_words plain = MUSE_LEAD_WORDS;
        made_text   m;
        shn_record *rec;
        made_open(&m);
        made(&m, "<RestingECG><PatientDemographics>%s</PatientDemographics><TestDemographics><AcquisitionDate>%s</AcquisitionDate></TestDemographics>", cases[i].demographics, cases[i].date);
        muse_waveform(&m, "Rhythm", 1, 2, 20, muse_rate_500, &plain);
        made(&m, "</RestingECG>");
        made_close(&m);
        assert_ok(read_text(muse, m.text, m.n, &rec));
        const shn_record_meta *meta = shn_record_meta_of(rec);
        if (isnan(cases[i].age) ? !isnan(meta->age_years) : fabs(meta->age_years - cases[i].age) > 1e-9) fail_msg("case %zu: age %g", i, meta->age_years);
        assert_string_equal(meta->acquired, cases[i].acquired);
        if (i == 4) assert_true(noted(rec, SHN_REASON_BAD_VALUE, "day first"));
        shn_record_free(rec);
        made_free(&m);
    }
    assert_true(shn_text_dated("30-MAR-2023 09:09,") && shn_text_dated("on 3/4") && shn_text_dated("id 4711") && shn_text_dated("12:30") && shn_text_dated("1-2-03"));
    assert_false(shn_text_dated("ST > 0.10 mV in V1-V3, V-rate 50-99, QTc 480") || shn_text_dated(""));
}

static void refusals(void **state)
{
    (void)state;
    const muse_lead_words plain = MUSE_LEAD_WORDS;
    static const struct { const char *from, *to; shn_status status; shn_reason reason; const char *words; } edits[] = {
        { "Rhythm</WaveformType>", "Median</WaveformType>", SHN_FORMAT, SHN_REASON_NO_ECG, "only the median beat" },
        { "<LeadID>II</LeadID>", "<LeadiD></LeadiD>  ", SHN_FORMAT, SHN_REASON_BAD_HEADER, "without LeadID" },
        { "<SampleBase>500</SampleBase>", "<SampleBase>0  </SampleBase>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "sampling rate" },
        { "<SampleExponent>0<", "<SampleExponent>9<", SHN_FORMAT, SHN_REASON_BAD_HEADER, "sampling rate" },
        { "CONTINUOUS_SAMPLES", "SPARSE_SAMPLES    ", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "SPARSE_SAMPLES" },
        { "<LeadTimeOffset>0<", "<LeadTimeOffset>5<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "LeadTimeOffset is 5" },
        { "<FirstSampleBaseline>0<", "<FirstSampleBaseline>1<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "FirstSampleBaseline" },
        { "<LeadSampleSize>2<", "<LeadSampleSize>4<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "LeadSampleSize is 4" },
        { "UnitsPerBit>4.88<", "UnitsPerBit>-488<", SHN_FORMAT, SHN_REASON_BAD_VALUE, "-488" },
        { "UnitsPerBit>4.88<", "UnitsPerBit>x.88<", SHN_FORMAT, SHN_REASON_BAD_VALUE, "x.88" },
        { "<LeadByteCountTotal>80<", "<LeadByteCountTotal>82<", SHN_FORMAT, SHN_REASON_TRUNCATED, "82 bytes announced, 80" },
        { "<LeadSampleCountTotal>40<", "<LeadSampleCountTotal>41<", SHN_FORMAT, SHN_REASON_TRUNCATED, "41 samples announced, 40" },
        { "<WaveFormData>\n", "<WaveFormData>*", SHN_FORMAT, SHN_REASON_BAD_VALUE, "base64" },
        { "<WaveFormData>\n", "<WaveXormData>\n", SHN_FORMAT, SHN_REASON_BAD_HEADER, "line" },
        { "</RestingECG>", "             ", SHN_FORMAT, SHN_REASON_TRUNCATED, "ends early" },
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        made_text m = around("Rhythm", 1, 2, muse_rate_500, &plain);
        char     *at = strstr(m.text, edits[i].from);
        if (!at) fail_msg("edit %zu", i);
        memcpy(at, edits[i].to, strlen(edits[i].to));
        text_refused(muse, m.text, m.n, edits[i].status, edits[i].reason, edits[i].words);
        made_free(&m);
    }
    made_text m = document(NULL);
    text_refused(muse, m.text, m.n - 300, SHN_FORMAT, SHN_REASON_TRUNCATED, "ends early");      /* a cut file, anywhere */
    assert_true(muse->recognises((uint8_t *)m.text, m.n - 300));
    made_free(&m);
    static const char none[] = "<RestingECG><Waveform><WaveformType>Rhythm</WaveformType></Waveform></RestingECG>", other[] = "<AnnotatedECG/>";
    text_refused(muse, none, sizeof none - 1, SHN_FORMAT, SHN_REASON_NO_ECG, "no Waveform");
    text_refused(muse, other, sizeof other - 1, SHN_FORMAT, SHN_REASON_BAD_HEADER, "no RestingECG");
    assert_false(muse->recognises((const uint8_t *)other, sizeof other - 1));
}

static void too_many_leads(void **state)
{
    (void)state;
    made_text m;
    made_open(&m);
    made(&m, "<RestingECG><Waveform><WaveformType>Rhythm</WaveformType><SampleBase>500</SampleBase>");
    for (int i = 0; i <= SHN_LEADS_MAX; i++) made(&m, "<LeadData/>");
    made(&m, "</Waveform></RestingECG>");
    made_close(&m);
    text_refused(muse, m.text, m.n, SHN_RANGE, SHN_REASON_LIMIT, "257 leads");
    made_free(&m);
}

static void deidentified(void **state)
{
    (void)state;
    made_text   m = document(NULL);
    shn_record *after;
    char       *text = rewritten(muse, m.text, m.n, &after);
    static const char *const gone[] = { "0815", "LLER", "ANNA", "NORTH", "SMITH", "1003872633", "1962-03-15", "03-15-1962", "04-29-2023", "SKJ1831", "MAR-2023", "CartNumber" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (strstr(text, gone[i])) fail_msg("'%s' is still there", gone[i]);
    const shn_record_meta *meta = shn_record_meta_of(after);
    assert_int_equal(meta->patient[0], 'P');
    assert_int_equal(strlen(meta->patient), 17);
    assert_near(meta->age_years, 61, 0);
    assert_int_equal(meta->sex, 'F');
    assert_string_equal(meta->device, "MAC55, software 1.02");
    assert_true(strncmp(meta->acquired, "2022-", 5) == 0 || strncmp(meta->acquired, "2023-", 5) == 0);
    assert_string_equal(meta->acquired + 10, "T22:41:16");
    measured(after, "qt_interval", 402, "ms");
    assert_string_equal(shn_record_statement(after, 0), "Normal sinus rhythm");
    assert_string_equal(shn_record_statement(after, 1), "Anterior infarct, age undetermined");
    assert_non_null(strstr(text, "restecg.dtd"));
    shn_record_free(after);
    free(text);
    /* over 89: the age is cut and the birth date goes */
    char *age = strstr(m.text, "<PatientAge>61<");
    memcpy(age, "<PatientAge>97<", 15);
    text = rewritten(muse, m.text, m.n, &after);
    assert_near(shn_record_meta_of(after)->age_years, 90, 0);
    assert_null(strstr(text, "DateofBirth"));
    shn_record_free(after);
    free(text);
    made_free(&m);

    /* an element nobody has heard of, with a name inside, in every place; elements inside a leaf are refused */
    made_text odd;
    const muse_lead_words plain = MUSE_LEAD_WORDS;
    made_open(&odd);
    made(&odd, "<RestingECG secret='Jane'><New>Jane</New>Jane<!-- Jane --><PatientDemographics><Pet>Jane</Pet></PatientDemographics>"
               "<RestingECGMeasurements note='Jane'><By>Jane</By><QRSCount by='Jane'>4</QRSCount></RestingECGMeasurements>");
    muse_waveform(&odd, "Rhythm", 1, 2, 20, muse_rate_500, &plain);
    made(&odd, "</RestingECG><?x Jane?>");
    made_close(&odd);
    text = rewritten(muse, odd.text, odd.n, &after);
    assert_null(strstr(text, "Jane"));
    measured(after, "QRSCount", 4, "");
    shn_record_free(after);
    free(text);
    made_free(&odd);
}

static void real_files(void **state)
{
    (void)state;
    test_data();
    assert_int_equal(fits_golden(muse, "muse_records.txt", "formats/muse_xml"), 40);
}

/** muse-sinus.dat holds microvolts, rounded, under a header that says 200 per mV: its values are ours times 1000 / 200, and the limb leads are derived. */
static void twin(void **state)
{
    (void)state;
    static const int column[8] = { 0, 1, 6, 7, 8, 9, 10, 11 };      /* of I II V1-V6 in the header's order */
    char             path[4608];
    size_t           n;
    shn_record      *rec;
    snprintf(path, sizeof path, "%s/formats/muse_xml/muse-sinus.xml", test_data());
    char *text = read_whole(path, &n);
    assert_ok(read_text(muse, text, n, &rec));
    free(text);
    snprintf(path, sizeof path, "%s/formats/muse_xml/muse-sinus.dat", test_data());
    const uint8_t *dat = (uint8_t *)read_whole(path, &n);
    assert_int_equal(n, 5000 * 12 * 2);
    double worst = 0;
    for (size_t t = 0; t < 5000; t++)
        for (size_t l = 0; l < 8; l++) {
            const uint8_t *p = dat + 2 * (12 * t + (size_t)column[l]);
            worst = fmax(worst, fabs((double)shn_record_lead(rec, l)[t] * 1000 - (int16_t)(uint16_t)(p[0] | p[1] << 8)));
        }
    if (worst > 1.001) fail_msg("%g uV between the twins", worst);
    free((void *)(uintptr_t)dat);
    shn_record_free(rec);
}

static void real_files_rewritten(void **state)
{
    (void)state;
    char path[4608];
    static const char *const files[] = { "muse-sinus.xml", "braveheart_example1.xml" };
    for (size_t i = 0; i < 2; i++) {
        size_t      n;
        shn_record *after;
        snprintf(path, sizeof path, "%s/formats/muse_xml/%s", test_data(), files[i]);
        char *text = read_whole(path, &n), *out = rewritten(muse, text, n, &after);
        static const char *const gone[] = { "081486213", "JOHN", "UNIVERSITY", "W721", "SURGEON", "1003872633", "MAR-2023", "SKJ18310123PA" };
        for (size_t g = 0; g < sizeof gone / sizeof *gone; g++) assert_null(strstr(out, gone[g]));
        free(text);
        free(out);
        shn_record_free(after);
    }
}

static void out_of_memory(void **state)
{
    (void)state;
    made_text m = document(NULL);
    assert_true(every_allocation_fails(muse, m.text, m.n) > 10);
    made_free(&m);
}

/** Runs only with SHINDEN_SEEDS set to a folder: writes the seeds of the fuzz corpus there. */
static void seeds(void **state)
{
    (void)state;
    const char *folder = getenv("SHINDEN_SEEDS");
    for (int i = 0; i < 4; i++) {
        muse_lead_words words = MUSE_LEAD_WORDS;
        made_text       m;
        char            path[4096];
        words.decimal = i == 1;
        words.units = i == 2 ? NULL : words.units;
        made_open(&m);
        if (i < 2) muse_head(&m);
        else made(&m, "<RestingECG>");
        if (i < 2) muse_diagnosis(&m);
        if (i != 3) muse_waveform(&m, "Median", 0, 2, 6, muse_rate_500, &words);
        muse_waveform(&m, i == 3 ? NULL : "Rhythm", 1, 2, 12, muse_rate_500, &words);
        made(&m, "</RestingECG>");
        made_close(&m);
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
        cmocka_unit_test(rhythm_not_median), cmocka_unit_test(nothing_memorised), cmocka_unit_test(checksums), cmocka_unit_test(units_missing),
        cmocka_unit_test(dialects), cmocka_unit_test(stray_ampersand), cmocka_unit_test(ages_and_dates), cmocka_unit_test(refusals),
        cmocka_unit_test(too_many_leads), cmocka_unit_test(deidentified), cmocka_unit_test(real_files), cmocka_unit_test(twin),
        cmocka_unit_test(real_files_rewritten), cmocka_unit_test(out_of_memory), cmocka_unit_test(seeds),
    };
    const size_t n = sizeof tests / sizeof *tests - (getenv("SHINDEN_SEEDS") == NULL);        /* seeds is the last */
    return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}
