#include "formats/wfdb/header.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/wfdb/decode.h"

enum { LINE_MAX_BYTES = 4096 };

/** A cursor over lines; one line at a time is copied out, terminated. */
typedef struct lines { const uint8_t *bytes; size_t n, at, number; char line[LINE_MAX_BYTES]; } lines;

static shn_status bad(const lines *l, shn_error *err, const char *what)
{
    char where[64];
    snprintf(where, sizeof where, "wfdb.header line %zu", l->number);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "line %zu: %s: '%.80s'", l->number, what, l->line);
}

/** Next line into l->line. Returns 0 at the end; a line that is too long ends the reading with *st set. */
static int next_line(lines *l, shn_status *st, shn_error *err)
{
    if (l->at >= l->n) return 0;
    const uint8_t *start = l->bytes + l->at;
    const uint8_t *end = memchr(start, '\n', l->n - l->at);
    size_t len = end ? (size_t)(end - start) : l->n - l->at;
    l->at += len + (end ? 1 : 0);
    l->number++;
    if (len && start[len - 1] == '\r') len--;
    if (len >= LINE_MAX_BYTES) {
        *st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.header", "line %zu has %zu bytes, at most %d", l->number, len, LINE_MAX_BYTES - 1);
        return 0;
    }
    memcpy(l->line, start, len);
    l->line[len] = '\0';
    if (strlen(l->line) != len) {
        *st = bad(l, err, "a NUL byte");
        return 0;
    }
    return 1;
}

/** Splits off the next word at *p (spaces and tabs); NULL at the end of the line. */
static char *next_word(char **p)
{
    char *s = *p;
    while (*s == ' ' || *s == '\t') s++;
    if (*s == '\0') return NULL;
    char *end = s;
    while (*end && *end != ' ' && *end != '\t') end++;
    if (*end) *end++ = '\0';
    *p = end;
    return s;
}

/** A whole number at s in [low, high]; *end is set past it. 0 if there is none. */
static int whole(const char *s, char **end, int64_t low, int64_t high, int64_t *out)
{
    errno = 0;
    const long long v = strtoll(s, end, 10);
    if (*end == s || errno || v < low || v > high) return 0;
    *out = v;
    return 1;
}

static int real(const char *s, char **end, double *out)
{
    if (!(isdigit((unsigned char)*s) || *s == '.' || *s == '-' || *s == '+')) return 0;     /* no "inf", "nan", hex */
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) return 0;
    *out = strtod(s, end);
    return *end != s && isfinite(*out);
}

/** Files and segments lie beside the header: a name with a folder in it could reach anywhere. */
static int plain_name(const char *s) { return *s && strlen(s) < 256 && !strchr(s, '/') && !strchr(s, '\\') && strcmp(s, "..") != 0; }

/** "360/1000(0)": frame rate, counter rate and its base; only the first matters here. */
static int parse_rate(char *word, double *fs_hz)
{
    char *end;
    return real(word, &end, fs_hz) && (*end == '\0' || *end == '/' || *end == '(') && *fs_hz > 0 && *fs_hz <= 1e6;
}

static shn_status parse_record_line(lines *l, wfdb_header *h, shn_error *err)
{
    char   *p = l->line, *word, *end;
    int64_t v;
    h->fs_hz = 250;                     /* header(5): what is not given is 250 Hz */
    word = next_word(&p);
    if (!word) return bad(l, err, "no record name");
    char *slash = strchr(word, '/');
    if (slash) {
        *slash = '\0';
        if (!whole(slash + 1, &end, 1, SHN_WFDB_SEGMENTS_MAX, &v) || *end) return bad(l, err, "number of segments");
        h->n_segments = (size_t)v;
    }
    if (!plain_name(word)) return bad(l, err, "record name");
    strcpy(h->name, word);
    word = next_word(&p);
    if (!word || !whole(word, &end, 0, SHN_LEADS_MAX, &v) || *end) return bad(l, err, "number of signals");
    h->n_signals = (size_t)v;
    if ((word = next_word(&p)) && !parse_rate(word, &h->fs_hz)) return bad(l, err, "sampling frequency");
    if (word && (word = next_word(&p))) {
        if (!whole(word, &end, 0, (int64_t)SHN_SAMPLES_MAX * 64, &v) || *end) return bad(l, err, "number of samples");
        h->n_samples = (uint64_t)v;
    }
    while (word && (word = next_word(&p))) {        /* time and date; some Challenge headers have them in the other order */
        char *to = strchr(word, ':') ? h->time : h->date;
        snprintf(to, sizeof h->time, "%.15s", word);
    }
    return SHN_OK;
}

/** "16x2:3+24": format, samples per frame, skew, byte offset. */
static int parse_format(const char *s, wfdb_signal *sig)
{
    int64_t v;
    char   *end;
    sig->per_frame = 1;
    if (!whole(s, &end, 0, 10000, &v)) return 0;
    sig->format = (int)v;
    if (*end == 'x') {
        if (!whole(end + 1, &end, 1, SHN_WFDB_PER_FRAME_MAX, &v)) return 0;
        sig->per_frame = (uint32_t)v;
    }
    if (*end == ':') {
        if (!whole(end + 1, &end, 0, 1 << 24, &v)) return 0;
        sig->skew = (uint32_t)v;
    }
    if (*end == '+') {
        if (!whole(end + 1, &end, 0, INT64_C(1) << 40, &v)) return 0;
        sig->byte_offset = (uint64_t)v;
    }
    return *end == '\0';
}

/** "200(1024)/uV": gain, baseline, unit. */
static int parse_gain(const char *s, wfdb_signal *sig, int *has_baseline)
{
    char *end;
    *has_baseline = 0;
    if (!real(s, &end, &sig->gain)) return 0;
    if (sig->gain != 0 && !(fabs(sig->gain) >= 1e-9 && fabs(sig->gain) <= 1e12)) return 0;     /* 1 / gain must stay a number */
    if (*end == '(') {
        if (!whole(end + 1, &end, INT32_MIN, INT32_MAX, &sig->baseline) || *end != ')') return 0;
        *has_baseline = 1;
        end++;
    }
    if (*end == '/') {
        snprintf(sig->unit, sizeof sig->unit, "%.23s", end + 1);
        end += strlen(end);
    }
    return *end == '\0';
}

static shn_status parse_signal_line(lines *l, wfdb_signal *sig, shn_error *err)
{
    char   *p = l->line, *word, *end;
    int     has_baseline = 0;
    int64_t zero = 0, v;
    word = next_word(&p);
    if (!word || !plain_name(word)) return bad(l, err, "signal file name");
    strcpy(sig->file, word);
    word = next_word(&p);
    if (!word || !parse_format(word, sig)) return bad(l, err, "signal format");
    if ((word = next_word(&p)) && !parse_gain(word, sig, &has_baseline)) return bad(l, err, "gain");
    if (word && (word = next_word(&p)) && (!whole(word, &end, 0, 64, &v) || *end)) return bad(l, err, "ADC resolution");
    if (word && (word = next_word(&p)) && (!whole(word, &end, INT32_MIN, INT32_MAX, &zero) || *end)) return bad(l, err, "ADC zero");
    if (!has_baseline) sig->baseline = zero;
    sig->initial = zero;
    if (word && (word = next_word(&p)) && (!whole(word, &end, INT32_MIN, INT32_MAX, &sig->initial) || *end)) return bad(l, err, "initial value");
    if (word && (word = next_word(&p))) {
        if (!whole(word, &end, INT32_MIN, INT32_MAX, &v) || *end) return bad(l, err, "checksum");
        sig->has_checksum = 1;
        sig->checksum = (int32_t)v;
    }
    if (word && (word = next_word(&p)) && (!whole(word, &end, 0, INT32_MAX, &v) || *end)) return bad(l, err, "block size");
    while (*p == ' ' || *p == '\t') p++;
    if (word) snprintf(sig->name, sizeof sig->name, "%.63s", p);
    for (size_t n = strlen(sig->name); n && isspace((unsigned char)sig->name[n - 1]);) sig->name[--n] = '\0';
    return SHN_OK;
}

static shn_status parse_segment_line(lines *l, wfdb_segment *seg, shn_error *err)
{
    char   *p = l->line, *end;
    int64_t v;
    char   *name = next_word(&p), *length = next_word(&p);
    if (!name || !plain_name(name)) return bad(l, err, "segment name");
    if (!length || !whole(length, &end, 0, (int64_t)SHN_SAMPLES_MAX * 64, &v) || *end) return bad(l, err, "segment length");
    strcpy(seg->name, name);
    seg->n_samples = (uint64_t)v;
    return SHN_OK;
}

static shn_status add_comment(wfdb_header *h, const char *line, shn_error *err)
{
    while (*line == '#') line++;
    while (*line == ' ' || *line == '\t') line++;
    if (shn_grow(&h->comments, &h->comments_capacity, h->n_comments + 1, sizeof *h->comments) != 0) return shn_fail_nomem(err, "wfdb.header");
    char *copy = shn_strdup(line);
    if (!copy) return shn_fail_nomem(err, "wfdb.header");
    h->comments[h->n_comments++] = copy;
    return SHN_OK;
}

/** A line after the last one announced: a signal or segment too many contradicts the record line; anything else is counted, to be told. */
static shn_status take_surplus(lines *l, wfdb_header *h, shn_error *err)
{
    wfdb_signal  sig = { 0 };
    wfdb_segment seg = { 0 };
    char         copy[LINE_MAX_BYTES];
    strcpy(copy, l->line);                      /* parsing cuts the line into words */
    const int fits = h->n_segments ? parse_segment_line(l, &seg, NULL) == SHN_OK
                                   : parse_signal_line(l, &sig, NULL) == SHN_OK && (sig.format == 0 || wfdb_format_known(sig.format));
    strcpy(l->line, copy);
    if (fits) return bad(l, err, h->n_segments ? "a segment more than the record line says" : "a signal more than the record line says");
    h->n_ignored++;
    return SHN_OK;
}

static int is_blank(const char *s) { return s[strspn(s, " \t")] == '\0'; }

static shn_status allocate(wfdb_header *h, shn_error *err)
{
    if (h->n_segments) h->segments = shn_alloc(h->n_segments, sizeof *h->segments);
    else h->signals = shn_alloc(h->n_signals, sizeof *h->signals);
    return h->segments || h->signals ? SHN_OK : shn_fail_nomem(err, "wfdb.header");
}

shn_status wfdb_header_parse(const uint8_t *bytes, size_t n_bytes, wfdb_header *h, shn_error *err)
{
    memset(h, 0, sizeof *h);
    if (n_bytes > SHN_WFDB_HEADER_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.header", "%zu bytes, at most %zu", n_bytes, SHN_WFDB_HEADER_MAX);
    lines     *l = shn_alloc(1, sizeof *l);
    size_t     n_lines = 0, expected = 0;
    int        have_record = 0;
    shn_status st = SHN_OK;
    if (!l) return shn_fail_nomem(err, "wfdb.header");
    l->bytes = bytes;
    l->n = n_bytes;
    while (st == SHN_OK && next_line(l, &st, err)) {
        if (l->line[0] == '#') st = add_comment(h, l->line, err);
        else if (is_blank(l->line)) continue;
        else if (!have_record) {
            st = parse_record_line(l, h, err);
            if (st == SHN_OK) st = allocate(h, err);
            have_record = 1;
            expected = h->n_segments ? h->n_segments : h->n_signals;
        } else if (n_lines < expected) {
            st = h->n_segments ? parse_segment_line(l, &h->segments[n_lines], err) : parse_signal_line(l, &h->signals[n_lines], err);
            n_lines++;
        } else st = take_surplus(l, h, err);
    }
    if (st == SHN_OK && !have_record) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "no record line");
    if (st == SHN_OK && n_lines < expected)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.header", "%zu of %zu %s lines; the header is cut off", n_lines, expected,
                      h->n_segments ? "segment" : "signal");
    free(l);
    return st;
}

void wfdb_header_free(wfdb_header *h)
{
    for (size_t i = 0; i < h->n_comments; i++) free(h->comments[i]);
    free(h->comments);
    free(h->signals);
    free(h->segments);
    memset(h, 0, sizeof *h);
}
