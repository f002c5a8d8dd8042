/** What the tests of DICOM waveforms share: reading made bytes, a plain object of two channels, and what it must read as. */
#ifndef SHN_TESTS_DICOM_MADE_H
#define SHN_TESTS_DICOM_MADE_H

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "dicom_writer.h"
#include "formats/dicom/dicom.h"
#include "harness.h"
#include "shinden/signal.h"

static const shn_format_options defaults = { .verify_checksums = 1 };
static const char *const IMPLICIT = "1.2.840.10008.1.2", *const EXPLICIT = "1.2.840.10008.1.2.1", *const BIG = "1.2.840.10008.1.2.2";

static inline shn_input input_of(const uint8_t *bytes, size_t n, const shn_format_options *o)
{
    return (shn_input){ .bytes = bytes, .n_bytes = n, .name = "made.dcm", .options = o };
}

static inline shn_status read_part(const dw *w, size_t first, size_t n, shn_record **rec, shn_error *err)
{
    uint8_t *exact = malloc(w->n ? w->n : 1);           /* exact size, so that sanitizers see an overrun */
    assert_non_null(exact);
    memcpy(exact, w->b, w->n);
    shn_format_options o = defaults;
    o.first_sample = first;
    o.max_samples = n;
    const shn_input  in = input_of(exact, w->n, &o);
    const shn_status st = shn_reader_dicom.read(&in, rec, err);
    free(exact);
    return st;
}

static inline shn_status read_made(const dw *w, shn_record **rec, shn_error *err) { return read_part(w, 0, 0, rec, err); }

static inline void assert_refused(const dw *w, shn_status status, shn_reason reason, const char *words)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    assert_status(read_made(w, &rec, &err), status);
    if (err.reason != reason || !strstr(err.text, words)) fail_msg("%s: %s", shn_reason_name(err.reason), err.text);
    assert_null(rec);
}

static inline int noted(const shn_record *rec, const char *words)
{
    for (size_t i = 0; i < shn_record_n_notes(rec); i++)
        if (strstr(shn_record_note(rec, i)->text, words)) return 1;
    return 0;
}

static inline dw *fresh(int implicit, int big, int undefined)
{
    static dw w;
    w.implicit = implicit;
    w.big = big;
    w.undefined = undefined;
    dw_begin(&w, 1, implicit ? IMPLICIT : big ? BIG : EXPLICIT);
    return &w;
}

static const dw_channel two[2] = { { .code = "5.6.3-9-1", .meaning = "Lead I (Einthoven)", .sensitivity = "2.5", .unit = "uV", .correction = "1", .baseline = "0" },
                                   { .code = "5.6.3-9-3", .meaning = "Lead V1", .sensitivity = "0.005", .unit = "mV", .correction = "2", .baseline = "1.5" } };
static const int ramp[] = { 1, -1, 2, -2, 300, -300, -32000, 32000, 5, 6 };

static inline dw_group plain(void)
{
    return (dw_group){ .originality = "ORIGINAL", .label = "RHYTHM", .bits = 16, .channels = two, .n_channels = 2, .n_samples = 5, .samples = ramp };
}

static inline void assert_plain(shn_record *rec)
{
    assert_int_equal(shn_record_n_leads(rec), 2);
    assert_int_equal(shn_record_n_samples(rec), 5);
    assert_near(shn_record_fs_hz(rec), 500, 0);
    assert_string_equal(shn_record_name(rec, 0), "I");
    assert_string_equal(shn_record_name(rec, 1), "V1");
    for (int t = 0; t < 5; t++) {
        assert_near(shn_record_lead(rec, 0)[t], ramp[2 * t] * 0.0025, 1e-6 + fabs(ramp[2 * t] * 3e-10));
        assert_near(shn_record_lead(rec, 1)[t], ramp[2 * t + 1] * 0.01 + 1.5, 2e-5);
    }
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
    assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 400, 1e-9);
    assert_near(shn_record_calibration(rec, 1).baseline_adu, -150, 1e-9);
}

#endif
