/** Waveforms: strips of one list for each lead, and full disclosure of one list for all. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/cardiosoft/cardiosoft.h"
#include "formats/decimal.h"

static const char *const WHERE = "cardiosoft";

/** Rate and step of a part of the file. */
typedef struct scale { double fs_hz, step; shn_unit_origin origin; double per_mv; } scale;

static int number_in(const shn_xml *doc, const shn_xml_node *node, double *v)
{
    const char *text = shn_xml_text(doc, node);
    return node && text && shn_decimal_whole(text, text + strlen(text), v);
}

long cardiosoft_whole(const shn_xml *doc, const shn_xml_node *node)
{
    double v;
    return number_in(doc, node, &v) && v >= 0 && v <= 1e9 && v == floor(v) ? (long)v : -1;
}

/** A child of the part, or of the part around it. */
static const shn_xml_node *either(const shn_xml_node *part, const shn_xml_node *around, const char *name)
{
    const shn_xml_node *own = shn_xml_child(part, name);
    return own ? own : shn_xml_child(around, name);
}

static shn_status take_scale(const shn_xml *doc, const shn_xml_node *part, const shn_xml_node *around, scale *out, shn_error *err)
{
    static const struct { const char *name; double per_mv; } units[] = { { "uVperLsb", 1000 }, { "mVperLsb", 1 }, { "nVperLsb", 1e6 }, { "uV", 1000 } };
    const shn_xml_node *rate = either(part, around, "SampleRate"), *resolution = either(part, around, "Resolution");
    const char         *hz = shn_xml_attribute(rate, "units"), *unit = shn_xml_attribute(resolution, "units");
    *out = (scale){ .step = 1, .origin = SHN_UNIT_UNKNOWN };
    if (!number_in(doc, rate, &out->fs_hz) || !(out->fs_hz > 0 && out->fs_hz <= 1e6) || (hz && *hz && strcmp(hz, "Hz") != 0))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: SampleRate is no number of Hz", shn_xml_line(rate ? rate : part));
    if (!resolution) return SHN_OK;
    if (!number_in(doc, resolution, &out->step) || !(fabs(out->step) >= 1e-9 && fabs(out->step) <= 1e9))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: Resolution is no number, or 0", shn_xml_line(resolution));
    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0) {
            out->origin = SHN_UNIT_DECLARED;
            out->per_mv = units[i].per_mv;
        }
    return SHN_OK;
}

static double factor_of(const scale *s) { return s->per_mv > 0 ? s->step / s->per_mv : s->step; }

static void describe_lead(shn_record *rec, size_t lead, const char *name, const scale *s, int whole)
{
    shn_record_set_name(rec, lead, name);
    shn_record_set_unit(rec, lead, s->origin);
    if (s->per_mv > 0 && whole) shn_record_set_calibration(rec, lead, (shn_lead_cal){ s->per_mv / s->step, 0, 0 });
    if (s->origin == SHN_UNIT_UNKNOWN)
        shn_record_add_note(rec, SHN_REASON_NO_UNIT, "lead %s: no Resolution in a unit that is known", shn_record_name(rec, lead));
}

static void compare_count(const shn_xml *doc, const shn_xml_node *part, const shn_xml_node *around, size_t n, shn_record *rec)
{
    const long announced = cardiosoft_whole(doc, either(part, around, "ChannelSampleCountTotal"));
    if (announced > 0 && (size_t)announced != n)
        shn_record_add_note(rec, SHN_REASON_TRUNCATED, "ChannelSampleCountTotal is %ld, the file has %zu samples of each lead", announced, n);
}

/* ---- strips ---- */

static shn_status fill_strip(const shn_xml *doc, const shn_xml_node *part, const scale *s, shn_record *rec, shn_error *err)
{
    const size_t total = shn_record_n_samples(rec);
    size_t       lead = 0;
    for (const shn_xml_node *w = shn_xml_child(part, "WaveformData"); w; w = shn_xml_next(w, "WaveformData"), lead++) {
        const char  *text = shn_xml_text(doc, w), *name = shn_xml_attribute(w, "lead");
        float       *out = shn_record_lead_mut(rec, lead);
        const size_t bytes = strlen(text), n = shn_list_count(text, bytes, SHN_LIST_COMMAS);
        int          whole;
        const shn_status st = shn_list_decode(text, bytes, SHN_LIST_COMMAS, 0, n, factor_of(s), 0, out, &whole, WHERE, err);
        if (st != SHN_OK) {
            shn_error_prefix(err, "lead %.20s, line %u", name ? name : "without name", shn_xml_line(w));
            return st;
        }
        for (size_t t = n; t < total; t++) out[t] = NAN;
        describe_lead(rec, lead, name ? name : "", s, whole);
        if (n < total) shn_record_add_note(rec, SHN_REASON_TRUNCATED, "lead %s: %zu samples, the longest lead has %zu", shn_record_name(rec, lead), n, total);
        if (!name || !*name) shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "line %u: a waveform without the name of its lead", shn_xml_line(w));
    }
    return SHN_OK;
}

static shn_status read_strip(const shn_xml *doc, const shn_xml_node *part, const shn_xml_node *around, size_t n_strips, shn_record **out, shn_error *err)
{
    size_t      n_leads = 0, longest = 0, held = 0;
    scale       s;
    shn_record *rec = NULL;
    for (const shn_xml_node *w = shn_xml_child(part, "WaveformData"); w; w = shn_xml_next(w, "WaveformData")) {
        const char *text = shn_xml_text(doc, w);
        if (!text) return shn_fail_nomem(err, WHERE);
        const size_t n = shn_list_count(text, strlen(text), SHN_LIST_COMMAS);
        if (++n_leads > SHN_LEADS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "more than %d leads", SHN_LEADS_MAX);
        held += n;
        if (n > longest) longest = n;
    }
    if (held == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, "line %u: a strip without samples", shn_xml_line(part));
    shn_status st = take_scale(doc, part, around, &s, err);
    if (st == SHN_OK) st = shn_record_new(n_leads, longest, s.fs_hz, &rec, err);
    if (st == SHN_OK) st = fill_strip(doc, part, &s, rec, err);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    compare_count(doc, part, around, longest, rec);
    if (n_strips > 1) shn_record_add_note(rec, SHN_REASON_UNSUPPORTED, "the first of %zu strips; the others are left out", n_strips);
    *out = rec;
    return SHN_OK;
}

/** The first strip with waveforms, the element around it, and how many there are. */
static const shn_xml_node *find_strip(const shn_xml *doc, const shn_xml_node **around, size_t *n)
{
    static const char *const outer[2] = { "StripData", "Strip" }, *const inner[2] = { "Strip", "StripData" };
    const shn_xml_node *root = shn_xml_root(doc), *found = NULL;
    *n = 0;
    for (int k = 0; k < 2; k++)
        for (const shn_xml_node *o = shn_xml_child(root, outer[k]); o; o = shn_xml_next(o, outer[k])) {
            const shn_xml_node *i = shn_xml_child(o, "WaveformData") ? o : shn_xml_child(o, inner[k]);
            for (; i; i = i == o ? NULL : shn_xml_next(i, inner[k])) {
                if (!shn_xml_child(i, "WaveformData")) continue;
                if ((*n)++ == 0) {
                    found = i;
                    *around = i == o ? root : o;
                }
            }
        }
    return found;
}

/* ---- full disclosure ---- */

/** Names of LeadOrder into names; how many there are, 0 if one is empty or there are too many. */
static size_t take_names(const char *text, char names[SHN_LEADS_MAX][32])
{
    size_t n = 0;
    while (*text) {
        while (isspace((unsigned char)*text)) text++;
        size_t length = strcspn(text, ",");
        const char *next = text + length + (text[length] == ',');
        while (length && isspace((unsigned char)text[length - 1])) length--;
        if (!length && !*next) break;           /* a comma may end the list */
        if (!length || n == SHN_LEADS_MAX) return 0;
        snprintf(names[n++], 32, "%.*s", length > 31 ? 31 : (int)length, text);
        text = next;
    }
    return n;
}

/** Where sample t of a lead lies in a list in turns of `turn` samples: 1 is sample by sample. */
static size_t place(size_t t, size_t lead, size_t n_leads, size_t turn) { return (t / turn * n_leads + lead) * turn + t % turn; }

/** Mean step between neighbours of one lead under this order, over the first 60 turns of a second. */
static double roughness(const float *x, size_t n, size_t n_leads, size_t turn, size_t second)
{
    double sum = 0;
    size_t count = 0;
    for (size_t lead = 0; lead < n_leads; lead++)
        for (size_t t = 1; t < n && t < 60 * second; t++) {
            const double step = fabs((double)x[place(t, lead, n_leads, turn)] - (double)x[place(t - 1, lead, n_leads, turn)]);
            if (isfinite(step)) sum += step, count++;
        }
    return count ? sum / (double)count : 0;
}

/** Order of the list as the signal shows it; 0 if it does not. Only whole turns of all leads are looked at. */
static size_t find_turn(const float *x, size_t n_all, size_t n_leads, double fs_hz)
{
    const size_t second = (size_t)nearbyint(fs_hz);
    if (n_leads == 1) return 1;
    if (second < 2 || fabs(fs_hz - (double)second) > 1e-9 || n_all < n_leads * second) return 0;
    const size_t n = n_all / (n_leads * second) * second;
    const double by_sample = roughness(x, n, n_leads, 1, second), by_second = roughness(x, n, n_leads, second, second);
    if (by_sample < by_second / 2) return 1;
    return by_second < by_sample / 2 ? second : 0;
}

typedef struct disclosure { char names[SHN_LEADS_MAX][32]; size_t n_leads, n_all; scale s; float *list; int whole; } disclosure;

static shn_status take_list(const shn_xml *doc, const shn_xml_node *part, disclosure *d, shn_error *err)
{
    const char *order = shn_xml_text(doc, shn_xml_child(part, "LeadOrder")), *text = shn_xml_text(doc, shn_xml_child(part, "FullDisclosureData"));
    if (!order || !text) return shn_fail_nomem(err, WHERE);
    const long announced = cardiosoft_whole(doc, shn_xml_child(part, "NumberOfChannels"));
    d->n_leads = take_names(order, d->names);
    if (d->n_leads == 0 || (announced >= 0 && (size_t)announced != d->n_leads))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: LeadOrder names %zu leads, NumberOfChannels says %ld", shn_xml_line(part), d->n_leads, announced);
    const size_t bytes = strlen(text);
    d->n_all = shn_list_count(text, bytes, SHN_LIST_COMMAS);
    if (d->n_all < d->n_leads) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, "line %u: full disclosure without samples", shn_xml_line(part));
    const shn_status st = take_scale(doc, part, NULL, &d->s, err);
    if (st != SHN_OK) return st;
    d->list = shn_alloc(d->n_all, sizeof *d->list);
    if (!d->list) return shn_fail_nomem(err, WHERE);
    return shn_list_decode(text, bytes, SHN_LIST_COMMAS, 0, d->n_all, factor_of(&d->s), 0, d->list, &d->whole, WHERE, err);
}

static shn_status spread(const disclosure *d, shn_record **out, shn_error *err)
{
    const size_t turn = find_turn(d->list, d->n_all, d->n_leads, d->s.fs_hz);
    if (turn == 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE,
                        "full disclosure: the signal does not show whether leads alternate by sample or by second; export the strips instead");
    const size_t n = d->n_all / (d->n_leads * turn) * turn;
    shn_status   st = shn_record_new(d->n_leads, n, d->s.fs_hz, out, err);
    if (st != SHN_OK) return st;
    for (size_t lead = 0; lead < d->n_leads; lead++) {
        float *x = shn_record_lead_mut(*out, lead);
        for (size_t t = 0; t < n; t++) x[t] = d->list[place(t, lead, d->n_leads, turn)];
        describe_lead(*out, lead, d->names[lead], &d->s, d->whole);
    }
    if (d->n_leads > 1)
        shn_record_add_note(*out, SHN_REASON_LEAD_ORDER, "full disclosure: leads alternate by %s, as the signal shows; the file does not say", turn == 1 ? "sample" : "second");
    if (n * d->n_leads < d->n_all) shn_record_add_note(*out, SHN_REASON_TRUNCATED, "full disclosure ends in an incomplete turn: %zu numbers are left out", d->n_all - n * d->n_leads);
    return SHN_OK;
}

static shn_status read_disclosure(const shn_xml *doc, const shn_xml_node *part, shn_record **out, shn_error *err)
{
    disclosure *d = shn_alloc(1, sizeof *d);
    if (!d) return shn_fail_nomem(err, WHERE);
    shn_status st = take_list(doc, part, d, err);
    if (st == SHN_OK) st = spread(d, out, err);
    free(d->list);
    free(d);
    return st;
}

shn_status cardiosoft_samples(const shn_xml *doc, shn_record **out, shn_error *err)
{
    size_t              n_strips;
    const shn_xml_node *around = NULL, *strip = find_strip(doc, &around, &n_strips), *whole = shn_xml_find(shn_xml_root(doc), "FullDisclosure");
    shn_error           why = { .status = SHN_OK };
    *out = NULL;
    if (shn_xml_find(whole, "FullDisclosureData")) {
        const shn_status st = read_disclosure(doc, whole, out, &why);
        if (st == SHN_OK || st == SHN_NOMEM || !strip) {
            if (st != SHN_OK && err) *err = why;
            return st;
        }
    }
    if (!strip)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, shn_xml_find(shn_xml_root(doc), "RestingECGMeasurements/MedianSamples") ?
                        "only median beats, which are averages; no StripData" : "no StripData and no FullDisclosure");
    const shn_status st = read_strip(doc, strip, around, n_strips, out, err);
    if (st == SHN_OK && why.status != SHN_OK) shn_record_add_note(*out, why.reason, "a strip; full disclosure is left out: %.110s", why.text);
    return st;
}
