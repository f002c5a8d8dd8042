/** SCP-ECG: files that scp_writer.h makes by hand (Huffman tables, differences, reference beats, bimodal data), and what stands beside the samples. */
#include "harness.h"

#include <math.h>

#include "scp_made.h"

/* ---- samples ---- */

static void test_every_encoding(void **state)
{
    (void)state;
    for (int huffman = 0; huffman < 3; huffman++)
        for (int order = 0; order < 3; order++) {
            char     name[64];
            sw_spec *s = plain(3, 301);
            s->order = order;
            if (huffman == 1) s->huffman = 1;
            if (huffman == 2) with_tables(s);
            sw_make(s, &file);
            snprintf(name, sizeof name, "huffman%d_difference%d.scp", huffman, order);
            keep(&file, name);
            assert_int_equal(shn_reader_scp.recognises(file.b, file.n), 1);
            shn_record *rec = read_ok(&file);
            check_samples(s, rec, 2500);
            assert_near(shn_record_fs_hz(rec), 500, 0);
            assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
            assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 400, 1e-9);
            assert_string_equal(shn_record_meta_of(rec)->format, "scp 2.0");
            shn_record_free(rec);
        }
}

/** Every 16-bit value as it is, and by the default table. */
static void test_all_values(void **state)
{
    (void)state;
    for (int huffman = 0; huffman < 2; huffman++) {
        sw_spec *s = plain(12, 5462);
        s->huffman = huffman;
        for (int l = 0; l < 12; l++)
            for (int i = 0; i < s->n_samples; i++) s->x[l][i] = (int16_t)(l * 5462 + i - 32768);
        sw_make(s, &file);
        shn_record *rec = read_ok(&file);
        check_samples(s, rec, 2500);
        shn_record_free(rec);
    }
}

static void test_reference_beat(void **state)
{
    (void)state;
    for (int huffman = 0; huffman < 2; huffman++) {
        sw_spec *s = plain(2, 480);
        with_beats(s);
        s->huffman = huffman;
        s->order = s->order5 = 2;
        sw_make(s, &file);
        keep(&file, huffman ? "beat_huffman.scp" : "beat_plain.scp");
        shn_record *rec = read_ok(&file);
        check_samples(s, rec, 2500);
        for (int i = 0; i < s->n_samples; i++) assert_near(shn_record_lead(rec, 1)[i], s->x[1][i] * 0.0025, 1e-6);      /* lossless here */
        shn_record_free(rec);
        s->avm5 = 1250;                         /* the beat twice as fine as the residual: both count in 1250 nV */
        s->avm6 = 2500;
        sw_make(s, &file);
        rec = read_ok(&file);
        check_samples(s, rec, 1250);
        assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 800, 1e-9);
        shn_record_free(rec);
    }
}

static void test_bimodal(void **state)
{
    (void)state;
    for (int subtract = 0; subtract < 2; subtract++)
        for (int ratio = 2; ratio <= 4; ratio += 2) {
            sw_spec *s = plain(3, 480);
            with_beats(s);
            s->subtract = subtract;
            s->ratio = ratio;
            s->huffman = 1;
            s->order = 2;
            sw_make(s, &file);
            if (ratio == 4) keep(&file, subtract ? "bimodal_beat.scp" : "bimodal.scp");
            shn_record *rec = read_ok(&file);
            assert_near(shn_record_fs_hz(rec), 500, 0);         /* of the beat and the protected areas, not of the decimated rhythm */
            check_samples(s, rec, 2500);
            for (int t = 33; t <= 48; t++) assert_near(shn_record_lead(rec, 0)[t - 1], s->x[0][t - 1] * 0.0025, 1e-6);   /* protected: as it was */
            assert_int_equal(shn_record_n_notes(rec), 0);
            shn_record_free(rec);
        }
    sw_spec *s = plain(1, 479);                 /* the last stretch is no whole number of blocks: said */
    with_beats(s);
    s->ratio = 4;
    sw_make(s, &file);
    shn_record *rec = read_ok(&file);
    check_samples(s, rec, 2500);
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_VALUE));
    shn_record_free(rec);
}

/** The output follows the bytes: gain, interval, lead code, one sample. */
static void test_nothing_memorised(void **state)
{
    (void)state;
    sw_spec *s = plain(2, 100);
    sw_make(s, &file);
    shn_record *a = read_ok(&file);
    uint8_t    *six = sw_section(&file, 6);
    sw_set16(six, 5000);
    sw_set16(six + 2, 1000);
    sw_set16(six + 6 + 4 + 2 * 7, 1234);
    sw_section(&file, 3)[2 + 8] = 62;
    sw_seal(&file);
    shn_record *b = read_ok(&file);
    assert_near(shn_record_fs_hz(b), 1000, 0);
    assert_string_equal(shn_record_name(a, 0), "I");
    assert_string_equal(shn_record_name(b, 0), "aVR");
    for (size_t i = 0; i < 100; i++)
        assert_near(shn_record_lead(b, 0)[i], i == 7 ? 1234 * 0.005 : 2.0 * shn_record_lead(a, 0)[i], 1e-5);
    shn_record_free(a);
    shn_record_free(b);
}

static void test_leads(void **state)
{
    (void)state;
    sw_spec         *s = plain(4, 60);
    static const int codes[] = { 0, 9, 70, 200 };
    static const char *const names[] = { "SCP lead 0", "V7", "D", "SCP lead 200" };
    memcpy(s->codes, codes, sizeof codes);
    s->first[2] = 31;                           /* begins 30 samples later and ends 30 later */
    sw_make(s, &file);
    keep(&file, "late_lead.scp");
    shn_record *rec = read_ok(&file);
    assert_int_equal(shn_record_n_samples(rec), 90);
    for (size_t l = 0; l < 4; l++) assert_string_equal(shn_record_name(rec, l), names[l]);
    assert_true(isnan(shn_record_lead(rec, 2)[29]) && !isnan(shn_record_lead(rec, 2)[30]));
    assert_near(shn_record_lead(rec, 2)[30], s->x[2][0] * 0.0025, 1e-6);
    assert_true(!isnan(shn_record_lead(rec, 0)[59]) && isnan(shn_record_lead(rec, 0)[60]));
    shn_record_free(rec);

    s = plain(2, 60);                           /* 0 to n instead of 1 to n */
    s->zero_based = 1;
    sw_make(s, &file);
    rec = read_ok(&file);
    check_samples(s, rec, 2500);
    assert_int_equal(shn_record_n_notes(rec), 0);
    shn_record_free(rec);

    s = plain(2, 60);                           /* no gain: no unit */
    s->avm6 = 0;
    sw_make(s, &file);
    rec = read_ok(&file);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);
    assert_near(shn_record_lead(rec, 0)[5], s->x[0][5], 0);
    assert_true(shn_record_has_note(rec, SHN_REASON_NO_UNIT));
    shn_record_free(rec);
}

/** More samples announced than held: those that are there, and a note. */
static void test_announces_more(void **state)
{
    (void)state;
    sw_spec *s = plain(2, 60);
    sw_make(s, &file);
    for (int l = 0; l < 2; l++) sw_set32(sw_section(&file, 3) + 2 + 9 * l + 4, 75);
    sw_seal(&file);
    shn_record *rec = read_ok(&file);
    check_samples(s, rec, 2500);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    assert_int_equal(shn_record_n_notes(rec), 1);
    shn_record_free(rec);
    sw_set32(sw_section(&file, 3) + 2 + 9 + 4, 50);             /* fewer: the rest is padding */
    sw_set32(sw_section(&file, 3) + 2 + 4, 60);
    sw_seal(&file);
    rec = read_ok(&file);
    assert_int_equal(shn_record_n_samples(rec), 60);
    assert_true(isnan(shn_record_lead(rec, 1)[50]));
    shn_record_free(rec);
}

static void test_parts(void **state)
{
    (void)state;
    sw_spec *s = plain(2, 480);
    with_beats(s);
    s->ratio = 4;
    s->huffman = 1;
    sw_make(s, &file);
    shn_record *whole = read_ok(&file), *part;
    shn_error   err;
    for (size_t first = 0; first < 480; first += 97) {
        const shn_format_options o = { .verify_checksums = 1, .first_sample = first, .max_samples = 97 };
        assert_ok(read_options(file.b, file.n, o, &part, &err));
        const size_t n = first + 97 <= 480 ? 97 : 480 - first;
        assert_int_equal(shn_record_n_samples(part), n);
        assert_int_equal(shn_record_meta_of(part)->total_samples, 480);
        for (size_t l = 0; l < 2; l++) assert_memory_equal(shn_record_lead(part, l), shn_record_lead(whole, l) + first, n * sizeof(float));
        shn_record_free(part);
    }
    const shn_format_options beyond = { .verify_checksums = 1, .first_sample = 480 };
    assert_status(read_options(file.b, file.n, beyond, &part, &err), SHN_RANGE);
    shn_record_free(whole);
}

/* ---- what stands beside the samples ---- */

static sw_bytes tags;

static void test_demographics(void **state)
{
    (void)state;
    sw_spec *s = plain(1, 60);
    tags.n = 0;
    sw_tag_text(&tags, 0, "M\xfcller");
    sw_tag_text(&tags, 2, " PAT-77 ");
    sw_tag(&tags, 5, "\x6c\x07\x06\x0f", 4);    /* 1900-06-15 */
    sw_tag(&tags, 8, "\x02", 1);
    device_tag(&tags, 0, "Werk f\xfcr EKG");
    sw_tag(&tags, 25, "\xb4\x07\x06\x0e", 4);   /* 1972-06-14: a day before the birthday */
    sw_tag(&tags, 26, "\x17\x3b\x05", 3);
    sw_tag(&tags, 27, "\x05\x00", 2);
    sw_tag(&tags, 28, "\x96\x00", 2);
    sw_tag(&tags, 29, "\x02", 1);
    sw_tag_text(&tags, 31, "SEQ5");
    s->tags = tags.b;
    s->n_tags = tags.n;
    sw_make(s, &file);
    keep(&file, "demographics.scp");
    shn_record            *rec = read_ok(&file);
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->patient, "PAT-77");
    assert_string_equal(m->id, "SEQ5");
    assert_string_equal(m->acquired, "1972-06-14T23:59:05");
    assert_near(m->age_years, 71, 0);
    assert_int_equal(m->sex, 'F');
    assert_string_equal(m->device, "Werk f\xc3\xbcr EKG ECG-9");
    assert_string_equal(m->filters, "high pass 0.05 Hz, low pass 150 Hz, 50 Hz notch");
    shn_record_free(rec);

    tags.n = 0;                                 /* an age in months goes before the birth date; a Japanese maker; no time */
    sw_tag(&tags, 4, "\x12\x00\x02", 3);
    sw_tag(&tags, 5, "\x6c\x07\x06\x0f", 4);
    sw_tag(&tags, 8, "\x09", 1);
    device_tag(&tags, 0x0F, "\x93\xfa\x96\x7b");
    sw_tag(&tags, 25, "\xb4\x07\x06\x0e", 4);
    sw_tag(&tags, 26, "\x18\x3b\x05", 3);       /* 24:59:05 is no time */
    s->n_tags = tags.n;
    sw_make(s, &file);
    rec = read_ok(&file);
    m = shn_record_meta_of(rec);
    assert_near(m->age_years, 1.5, 1e-12);
    assert_int_equal(m->sex, 0);
    assert_string_equal(m->acquired, "1972-06-14");
    assert_string_equal(m->device, "\xe6\x97\xa5\xe6\x9c\xac ECG-9");
    assert_string_equal(m->patient, "");
    shn_record_free(rec);

    sw_set16(sw_section(&file, 1) + 1, 9999);   /* the first tag leaves the section: samples stay, a note says so */
    sw_seal(&file);
    rec = read_ok(&file);
    assert_true(isnan(shn_record_meta_of(rec)->age_years));
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_HEADER));
    shn_record_free(rec);
}

static void test_findings(void **state)
{
    (void)state;
    sw_spec *s = with_findings();
    sw_make(s, &file);
    keep(&file, "findings.scp");
    shn_record *rec = read_ok(&file);
    static const struct { const char *name; double value; const char *unit; } expected[] = {
        { "heart_rate", 69, "/min" }, { "rr_interval", 870, "ms" }, { "qtc_interval", 401, "ms" }, { "p_duration", 110, "ms" }, { "pr_interval", 160, "ms" },
        { "qrs_duration", 90, "ms" }, { "qt_interval", 380, "ms" }, { "t_axis", -30, "deg" }, { "V1 p_duration", 100, "ms" }, { "V1 q_amplitude", -111, "uV" },
        { "V1 st_rr_8", 130, "uV" }, { "V1 intrinsicoid", 124, "ms" }, { "V1 st_20ms", 126, "uV" },
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) assert_near(measured(rec, expected[i].name, expected[i].unit), expected[i].value, 0);
    static const char *const absent[] = { "pp_interval", "p_axis", "qrs_axis", "atrial_rate", "V1 pr_interval", "V1 st_rr_16" };
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) assert_true(isnan(measured(rec, absent[i], "")));
    assert_int_equal(shn_record_n_statements(rec), 4);
    assert_string_equal(shn_record_statement(rec, 0), "Sinus rhythm");
    assert_string_equal(shn_record_statement(rec, 2), "NSR PROBABLE");
    assert_int_equal(shn_record_n_notes(rec), 0);
    shn_record_free(rec);

    sw_section(&file, 7)[0] = 200;              /* counts that leave their sections: notes, no guesses */
    sw_section(&file, 8)[8] = 3;
    sw_section(&file, 10)[0] = 9;
    sw_seal(&file);
    rec = read_ok(&file);
    assert_true(isnan(measured(rec, "heart_rate", "")));
    assert_int_equal(shn_record_n_notes(rec), 3);
    shn_record_free(rec);

    seven.n = 6 + 16;                           /* no rates behind: the RR interval gives the heart rate */
    seven.b[1] = 0;
    s->n7 = seven.n;
    sw_make(s, &file);
    rec = read_ok(&file);
    assert_near(measured(rec, "heart_rate", "/min"), 69, 0);
    assert_true(isnan(measured(rec, "qtc_interval", "")));
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_encoding),
        cmocka_unit_test(test_all_values),
        cmocka_unit_test(test_reference_beat),
        cmocka_unit_test(test_bimodal),
        cmocka_unit_test(test_nothing_memorised),
        cmocka_unit_test(test_leads),
        cmocka_unit_test(test_announces_more),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_demographics),
        cmocka_unit_test(test_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
