/**
 * Sections 3 to 6: stored units become samples. A lead is decoded to 16-bit values (plain or Huffman, differences integrated with 16-bit
 * wrap-around as writers do it), bimodal data are spread to the full rate, the reference beat is added where it was subtracted. Memory for
 * samples follows the bytes that were seen to hold them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/scp/scp.h"

typedef struct lead { unsigned code; size_t first, announced; const uint8_t *bytes; size_t n_bytes; } lead;    /* first from 1 */
typedef struct block { unsigned avm_nv, us, order, bimodal; const uint8_t *lengths, *data; size_t n_data; } block;   /* section 5 or 6 */

typedef struct rhythm {
    const scp_file *f;
    lead            leads[SHN_LEADS_MAX];
    size_t          n_leads, first;             /* first: the earliest first sample */
    int             subtracted;
    block           six, five;
    unsigned        ratio;                      /* full rate over the rate outside protected areas; 1: no decimation */
    size_t          n_beats, fiducial, n_beat;  /* of section 4; samples of the reference beat */
    const uint8_t  *beats, *protected_areas;    /* [n_beats] of 14 and of 8 bytes; areas NULL unless ratio > 1 */
    scp_huffman    *huffman;
    unsigned        nv;                         /* nanovolts of the common unit of sections 5 and 6; 0: no unit */
} rhythm;

void scp_lead_name(unsigned code, char out[32])
{
    static const char *const names[] = {
        NULL, "I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R", "X", "Y", "Z", "CC5", "CM5", "LA", "RA", "LL",
        "fI", "fE", "fC", "fA", "fM", "fF", "fH",
    };
    static const char *const more[] = { "III", "aVR", "aVL", "aVF", "-aVR", "V8", "V9", "V8R", "V9R", "D", "A", "J" };      /* from 61 */
    const char *name = NULL;
    if (code < sizeof names / sizeof *names) name = names[code];
    else if (code >= 61 && code < 61 + sizeof more / sizeof *more) name = more[code - 61];
    if (name) snprintf(out, 32, "%s", name);
    else snprintf(out, 32, "SCP lead %u", code);
}

static shn_status parse_leads(rhythm *r, shn_error *err)
{
    const scp_section *s = &r->f->s[3];
    if (!s->body || s->n < 2) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 3", "no lead definition");
    r->n_leads = s->body[0];
    r->subtracted = s->body[1] & 1;
    if (r->n_leads == 0 || (s->n - 2) / 9 < r->n_leads)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 3", "%zu leads in %zu bytes", r->n_leads, s->n);
    r->first = SIZE_MAX;
    for (size_t i = 0; i < r->n_leads; i++) {
        const uint8_t *p = s->body + 2 + 9 * i;
        const size_t   end = read_u32le(p + 4);
        lead          *l = &r->leads[i];
        l->first = read_u32le(p) ? read_u32le(p) : 1;           /* some writers count from 0 and name the number of samples as the last */
        l->code = p[8];
        if (end < l->first || end > SHN_SAMPLES_MAX)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 3", "lead %zu: samples %zu to %zu", i + 1, l->first, end);
        l->announced = end - l->first + 1;
        if (l->first < r->first) r->first = l->first;
    }
    return SHN_OK;
}

static shn_status parse_block(const rhythm *r, int number, block *b, shn_error *err)
{
    const scp_section *s = &r->f->s[number];
    const size_t       head = 6 + 2 * r->n_leads;
    const char        *where = number == 5 ? "scp.section 5" : "scp.section 6";
    if (!s->body || s->n < head) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "%s", s->body ? "shorter than its table of leads" : "is missing");
    *b = (block){ .avm_nv = read_u16le(s->body), .us = read_u16le(s->body + 2), .order = s->body[4], .bimodal = s->body[5],
                  .lengths = s->body + 6, .data = s->body + head, .n_data = s->n - head };
    if (b->us == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "a sample interval of 0 microseconds");
    if (b->order > 2) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "difference encoding %u; 0, 1 and 2 are known", b->order);
    size_t sum = 0;
    for (size_t i = 0; i < r->n_leads; i++) sum += read_u16le(b->lengths + 2 * i);
    if (sum > b->n_data) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, where, "its leads need %zu bytes, %zu are there", sum, b->n_data);
    return SHN_OK;
}

static shn_status parse_beats(rhythm *r, shn_error *err)
{
    const scp_section *s = &r->f->s[4];
    if (!s->body || s->n < 6) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 4", "missing, but the rhythm cannot be put together without it");
    r->n_beat = ((size_t)read_u16le(s->body) * 1000 + r->five.us - 1) / r->five.us;
    r->fiducial = read_u16le(s->body + 2);
    r->n_beats = read_u16le(s->body + 4);
    const size_t each = r->ratio > 1 ? 14 + 8 : 14;
    if ((s->n - 6) / each < r->n_beats)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 4", "%zu beats of %zu bytes in %zu", r->n_beats, each, s->n - 6);
    r->beats = s->body + 6;
    if (r->ratio > 1) r->protected_areas = r->beats + 14 * r->n_beats;
    size_t last = 0;
    for (size_t i = 0; r->protected_areas && i < r->n_beats; i++) {
        const size_t from = read_u32le(r->protected_areas + 8 * i), to = read_u32le(r->protected_areas + 8 * i + 4);
        if (to < from || to == 0) continue;             /* a beat without a protected area */
        if (from <= last) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 4", "protected area %zu, %zu to %zu, begins before the last one ends", i + 1, from, to);
        last = to;
    }
    return SHN_OK;
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b) {
        const unsigned c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/** Whether reference beats or bimodal data are in play, and that what they need is there. */
static shn_status parse_lossy(rhythm *r, shn_error *err)
{
    const int bimodal = r->six.bimodal != 0;
    r->ratio = 1;
    r->nv = r->six.avm_nv;
    if (!bimodal && !r->subtracted) return SHN_OK;
    if (r->f->protocol >= 30)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 3", "version %d.%d has neither reference beats to add nor bimodal data; this file asks for them",
                        r->f->protocol / 10, r->f->protocol % 10);
    shn_status st = parse_block(r, 5, &r->five, err);
    if (st != SHN_OK) return st;
    if (r->six.us % r->five.us != 0 || r->six.us / r->five.us > SCP_DECIMATION_MAX)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "%u us per sample, the reference beat has %u; only whole multiples up to %d are read",
                        r->six.us, r->five.us, SCP_DECIMATION_MAX);
    r->ratio = r->six.us / r->five.us;
    if (r->ratio > 1 && !bimodal)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "a reference beat at %u times the rhythm's rate, without bimodal compression", r->ratio);
    if (r->subtracted) {
        if (!r->six.avm_nv != !r->five.avm_nv)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_UNIT, "scp.section 5", "nanovolts per unit %u and in section 6 %u: they cannot be added", r->five.avm_nv, r->six.avm_nv);
        r->nv = common_divisor(r->six.avm_nv, r->five.avm_nv);
    }
    return r->ratio > 1 || r->subtracted ? parse_beats(r, err) : SHN_OK;
}

static void integrate(int16_t *x, size_t n, unsigned order)
{
    if (order == 1)
        for (size_t i = 1; i < n; i++) x[i] = (int16_t)(uint16_t)((uint16_t)x[i] + (uint16_t)x[i - 1]);
    if (order == 2)
        for (size_t i = 2; i < n; i++) x[i] = (int16_t)(uint16_t)((unsigned)(uint16_t)x[i] + 2u * (uint16_t)x[i - 1] - (uint16_t)x[i - 2]);
}

/** Up to n values of a lead's bytes. table: the Huffman table in use at the end. */
static size_t decode(const rhythm *r, const block *b, const uint8_t *bytes, size_t n_bytes, int16_t *out, size_t n, unsigned *table)
{
    size_t bits;
    *table = 0;
    if (r->huffman) {
        n = scp_huffman_decode(r->huffman, bytes, n_bytes, out, n, &bits, table);
    } else {
        if (n > n_bytes / 2) n = n_bytes / 2;
        for (size_t i = 0; i < n; i++) out[i] = read_i16le(bytes + 2 * i);
    }
    integrate(out, n, b->order);
    return n;
}

/** The stretch of a lead from sample t on: protected (1) or not, and where it ends. Samples count from 0 within the lead. */
static int stretch(const rhythm *r, const lead *l, size_t n, size_t t, size_t *zone, size_t *end)
{
    for (; r->protected_areas && *zone < r->n_beats; ++*zone) {
        const size_t from = read_u32le(r->protected_areas + 8 * *zone), to = read_u32le(r->protected_areas + 8 * *zone + 4);
        if (to < from || to == 0 || to < l->first + t) continue;
        if (from > l->first + t) {
            *end = from - l->first < n ? from - l->first : n;
            return 0;
        }
        *end = to - l->first + 1 < n ? to - l->first + 1 : n;
        return 1;
    }
    *end = n;
    return 0;
}

/** Stored values of a lead of n samples, and whether every decimated stretch is a whole number of blocks. */
static size_t stored_of(const rhythm *r, const lead *l, size_t n, int *whole)
{
    size_t zone = 0, end, stored = 0;
    *whole = 1;
    for (size_t t = 0; t < n; t = end) {
        if (stretch(r, l, n, t, &zone, &end)) stored += end - t;
        else {
            stored += (end - t + r->ratio - 1) / r->ratio;
            *whole &= (end - t) % r->ratio == 0;
        }
    }
    return stored;
}

/**
 * Spreads decimated data to the full rate, in units of 1/ratio of the stored one so that all values are whole: a block's mean stands at its middle,
 * between two middles the values are on a line, half a block at either end of a stretch is level. Known from fixtures only.
 * Returns how many samples the values gave.
 */
static size_t spread(const rhythm *r, const lead *l, const int16_t *v, size_t n_values, int32_t *out, size_t n)
{
    const size_t ratio = r->ratio, half = ratio / 2;
    size_t       zone = 0, end, s = 0;
    for (size_t t = 0; t < n; t = end) {
        if (stretch(r, l, n, t, &zone, &end)) {
            for (size_t i = t; i < end; i++, s++) {
                if (s >= n_values) return i;
                out[i] = v[s] * (int32_t)ratio;
            }
            continue;
        }
        size_t blocks = (end - t + ratio - 1) / ratio;
        const int short_of = blocks > n_values - s;
        if (short_of) blocks = n_values - s;
        if (blocks == 0) return t;
        const size_t stop = short_of ? t + blocks * ratio : end;
        for (size_t i = t; i < stop; i++) {
            const size_t into = i - t < half ? 0 : i - t - half, k = into / ratio;
            out[i] = v[s + k] * (int32_t)ratio;
            if (k + 1 < blocks) out[i] += (v[s + k + 1] - v[s + k]) * (int32_t)(into % ratio);
        }
        s += blocks;
        if (short_of) return stop;
    }
    return n;
}

/** Adds the reference beat under every beat of type 0. step5: common units of a unit of section 5. */
static void add_beats(const rhythm *r, const lead *l, const int16_t *beat, size_t n_beat, uint32_t step5, int32_t *x, size_t n)
{
    for (size_t q = 0; q < r->n_beats; q++) {
        const uint8_t *p = r->beats + 14 * q;
        const int64_t  from = read_u32le(p + 2), at = read_u32le(p + 6), to = read_u32le(p + 10);
        if (read_u16le(p) != 0) continue;
        const int64_t shift = (int64_t)r->fiducial - 1 - at;            /* sample t of the record is sample t + shift of the beat, from 0 */
        int64_t       t = from > (int64_t)l->first ? from : (int64_t)l->first, stop = to < (int64_t)(l->first + n) - 1 ? to : (int64_t)(l->first + n) - 1;
        if (t + shift < 0) t = -shift;
        if (stop + shift >= (int64_t)n_beat) stop = (int64_t)n_beat - 1 - shift;
        for (; t <= stop; t++) x[t - (int64_t)l->first] = (int32_t)((uint32_t)x[t - (int64_t)l->first] + step5 * (uint32_t)(int32_t)beat[t + shift]);
    }
}

typedef struct scratch { int16_t *values, *beat; int32_t *wide; } scratch;

/** Values that bytes can hold at most: the limit of what is allocated for them. */
static size_t held_at_most(const rhythm *r, size_t n_bytes) { return r->huffman ? 8 * n_bytes : n_bytes / 2; }

static size_t at_most(size_t n, size_t limit) { return n < limit ? n : limit; }

/** Bimodal and reference beats: tmp->wide gets the lead in common units; returns how many samples. five: where its reference beat's bytes begin. */
static size_t lead_wide(const rhythm *r, size_t i, const uint8_t *five, const scratch *tmp, unsigned *table, int *whole)
{
    const lead  *l = &r->leads[i];
    unsigned     beat_table;
    const size_t stored = decode(r, &r->six, l->bytes, l->n_bytes, tmp->values, at_most(stored_of(r, l, l->announced, whole), held_at_most(r, l->n_bytes)), table);
    const size_t got = spread(r, l, tmp->values, stored, tmp->wide, l->announced);
    if (!r->subtracted) return got;
    const uint32_t step6 = r->nv ? r->six.avm_nv / r->nv : 1, step5 = r->nv ? r->five.avm_nv / r->nv : 1;
    for (size_t t = 0; t < got && step6 != 1; t++) tmp->wide[t] = (int32_t)((uint32_t)tmp->wide[t] * step6);
    const size_t n_five = read_u16le(r->five.lengths + 2 * i);
    const size_t n_beat = decode(r, &r->five, five, n_five, tmp->beat, at_most(r->n_beat, held_at_most(r, n_five)), &beat_table);
    add_beats(r, l, tmp->beat, n_beat, step5 * r->ratio, tmp->wide, got);
    return got;
}

/** Writes a lead into the record, gaps before and behind it. plain NULL: wide has it. */
static void store(shn_record *rec, const rhythm *r, size_t i, const int16_t *plain, const int32_t *wide, size_t got)
{
    char         name[32];
    float       *out = shn_record_lead_mut(rec, i);
    const size_t n = shn_record_n_samples(rec), from = at_most(r->leads[i].first - r->first, n);
    const double step = r->nv ? r->nv / 1e6 / r->ratio : 1.0 / r->ratio;
    got = at_most(got, n - from);
    for (size_t t = 0; t < from; t++) out[t] = NAN;
    out += from;
    if (plain) for (size_t t = 0; t < got; t++) out[t] = (float)(plain[t] * step);
    else for (size_t t = 0; t < got; t++) out[t] = (float)(wide[t] * step);
    for (size_t t = got; t < n - from; t++) out[t] = NAN;
    scp_lead_name(r->leads[i].code, name);
    shn_record_set_name(rec, i, name);
    shn_record_set_unit(rec, i, r->nv ? SHN_UNIT_DECLARED : SHN_UNIT_UNKNOWN);
    if (r->nv) shn_record_set_calibration(rec, i, (shn_lead_cal){ .gain_adu_per_mv = 1e6 / r->nv * r->ratio, .bits = plain ? 16 : 32 });
}

/** Leads that hold less than section 3 announces: one note where it is the same for all of them. */
static void note_short(shn_record *rec, const rhythm *r, const size_t *got)
{
    char   name[32];
    size_t n_short = 0, n_same = 0, first = 0;
    for (size_t i = r->n_leads; i-- > 0;)
        if (got[i] < r->leads[i].announced) {
            n_short++;
            first = i;
        }
    for (size_t i = 0; i < r->n_leads && n_short; i++) n_same += got[i] == got[first] && r->leads[i].announced == r->leads[first].announced;
    if (n_short > 1 && n_same == n_short) {
        shn_record_add_note(rec, SHN_REASON_TRUNCATED, "section 3 announces %zu samples, section 6 holds %zu, in %zu of %zu leads", r->leads[first].announced, got[first], n_short, r->n_leads);
        return;
    }
    for (size_t i = first; i < r->n_leads && n_short; i++) {
        scp_lead_name(r->leads[i].code, name);
        if (got[i] < r->leads[i].announced)
            shn_record_add_note(rec, SHN_REASON_TRUNCATED, "lead %s: section 3 announces %zu samples, section 6 holds %zu", name, r->leads[i].announced, got[i]);
    }
}

static void note_all(shn_record *rec, const rhythm *r, int whole)
{
    if (!r->nv) shn_record_add_note(rec, SHN_REASON_NO_UNIT, "section 6 has 0 nanovolts per unit: the file names no unit");
    if (!whole) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "stretches between protected areas are no multiple of %u samples; the last block of each is taken as a short one", r->ratio);
    if (r->six.bimodal && r->ratio == 1) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "bimodal compression is named, but both rates are the same: nothing was decimated");
}

/** Fills the record lead by lead; *last is the end of the longest. */
static void fill(shn_record *rec, const rhythm *r, const scratch *tmp, size_t *last)
{
    const uint8_t *five = r->five.data;
    size_t         got[SHN_LEADS_MAX];
    int            all_whole = 1, in_doubt = 0;
    *last = 0;
    for (size_t i = 0; i < r->n_leads; i++) {
        const lead *l = &r->leads[i];
        unsigned    table;
        int         whole = 1;
        if (tmp->wide) got[i] = lead_wide(r, i, five, tmp, &table, &whole);
        else got[i] = decode(r, &r->six, l->bytes, l->n_bytes, tmp->values, at_most(l->announced, held_at_most(r, l->n_bytes)), &table);
        if (five) five += read_u16le(r->five.lengths + 2 * i);
        all_whole &= whole;
        in_doubt |= table != 0 && i + 1 < r->n_leads;
        store(rec, r, i, tmp->wide ? NULL : tmp->values, tmp->wide, got[i]);
        if (got[i] && l->first - r->first + got[i] > *last) *last = l->first - r->first + got[i];
    }
    note_short(rec, r, got);
    note_all(rec, r, all_whole);
    if (in_doubt) shn_record_add_note(rec, SHN_REASON_UNSUPPORTED, "a lead's bits end in another Huffman table than the first; the next lead is taken to begin with the first again");
}

/** Finds each lead's bytes; *n the end of the longest lead and the sizes of the scratch, no more than the bytes can hold. */
static shn_status measure(rhythm *r, size_t *n, size_t *n_values, size_t *n_wide, shn_error *err)
{
    const uint8_t *at = r->six.data;
    size_t         held = 0;
    *n = *n_values = *n_wide = 0;
    for (size_t i = 0; i < r->n_leads; i++) {
        lead *l = &r->leads[i];
        l->bytes = at;
        l->n_bytes = read_u16le(r->six.lengths + 2 * i);
        at += l->n_bytes;
        const size_t values = held_at_most(r, l->n_bytes), samples = at_most(l->announced, values * r->ratio);
        if (values > *n_values) *n_values = values;
        if (samples > *n_wide) *n_wide = samples;
        if (samples && l->first - r->first + samples > *n) *n = l->first - r->first + samples;
        held += samples;
    }
    if (*n == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.section 6", "no samples");
    if (*n > held * SCP_GAPS_MAX / r->n_leads)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "scp.section 3", "leads lie so far apart that the record would be gaps: %zu samples for at most %zu that are there", *n, held);
    return SHN_OK;
}

static shn_status new_scratch(const rhythm *r, size_t n_values, size_t n_wide, scratch *tmp, shn_error *err)
{
    const int wide = r->ratio > 1 || r->subtracted;
    tmp->values = shn_alloc(n_values, sizeof *tmp->values);
    if (wide) {
        tmp->wide = shn_alloc(n_wide, sizeof *tmp->wide);
        tmp->beat = shn_alloc(at_most(r->n_beat, held_at_most(r, UINT16_MAX)), sizeof *tmp->beat);
    }
    return !tmp->values || (wide && (!tmp->wide || !tmp->beat)) ? shn_fail_nomem(err, "scp.section 6") : SHN_OK;
}

shn_status scp_read_rhythm(const scp_file *f, shn_record **out, shn_error *err)
{
    shn_record *rec = NULL;
    scratch     tmp = { 0 };
    size_t      n, n_values, n_wide, last;
    *out = NULL;
    rhythm *r = shn_alloc(1, sizeof *r);
    if (!r) return shn_fail_nomem(err, "scp.section 6");
    r->f = f;
    shn_status st = f->has_later && !f->s[6].body
        ? shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "no rhythm here, but sections of version 3.0 beyond 11, which are not read; export a resting ECG")
        : parse_leads(r, err);
    if (st == SHN_OK) st = parse_block(r, 6, &r->six, err);
    if (st == SHN_OK) st = parse_lossy(r, err);
    if (st == SHN_OK) st = scp_huffman_new(&f->s[2], &r->huffman, err);
    if (st == SHN_OK) st = measure(r, &n, &n_values, &n_wide, err);
    if (st == SHN_OK) st = shn_record_new(r->n_leads, n, 1e6 / (r->ratio > 1 ? r->five.us : r->six.us), &rec, err);
    if (st == SHN_OK) st = new_scratch(r, n_values, n_wide, &tmp, err);
    if (st != SHN_OK) goto cleanup;
    fill(rec, r, &tmp, &last);
    if (last == 0) st = shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.section 6", "no lead's bits give a sample");
    else if (last < n) st = shn_record_part(rec, 0, last, out, err);
    else {
        *out = rec;
        rec = NULL;
    }
cleanup:
    free(tmp.values);
    free(tmp.beat);
    free(tmp.wide);
    scp_huffman_free(r->huffman);
    shn_record_free(rec);
    free(r);
    return st;
}
