#include "formats/csv/head.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/decimal.h"
#include "shinden/signal.h"

static const char *const WHERE = "csv.header";

int csv_line(csv_lines *l, csv_text *line)
{
    if (l->at == l->end) return 0;
    const char *stop = memchr(l->at, '\n', (size_t)(l->end - l->at));
    const char *next = stop ? stop + 1 : l->end;
    size_t n = (size_t)((stop ? stop : l->end) - l->at);
    if (n && l->at[n - 1] == '\r') n--;
    *line = (csv_text){ l->at, n };
    l->at = next;
    l->number++;
    return 1;
}

static csv_text trim(csv_text t)
{
    while (t.n && (*t.at == ' ' || *t.at == '\t')) t.at++, t.n--;
    while (t.n && (t.at[t.n - 1] == ' ' || t.at[t.n - 1] == '\t')) t.n--;
    return t;
}

int csv_is(csv_text t, const char *word) { return t.n == strlen(word) && memcmp(t.at, word, t.n) == 0; }

int csv_key(csv_text line, csv_text *key, csv_text *value)
{
    if (!line.n || *line.at != '#') return 0;
    const char *colon = memchr(line.at, ':', line.n);
    if (!colon) return 0;
    *key = trim((csv_text){ line.at + 1, (size_t)(colon - line.at) - 1 });
    *value = trim((csv_text){ colon + 1, line.n - (size_t)(colon - line.at) - 1 });
    return 1;
}

/** Next word of a value, past blanks; 0 at its end. */
static int next_word(csv_text *rest, csv_text *word)
{
    *rest = trim(*rest);
    if (!rest->n) return 0;
    size_t n = 0;
    while (n < rest->n && rest->at[n] != ' ' && rest->at[n] != '\t') n++;
    *word = (csv_text){ rest->at, n };
    rest->at += n;
    rest->n -= n;
    return 1;
}

/* ---- the row of names ---- */

static char separator_of(csv_text line)
{
    size_t commas = 0, semicolons = 0, tabs = 0;
    int    quoted = 0;
    for (size_t i = 0; i < line.n; i++) {
        quoted ^= line.at[i] == '"';
        if (quoted) continue;
        commas += line.at[i] == ',';
        semicolons += line.at[i] == ';';
        tabs += line.at[i] == '\t';
    }
    if (semicolons > commas && semicolons >= tabs) return ';';
    return tabs > commas ? '\t' : ',';
}

/** Takes one field off the line, unquoted, cut at size. 0: a stray or open quote, a control byte. */
static int take_field(csv_text *line, char separator, char *out, size_t size)
{
    const char *p = line->at, *end = p + line->n;
    size_t      n = 0;
    while (p < end && *p == ' ') p++;
    const int quoted = p < end && *p == '"';
    if (quoted) p++;
    for (;; p++) {
        if (p == end) {
            if (quoted) return 0;
            break;
        }
        if (quoted && *p == '"') {
            if (p + 1 < end && p[1] == '"') p++;
            else break;
        } else if (!quoted && (*p == separator || *p == '"')) break;
        if ((unsigned char)*p < 0x20 && *p != '\t') return 0;
        if (n + 1 < size) out[n++] = *p;
    }
    if (quoted) p++;
    else while (n && out[n - 1] == ' ') n--;
    while (p < end && *p == ' ' && separator != ' ') p++;
    out[n] = '\0';
    if (p < end && *p != separator) return 0;
    line->n = (size_t)(end - p);
    line->at = p;
    return 1;
}

static csv_first first_column(const char *name)
{
    if (strcasecmp(name, "time_s") == 0) return CSV_FIRST_SECONDS;
    if (strcasecmp(name, "time_ms") == 0) return CSV_FIRST_MILLISECONDS;
    return strcasecmp(name, "sample") == 0 || strcasecmp(name, "time") == 0 ? CSV_FIRST_SKIPPED : CSV_FIRST_LEAD;
}

static shn_status parse_names(csv_text line, size_t number, csv_head *h, shn_error *err)
{
    h->separator = separator_of(line);
    for (;;) {
        char name[32];
        if (!take_field(&line, h->separator, name, sizeof name))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %zu: column %zu: a stray quote or control byte", number, h->n_columns + 1);
        if (h->n_columns == 0) h->first = first_column(name);
        if (h->n_columns++ > 0 || h->first == CSV_FIRST_LEAD) {
            if (h->n_leads == SHN_LEADS_MAX)
                return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "line %zu: more than %d leads", number, SHN_LEADS_MAX);
            csv_lead *lead = &h->leads[h->n_leads++];
            *lead = (csv_lead){ .origin = SHN_UNIT_DECLARED };
            strcpy(lead->name, name);
            if (!*name) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %zu: column %zu has no name", number, h->n_columns);
        }
        if (!line.n) break;
        line.at++;
        line.n--;
    }
    if (h->n_leads == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, "line %zu: no lead among the columns", number);
    return SHN_OK;
}

/** Byte order mark, '#' lines, row of names. 0: no row of names within the limit; *limit then says whether more bytes were there. */
static int find_names(const uint8_t *bytes, size_t n_bytes, csv_head *h, csv_text *names, int *limit)
{
    const size_t bom = n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const char  *start = (const char *)bytes + bom;
    const size_t n = n_bytes - bom;
    csv_lines    l = { start, start + (n < SHN_ECG_CSV_HEAD_MAX ? n : SHN_ECG_CSV_HEAD_MAX), 0 };
    *limit = n > SHN_ECG_CSV_HEAD_MAX;
    if (!n) return 0;
    while (csv_line(&l, names)) {
        if (names->n > SHN_ECG_CSV_LINE_MAX || (l.at == l.end && *limit)) {
            *limit = 1;
            return 0;
        }
        if (!names->n || *names->at == '#') continue;
        h->comments = (csv_text){ start, (size_t)(names->at - start) };
        h->body = (csv_text){ l.at, (size_t)(start + n - l.at) };
        h->body_line = l.number;
        return memchr(start, '\0', (size_t)(l.at - start)) == NULL;
    }
    return 0;
}

int csv_recognises(const uint8_t *bytes, size_t n_bytes)
{
    csv_head h = { 0 };
    csv_text names, line, key, value;
    int      limit, stated = 0;
    size_t   known = 0;
    if (!find_names(bytes, n_bytes, &h, &names, &limit)) {
        const size_t bom = n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        return n_bytes - bom >= strlen(SHN_ECG_CSV_MARK) && memcmp(bytes + bom, SHN_ECG_CSV_MARK, strlen(SHN_ECG_CSV_MARK)) == 0;
    }
    csv_lines l = { h.comments.at, h.comments.at + h.comments.n, 0 };
    while (csv_line(&l, &line)) {
        if (l.number == 1 && csv_is(trim(line), SHN_ECG_CSV_MARK)) return 1;
        stated |= csv_key(line, &key, &value) && (csv_is(key, "fs_hz") || csv_is(key, "unit"));
    }
    if (parse_names(names, h.body_line, &h, NULL) != SHN_OK) return 0;
    for (size_t i = 0; i < h.n_leads; i++) known += shn_lead_index(h.leads[i].name) >= 0;
    return stated ? known > 0 : known == h.n_leads && h.n_columns >= 2;
}

/* ---- what is said of the columns ---- */

enum { SETTING_FS, SETTING_UNIT, SETTING_GAIN, SETTING_BASELINE, SETTING_BITS, SETTING_ORIGIN, SETTING_DECIMAL, N_SETTINGS };
static const char *const settings[N_SETTINGS] = { "fs_hz", "unit", "gain_adu_per_mv", "baseline_adu", "bits", "unit_origin", "decimal" };

static int number_of(csv_text word, double *v) { return shn_decimal_whole(word.at, word.at + word.n, v); }

static int set_unit(csv_lead *lead, csv_text word)
{
    static const struct { const char *word; csv_unit unit; } words[] = {
        { "mV", CSV_MILLIVOLT },        { "uV", CSV_MICROVOLT }, { "\xc2\xb5V", CSV_MICROVOLT }, { "\xce\xbcV", CSV_MICROVOLT }, { "nV", CSV_NANOVOLT },
        { "V", CSV_VOLT },              { "adu", CSV_ADU },      { "unknown", CSV_UNKNOWN },     { "other", CSV_OTHER },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (csv_is(word, words[i].word)) {
            lead->unit = words[i].unit;
            return 1;
        }
    return 0;
}

static int set_origin(csv_lead *lead, csv_text word)
{
    if (csv_is(word, "declared")) lead->origin = SHN_UNIT_DECLARED;
    else if (csv_is(word, "default")) lead->origin = SHN_UNIT_DEFAULT;
    else if (csv_is(word, "assumed")) lead->origin = SHN_UNIT_ASSUMED;
    else return 0;
    return 1;
}

/** 1 if the word is a value of this setting; the lead then has it. */
static int set_lead(csv_lead *lead, int setting, csv_text word)
{
    double v;
    if (setting == SETTING_UNIT) return set_unit(lead, word);
    if (setting == SETTING_ORIGIN) return set_origin(lead, word);
    if (!number_of(word, &v)) return 0;
    if (setting == SETTING_GAIN) {
        lead->gain = v;
        return fabs(v) >= 1e-9 && fabs(v) <= 1e12;
    }
    if (setting == SETTING_BASELINE) {
        lead->baseline = v;
        return fabs(v) <= 1e12;
    }
    lead->bits = (int)(v >= 0 && v <= 64 ? v : 0);
    return v == 8 || v == 12 || v == 16 || v == 24 || v == 32 || v == 0;
}

static shn_status bad_setting(int setting, size_t number, csv_text value, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE,
                    "line %zu: '%s: %.*s': needs one value, or one for each lead, or LEAD=VALUE; see the layout in docs/formats.md", number, settings[setting],
                    value.n > 80 ? 80 : (int)value.n, value.at);
}

/** LEAD=WORD: every lead of that name. 0: no such lead, or no value. */
static int set_named(csv_head *h, int setting, csv_text word, const char *equals)
{
    const csv_text name = { word.at, (size_t)(equals - word.at) }, value = { equals + 1, word.n - name.n - 1 };
    int            found = 0;
    for (size_t i = 0; i < h->n_leads; i++)
        if (csv_is(name, h->leads[i].name)) {
            if (!set_lead(&h->leads[i], setting, value)) return 0;
            found = 1;
        }
    return found;
}

static shn_status take_per_lead(csv_head *h, int setting, csv_text value, size_t number, shn_error *err)
{
    csv_text rest = value, word, first = { 0 };
    size_t   n = 0, named = 0;
    for (; next_word(&rest, &word); n++) {
        const char *equals = memrchr(word.at, '=', word.n);
        if (n == 0) first = word;
        if (equals) {
            if (!set_named(h, setting, word, equals)) return bad_setting(setting, number, value, err);
            named++;
        } else if (n >= h->n_leads || !set_lead(&h->leads[n], setting, word)) return bad_setting(setting, number, value, err);
    }
    if (named ? named != n : n != 1 && n != h->n_leads) return bad_setting(setting, number, value, err);
    if (!named && n == 1)
        for (size_t i = 1; i < h->n_leads; i++) (void)set_lead(&h->leads[i], setting, first);    /* a value, as the first lead showed */
    return SHN_OK;
}

static shn_status take_setting(csv_head *h, int setting, csv_text value, size_t number, shn_error *err)
{
    if (setting == SETTING_FS) {
        if (number_of(value, &h->fs_hz) && h->fs_hz > 0 && h->fs_hz <= 1e6) return SHN_OK;
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %zu: fs_hz is not in (0, 1e6]: '%.*s'", number, value.n > 40 ? 40 : (int)value.n, value.at);
    }
    if (setting == SETTING_DECIMAL) {
        if (csv_is(value, "comma") && h->separator == ',')
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %zu: a decimal comma where commas separate columns", number);
        if (!csv_is(value, "comma") && !csv_is(value, "point"))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %zu: decimal is 'point' or 'comma'", number);
        h->decimal = csv_is(value, "comma") ? ',' : '.';
        return SHN_OK;
    }
    return take_per_lead(h, setting, value, number, err);
}

shn_status csv_head_parse(const uint8_t *bytes, size_t n_bytes, csv_head *h, shn_error *err)
{
    csv_text names, line, key, value;
    size_t   seen[N_SETTINGS] = { 0 };
    int      limit;
    memset(h, 0, sizeof *h);
    h->decimal = '.';
    if (!find_names(bytes, n_bytes, h, &names, &limit)) {
        if (limit)
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "no row of names in the first %zu bytes, or a line of more than %zu", SHN_ECG_CSV_HEAD_MAX, SHN_ECG_CSV_LINE_MAX);
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "no row of names, or a NUL byte above it");
    }
    shn_status st = parse_names(names, h->body_line, h, err);
    csv_lines  l = { h->comments.at, h->comments.at + h->comments.n, 0 };
    while (st == SHN_OK && csv_line(&l, &line)) {
        if (!csv_key(line, &key, &value)) continue;
        for (int s = 0; s < N_SETTINGS && st == SHN_OK; s++) {
            if (!csv_is(key, settings[s])) continue;
            if (seen[s]) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "line %zu: %s again, after line %zu", l.number, settings[s], seen[s]);
            else st = take_setting(h, s, value, l.number, err);
            seen[s] = l.number;
        }
    }
    if (st == SHN_OK && !seen[SETTING_FS])
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "no sampling frequency: add a line such as '# fs_hz: 500' above the names of the leads");
    return st;
}

/* ---- what is said of the record ---- */

static void copy_text(csv_text value, char *out, size_t size)
{
    size_t n = value.n < size - 1 ? value.n : size - 1;
    while (n < value.n && n && ((unsigned char)value.at[n] & 0xc0) == 0x80) n--;        /* at a whole character */
    memcpy(out, value.at, n);
    out[n] = '\0';
}

static shn_status take_measurement(csv_text value, shn_record *rec, shn_error *err)
{
    csv_text rest = value, name, word;
    char     text[32], unit[16];
    double   v;
    if (!next_word(&rest, &name) || !next_word(&rest, &word) || !number_of(word, &v)) {
        shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "a measurement without name or number is left out");
        return SHN_OK;
    }
    copy_text(name, text, sizeof text);
    copy_text(trim(rest), unit, sizeof unit);
    return shn_record_add_measurement(rec, text, v, unit, err);
}

static shn_status take_text(csv_text key, csv_text value, shn_record *rec, shn_error *err)
{
    shn_record_meta *m = shn_record_meta_mut(rec);
    const struct { const char *key; char *to; size_t size; } fields[] = {
        { "id", m->id, sizeof m->id },             { "patient", m->patient, sizeof m->patient }, { "acquired", m->acquired, sizeof m->acquired },
        { "device", m->device, sizeof m->device }, { "filters", m->filters, sizeof m->filters },
    };
    char   line[1024];
    double v;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (csv_is(key, fields[i].key)) copy_text(value, fields[i].to, fields[i].size);
    if (csv_is(key, "age") && number_of(value, &v) && v >= 0 && v <= 150) m->age_years = v;
    if (csv_is(key, "sex") && value.n) {
        const int c = toupper((unsigned char)*value.at);
        if ((c == 'M' || c == 'F') && (value.n == 1 || (value.n <= 6 && isalpha((unsigned char)value.at[1])))) m->sex = (char)c;
    }
    copy_text(value, line, sizeof line);
    if (csv_is(key, "statement") && value.n) return shn_record_add_statement(rec, line, err);
    if (csv_is(key, "label") && value.n) return shn_record_add_label(rec, line, err);
    if (csv_is(key, "measurement")) return take_measurement(value, rec, err);
    return SHN_OK;
}

shn_status csv_head_apply(const csv_head *h, shn_record *rec, shn_error *err)
{
    csv_lines  l = { h->comments.at, h->comments.at + h->comments.n, 0 };
    csv_text   line, key, value;
    shn_status st = SHN_OK;
    while (st == SHN_OK && csv_line(&l, &line))
        if (csv_key(line, &key, &value)) st = take_text(key, value, rec, err);
    return st;
}
