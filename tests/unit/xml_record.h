/** Shared by the tests of XML formats: reading made documents and real files through a reader's row, goldens, rewriting. */
#ifndef SHN_TESTS_XML_RECORD_H
#define SHN_TESTS_XML_RECORD_H

#include <math.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/reader.h"
#include "shinden/deidentify.h"
#include "xml_made.h"

static shn_error err;
static shn_format_options options = { .verify_checksums = 1 };

static shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *e)
{
    (void)context, (void)bytes, (void)n;
    return shn_fail(e, SHN_IO, SHN_REASON_NOT_FOUND, "test", "%s", name);
}
static void no_close(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }
static const shn_source no_source = { NULL, no_companion, no_close };

static inline shn_input input_of(const char *text, size_t n)
{
    return (shn_input){ .bytes = (const uint8_t *)text, .n_bytes = n, .name = "made.xml", .source = &no_source, .options = &options };
}

/** Reads from a copy of exact size, so that sanitizers see an overrun. */
static inline shn_status read_text(const shn_reader *reader, const char *text, size_t n, shn_record **rec)
{
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    const shn_input  in = input_of(exact, n);
    const shn_status st = reader->read(&in, rec, &err);
    free(exact);
    return st;
}

static inline void text_refused(const shn_reader *reader, const char *text, size_t n, shn_status status, shn_reason reason, const char *words)
{
    shn_record *rec = (shn_record *)1;
    assert_status(read_text(reader, text, n, &rec), status);
    if (err.reason != reason || !strstr(err.text, words)) fail_msg("%s: '%s'; expected %s and '%s'", shn_reason_name(err.reason), err.text, shn_reason_name(reason), words);
    assert_null(rec);
}

static inline int noted(const shn_record *rec, shn_reason reason, const char *words)
{
    for (size_t i = 0; i < shn_record_n_notes(rec); i++)
        if (shn_record_note(rec, i)->reason == reason && strstr(shn_record_note(rec, i)->text, words)) return 1;
    return 0;
}

static inline void measured(const shn_record *rec, const char *name, double value, const char *unit)
{
    for (size_t i = 0; i < shn_record_n_measurements(rec); i++) {
        const shn_measurement *m = shn_record_measurement(rec, i);
        if (strcmp(m->name, name) != 0) continue;
        assert_near(m->value, value, 1e-9);
        assert_string_equal(m->unit, unit);
        return;
    }
    fail_msg("no measurement '%s'", name);
}

/** Parts equal the whole: three of them, the last one short, one of a single sample, one behind the end. */
static inline void parts_equal_whole(const shn_reader *reader, const char *text, size_t n, const shn_record *whole)
{
    const shn_format_options saved = options;
    const size_t             total = shn_record_n_samples(whole), starts[] = { 0, total / 3, total - 1 };
    shn_record              *part;
    for (size_t s = 0; s < 3; s++) {
        options.first_sample = starts[s];
        options.max_samples = total / 2;
        assert_ok(read_text(reader, text, n, &part));
        assert_int_equal(shn_record_meta_of(part)->first_sample, starts[s]);
        assert_int_equal(shn_record_meta_of(part)->total_samples, total);
        for (size_t l = 0; l < shn_record_n_leads(whole); l++)
            assert_memory_equal(shn_record_lead(part, l), shn_record_lead(whole, l) + starts[s], shn_record_n_samples(part) * sizeof(float));
        shn_record_free(part);
    }
    options.first_sample = total;
    text_refused(reader, text, n, SHN_RANGE, SHN_REASON_TRUNCATED, "");
    options = saved;
}

static inline char *read_whole(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot be opened", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*n + 1);
    assert_int_equal(fread(text, 1, *n, f), *n);
    text[*n] = '\0';
    fclose(f);
    return text;
}

/**
 * A golden file: lines "file lead n sum sumsq index:mV ..."; the record's leads, in order, must fit. tolerance in mV is of float.
 * A file whose lead number is "-" is refused with that reason word.
 */
static inline size_t fits_golden(const shn_reader *reader, const char *golden, const char *folder)
{
    char        line[4096], file[256], lead[32], path[4608], open_file[256] = "";
    shn_record *rec = NULL;
    size_t      n_lines = 0, at = 0;
    snprintf(path, sizeof path, "%s/golden/%s", SHN_TESTS_DIR, golden);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        double sum, squares, got = 0, got_squares = 0;
        size_t n;
        int    used;
        if (*line == '#' || sscanf(line, "%255s %31s %zu %lf %lf%n", file, lead, &n, &sum, &squares, &used) < 5) continue;
        if (strcmp(file, open_file) != 0) {
            size_t size;
            shn_record_free(rec);
            snprintf(path, sizeof path, "%s/%s/%s", test_data(), folder, file);
            char *text = read_whole(path, &size);
            assert_true(reader->recognises((const uint8_t *)text, size));
            assert_ok(read_text(reader, text, size, &rec));
            parts_equal_whole(reader, text, size, rec);
            free(text);
            snprintf(open_file, sizeof open_file, "%s", file);
            at = 0;
        }
        assert_true(at < shn_record_n_leads(rec));
        assert_string_equal(shn_record_name(rec, at), lead);
        assert_int_equal(shn_record_n_samples(rec), n);
        assert_int_equal(shn_record_unit(rec, at), SHN_UNIT_DECLARED);
        const float *v = shn_record_lead(rec, at++);
        for (size_t t = 0; t < n; t++) {
            got += v[t];
            got_squares += (double)v[t] * v[t];
        }
        if (fabs(got - sum) > 1e-3 || fabs(got_squares - squares) > 1e-3) fail_msg("%s %s: sum %g, of squares %g; expected %g, %g", file, lead, got, got_squares, sum, squares);
        for (const char *p = line + used; *p && *p != '\n';) {
            size_t t;
            double mv;
            int    step;
            if (sscanf(p, " %zu:%lf%n", &t, &mv, &step) < 2) break;
            if (fabs((double)v[t] - mv) > 2e-6) fail_msg("%s %s sample %zu: %.7g, expected %.7g", file, lead, t, (double)v[t], mv);
            p += step;
        }
        n_lines++;
    }
    fclose(f);
    shn_record_free(rec);
    return n_lines;
}

/** The rewritten document, NUL at its end; the same samples as before. Free both. */
static inline char *rewritten(const shn_reader *reader, const char *text, size_t n, shn_record **after)
{
    static const char key[] = "a key for tests only";
    shn_deid  *deid;
    shn_bytes  out = { 0 };
    shn_record *before;
    shn_input  in = input_of(text, n);
    assert_ok(shn_deid_new(key, sizeof key, &deid, &err));
    assert_ok(reader->read(&in, &before, &err));
    assert_ok(reader->deidentify(&in, deid, &out, &err));
    shn_deid_free(deid);
    assert_ok(read_text(reader, (char *)out.bytes, out.n, after));
    assert_int_equal(shn_record_n_leads(*after), shn_record_n_leads(before));
    assert_int_equal(shn_record_n_samples(*after), shn_record_n_samples(before));
    for (size_t l = 0; l < shn_record_n_leads(before); l++) {
        assert_memory_equal(shn_record_lead(*after, l), shn_record_lead(before, l), shn_record_n_samples(before) * sizeof(float));
        assert_string_equal(shn_record_name(*after, l), shn_record_name(before, l));
    }
    assert_near(shn_record_fs_hz(*after), shn_record_fs_hz(before), 0);
    shn_record_free(before);
    assert_ok(shn_bytes_add(&out, "", 1, &err));
    return (char *)out.bytes;
}

/** Each allocation fails once; nothing leaks and the status says so. Returns how many there were. */
static inline long every_allocation_fails(const shn_reader *reader, const char *text, size_t n)
{
    static const char key[] = "a key for tests only";
    long              k = 1;
    for (;; k++) {
        shn_record *rec;
        const shn_input in = input_of(text, n);
        shn_alloc_fail_after(k);
        const shn_status st = reader->read(&in, &rec, &err);
        shn_alloc_fail_after(0);
        shn_record_free(rec);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
    for (long j = 1;; j++) {
        shn_deid       *deid;
        shn_bytes       out = { 0 };
        const shn_input in = input_of(text, n);
        assert_ok(shn_deid_new(key, sizeof key, &deid, &err));
        shn_alloc_fail_after(j);
        const shn_status st = reader->deidentify(&in, deid, &out, &err);
        shn_alloc_fail_after(0);
        shn_deid_free(deid);
        if (st != SHN_OK) assert_int_equal(out.n, 0);
        shn_bytes_free(&out);
        if (st == SHN_OK) return k;
        assert_int_equal(st, SHN_NOMEM);
    }
}

#endif
