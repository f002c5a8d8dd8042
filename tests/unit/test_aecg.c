/** HL7 aECG: hand-made files, each trap of the format, rewriting, and the real files against an independent decode. */
#include "reader_input.h"

#include "aecg_writer.h"
#include "formats/aecg/aecg.h"

static const shn_reader *const reader = &shn_reader_aecg;

static shn_record *read_ok(const char *text)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(test_read(reader, text, &rec, &err));
    return rec;
}

static void test_samples(void **state)
{
    (void)state;
    const aecg_text t = aecg_plain();
    shn_record     *rec = read_ok(aecg_write(&t));
    static const double lead_i[] = { 0.0025, -0.005, 0.0075, 0.01, 0 }, avr[] = { 0, 1.5, 2, -1.5, 0.535 };
    assert_int_equal(shn_record_n_leads(rec), 2);
    assert_int_equal(shn_record_n_samples(rec), 5);
    assert_near(shn_record_fs_hz(rec), 500, 0);
    assert_string_equal(shn_record_name(rec, 0), "I");
    assert_string_equal(shn_record_name(rec, 1), "aVR");
    for (int i = 0; i < 5; i++) {
        assert_near(shn_record_lead(rec, 0)[i], lead_i[i], 1e-7);
        assert_near(shn_record_lead(rec, 1)[i], avr[i], 1e-6);
    }
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
    assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 400, 0);
    assert_near(shn_record_calibration(rec, 0).baseline_adu, 0, 0);
    assert_near(shn_record_calibration(rec, 1).gain_adu_per_mv, 200, 0);
    assert_near(shn_record_calibration(rec, 1).baseline_adu, -100, 1e-9);    /* 0.5 mV is 100 steps: digit -100 is 0 mV */
    assert_int_equal(shn_record_n_notes(rec), 0);
    shn_record_free(rec);
}

/** Nothing is memorised: scale, unit, origin and a digit each show in the output. */
static void test_output_follows(void **state)
{
    (void)state;
    static const struct { aecg_lead_text lead; double first; shn_unit_origin unit; double gain; } cases[] = {
        { { "MDC_ECG_LEAD_V1", "value=\"0\" unit=\"uV\"", "value=\"2.5\" unit=\"uV\"", "4" }, 0.01, SHN_UNIT_DECLARED, 400 },
        { { "MDC_ECG_LEAD_V1", "value=\"0\" unit=\"uV\"", "value=\"2.5\" unit=\"uV\"", "5" }, 0.0125, SHN_UNIT_DECLARED, 400 },
        { { "MDC_ECG_LEAD_V1", "value=\"0\" unit=\"uV\"", "value=\"1\" unit=\"uV\"", "4" }, 0.004, SHN_UNIT_DECLARED, 1000 },
        { { "MDC_ECG_LEAD_V1", "value=\"0\" unit=\"mV\"", "value=\"2.5\" unit=\"mV\"", "4" }, 10, SHN_UNIT_DECLARED, 0.4 },
        { { "MDC_ECG_LEAD_V1", "value=\"0\"", "value=\"2500\" unit=\"nV\"", "4" }, 0.01, SHN_UNIT_DECLARED, 400 },
        { { "MDC_ECG_LEAD_V1", NULL, "value=\"0.0025\" unit=\"V\"", "4" }, 10, SHN_UNIT_DECLARED, 0.4 },
        { { "MDC_ECG_LEAD_V1", NULL, "value=\"2.5\" unit=\"\xc2\xb5V\"", "4" }, 0.01, SHN_UNIT_DECLARED, 400 },
        { { "MDC_ECG_LEAD_V1", "value=\"-10\" unit=\"uV\"", "value=\"2.5\" unit=\"uV\"", "4" }, 0, SHN_UNIT_DECLARED, 400 },
        { { "MDC_ECG_LEAD_V1", "value=\"1\" unit=\"mV\"", "value=\"2.5\" unit=\"uV\"", "4" }, 1.01, SHN_UNIT_DECLARED, 400 },
        { { "MDC_ECG_LEAD_V1", "value=\"0\" unit=\"uV\"", "value=\"2.5\" unit=\"uV\"", "4.5" }, 0.01125, SHN_UNIT_DECLARED, 0 },
        { { "MDC_ECG_LEAD_V1", "value=\"0\"", "value=\"2.5\"", "4" }, 10, SHN_UNIT_UNKNOWN, 0 },
        { { "MDC_ECG_LEAD_V1", NULL, NULL, "4" }, 4, SHN_UNIT_UNKNOWN, 0 },
        { { "MDC_PRESS_BLD", "value=\"0\"", "value=\"2\" unit=\"mm[Hg]\"", "4" }, 8, SHN_UNIT_NOT_VOLTAGE, 0 },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const aecg_lead_text leads[2] = { cases[c].lead, { NULL, NULL, NULL, NULL } };
        aecg_text t = aecg_plain();
        t.leads = leads;
        shn_record *rec = read_ok(aecg_write(&t));
        assert_near(shn_record_lead(rec, 0)[0], cases[c].first, 1e-6 * fabs(cases[c].first));
        assert_int_equal(shn_record_unit(rec, 0), cases[c].unit);
        assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, cases[c].gain, 1e-12);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_NO_UNIT), cases[c].unit == SHN_UNIT_UNKNOWN);
        shn_record_free(rec);
    }
}

static void test_rates(void **state)
{
    (void)state;
    static const struct { const char *time; double fs; } cases[] = {
        { "<increment value=\"0.002\" unit=\"s\"/>", 500 },      { "<increment value=\"4\" unit=\"ms\"/>", 250 },       { "<increment value=\"1000\" unit=\"us\"/>", 1000 },
        { "<increment value=\"0.003333\" unit=\"s\"/>", 300 },   { "<increment value=\"0.00390625\" unit=\"s\"/>", 256 }, { "<increment value=\"0.01\" unit=\"s\"/>", 100 },
        { "<increment value=\"2.0E-3\" unit=\"s\"/>", 500 },     { "<increment value=\"0.0033\" unit=\"s\"/>", 1 / 0.0033 }, { "<increment value=\"5.555\" unit=\"ms\"/>", 180 },
        { "<increment value=\"0.002083\" unit=\"s\"/>", 480 },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        aecg_text t = aecg_plain();
        t.time = cases[c].time;
        shn_record *rec = read_ok(aecg_write(&t));
        if (c == 8) assert_near(shn_record_fs_hz(rec), 1 / 0.005555, 1e-9);      /* 180 and 180.03 both round to it: the step as it stands */
        else assert_near(shn_record_fs_hz(rec), cases[c].fs, 1e-9);
        shn_record_free(rec);
    }
}

static void test_meta(void **state)
{
    (void)state;
    aecg_text t = aecg_plain();
    t.series = "<author><seriesAuthor><manufacturedSeriesDevice><id extension=\"SN-99\"/><manufacturerModelName>\n ELI250 </manufacturerModelName><softwareName>5.3</softwareName>"
               "</manufacturedSeriesDevice><manufacturerOrganization><name>Mortara</name></manufacturerOrganization></seriesAuthor></author>"
               "<controlVariable><controlVariable><code code=\"MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS\"/><component><controlVariable><code code=\"C\"/><value value=\"150\" unit=\"Hz\"/></controlVariable>"
               "</component></controlVariable></controlVariable><controlVariable><controlVariable><code code=\"MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH\"/><component><controlVariable>"
               "<code code=\"C\"/><value xsi:type=\"ST\">Adaptive</value></controlVariable></component></controlVariable></controlVariable>";
    t.annotations = "<component><annotation><code code=\"MDC_ECG_HEART_RATE\"/><value xsi:type=\"PQ\" value=\"57\" unit=\"bpm\"/></annotation></component>"
                    "<component><annotation><code code=\"MDC_ECG_TIME_PD_QRS\"/><value xsi:type=\"PQ\" value=\"0.098\" unit=\"s\"/></annotation></component>"
                    "<component><annotation><code code=\"MDC_ECG_TIME_PD_QTc\"/><value xsi:type=\"PQ\" value=\"0\" unit=\"ms\"/><component><annotation><code code=\"X_QTcH\"/>"
                    "<value xsi:type=\"PQ\" value=\"413\" unit=\"ms\"/></annotation></component></annotation></component>"
                    "<component><annotation><code code=\"MINDRAY_ECG_QRS_AXIS\"/><value xsi:type=\"PQ\" value=\"-64\" unit=\"deg\"/></annotation></component>"
                    "<component><annotation><code code=\"MATRIX\"/><support><supportingROI><component><boundary><code code=\"MDC_ECG_LEAD_I\"/></boundary></component></supportingROI></support>"
                    "<component><annotation><code code=\"P_DUR\"/><value xsi:type=\"PQ\" value=\"110\" unit=\"ms\"/></annotation></component></annotation></component>"
                    "<component><annotation><code code=\"MDC_ECG_RHY\"/><value xsi:type=\"CE\" code=\"MDC_ECG_RHY_SINUS_RHY\" displayName=\"Sinus Rhythm\"/></annotation></component>"
                    "<component><annotation><code code=\"MDC_ECG_INTERPRETATION\"/><component><annotation><code code=\"MDC_ECG_INTERPRETATION_STATEMENT\"/>"
                    "<value xsi:type=\"ST\"> normal &amp; well </value></annotation></component></annotation></component>";
    shn_record *rec = read_ok(aecg_write(&t));
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->id, "REC-1");
    assert_string_equal(m->patient, "SBJ-123");
    assert_string_equal(m->acquired, "2002-11-22T09:10:00.250");
    assert_int_equal(m->sex, 'F');
    assert_near(m->age_years, 49, 0);                       /* of the dates: 8 May 1953 to 22 November 2002 */
    assert_string_equal(m->device, "Mortara ELI250 5.3");
    assert_string_equal(m->filters, "low pass 150 Hz, notch Adaptive");
    assert_string_equal(m->format, "aecg");
    assert_int_equal(shn_record_n_measurements(rec), 4);
    assert_true(test_has_measurement(rec, "heart_rate", 57, "/min"));
    assert_true(test_has_measurement(rec, "qrs_duration", 98, "ms"));
    assert_true(test_has_measurement(rec, "X_QTcH", 413, "ms"));
    assert_true(test_has_measurement(rec, "qrs_axis", -64, "deg"));
    assert_int_equal(shn_record_n_statements(rec), 2);
    assert_string_equal(shn_record_statement(rec, 0), "Sinus Rhythm");
    assert_string_equal(shn_record_statement(rec, 1), "normal & well");
    shn_record_free(rec);
    t.top = "<controlVariable><relatedObservation><code code=\"21612-7\"/><value xsi:type=\"PQ\" value=\"18\" unit=\"mo\"/></relatedObservation></controlVariable>";
    t.subject = "<subjectDemographicPerson><administrativeGenderCode code=\"UN\"/><PatientID> 250 </PatientID></subjectDemographicPerson>";
    rec = read_ok(aecg_write(&t));
    assert_near(shn_record_meta_of(rec)->age_years, 1.5, 1e-9);          /* what is reported goes before what is computed */
    assert_string_equal(shn_record_meta_of(rec)->patient, "250");
    assert_int_equal(shn_record_meta_of(rec)->sex, 0);
    shn_record_free(rec);
}

/** Two sets of leads, one after the other, and the same lead twice in one set. */
static void test_sequence_sets(void **state)
{
    (void)state;
    static const aecg_lead_text later[] = { { "MDC_ECG_LEAD_V1", NULL, "value=\"1\" unit=\"mV\"", "7 8 9" }, { "MDC_ECG_LEAD_I", NULL, "value=\"2.5\" unit=\"uV\"", "5 6" }, { NULL, NULL, NULL, NULL } };
    char      set[4096];
    aecg_text t = aecg_plain();
    aecg_sequence_set(set, sizeof set, "<head value=\"20021122091000.014\"/><increment value=\"0.002\" unit=\"s\"/>", later);
    t.series = set;
    shn_record *rec = read_ok(aecg_write(&t));
    assert_int_equal(shn_record_n_leads(rec), 3);                    /* V1, I, aVR in file order */
    assert_int_equal(shn_record_n_samples(rec), 10);
    const float *v1 = shn_record_lead(rec, 0), *i = shn_record_lead(rec, 1), *avr = shn_record_lead(rec, 2);
    assert_true(isnan(v1[6]) && v1[7] == 7 && v1[9] == 9);
    assert_near(i[0], 0.0025, 1e-7);
    assert_true(isnan(i[5]) && isnan(i[6]) && isnan(i[9]));
    assert_near(i[8], 0.015, 1e-7);
    assert_true(isnan(avr[5]) && isnan(avr[9]));
    assert_int_equal(shn_record_has_note(rec, SHN_REASON_GAPS), 1);
    assert_near(shn_record_calibration(rec, 1).gain_adu_per_mv, 400, 0);
    shn_record_free(rec);
    aecg_sequence_set(set, sizeof set, "<head value=\"20021122091000.014\"/><increment value=\"0.004\" unit=\"s\"/>", later);
    assert_refused(reader, aecg_write(&t), SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "different sampling frequencies");
    aecg_sequence_set(set, sizeof set, "<increment value=\"0.002\" unit=\"s\"/>", later);
    assert_refused(reader, aecg_write(&t), SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "when it begins");
    aecg_sequence_set(set, sizeof set, "<head value=\"20031122091000.014\"/><increment value=\"0.002\" unit=\"s\"/>", later);
    assert_refused(reader, aecg_write(&t), SHN_RANGE, SHN_REASON_LIMIT, "samples after the first");
    aecg_sequence_set(set, sizeof set, "<head value=\"20021122101000.014\"/><increment value=\"0.002\" unit=\"s\"/>", later);
    assert_refused(reader, aecg_write(&t), SHN_RANGE, SHN_REASON_LIMIT, "too far apart");
    static const aecg_lead_text twice[] = { { "MDC_ECG_LEAD_I", NULL, "value=\"1\" unit=\"mV\"", "7 8 9" }, { "MDC_ECG_LEAD_I", NULL, "value=\"1\" unit=\"mV\"", "5 6" }, { NULL, NULL, NULL, NULL } };
    t = aecg_plain();
    t.leads = twice;
    rec = read_ok(aecg_write(&t));
    assert_int_equal(shn_record_n_leads(rec), 2);                    /* the signal path will call it duplicate_lead */
    assert_true(isnan(shn_record_lead(rec, 1)[2]));
    assert_int_equal(shn_record_has_note(rec, SHN_REASON_TRUNCATED), 1);
    shn_record_free(rec);
}

/** The trap of MUSE, here: an average first must not be taken for the recording. */
static void test_series(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    test_file   f;
    size_t      n;
    char        beat[8192], set[4096];
    static const aecg_lead_text other[] = { { "MDC_ECG_LEAD_II", NULL, "value=\"1\" unit=\"mV\"", "9 9" }, { NULL, NULL, NULL, NULL } };
    aecg_sequence_set(set, sizeof set, AECG_TIME, other);
    snprintf(beat, sizeof beat, "<component><series><code code=\"REPRESENTATIVE_BEAT\"/>%s</series></component>", set);
    aecg_text t = aecg_plain();
    t.top = beat;
    rec = read_ok(aecg_write(&t));
    assert_string_equal(shn_record_name(rec, 0), "I");
    shn_record_free(rec);
    snprintf(beat, sizeof beat, "<component><series><code code=\"RHYTHM\"/>%s</series></component>", set);
    const char *text = aecg_write(&t);
    test_input(&f, "two.xml", text, strlen(text), NULL);
    assert_ok(reader->count(&f.in, &n, &err));
    assert_int_equal(n, 2);
    assert_ok(reader->read(&f.in, &rec, &err));
    assert_string_equal(shn_record_name(rec, 0), "II");
    shn_record_free(rec);
    f.in.row = 1;
    assert_ok(reader->read(&f.in, &rec, &err));
    assert_string_equal(shn_record_name(rec, 0), "I");
    shn_record_free(rec);
    f.in.row = 2;
    assert_status(reader->read(&f.in, &rec, &err), SHN_RANGE);
    t = aecg_plain();
    text = aecg_write(&t);
    test_input(&f, "one.xml", text, strlen(text), NULL);
    assert_ok(reader->count(&f.in, &n, &err));
    assert_int_equal(n, 1);
    char only[32768];
    snprintf(only, sizeof only, "%s", text);
    memcpy(strstr(only, "\"RHYTHM\""), "\"OTHERS\"", 8);            /* a lone series of another code is the recording */
    rec = read_ok(only);
    shn_record_free(rec);
    char average[32768];
    snprintf(average, sizeof average, "<AnnotatedECG><component><series><code code=\"REPRESENTATIVE_BEAT\"/>%s</series></component></AnnotatedECG>", set);
    for (char *p = average; (p = strstr(p, "xsi:type")) != NULL; p += 8) memcpy(p, "xsi_type", 8);
    assert_refused(reader, average, SHN_FORMAT, SHN_REASON_NO_ECG, "representative beats");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { aecg_lead_text lead; const char *words; shn_reason reason; } cases[] = {
        { { "MDC_ECG_LEAD_I", NULL, "value=\"2.5\" unit=\"uV\"", "1 2 x" }, "sample 2 is no number: 'x'", SHN_REASON_BAD_VALUE },
        { { "MDC_ECG_LEAD_I", NULL, "value=\"2.5\" unit=\"uV\"", "1 2,3" }, "sample 1 is no number", SHN_REASON_BAD_VALUE },
        { { "MDC_ECG_LEAD_I", NULL, "value=\"2.5\" unit=\"uV\"", "1 nan" }, "sample 1 is no number", SHN_REASON_BAD_VALUE },
        { { "MDC_ECG_LEAD_I", NULL, "value=\"0\" unit=\"uV\"", "1" }, "scale", SHN_REASON_BAD_HEADER },
        { { "MDC_ECG_LEAD_I", NULL, "value=\"a\" unit=\"uV\"", "1" }, "scale", SHN_REASON_BAD_HEADER },
        { { "MDC_ECG_LEAD_I", "value=\"1\" unit=\"s\"", "value=\"1\" unit=\"uV\"", "1" }, "origin in 's'", SHN_REASON_BAD_HEADER },
        { { "", NULL, "value=\"1\" unit=\"uV\"", "1" }, "without code", SHN_REASON_BAD_HEADER },
        { { "MDC_ECG_LEAD_I", NULL, "value=\"1\" unit=\"uV\"", " " }, "no samples", SHN_REASON_NO_ECG },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const aecg_lead_text leads[2] = { cases[c].lead, { NULL, NULL, NULL, NULL } };
        aecg_text t = aecg_plain();
        t.leads = leads;
        assert_refused(reader, aecg_write(&t), SHN_FORMAT, cases[c].reason, cases[c].words);
    }
    static const char *const times[] = { "", "<increment value=\"0\" unit=\"s\"/>", "<increment value=\"1\" unit=\"V\"/>", "<increment value=\"0.002\"/>", "<increment value=\"-1\" unit=\"s\"/>" };
    for (size_t c = 0; c < sizeof times / sizeof *times; c++) {
        aecg_text t = aecg_plain();
        t.time = times[c];
        assert_refused(reader, aecg_write(&t), SHN_FORMAT, SHN_REASON_BAD_HEADER, "increment");
    }
    assert_refused(reader, "<AnnotatedECG/>", SHN_FORMAT, SHN_REASON_NO_ECG, "no series");
    assert_refused(reader, "<AnnotatedECG><component><series><code code=\"RHYTHM\"/></series></component></AnnotatedECG>", SHN_FORMAT, SHN_REASON_NO_ECG, "without leads");
    const aecg_text t = aecg_plain();
    char            cut[32768];
    snprintf(cut, sizeof cut, "%s", aecg_write(&t));
    for (size_t n = strlen(cut) - 1; n > 200; n -= 97) {              /* wherever it ends early, it is told */
        shn_error   err = { 0 };
        shn_record *rec;
        cut[n] = '\0';
        assert_status(test_read(reader, cut, &rec, &err), SHN_FORMAT);
        assert_null(rec);
        if (err.reason != SHN_REASON_TRUNCATED && !strstr(err.text, "Premature end")) fail_msg("cut at %zu: %s, %s", n, shn_reason_name(err.reason), err.text);
    }
}

static void test_recognition(void **state)
{
    (void)state;
    const aecg_text t = aecg_plain();
    const char     *text = aecg_write(&t), *prefixed = "<?xml version='1.0'?><h:AnnotatedECG xmlns:h='urn:hl7-org:v3'/>";
    assert_int_equal(reader->recognises((const uint8_t *)text, strlen(text)), 1);
    assert_int_equal(reader->recognises((const uint8_t *)text, 400), 1);             /* a broken one too */
    assert_int_equal(reader->recognises((const uint8_t *)prefixed, strlen(prefixed)), 1);
    assert_int_equal(reader->recognises((const uint8_t *)"<RestingECG/>", 13), 0);
    assert_int_equal(reader->recognises(NULL, 0), 0);
}

static void test_parts_and_memory(void **state)
{
    (void)state;
    const aecg_text t = aecg_plain();
    const char     *text = aecg_write(&t);
    test_file       f;
    test_parts(reader, text);
    test_input(&f, "a.xml", text, strlen(text), NULL);
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
    aecg_text   t = aecg_plain();
    t.top = "<location><testingSite><id extension=\"TS-7\"/><name>River Clinic</name></testingSite></location><pertainsTo><text>felt dizzy</text></pertainsTo>"
            "<controlVariable><relatedObservation><code code=\"21612-7\"/><value xsi:type=\"PQ\" value=\"97\" unit=\"a\"/><author><name>JMK</name></author></relatedObservation></controlVariable>";
    t.series = "<author by=\"Attr-one\">Text-beside<seriesAuthor><manufacturedSeriesDevice><id extension=\"SN-99\"/><manufacturerModelName>ELI250</manufacturerModelName><SerialNumber>SN-98</SerialNumber>"
               "</manufacturedSeriesDevice></seriesAuthor></author><secondaryPerformer><name>KAB</name></secondaryPerformer>";
    t.annotations = "<activityTime value=\"20021122091000.000\"/><component><annotation><code code=\"MDC_ECG_INTERPRETATION_STATEMENT\" value=\"Attr-two\"/><value xsi:type=\"ST\">Sinus</value></annotation></component>"
                    "<component><annotation><code code=\"MDC_ECG_INTERPRETATION_COMMENT\"/><value xsi:type=\"ST\">ask Dr. House</value></annotation></component>";
    const char *text = aecg_write(&t);
    test_input(&f, "a.xml", text, strlen(text), NULL);
    test_rewrite(reader, &f.in, &deid, &out);
    static const char *const gone[] = { "SBJ-123", "Clark", "19530508", "JMK", "KAB", "VISIT_3", "SN-9", "TS-7", "River", "dizzy", "House", "Trial", "REC-1", "dd7b629e", "61d1a24f", "20021122", "\"97\"", "Attr-", "Text-" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (strstr((char *)out.bytes, gone[i])) fail_msg("%s is still there", gone[i]);
    assert_non_null(strstr((char *)out.bytes, "Sinus"));
    assert_non_null(strstr((char *)out.bytes, "ELI250"));
    f.in.bytes = out.bytes;
    f.in.n_bytes = out.n;
    assert_ok(reader->read(&f.in, &rec, &err));
    assert_string_equal(shn_record_meta_of(rec)->patient, shn_deid_patient_of(deid));
    assert_near(shn_record_meta_of(rec)->age_years, 90, 0);
    assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
    assert_string_not_equal(shn_record_meta_of(rec)->acquired, "2002-11-22T09:10:00.250");
    assert_non_null(strstr(shn_record_meta_of(rec)->acquired, "T09:10:00.250"));     /* times of day stay */
    assert_true(shn_deid_n_changes(deid) >= 12);
    shn_record_free(rec);
    shn_bytes_free(&out);
    shn_deid_free(deid);
    t = aecg_plain();                                                /* the birth date stays, moved by as much as the recording: the age is the same */
    text = aecg_write(&t);
    test_input(&f, "a.xml", text, strlen(text), NULL);
    test_rewrite(reader, &f.in, &deid, &out);
    f.in.bytes = out.bytes;
    f.in.n_bytes = out.n;
    assert_ok(reader->read(&f.in, &rec, &err));
    assert_near(shn_record_meta_of(rec)->age_years, 49, 0);
    assert_null(strstr((char *)out.bytes, "19530508"));
    shn_record_free(rec);
    shn_bytes_free(&out);
    shn_deid_free(deid);
    t.subject = "<id extension=\"S\"/><subjectDemographicPerson><birthTime value=\"19010508\"/></subjectDemographicPerson>";
    t.annotations = "<author><assignedEntity><assignedAuthorType><assignedPerson><name>N</name></assignedPerson></assignedAuthorType></assignedEntity></author>"
                    "<component><annotation><code code=\"MDC_ECG_INTERPRETATION_STATEMENT\"/><value xsi:type=\"ST\">seen by House</value></annotation></component>";
    text = aecg_write(&t);
    test_input(&f, "a.xml", text, strlen(text), NULL);
    test_rewrite(reader, &f.in, &deid, &out);
    assert_null(strstr((char *)out.bytes, "birthTime"));             /* 101 years would identify */
    assert_null(strstr((char *)out.bytes, "House"));                 /* what a person wrote may name one */
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

static void test_golden(void **state)
{
    (void)state;
    char  line[4096];
    FILE *golden = fopen(SHN_TESTS_DIR "/golden/text_formats.txt", "r");
    int   n = 0;
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden))
        if (strncmp(line, "hl7_aecg/", 9) == 0 || strncmp(line, "philips_sierra_xml/", 19) == 0) {
            test_golden_line(line);
            n++;
        }
    fclose(golden);
    assert_int_equal(n, 6);
}

/** What the real files say beside their samples. */
static void test_real_files(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(shn_record_read(test_format_file("hl7_aecg/example_aecg.xml"), NULL, &rec, &err));
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->patient, "SBJ-123");
    assert_string_equal(m->acquired, "2002-11-22T09:10:00");
    assert_string_equal(m->device, "Mortara Instrument, Inc. ELI250 5.3");
    assert_string_equal(m->filters, "low pass 150 Hz, high pass FIR, notch Adaptive 60 Hz");
    assert_near(m->age_years, 46, 0);           /* as reported; the birth date says 49 */
    assert_int_equal(m->sex, 'M');
    assert_string_equal(shn_record_statement(rec, 0), "Sinus Rhythm");
    shn_record_free(rec);
    assert_ok(shn_record_read(test_format_file("hl7_aecg/liryc_example.xml"), NULL, &rec, &err));
    assert_true(test_has_measurement(rec, "heart_rate", 57, "/min"));
    assert_true(test_has_measurement(rec, "pr_interval", 192, "ms"));
    assert_true(test_has_measurement(rec, "qrs_duration", 88, "ms"));
    assert_true(test_has_measurement(rec, "qt_interval", 418, "ms"));
    assert_true(test_has_measurement(rec, "t_axis", 11, "deg"));
    assert_string_equal(shn_record_statement(rec, 0), "Rythme sinusal avec ESA");
    shn_record_free(rec);
    assert_ok(shn_record_read(test_format_file("philips_sierra_xml/ad4d3d80_1_04_converted.xml"), NULL, &rec, &err));
    assert_near(shn_record_meta_of(rec)->age_years, 32, 0);         /* Reported Age is there without a value: the birth date serves */
    assert_string_equal(shn_record_meta_of(rec)->filters, "low pass 150 Hz, high pass 0.05 Hz, notch 60 Hz Adaptive");
    shn_record_free(rec);
}

/** The same recording as DICOM and SCP: where their readers are in this build, every sample of every lead is equal. */
static void test_twins(void **state)
{
    (void)state;
    static const char *const twins[] = { "dicom/ecgtoolkit_example.dcm", "scp/Example.scp" };
    shn_error   err = { 0 };
    shn_record *rec, *twin;
    assert_ok(shn_record_read(test_format_file("hl7_aecg/example_aecg.xml"), NULL, &rec, &err));
    for (size_t k = 0; k < 2; k++) {
        const char *path = test_format_file(twins[k]);
        if (!shn_format_of(path)) continue;
        assert_ok(shn_record_read(path, NULL, &twin, &err));
        for (size_t l = 0; l < shn_record_n_leads(twin); l++) {
            const int at = shn_record_find(rec, shn_record_name(twin, l));
            assert_true(at >= 0);
            for (size_t i = 0; i < shn_record_n_samples(twin); i++) assert_near(shn_record_lead(rec, (size_t)at)[i], shn_record_lead(twin, l)[i], 1e-6);
        }
        shn_record_free(twin);
    }
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),     cmocka_unit_test(test_output_follows), cmocka_unit_test(test_rates),           cmocka_unit_test(test_meta),
        cmocka_unit_test(test_sequence_sets), cmocka_unit_test(test_series),       cmocka_unit_test(test_refusals),        cmocka_unit_test(test_recognition),
        cmocka_unit_test(test_parts_and_memory), cmocka_unit_test(test_deidentify), cmocka_unit_test(test_golden),         cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests_name("aecg", tests, NULL, NULL);
}
