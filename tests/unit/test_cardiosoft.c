/** CardioSoft XML: hand-made strips and full disclosure, its traps, rewriting, and the real file against an independent decode. */
#include "reader_input.h"

#include "formats/cardiosoft/cardiosoft.h"

static const shn_reader *const reader = &shn_reader_cardiosoft;

/** The document with its parts exchanged; static storage for a few at a time. */
static const char *document(const char *patient, const char *middle, const char *waves)
{
    static char store[4][65536];
    static int  next;
    char       *out = store[next++ % 4];
    snprintf(out, sizeof store[0],
             "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<CardiologyXML><!-- c --><ObservationType>RestECG</ObservationType><ObservationDateTime><Hour>13</Hour><Minute>5</Minute>"
             "<Second>9</Second><Day>4</Day><Month>3</Month><Year>2012</Year></ObservationDateTime><ClinicalInfo><Technician><FamilyName>Tech</FamilyName></Technician>"
             "<ObservationComment>was nervous</ObservationComment><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.71</SoftwareVer></DeviceInfo></ClinicalInfo>"
             "<PatientVisit><OrderNumber>ORD-5</OrderNumber></PatientVisit><PatientInfo>%s</PatientInfo>%s%s<CSWeb><a href=\"localhost/PatNumber=1\"></a></CSWeb></CardiologyXML>",
             patient, middle, waves);
    return out;
}

#define PATIENT "<PID>4711</PID><Name><FamilyName>M\xfcller</FamilyName></Name><BirthDateTime><Day>5</Day><Month>3</Month><Year>1950</Year></BirthDateTime><Gender>FEMALE</Gender>"
#define STRIP(rate, count, resolution, leads)                                                                                                             \
    "<StripData><NumberOfLeads>2</NumberOfLeads><SampleRate units=\"Hz\">" rate "</SampleRate><ChannelSampleCountTotal>" count "</ChannelSampleCountTotal>" \
    resolution leads "</StripData>"
#define FIVE "<Resolution units=\"uVperLsb\">5</Resolution>"
#define LEADS "<WaveformData lead=\"I\">\t1,-2,\n\t3,4</WaveformData><WaveformData lead=\"aVF\">10, ,30,-40</WaveformData>"

static shn_record *read_ok(const char *text)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(test_read(reader, text, &rec, &err));
    return rec;
}

static void test_strip(void **state)
{
    (void)state;
    shn_record *rec = read_ok(document(PATIENT, "", STRIP("500", "4", FIVE, LEADS)));
    assert_int_equal(shn_record_n_leads(rec), 2);
    assert_int_equal(shn_record_n_samples(rec), 4);
    assert_near(shn_record_fs_hz(rec), 500, 0);
    assert_string_equal(shn_record_name(rec, 1), "aVF");
    assert_near(shn_record_lead(rec, 0)[1], -0.01, 1e-8);
    assert_near(shn_record_lead(rec, 0)[2], 0.015, 1e-8);
    assert_true(isnan(shn_record_lead(rec, 1)[1]));
    assert_near(shn_record_lead(rec, 1)[3], -0.2, 1e-8);
    assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 200, 0);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
    assert_int_equal(shn_record_n_notes(rec), 0);
    shn_record_free(rec);
}

static void test_output_follows(void **state)
{
    (void)state;
    static const struct { const char *waves; double first, fs, gain; shn_unit_origin unit; } cases[] = {
        { STRIP("500", "4", FIVE, LEADS), 0.005, 500, 200, SHN_UNIT_DECLARED },
        { STRIP("250", "4", FIVE, LEADS), 0.005, 250, 200, SHN_UNIT_DECLARED },
        { STRIP("500", "4", "<Resolution units=\"uVperLsb\">4.88</Resolution>", LEADS), 0.00488, 500, 1000 / 4.88, SHN_UNIT_DECLARED },
        { STRIP("500", "4", "<Resolution units=\"mVperLsb\">5</Resolution>", LEADS), 5, 500, 0.2, SHN_UNIT_DECLARED },
        { STRIP("500", "4", "<Resolution units=\"apples\">5</Resolution>", LEADS), 5, 500, 0, SHN_UNIT_UNKNOWN },
        { STRIP("500", "4", "<Resolution>5</Resolution>", LEADS), 5, 500, 0, SHN_UNIT_UNKNOWN },
        { STRIP("500", "4", "", LEADS), 1, 500, 0, SHN_UNIT_UNKNOWN },
        { STRIP("500", "4", FIVE, "<WaveformData lead=\"I\">7,8</WaveformData>"), 0.035, 500, 200, SHN_UNIT_DECLARED },
        { "<Strip><SampleRate>500</SampleRate>" FIVE "<StripData>" LEADS "</StripData></Strip>", 0.005, 500, 200, SHN_UNIT_DECLARED },
        { "<StripData><SampleRate>500</SampleRate>" FIVE "<Strip>" LEADS "</Strip><Strip>" LEADS "</Strip></StripData>", 0.005, 500, 200, SHN_UNIT_DECLARED },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_record *rec = read_ok(document(PATIENT, "", cases[c].waves));
        assert_near(shn_record_lead(rec, 0)[0], cases[c].first, 1e-6 * cases[c].first);
        assert_near(shn_record_fs_hz(rec), cases[c].fs, 0);
        assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, cases[c].gain, 1e-9);
        assert_int_equal(shn_record_unit(rec, 0), cases[c].unit);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_NO_UNIT), cases[c].unit == SHN_UNIT_UNKNOWN);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_UNSUPPORTED), c == 9);        /* there was a second strip */
        shn_record_free(rec);
    }
}

static void test_meta(void **state)
{
    (void)state;
    static const char middle[] =
        "<FilterSetting><CubicSpline>No</CubicSpline><Filter50Hz>Yes</Filter50Hz><LowPass units=\"Hz\">150</LowPass></FilterSetting><Interpretation><Diagnosis>"
        "<DiagnosisText>Normal sinus rhythm</DiagnosisText><DiagnosisText> </DiagnosisText></Diagnosis></Interpretation><RestingECGMeasurements>"
        "<VentricularRate units=\"BPM\">74</VentricularRate><PQInterval units=\"ms\">172</PQInterval><QTDispersion units=\"ms\"></QTDispersion><RAxis units=\"degrees\">-20</RAxis>"
        "<QRSNum>12</QRSNum><MedianSamples><SampleRate>500</SampleRate><WaveformData lead=\"I\">9,9,9</WaveformData></MedianSamples></RestingECGMeasurements>";
    shn_record            *rec = read_ok(document(PATIENT, middle, STRIP("500", "4", FIVE, LEADS)));
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->patient, "4711");
    assert_string_equal(m->acquired, "2012-03-04T13:05:09");
    assert_near(m->age_years, 61, 0);                   /* the birthday is tomorrow */
    assert_int_equal(m->sex, 'F');
    assert_string_equal(m->device, "CardioSoft V6.71");
    assert_string_equal(m->filters, "Filter50Hz, LowPass 150 Hz");
    assert_int_equal(shn_record_n_measurements(rec), 4);
    assert_true(test_has_measurement(rec, "heart_rate", 74, "/min") && test_has_measurement(rec, "pr_interval", 172, "ms"));
    assert_true(test_has_measurement(rec, "qrs_axis", -20, "deg") && test_has_measurement(rec, "QRSNum", 12, ""));
    assert_int_equal(shn_record_n_statements(rec), 1);
    assert_string_equal(shn_record_statement(rec, 0), "Normal sinus rhythm");
    assert_int_equal(shn_record_n_samples(rec), 4);     /* the strip, not the median beat before it */
    shn_record_free(rec);
    rec = read_ok(document("<Age units=\"months\">18</Age><Gender>UNKNOWN</Gender>", "", STRIP("500", "4", FIVE, LEADS)));
    assert_near(shn_record_meta_of(rec)->age_years, 1.5, 1e-9);
    assert_int_equal(shn_record_meta_of(rec)->sex, 0);
    shn_record_free(rec);
}

/** Two smooth leads, written by sample and by second: both are found out; noise is refused. */
static void test_full_disclosure(void **state)
{
    (void)state;
    enum { FS = 50, N = 3 * FS };
    static char list[16384], part[20000];
    for (int order = 0; order < 3; order++) {
        size_t   n = 0;
        unsigned noise = 1;
        for (int k = 0; k < 2 * N; k++) {
            noise = noise * 1664525u + 1013904223u;
            const int lead = order == 1 ? k / FS % 2 : k % 2, t = order == 1 ? k / (2 * FS) * FS + k % FS : k / 2;
            const int v = order == 2 ? (int)(noise >> 16) % 1000 : lead == 0 ? 1000 + t : -t;
            n += (size_t)snprintf(list + n, sizeof list - n, "%d,%s", v, k % 20 == 19 ? "\n\t\t" : "");
        }
        snprintf(part, sizeof part, "<FullDisclosure><NumberOfChannels>2</NumberOfChannels><SampleRate units=\"Hz\">50</SampleRate>" FIVE "<LeadOrder>I, V5,</LeadOrder>"
                 "<FullDisclosureData>%s</FullDisclosureData></FullDisclosure>", list);
        if (order == 2) {
            assert_refused(reader, document(PATIENT, "", part), SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "by sample or by second");
            strcat(part, STRIP("500", "4", FIVE, LEADS));
            shn_record *rec = read_ok(document(PATIENT, "", part));          /* a strip is there to fall back to, which is told */
            assert_int_equal(shn_record_n_samples(rec), 4);
            assert_int_equal(shn_record_has_note(rec, SHN_REASON_UNSUPPORTED), 1);
            shn_record_free(rec);
            continue;
        }
        shn_record *rec = read_ok(document(PATIENT, "", part));
        assert_int_equal(shn_record_n_samples(rec), N);
        assert_string_equal(shn_record_name(rec, 1), "V5");
        for (int t = 0; t < N; t++) {
            assert_near(shn_record_lead(rec, 0)[t], (1000 + t) * 0.005, 1e-6);
            assert_near(shn_record_lead(rec, 1)[t], -t * 0.005, 1e-6);
        }
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_LEAD_ORDER), 1);
        shn_record_free(rec);
    }
    assert_refused(reader, document(PATIENT, "", "<FullDisclosure><NumberOfChannels>3</NumberOfChannels><SampleRate>50</SampleRate><LeadOrder>I,II</LeadOrder>"
                                    "<FullDisclosureData>1,2</FullDisclosureData></FullDisclosure>"), SHN_FORMAT, SHN_REASON_BAD_HEADER, "NumberOfChannels");
}

static void test_refusals(void **state)
{
    (void)state;
    shn_record *rec = read_ok(document(PATIENT, "", STRIP("500", "5000", FIVE, LEADS)));       /* announces more than it holds */
    assert_int_equal(shn_record_has_note(rec, SHN_REASON_TRUNCATED), 1);
    shn_record_free(rec);
    assert_refused(reader, document(PATIENT, "", STRIP("500", "4", FIVE, "<WaveformData lead=\"I\">1,x</WaveformData>")), SHN_FORMAT, SHN_REASON_BAD_VALUE, "sample 1 is no number: 'x'");
    assert_refused(reader, document(PATIENT, "", STRIP("500", "4", FIVE, "<WaveformData lead=\"I\">1,2 3</WaveformData>")), SHN_FORMAT, SHN_REASON_BAD_VALUE, "lead I");
    assert_refused(reader, document(PATIENT, "", STRIP("", "4", FIVE, LEADS)), SHN_FORMAT, SHN_REASON_BAD_HEADER, "SampleRate");
    assert_refused(reader, document(PATIENT, "", STRIP("0", "4", FIVE, LEADS)), SHN_FORMAT, SHN_REASON_BAD_HEADER, "SampleRate");
    assert_refused(reader, document(PATIENT, "", STRIP("500", "4", "<Resolution units=\"uVperLsb\">0</Resolution>", LEADS)), SHN_FORMAT, SHN_REASON_BAD_HEADER, "Resolution");
    assert_refused(reader, document(PATIENT, "", ""), SHN_FORMAT, SHN_REASON_NO_ECG, "no StripData");
    assert_refused(reader, document(PATIENT, "<RestingECGMeasurements><MedianSamples/></RestingECGMeasurements>", ""), SHN_FORMAT, SHN_REASON_NO_ECG, "averages");
    assert_refused(reader, document(PATIENT, "", STRIP("500", "4", FIVE, "<WaveformData lead=\"I\"> </WaveformData>")), SHN_FORMAT, SHN_REASON_NO_ECG, "without samples");
    char cut[65536];
    snprintf(cut, sizeof cut, "%s", document(PATIENT, "", STRIP("500", "4", FIVE, LEADS)));
    strstr(cut, "</StripData>")[0] = '\0';
    assert_refused(reader, cut, SHN_FORMAT, SHN_REASON_TRUNCATED, "early");
    assert_int_equal(reader->recognises((const uint8_t *)cut, strlen(cut)), 1);
    assert_int_equal(reader->recognises((const uint8_t *)"<AnnotatedECG/>", 15), 0);
}

static void test_parts_and_memory(void **state)
{
    (void)state;
    const char *text = document("<PID>4711</PID>", "", STRIP("500", "4", FIVE, LEADS));
    test_file   f;
    test_parts(reader, text);
    test_input(&f, "c.xml", text, strlen(text), NULL);
    test_allocations(reader, &f.in);
}

static void test_deidentify(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_deid   *deid;
    shn_bytes   out;
    shn_record *rec;
    test_file   f;
    static const char middle[] = "<Interpretation><Diagnosis><DiagnosisText>Normal</DiagnosisText></Diagnosis><Conclusion><ConclusionText>per Dr. House</ConclusionText></Conclusion></Interpretation>"
                                 "<RestingECGMeasurements><QRSNum who=\"Attr-one\">12</QRSNum><Note>Frau Berg</Note><When>1999-04-17</When>Text-beside</RestingECGMeasurements>"
                                 "<Private><x>y-secret</x></Private><FilterSetting by=\"Attr-two\"><Filter50Hz>Yes</Filter50Hz><LowPass units=\"Hz\">150</LowPass></FilterSetting>";
    const char *text = document(PATIENT "Text-loose", middle, STRIP("500", "4", FIVE, LEADS));
    test_input(&f, "c.xml", text, strlen(text), NULL);
    test_rewrite(reader, &f.in, &deid, &out);
    static const char *const gone[] = { "4711", "ller", "Tech", "nervous", "ORD-5", "localhost", "House", "Berg", "secret", "2012</Year><", "<!--", "Attr-", "Text-", "1999" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (strstr((char *)out.bytes, gone[i])) fail_msg("%s is still there", gone[i]);
    assert_non_null(strstr((char *)out.bytes, "Normal"));
    f.in.bytes = out.bytes;
    f.in.n_bytes = out.n;
    assert_ok(reader->read(&f.in, &rec, &err));
    assert_string_equal(shn_record_meta_of(rec)->patient, shn_deid_patient_of(deid));
    assert_string_not_equal(shn_record_meta_of(rec)->acquired, "2012-03-04T13:05:09");
    assert_non_null(strstr(shn_record_meta_of(rec)->acquired, "T13:05:09"));
    assert_near(shn_record_meta_of(rec)->age_years, 61, 1);         /* both dates moved by the same number of days: leap days may shift a birthday */
    assert_string_equal(shn_record_meta_of(rec)->device, "CardioSoft V6.71");
    assert_string_equal(shn_record_meta_of(rec)->filters, "Filter50Hz, LowPass 150 Hz");
    assert_true(test_has_measurement(rec, "QRSNum", 12, ""));
    shn_record_free(rec);
    shn_bytes_free(&out);
    shn_deid_free(deid);
    text = document("<PID>4711</PID><Age units=\"years\">95</Age><BirthDateTime><Day>5</Day><Month>3</Month><Year>1917</Year></BirthDateTime>", "", STRIP("500", "4", FIVE, LEADS));
    test_input(&f, "c.xml", text, strlen(text), NULL);
    test_rewrite(reader, &f.in, &deid, &out);
    assert_null(strstr((char *)out.bytes, "Birth"));
    assert_non_null(strstr((char *)out.bytes, ">90</Age>"));
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

static void test_golden(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    char        line[4096];
    int         n = 0;
    FILE       *golden = fopen(SHN_TESTS_DIR "/golden/text_formats.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden))
        if (strncmp(line, "cardiosoft_xml/", 15) == 0) {
            test_golden_line(line);
            n++;
        }
    fclose(golden);
    assert_int_equal(n, 1);
    assert_ok(shn_record_read(test_format_file("cardiosoft_xml/cardiosoft_example.xml"), NULL, &rec, &err));
    assert_true(test_has_measurement(rec, "heart_rate", 74, "/min") && test_has_measurement(rec, "qtc_interval", 437, "ms") && test_has_measurement(rec, "p_axis", 43, "deg"));
    assert_int_equal(shn_record_n_statements(rec), 3);
    assert_string_equal(shn_record_statement(rec, 1), "Voltage criteria for left ventricular hypertrophy");
    assert_int_equal(shn_record_n_notes(rec), 0);
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strip),    cmocka_unit_test(test_output_follows),   cmocka_unit_test(test_meta),       cmocka_unit_test(test_full_disclosure),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_parts_and_memory), cmocka_unit_test(test_deidentify), cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests_name("cardiosoft", tests, NULL, NULL);
}
