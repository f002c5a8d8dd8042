/** Sections 7 and 10, what the machine measured; 8 and 11, what it (or a physician) said. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "formats/scp/scp.h"

static shn_status add(shn_record *rec, const char *name, int value, const char *unit, shn_error *err)
{
    return value >= SCP_NOT_COMPUTED || value == -32768 ? SHN_OK : shn_record_add_measurement(rec, name, value, unit, err);
}

size_t scp_global_known(const scp_file *f)
{
    const scp_section *s = &f->s[7];
    if (!s->body || s->n < 6) return 0;
    const size_t n_beats = s->body[0], n_spikes = s->body[1], head = 6 + 16 * n_beats + 10 * n_spikes;
    if (head > s->n) return 0;
    if (f->protocol <= 10 || s->n - head < 2) return head;         /* what a 1.0 device (wfdb_test.scp) has there is its own */
    const size_t n_types = read_u16le(s->body + head), tail = head + 2 + n_types;
    if (n_types > s->n - head - 2) return head;
    return s->n - tail >= 7 ? tail + 7 : tail;
}

/** One interval between two of the beat's marks, in ms; nothing unless both are there and in order. */
static shn_status add_interval(shn_record *rec, const char *name, int from, int to, shn_error *err)
{
    return from < SCP_NOT_COMPUTED && to < SCP_NOT_COMPUTED && from >= 0 && to > from ? add(rec, name, to - from, "ms", err) : SHN_OK;
}

static shn_status add_axes(const uint8_t *beat, shn_record *rec, shn_error *err)
{
    static const char *const names[3] = { "p_axis", "qrs_axis", "t_axis" };
    shn_status st = SHN_OK;
    for (int i = 0; i < 3 && st == SHN_OK; i++) {
        const int degrees = read_i16le(beat + 10 + 2 * i);
        if (degrees >= -360 && degrees <= 360) st = add(rec, names[i], degrees, "deg", err);      /* 999: not valid */
    }
    return st;
}

/** Rates and QTc behind the types of the complexes. Where the ventricular rate is not there, the mean RR interval gives it. */
static shn_status add_rates(const scp_file *f, shn_record *rec, shn_error *err)
{
    const scp_section *s = &f->s[7];
    const size_t known = scp_global_known(f), head = 6 + 16 * (size_t)s->body[0] + 10 * (size_t)s->body[1];
    const int    rr = read_u16le(s->body + 2), pp = read_u16le(s->body + 4);
    int          rate = SCP_NOT_COMPUTED, atrial = SCP_NOT_COMPUTED, qtc = SCP_NOT_COMPUTED;
    if (known >= head + 2 + 7 && known - 7 >= head + 2) {
        rate = read_u16le(s->body + known - 7);
        atrial = read_u16le(s->body + known - 5);
        qtc = read_u16le(s->body + known - 3);
    }
    shn_status st = SHN_OK;
    if (rate > 0 && rate < SCP_NOT_COMPUTED) st = add(rec, "heart_rate", rate, "/min", err);
    else if (rr > 0 && rr < SCP_NOT_COMPUTED) st = shn_record_add_measurement(rec, "heart_rate", round(60000.0 / rr), "/min", err);
    if (st == SHN_OK && atrial > 0) st = add(rec, "atrial_rate", atrial, "/min", err);
    if (st == SHN_OK && rr > 0) st = add(rec, "rr_interval", rr, "ms", err);
    if (st == SHN_OK && pp > 0) st = add(rec, "pp_interval", pp, "ms", err);
    if (st == SHN_OK && qtc > 0) st = add(rec, "qtc_interval", qtc, "ms", err);
    return st;
}

static shn_status read_global(const scp_file *f, shn_record *rec, shn_error *err)
{
    const scp_section *s = &f->s[7];
    if (!s->body || s->n == 0) return SHN_OK;
    if (scp_global_known(f) == 0) {
        shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "section 7: %u beats and %u spikes do not fit into its %zu bytes; its measurements were not read", s->body[0], s->n > 1 ? s->body[1] : 0, s->n);
        return SHN_OK;
    }
    shn_status st = add_rates(f, rec, err);
    if (st != SHN_OK || s->body[0] == 0) return st;
    const uint8_t *beat = s->body + 6;          /* the first beat is the reference beat or the mean of all */
    const int p_on = read_u16le(beat), p_off = read_u16le(beat + 2), qrs_on = read_u16le(beat + 4), qrs_off = read_u16le(beat + 6), t_off = read_u16le(beat + 8);
    st = add_interval(rec, "p_duration", p_on, p_off, err);
    if (st == SHN_OK) st = add_interval(rec, "pr_interval", p_on, qrs_on, err);
    if (st == SHN_OK) st = add_interval(rec, "qrs_duration", qrs_on, qrs_off, err);
    if (st == SHN_OK) st = add_interval(rec, "qt_interval", qrs_on, t_off, err);
    if (st == SHN_OK) st = add_axes(beat, rec, err);
    return st;
}

/** Values of section 10 in file order; those without a name are codes or marks of quality. */
static const struct { const char *name, *unit; } lead_values[SCP_LEAD_VALUES] = {
    { "p_duration", "ms" }, { "pr_interval", "ms" }, { "qrs_duration", "ms" }, { "qt_interval", "ms" }, { "q_duration", "ms" }, { "r_duration", "ms" },
    { "s_duration", "ms" }, { "r2_duration", "ms" }, { "s2_duration", "ms" }, { "q_amplitude", "uV" }, { "r_amplitude", "uV" }, { "s_amplitude", "uV" },
    { "r2_amplitude", "uV" }, { "s2_amplitude", "uV" }, { "j_amplitude", "uV" }, { "p_amplitude_plus", "uV" }, { "p_amplitude_minus", "uV" },
    { "t_amplitude_plus", "uV" }, { "t_amplitude_minus", "uV" }, { "st_slope", "uV/s" }, { NULL, NULL }, { NULL, NULL }, { "iso_onset", "ms" },
    { "iso_end", "ms" }, { "intrinsicoid", "ms" }, { NULL, NULL }, { "st_20ms", "uV" }, { "st_60ms", "uV" }, { "st_80ms", "uV" },
    { "st_rr_16", "uV" }, { "st_rr_8", "uV" },
};

static shn_status add_lead_values(const uint8_t *values, size_t n, unsigned code, shn_record *rec, shn_error *err)
{
    char       lead[32], name[64];
    shn_status st = SHN_OK;
    scp_lead_name(code, lead);
    for (size_t i = 0; i < n && i < SCP_LEAD_VALUES && st == SHN_OK; i++) {
        const int v = read_i16le(values + 2 * i);
        if (!lead_values[i].name || v == 0) continue;           /* 0: the wave is not there */
        snprintf(name, sizeof name, "%s %s", lead, lead_values[i].name);
        st = add(rec, name, v, lead_values[i].unit, err);
    }
    return st;
}

static shn_status read_leads(const scp_file *f, shn_record *rec, shn_error *err)
{
    const scp_section *s = &f->s[10];
    shn_status         st = SHN_OK;
    if (!s->body || s->n < 4) return SHN_OK;
    const size_t n_leads = read_u16le(s->body);
    size_t       at = 4;
    for (size_t i = 0; i < n_leads && st == SHN_OK; i++) {
        const size_t n = s->n - at >= 4 ? read_u16le(s->body + at + 2) : 0;
        if (s->n - at < 4 || n > s->n - at - 4) {
            shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "section 10: lead %zu of %zu leaves the section; measurements from there on were not read", i + 1, n_leads);
            break;
        }
        st = add_lead_values(s->body + at + 4, n / 2, read_u16le(s->body + at), rec, err);
        at += 4 + n;
    }
    return st;
}

shn_status scp_read_measurements(const scp_file *f, shn_record *rec, shn_error *err)
{
    const shn_status st = read_global(f, rec, err);
    return st == SHN_OK ? read_leads(f, rec, err) : st;
}

int scp_statement_next(const scp_section *s, size_t *at, unsigned *number, const uint8_t **text, size_t *n)
{
    if (!s->body || *at >= s->n || s->n - *at < 3) return 0;
    *number = s->body[*at];
    *n = read_u16le(s->body + *at + 1);
    if (*n > s->n - *at - 3) return 0;
    *text = s->body + *at + 3;
    *at += 3 + *n;
    return 1;
}

/** Section 11's fields are separated by NULs: "NORM", "", "MI ACUTE" become one line. */
static shn_status add_coded(const scp_file *f, const uint8_t *fields, size_t n, shn_record *rec, shn_error *err)
{
    char   line[512] = "", field[256];
    size_t length = 0;
    for (size_t at = 0; at < n;) {
        const uint8_t *end = memchr(fields + at, 0, n - at);
        const size_t   size = end ? (size_t)(end - fields) - at : n - at;
        scp_text(f, fields + at, size, field, sizeof field);
        if (*field) length += (size_t)snprintf(line + length, sizeof line - length, "%s%s", length ? " " : "", field);
        if (length >= sizeof line) break;
        at += size + 1;
    }
    return *line ? shn_record_add_statement(rec, line, err) : SHN_OK;
}

static shn_status read_section(const scp_file *f, int section, shn_record *rec, shn_error *err)
{
    const scp_section *s = &f->s[section];
    const uint8_t     *text;
    char               line[512];
    unsigned           number;
    size_t             n, at = 9, found = 0;
    shn_status         st = SHN_OK;
    if (!s->body || s->n < 9) return SHN_OK;
    while (st == SHN_OK && found < s->body[8] && scp_statement_next(s, &at, &number, &text, &n)) {
        found++;
        if (section == 11) {
            if (n > 1) st = add_coded(f, text + 1, n - 1, rec, err);
            continue;
        }
        scp_text(f, text, n, line, sizeof line);
        if (*line) st = shn_record_add_statement(rec, line, err);
    }
    if (st == SHN_OK && found < s->body[8])
        shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "section %d: %u statements announced, %zu are there", section, s->body[8], found);
    return st;
}

shn_status scp_read_statements(const scp_file *f, shn_record *rec, shn_error *err)
{
    const shn_status st = read_section(f, 8, rec, err);
    return st == SHN_OK ? read_section(f, 11, rec, err) : st;
}
