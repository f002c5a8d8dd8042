/** MFER: files made by hand in both byte orders, every data type, lengths of every form, inheritance, frames, texts. */
#include "harness.h"

#include <math.h>

#include "mfer_read.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_orders),
        cmocka_unit_test(test_nothing_is_memorised),
        cmocka_unit_test(test_every_data_type),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_indefinite),
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_lead_names),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_short_and_long_waves),
        cmocka_unit_test(test_rates_of_their_own),
        cmocka_unit_test(test_who_and_when),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
