/** What a file says beside its samples: the patient, the time, the recorder, events and values; and what gives reason to doubt. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "formats/mfer/mfer.h"
#include "shinden/signal.h"

int mfer_date(const mfer_field *field, size_t at, shn_day *out)
{
    if (field->n < at + 4) return 0;
    *out = (shn_day){ (int)mfer_uint(field->bytes + at, 2, field->big), field->bytes[at + 2], field->bytes[at + 3] };
    return shn_day_valid(out);
}

void mfer_time_text(const mfer_field *t, char out[32])
{
    shn_day day;
    *out = '\0';
    if (!mfer_date(t, 0, &day)) return;
    int n = snprintf(out, 32, "%04d-%02d-%02d", day.year, day.month, day.day);
    if (t->n < 6 || t->bytes[4] > 23 || t->bytes[5] > 59) return;
    const int second = t->n > 6 && t->bytes[6] < 60 ? t->bytes[6] : 0;
    n += snprintf(out + n, 32 - (size_t)n, "T%02d:%02d:%02d", t->bytes[4], t->bytes[5], second);
    const unsigned ms = t->n >= 9 ? (unsigned)mfer_uint(t->bytes + 7, 2, t->big) : 0;
    if (ms > 0 && ms < 1000) snprintf(out + n, 32 - (size_t)n, ".%03u", ms);
}

double mfer_age_years(const mfer_field *age, const mfer_field *time)
{
    const unsigned years = age->n >= 1 ? age->bytes[0] : 0, days = age->n >= 3 ? (unsigned)mfer_uint(age->bytes + 1, 2, age->big) : 0;
    shn_day birth, day;
    if (years && years <= 150) return years;
    if (!years && days) return floor(days / 365.25 * 100) / 100;
    return mfer_date(age, 3, &birth) && mfer_date(time, 0, &day) ? shn_day_age(&birth, &day) : NAN;
}

static int field_text(const mfer_field *f, char *out, size_t size) { return mfer_text(f->bytes, f->n, f->charset ? f->charset : "", out, size); }

/** The `which`-th part between '^', in place; "" where there is none. */
static char *part(char *text, int which)
{
    for (; which > 0; which--) {
        text += strcspn(text, "^");
        if (!*text) return text;
        text++;
    }
    return text;
}

/** Maker, model and version; the serial number, which comes fourth, names one machine and is left out. */
static void set_device(const mfer_file *f, shn_record_meta *meta)
{
    char   text[MFER_TEXT_MAX];
    size_t n = 0;
    field_text(&f->maker, text, sizeof text);
    for (int i = 0; i < 3; i++) {
        const char *p = part(text, i);
        const int   length = (int)strcspn(p, "^");
        if (length && n < sizeof meta->device) n += (size_t)snprintf(meta->device + n, sizeof meta->device - n, "%s%.*s", n ? " " : "", length, p);
    }
}

int mfer_patient_id(const mfer_file *f, char *out, size_t size)
{
    char text[MFER_TEXT_MAX];
    const int doubted = field_text(&f->patient, text, sizeof text);
    *out = '\0';
    for (int i = 0; i < 3 && !*out; i++) {
        const char *p = part(text, i);
        snprintf(out, size, "%.*s", (int)strcspn(p, "^"), p);
    }
    return doubted;
}

/** "120^mmHg" as a measurement; text that begins with no number is not one. */
static shn_status add_value(const mfer_remark *r, shn_record *rec, int *doubted, shn_error *err)
{
    char text[64], name[32], *end;
    *doubted |= mfer_text(r->text, r->n, r->charset, text, sizeof text);
    const double value = strtod(text, &end);
    if (end == text || r->code < 0) return SHN_OK;
    while (*end == ' ' || *end == '^') end++;
    snprintf(name, sizeof name, "value_%d", r->code);
    end[strcspn(end, "^")] = '\0';
    return shn_record_add_measurement(rec, name, value, end, err);
}

static shn_status add_remark(const mfer_remark *r, shn_record *rec, int *doubted, shn_error *err)
{
    char text[MFER_TEXT_MAX], line[MFER_TEXT_MAX + 96];
    if (r->tag == MFER_VAL) return add_value(r, rec, doubted, err);
    *doubted |= mfer_text(r->text, r->n, r->charset, text, sizeof text);
    if (r->tag == MFER_NTE) {
        if (!*text) return SHN_OK;
        return shn_record_add_statement(rec, text, err);
    }
    int n = *text ? snprintf(line, sizeof line, "%s", text) : snprintf(line, sizeof line, "event %d", r->code);
    if (*text && r->code >= 0) n += snprintf(line + n, sizeof line - (size_t)n, " (event %d", r->code);
    if (r->start > 0) n += snprintf(line + n, sizeof line - (size_t)n, " at sample %lld", (long long)r->start);
    if (r->duration > 0) n += snprintf(line + n, sizeof line - (size_t)n, " for %lld", (long long)r->duration);
    if (*text && r->code >= 0) snprintf(line + n, sizeof line - (size_t)n, ")");
    return shn_record_add_statement(rec, line, err);
}

/** What a preamble promises: the number before "lead" in it; 0 if none. */
static size_t promised_leads(const char *preamble)
{
    const char *p = strcasestr(preamble, "lead");
    while (p && p > preamble && p[-1] == ' ') p--;
    size_t n = 0, unit = 1;
    for (; p && p > preamble && p[-1] >= '0' && p[-1] <= '9' && unit < 1000; p--, unit *= 10) n += (size_t)(p[-1] - '0') * unit;
    return n;
}

static void note_frames(const mfer_file *f, shn_record *rec)
{
    if (f->n_unfinished)
        shn_record_add_note(rec, SHN_REASON_TRUNCATED, "%zu frames hold fewer sequences than they announce; those that are there were read", f->n_unfinished);
    if (f->n_surplus) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu frames hold more bytes than their sequences need; the rest was left out", f->n_surplus);
    if (f->n_others)
        shn_record_add_note(rec, SHN_REASON_UNSUPPORTED, "%zu of %zu frames have other channels, rates or scales than the first and were left out", f->n_others, f->n_waves);
    if (f->n_overlaps) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu frames begin before the last one ended (PNT); they were joined end to end", f->n_overlaps);
    if (f->n_gap_samples) shn_record_add_note(rec, SHN_REASON_GAPS, "positions (PNT) leave %zu samples between frames; they are gaps", f->n_gap_samples);
    if (f->n_layout != f->n_leads)
        shn_record_add_note(rec, SHN_REASON_FS_MISMATCH, "%zu of %zu channels have another rate or block length than %g Hz and were left out", f->n_layout - f->n_leads,
                            f->n_layout, f->fs_hz);
    if (f->n_other_channels) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "attributes of %zu channels that the file does not have", f->n_other_channels);
}

static void note_channels(const mfer_file *f, shn_record *rec)
{
    int rates = 0, offsets = 0;
    for (size_t i = 0; i < f->n_layout; i++) {
        const mfer_channel *ch = &f->channels[i];
        rates |= !(ch->a.has >> MFER_IVL & 1);
        offsets |= ch->offset != 0;
        const char *name = mfer_lead_name(ch->a.lead);
        if (name && *ch->a.lead_text && shn_lead_index(name) >= 0 && shn_lead_index(ch->a.lead_text) >= 0 && shn_lead_index(name) != shn_lead_index(ch->a.lead_text))
            shn_record_add_note(rec, SHN_REASON_LEAD_ORDER, "channel %zu has the code of %s and the text '%s'; the code was believed", i + 1, name, ch->a.lead_text);
    }
    if (rates) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "no sampling interval (IVL): the standard's default of 1 ms was taken");
    if (offsets) shn_record_add_note(rec, SHN_REASON_UNIT_SUSPECT, "an offset (OFF) was added to the samples; the standard's words allow to subtract it, too");
}

shn_status mfer_describe(const mfer_file *f, const shn_input *in, shn_record *rec, shn_error *err)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    char             preamble[64];
    int              doubted = field_text(&f->preamble, preamble, sizeof preamble);
    shn_status       st = SHN_OK;
    const char      *dot = in->name ? strrchr(in->name, '.') : NULL;
    if (in->name) snprintf(meta->id, sizeof meta->id, "%.*s", (int)(dot ? dot - in->name : (long)strlen(in->name)), in->name);
    doubted |= mfer_patient_id(f, meta->patient, sizeof meta->patient);
    if (f->sex.n == 1) meta->sex = f->sex.bytes[0] == 1 ? 'M' : f->sex.bytes[0] == 2 ? 'F' : 0;
    set_device(f, meta);
    mfer_time_text(&f->time, meta->acquired);
    meta->age_years = mfer_age_years(&f->age, &f->time);
    snprintf(meta->filters, sizeof meta->filters, "%s", f->filters);
    for (size_t i = 0; i < f->n_remarks && st == SHN_OK; i++) st = add_remark(&f->remarks[i], rec, &doubted, err);
    if (st != SHN_OK) return st;
    note_frames(f, rec);
    note_channels(f, rec);
    const size_t promised = promised_leads(preamble);
    if (promised && promised != f->n_layout)
        shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "the preamble says %zu leads, the file holds %zu channels", promised, f->n_layout);
    if (f->n_patients > 1) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu different patient ids; the last was taken", f->n_patients);
    if (f->n_lost) shn_record_add_note(rec, SHN_REASON_LIMIT, "%zu events and comments after the first %d were left out", f->n_lost, MFER_REMARKS_MAX);
    if (doubted) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "texts whose character set (TXC) is not said or not right; read as Shift_JIS where that fits");
    return SHN_OK;
}
