/**
 * EDF, EDF+ and BDF from files made here by hand: scales and units, rates, gaps, annotations, identities, refusals, parts, de-identification; and the
 * real files at hand against pyedflib.
 */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "edf_writer.h"
#include "formats/edf/edf.h"
#include "must_fail.h"
#include "shinden/format.h"

static shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)name, (void)bytes, (void)n;
    err->status = SHN_IO;
    return SHN_IO;
}
static void give_back(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

static shn_status read_bytes(const uint8_t *bytes, size_t n, size_t first, size_t max, shn_record **rec, shn_error *err)
{
    const shn_source   source = { NULL, no_companion, give_back };
    shn_format_options options;
    shn_format_defaults(&options);
    options.first_sample = first;
    options.max_samples = max;
    const shn_input in = { .bytes = bytes, .n_bytes = n, .name = "r7.edf", .source = &source, .options = &options };
    return shn_reader_edf.read(&in, rec, err);
}

/** Reads a made file, of a copy of exact size. */
static shn_status read_made(const made_edf *e, shn_record **rec, shn_error *err)
{
    made_file f = made_bytes(e);
    uint8_t  *exact = malloc(f.n);
    memcpy(exact, f.bytes, f.n);
    const shn_status st = read_bytes(exact, f.n, 0, 0, rec, err);
    free(exact);
    free(f.bytes);
    return st;
}

static const int ramp[12] = { 0, 100, 200, 300, 400, 500, -600, 700, 32767, -32768, 10, 11 };

static void test_scale_and_units(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    made_edf e = { .n_records = 2, .n_signals = 7, .signals = {
        { .label = "ECG I", .n = 6, .values = ramp },
        { .label = "EKG II", .n = 6, .values = ramp, .dimension = "mV", .pmin = "-1000.00", .pmax = "1000.00" },
        { .label = "ECG III-Ref", .n = 6, .values = ramp, .dimension = "uV", .pmin = "32768", .pmax = "-32767" },     /* turned round */
        { .label = "V1", .n = 6, .values = ramp, .dimension = "V", .pmin = "-32.768", .pmax = "32.767" },
        { .label = "V2", .n = 6, .values = ramp, .dimension = "nV" },
        { .label = "Resp", .n = 6, .values = ramp, .dimension = "Ohm", .pmin = "-65536", .pmax = "65534" },
        { .label = "ECG V3", .n = 6, .values = ramp, .dimension = "" } } };
    assert_ok(read_made(&e, &rec, &err));
    assert_int_equal(shn_record_n_leads(rec), 7);
    assert_int_equal(shn_record_n_samples(rec), 12);
    assert_near(shn_record_fs_hz(rec), 6, 0);
    static const char *const names[7] = { "I", "II", "III", "V1", "V2", "Resp", "V3" };
    for (size_t l = 0; l < 7; l++) assert_string_equal(shn_record_name(rec, l), names[l]);
    for (size_t t = 0; t < 12; t++) {
        assert_near(shn_record_lead(rec, 0)[t], ramp[t] / 1000.0, 1e-6 * abs(ramp[t]) / 1000);
        assert_near(shn_record_lead(rec, 1)[t], -1000 + (ramp[t] + 32768) * 2000.0 / 65535, 1e-4);
        assert_near(shn_record_lead(rec, 2)[t], -ramp[t] / 1000.0, 1e-6 * abs(ramp[t]) / 1000);
        assert_near(shn_record_lead(rec, 3)[t], ramp[t], 1e-6 * abs(ramp[t]));
        assert_near(shn_record_lead(rec, 4)[t], ramp[t] / 1e6, 1e-12 * abs(ramp[t]));
        assert_near(shn_record_lead(rec, 5)[t], 2.0 * ramp[t], 1e-6 * abs(ramp[t]));
        assert_near(shn_record_lead(rec, 6)[t], ramp[t], 0);
    }
    assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 1000, 0);
    assert_near(shn_record_calibration(rec, 1).baseline_adu, -0.5, 0);
    assert_near(shn_record_calibration(rec, 2).gain_adu_per_mv, -1000, 0);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
    assert_int_equal(shn_record_unit(rec, 5), SHN_UNIT_NOT_VOLTAGE);
    assert_int_equal(shn_record_unit(rec, 6), SHN_UNIT_UNKNOWN);
    shn_record_free(rec);
    /* nothing memorised: gain, offset and a sample changed, the output follows */
    int other[12];
    memcpy(other, ramp, sizeof other);
    other[3] = 301;
    e.signals[0].values = other;
    e.signals[0].pmin = "-65526";               /* twice the gain, 10 uV more */
    e.signals[0].pmax = "65544";
    assert_ok(read_made(&e, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[3], (2 * 301 + 10) / 1000.0, 1e-6);
    assert_near(shn_record_lead(rec, 0)[1], (2 * 100 + 10) / 1000.0, 1e-6);
    shn_record_free(rec);
}

static void test_ranges_that_say_nothing(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    const made_signal cases[] = {
        { .label = "V1", .n = 2, .values = ramp, .pmin = "5", .pmax = "5" },    { .label = "V1", .n = 2, .values = ramp, .pmin = "" },
        { .label = "V1", .n = 2, .values = ramp, .dmin = "7", .dmax = "7" },    { .label = "V1", .n = 2, .values = ramp, .pmax = "1,5" },
        { .label = "V1", .n = 2, .values = ramp, .pmax = "nan" },               { .label = "V1", .n = 2, .values = ramp, .dmax = "0x7fff" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made_edf e = { .n_records = 1, .n_signals = 1, .signals = { cases[i] } };
        assert_ok(read_made(&e, &rec, &err));
        assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);
        assert_true(shn_record_has_note(rec, SHN_REASON_BAD_VALUE));
        assert_near(shn_record_lead(rec, 0)[1], 100, 0);
        assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 0, 0);
        shn_record_free(rec);
    }
}

static void test_bdf(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    static const int v[4] = { 8388607, -8388608, 1, -1 };
    made_edf e = { .bdf = 1, .n_records = 2, .n_signals = 2, .reserved = "24BIT", .signals = {
        { .label = "V6", .n = 2, .values = v, .dmin = "-8388608", .dmax = "8388607", .pmin = "-262144", .pmax = "262144" },
        { .label = "Status", .n = 2, .values = v, .dimension = "Boolean" } } };
    assert_ok(read_made(&e, &rec, &err));
    for (int t = 0; t < 4; t++) assert_near(shn_record_lead(rec, 0)[t], (-262144 + (v[t] + 8388608) * (524288.0 / 16777215)) / 1000, 2e-5);
    assert_int_equal(shn_record_calibration(rec, 0).bits, 24);
    assert_int_equal(shn_record_unit(rec, 1), SHN_UNIT_NOT_VOLTAGE);
    assert_string_equal(shn_record_meta_of(rec)->format, "edf (BDF)");
    shn_record_free(rec);
}

static void test_several_rates(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    static const int ecg[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, slow[4] = { 10, 20, 30, 40 }, fast[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    made_edf e = { .n_records = 2, .n_signals = 3, .seconds = "0.5", .signals = {
        { .label = "ECG II", .n = 4, .values = ecg }, { .label = "Temp", .dimension = "degC", .n = 2, .values = slow }, { .label = "Marker", .dimension = "", .n = 8, .values = fast } } };
    assert_ok(read_made(&e, &rec, &err));
    assert_near(shn_record_fs_hz(rec), 8, 0);           /* the ECG's, though the marker is faster */
    static const double warm[8] = { 10, 15, 20, 25, 30, 35, 40, 40 };
    for (int t = 0; t < 8; t++) {
        assert_near(shn_record_lead(rec, 0)[t], ecg[t] / 1000.0, 1e-9);
        assert_near(shn_record_lead(rec, 1)[t], warm[t], 1e-6);
        assert_near(shn_record_lead(rec, 2)[t], 2 * t, 1e-6);
    }
    assert_true(shn_record_has_note(rec, SHN_REASON_UPSAMPLING) && shn_record_has_note(rec, SHN_REASON_FS_MISMATCH));
    assert_near(shn_record_calibration(rec, 1).gain_adu_per_mv, 0, 0);         /* interpolated: no stored integers */
    assert_int_equal(shn_record_unit(rec, 2), SHN_UNIT_NOT_VOLTAGE);            /* uncalibrated, as EDF has it */
    shn_record_free(rec);
}

static const char *const lists_d[3] = { "+5~~|+5~Sinus rhythm~|", "+6~~|+6.25^0.5~Noise~Artefact~|", "+8.5~~|+4.5~before the start~|" };
static made_edf discontinuous(void)
{
    return (made_edf){ .n_records = 3, .n_signals = 2, .reserved = "EDF+D", .signals = {
        { .label = "ECG I", .n = 4, .values = ramp }, { .label = "EDF Annotations", .dimension = "", .pmin = "-1", .pmax = "1", .n = 40, .lists = lists_d } } };
}

static void test_discontinuous(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    made_edf    e = discontinuous();
    assert_ok(read_made(&e, &rec, &err));
    assert_int_equal(shn_record_n_leads(rec), 1);
    assert_int_equal(shn_record_n_samples(rec), 18);    /* 4 + 4 + gap of 6 + 4 */
    const float *x = shn_record_lead(rec, 0);
    for (int t = 0; t < 18; t++) {
        if (t >= 8 && t < 14) assert_true(isnan(x[t]));
        else assert_near(x[t], ramp[t < 8 ? t : t - 6] / 1000.0, 1e-5);
    }
    assert_true(shn_record_has_note(rec, SHN_REASON_GAPS));
    assert_int_equal(shn_record_n_statements(rec), 4);
    assert_string_equal(shn_record_statement(rec, 0), "Sinus rhythm");
    assert_string_equal(shn_record_statement(rec, 1), "+1.25 s (0.5 s): Noise");
    assert_string_equal(shn_record_statement(rec, 2), "+1.25 s (0.5 s): Artefact");
    assert_string_equal(shn_record_statement(rec, 3), "-0.5 s: before the start");
    assert_string_equal(shn_record_meta_of(rec)->format, "edf (EDF+D)");
    shn_record_free(rec);
    static const char *const overlap[3] = { "+5~~|", "+5.5~~|", "+8~~|" }, *const untimed[3] = { "+5~~|", "|", "+8~~|" }, *const before[3] = { "+5~~|", "+3~~|", "+8~~|" },
                      *const far[3] = { "+5~~|", "+100000000~~|", "+100000002~~|" };
    e.signals[1].lists = overlap;
    assert_status(read_made(&e, &rec, &err), SHN_FORMAT);
    assert_true(strstr(err.text, "before the end") != NULL);
    e.signals[1].lists = untimed;
    assert_status(read_made(&e, &rec, &err), SHN_FORMAT);
    assert_true(strstr(err.text, "data record 2") != NULL);
    e.signals[1].lists = before;
    assert_status(read_made(&e, &rec, &err), SHN_FORMAT);
    e.signals[1].lists = far;
    assert_status(read_made(&e, &rec, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_LIMIT);
    made_file f = made_bytes(&e);               /* parts of it are no problem */
    assert_ok(read_bytes(f.bytes, f.n, 399999980, 10, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 10);
    assert_near(shn_record_meta_of(rec)->total_samples, 399999980.0 + 8 + 4, 0);
    shn_record_free(rec);
    free(f.bytes);
}

static void test_annotations(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    static const char *const lists[2] = { "+0.25~~|+0.25~Dx: 426783006~|+0.25~Measurement: qrs_duration 98 ms~|+1^0.5~Gap@@ECG I~|", "+1.25~~|+1.5^0.25~Gap~|+1.75~Recording ends~|" };
    made_edf e = { .n_records = 2, .n_signals = 3, .reserved = "EDF+C", .signals = {
        { .label = "ECG I", .n = 4, .values = ramp }, { .label = "ECG II", .n = 4, .values = ramp }, { .label = "EDF Annotations", .n = 60, .lists = lists } } };
    assert_ok(read_made(&e, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 6);     /* the recording ends 1.5 s after its start */
    const float *i = shn_record_lead(rec, 0), *ii = shn_record_lead(rec, 1);
    for (int t = 0; t < 6; t++) {
        assert_int_equal(isnan(i[t]), (t >= 3 && t < 5) || t == 5);
        assert_int_equal(isnan(ii[t]), t == 5);
    }
    assert_int_equal(shn_record_n_labels(rec), 1);
    assert_string_equal(shn_record_label(rec, 0), "426783006");
    assert_int_equal(shn_record_n_measurements(rec), 1);
    assert_near(shn_record_measurement(rec, 0)->value, 98, 0);
    assert_int_equal(shn_record_n_statements(rec), 0);
    shn_record_free(rec);
    static const char *const broken[2] = { "+0~~|hello~x~|", "+1~~|+1~no end" };
    e.signals[2].lists = broken;
    assert_ok(read_made(&e, &rec, &err));
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_HEADER));
    shn_record_free(rec);
}

static void test_identity(void **state)
{
    (void)state;
    static const struct { const char *patient, *recording, *date, *id, *acquired, *device; double age; char sex; int note; } cases[] = {
        { "MCH-0234567 F 02-MAY-1951 Haagse_Harry", "Startdate 02-MAR-2002 EMG561 BK/JOP Sony MNC R Median Nerve", "02.03.02", "MCH-0234567", "2002-03-02T16:13:05", "Sony", 50, 'F', 0 },
        { "X M X X Age_63", "Startdate X X X X", "01.01.85", "", "", "", 63, 'M', 0 },
        { "X X 02-MAY-1951 X", "Startdate 02-MAY-2091 X X X", "02.05.yy", "", "2091-05-02T16:13:05", "", 140, 0, 0 },
        { "Jane Doe", "anything", "09.11.84", "Jane Doe", "2084-11-09T16:13:05", "", NAN, 0, 0 },
        { "Jane Doe", "anything", "09.11.85", "Jane Doe", "1985-11-09T16:13:05", "", NAN, 0, 0 },
        { "X F X X", "Startdate 09-NOV-1984 X X X", "09.11.84", "", "1984-11-09T16:13:05", "", NAN, 'F', 0 },
        { "X F X X", "Startdate 10-NOV-2004 X X X", "09.11.04", "", "2004-11-10T16:13:05", "", NAN, 'F', 1 },
        { "  dd-MMM-yyyy", "Startdate 16-NOV-2020 0000050", "16.11.20", "", "2020-11-16T16:13:05", "", NAN, 0, 0 },
        { "M\xfcller", "x", "31.02.2x", "M\xc3\xbcller", "", "", NAN, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error   err = { 0 };
        shn_record *rec;
        made_edf e = { .n_records = 1, .n_signals = 1, .reserved = "EDF+C", .patient = cases[i].patient, .recording = cases[i].recording, .date = cases[i].date, .time = "16.13.05",
                       .signals = { { .label = "V1", .n = 1, .prefilter = "HP:0.05Hz LP:150Hz" } } };
        assert_ok(read_made(&e, &rec, &err));
        const shn_record_meta *m = shn_record_meta_of(rec);
        assert_string_equal(m->patient, cases[i].id);
        assert_string_equal(m->acquired, cases[i].acquired);
        assert_string_equal(m->device, cases[i].device);
        assert_string_equal(m->filters, "HP:0.05Hz LP:150Hz");
        assert_int_equal(m->sex, cases[i].sex);
        if (isnan(cases[i].age)) assert_true(isnan(m->age_years));
        else assert_near(m->age_years, cases[i].age, 0);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_BAD_HEADER), cases[i].note);
        assert_string_equal(m->id, i == 0 ? "EMG561" : i == 7 ? "0000050" : "r7");
        shn_record_free(rec);
    }
}

static void test_number_of_records(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    made_edf e = { .n_records = 3, .n_signals = 1, .n_records_text = "-1", .signals = { { .label = "V1", .n = 4, .values = ramp } } };
    made_file f = made_bytes(&e);
    assert_ok(read_bytes(f.bytes, f.n - 1, 0, 0, &rec, &err));         /* never closed, the last data record half written */
    assert_int_equal(shn_record_n_samples(rec), 8);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    shn_record_free(rec);
    free(f.bytes);
    e.n_records_text = NULL;
    f = made_bytes(&e);
    assert_ok(read_bytes(f.bytes, f.n, 0, 0, &rec, &err));
    assert_int_equal(shn_record_n_notes(rec), 0);
    shn_record_free(rec);
    for (size_t n = 8; n < f.n; n += 7) {
        uint8_t *exact = malloc(n);
        memcpy(exact, f.bytes, n);
        assert_status(read_bytes(exact, n, 0, 0, &rec, &err), SHN_FORMAT);
        assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
        assert_null(rec);
        free(exact);
    }
    free(f.bytes);
    e.n_records_text = "2";
    assert_ok(read_made(&e, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 8);
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_HEADER));       /* 8 bytes too many */
    shn_record_free(rec);
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct { made_edf e; shn_reason reason; const char *words; } cases[] = {
        { { .n_signals_text = "0" }, SHN_REASON_BAD_HEADER, "byte 252" },     { { .n_signals_text = "x" }, SHN_REASON_BAD_HEADER, "byte 252" },
        { { .n_signals_text = "9999", .header_bytes = "2560000" }, SHN_REASON_LIMIT, "signals" }, { { .header_bytes = "257" }, SHN_REASON_BAD_HEADER, "byte 184" },
        { { .n_records_text = "0" }, SHN_REASON_BAD_HEADER, "byte 236" },     { { .n_records_text = "1.5" }, SHN_REASON_BAD_HEADER, "byte 236" },
        { { .n_records_text = "99999999" }, SHN_REASON_TRUNCATED, "cut off" }, { { .seconds = "0" }, SHN_REASON_BAD_HEADER, "byte 244" },
        { { .seconds = "-1" }, SHN_REASON_BAD_HEADER, "byte 244" },           { { .seconds = "1e-9" }, SHN_REASON_BAD_VALUE, "sampling" },
        { { .reserved = "EDF+D" }, SHN_REASON_BAD_HEADER, "without annotations" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error   err = { 0 };
        shn_record *rec;
        made_edf    e = cases[i].e;
        e.n_records = e.n_signals = 1;
        e.signals[0] = (made_signal){ .label = "V1", .n = 2, .values = ramp };
        assert_int_not_equal(read_made(&e, &rec, &err), SHN_OK);
        assert_null(rec);
        if (err.reason != cases[i].reason || !strstr(err.text, cases[i].words)) fail_msg("case %zu: %s: %s", i, shn_reason_name(err.reason), err.text);
    }
    shn_error   err = { 0 };
    shn_record *rec;
    made_edf    e = { .n_records = 1, .n_signals = 1, .signals = { { .label = "EDF Annotations", .n = 4, .values = ramp } } };
    assert_status(read_made(&e, &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_NO_ECG);
    e.signals[0].n = 0;
    e.n_records = 0;
    assert_status(read_made(&e, &rec, &err), SHN_FORMAT);
}

static void test_parts_equal_the_whole(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *whole, *part;
    static const int slow[6] = { 1, 5, 9, 4, 2, 7 };
    made_edf e = discontinuous();
    e.signals[2] = (made_signal){ .label = "Temp", .dimension = "degC", .n = 2, .values = slow };
    e.n_signals = 3;
    made_file f = made_bytes(&e);
    assert_ok(read_bytes(f.bytes, f.n, 0, 0, &whole, &err));
    for (size_t first = 0; first < 18; first++)
        for (size_t n = 1; n <= 19 - first; n++) {
            assert_ok(read_bytes(f.bytes, f.n, first, n, &part, &err));
            const size_t expected = n < 18 - first ? n : 18 - first;
            assert_int_equal(shn_record_n_samples(part), expected);
            assert_int_equal(shn_record_meta_of(part)->first_sample, first);
            assert_int_equal(shn_record_meta_of(part)->total_samples, 18);
            for (size_t l = 0; l < 2; l++) assert_memory_equal(shn_record_lead(part, l), shn_record_lead(whole, l) + first, expected * sizeof(float));
            shn_record_free(part);
        }
    assert_status(read_bytes(f.bytes, f.n, 18, 1, &part, &err), SHN_RANGE);
    shn_record_free(whole);
    free(f.bytes);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    made_edf    e = discontinuous();
    made_file   f = made_bytes(&e);
    for (long n = 1; n < 200; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = read_bytes(f.bytes, f.n, 0, 0, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            shn_record_free(rec);
            free(f.bytes);
            assert_true(n > 8);
            return;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
    fail_msg("never succeeded");
}

static void test_recognition(void **state)
{
    (void)state;
    made_edf  e = discontinuous();
    made_file f = made_bytes(&e);
    assert_int_equal(shn_reader_edf.recognises(f.bytes, f.n), 1);
    assert_int_equal(shn_reader_edf.recognises(f.bytes, 8), 1);
    assert_int_equal(shn_reader_edf.recognises(f.bytes, 7), 0);
    assert_int_equal(shn_reader_edf.recognises((const uint8_t *)"\xff" "BIOSEMI", 8), 1);
    static const char table[] = "0        0.15 0.25\n1        0.2 0.3\n";
    assert_int_equal(shn_reader_edf.recognises((const uint8_t *)table, sizeof table - 1), 0);
    free(f.bytes);
}

/* ---- de-identification ---- */

static int holds(const shn_bytes *b, const char *text) { return memmem(b->bytes, b->n, text, strlen(text)) != NULL; }

static void test_deidentify(void **state)
{
    (void)state;
    static const char *const lists[3] = { "+0~~|+0~Seen by Dr Holm~|", "+1~~|+1^0.25~Gap@@ECG I~|+1~Holm again~Gap is a word~|", "+2~~|" };
    made_edf e = { .n_records = 3, .n_signals = 2, .reserved = "EDF+C bed 12", .patient = "MCH-0234567 F 02-MAY-1951 Haagse_Harry ward", .recording = "Startdate 02-MAR-2002 EMG561 Holm SN4711",
                   .date = "02.03.02", .time = "16.13.05", .signals = {
        { .label = "ECG I", .n = 4, .values = ramp, .transducer = "serial 99-17", .prefilter = "HP:0.05Hz LP:150Hz N:50Hz", .reserved = "Holm" },
        { .label = "EDF Annotations", .n = 40, .lists = lists, .prefilter = "by Holm" } } };
    shn_error          err = { 0 };
    shn_deid          *deid;
    shn_bytes          out = { 0 };
    shn_record        *before, *after;
    made_file          f = made_bytes(&e);
    const shn_source   source = { NULL, no_companion, give_back };
    shn_format_options options;
    shn_format_defaults(&options);
    const shn_input in = { .bytes = f.bytes, .n_bytes = f.n, .name = "r7.edf", .source = &source, .options = &options };
    assert_ok(shn_deid_new("0123456789abcdef", 16, &deid, &err));
    assert_ok(shn_reader_edf.deidentify(&in, deid, &out, &err));
    assert_int_equal(out.n, f.n);
    static const char *const gone[] = { "MCH", "0234567", "Harry", "ward", "EMG561", "Holm", "SN4711", "99-17", "bed", "02-MAR-2002", "02-MAY-1951", "02.03.02", "word" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (holds(&out, gone[i])) fail_msg("'%s' is still there", gone[i]);
    assert_true(holds(&out, "Gap@@ECG I") && holds(&out, "HP:0.05Hz LP:150Hz N:50Hz") && holds(&out, "EDF+C"));
    assert_ok(read_bytes(f.bytes, f.n, 0, 0, &before, &err));
    assert_ok(read_bytes(out.bytes, out.n, 0, 0, &after, &err));
    assert_memory_equal(shn_record_lead(after, 0), shn_record_lead(before, 0), 12 * sizeof(float));
    assert_true(isnan(shn_record_lead(after, 0)[4]));
    assert_near(shn_record_meta_of(after)->age_years, 50, 0);          /* both dates moved alike */
    assert_int_equal(shn_record_meta_of(after)->sex, 'F');
    assert_string_equal(shn_record_meta_of(after)->patient, shn_deid_patient_of(deid));
    assert_string_not_equal(shn_record_meta_of(after)->acquired, shn_record_meta_of(before)->acquired);
    assert_string_equal(strchr(shn_record_meta_of(after)->acquired, 'T'), "T16:13:05");
    assert_int_equal(shn_record_n_statements(after), 0);
    assert_true(shn_deid_n_changes(deid) >= 10);
    for (size_t i = 0; i < shn_deid_n_changes(deid); i++)
        for (size_t g = 0; g < sizeof gone / sizeof *gone; g++) assert_null(strstr(shn_deid_change_at(deid, i).what, gone[g]));
    shn_record_free(before);
    shn_record_free(after);
    shn_bytes_free(&out);
    free(f.bytes);
    /* an old patient, and a file that does not follow EDF+ */
    e.patient = "MCH-0234567 F 02-MAY-1901 X";
    f = made_bytes(&e);
    const shn_input old = { .bytes = f.bytes, .n_bytes = f.n, .name = "r7.edf", .source = &source, .options = &options };
    assert_ok(shn_reader_edf.deidentify(&old, deid, &out, &err));
    assert_false(holds(&out, "-19"));
    shn_bytes_free(&out);
    free(f.bytes);
    e = (made_edf){ .n_records = 3, .n_signals = 1, .patient = "Harry Haagse, 1951", .recording = "Holm", .date = "31.12.84", .signals = { { .label = "V1", .n = 4, .values = ramp } } };
    f = made_bytes(&e);
    const shn_input plain = { .bytes = f.bytes, .n_bytes = f.n, .name = "r7.edf", .source = &source, .options = &options };
    assert_ok(shn_reader_edf.deidentify(&plain, deid, &out, &err));
    assert_false(holds(&out, "Haagse") || holds(&out, "Holm") || holds(&out, "31.12.84") || holds(&out, "1951"));
    shn_bytes_free(&out);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_reader_edf.deidentify(&plain, deid, &out, &err);
        shn_alloc_fail_after(0);
        shn_bytes_free(&out);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_true(n < 100);
    }
    free(f.bytes);
    shn_deid_free(deid);
}

/* ---- real files ---- */

static void test_samples_equal_pyedflib(void **state)
{
    (void)state;
    shn_error err = { 0 };
    char      root[SHN_PATH_MAX], path[SHN_PATH_MAX], line[4096];
    size_t    n_signals = 0;
    assert_ok(shn_path_join(root, test_data(), "formats/edf", &err));
    FILE *golden = fopen(SHN_TESTS_DIR "/golden/edf_records.txt", "r");
    assert_non_null(golden);
    shn_record *rec = NULL;
    char        file[64] = "";
    while (fgets(line, sizeof line, golden)) {
        char   name[64], label[64], *save = NULL;
        size_t lead, n;
        double fs, sum, squares, unit_mv, digital;
        if (*line == '#') continue;
        if (sscanf(line, "%63s %zu %63s %zu %lf %lf %lf %lf %lf", name, &lead, label, &n, &fs, &unit_mv, &sum, &squares, &digital) < 9) fail_msg("golden line %s", line);
        if (strcmp(file, name) != 0) {
            shn_record_free(rec);
            strcpy(file, name);
            assert_ok(shn_path_join(path, root, name, &err));
            assert_ok(shn_record_read(path, NULL, &rec, &err));
        }
        if (unit_mv == 0) assert_int_equal(shn_record_unit(rec, lead), SHN_UNIT_NOT_VOLTAGE);
        else assert_int_equal(shn_record_unit(rec, lead), SHN_UNIT_DECLARED);
        if (shn_record_fs_hz(rec) != fs) continue;      /* interpolated here */
        const float *x = shn_record_lead(rec, lead);
        double own_sum = 0, own_squares = 0, own_digital = 0;
        const shn_lead_cal c = shn_record_calibration(rec, lead);
        assert_int_equal(shn_record_n_samples(rec), n);
        for (size_t t = 0; t < n; t++) {
            own_sum += x[t];
            own_squares += (double)x[t] * x[t];
            own_digital += nearbyint((double)x[t] * c.gain_adu_per_mv + c.baseline_adu) * (double)(t % 97);
        }
        assert_near(own_squares, squares, 1e-6 * squares);
        assert_near(own_sum, sum, 1e-6 * sqrt(squares * (double)n));
        assert_near(own_digital, digital, 0);           /* every stored integer */
        strtok_r(line, ":", &save);
        for (size_t t = 0; t < 10; t++) {
            const char *word = strtok_r(NULL, " \n", &save);
            assert_non_null(word);
            assert_near(x[t], atof(word), 1e-6 * fabs(atof(word)) + 1e-9);
        }
        n_signals++;
    }
    shn_record_free(rec);
    fclose(golden);
    assert_int_equal(n_signals, 12 + 3 + 3);
    assert_ok(shn_path_join(path, root, "test_edfann.edf", &err));
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_NO_ECG);
}

static shn_status refuse(const char *name, const uint8_t *bytes, size_t n, shn_error *err)
{
    shn_record *rec;
    (void)name;
    const shn_status st = read_bytes(bytes, n, 0, 0, &rec, err);
    shn_record_free(rec);
    return st;
}

static void test_must_fail_corpus(void **state)
{
    (void)state;
    static const refusal table[] = {
        { "announced_more_records", "edf.header", "cut off" },
        { "gap_of_three_years", "edf.annotations", "gaps of" },
        { "records_overlap", "edf.annotations", "before the end" },
        { "zero_seconds", "edf.header", "0 seconds" },
    };
    check_refusals("edf", table, sizeof table / sizeof *table, refuse);
}

/** Makes the corpora: SHINDEN_EDF_CORPUS=1 build/release/tests/test_edf */
static void put_file(const char *path, const made_edf *e)
{
    shn_error err = { 0 };
    made_file f = made_bytes(e);
    assert_ok(shn_file_write(path, f.bytes, f.n, &err));
    free(f.bytes);
}

static void make_corpus(void)
{
    static const char *const annotations[2] = { "+0.25~~|+0.25~Dx: 426783006~|+1^0.5~Gap@@ECG I~|", "+1.25~~|+1.5^0.25~Gap~|+1.75~Recording ends~|" };
    static const char *const far[3] = { "+5~~|", "+100000000~~|", "+100000002~~|" }, *const overlap[3] = { "+5~~|", "+5.5~~|", "+8~~|" };
    shn_error err = { 0 };
    assert_ok(shn_dir_make(SHN_TESTS_DIR "/fuzz/corpus/edf", &err));
    assert_ok(shn_dir_make(SHN_TESTS_DIR "/must_fail/edf", &err));
    made_edf e = discontinuous();
    put_file(SHN_TESTS_DIR "/fuzz/corpus/edf/discontinuous", &e);
    e.signals[1].lists = far;
    put_file(SHN_TESTS_DIR "/must_fail/edf/gap_of_three_years", &e);
    e.signals[1].lists = overlap;
    put_file(SHN_TESTS_DIR "/must_fail/edf/records_overlap", &e);
    e = (made_edf){ .n_records = 2, .n_signals = 3, .reserved = "EDF+C", .patient = "MCH-1 F 02-MAY-1951 Harry", .recording = "Startdate 02-MAR-2002 E Holm Sony", .date = "02.03.02", .signals = {
        { .label = "ECG I", .n = 4, .values = ramp }, { .label = "Temp", .dimension = "degC", .n = 2, .values = ramp }, { .label = "EDF Annotations", .n = 50, .lists = annotations } } };
    put_file(SHN_TESTS_DIR "/fuzz/corpus/edf/continuous", &e);
    e = (made_edf){ .n_records = 2, .n_signals = 2, .n_records_text = "-1", .signals = { { .label = "V1", .n = 4, .values = ramp }, { .label = "V2", .n = 4, .pmin = "1", .pmax = "1" } } };
    put_file(SHN_TESTS_DIR "/fuzz/corpus/edf/plain", &e);
    e.n_records_text = "4";
    put_file(SHN_TESTS_DIR "/must_fail/edf/announced_more_records", &e);
    e.n_records_text = NULL;
    e.seconds = "0";
    put_file(SHN_TESTS_DIR "/must_fail/edf/zero_seconds", &e);
    e = (made_edf){ .bdf = 1, .n_records = 2, .n_signals = 2, .reserved = "24BIT", .signals = { { .label = "V6", .n = 2, .values = ramp }, { .label = "BDF Annotations", .n = 20, .lists = annotations } } };
    put_file(SHN_TESTS_DIR "/fuzz/corpus/edf/bdf", &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale_and_units),
        cmocka_unit_test(test_ranges_that_say_nothing),
        cmocka_unit_test(test_bdf),
        cmocka_unit_test(test_several_rates),
        cmocka_unit_test(test_discontinuous),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_number_of_records),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_parts_equal_the_whole),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_recognition),
        cmocka_unit_test(test_deidentify),
        cmocka_unit_test(test_must_fail_corpus),
        cmocka_unit_test(test_samples_equal_pyedflib),
    };
    if (getenv("SHINDEN_EDF_CORPUS")) make_corpus();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
