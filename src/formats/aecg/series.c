/** Series, sequence sets, sequences: from the tree to samples on one time axis. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/aecg/aecg.h"
#include "formats/decimal.h"
#include "shinden/signal.h"

static const char *const WHERE = "aecg";

/** Where a set begins and how fast it goes. */
typedef struct sequence_set { int has_start; double start_s, step_s; char step_text[40]; int step_scale; unsigned line; } sequence_set;

/** The samples of one lead in one set. */
typedef struct segment {
    size_t          lead, set, n;           /* n: samples */
    const char     *digits;
    size_t          n_bytes;
    double          factor, offset;         /* mV = offset + factor * digit */
    double          gain, baseline;         /* 0: no unit */
    shn_unit_origin origin;
    unsigned        line;
} segment;

typedef struct layout {
    const shn_xml *doc;
    sequence_set  *sets;
    size_t         n_sets, sets_capacity;
    segment       *segments;
    size_t         n_segments, segments_capacity;
    char           names[SHN_LEADS_MAX][32];
    size_t         n_leads;
} layout;

const char *aecg_code(const shn_xml_node *node)
{
    const char *code = shn_xml_attribute(shn_xml_child(node, "code"), "code");
    return code ? code : "";
}

shn_status aecg_series(const shn_xml *doc, size_t row, const shn_xml_node **series, size_t *n, shn_error *err)
{
    const shn_xml_node *first_other = NULL;
    size_t              n_beats = 0, n_others = 0;
    *series = NULL;
    *n = 0;
    for (const shn_xml_node *c = shn_xml_child(shn_xml_root(doc), "component"); c; c = shn_xml_next(c, "component"))
        for (const shn_xml_node *s = shn_xml_child(c, "series"); s; s = shn_xml_next(s, "series")) {
            const char *code = aecg_code(s);
            if (strcmp(code, "RHYTHM") == 0) {
                if (*n == row) *series = s;
                if (++*n > SHN_AECG_SERIES_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "more than %d series", SHN_AECG_SERIES_MAX);
            } else if (strcmp(code, "REPRESENTATIVE_BEAT") == 0) n_beats++;
            else if (n_others++ == 0) first_other = s;
        }
    if (*n == 0 && n_others == 1) {             /* a lone series of another or no code: there is nothing to confuse it with */
        *n = 1;
        *series = row == 0 ? first_other : NULL;
    }
    if (*n == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, n_beats ? "only representative beats, which are averages; no series of code RHYTHM"
                        : n_others ? "several series, none of code RHYTHM" : "no series in the file");
    if (!*series) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, WHERE, "series %zu of %zu", row, *n);
    return SHN_OK;
}

/* ---- units ---- */

/** Units of a voltage in one millivolt; 0: no voltage, -1: no unit. */
static double units_per_mv(const char *unit)
{
    static const struct { const char *name; double per_mv; } units[] = {
        { "mV", 1 }, { "uV", 1e3 }, { "\xc2\xb5V", 1e3 }, { "\xce\xbcV", 1e3 }, { "nV", 1e6 }, { "V", 1e-3 },
    };
    if (!unit || !*unit) return -1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0) return units[i].per_mv;
    return 0;
}

/** Seconds of a step's unit; 0: unknown. */
static double seconds_of(const char *unit)
{
    static const struct { const char *name; double s; } units[] = { { "s", 1 }, { "sec", 1 }, { "ms", 1e-3 }, { "msec", 1e-3 }, { "us", 1e-6 }, { "\xc2\xb5s", 1e-6 }, { "\xce\xbcs", 1e-6 } };
    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0) return units[i].s;
    return 0;
}

static int number_of(const shn_xml_node *node, double *v)
{
    const char *text = shn_xml_attribute(node, "value");
    return text && shn_decimal_whole(text, text + strlen(text), v);
}

/* ---- time ---- */

/** "20021122091000.000" in seconds of its own calendar; 0: no time. */
static int seconds_of_time(const char *text, double *out)
{
    int    f[6] = { 0, 1, 1, 0, 0, 0 };
    size_t at = 0;
    static const int width[6] = { 4, 2, 2, 2, 2, 2 };
    for (int i = 0; i < 6; i++) {
        int v = 0;
        for (int d = 0; d < width[i]; d++, at++) {
            if (!isdigit((unsigned char)text[at])) return 0;        /* a time axis needs its seconds */
            v = v * 10 + text[at] - '0';
        }
        f[i] = v;
    }
    double fraction = 0;
    if (text[at] == '.') {
        const char *end = text + at + 1;
        while (isdigit((unsigned char)*end)) end++;
        if (end > text + at + 1 && !shn_decimal(text + at, end, '.', &fraction)) return 0;
    }
    const int  y = f[0] - (f[1] <= 2), m = f[1] + (f[1] > 2 ? -3 : 9);         /* years from March: leap days come last */
    const long days = 365L * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + f[2] - 1;
    *out = (double)days * 86400 + f[3] * 3600 + f[4] * 60 + f[5] + fraction;
    return 1;
}

static shn_status take_step(sequence_set *set, const shn_xml_node *value, shn_error *err)
{
    const shn_xml_node *increment = shn_xml_child(value, "increment"), *head = shn_xml_child(value, "head");
    const char         *text = shn_xml_attribute(increment, "value"), *unit = shn_xml_attribute(increment, "unit");
    const double        scale = seconds_of(unit);
    double              step;
    if (!number_of(increment, &step) || !(step > 0) || scale == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: an increment that is no time: value '%.20s', unit '%.10s'; s, ms and us are known",
                        shn_xml_line(increment ? increment : value), text ? text : "", unit ? unit : "");
    set->step_s = step * scale;
    set->step_scale = scale == 1 ? 0 : scale == 1e-3 ? 3 : 6;
    snprintf(set->step_text, sizeof set->step_text, "%.39s", text);
    const char  *head_text = shn_xml_attribute(head, "value");
    const double head_scale = seconds_of(shn_xml_attribute(head, "unit"));
    if (head_text && seconds_of_time(head_text, &set->start_s)) set->has_start = 1;
    else if (head_scale != 0 && number_of(head, &set->start_s)) {
        set->start_s *= head_scale;
        set->has_start = 1;
    }
    return SHN_OK;
}

/**
 * The rate of a step. Steps are written rounded ("0.003333"): if exactly one whole rate rounds to the text, that is the rate.
 */
static double rate_of(const sequence_set *set)
{
    const char *point = strchr(set->step_text, '.');
    const double rate = 1 / set->step_s;
    if (!point || strpbrk(set->step_text, "eE")) return fabs(rate - nearbyint(rate)) < 1e-9 * rate ? nearbyint(rate) : rate;
    int decimals = set->step_scale;
    for (const char *p = point + 1; isdigit((unsigned char)*p); p++) decimals++;
    const double half = 0.5 * pow(10, -decimals), low = 1 / (set->step_s + half), high = set->step_s > half ? 1 / (set->step_s - half) : INFINITY;
    const double whole = ceil(low);
    if (whole <= high && whole + 1 > high) return whole;
    return fabs(rate - nearbyint(rate)) < 1e-9 * rate ? nearbyint(rate) : rate;
}

/* ---- sequences ---- */

/** "MDC_ECG_LEAD_AVR" is aVR; leads that the twelve names do not have keep the rest of their code. */
static void name_of(const char *code, char out[32])
{
    static const char prefix[] = "MDC_ECG_LEAD_";
    const int known = shn_lead_index(code);
    if (known >= 0) snprintf(out, 32, "%s", shn_lead_name((size_t)known));
    else snprintf(out, 32, "%.31s", strncasecmp(code, prefix, sizeof prefix - 1) == 0 ? code + sizeof prefix - 1 : code);
    size_t n = strlen(out);
    while (n && isspace((unsigned char)out[n - 1])) out[--n] = '\0';
}

/** The lead of this name that has nothing in this set yet: the same name twice at one time is two leads. */
static shn_status lead_of(layout *l, const char *name, size_t set, size_t *lead, shn_error *err)
{
    for (*lead = 0; *lead < l->n_leads; ++*lead) {
        int taken = strcmp(l->names[*lead], name) != 0;
        for (size_t i = l->n_segments; i > 0 && l->segments[i - 1].set == set && !taken; i--) taken = l->segments[i - 1].lead == *lead;
        if (!taken) return SHN_OK;
    }
    if (l->n_leads == SHN_LEADS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "more than %d leads", SHN_LEADS_MAX);
    strcpy(l->names[l->n_leads++], name);
    return SHN_OK;
}

/** Scale and origin with their units; what is missing leaves the lead without a unit. */
static shn_status take_scale(segment *g, const shn_xml_node *value, shn_error *err)
{
    const shn_xml_node *scale_node = shn_xml_child(value, "scale"), *origin_node = shn_xml_child(value, "origin");
    const double        scale_unit = units_per_mv(shn_xml_attribute(scale_node, "unit"));
    const char         *origin_name = shn_xml_attribute(origin_node, "unit");
    double              scale = 1, origin = 0;
    if (scale_node && (!number_of(scale_node, &scale) || !(fabs(scale) >= 1e-12 && fabs(scale) <= 1e12)))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: scale is no number, or 0", shn_xml_line(scale_node));
    if (shn_xml_attribute(origin_node, "value") && (!number_of(origin_node, &origin) || !(fabs(origin) <= 1e15)))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: origin is no number", shn_xml_line(origin_node));
    g->factor = scale;
    g->offset = origin;
    g->origin = !scale_node || scale_unit < 0 ? SHN_UNIT_UNKNOWN : scale_unit > 0 ? SHN_UNIT_DECLARED : SHN_UNIT_NOT_VOLTAGE;
    if (g->origin != SHN_UNIT_DECLARED) return SHN_OK;
    const double origin_unit = origin == 0 || !origin_name ? scale_unit : units_per_mv(origin_name);
    if (origin_unit <= 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: origin in '%.10s', scale in a voltage", shn_xml_line(origin_node), origin_name);
    g->factor = scale / scale_unit;
    g->offset = origin / origin_unit;
    g->gain = scale_unit / scale;
    g->baseline = origin == 0 ? 0 : -g->offset / g->factor;
    return SHN_OK;
}

static shn_status take_lead(layout *l, const shn_xml_node *sequence, size_t set, shn_error *err)
{
    const shn_xml_node *value = shn_xml_child(sequence, "value"), *digits = shn_xml_child(value, "digits");
    segment             g = { .set = set, .line = shn_xml_line(sequence) };
    char                name[32];
    name_of(aecg_code(sequence), name);
    if (!*name) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: a sequence without code", g.line);
    if (!digits) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: lead %s has no digits", g.line, name);
    g.digits = shn_xml_text(l->doc, digits);
    if (!g.digits) return shn_fail_nomem(err, WHERE);
    g.n_bytes = strlen(g.digits);
    g.n = shn_list_count(g.digits, g.n_bytes, SHN_LIST_SPACES);
    if (l->n_segments == SHN_AECG_SEGMENTS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "more than %d sequences", SHN_AECG_SEGMENTS_MAX);
    shn_status st = take_scale(&g, value, err);
    if (st == SHN_OK) st = lead_of(l, name, set, &g.lead, err);
    if (st != SHN_OK) return st;
    if (shn_grow(&l->segments, &l->segments_capacity, l->n_segments + 1, sizeof *l->segments) != 0) return shn_fail_nomem(err, WHERE);
    l->segments[l->n_segments++] = g;
    return SHN_OK;
}

static shn_status take_set(layout *l, const shn_xml_node *node, shn_error *err)
{
    sequence_set set = { .line = shn_xml_line(node) };
    shn_status   st = SHN_OK;
    if (l->n_sets == SHN_AECG_SETS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "more than %d sequence sets", SHN_AECG_SETS_MAX);
    for (const shn_xml_node *c = shn_xml_child(node, "component"); c && st == SHN_OK; c = shn_xml_next(c, "component"))
        for (const shn_xml_node *s = shn_xml_child(c, "sequence"); s && st == SHN_OK; s = shn_xml_next(s, "sequence")) {
            if (strncasecmp(aecg_code(s), "TIME_", 5) == 0) st = take_step(&set, shn_xml_child(s, "value"), err);
            else st = take_lead(l, s, l->n_sets, err);
        }
    if (st != SHN_OK) return st;
    if (set.step_s == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %u: a sequence set without TIME_ABSOLUTE or TIME_RELATIVE: the sampling frequency is not known", set.line);
    if (shn_grow(&l->sets, &l->sets_capacity, l->n_sets + 1, sizeof *l->sets) != 0) return shn_fail_nomem(err, WHERE);
    l->sets[l->n_sets++] = set;
    return SHN_OK;
}

/* ---- one time axis ---- */

/** Samples before set i begins, counted from the earliest set. Errors where the sets do not fit on one axis. */
static shn_status place_sets(const layout *l, size_t *first, shn_error *err)
{
    double earliest = INFINITY;
    if (l->n_sets == 1) return SHN_OK;
    for (size_t i = 0; i < l->n_sets; i++) {
        if (fabs(l->sets[i].step_s - l->sets[0].step_s) > 1e-9 * l->sets[0].step_s)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE, "line %u: sequence sets of different sampling frequencies", l->sets[i].line);
        if (!l->sets[i].has_start)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE, "line %u: several sequence sets, and this one does not say when it begins", l->sets[i].line);
        if (l->sets[i].start_s < earliest) earliest = l->sets[i].start_s;
    }
    for (size_t i = 0; i < l->n_sets; i++) {
        const double at = (l->sets[i].start_s - earliest) / l->sets[0].step_s;
        if (!(at <= (double)SHN_SAMPLES_MAX)) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "line %u: a sequence set begins %g samples after the first", l->sets[i].line, at);
        first[i] = (size_t)nearbyint(at);
    }
    return SHN_OK;
}

static shn_status length_of(const layout *l, const size_t *first, size_t *total, shn_error *err)
{
    size_t held = 0;
    *total = 0;
    for (size_t i = 0; i < l->n_segments; i++) {
        const size_t end = first[l->segments[i].set] + l->segments[i].n;
        held += l->segments[i].n;
        if (end > *total) *total = end;
    }
    if (held == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, "no samples in the series");
    if (*total > SHN_SAMPLES_MAX / l->n_leads || *total * l->n_leads > held * SHN_AECG_GAP_FACTOR_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "%zu leads of %zu samples for %zu that are there: the sequence sets lie too far apart", l->n_leads, *total, held);
    return SHN_OK;
}

static void describe_lead(const layout *l, const segment *g, int whole, shn_record *rec)
{
    shn_record_set_name(rec, g->lead, l->names[g->lead]);
    shn_record_set_unit(rec, g->lead, g->origin);
    if (g->gain != 0 && whole) shn_record_set_calibration(rec, g->lead, (shn_lead_cal){ g->gain, g->baseline, 0 });
    if (g->origin == SHN_UNIT_UNKNOWN) shn_record_add_note(rec, SHN_REASON_NO_UNIT, "lead %s: scale without a unit (line %u)", l->names[g->lead], g->line);
}

/** A lead in several pieces keeps its calibration only if all have the same. */
static void compare_pieces(const layout *l, const segment *g, const segment *before, shn_record *rec)
{
    if (g->gain != before->gain || g->baseline != before->baseline) shn_record_set_calibration(rec, g->lead, (shn_lead_cal){ 0 });
    if (g->origin != before->origin) {
        shn_record_set_unit(rec, g->lead, SHN_UNIT_UNKNOWN);
        shn_record_add_note(rec, SHN_REASON_NO_UNIT, "lead %s: pieces of different units (line %u)", l->names[g->lead], g->line);
    }
}

static shn_status fill(const layout *l, const size_t *first, size_t total, shn_record *rec, shn_error *err)
{
    const segment *of_lead[SHN_LEADS_MAX] = { NULL };
    size_t         held[SHN_LEADS_MAX] = { 0 };
    for (size_t lead = 0; lead < l->n_leads; lead++) {
        float *out = shn_record_lead_mut(rec, lead);
        for (size_t t = 0; t < total; t++) out[t] = NAN;
    }
    for (size_t i = 0; i < l->n_segments; i++) {
        const segment *g = &l->segments[i];
        char           where[64];
        int            whole;
        snprintf(where, sizeof where, "aecg lead %s line %u", l->names[g->lead], g->line);
        const shn_status st = shn_list_decode(g->digits, g->n_bytes, SHN_LIST_SPACES, 0, g->n, g->factor, g->offset,
                                              shn_record_lead_mut(rec, g->lead) + first[g->set], &whole, where, err);
        if (st != SHN_OK) {
            shn_error_prefix(err, "lead %s, line %u", l->names[g->lead], g->line);
            return st;
        }
        if (of_lead[g->lead]) compare_pieces(l, g, of_lead[g->lead], rec);
        else describe_lead(l, g, whole, rec);
        of_lead[g->lead] = g;
        held[g->lead] += g->n;
    }
    for (size_t lead = 0; lead < l->n_leads; lead++)
        if (held[lead] < total)
            shn_record_add_note(rec, l->n_sets > 1 ? SHN_REASON_GAPS : SHN_REASON_TRUNCATED, "lead %s: %zu samples, the longest lead or all sets together have %zu",
                                l->names[lead], held[lead], total);
    return SHN_OK;
}

static shn_status make_record(const layout *l, shn_record **out, shn_error *err)
{
    shn_record *rec = NULL;
    size_t      total;
    size_t     *first = shn_alloc(l->n_sets, sizeof *first);
    if (!first) return shn_fail_nomem(err, WHERE);
    shn_status st = place_sets(l, first, err);
    if (st == SHN_OK) st = length_of(l, first, &total, err);
    if (st == SHN_OK) st = shn_record_new(l->n_leads, total, rate_of(&l->sets[0]), &rec, err);
    if (st == SHN_OK) st = fill(l, first, total, rec, err);
    free(first);
    if (st == SHN_OK) *out = rec;
    else shn_record_free(rec);
    return st;
}

shn_status aecg_samples(const shn_xml *doc, const shn_xml_node *series, shn_record **out, shn_error *err)
{
    shn_status st = SHN_OK;
    layout    *l = shn_alloc(1, sizeof *l);
    *out = NULL;
    if (!l) return shn_fail_nomem(err, WHERE);
    l->doc = doc;
    for (const shn_xml_node *c = shn_xml_child(series, "component"); c && st == SHN_OK; c = shn_xml_next(c, "component"))
        for (const shn_xml_node *s = shn_xml_child(c, "sequenceSet"); s && st == SHN_OK; s = shn_xml_next(s, "sequenceSet")) st = take_set(l, s, err);
    if (st == SHN_OK && l->n_leads == 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, "line %u: a series without leads", shn_xml_line(series));
    if (st == SHN_OK) st = make_record(l, out, err);
    free(l->sets);
    free(l->segments);
    free(l);
    return st;
}
