/** Records in memory: one block of samples, lead-major, with what is known about each lead beside it. */
#include "shinden/record.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"

enum { NAME_SIZE = 32 };

typedef struct lead { char name[NAME_SIZE]; shn_unit_origin unit; shn_lead_cal calibration; } lead;
/** A growing list of owned strings. */
typedef struct words { char **text; size_t n, capacity; } words;

struct shn_record {
    size_t          n_leads, n_samples;
    double          fs_hz;
    float          *samples;            /* [n_leads][n_samples] mV */
    lead           *leads;              /* [n_leads] */
    shn_record_meta meta;
    words           labels, statements;
    shn_measurement *measurements;
    size_t          n_measurements, measurements_capacity;
    shn_note        notes[SHN_NOTES_MAX];
    size_t          n_notes;
};

shn_status shn_record_new(size_t n_leads, size_t n_samples, double fs_hz, shn_record **out, shn_error *err)
{
    size_t total;
    *out = NULL;
    if (n_leads == 0 || n_leads > SHN_LEADS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "record", "%zu leads, needs 1 to %d", n_leads, SHN_LEADS_MAX);
    if (n_samples == 0 || __builtin_mul_overflow(n_leads, n_samples, &total) || total > SHN_SAMPLES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "record", "%zu leads of %zu samples, needs 1 to %zu samples in all", n_leads,
                        n_samples, SHN_SAMPLES_MAX);
    if (!(isfinite(fs_hz) && fs_hz > 0 && fs_hz <= 1e6))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "record", "sampling frequency %g Hz, needs more than 0 and at most 1e6", fs_hz);
    shn_record *rec = shn_alloc(1, sizeof *rec);
    if (!rec) return shn_fail_nomem(err, "record");
    rec->n_leads = n_leads;
    rec->n_samples = n_samples;
    rec->fs_hz = fs_hz;
    rec->meta.age_years = NAN;
    rec->samples = shn_alloc_aligned(total, sizeof *rec->samples);
    rec->leads = shn_alloc(n_leads, sizeof *rec->leads);
    if (!rec->samples || !rec->leads) {
        shn_record_free(rec);
        return shn_fail_nomem(err, "record");
    }
    *out = rec;
    return SHN_OK;
}

static void words_free(words *w)
{
    for (size_t i = 0; i < w->n; i++) free(w->text[i]);
    free(w->text);
}

static shn_status words_add(words *w, const char *text, shn_error *err)
{
    if (shn_grow(&w->text, &w->capacity, w->n + 1, sizeof *w->text) != 0) return shn_fail_nomem(err, "record");
    char *copy = shn_strdup(text);
    if (!copy) return shn_fail_nomem(err, "record");
    w->text[w->n++] = copy;
    return SHN_OK;
}

void shn_record_free(shn_record *rec)
{
    if (!rec) return;
    words_free(&rec->labels);
    words_free(&rec->statements);
    free(rec->measurements);
    free(rec->samples);
    free(rec->leads);
    free(rec);
}

/** All that is beside the samples. */
static shn_status copy_remarks(const shn_record *from, shn_record *to, shn_error *err)
{
    shn_status st = SHN_OK;
    memcpy(to->leads, from->leads, from->n_leads * sizeof *from->leads);
    to->meta = from->meta;
    memcpy(to->notes, from->notes, sizeof from->notes);
    to->n_notes = from->n_notes;
    for (size_t i = 0; st == SHN_OK && i < from->labels.n; i++) st = words_add(&to->labels, from->labels.text[i], err);
    for (size_t i = 0; st == SHN_OK && i < from->statements.n; i++) st = words_add(&to->statements, from->statements.text[i], err);
    for (size_t i = 0; st == SHN_OK && i < from->n_measurements; i++)
        st = shn_record_add_measurement(to, from->measurements[i].name, from->measurements[i].value, from->measurements[i].unit, err);
    return st;
}

shn_status shn_record_part(const shn_record *rec, size_t first, size_t n, shn_record **out, shn_error *err)
{
    *out = NULL;
    if (first >= rec->n_samples || n == 0 || n > rec->n_samples - first)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "record.part", "samples %zu to %zu of %zu", first, first + n, rec->n_samples);
    shn_record *part;
    shn_status  st = shn_record_new(rec->n_leads, n, rec->fs_hz, &part, err);
    if (st != SHN_OK) return st;
    for (size_t i = 0; i < rec->n_leads; i++) memcpy(part->samples + i * n, rec->samples + i * rec->n_samples + first, n * sizeof *part->samples);
    st = copy_remarks(rec, part, err);
    if (st == SHN_OK) *out = part;
    else shn_record_free(part);
    return st;
}

size_t shn_record_n_leads(const shn_record *rec) { return rec->n_leads; }
size_t shn_record_n_samples(const shn_record *rec) { return rec->n_samples; }
double shn_record_fs_hz(const shn_record *rec) { return rec->fs_hz; }

const float *shn_record_lead(const shn_record *rec, size_t lead_) { return rec->samples + lead_ * rec->n_samples; }
float       *shn_record_lead_mut(shn_record *rec, size_t lead_) { return rec->samples + lead_ * rec->n_samples; }

const char *shn_record_name(const shn_record *rec, size_t lead_) { return rec->leads[lead_].name; }

void shn_record_set_name(shn_record *rec, size_t lead_, const char *name)
{
    snprintf(rec->leads[lead_].name, NAME_SIZE, "%s", name);
}

shn_unit_origin shn_record_unit(const shn_record *rec, size_t lead_) { return rec->leads[lead_].unit; }
void            shn_record_set_unit(shn_record *rec, size_t lead_, shn_unit_origin origin) { rec->leads[lead_].unit = origin; }

int shn_record_find(const shn_record *rec, const char *canonical_name)
{
    const int wanted = shn_lead_index(canonical_name);
    for (size_t i = 0; wanted >= 0 && i < rec->n_leads; i++)
        if (shn_lead_index(rec->leads[i].name) == wanted) return (int)i;
    return -1;
}

const shn_record_meta *shn_record_meta_of(const shn_record *rec) { return &rec->meta; }
shn_record_meta       *shn_record_meta_mut(shn_record *rec) { return &rec->meta; }

size_t      shn_record_n_labels(const shn_record *rec) { return rec->labels.n; }
const char *shn_record_label(const shn_record *rec, size_t i) { return rec->labels.text[i]; }
shn_status  shn_record_add_label(shn_record *rec, const char *label, shn_error *err) { return words_add(&rec->labels, label, err); }

size_t      shn_record_n_statements(const shn_record *rec) { return rec->statements.n; }
const char *shn_record_statement(const shn_record *rec, size_t i) { return rec->statements.text[i]; }
shn_status  shn_record_add_statement(shn_record *rec, const char *text, shn_error *err) { return words_add(&rec->statements, text, err); }

shn_lead_cal shn_record_calibration(const shn_record *rec, size_t lead_) { return rec->leads[lead_].calibration; }
void            shn_record_set_calibration(shn_record *rec, size_t lead_, shn_lead_cal c) { rec->leads[lead_].calibration = c; }

size_t                 shn_record_n_measurements(const shn_record *rec) { return rec->n_measurements; }
const shn_measurement *shn_record_measurement(const shn_record *rec, size_t i) { return &rec->measurements[i]; }

shn_status shn_record_add_measurement(shn_record *rec, const char *name, double value, const char *unit, shn_error *err)
{
    if (!isfinite(value)) return SHN_OK;
    if (shn_grow(&rec->measurements, &rec->measurements_capacity, rec->n_measurements + 1, sizeof *rec->measurements) != 0)
        return shn_fail_nomem(err, "record");
    shn_measurement *m = &rec->measurements[rec->n_measurements++];
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->unit, sizeof m->unit, "%s", unit);
    m->value = value;
    return SHN_OK;
}

size_t          shn_record_n_notes(const shn_record *rec) { return rec->n_notes; }
const shn_note *shn_record_note(const shn_record *rec, size_t i) { return &rec->notes[i]; }

void shn_record_add_note(shn_record *rec, shn_reason reason, const char *fmt, ...)
{
    va_list args;
    if (rec->n_notes == SHN_NOTES_MAX) {
        snprintf(rec->notes[SHN_NOTES_MAX - 1].text, sizeof rec->notes[0].text, "more remarks than can be kept");
        return;
    }
    shn_note *note = &rec->notes[rec->n_notes++];
    note->reason = reason;
    va_start(args, fmt);
    vsnprintf(note->text, sizeof note->text, fmt, args);
    va_end(args);
}

int shn_record_has_note(const shn_record *rec, shn_reason reason)
{
    for (size_t i = 0; i < rec->n_notes; i++)
        if (rec->notes[i].reason == reason) return 1;
    return 0;
}
