/**
 * SCP-ECG: files that scp_writer.h makes by hand (Huffman tables, differences, reference beats, bimodal data), each refusal, what stands beside the
 * samples, de-identification, and the real files against an independent decoder and their twins.
 *
 * With SHN_SCP_WRITE=FOLDER the tests leave the files they made there: so the fuzzing corpus came about.
 */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/scp/scp.h"
#include "must_fail.h"
#include "scp_writer.h"

static shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)name, (void)bytes, (void)n;
    err->status = SHN_IO;
    return SHN_IO;
}
static void no_close(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }
static const shn_source no_source = { NULL, no_companion, no_close };

/** Reads bytes from a copy of exactly their size, so that sanitizers see an overrun. */
static shn_status read_options(const uint8_t *bytes, size_t n, shn_format_options o, shn_record **rec, shn_error *err)
{
    uint8_t *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    if (n) memcpy(exact, bytes, n);
    memset(err, 0, sizeof *err);
    const shn_input  in = { .bytes = exact, .n_bytes = n, .name = "a.scp", .source = &no_source, .options = &o };
    const shn_status st = shn_reader_scp.read(&in, rec, err);
    assert_int_equal(st == SHN_OK, *rec != NULL);
    if (st != SHN_OK) assert_true(*err->where && *err->text);
    free(exact);
    return st;
}

static shn_status read_bytes(const sw_bytes *b, shn_record **rec, shn_error *err)
{
    shn_format_options o;
    shn_format_defaults(&o);
    return read_options(b->b, b->n, o, rec, err);
}

/** A file below the formats' folder of the recordings; skips the test without them. */
static void real_path(char path[SHN_PATH_MAX], const char *folder, const char *name)
{
    shn_error err;
    char      below[128];
    snprintf(below, sizeof below, "formats/%s%s", folder, name);
    assert_ok(shn_path_join(path, test_data(), below, &err));
}

static void keep(const sw_bytes *b, const char *name)
{
    const char *folder = getenv("SHN_SCP_WRITE");
    char        path[SHN_PATH_MAX];
    shn_error   err;
    if (!folder) return;
    assert_ok(shn_path_join(path, folder, name, &err));
    assert_ok(shn_file_write(path, b->b, b->n, &err));
}

static sw_spec  spec;
static sw_bytes file;

/** Leads of beats on a slow wave, with jumps that need the long codes; the same numbers each time. */
static sw_spec *plain(int n_leads, int n)
{
    memset(&spec, 0, sizeof spec);
    spec.n_leads = n_leads;
    spec.n_samples = n;
    spec.avm6 = spec.avm5 = 2500;
    spec.us = 2000;
    spec.protocol = 20;
    spec.ratio = 1;
    static const int codes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 61, 62, 63, 64 };
    for (int l = 0; l < n_leads; l++) {
        spec.codes[l] = codes[l % 12];
        for (int i = 0; i < n; i++) {
            int v = (int)(40 * sin(i * 0.05 + l)) + (i % 97 == 50 ? 300 : i % 97 == 51 ? -200 : 0);
            if (i == 20 && l == 0) v = 32767;
            if (i == 21 && l == 0) v = -32768;
            spec.x[l][i] = (int16_t)v;
        }
    }
    return &spec;
}

static void check_samples(const sw_spec *s, const shn_record *rec, double nv)
{
    static double expected[SW_SAMPLES];
    assert_int_equal(shn_record_n_leads(rec), s->n_leads);
    assert_int_equal(shn_record_n_samples(rec), s->n_samples);
    for (int l = 0; l < s->n_leads; l++) {
        sw_expected(s, l, expected);
        for (int i = 0; i < s->n_samples; i++) {
            const float mv = shn_record_lead(rec, (size_t)l)[i];
            if (!(fabs(mv - expected[i] * nv / 1e6) <= fabs(expected[i]) * nv * 1e-13 + 1e-9 + fabs(mv) * 6e-8))
                fail_msg("lead %d sample %d: %.9g mV, expected %.9g", l, i, mv, expected[i] * nv / 1e6);
        }
    }
}

static shn_record *read_ok(const sw_bytes *b)
{
    shn_error   err;
    shn_record *rec;
    assert_ok(read_bytes(b, &rec, &err));
    return rec;
}

/* ---- samples ---- */

static const sw_code small_first[] = {                          /* values of -1 to 1 and a way on */
    { "0", 0, 0, 0 }, { "10", 1, 0, 0 }, { "110", -1, 0, 0 }, { "111", 2, 0, 1 },
};
static const sw_code large_second[] = {                         /* codes longer than the look-up, a base under extra bits, a way back */
    { "00", 0, 4, 0 }, { "01", 1, 0, 1 }, { "100", 40, 6, 0 }, { "1010", -3, 9, 0 }, { "101100000000001", 300, 0, 0 },
    { "10110000000000001", -200, 0, 0 }, { "11", 0, 16, 0 },
};

static void with_tables(sw_spec *s)
{
    s->huffman = 2;
    s->n_tables = 2;
    s->tables[0] = small_first;
    s->tables[1] = large_second;
    s->n_codes[0] = sizeof small_first / sizeof *small_first;
    s->n_codes[1] = sizeof large_second / sizeof *large_second;
}

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

static void with_beats(sw_spec *s)
{
    s->subtract = 1;
    s->n_beat = 150;
    s->beat_ms = 300;
    s->fiducial = 60;
    s->n_beats = 4;
    s->beats[0] = (sw_beat){ 0, 1, 41, 91, 33, 48 };             /* begins before the beat does */
    s->beats[1] = (sw_beat){ 1, 0, 170, 0, 161, 180 };           /* another type: nothing to add */
    s->beats[2] = (sw_beat){ 0, 201, 260, 349, 253, 268 };
    s->beats[3] = (sw_beat){ 0, 381, 430, 400, 421, 440 };       /* cut short */
    for (int l = 0; l < s->n_leads; l++)
        for (int i = 0; i < s->n_beat; i++) s->beat[l][i] = (int16_t)(100 * exp(-(i - 59) * (i - 59) / 50.0) * (l + 1) + (i % 7));
    for (int l = 0; l < s->n_leads; l++)
        for (int i = 0; i < s->n_samples; i++) s->x[l][i] = (int16_t)(i * 3 % 41 - 20 + l);
    for (int q = 0; q < s->n_beats; q++)
        for (int t = s->beats[q].from; s->beats[q].type == 0 && t <= s->beats[q].to; t++) {
            const int m = s->fiducial + t - s->beats[q].at;
            for (int l = 0; l < s->n_leads && m >= 1 && m <= s->n_beat; l++) s->x[l][t - 1] = (int16_t)(s->x[l][t - 1] + s->beat[l][m - 1]);
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

static void device_tag(sw_bytes *o, unsigned language, const char *maker)
{
    static sw_bytes d;
    d.n = 0;
    for (int i = 0; i < 6; i++) sw_u8(&d, 0x40 + (unsigned)i);   /* institution, department, device */
    sw_u8(&d, 0);
    sw_u8(&d, 255);
    sw_put(&d, "ECG-9\0", 6);
    sw_u8(&d, 20);
    sw_u8(&d, 0xA0);
    sw_u8(&d, language);
    sw_u8(&d, 0);
    sw_u8(&d, 1);
    sw_put(&d, "reserved SECRET\0", 16);
    sw_u8(&d, 4);
    sw_put(&d, "1.0\0SN-4711\0sys\0scp\0", 20);
    sw_put(&d, maker, strlen(maker) + 1);
    sw_tag(o, 14, d.b, d.n);
}

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

static sw_bytes seven, eight, ten, eleven;

static void global_section(void)
{
    seven.n = 0;
    sw_u8(&seven, 1);
    sw_u8(&seven, 1);
    sw_u16(&seven, 870);
    sw_u16(&seven, 29999);
    const int marks[] = { 100, 210, 260, 350, 640, 29999, 999, -30 };       /* P axis not computed, QRS axis not valid */
    for (int i = 0; i < 8; i++) sw_u16(&seven, (unsigned)marks[i] & 0xFFFF);
    for (int i = 0; i < 10; i++) sw_u8(&seven, 7);                          /* a spike */
    sw_u16(&seven, 2);                                                      /* complexes */
    sw_u16(&seven, 0);
    sw_u16(&seven, 69);
    sw_u16(&seven, 29999);
    sw_u16(&seven, 401);
    sw_u8(&seven, 1);
    sw_put(&seven, "tagged JONES", 12);
}

static void text_section(sw_bytes *o, int coded)
{
    o->n = 0;
    sw_u8(o, 1);
    sw_put(o, "\xb4\x07\x06\x0e\x0c\x00\x00", 7);
    sw_u8(o, 2);
    sw_u8(o, 1);
    if (coded) {
        sw_u16(o, 15);
        sw_u8(o, 1);
        sw_put(o, "NSR\0\0PROBABLE\0", 14);
    } else {
        sw_u16(o, 13);
        sw_put(o, "Sinus rhythm\0", 13);
    }
    sw_u8(o, 2);
    if (coded) {
        sw_u16(o, 9);
        sw_u8(o, 2);
        sw_put(o, "Dr JONES", 8);
    } else {
        sw_u16(o, 8);
        sw_put(o, "by JONES", 8);
    }
}

static void lead_section(void)
{
    ten.n = 0;
    sw_u16(&ten, 1);
    sw_u16(&ten, 0);
    sw_u16(&ten, 3);
    sw_u16(&ten, 66);
    for (int i = 0; i < 33; i++) sw_u16(&ten, (unsigned)(i == 1 ? 29999 : i == 9 ? -111 : i == 29 ? 0 : 100 + i) & 0xFFFF);
}

static double measured(const shn_record *rec, const char *name, const char *unit)
{
    for (size_t i = 0; i < shn_record_n_measurements(rec); i++) {
        const shn_measurement *m = shn_record_measurement(rec, i);
        if (strcmp(m->name, name) == 0) {
            assert_string_equal(m->unit, unit);
            return m->value;
        }
    }
    return NAN;
}

static sw_spec *with_findings(void)
{
    sw_spec *s = plain(1, 60);
    global_section();
    lead_section();
    text_section(&eight, 0);
    text_section(&eleven, 1);
    s->s7 = seven.b;
    s->n7 = seven.n;
    s->s8 = eight.b;
    s->n8 = eight.n;
    s->s9 = (const uint8_t *)"vendor's JONES";
    s->n9 = 14;
    s->s10 = ten.b;
    s->n10 = ten.n;
    s->s11 = eleven.b;
    s->n11 = eleven.n;
    return s;
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

/* ---- refusals ---- */

static void refused(const char *why, shn_status status, shn_reason reason, const char *where, const char *words)
{
    shn_error   err;
    shn_record *rec;
    char        name[64];
    snprintf(name, sizeof name, "%s.scp", why);
    keep(&file, name);
    const shn_status st = read_bytes(&file, &rec, &err);
    if (st != status || err.reason != reason || strcmp(err.where, where) != 0 || !strstr(err.text, words))
        fail_msg("%s: %s %s [%s] %s", why, shn_status_text(st), shn_reason_name(err.reason), err.where, err.text);
}

static sw_spec *fresh(void)
{
    sw_spec *s = plain(2, 60);
    sw_make(s, &file);
    return s;
}

static void test_refused_record(void **state)
{
    (void)state;
    fresh();
    file.n -= 3;
    refused("truncated", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.record", "get the file again");
    file.n = 31;
    assert_int_equal(shn_reader_scp.recognises(file.b, file.n), 1);
    refused("only_a_beginning", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.record", "31 bytes");
    fresh();
    sw_section(&file, 6)[20] ^= 1;
    refused("record_checksum", SHN_FORMAT, SHN_REASON_CHECKSUM, "scp.record", "damaged");
    sw_set16(file.b, sw_crc(file.b + 2, file.n - 2));
    refused("section_checksum", SHN_FORMAT, SHN_REASON_CHECKSUM, "scp.section", "section 6");
    const shn_format_options lenient = { 0 };
    shn_record *rec;
    shn_error   err;
    assert_ok(read_options(file.b, file.n, lenient, &rec, &err));            /* unless the user asks for what is there */
    assert_true(shn_record_has_note(rec, SHN_REASON_CHECKSUM));
    shn_record_free(rec);
    fresh();
    sw_set32(file.b + 22 + 60 + 6, (uint32_t)file.n - 5);
    sw_seal(&file);
    refused("pointer_outside", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section 6");
    fresh();
    sw_set32(file.b + 22 + 60 + 2, 0xFFFFFFFF);
    sw_seal(&file);
    refused("length_outside", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section 6");
    fresh();
    sw_section(&file, 6)[-14] = 5;
    sw_seal(&file);
    refused("another_section", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "is section 5");
    fresh();
    sw_section(&file, 6)[-12] ^= 2;
    sw_seal(&file);
    refused("length_differs", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "its own header says");
    fresh();
    memcpy(file.b + 22 + 70, file.b + 22 + 60, 10);
    sw_seal(&file);
    refused("named_twice", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "named twice");
    fresh();
    sw_set32(file.b + 10, 0x7FFFFFFF);
    sw_set16(file.b, sw_crc(file.b + 2, file.n - 2));
    refused("huge_section_0", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.record", "section 0");
    fresh();
    sw_set32(file.b + 28, 6);
    sw_set16(file.b + 2, 0);
    sw_set16(file.b + 4, (unsigned)file.n);
    refused("healforce", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.record", "Healforce");
    fresh();
    sw_u8(&file, 9);                                                        /* behind the record: read, noted */
    rec = read_ok(&file);
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_VALUE));
    shn_record_free(rec);
}

static void test_refused_signal(void **state)
{
    (void)state;
    sw_spec *s = fresh();
    s->drop[3] = 1;
    sw_make(s, &file);
    refused("no_leads", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 3", "no lead definition");
    s->drop[3] = 0;
    s->drop[6] = 1;
    sw_make(s, &file);
    refused("no_rhythm", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 6", "missing");
    fresh();
    sw_section(&file, 3)[0] = 255;
    sw_seal(&file);
    refused("255_leads", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 3", "255 leads");
    fresh();
    sw_set32(sw_section(&file, 3) + 6, 0);
    sw_seal(&file);
    refused("ends_before_it_begins", SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 3", "lead 1");
    fresh();
    sw_set32(sw_section(&file, 3) + 2 + 9, 100000000);
    sw_set32(sw_section(&file, 3) + 2 + 13, 100000059);
    sw_seal(&file);
    refused("leads_far_apart", SHN_RANGE, SHN_REASON_LIMIT, "scp.section 3", "far apart");
    fresh();
    sw_section(&file, 6)[4] = 3;
    sw_seal(&file);
    refused("third_difference", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "difference encoding 3");
    fresh();
    sw_set16(sw_section(&file, 6) + 2, 0);
    sw_seal(&file);
    refused("no_interval", SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 6", "interval of 0");
    fresh();
    sw_set16(sw_section(&file, 6) + 6, 60000);
    sw_seal(&file);
    refused("leads_longer_than_section", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.section 6", "bytes");
    fresh();
    sw_set16(sw_section(&file, 6) + 6, 0);
    sw_set16(sw_section(&file, 6) + 8, 0);
    sw_seal(&file);
    refused("no_samples", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.section 6", "no samples");
}

static void test_refused_lossy(void **state)
{
    (void)state;
    sw_spec *s = plain(2, 480);
    with_beats(s);
    s->ratio = 4;
    s->drop[4] = 1;
    sw_make(s, &file);
    refused("no_beats", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 4", "missing");
    s->drop[4] = 0;
    s->drop[5] = 1;
    sw_make(s, &file);
    refused("no_reference_beat", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 5", "missing");
    s->drop[5] = 0;
    sw_make(s, &file);
    sw_set16(sw_section(&file, 4) + 4, 60000);
    sw_seal(&file);
    refused("60000_beats", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 4", "60000 beats");
    s->beats[2].protect_from = 40;
    sw_make(s, &file);
    refused("areas_overlap", SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 4", "protected area 3");
    s->beats[2].protect_from = 253;
    sw_make(s, &file);
    sw_set16(sw_section(&file, 6) + 2, 7999);
    sw_seal(&file);
    refused("no_whole_ratio", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "whole multiples");
    sw_set16(sw_section(&file, 6) + 2, 8000);
    sw_section(&file, 6)[5] = 0;
    sw_seal(&file);
    refused("two_rates_not_bimodal", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "without bimodal");
    s->protocol = 30;
    sw_make(s, &file);
    refused("bimodal_in_version_3", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 3", "version 3.0");
    s->protocol = 20;
    sw_make(s, &file);
    sw_set16(sw_section(&file, 5), 0);
    sw_seal(&file);
    refused("beat_without_unit", SHN_FORMAT, SHN_REASON_NO_UNIT, "scp.section 5", "cannot be added");
}

static void bad_table(const char *why, int at, unsigned value, shn_status status, shn_reason reason, const char *words)
{
    sw_spec *s = plain(1, 60);
    with_tables(s);
    sw_make(s, &file);
    sw_section(&file, 2)[at] = (uint8_t)value;
    sw_seal(&file);
    refused(why, status, reason, "scp.section 2", words);
}

static void test_refused_tables(void **state)
{
    (void)state;
    bad_table("99_tables", 0, 99, SHN_RANGE, SHN_REASON_LIMIT, "99 tables");
    bad_table("no_table", 0, 0, SHN_RANGE, SHN_REASON_LIMIT, "0 tables");
    bad_table("third_table_missing", 0, 3, SHN_FORMAT, SHN_REASON_BAD_HEADER, "table 3");
    bad_table("too_many_codes", 3, 0xFF, SHN_RANGE, SHN_REASON_LIMIT, "codes");
    bad_table("codes_leave_section", 3, 2, SHN_FORMAT, SHN_REASON_BAD_HEADER, "codes in");
    bad_table("prefix_of_0_bits", 4, 0, SHN_FORMAT, SHN_REASON_BAD_HEADER, "a code of 0 bits");
    bad_table("shorter_than_prefix", 5, 0, SHN_FORMAT, SHN_REASON_BAD_HEADER, "0 with its value");
    bad_table("mode_2", 6, 2, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mode 2");
    bad_table("ambiguous", 4 + 9 + 5, 0, SHN_FORMAT, SHN_REASON_BAD_HEADER, "begins like another");
    bad_table("switch_to_table_7", 4 + 3 * 9 + 3, 7, SHN_FORMAT, SHN_REASON_BAD_HEADER, "switches to table 7");
    sw_spec *s = plain(1, 60);                  /* bits that are no code: what stands before them, and a note */
    with_tables(s);
    sw_make(s, &file);
    memset(sw_section(&file, 6) + 8 + 4, 0xB7, 8);
    sw_seal(&file);
    shn_record *rec = read_ok(&file);
    assert_true(shn_record_n_samples(rec) < 60);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    shn_record_free(rec);
}

/** Files of other formats are not taken for this one. */
static void test_recognises(void **state)
{
    (void)state;
    static const char *const others[] = { "wfdb/100_3chan.hea", "edf/0000050.edf", "hl7_aecg/example_aecg.xml", "dicom/ecgtoolkit_example.dcm", "mfer/sample.mwf",
                                          "scp/wfdb_test.dat" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char        path[SHN_PATH_MAX];
        shn_mapping map;
        shn_error   err;
        real_path(path, "", others[i]);
        assert_ok(shn_file_map(path, &map, &err));
        assert_int_equal(shn_reader_scp.recognises(map.bytes, map.n_bytes), 0);
        shn_file_unmap(&map);
    }
    assert_int_equal(shn_reader_scp.recognises(NULL, 0), 0);
    sw_spec *s = plain(1, 60);
    s->no_mark = 1;                             /* version 1.0 */
    sw_make(s, &file);
    assert_int_equal(shn_reader_scp.recognises(file.b, file.n), 1);
}

static void test_allocation_fails(void **state)
{
    (void)state;
    sw_spec *s = with_findings();
    with_beats(s);
    s->n_samples = 480;
    s->ratio = 4;
    with_tables(s);
    sw_make(s, &file);
    for (long n = 1;; n++) {
        shn_error   err;
        shn_record *rec;
        shn_alloc_fail_after(n);
        const shn_status st = read_bytes(&file, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 8);
            shn_record_free(rec);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
    }
}

/* ---- de-identification ---- */

static const char secret_key[] = "a key of thirty-two bytes, secret";

static shn_status deidentify(const sw_bytes *in_bytes, shn_deid *d, shn_bytes *out, shn_error *err)
{
    shn_format_options o;
    shn_format_defaults(&o);
    const shn_input in = { .bytes = in_bytes->b, .n_bytes = in_bytes->n, .name = "a.scp", .source = &no_source, .options = &o };
    *out = (shn_bytes){ 0 };
    return shn_reader_scp.deidentify(&in, d, out, err);
}

static void full_tags(int birth_year)
{
    tags.n = 0;
    static const int texts[] = { 0, 1, 3, 13, 16, 17, 18, 19, 20, 21, 22, 23, 30, 31, 35, 201, 36 };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) sw_tag_text(&tags, (unsigned)texts[i], "JONES");
    sw_tag_text(&tags, 2, "PAT-4711");
    uint8_t born[4] = { (uint8_t)(birth_year & 255), (uint8_t)(birth_year >> 8), 6, 15 };
    sw_tag(&tags, 5, born, 4);
    sw_tag(&tags, 6, "\xb4\x00\x01", 3);
    sw_tag(&tags, 8, "\x01", 1);
    sw_tag(&tags, 10, "\x00\x01\x02JONES", 9);
    sw_tag(&tags, 34, "\x3c\x00\x00\x00JONES", 10);
    sw_tag(&tags, 24, "\x01JONES", 6);          /* longer than a stat code */
    device_tag(&tags, 0, "JONES inc");
    sw_tag(&tags, 15, "\0\0\0\0\0\0JONESJONESJONESJONESJONESJONESJONES", 41);
    sw_tag(&tags, 25, "\xd4\x07\x06\x0e", 4);   /* 2004-06-14 */
    sw_tag(&tags, 26, "\x17\x3b\x05", 3);
}

static void check_seals(const shn_bytes *b)
{
    assert_int_equal(sw_get32(b->bytes + 2), b->n);
    assert_int_equal(sw_crc(b->bytes + 2, b->n - 2), b->bytes[0] | b->bytes[1] << 8);
    for (int i = 0; i < 12; i++) {
        const uint32_t n = sw_get32(b->bytes + 22 + 10 * i + 2), at = sw_get32(b->bytes + 22 + 10 * i + 6);
        if (!n) continue;
        const uint8_t *s = b->bytes + at - 1;
        assert_int_equal(n % 2, 0);
        assert_int_equal(sw_crc(s + 2, n - 2), s[0] | s[1] << 8);
        for (int k = 10; k < 16 && i; k++) assert_int_equal(s[k], 0);
    }
}

static void test_deidentify(void **state)
{
    (void)state;
    sw_spec *s = with_findings();
    with_beats(s);
    s->n_samples = 480;
    s->ratio = 4;
    with_tables(s);
    full_tags(1950);
    s->tags = tags.b;
    s->n_tags = tags.n;
    sw_make(s, &file);
    keep(&file, "identifiers.scp");
    memcpy(sw_section(&file, 6) - 6, "JONES!", 6);              /* scraps of memory in reserved bytes and behind the record */
    sw_seal(&file);
    sw_put(&file, "JONES", 5);
    shn_error   err;
    shn_deid   *d;
    shn_bytes   out;
    assert_ok(shn_deid_new(secret_key, strlen(secret_key), &d, &err));
    shn_deid_patient(d, "file");
    assert_ok(deidentify(&file, d, &out, &err));
    static const char *const gone[] = { "JONES", "PAT-4711", "SECRET", "SN-4711", "Sinus", "tagged" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (memmem(out.bytes, out.n, gone[i], strlen(gone[i]))) fail_msg("%s is still there", gone[i]);
    assert_null(memmem(out.bytes, out.n, "\x9e\x07\x06\x0f", 4));           /* the birth date */
    check_seals(&out);
    shn_record        *before = read_ok(&file), *after;
    shn_format_options o;
    shn_format_defaults(&o);
    assert_ok(read_options(out.bytes, out.n, o, &after, &err));
    for (size_t l = 0; l < shn_record_n_leads(before); l++)
        assert_memory_equal(shn_record_lead(before, l), shn_record_lead(after, l), shn_record_n_samples(before) * sizeof(float));
    const shn_record_meta *m = shn_record_meta_of(after);
    char                   id[SHN_DEID_PATIENT_MAX];
    shn_deid_patient(d, "PAT-4711");
    shn_deid_id(d, id, sizeof id);
    assert_string_equal(m->patient, id);
    int y = 2004, mo = 6, day = 14;
    char moved[32];
    assert_ok(shn_deid_date(d, &y, &mo, &day, &err));
    snprintf(moved, sizeof moved, "%04d-%02d-%02dT23:59:05", y, mo, day);
    assert_string_equal(m->acquired, moved);
    assert_true(fabs(m->age_years - shn_record_meta_of(before)->age_years) <= 1);      /* both dates moved together */
    assert_int_equal(m->sex, 'M');
    assert_string_equal(m->device, "ECG-9");
    assert_near(measured(after, "qrs_duration", "ms"), 90, 0);
    assert_near(measured(after, "V1 q_amplitude", "uV"), -111, 0);
    assert_int_equal(shn_record_n_statements(after), 1);
    assert_string_equal(shn_record_statement(after, 0), "NSR PROBABLE");
    assert_true(shn_deid_n_changes(d) >= 28);
    shn_record_free(before);
    shn_record_free(after);
    shn_bytes_free(&out);
    shn_deid_free(d);
}

/** Over 89 when recorded: the birth date goes, an age is cut. Whatever cannot be read is not rewritten. */
static void test_deidentify_edges(void **state)
{
    (void)state;
    sw_spec   *s = plain(2, 60);
    shn_error  err;
    shn_deid  *d;
    shn_bytes  out;
    shn_record *rec;
    shn_format_options o;
    shn_format_defaults(&o);
    assert_ok(shn_deid_new(secret_key, strlen(secret_key), &d, &err));
    full_tags(1910);
    s->tags = tags.b;
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_ok(deidentify(&file, d, &out, &err));
    assert_ok(read_options(out.bytes, out.n, o, &rec, &err));
    assert_true(isnan(shn_record_meta_of(rec)->age_years));
    shn_record_free(rec);
    shn_bytes_free(&out);

    sw_tag(&tags, 4, "\x5f\x00\x01", 3);        /* 95 years */
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_ok(deidentify(&file, d, &out, &err));
    assert_ok(read_options(out.bytes, out.n, o, &rec, &err));
    assert_near(shn_record_meta_of(rec)->age_years, 90, 0);
    shn_record_free(rec);
    shn_bytes_free(&out);

    tags.n = 0;                                 /* a date that is none cannot be moved */
    sw_tag(&tags, 25, "\xd4\x07\x02\x1e", 4);
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_ok(deidentify(&file, d, &out, &err));
    assert_ok(read_options(out.bytes, out.n, o, &rec, &err));
    assert_string_equal(shn_record_meta_of(rec)->acquired, "");
    shn_record_free(rec);
    shn_bytes_free(&out);

    tags.n = 0;
    device_tag(&tags, 7, "x");                  /* 16-bit characters */
    s->n_tags = tags.n;
    sw_make(s, &file);
    assert_status(deidentify(&file, d, &out, &err), SHN_UNSUPPORTED);
    assert_null(out.bytes);

    sw_set16(sw_section(&file, 1) + 1, 9999);
    sw_seal(&file);
    assert_status(deidentify(&file, d, &out, &err), SHN_UNSUPPORTED);
    assert_null(out.bytes);
    file.n -= 2;
    assert_status(deidentify(&file, d, &out, &err), SHN_FORMAT);

    s = with_findings();
    sw_make(s, &file);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = deidentify(&file, d, &out, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(out.bytes);
    }
    shn_bytes_free(&out);
    shn_deid_free(d);
}

/* ---- real files ---- */

static shn_record *read_real(const char *name)
{
    char        path[SHN_PATH_MAX];
    shn_error   err;
    shn_record *rec;
    real_path(path, "scp/", name);
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    return rec;
}

/** Each lead against the independent decoder's sums in nanovolts: exact, through the calibration. */
static void test_golden(void **state)
{
    (void)state;
    char  line[4096], name[128], path[SHN_PATH_MAX];
    int   n_files = 0;
    test_data();
    snprintf(path, sizeof path, "%s/golden/scp_records.txt", SHN_TESTS_DIR);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        size_t n_leads, n_samples;
        double fs;
        int    at;
        if (*line == '#' || strncmp(line, "biosig", 6) == 0) continue;
        if (sscanf(line, "%127s %zu %zu %lf%n", name, &n_leads, &n_samples, &fs, &at) != 4) continue;      /* refused there */
        shn_record *rec = read_real(name);
        assert_int_equal(shn_record_n_leads(rec), n_leads);
        assert_int_equal(shn_record_n_samples(rec), n_samples);
        assert_near(shn_record_fs_hz(rec), fs, 0);
        for (size_t l = 0; l < n_leads; l++) {
            char      lead[32];
            long long sum, squares, first[3], our_sum = 0, our_squares = 0;
            int       used;
            assert_int_equal(sscanf(line + at, " %31[^:]:%lld:%lld:%lld,%lld,%lld%n", lead, &sum, &squares, &first[0], &first[1], &first[2], &used), 6);
            at += used;
            assert_string_equal(shn_record_name(rec, l), lead);
            const long long nv = llround(1e6 / shn_record_calibration(rec, l).gain_adu_per_mv);
            for (size_t i = 0; i < n_samples; i++) {
                const double    adu = shn_record_lead(rec, l)[i] * 1e6 / (double)nv;
                const long long value = llround(adu) * nv;
                if (fabs(adu - (double)llround(adu)) > 1e-2) fail_msg("%s %s %zu: %g units", name, lead, i, adu);
                if (i < 3) assert_true(value == first[i]);
                our_sum += value;
                our_squares += value * value;
            }
            assert_true(our_sum == sum && our_squares == squares);
        }
        shn_record_free(rec);
        n_files++;
    }
    fclose(f);
    assert_int_equal(n_files, 4);
}

/**
 * wfdb_test.dat is a conversion of wfdb_test.scp: the same where the reference beat was added; elsewhere the converter smoothed with a mean of
 * three samples, which the bytes do not ask for.
 */
static void test_twin_wfdb(void **state)
{
    (void)state;
    static const int zones[4][2] = { { 109, 457 }, { 973, 1321 }, { 2295, 2643 }, { 3707, 4055 } }, columns[8] = { 0, 1, 6, 7, 8, 9, 10, 11 };
    char        path[SHN_PATH_MAX];
    uint8_t    *dat;
    size_t      n, smoothed = 0, same = 0;
    shn_error   err;
    shn_record *rec = read_real("wfdb_test.scp");
    real_path(path, "", "scp/wfdb_test.dat");
    assert_ok(shn_file_read(path, 1 << 20, &dat, &n, &err));
    assert_int_equal(n, 5000 * 24);
    for (size_t l = 0; l < 8; l++) {
        const float *x = shn_record_lead(rec, l);
        for (int t = 2; t < 5000; t++) {
            int in = 0, near = 0;
            for (int z = 0; z < 4; z++) {
                in |= t >= zones[z][0] && t <= zones[z][1];
                near |= t >= zones[z][0] - 1 && t <= zones[z][1] + 2;       /* its filter starts two samples behind an area */
            }
            const uint8_t *p = dat + ((size_t)(t - 1) * 12 + (size_t)columns[l]) * 2;
            const double   twin = (int16_t)(p[0] | p[1] << 8) * 0.005;
            if (in) assert_near(x[t - 1], twin, 1e-5);
            else if (!near) assert_near((x[t - 2] + x[t - 1] + x[t]) / 3, twin, 0.005 + 1e-5);
            same += (size_t)in;
            smoothed += !in && fabs(x[t - 1] - twin) > 1e-4;
        }
    }
    assert_int_equal(same, 8 * 4 * 349);
    assert_true(smoothed > 10000);
    assert_int_equal(shn_record_n_statements(rec), 6);
    assert_string_equal(shn_record_statement(rec, 0), "Ectopic atrial rhythm");
    static const struct { const char *name; double value; const char *unit; } as_described[] = {       /* wfdb_test.des */
        { "rr_interval", 869, "ms" }, { "p_axis", -18, "deg" }, { "qrs_axis", -41, "deg" }, { "t_axis", 118, "deg" }, { "p_duration", 148, "ms" },
        { "qrs_duration", 104, "ms" }, { "qt_interval", 446, "ms" }, { "I p_duration", 134, "ms" }, { "V2 q_amplitude", -1917, "uV" },
        { "V6 intrinsicoid", 51, "ms" }, { "aVL r_amplitude", 1306, "uV" }, { "III st_slope", 5, "uV/s" }, { "V1 p_amplitude_plus", 60, "uV" },
    };
    for (size_t i = 0; i < sizeof as_described / sizeof *as_described; i++)
        assert_near(measured(rec, as_described[i].name, as_described[i].unit), as_described[i].value, 0);
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->filters, "high pass 0.05 Hz, low pass 150 Hz, 60 Hz notch, baseline filter");
    assert_string_equal(m->acquired, "2004-01-01T02:13:18");
    assert_near(m->age_years, 49, 0);
    free(dat);
    shn_record_free(rec);
}

/** 0000050.edf holds the same integers, 37,855 of them; the scp stops at 32,767 (a lead's length is 16 bits) and the EDF's gain is another. */
static void test_twin_edf(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX];
    shn_mapping map;
    shn_error   err;
    shn_record *rec = read_real("0000050.scp");
    real_path(path, "", "edf/0000050.edf");
    assert_ok(shn_file_map(path, &map, &err));
    assert_int_equal(map.n_bytes, 256 * 13 + 37855 * 24);
    assert_int_equal(shn_record_n_samples(rec), 32767);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    for (size_t l = 0; l < 12; l++)
        for (size_t i = 0; i < 32767; i++) {
            const uint8_t *p = map.bytes + 256 * 13 + (i * 12 + l) * 2;
            assert_int_equal(lround(shn_record_lead(rec, l)[i] / 0.005), (int16_t)(p[0] | p[1] << 8));
        }
    shn_file_unmap(&map);
    shn_record_free(rec);
}

/** Example.scp, example_aecg.xml and ecgtoolkit_example.dcm are one recording: the same integers of 2.5 uV in all three. */
static void test_twins_example(void **state)
{
    (void)state;
    static const char *const twins[] = { "hl7_aecg/example_aecg.xml", "dicom/ecgtoolkit_example.dcm" };
    shn_record *rec = read_real("Example.scp");
    for (size_t k = 0; k < 2; k++) {
        char        path[SHN_PATH_MAX];
        shn_error   err;
        shn_record *twin;
        real_path(path, "", twins[k]);
        assert_ok(shn_record_read(path, NULL, &twin, &err));
        assert_int_equal(shn_record_n_samples(twin), 5000);
        for (size_t l = 0; l < 12; l++) {
            const int at = shn_record_find(twin, shn_record_name(rec, l));
            assert_true(at >= 0);
            for (size_t i = 0; i < 5000; i++) assert_near(shn_record_lead(twin, (size_t)at)[i], shn_record_lead(rec, l)[i], 1e-6);
        }
        assert_string_equal(shn_record_meta_of(rec)->acquired, "2002-11-22T09:10:00");
        shn_record_free(twin);
    }
    shn_record_free(rec);
}

static void test_healforce(void **state)
{
    (void)state;
    char        path[SHN_PATH_MAX];
    shn_error   err;
    shn_record *rec;
    real_path(path, "", "scp/healforce_nonconformant_62.SCP");
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_UNSUPPORTED);
    assert_int_equal(err.reason, SHN_REASON_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Healforce"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_encoding),   cmocka_unit_test(test_all_values),       cmocka_unit_test(test_reference_beat),
        cmocka_unit_test(test_bimodal),          cmocka_unit_test(test_nothing_memorised), cmocka_unit_test(test_leads),
        cmocka_unit_test(test_announces_more),   cmocka_unit_test(test_parts),            cmocka_unit_test(test_demographics),
        cmocka_unit_test(test_findings),         cmocka_unit_test(test_refused_record),   cmocka_unit_test(test_refused_signal),
        cmocka_unit_test(test_refused_lossy),    cmocka_unit_test(test_refused_tables),   cmocka_unit_test(test_recognises),
        cmocka_unit_test(test_allocation_fails), cmocka_unit_test(test_deidentify),       cmocka_unit_test(test_deidentify_edges),
        cmocka_unit_test(test_golden),           cmocka_unit_test(test_twin_wfdb),        cmocka_unit_test(test_twin_edf),
        cmocka_unit_test(test_twins_example),    cmocka_unit_test(test_healforce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
