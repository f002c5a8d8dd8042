/** For tests of readers: bytes in memory as an input, with companions by name, and what every reader must keep. */
#ifndef SHN_TESTS_READER_INPUT_H
#define SHN_TESTS_READER_INPUT_H

#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/reader.h"
#include "shinden/deidentify.h"
#include "shinden/signal.h"

typedef struct test_companion { const char *name; const void *bytes; size_t n; } test_companion;      /* a list ends with a NULL name */

static inline shn_status test_lend(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    for (const test_companion *c = context; c && c->name; c++)
        if (strcmp(c->name, name) == 0) {
            *bytes = c->bytes;
            *n = c->n;
            return SHN_OK;
        }
    err->status = SHN_IO;
    err->reason = SHN_REASON_NOT_FOUND;
    return SHN_IO;
}
static inline void test_give_back(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

/** Everything that an input borrows. Fill with test_input; the struct may not move. */
typedef struct test_file { shn_source source; shn_format_options options; shn_input in; } test_file;

static inline void test_input(test_file *f, const char *name, const void *bytes, size_t n, const test_companion *companions)
{
    f->source = (shn_source){ (void *)(uintptr_t)companions, test_lend, test_give_back };
    shn_format_defaults(&f->options);
    f->in = (shn_input){ .bytes = bytes, .n_bytes = n, .name = name, .source = &f->source, .options = &f->options };
}

/** Reads text as a file of this format. */
static inline shn_status test_read(const shn_reader *reader, const char *text, shn_record **rec, shn_error *err)
{
    test_file f;
    test_input(&f, "test", text, strlen(text), NULL);
    return reader->read(&f.in, rec, err);
}

/** The file is refused, and the text says why in these words. */
static inline void assert_refused(const shn_reader *reader, const char *text, shn_status status, shn_reason reason, const char *words)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    assert_status(test_read(reader, text, &rec, &err), status);
    assert_null(rec);
    if (err.reason != reason) fail_msg("reason %s: %s", shn_reason_name(err.reason), err.text);
    if (!strstr(err.text, words)) fail_msg("'%s' does not say '%s'", err.text, words);
}

static inline int test_has_measurement(const shn_record *rec, const char *name, double value, const char *unit)
{
    for (size_t i = 0; i < shn_record_n_measurements(rec); i++) {
        const shn_measurement *m = shn_record_measurement(rec, i);
        if (strcmp(m->name, name) == 0 && fabs(m->value - value) < 1e-9 && strcmp(m->unit, unit) == 0) return 1;
    }
    return 0;
}

static inline void test_same_samples(const shn_record *a, const shn_record *b, size_t first)
{
    assert_int_equal(shn_record_n_leads(a), shn_record_n_leads(b));
    for (size_t l = 0; l < shn_record_n_leads(a); l++) {
        assert_string_equal(shn_record_name(a, l), shn_record_name(b, l));
        assert_memory_equal(shn_record_lead(a, l) + first, shn_record_lead(b, l), shn_record_n_samples(b) * sizeof(float));
    }
}

/** Parts equal the whole, a part beyond the end is refused. */
static inline void test_parts(const shn_reader *reader, const char *text)
{
    shn_error   err = { 0 };
    shn_record *whole, *part;
    test_file   f;
    test_input(&f, "test", text, strlen(text), NULL);
    assert_ok(reader->read(&f.in, &whole, &err));
    const size_t n = shn_record_n_samples(whole);
    for (size_t first = 0; first < n; first++)
        for (size_t most = 0; most <= 2; most++) {
            f.options.first_sample = first;
            f.options.max_samples = most;
            assert_ok(reader->read(&f.in, &part, &err));
            assert_int_equal(shn_record_n_samples(part), most && most < n - first ? most : n - first);
            assert_int_equal(shn_record_meta_of(part)->first_sample, first);
            assert_int_equal(shn_record_meta_of(part)->total_samples, n);
            test_same_samples(whole, part, first);
            shn_record_free(part);
        }
    f.options.first_sample = n;
    assert_status(reader->read(&f.in, &part, &err), SHN_RANGE);
    shn_record_free(whole);
}

/** The n-th allocation fails, for every n until none does: an error that says so, nothing kept. */
static inline void test_allocations(const shn_reader *reader, const shn_input *in)
{
    for (long n = 1; n < 3000; n++) {
        shn_error   err = { 0 };
        shn_record *rec = NULL;
        shn_alloc_fail_after(n);
        const shn_status st = reader->read(in, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_non_null(rec);
            shn_record_free(rec);
            assert_true(n > 1);
            return;
        }
        assert_null(rec);
        assert_int_equal(st, SHN_NOMEM);
    }
    fail_msg("never enough memory");
}

/** Rewrites; the caller frees out and deid. Samples are compared. */
static inline void test_rewrite(const shn_reader *reader, const shn_input *in, shn_deid **deid, shn_bytes *out)
{
    shn_error   err = { 0 };
    shn_record *before, *after;
    shn_input   again = *in;
    *out = (shn_bytes){ 0 };
    assert_ok(shn_deid_new("0123456789abcdef", 16, deid, &err));
    assert_ok(reader->deidentify(in, *deid, out, &err));
    assert_ok(shn_bytes_add(out, "", 1, &err));         /* so that strstr may look */
    again.bytes = out->bytes;
    again.n_bytes = --out->n;
    assert_true(reader->recognises(out->bytes, out->n));
    assert_ok(reader->read(in, &before, &err));
    assert_ok(reader->read(&again, &after, &err));
    assert_int_equal(shn_record_n_samples(before), shn_record_n_samples(after));
    test_same_samples(before, after, 0);
    for (size_t l = 0; l < shn_record_n_leads(before); l++) {
        const shn_lead_cal a = shn_record_calibration(before, l), b = shn_record_calibration(after, l);
        assert_true(a.gain_adu_per_mv == b.gain_adu_per_mv && a.baseline_adu == b.baseline_adu && a.bits == b.bits);    /* not the bytes: the struct has padding */
    }
    shn_record_free(before);
    shn_record_free(after);
}

/** A real file's path; the test is skipped where there are none. Static storage for two at a time. */
static inline const char *test_format_file(const char *name)
{
    static char paths[2][8192];
    static int  next;
    char       *path = paths[next++ % 2];
    snprintf(path, sizeof paths[0], "%s/formats/%s", test_data(), name);
    return path;
}

/** What one golden line says, "path fs n name:gaps:sum:sumsq ...", sums in mV. */
static inline void test_golden_line(char *line)
{
    shn_error   err = { 0 };
    shn_record *rec;
    char       *save = NULL;
    const char *name = strtok_r(line, " \n", &save);
    assert_ok(shn_record_read(test_format_file(name), NULL, &rec, &err));
    assert_near(shn_record_fs_hz(rec), strtod(strtok_r(NULL, " \n", &save), NULL), 1e-9);
    assert_int_equal(shn_record_n_samples(rec), strtoul(strtok_r(NULL, " \n", &save), NULL, 10));
    size_t lead = 0;
    for (const char *field; (field = strtok_r(NULL, " \n", &save)) != NULL; lead++) {
        char   lead_name[32];
        size_t gaps, seen = 0;
        double sum, squares, s = 0, q = 0;
        assert_int_equal(sscanf(field, "%31[^:]:%zu:%lf:%lf", lead_name, &gaps, &sum, &squares), 4);
        assert_true(lead < shn_record_n_leads(rec));
        assert_string_equal(shn_record_name(rec, lead), lead_name);
        const float *x = shn_record_lead(rec, lead);
        for (size_t t = 0; t < shn_record_n_samples(rec); t++) {
            if (isnan(x[t])) seen++;
            else s += x[t], q += (double)x[t] * x[t];
        }
        assert_int_equal(seen, gaps);
        assert_near(s, sum, 2e-5 * (1 + fabs(sum)));
        assert_near(q, squares, 2e-5 * (1 + fabs(squares)));
    }
    assert_int_equal(lead, shn_record_n_leads(rec));
    shn_record_free(rec);
}

#endif
