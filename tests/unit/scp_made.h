/** What the tests of SCP-ECG share: reading made bytes, a plain recording, tags of section 1 and sections with findings. With SHN_SCP_WRITE=FOLDER
    the tests leave the files they made there: so the fuzzing corpus came about. */
#ifndef SHN_TESTS_SCP_MADE_H
#define SHN_TESTS_SCP_MADE_H

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/scp/scp.h"
#include "harness.h"
#include "must_fail.h"
#include "scp_writer.h"

static inline shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)name, (void)bytes, (void)n;
    err->status = SHN_IO;
    return SHN_IO;
}
static inline void no_close(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }
static const shn_source no_source = { NULL, no_companion, no_close };

/** Reads bytes from a copy of exactly their size, so that sanitizers see an overrun. */
static inline shn_status read_options(const uint8_t *bytes, size_t n, shn_format_options o, shn_record **rec, shn_error *err)
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

static inline shn_status read_bytes(const sw_bytes *b, shn_record **rec, shn_error *err)
{
    shn_format_options o;
    shn_format_defaults(&o);
    return read_options(b->b, b->n, o, rec, err);
}

/** A file below the formats' folder of the recordings; skips the test without them. */
static inline void real_path(char path[SHN_PATH_MAX], const char *folder, const char *name)
{
    shn_error err;
    char      below[128];
    snprintf(below, sizeof below, "formats/%s%s", folder, name);
    assert_ok(shn_path_join(path, test_data(), below, &err));
}

static inline void keep(const sw_bytes *b, const char *name)
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
static inline sw_spec *plain(int n_leads, int n)
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

static inline void check_samples(const sw_spec *s, const shn_record *rec, double nv)
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

static inline shn_record *read_ok(const sw_bytes *b)
{
    shn_error   err;
    shn_record *rec;
    assert_ok(read_bytes(b, &rec, &err));
    return rec;
}

static inline void device_tag(sw_bytes *o, unsigned language, const char *maker)
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

static const sw_code small_first[] = {                          /* values of -1 to 1 and a way on */
    { "0", 0, 0, 0 }, { "10", 1, 0, 0 }, { "110", -1, 0, 0 }, { "111", 2, 0, 1 },
};
static const sw_code large_second[] = {                         /* codes longer than the look-up, a base under extra bits, a way back */
    { "00", 0, 4, 0 }, { "01", 1, 0, 1 }, { "100", 40, 6, 0 }, { "1010", -3, 9, 0 }, { "101100000000001", 300, 0, 0 },
    { "10110000000000001", -200, 0, 0 }, { "11", 0, 16, 0 },
};

static inline void with_tables(sw_spec *s)
{
    s->huffman = 2;
    s->n_tables = 2;
    s->tables[0] = small_first;
    s->tables[1] = large_second;
    s->n_codes[0] = sizeof small_first / sizeof *small_first;
    s->n_codes[1] = sizeof large_second / sizeof *large_second;
}

static inline void with_beats(sw_spec *s)
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

static sw_bytes seven, eight, ten, eleven;

static inline void global_section(void)
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

static inline void text_section(sw_bytes *o, int coded)
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

static inline void lead_section(void)
{
    ten.n = 0;
    sw_u16(&ten, 1);
    sw_u16(&ten, 0);
    sw_u16(&ten, 3);
    sw_u16(&ten, 66);
    for (int i = 0; i < 33; i++) sw_u16(&ten, (unsigned)(i == 1 ? 29999 : i == 9 ? -111 : i == 29 ? 0 : 100 + i) & 0xFFFF);
}

static inline double measured(const shn_record *rec, const char *name, const char *unit)
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

static inline sw_spec *with_findings(void)
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

static inline sw_spec *fresh(void)
{
    sw_spec *s = plain(2, 60);
    sw_make(s, &file);
    return s;
}

#endif
