/** MFER: files made by hand in both byte orders, every data type, lengths of every form, inheritance, frames, texts, refusals; and the real file. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/mfer/mfer.h"
#include "mfer_writer.h"

static shn_format_options defaults;

static shn_input input_of(const uint8_t *bytes, size_t n) { return (shn_input){ .bytes = bytes, .n_bytes = n, .name = "made.mwf", .options = &defaults }; }

static shn_status read_made(const mfer_made *m, shn_record **rec, shn_error *err)
{
    uint8_t *exact = malloc(m->n ? m->n : 1);           /* exact size, so that sanitizers see an overrun */
    assert_non_null(exact);
    memcpy(exact, m->b, m->n);
    const shn_input  in = input_of(exact, m->n);
    const shn_status st = shn_reader_mfer.read(&in, rec, err);
    free(exact);
    return st;
}

static void assert_refused(const mfer_made *m, shn_status status, shn_reason reason, const char *words)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    assert_status(read_made(m, &rec, &err), status);
    if (err.reason != reason || !strstr(err.text, words)) fail_msg("%s: %s", shn_reason_name(err.reason), err.text);
    assert_null(rec);
}

static mfer_made *fresh(int big)
{
    static mfer_made m;
    m = (mfer_made){ .n = 0 };
    made_preamble(&m, "Standard 2 leads ECG");
    made_order(&m, big);
    return &m;
}

static int noted(const shn_record *rec, const char *words)
{
    for (size_t i = 0; i < shn_record_n_notes(rec); i++)
        if (strstr(shn_record_note(rec, i)->text, words)) return 1;
    return 0;
}

static void test_both_orders(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        shn_error   err = { 0 };
        shn_record *rec;
        mfer_made  *m = fresh(big);
        made_frame(m, 5, 2, 3);
        made_wave(m, 5, 2, 3, 0);
        made_end(m);
        assert_true(shn_reader_mfer.recognises(m->b, m->n));
        assert_ok(read_made(m, &rec, &err));
        assert_int_equal(shn_record_n_leads(rec), 2);
        assert_int_equal(shn_record_n_samples(rec), 15);
        assert_near(shn_record_fs_hz(rec), 500, 0);
        assert_string_equal(shn_record_name(rec, 0), "I");
        assert_string_equal(shn_record_name(rec, 1), "II");
        assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
        for (int i = 0; i < 15; i++) {
            assert_near(shn_record_lead(rec, 0)[i], i * 0.005, 1e-7);
            assert_near(shn_record_lead(rec, 1)[i], (100 + i) * 0.005, 1e-6);
        }
        assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 200, 1e-9);
        assert_int_equal(shn_record_calibration(rec, 0).bits, 16);
        assert_int_equal(shn_record_n_notes(rec), 0);
        assert_string_equal(shn_record_meta_of(rec)->format, "mfer");
        assert_string_equal(shn_record_meta_of(rec)->id, "made");
        shn_record_free(rec);
    }
}

/** The same file with another gain, another offset and another sample: the output follows each. */
static void test_nothing_is_memorised(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    mfer_made  *m = fresh(0);
    made_frame(m, 1, 2, 4);
    made_def(m, 0x0d, 7, 2);
    const size_t offset_at = m->n - 2;
    made_wave(m, 1, 2, 4, 0);
    assert_ok(read_made(m, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[3], 10 * 0.005, 1e-7);              /* value = (sample + OFF) * SEN */
    assert_near(shn_record_calibration(rec, 0).baseline_adu, -7, 0);
    assert_true(shn_record_has_note(rec, SHN_REASON_UNIT_SUSPECT));
    shn_record_free(rec);
    m->b[offset_at] = 9;
    assert_ok(read_made(m, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[3], 12 * 0.005, 1e-7);
    shn_record_free(rec);
    uint8_t *gain = memmem(m->b, m->n, "\x0c\x04\x00\xfa\x05\x00", 6);
    assert_non_null(gain);
    gain[4] = 40;
    assert_ok(read_made(m, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[3], 12 * 0.040, 1e-7);
    shn_record_free(rec);
    gain[3] = 0xfd;                                                         /* 40 mV: the exponent is read, too */
    assert_ok(read_made(m, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[3], 12 * 40.0, 1e-4);
    shn_record_free(rec);
    m->b[m->n - 4] = 200;                                                   /* the last sample of the first channel */
    assert_ok(read_made(m, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[3], 209 * 40.0, 1e-3);
    shn_record_free(rec);
}

static void test_every_data_type(void **state)
{
    (void)state;
    static const struct { int type, size; double value; uint64_t stored; uint64_t null; } cases[] = {
        { 0, 2, -300, 0xfed4, 0x8000 },        { 1, 2, 65000, 65000, 0xffff },               { 2, 4, -70000, 0xfffeee90u, 0x80000000u }, { 3, 1, 250, 250, 0 },
        { 4, 2, 0xfff0, 0xfff0, 0 },           { 5, 1, -100, 0x9c, 0x80 },                   { 6, 4, 4000000000.0, 4000000000u, 1 },
        { 7, 4, -2.5, 0xc0200000u, 0x3f800000u }, { 8, 8, 0.1, 0x3fb999999999999aull, 0x4000000000000000ull },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int big = 0; big < 2; big++) {
            shn_error   err = { 0 };
            shn_record *rec;
            mfer_made  *m = fresh(big);
            made_scaled(m, 0x0b, 0, 2, 5);                                  /* 5 * 10^2 Hz */
            made_scaled(m, 0x0c, 0, -3, 2);                                 /* 2 mV */
            made_def(m, 0x12, cases[c].null, cases[c].size);
            made_def(m, 0x0a, (unsigned)cases[c].type, 1);
            made_head(m, 0x1e, (size_t)cases[c].size * 2, 0);
            made_number(m, cases[c].stored, cases[c].size);
            made_number(m, cases[c].null, cases[c].size);
            assert_ok(read_made(m, &rec, &err));
            const int status = cases[c].type == 4;
            assert_near(shn_record_lead(rec, 0)[0], cases[c].value * (status ? 1 : 2), fabs(cases[c].value) * 1e-6);
            assert_true(isnan(shn_record_lead(rec, 0)[1]));
            assert_int_equal(shn_record_unit(rec, 0), status ? SHN_UNIT_NOT_VOLTAGE : SHN_UNIT_DECLARED);
            assert_near(shn_record_fs_hz(rec), 500, 1e-9);
            shn_record_free(rec);
        }
    mfer_made *m = fresh(1);
    made_def(m, 0x0a, 9, 1);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "AHA");
    m = fresh(1);
    made_def(m, 0x0a, 10, 1);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "data type 10");
    m = fresh(0);
    made_frame(m, 1, 1, 2);
    made_def(m, 0x0d, 1, 1);                                                /* one byte for samples of two */
    made_wave(m, 1, 1, 2, 0);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "offset");
}

static void test_lengths(void **state)
{
    (void)state;
    for (int form = 1; form <= 4; form++) {                                 /* 81 to 84, big-endian whatever the order of values */
        shn_error   err = { 0 };
        shn_record *rec;
        mfer_made  *m = fresh(0);
        made_frame(m, 1, 1, 2);
        made_head(m, 0x16, 5, form);
        made_bytes(m, "hello", 5);
        made_head(m, 0x1e, 4, form);
        made_number(m, 3, 2);
        made_number(m, 4, 2);
        assert_ok(read_made(m, &rec, &err));
        assert_near(shn_record_lead(rec, 0)[1], 0.02, 1e-8);
        assert_string_equal(shn_record_statement(rec, 0), "hello");
        shn_record_free(rec);
    }
    mfer_made *m = fresh(0);
    made_head(m, 0x16, 1, 5);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "length of 5 bytes");
    m = fresh(0);
    made_byte(m, 0x0d);
    made_byte(m, 0x80);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "indefinite");
}

/** Samples 0, 0 look like an end mark: the frame says where samples of indefinite length end. */
static void test_indefinite(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    mfer_made  *m = fresh(1);
    made_frame(m, 2, 2, 2);
    made_bytes(m, "\x3f\x01\x80\x09\x01\x3e", 6);                           /* channel 2: aVR, closed by an end mark */
    made_bytes(m, "\x00\x00", 2);
    made_bytes(m, "\x67\x80\x11\x08HPF=0.05\x3f\x00\x80\x09\x01\x3f\x00\x00\x00\x00", 22);
    made_bytes(m, "\x16\x80text\x00\x00", 8);
    made_byte(m, 0x1e);
    made_byte(m, 0x80);
    for (int i = 0; i < 8; i++) made_number(m, i == 2 ? 5 : 0, 2);
    made_bytes(m, "\x00\x00", 2);
    made_end(m);
    assert_ok(read_made(m, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 4);
    assert_string_equal(shn_record_name(rec, 0), "aVL");
    assert_string_equal(shn_record_name(rec, 1), "aVR");
    assert_string_equal(shn_record_statement(rec, 0), "text");
    assert_string_equal(shn_record_meta_of(rec)->filters, "HPF=0.05");
    assert_near(shn_record_lead(rec, 1)[0], 0.025, 1e-8);
    shn_record_free(rec);
    m->b[m->n - 4] = 1;                                                     /* no end mark where the samples end */
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "do not end where");
}

static void test_inheritance(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    mfer_made  *m = fresh(1);
    made_text(m, 0x03, "UTF-8");
    made_frame(m, 2, 3, 1);
    made_bytes(m, "\x3f\x01\x06", 3);                                       /* channel 2 has its own step: 1 mV */
    made_scaled(m, 0x0c, 0, -3, 1);
    made_bytes(m, "\x3f\x02\x06", 3);                                       /* channel 3 is a pressure */
    made_scaled(m, 0x0c, 1, 0, 1);
    made_channel(m, 2, 0x09, 143, 1);
    made_wave(m, 2, 3, 1, 0);
    made_def(m, 0x05, 3, 1);                                                /* the count drops what channels had of their own: another layout */
    made_wave(m, 2, 3, 1, 2);
    assert_ok(read_made(m, &rec, &err));
    assert_near(shn_record_lead(rec, 0)[1], 0.005, 1e-8);
    assert_near(shn_record_lead(rec, 1)[1], 101, 1e-4);
    assert_near(shn_record_lead(rec, 2)[1], 201, 1e-4);
    assert_int_equal(shn_record_unit(rec, 2), SHN_UNIT_NOT_VOLTAGE);
    assert_string_equal(shn_record_name(rec, 2), "blood pressure");
    assert_int_equal(shn_record_n_samples(rec), 2);
    assert_true(noted(rec, "1 of 2 frames have other channels"));
    shn_record_free(rec);
}

static void test_lead_names(void **state)
{
    (void)state;
    static const struct { int code; const char *name; } cases[] = { { 1, "I" }, { 2, "II" }, { 3, "V1" }, { 8, "V6" }, { 61, "III" }, { 62, "aVR" }, { 63, "aVL" },
                                                                    { 64, "aVF" }, { 66, "V8" }, { 200, "code 200" } };
    shn_error   err = { 0 };
    shn_record *rec;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int n = 1; n <= 2; n++) {                                      /* one byte, and two in the file's order */
            mfer_made *m = fresh(n == 1);
            made_frame(m, 1, 2, 2);
            made_channel(m, 1, 0x09, (unsigned)cases[c].code, n);
            made_wave(m, 1, 2, 2, 0);
            assert_ok(read_made(m, &rec, &err));
            assert_string_equal(shn_record_name(rec, 1), cases[c].name);
            shn_record_free(rec);
        }
    mfer_made *m = fresh(0);
    made_frame(m, 1, 2, 2);
    made_bytes(m, "\x3f\x01\x07\x09\x05\x02\x00" "III", 10);                /* the code of II, the text of III */
    made_bytes(m, "\x3f\x00\x07\x09\x05\x00\x00" "CM5", 10);                /* no code: the text */
    made_wave(m, 1, 2, 2, 0);
    assert_ok(read_made(m, &rec, &err));
    assert_string_equal(shn_record_name(rec, 0), "CM5");
    assert_string_equal(shn_record_name(rec, 1), "II");
    assert_true(shn_record_has_note(rec, SHN_REASON_LEAD_ORDER));
    shn_record_free(rec);
    m = fresh(0);                                                           /* no names at all: never by position */
    made_scaled(m, 0x0b, 1, -3, 2);
    made_def(m, 0x05, 2, 1);
    made_wave(m, 1, 2, 2, 0);
    assert_ok(read_made(m, &rec, &err));
    assert_string_equal(shn_record_name(rec, 0), "channel 1");
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);            /* and no resolution: no unit */
    assert_near(shn_record_lead(rec, 1)[1], 101, 0);
    shn_record_free(rec);
    m = fresh(0);                                                           /* channel numbers over 127 take two bytes */
    made_frame(m, 1, 130, 1);
    made_wave(m, 1, 130, 1, 0);
    made_channel(m, 129, 0x09, 64, 1);
    assert_ok(read_made(m, &rec, &err));
    assert_string_equal(shn_record_name(rec, 129), "code 130");
    shn_record_free(rec);
}

static void test_frames(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    mfer_made  *m = fresh(0);
    made_frame(m, 3, 2, 2);
    made_wave(m, 3, 2, 2, 0);
    made_def(m, 0x04, 2, 1);                                                /* the second frame has another block */
    made_def(m, 0x06, 1, 1);
    made_wave(m, 2, 2, 1, 6);
    made_def(m, 0x07, 10, 4);                                               /* the third begins two samples late */
    made_wave(m, 2, 2, 1, 10);
    assert_ok(read_made(m, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 12);
    for (int i = 0; i < 12; i++) {
        if (i == 8 || i == 9) assert_true(isnan(shn_record_lead(rec, 1)[i]));
        else assert_near(shn_record_lead(rec, 1)[i], (100 + i) * 0.005, 1e-6);
    }
    assert_true(shn_record_has_note(rec, SHN_REASON_GAPS));
    for (size_t first = 0; first < 12; first++)                             /* parts equal the whole */
        for (size_t n = 1; n <= 12; n++) {
            shn_format_options o = { .first_sample = first, .max_samples = n };
            shn_input   in = input_of(m->b, m->n);
            shn_record *part;
            in.options = &o;
            assert_ok(shn_reader_mfer.read(&in, &part, &err));
            assert_memory_equal(shn_record_lead(part, 1), shn_record_lead(rec, 1) + first, shn_record_n_samples(part) * sizeof(float));
            assert_int_equal(shn_record_meta_of(part)->first_sample, first);
            assert_int_equal(shn_record_meta_of(part)->total_samples, 12);
            shn_record_free(part);
        }
    shn_record_free(rec);
    made_def(m, 0x08, 9, 1);                                                /* a dominant beat is no rhythm */
    made_wave(m, 2, 2, 1, 0);
    made_def(m, 0x08, 0, 1);
    made_def(m, 0x05, 1, 1);                                                /* nor is a frame of another channel count this record */
    made_wave(m, 2, 1, 1, 0);
    assert_ok(read_made(m, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 12);
    assert_true(noted(rec, "1 of 5 frames have other channels"));
    shn_record_free(rec);
    m = fresh(0);                                                           /* a position far away takes no memory */
    made_frame(m, 1, 1, 2);
    made_wave(m, 1, 1, 2, 0);
    made_def(m, 0x07, 0x7fffffff, 4);
    made_wave(m, 1, 1, 2, 0);
    assert_refused(m, SHN_RANGE, SHN_REASON_LIMIT, "gaps of");
}

static void test_short_and_long_waves(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    mfer_made  *m = fresh(0);
    made_frame(m, 1, 2, 100);                                               /* announces 100 sequences, holds 4 */
    made_wave(m, 1, 2, 4, 0);
    made_end(m);
    assert_ok(read_made(m, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 4);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    shn_record_free(rec);
    m->n -= 3;                                                              /* the file itself ends early */
    assert_refused(m, SHN_FORMAT, SHN_REASON_TRUNCATED, "cut off");
    m = fresh(0);
    made_frame(m, 100, 2, 1);
    made_wave(m, 4, 2, 1, 0);
    assert_refused(m, SHN_FORMAT, SHN_REASON_TRUNCATED, "one sequence");
    m = fresh(0);
    made_frame(m, 1, 2, 3);
    made_wave(m, 1, 2, 4, 0);
    assert_ok(read_made(m, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 3);
    assert_true(noted(rec, "more bytes"));
    shn_record_free(rec);
}

static void test_rates_of_their_own(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    mfer_made  *m = fresh(0);
    made_frame(m, 4, 2, 1);
    made_channel(m, 1, 0x04, 2, 1);                                         /* half the samples at half the rate */
    made_bytes(m, "\x3f\x01\x06", 3);
    made_scaled(m, 0x0b, 1, -3, 4);
    made_head(m, 0x1e, 12, 0);
    for (int i = 0; i < 6; i++) made_number(m, (unsigned)i, 2);
    assert_ok(read_made(m, &rec, &err));
    assert_int_equal(shn_record_n_leads(rec), 1);
    assert_near(shn_record_lead(rec, 0)[3], 0.015, 1e-8);
    assert_true(shn_record_has_note(rec, SHN_REASON_FS_MISMATCH));
    shn_record_free(rec);
    m = fresh(0);
    made_frame(m, 1, 2, 4);
    made_channel(m, 1, 0x06, 2, 1);
    made_wave(m, 1, 2, 4, 0);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "sequence counts");
}

static void put_people(mfer_made *m)
{
    made_text(m, 0x17, "Suzuken^CVS^1.2^SN-98765");
    made_text(m, 0x11, "HPF=0.05^made for Taro");
    made_text(m, 0x11, "LPF=150");
    made_text(m, 0x16, "seen by Dr. Sato");
    made_text(m, 0x81, "Yamada^^Taro");
    made_text(m, 0x82, "PAT-00417^EX9");
    made_head(m, 0x83, 7, 0);
    made_byte(m, 44);
    made_number(m, 0, 2);
    made_number(m, 1960, 2);
    made_byte(m, 2);
    made_byte(m, 29);
    made_def(m, 0x84, 2, 1);
    made_head(m, 0x85, 11, 0);
    made_number(m, 2005, 2);
    made_bytes(m, "\x03\x01\x09\x11\x22", 5);
    made_number(m, 250, 2);
    made_number(m, 0, 2);
    made_head(m, 0x41, 20, 0);
    made_number(m, 7, 2);
    made_number(m, 3, 4);
    made_number(m, 2, 4);
    made_bytes(m, "by Mr Taro", 10);
    made_head(m, 0x42, 13, 0);
    made_number(m, 33, 2);
    made_number(m, 0, 4);
    made_bytes(m, "72^/min", 7);
    made_text(m, 0x86, "call Yamada");
    made_text(m, 0xc5, "private Yamada");
}

static void test_who_and_when(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        shn_error   err = { 0 };
        shn_record *rec;
        mfer_made  *m = fresh(big);
        put_people(m);
        made_frame(m, 1, 2, 4);
        made_wave(m, 1, 2, 4, 0);
        assert_ok(read_made(m, &rec, &err));
        const shn_record_meta *meta = shn_record_meta_of(rec);
        assert_string_equal(meta->patient, "PAT-00417");
        assert_string_equal(meta->acquired, "2005-03-01T09:17:34.250");
        assert_string_equal(meta->device, "Suzuken CVS 1.2");
        assert_string_equal(meta->filters, "HPF=0.05, LPF=150");
        assert_near(meta->age_years, 44, 0);
        assert_int_equal(meta->sex, 'F');
        assert_int_equal(shn_record_n_statements(rec), 2);
        assert_string_equal(shn_record_statement(rec, 1), "by Mr Taro (event 7 at sample 3 for 2)");
        assert_int_equal(shn_record_n_measurements(rec), 1);
        assert_string_equal(shn_record_measurement(rec, 0)->name, "value_33");
        assert_near(shn_record_measurement(rec, 0)->value, 72, 0);
        assert_string_equal(shn_record_measurement(rec, 0)->unit, "/min");
        shn_record_free(rec);
        uint8_t *age = memmem(m->b, m->n, "\x83\x07", 2);
        age[2] = 0;                                                         /* no age: birth date and time give it */
        assert_ok(read_made(m, &rec, &err));
        assert_near(shn_record_meta_of(rec)->age_years, 45, 0);
        shn_record_free(rec);
    }
}

/** "Yamada" in Japanese, as devices write it: Shift_JIS, JIS with escapes, EUC, UTF-8, and without a word about the set. */
static void test_texts(void **state)
{
    (void)state;
    static const struct { const char *set, *bytes; int doubted; } cases[] = {
        { "SJIS", "\x8e\x52\x93\x63", 0 },           { "JIS X 0208", "\x1b$B;3ED\x1b(B", 0 }, { "RFC 1468", "\x1b$B;3ED\x1b(B", 0 },
        { "EUC-JP", "\xbb\xb3\xc5\xc4", 0 },         { "UTF-8", "\xe5\xb1\xb1\xe7\x94\xb0", 0 }, { NULL, "\xe5\xb1\xb1\xe7\x94\xb0", 0 },
        { NULL, "\x8e\x52\x93\x63", 1 },             { "JIS X 0208", "\x8e\x52\x93\x63", 1 }, { "no such set", "\x8e\x52\x93\x63", 1 },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_error   err = { 0 };
        shn_record *rec;
        mfer_made  *m = fresh(0);
        if (cases[c].set) made_text(m, 0x03, cases[c].set);
        made_text(m, 0x16, cases[c].bytes);
        made_frame(m, 1, 2, 2);
        made_wave(m, 1, 2, 2, 0);
        assert_ok(read_made(m, &rec, &err));
        assert_string_equal(shn_record_statement(rec, 0), "\xe5\xb1\xb1\xe7\x94\xb0");
        assert_int_equal(noted(rec, "character set"), cases[c].doubted);
        shn_record_free(rec);
    }
    char out[8];
    assert_int_equal(mfer_text((const uint8_t *)"\x8e\x52\x93\x63\x8e", 5, "CP932", out, sizeof out), 1);   /* half a character at the end, and no room */
    assert_string_equal(out, "\xe5\xb1\xb1\xe7\x94\xb0?");
    assert_int_equal(mfer_text((const uint8_t *)"\x8e\x52\x93\x63", 4, "CP932", out, 6), 0);
    assert_string_equal(out, "\xe5\xb1\xb1");                               /* cut between characters */
}

static void test_refusals(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    made_end(m);
    assert_refused(m, SHN_FORMAT, SHN_REASON_NO_ECG, "no waveform");
    m = fresh(0);
    made_head(m, 0x0e, 6, 0);
    made_number(m, 1, 2);
    made_number(m, 10, 4);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "compressed");
    m = fresh(0);
    made_def(m, 0x05, 257, 2);
    assert_refused(m, SHN_RANGE, SHN_REASON_LIMIT, "257 channels");
    m = fresh(0);
    made_def(m, 0x04, 0, 2);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_VALUE, "is 0");
    m = fresh(0);
    made_scaled(m, 0x0c, 0, -6, 0);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_VALUE, "more than 0");
    m = fresh(0);
    made_scaled(m, 0x0b, 2, -3, 1);                                         /* sampled by way, not by time */
    made_wave(m, 1, 1, 2, 0);
    assert_refused(m, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "not sampled in time");
    m = fresh(0);
    made_bytes(m, "\x01\x01\x02", 3);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "byte order");
    m = fresh(0);
    made_bytes(m, "\x3f\x00\x04\x3f\x00\x01\x00", 7);
    assert_refused(m, SHN_FORMAT, SHN_REASON_BAD_HEADER, "channel inside a channel");
    m = fresh(0);
    for (int i = 0; i < 12; i++) made_bytes(m, "\x67\x80", 2);
    for (int i = 0; i < 12; i++) made_bytes(m, "\x00\x00", 2);
    assert_refused(m, SHN_RANGE, SHN_REASON_LIMIT, "deeper");
    m = fresh(0);
    made_frame(m, 0x7fffffff, 200, 0x7fffffff);                             /* announces 2^70 bytes */
    made_wave(m, 1, 2, 4, 0);
    assert_refused(m, SHN_FORMAT, SHN_REASON_TRUNCATED, "one sequence");
    m = fresh(0);
    made_frame(m, 1, 1, 2);
    made_wave(m, 1, 1, 2, 0);
    shn_error          err = { 0 };
    shn_record        *rec;
    shn_format_options o = { .first_sample = 2 };
    shn_input          in = input_of(m->b, m->n);
    in.options = &o;
    assert_status(shn_reader_mfer.read(&in, &rec, &err), SHN_RANGE);
}

static void test_every_cut(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    put_people(m);
    made_frame(m, 1, 2, 4);
    made_wave(m, 1, 2, 4, 0);
    const size_t whole = m->n;
    for (m->n = 0; m->n < whole; m->n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        assert_status(read_made(m, &rec, &err), SHN_FORMAT);
        assert_null(rec);
        assert_true(err.reason == SHN_REASON_TRUNCATED || err.reason == SHN_REASON_NO_ECG);
        if (m->n >= 6) assert_true(shn_reader_mfer.recognises(m->b, m->n));
    }
}

static void test_recognition(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    m->n = 0;                                                               /* no preamble */
    made_order(m, 0);
    made_frame(m, 1, 2, 2);
    made_wave(m, 1, 2, 2, 0);
    assert_true(shn_reader_mfer.recognises(m->b, m->n));
    const uint8_t zeros[256] = { 0 };
    assert_false(shn_reader_mfer.recognises(zeros, sizeof zeros));
    assert_false(shn_reader_mfer.recognises(NULL, 0));
    assert_false(shn_reader_mfer.recognises((const uint8_t *)"@ text of some kind", 19));
    assert_false(shn_reader_mfer.recognises((const uint8_t *)"\t\t\t1,2,3\n4,5,6\n", 14));
    assert_false(shn_reader_mfer.recognises((const uint8_t *)"ISHNE1.0", 8));
}

static void test_allocations(void **state)
{
    (void)state;
    mfer_made *m = fresh(0);
    put_people(m);
    made_frame(m, 1, 2, 4);
    made_wave(m, 1, 2, 4, 0);
    for (long n = 1;; n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        shn_alloc_fail_after(n);
        const shn_status st = read_made(m, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 5);
            shn_record_free(rec);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
}

static void test_deidentify(void **state)
{
    (void)state;
    static const char key[] = "a key of thirty-two bytes, secret";
    for (int big = 0; big < 2; big++) {
        shn_error   err = { 0 };
        shn_record *before, *after;
        shn_deid   *d;
        shn_bytes   out;
        mfer_made  *m = fresh(big);
        put_people(m);
        made_frame(m, 3, 2, 2);
        made_bytes(m, "\x3f\x01\x80\x09\x01\x3e\x16\x09said Taro\x00\x00", 19);      /* a channel's own comment, and an indefinite length */
        made_wave(m, 3, 2, 2, 0);
        made_end(m);
        made_bytes(m, "Yamada", 6);
        assert_ok(read_made(m, &before, &err));
        assert_ok(shn_deid_new(key, sizeof key, &d, &err));
        const shn_input in = input_of(m->b, m->n);
        assert_ok(shn_reader_mfer.deidentify(&in, d, &out, &err));
        static const char *const gone[] = { "Yamada", "Taro", "PAT-00417", "EX9", "SN-98765", "Sato" };
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) assert_null(memmem(out.bytes, out.n, gone[i], strlen(gone[i])));
        const shn_input rewritten = input_of(out.bytes, out.n);
        assert_ok(shn_reader_mfer.read(&rewritten, &after, &err));
        const shn_record_meta *meta = shn_record_meta_of(after), *had = shn_record_meta_of(before);
        assert_string_equal(meta->patient, shn_deid_patient_of(d));
        assert_int_equal(strlen(meta->patient), 17);
        assert_string_not_equal(meta->acquired, had->acquired);
        assert_string_equal(meta->acquired + 10, had->acquired + 10);       /* the time of day stays */
        assert_string_equal(meta->device, had->device);
        assert_string_equal(meta->filters, had->filters);
        assert_near(meta->age_years, 44, 0);
        assert_int_equal(shn_record_n_measurements(after), 1);
        assert_string_equal(shn_record_statement(after, 0), "event 7 at sample 3 for 2");
        for (size_t lead = 0; lead < 2; lead++) {
            assert_string_equal(shn_record_name(after, lead), shn_record_name(before, lead));
            assert_memory_equal(shn_record_lead(after, lead), shn_record_lead(before, lead), 6 * sizeof(float));
        }
        assert_true(shn_deid_n_changes(d) >= 11);
        shn_record_free(before);
        shn_record_free(after);
        shn_bytes_free(&out);
        for (long n = 1; n < 400; n++) {                                    /* out of memory at every place */
            shn_alloc_fail_after(n);
            const shn_status st = shn_reader_mfer.deidentify(&in, d, &out, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) break;
            assert_int_equal(st, SHN_NOMEM);
            assert_null(out.bytes);
        }
        shn_bytes_free(&out);
        uint8_t *age = memmem(m->b, m->n, "\x83\x07", 2);
        age[2] = 93;                                                        /* over 89: 90, and no birth date */
        assert_ok(shn_reader_mfer.deidentify(&in, d, &out, &err));
        age = memmem(out.bytes, out.n, "\x83\x07", 2);
        assert_non_null(age);
        assert_memory_equal(age + 2, "\x5a\0\0\0\0\0\0", 7);
        shn_bytes_free(&out);
        shn_deid_free(d);
    }
}

static void test_deidentify_refuses(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_deid  *d;
    shn_bytes  out;
    assert_ok(shn_deid_new("sixteen bytes of key", 20, &d, &err));
    mfer_made *m = fresh(0);
    made_text(m, 0x82, "one");
    made_text(m, 0x82, "two");
    made_frame(m, 1, 2, 2);
    made_wave(m, 1, 2, 2, 0);
    shn_input in = input_of(m->b, m->n);
    assert_status(shn_reader_mfer.deidentify(&in, d, &out, &err), SHN_UNSUPPORTED);
    m = fresh(0);
    made_text(m, 0x81, "Yamada^^Taro");
    made_frame(m, 1, 2, 2);
    made_bytes(m, "\x3f\x01\x0b\x09\x09\x00\x00yamada1", 14);
    made_wave(m, 1, 2, 2, 0);
    in = input_of(m->b, m->n);
    assert_status(shn_reader_mfer.deidentify(&in, d, &out, &err), SHN_UNSUPPORTED);
    assert_null(out.bytes);
    shn_deid_free(d);
}

/** Suzuken's sample: the recorder wrote a square wave of 1 mV before the ECG, in both channels, by which the gain is proved. */
static void test_real_file(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX + 64];
    shn_error   err = { 0 };
    shn_record *rec;
    snprintf(path, sizeof path, "%s/formats/mfer/sample.mwf", test_data());
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    assert_int_equal(shn_record_n_leads(rec), 2);
    assert_int_equal(shn_record_n_samples(rec), 225000);
    assert_near(shn_record_fs_hz(rec), 125, 0);
    assert_string_equal(shn_record_name(rec, 0), "I");
    assert_string_equal(shn_record_name(rec, 1), "II");
    assert_string_equal(shn_record_meta_of(rec)->device, "Suzuken Co. Ltd CVS-01 1.21");
    assert_string_equal(shn_record_statement(rec, 0), "Atternate Mode Test Version.");
    assert_true(noted(rec, "preamble says 12 leads"));
    for (size_t lead = 0; lead < 2; lead++) {                               /* by the numbers: low, high by 1 mV, low again, many times */
        const float *x = shn_record_lead(rec, lead);
        int steps = 0;
        for (int i = 1; i < 2000; i++)
            if (fabsf(x[i] - x[i - 1] - 1.0f) < 1e-6f) steps++;
        assert_near(x[9] - x[0], 1.0, 1e-6);
        assert_true(steps >= 5);
    }
    shn_format_options o;
    shn_record *part;
    shn_format_defaults(&o);
    o.first_sample = 123456;
    o.max_samples = 1000;
    assert_ok(shn_record_read(path, &o, &part, &err));
    assert_int_equal(shn_record_n_samples(part), 1000);
    assert_memory_equal(shn_record_lead(part, 1), shn_record_lead(rec, 1) + 123456, 1000 * sizeof(float));
    shn_record_free(part);
    shn_record_free(rec);
}

/** tests/oracle/mfer.py decodes the file on its own way: sums, and some samples in steps. */
static void test_golden(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX + 64], line[512];
    shn_error   err = { 0 };
    shn_record *rec;
    int         n_lines = 0;
    snprintf(path, sizeof path, "%s/formats/mfer/sample.mwf", test_data());
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    FILE *f = fopen(SHN_TESTS_DIR "/golden/mfer_records.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char   name[16];
        int    n, at = 0, used = 0;
        double sum, squares, got = 0, got2 = 0;
        if (*line == '#' || sscanf(line, "sample.mwf %15s %d %lf %lf%n", name, &n, &sum, &squares, &at) != 4) continue;
        const int lead = shn_record_find(rec, name);
        assert_true(lead >= 0 && (size_t)n == shn_record_n_samples(rec));
        const float *x = shn_record_lead(rec, (size_t)lead);
        for (int i = 0; i < n; i++) got += x[i], got2 += (double)x[i] * x[i];
        assert_near(got, sum, 1e-6 * fabs(sum) + 1e-3);
        assert_near(got2, squares, 1e-6 * squares);
        long where;
        double mv;
        for (const char *p = line + at; sscanf(p, " %ld:%lf%n", &where, &mv, &used) == 2; p += used) assert_near(x[where], mv, 1e-6);
        n_lines++;
    }
    fclose(f);
    assert_int_equal(n_lines, 2);
    shn_record_free(rec);
}

/** No other format's sample is taken for MFER. */
static void test_not_others(void **state)
{
    (void)state;
    static const char *const others[] = { "scp/Example.scp", "scp/demo.scp", "edf/0000050.edf", "wfdb/100_3chan.dat", "wfdb/binformats.d1", "dicom/waveform_ecg.dcm", "mat/cpsc2018_A1980.mat",
                                          "hdf5/exams_part_sample.hdf5", "wfdb/a103l.mat", "wfdb/100_3chan.hea" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char        path[SHN_PATH_MAX + 64];
        shn_error   err = { 0 };
        shn_mapping map;
        snprintf(path, sizeof path, "%s/formats/%s", test_data(), others[i]);
        if (access(path, R_OK) != 0) continue;
        assert_ok(shn_file_map(path, &map, &err));
        assert_false(shn_reader_mfer.recognises(map.bytes, map.n_bytes));
        shn_file_unmap(&map);
    }
}

int main(void)
{
    shn_format_defaults(&defaults);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_orders),     cmocka_unit_test(test_nothing_is_memorised), cmocka_unit_test(test_every_data_type), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_indefinite),      cmocka_unit_test(test_inheritance),          cmocka_unit_test(test_lead_names),      cmocka_unit_test(test_frames),
        cmocka_unit_test(test_short_and_long_waves), cmocka_unit_test(test_rates_of_their_own), cmocka_unit_test(test_who_and_when), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_every_cut),            cmocka_unit_test(test_recognition),     cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_deidentify),      cmocka_unit_test(test_deidentify_refuses),   cmocka_unit_test(test_real_file),       cmocka_unit_test(test_golden),
        cmocka_unit_test(test_not_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
