/** DICOM waveforms: hand-made objects in every coding, scales, units, bits, groups, texts. */
#include "harness.h"

#include <math.h>

#include "dicom_made.h"

/* ---- coding ---- */

static void test_every_coding(void **state)
{
    (void)state;
    static const struct { int implicit, big, undefined, preamble; const char *syntax; } cases[] = {
        { 0, 0, 0, 1, "1.2.840.10008.1.2.1" }, { 0, 0, 1, 1, "1.2.840.10008.1.2.1" }, { 1, 0, 0, 1, "1.2.840.10008.1.2" }, { 1, 0, 1, 1, "1.2.840.10008.1.2" },
        { 0, 1, 0, 1, "1.2.840.10008.1.2.2" }, { 0, 1, 1, 1, "1.2.840.10008.1.2.2" }, { 0, 0, 0, 0, "1.2.840.10008.1.2.1" }, { 0, 0, 0, 0, NULL },
        { 1, 0, 1, 0, NULL }, { 0, 1, 0, 0, NULL }, { 0, 0, 1, 1, NULL }, { 0, 0, 0, 1, "1.2.840.10008.1.2.4.50" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static dw      w;
        shn_error      err = { 0 };
        shn_record    *rec;
        const dw_group g = plain();
        w.implicit = cases[i].implicit, w.big = cases[i].big, w.undefined = cases[i].undefined;
        dw_begin(&w, cases[i].preamble, cases[i].syntax);
        dw_people(&w, "ISO_IR 100", "19710123", "042Y");
        dw_groups(&w, &g, 1);
        assert_true(shn_reader_dicom.recognises(w.b, w.n));
        assert_ok(read_made(&w, &rec, &err));
        assert_plain(rec);
        const shn_record_meta *meta = shn_record_meta_of(rec);
        assert_string_equal(meta->acquired, "2013-01-25T10:59:19.25+09:00");
        assert_string_equal(meta->patient, "SBJ-1234");
        assert_string_equal(meta->device, "Maker Model 9");
        assert_string_equal(meta->filters, "0.05-150 Hz, notch 50 Hz");
        assert_string_equal(meta->format, "dicom 12-lead ECG");
        assert_near(meta->age_years, 42, 0);
        assert_int_equal(meta->sex, 'F');
        assert_int_equal(shn_record_n_notes(rec), 0);
        shn_record_free(rec);
    }
}

static void test_syntax_that_is_not_true(void **state)
{
    (void)state;
    for (int implicit = 0; implicit < 2; implicit++) {
        shn_error      err = { 0 };
        shn_record    *rec;
        dw            *w = fresh(0, 0, 0);
        const dw_group g = plain();
        w->implicit = implicit;
        dw_begin(w, 1, implicit ? EXPLICIT : IMPLICIT);
        dw_people(w, NULL, NULL, NULL);
        dw_groups(w, &g, 1);
        assert_ok(read_made(w, &rec, &err));
        assert_plain(rec);
        assert_true(noted(rec, "transfer syntax"));
        shn_record_free(rec);
    }
}

static void test_refused_syntaxes(void **state)
{
    (void)state;
    dw            *w = fresh(0, 0, 0);
    const dw_group g = plain();
    dw_begin(w, 1, "1.2.840.10008.1.2.1.99");
    dw_raw(w, "\x63\x60\x02\x00 deflated bytes", 18);
    assert_true(shn_reader_dicom.recognises(w->b, w->n));
    assert_refused(w, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "deflated");
    dw_begin(w, 1, "1.3.6.1.4.1.9999");
    dw_groups(w, &g, 1);
    assert_refused(w, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "1.3.6.1.4.1.9999");
}

/** A sequence that a writer could not name: UN with undefined length, its inside implicit little endian. */
static void test_unknown_sequence(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_record    *rec;
    dw            *w = fresh(0, 0, 0);
    const dw_group g = plain();
    dw_people(w, NULL, NULL, NULL);
    dw_head(w, 0x54000100, "UN", 0xffffffff);
    w->implicit = 1;
    dw_put_group(w, &g);
    dw_head(w, DW_END_SEQUENCE, "", 0);
    assert_ok(read_made(w, &rec, &err));
    assert_plain(rec);
    shn_record_free(rec);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    for (int depth = DCM_DEPTH_MAX - 2; depth < DCM_DEPTH_MAX + 4; depth++) {
        shn_error      err = { 0 };
        shn_record    *rec = NULL;
        dw            *w = fresh(0, 0, 1);
        const dw_group g = plain();
        for (int i = 0; i < depth; i++) {
            dw_open(w, 0x00400555);
            dw_item(w);
        }
        for (int i = 0; i < depth; i++) {
            dw_head(w, DW_END_ITEM, "", 0);
            dw_head(w, DW_END_SEQUENCE, "", 0);
        }
        dw_groups(w, &g, 1);
        const shn_status st = read_made(w, &rec, &err);
        assert_int_equal(st, depth <= DCM_DEPTH_MAX ? SHN_OK : SHN_RANGE);
        if (st != SHN_OK) assert_int_equal(err.reason, SHN_REASON_LIMIT);
        shn_record_free(rec);
    }
}

/* ---- nothing memorised ---- */

static void test_changes_follow(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    dw_channel  c[2] = { two[0], two[1] };
    int         v[10];
    memcpy(v, ramp, sizeof v);
    dw_group g = plain();
    g.channels = c;
    g.samples = v;
    g.rate = "1e3";
    c[0].sensitivity = "1.25";
    c[1].baseline = "-0.25";
    v[4] = 77;
    dw *w = fresh(0, 0, 0);
    dw_groups(w, &g, 1);
    assert_ok(read_made(w, &rec, &err));
    assert_near(shn_record_fs_hz(rec), 1000, 0);
    assert_near(shn_record_lead(rec, 0)[0], 0.00125, 1e-9);
    assert_near(shn_record_lead(rec, 0)[2], 77 * 0.00125, 1e-8);
    assert_near(shn_record_lead(rec, 1)[0], -0.01 - 0.25, 1e-7);
    shn_record_free(rec);
}

/* ---- samples ---- */

static void test_widths_and_signs(void **state)
{
    (void)state;
    static const struct { const char *how; int bits; double out[4]; } cases[] = {
        { "SB", 8, { 0, 127, -128, -1 } },                { "UB", 8, { 0, 127, 128, 255 } },
        { "SS", 16, { 0, 32767, -32768, -1 } },           { "US", 16, { 0, 32767, 32768, 65535 } },
        { "SL", 32, { 0, 2147483647, -2147483648.0, -1 } }, { "UL", 32, { 0, 2147483647, 2147483648.0, 4294967295.0 } },
    };
    static const dw_channel one = { .code = "2:2", .scheme = "MDC", .meaning = "Lead II", .sensitivity = "1", .unit = "mV" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int big = 0; big < 2; big++)
            for (int words = 0; words < (cases[i].bits == 8 ? 2 : 1); words++) {
                shn_error   err = { 0 };
                shn_record *rec;
                const int   top = cases[i].bits == 8 ? 0x80 : cases[i].bits == 16 ? 0x8000 : INT32_MIN, v[4] = { 0, cases[i].bits == 32 ? 2147483647 : top - 1, top, -1 };
                dw_group    g = { .bits = cases[i].bits, .interpretation = cases[i].how, .channels = &one, .n_channels = 1, .n_samples = 4, .samples = v };
                if (cases[i].bits == 8 && !words) g.data_vr = "OB";
                dw *w = fresh(0, big, 0);
                dw_groups(w, &g, 1);
                assert_ok(read_made(w, &rec, &err));
                for (int t = 0; t < 4; t++) assert_near(shn_record_lead(rec, 0)[t], cases[i].out[t], 1e-7 * fabs(cases[i].out[t]));
                shn_record_free(rec);
            }
}

/** 12 bits in words of 16: sign in the bits above, or zeros there; both read alike, a mixture or anything else refused. */
static void test_twelve_bits_stored(void **state)
{
    (void)state;
    static const dw_channel one = { .code = "2:2", .scheme = "MDC", .sensitivity = "1", .unit = "mV", .bits_stored = 12 };
    static const struct { int v[4]; double out[4]; const char *refused; } cases[] = {
        { { 2047, -2048, -1, 5 }, { 2047, -2048, -1, 5 }, NULL },
        { { 2047, 0x800, 0xfff, 5 }, { 2047, -2048, -1, 5 }, NULL },
        { { -1, 0xfff, 0, 0 }, { 0 }, "12 bits" },
        { { 0x1005, 0, 0, 0 }, { 0 }, "12 bits" },
        { { -3000, 0, 0, 0 }, { 0 }, "12 bits" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error      err = { 0 };
        shn_record    *rec;
        const dw_group g = { .bits = 16, .channels = &one, .n_channels = 1, .n_samples = 4, .samples = cases[i].v };
        dw            *w = fresh(0, 0, 0);
        dw_groups(w, &g, 1);
        if (cases[i].refused) {
            assert_refused(w, SHN_FORMAT, SHN_REASON_BAD_VALUE, cases[i].refused);
            continue;
        }
        assert_ok(read_made(w, &rec, &err));
        for (int t = 0; t < 4; t++) assert_near(shn_record_lead(rec, 0)[t], cases[i].out[t], 0);
        assert_int_equal(shn_record_calibration(rec, 0).bits, 12);
        shn_record_free(rec);
    }
}

static void test_padding(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    const int   gap = -32768, zero = 0, v[8] = { 1, gap, 0, 3, gap, gap, 7, 8 };
    dw_group    g = plain();
    g.samples = v;
    g.n_samples = 4;
    g.padding = &gap;
    dw *w = fresh(0, 0, 0);
    dw_groups(w, &g, 1);
    assert_ok(read_made(w, &rec, &err));
    const float *i = shn_record_lead(rec, 0), *v1 = shn_record_lead(rec, 1);
    assert_true(!isnan(i[0]) && i[1] == 0 && isnan(i[2]) && isnan(v1[0]) && isnan(v1[2]) && !isnan(v1[1]));
    assert_true(shn_record_has_note(rec, SHN_REASON_GAPS));
    shn_record_free(rec);
    g.padding = &zero;                          /* ecgtoolkit's files say so, and have ordinary zeros */
    w = fresh(0, 0, 0);
    dw_groups(w, &g, 1);
    assert_ok(read_made(w, &rec, &err));
    assert_true(shn_record_lead(rec, 0)[1] == 0);
    assert_true(noted(rec, "padding value is 0"));
    shn_record_free(rec);
}

/* ---- units ---- */

static void test_units(void **state)
{
    (void)state;
    static const struct { const char *sensitivity, *unit; double out; shn_unit_origin origin; } cases[] = {
        { "2", "uV", 0.02, SHN_UNIT_DECLARED }, { "2", "mV", 20, SHN_UNIT_DECLARED },       { "2e-3", "V", 20, SHN_UNIT_DECLARED }, { "2000", "nV", 0.02, SHN_UNIT_DECLARED },
        { "2", "mm[Hg]", 20, SHN_UNIT_NOT_VOLTAGE }, { "2", NULL, 20, SHN_UNIT_UNKNOWN }, { NULL, "uV", 10, SHN_UNIT_UNKNOWN }, { "2", "MV", 20, SHN_UNIT_UNKNOWN },
        { NULL, NULL, 10, SHN_UNIT_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error   err = { 0 };
        shn_record *rec;
        const int   v = 10;
        const dw_channel c = { .code = "5.6.3-9-2", .sensitivity = cases[i].sensitivity, .unit = cases[i].unit };
        const dw_group   g = { .bits = 16, .channels = &c, .n_channels = 1, .n_samples = 1, .samples = &v };
        dw *w = fresh(0, 0, 0);
        dw_groups(w, &g, 1);
        assert_ok(read_made(w, &rec, &err));
        assert_near(shn_record_lead(rec, 0)[0], cases[i].out, 1e-6 * cases[i].out);
        assert_int_equal(shn_record_unit(rec, 0), cases[i].origin);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_NO_UNIT), cases[i].origin != SHN_UNIT_DECLARED);
        shn_record_free(rec);
    }
    static const dw_channel bad[] = { { .code = "2:1", .sensitivity = "0", .unit = "uV" }, { .code = "2:1", .sensitivity = "2,5", .unit = "uV" }, { .code = "2:1", .sensitivity = "1e300", .unit = "uV" },
                                      { .code = "2:1", .sensitivity = "1", .unit = "uV", .bits_stored = 17 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int      v = 10;
        const dw_group g = { .bits = 16, .channels = &bad[i], .n_channels = 1, .n_samples = 1, .samples = &v };
        dw            *w = fresh(0, 0, 0);
        dw_groups(w, &g, 1);
        assert_refused(w, SHN_FORMAT, SHN_REASON_BAD_VALUE, i == 1 ? "2,5" : "channel 'I'");
    }
}

/* ---- leads ---- */

static void test_lead_names(void **state)
{
    (void)state;
    static const struct { dw_channel c; const char *name; const char *note; } cases[] = {
        { { .code = "5.6.3-9-61", .meaning = "Lead III" }, "III", NULL },
        { { .code = "5.6.3-9-62", .meaning = "aVR, augmented voltage, right" }, "aVR", NULL },
        { { .code = "2:63", .scheme = "MDC", .meaning = "aVL, augmented voltage, left" }, "aVL", NULL },
        { { .code = "2:64", .scheme = "MDC", .meaning = "aVF, augmented voltage, foot" }, "aVF", NULL },
        { { .code = "131075", .scheme = "MDC" }, "V1", NULL },
        { { .code = "MDC_ECG_LEAD_V6", .scheme = "MDC" }, "V6", NULL },
        { { .code = "5.6.3-9-8\0", .meaning = "Lead V6\0\0" }, "V6", NULL },
        { { .code = "X1", .scheme = "99LOCAL", .meaning = "Lead V4 (Einthoven)" }, "V4", NULL },
        { { .code = "X1", .scheme = "99LOCAL", .meaning = "something", .label = "lead avf" }, "aVF", NULL },
        { { .label = "V2" }, "V2", NULL },
        { { .code = "2:65", .scheme = "MDC", .meaning = "-aVR" }, "-aVR", NULL },
        { { .code = "2:37", .scheme = "MDC", .meaning = "Derived Lead V5" }, "Derived Lead V5", NULL },
        { { .code = "2:24", .scheme = "MDC", .meaning = "Frank Lead I" }, "Frank Lead I", NULL },
        { { .label = NULL }, "channel 1", NULL },
        { { .code = "5.6.3-9-3", .meaning = "Lead V2" }, "V1", "meaning says Lead V2" },
        { { .code = "5.6.3-9-3", .meaning = "Lead V1", .label = "V5" }, "V1", "label says V5" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error   err = { 0 };
        shn_record *rec;
        const int   v = 10;
        dw_channel  c = cases[i].c;
        c.sensitivity = "1";
        c.unit = "uV";
        const dw_group g = { .bits = 16, .channels = &c, .n_channels = 1, .n_samples = 1, .samples = &v };
        dw            *w = fresh(0, 0, 0);
        dw_groups(w, &g, 1);
        assert_ok(read_made(w, &rec, &err));
        assert_string_equal(shn_record_name(rec, 0), cases[i].name);
        if (cases[i].note ? !noted(rec, cases[i].note) : shn_record_n_notes(rec) != 0) fail_msg("case %zu: notes", i);
        shn_record_free(rec);
    }
}

/** "V1" padded with NULs to its field, as DICOM toolkits write codes. */
static void test_nul_padded_codes(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    const int   v = 10;
    dw         *w = fresh(0, 0, 0);
    const size_t s = dw_open(w, 0x54000100), item = dw_item(w);
    dw_us(w, 0x003a0005, 1);
    dw_ul(w, 0x003a0010, 1);
    dw_bytes(w, 0x003a001a, "DS", "500\0\0", 6);
    const size_t d = dw_open(w, 0x003a0200), channel = dw_item(w), source = dw_open(w, 0x003a0208), code = dw_item(w);
    dw_bytes(w, 0x00080100, "SH", "5.6.3-9-3\0\0", 12);
    dw_bytes(w, 0x00080104, "LO", "Lead V1 \0\0", 10);
    dw_close(w, code, DW_END_ITEM);
    dw_close(w, source, DW_END_SEQUENCE);
    dw_bytes(w, 0x003a0210, "DS", "2.5\0", 4);
    dw_code(w, 0x003a0211, "uV", "UCUM", NULL);
    dw_close(w, channel, DW_END_ITEM);
    dw_close(w, d, DW_END_SEQUENCE);
    dw_us(w, 0x54001004, 16);
    dw_bytes(w, 0x54001006, "CS", "SS\0", 4);
    dw_bytes(w, 0x54001010, "OW", &v, 2);
    dw_close(w, item, DW_END_ITEM);
    dw_close(w, s, DW_END_SEQUENCE);
    assert_ok(read_made(w, &rec, &err));
    assert_string_equal(shn_record_name(rec, 0), "V1");
    assert_near(shn_record_lead(rec, 0)[0], 0.025, 1e-8);
    shn_record_free(rec);
}

/* ---- groups ---- */

static void test_choice_of_group(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    static const int beat[] = { 100, 100, 200, 200, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100 };
    dw_group   g[3] = { plain(), plain(), plain() };
    g[0].label = "MEDIAN BEAT";                 /* first and longer, and still not the record */
    g[0].originality = "DERIVED";
    g[0].samples = beat;
    g[0].n_samples = 7;
    g[2].n_samples = 3;                         /* the same leads again: another recording */
    g[2].offset_ms = "20000";
    dw *w = fresh(0, 0, 0);
    dw_groups(w, g, 3);
    assert_ok(read_made(w, &rec, &err));
    assert_plain(rec);
    assert_true(noted(rec, "multiplex group 3"));
    assert_int_equal(shn_record_n_notes(rec), 1);
    shn_record_free(rec);
    g[1].announced = 50;                        /* the rhythm is cut off: the beat must not stand in for it */
    w = fresh(0, 0, 0);
    dw_groups(w, g, 2);
    assert_refused(w, SHN_FORMAT, SHN_REASON_TRUNCATED, "50 samples");
    w = fresh(0, 0, 0);                         /* but a file of a beat only is what it is */
    dw_groups(w, g, 1);
    assert_ok(read_made(w, &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), 7);
    assert_true(noted(rec, "averaged beat"));
    shn_record_free(rec);
}

static void test_groups_joined(void **state)
{
    (void)state;
    static const dw_channel others[2] = { { .code = "5.6.3-9-2", .sensitivity = "1", .unit = "mV" }, { .code = "5.6.3-9-4", .sensitivity = "1", .unit = "mV" } };
    static const int        v[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    for (int different = 0; different < 4; different++) {
        shn_error   err = { 0 };
        shn_record *rec;
        dw_group    g[2] = { plain(), plain() };
        g[1].channels = others;
        g[1].samples = v;
        if (different == 1) g[1].offset_ms = "2500";
        if (different == 2) g[1].rate = "250";
        if (different == 3) g[1].n_samples = 4;
        g[0].n_samples = 5;
        dw *w = fresh(0, 0, 0);
        dw_groups(w, g, 2);
        assert_ok(read_made(w, &rec, &err));
        if (different == 2) assert_near(shn_record_fs_hz(rec), 250, 0);             /* the longer one in time */
        else assert_string_equal(shn_record_name(rec, 0), "I");
        assert_int_equal(shn_record_n_leads(rec), different ? 2 : 4);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_EXCLUDED), different != 0);
        if (!different) {
            assert_string_equal(shn_record_name(rec, 3), "V2");
            assert_near(shn_record_lead(rec, 3)[4], 10, 0);
        }
        shn_record_free(rec);
    }
}

static void test_parts(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_record    *whole, *part;
    const dw_group g = plain();
    dw            *w = fresh(1, 0, 1);
    dw_groups(w, &g, 1);
    assert_ok(read_made(w, &whole, &err));
    for (size_t first = 0; first < 5; first++)
        for (size_t n = 1; n < 7; n++) {
            assert_ok(read_part(w, first, n, &part, &err));
            const size_t expected = n < 5 - first ? n : 5 - first;
            assert_int_equal(shn_record_n_samples(part), expected);
            assert_int_equal(shn_record_meta_of(part)->first_sample, first);
            assert_int_equal(shn_record_meta_of(part)->total_samples, 5);
            for (size_t lead = 0; lead < 2; lead++) assert_memory_equal(shn_record_lead(part, lead), shn_record_lead(whole, lead) + first, expected * sizeof(float));
            shn_record_free(part);
        }
    assert_status(read_part(w, 5, 1, &part, &err), SHN_RANGE);
    shn_record_free(whole);
}

/* ---- beside the samples ---- */

static void test_annotations(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_record    *rec;
    const dw_group g = plain();
    dw            *w = fresh(0, 0, 1);
    const size_t   s = dw_open(w, 0x0040b020);
    dw_statement(w, "SINUS RHYTHM");
    dw_measure(w, "2:15872", "PR interval global", "161", "ms", 1, 0);
    dw_measure(w, "2:16160", "QT interval global", "0.368", "s", 1, 0);
    dw_measure(w, "5.10.3-13", "QRS Axis", "52", "ms", 1, 0);           /* a real file's unit */
    dw_measure(w, "5.10.2.1-3", "RR Interval", "982", "ms", 1, 0);
    dw_measure(w, "2:7936", "QRS duration per lead", "75", "ms", 1, 2); /* of one channel */
    dw_measure(w, "2:15876", "QTc interval global", "400", "ms", 2, 0); /* of another group */
    dw_measure(w, "2:15872", "PR interval global", "999", "ms", 1, 0);  /* again */
    const size_t item = dw_item(w);
    dw_code(w, 0x0040a043, "5.10", "SCPECG", "Interpretation");
    dw_code(w, 0x0040a168, "164854000", "SCT", "Normal");
    dw_close(w, item, DW_END_ITEM);
    dw_close(w, s, DW_END_SEQUENCE);
    dw_groups(w, &g, 1);
    assert_ok(read_made(w, &rec, &err));
    static const struct { const char *name; double value; const char *unit; } expected[] = { { "pr_interval", 161, "ms" }, { "qt_interval", 368, "ms" }, { "qrs_axis", 52, "deg" },
                                                                                             { "rr_interval", 982, "ms" } };
    assert_int_equal(shn_record_n_measurements(rec), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(shn_record_measurement(rec, i)->name, expected[i].name);
        assert_near(shn_record_measurement(rec, i)->value, expected[i].value, 1e-9);
        assert_string_equal(shn_record_measurement(rec, i)->unit, expected[i].unit);
    }
    assert_int_equal(shn_record_n_statements(rec), 2);
    assert_string_equal(shn_record_statement(rec, 0), "SINUS RHYTHM");
    assert_string_equal(shn_record_statement(rec, 1), "Normal");
    shn_record_free(rec);
}

static void test_character_sets(void **state)
{
    (void)state;
    static const struct { const char *charset, *bytes, *utf8; } cases[] = {
        { "ISO_IR 100", "M\xfcller", "M\xc3\xbcller" },
        { "ISO_IR 192", "\xe5\xbf\x83\xe9\x9b\xbb\xe5\x9b\xb3", "\xe5\xbf\x83\xe9\x9b\xbb\xe5\x9b\xb3" },
        { "\\ISO 2022 IR 87", "\x1b$B?4EE?^\x1b(B ECG", "\xe5\xbf\x83\xe9\x9b\xbb\xe5\x9b\xb3 ECG" },
        { "ISO 2022 IR 13\\ISO 2022 IR 87", "\xbc\xdd\x1b$B?4\x1b(J!", "\xef\xbd\xbc\xef\xbe\x9d\xe5\xbf\x83!" },
        { "ISO_IR 13", "\xbc\xdd", "\xef\xbd\xbc\xef\xbe\x9d" },
        { "ISO_IR 144", "\xbb\xee", "\xd0\x9b\xd1\x8e" },
        { "\\ISO 2022 IR 149", "\x1b$)C\xb1\xe8", "\xea\xb9\x80" },
        { "GB18030", "\xd0\xc4", "\xe5\xbf\x83" },
        { "\\ISO 2022 IR 159", "\x1b$(D\x30\x21\x1b(B", "\xe4\xb8\x82" },
        { NULL, "M\xfcller", "M\xef\xbf\xbdller" },
        { NULL, "M\xc3\xbcller", "M\xc3\xbcller" },
        { "ISO_IR 192", "a\xff", "a\xef\xbf\xbd" },
        { "\\ISO 2022 IR 87", "\x1b$B?", "?" },
        { "\\ISO 2022 IR 87", "a\x1b", "a" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char        out[64];
        dcm_charset c;
        const dcm_element e = { .value = (const uint8_t *)cases[i].charset, .n = cases[i].charset ? strlen(cases[i].charset) : 0 };
        dcm_charset_of(&e, &c);
        dcm_decode(&c, (const uint8_t *)cases[i].bytes, strlen(cases[i].bytes), out, sizeof out);
        if (strcmp(out, cases[i].utf8) != 0) fail_msg("case %zu: '%s', expected '%s'", i, out, cases[i].utf8);
    }
    char        small[8];
    dcm_charset c = { .n = 0 };                 /* cut at a whole character */
    dcm_decode(&c, (const uint8_t *)"\xe5\xbf\x83\xe9\x9b\xbb\xe5\x9b\xb3", 9, small, sizeof small);
    assert_string_equal(small, "\xe5\xbf\x83\xe9\x9b\xbb");
}

static void test_ages_and_times(void **state)
{
    (void)state;
    static const struct { const char *birth, *age; double years; } ages[] = { { "19710123", NULL, 42 }, { "19710126", NULL, 41 }, { NULL, "018M", 1.5 }, { NULL, "010D", 10 / 365.25 },
                                                                              { NULL, "091Y", 91 }, { NULL, "xx", NAN }, { "19710000", NULL, NAN }, { NULL, NULL, NAN } };
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
        shn_error      err = { 0 };
        shn_record    *rec;
        const dw_group g = plain();
        dw            *w = fresh(0, 0, 0);
        dw_people(w, NULL, ages[i].birth, ages[i].age);
        dw_groups(w, &g, 1);
        assert_ok(read_made(w, &rec, &err));
        const double got = shn_record_meta_of(rec)->age_years;
        if (isnan(ages[i].years)) assert_true(isnan(got));
        else assert_near(got, ages[i].years, 1e-9);
        shn_record_free(rec);
    }
    static const struct { uint32_t tag[2]; const char *date, *time, *out; } times[] = {
        { { 0x00080022, 0x00080032 }, "20200229", "235959.000", "2020-02-29T23:59:59" }, { { 0x00080023, 0x00080033 }, "20200229", "0715", "2020-02-29T07:15:00" },
        { { 0x00080020, 0x00080030 }, "20200229", "", "2020-02-29" }, { { 0x00080020, 0x00080030 }, "2020", "", "" },
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        shn_error      err = { 0 };
        shn_record    *rec;
        const dw_group g = plain();
        dw            *w = fresh(0, 0, 0);
        dw_text(w, times[i].tag[0], "DA", times[i].date);
        dw_text(w, times[i].tag[1], "TM", times[i].time);
        dw_groups(w, &g, 1);
        assert_ok(read_made(w, &rec, &err));
        assert_string_equal(shn_record_meta_of(rec)->acquired, times[i].out);
        shn_record_free(rec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_coding),
        cmocka_unit_test(test_syntax_that_is_not_true),
        cmocka_unit_test(test_refused_syntaxes),
        cmocka_unit_test(test_unknown_sequence),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_changes_follow),
        cmocka_unit_test(test_widths_and_signs),
        cmocka_unit_test(test_twelve_bits_stored),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_lead_names),
        cmocka_unit_test(test_nul_padded_codes),
        cmocka_unit_test(test_choice_of_group),
        cmocka_unit_test(test_groups_joined),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_character_sets),
        cmocka_unit_test(test_ages_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
