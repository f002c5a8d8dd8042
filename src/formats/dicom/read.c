/**
 * The record of a DICOM waveform object: the rhythm group's channels, joined with those of other groups only where rate, length, time and
 * distinct leads prove that they were recorded together.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "formats/day.h"
#include "formats/dicom/dicom.h"
#include "shinden/signal.h"

typedef struct object {
    dcm_file    file;
    dcm_charset charset;
    dcm_group   groups[DCM_GROUPS_MAX];
    size_t      n_groups, chosen;
    int         joined[DCM_GROUPS_MAX];         /* groups that make the record */
    char        lost[160];                      /* the first group that could not be read, and why */
} object;

/** Item number `index` of the channel definitions; bytes NULL if there are fewer. */
static shn_status next_channel(const dcm_group *g, const dcm_element *definitions, size_t *at, dcm_set *item, shn_error *err)
{
    return dcm_item(&g->item, definitions, at, item, err);
}

/** Bits of the canonical leads that a group's channels name. */
static shn_status leads_of(const object *o, dcm_group *g, unsigned *leads, shn_error *err)
{
    dcm_element definitions;
    dcm_set     item;
    size_t      at = 0;
    *leads = 0;
    g->n_leads = 0;
    shn_status st = dcm_find(&g->item, DCM_CHANNELS, &definitions, err);
    for (size_t i = 0; i < g->n_channels && st == SHN_OK; i++) {
        dcm_channel c;
        st = next_channel(g, &definitions, &at, &item, err);
        if (st == SHN_OK && !item.bytes)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "dicom.group", "multiplex group %zu: %zu channels, %zu of them defined (003A,0200)", g->index + 1, g->n_channels, i);
        if (st == SHN_OK) st = dcm_channel_read(&item, &o->charset, i, g->bits, &c, err);
        if (st == SHN_OK && c.lead >= 0) {
            *leads |= 1u << c.lead;
            g->n_leads++;
        }
    }
    return st;
}

/** 1 if a is a better record than b: leads of an ECG, no averaged beat, as recorded, longer, more channels, earlier in the file. */
static int better(const dcm_group *a, const dcm_group *b)
{
    const double da = (double)a->n_samples / a->fs_hz, db = (double)b->n_samples / b->fs_hz;
    const int    ra = strstr(a->label, "RHYTHM") != NULL, rb = strstr(b->label, "RHYTHM") != NULL;
    if (!a->n_leads != !b->n_leads) return a->n_leads != 0;
    if (a->averaged != b->averaged) return b->averaged;
    if (a->derived != b->derived) return b->derived;
    if (da != db) return da > db;
    if (a->n_leads != b->n_leads) return a->n_leads > b->n_leads;
    return ra > rb;
}

static int together(const dcm_group *a, const dcm_group *b)
{
    return a->fs_hz == b->fs_hz && a->n_samples == b->n_samples && a->offset_ms == b->offset_ms && a->averaged == b->averaged && a->derived == b->derived;
}

/** Takes every group apart. A group that is broken is told of; if none is left, its error stands. */
static shn_status take_groups(object *o, unsigned leads[DCM_GROUPS_MAX], shn_error *err)
{
    dcm_element waveforms;
    dcm_set     item;
    size_t      at = 0;
    shn_error   why = { .status = SHN_OK };
    shn_status  st = dcm_find(&o->file.data, DCM_WAVEFORMS, &waveforms, err);
    for (size_t i = 0; st == SHN_OK; i++) {
        st = dcm_item(&o->file.data, &waveforms, &at, &item, err);
        if (st != SHN_OK || !item.bytes) break;
        if (o->n_groups == DCM_GROUPS_MAX)
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "dicom.waveforms", "more than %d multiplex groups", DCM_GROUPS_MAX);
        shn_error  problem = { .status = SHN_OK };
        shn_status got = dcm_group_read(&item, i, &o->groups[o->n_groups], &problem);
        if (got == SHN_OK) got = leads_of(o, &o->groups[o->n_groups], &leads[o->n_groups], &problem);
        if (got == SHN_OK) o->n_groups++;
        else if (!*o->lost) {
            snprintf(o->lost, sizeof o->lost, "%.150s", problem.text);
            why = problem;
        }
    }
    if (st != SHN_OK || o->n_groups) return st;
    if (why.status != SHN_OK) {
        if (err) *err = why;
        return why.status;
    }
    return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "dicom.waveforms", "no waveform sequence (5400,0100): an image, document or report, not a waveform; name the ECG object");
}

/** A group of averaged beats must not pass for the recording because the recording itself is broken. */
static shn_status check_choice(const object *o, shn_error *err)
{
    if (*o->lost && (o->groups[o->chosen].averaged || o->groups[o->chosen].derived || !o->groups[o->chosen].n_leads))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.waveforms", "only derived waveforms can be read: %s", o->lost);
    return SHN_OK;
}

static shn_status open_object(const shn_input *in, object *o, shn_error *err)
{
    dcm_element e;
    unsigned    leads[DCM_GROUPS_MAX] = { 0 };
    memset(o, 0, sizeof *o);
    shn_status st = dcm_open(in->bytes, in->n_bytes, &o->file, err);
    if (st == SHN_OK) st = dcm_find(&o->file.data, DCM_CHARSET, &e, err);
    if (st != SHN_OK) return st;
    dcm_charset_of(&e, &o->charset);
    st = take_groups(o, leads, err);
    if (st != SHN_OK) return st;
    for (size_t i = 1; i < o->n_groups; i++)
        if (better(&o->groups[i], &o->groups[o->chosen])) o->chosen = i;
    st = check_choice(o, err);
    unsigned have = leads[o->chosen];
    size_t   n_channels = o->groups[o->chosen].n_channels;
    o->joined[o->chosen] = 1;
    for (size_t i = 0; i < o->n_groups; i++) {
        if (i == o->chosen || !leads[i] || !have || (leads[i] & have) || !together(&o->groups[i], &o->groups[o->chosen]) || n_channels + o->groups[i].n_channels > SHN_LEADS_MAX)
            continue;
        o->joined[i] = 1;
        have |= leads[i];
        n_channels += o->groups[i].n_channels;
    }
    return st;
}

/** "20130125105919.123+0100" as ISO 8601, as far as it goes; time from its own field where date has none. 1 if it is a date. */
static int put_time(const char *date, const char *time, char *out, size_t size)
{
    size_t      n = 0;
    char        offset[8] = "";
    const char *zone = strpbrk(date, "+-");
    while (isdigit((unsigned char)date[n])) n++;
    if (n < 8) return 0;
    if (zone && strspn(zone + 1, "0123456789") == 4) snprintf(offset, sizeof offset, "%.3s:%.2s", zone, zone + 3);
    const char *clock = n > 8 ? date + 8 : time;
    const size_t digits = strspn(clock, "0123456789");
    const int    used = snprintf(out, size, "%.4s-%.2s-%.2s", date, date + 4, date + 6);
    if (digits >= 4) {
        char fraction[8] = "";
        if (digits >= 6 && clock[6] == '.' && strspn(clock + 7, "0123456789") && strspn(clock + 7, "0") != strspn(clock + 7, "0123456789"))
            snprintf(fraction, sizeof fraction, ".%.*s", (int)(strspn(clock + 7, "0123456789") > 6 ? 6 : strspn(clock + 7, "0123456789")), clock + 7);
        snprintf(out + used, size - (size_t)used, "T%.2s:%.2s:%.2s%s%s", clock, clock + 2, digits >= 6 ? clock + 4 : "00", fraction, offset);
    }
    return 1;
}

static shn_status get_ascii(const dcm_set *data, uint32_t tag, char *out, size_t size, shn_error *err)
{
    dcm_element e;
    *out = '\0';
    const shn_status st = dcm_find(data, tag, &e, err);
    if (st == SHN_OK && e.value) dcm_ascii(&e, out, size);
    return st;
}

static shn_status get_text(const object *o, uint32_t tag, char *out, size_t size, shn_error *err)
{
    dcm_element e;
    *out = '\0';
    const shn_status st = dcm_find(&o->file.data, tag, &e, err);
    if (st == SHN_OK && e.value) dcm_decode(&o->charset, e.value, e.n, out, size);
    return st;
}

static shn_status take_acquired(const dcm_set *data, shn_record_meta *meta, shn_error *err)
{
    static const uint32_t fields[4][2] = { { DCM_ACQUISITION_DATETIME, 0 }, { DCM_ACQUISITION_DATE, DCM_ACQUISITION_TIME }, { DCM_CONTENT_DATE, DCM_CONTENT_TIME },
                                           { DCM_STUDY_DATE, DCM_STUDY_TIME } };
    shn_status st = SHN_OK;
    for (int i = 0; i < 4 && st == SHN_OK; i++) {
        char date[40], time[40] = "";
        st = get_ascii(data, fields[i][0], date, sizeof date, err);
        if (st == SHN_OK && fields[i][1]) st = get_ascii(data, fields[i][1], time, sizeof time, err);
        if (st == SHN_OK && put_time(date, time, meta->acquired, sizeof meta->acquired)) break;
    }
    return st;
}

/** "042Y", "018M", "03W", "012D". NaN otherwise. */
static double age_of(const char *text)
{
    const size_t n = strspn(text, "0123456789");
    int          value = 0;
    if (n == 0 || n > 3) return NAN;
    for (size_t i = 0; i < n; i++) value = 10 * value + text[i] - '0';
    switch (text[n]) {
    case 'Y': case 'y': case '\0': return value;
    case 'M': case 'm': return value / 12.0;
    case 'W': case 'w': return value * 7 / 365.25;
    case 'D': case 'd': return value / 365.25;
    default: return NAN;
    }
}

static shn_status take_patient(const object *o, shn_record_meta *meta, shn_error *err)
{
    const dcm_set *data = &o->file.data;
    char           sex[16], age[16], birth[16];
    shn_status     st = get_ascii(data, DCM_SOP_INSTANCE, meta->id, sizeof meta->id, err);
    if (st == SHN_OK) st = get_text(o, DCM_PATIENT_ID, meta->patient, sizeof meta->patient, err);
    if (st == SHN_OK) st = get_ascii(data, DCM_SEX, sex, sizeof sex, err);
    if (st == SHN_OK) st = get_ascii(data, DCM_AGE, age, sizeof age, err);
    if (st == SHN_OK) st = get_ascii(data, DCM_BIRTH_DATE, birth, sizeof birth, err);
    if (st != SHN_OK) return st;
    if (*sex == 'M' || *sex == 'm') meta->sex = 'M';
    if (*sex == 'F' || *sex == 'f') meta->sex = 'F';
    meta->age_years = age_of(age);
    if (isnan(meta->age_years)) meta->age_years = shn_day_age_text(birth, meta->acquired);
    return SHN_OK;
}

static shn_status take_device(const object *o, shn_record_meta *meta, shn_error *err)
{
    char       maker[64], model[64];
    shn_status st = get_text(o, DCM_MANUFACTURER, maker, sizeof maker, err);
    if (st == SHN_OK) st = get_text(o, DCM_MODEL, model, sizeof model, err);
    if (st == SHN_OK) snprintf(meta->device, sizeof meta->device, "%.63s%s%.30s", maker, *maker && *model ? " " : "", model);
    return st;
}

static void put_filters(const dcm_channel *c, int differ, char *out, size_t size)
{
    size_t n = 0;
    *out = '\0';
    if (c->low > 0 && c->high > 0) n = (size_t)snprintf(out, size, "%g-%g Hz", c->low, c->high);
    else if (c->high > 0) n = (size_t)snprintf(out, size, "up to %g Hz", c->high);
    else if (c->low > 0) n = (size_t)snprintf(out, size, "from %g Hz", c->low);
    if (c->notch > 0) n += (size_t)snprintf(out + n, size - n, "%snotch %g Hz", n ? ", " : "", c->notch);
    if (n && differ) snprintf(out + n, size - n, " (first channel; others differ)");
}

static int same_filters(const dcm_channel *a, const dcm_channel *b)
{
    return (a->low == b->low || (isnan(a->low) && isnan(b->low))) && (a->high == b->high || (isnan(a->high) && isnan(b->high))) &&
           (a->notch == b->notch || (isnan(a->notch) && isnan(b->notch)));
}

/** Channels of one group into the record from lead `*lead` on. */
static shn_status take_channels(const object *o, const dcm_group *g, size_t first, size_t n, size_t *lead, shn_record *rec, shn_error *err)
{
    dcm_element definitions;
    dcm_set     item;
    dcm_channel c, head = { .name = "" };
    size_t      at = 0, n_gaps, all_gaps = 0;
    int         differ = 0;
    shn_status  st = dcm_find(&g->item, DCM_CHANNELS, &definitions, err);
    for (size_t i = 0; i < g->n_channels && st == SHN_OK; i++, ++*lead) {
        st = next_channel(g, &definitions, &at, &item, err);
        if (st == SHN_OK) st = dcm_channel_read(&item, &o->charset, i, g->bits, &c, err);
        if (st == SHN_OK) st = dcm_group_decode(g, i, &c, first, n, shn_record_lead_mut(rec, *lead), &n_gaps, err);
        if (st != SHN_OK) break;
        all_gaps += n_gaps;
        shn_record_set_name(rec, *lead, c.name);
        shn_record_set_unit(rec, *lead, c.unit);
        shn_record_set_calibration(rec, *lead, (shn_lead_cal){ 1 / c.scale, -c.offset / c.scale, c.bits_stored });
        if (*c.remark) shn_record_add_note(rec, c.reason, "%s", c.remark);
        if (i == 0) head = c;
        else differ |= !same_filters(&head, &c);
    }
    if (st == SHN_OK && g->zero_padding) shn_record_add_note(rec, SHN_REASON_GAPS, "the padding value is 0, which is an ordinary sample: zeros are read as samples, not as gaps");
    if (st == SHN_OK && all_gaps) shn_record_add_note(rec, SHN_REASON_GAPS, "%zu samples are gaps (the padding value)", all_gaps);
    if (st == SHN_OK && !*shn_record_meta_of(rec)->filters) put_filters(&head, differ, shn_record_meta_mut(rec)->filters, sizeof shn_record_meta_of(rec)->filters);
    return st;
}

static const char *class_name(const char *uid)
{
    static const struct { const char *uid, *name; } classes[] = { { "1.2.840.10008.5.1.4.1.1.9.1.1", "12-lead ECG" }, { "1.2.840.10008.5.1.4.1.1.9.1.2", "general ECG" },
        { "1.2.840.10008.5.1.4.1.1.9.1.3", "ambulatory ECG" }, { "1.2.840.10008.5.1.4.1.1.9.1.4", "general 32-bit ECG" } };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(uid, classes[i].uid) == 0) return classes[i].name;
    return NULL;
}

static shn_status take_meta(const object *o, shn_record *rec, shn_error *err)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    char             uid[72];
    shn_status       st = get_ascii(&o->file.data, DCM_SOP_CLASS, uid, sizeof uid, err);
    if (st == SHN_OK) st = take_acquired(&o->file.data, meta, err);
    if (st == SHN_OK) st = take_patient(o, meta, err);
    if (st == SHN_OK) st = take_device(o, meta, err);
    if (st != SHN_OK) return st;
    const char *class = class_name(uid);
    snprintf(meta->format, sizeof meta->format, "dicom %s", class ? class : "waveform");
    if (!class && *uid) shn_record_add_note(rec, SHN_REASON_UNSUPPORTED, "object class %.64s is no ECG's; its waveforms are read as they say", uid);
    if (o->file.contradicts) shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "transfer syntax %.40s, but the data set has %s", o->file.syntax, o->file.data.implicit ? "no value representations" : "value representations");
    return SHN_OK;
}

static void note_groups(const object *o, shn_record *rec)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        const dcm_group *g = &o->groups[i];
        if (o->joined[i] || g->averaged || g->derived) continue;        /* averaged and derived ones are what machines add: no doubt */
        shn_record_add_note(rec, SHN_REASON_EXCLUDED, "multiplex group %zu (%.30s, %zu channels, %.1f s at %g Hz from %g ms) is another recording and left out", g->index + 1, g->label, g->n_channels,
                            (double)g->n_samples / g->fs_hz, g->fs_hz, g->offset_ms);
    }
    if (o->groups[o->chosen].averaged) shn_record_add_note(rec, SHN_REASON_UNIT_SUSPECT, "only an averaged beat is in the file");
    if (*o->lost) shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "left out: %s", o->lost);
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    object      o;
    shn_record *rec = NULL;
    size_t      first, n, n_leads = 0, lead = 0;
    *out = NULL;
    shn_status st = open_object(in, &o, err);
    if (st != SHN_OK) return st;
    const dcm_group *main_group = &o.groups[o.chosen];
    for (size_t i = 0; i < o.n_groups; i++)
        if (o.joined[i]) n_leads += o.groups[i].n_channels;
    st = shn_input_range(in, main_group->n_samples, &first, &n, err);
    if (st == SHN_OK) st = shn_record_new(n_leads, n, main_group->fs_hz, &rec, err);
    if (st == SHN_OK) st = take_meta(&o, rec, err);
    for (size_t i = 0; i < o.n_groups && st == SHN_OK; i++)
        if (o.joined[i]) st = take_channels(&o, &o.groups[i], first, n, &lead, rec, err);
    if (st == SHN_OK) st = dcm_annotate(&o.file.data, &o.charset, main_group->index, rec, err);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    note_groups(&o, rec);
    shn_record_meta_mut(rec)->first_sample = first;
    shn_record_meta_mut(rec)->total_samples = main_group->n_samples;
    *out = rec;
    return SHN_OK;
}

const shn_reader shn_reader_dicom = { .name = "dicom", .title = "DICOM waveform", .recognises = dcm_recognises, .read = read_record, .deidentify = dcm_deidentify };
