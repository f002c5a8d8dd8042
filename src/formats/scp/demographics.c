/** Section 1: who, when and with what. Text is in the character set that the recording device's tag names. */
#include <ctype.h>
#include <iconv.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "formats/day.h"
#include "formats/scp/scp.h"

enum { TAG_LAST_NAME = 0, TAG_PATIENT = 2, TAG_AGE = 4, TAG_BIRTH = 5, TAG_SEX = 8, TAG_DEVICE = 14, TAG_DATE = 25, TAG_TIME = 26, TAG_HIGH_PASS = 27,
       TAG_LOW_PASS = 28, TAG_FILTERS = 29, TAG_SEQUENCE = 31 };
enum { DEVICE_FIXED = 36 };             /* bytes of tag 14 before its strings */

int scp_tag_next(const scp_section *s, size_t *at, int *tag, const uint8_t **value, size_t *n)
{
    if (!s->body || *at >= s->n || s->body[*at] == 255) return 0;
    if (s->n - *at < 3) return -1;
    *tag = s->body[*at];
    *n = read_u16le(s->body + *at + 1);
    if (*n > s->n - *at - 3) return -1;
    *value = s->body + *at + 3;
    *at += 3 + *n;
    return 1;
}

const uint8_t *scp_tag(const scp_section *s, int tag, size_t *n)
{
    const uint8_t *value;
    int            t;
    for (size_t at = 0; scp_tag_next(s, &at, &t, &value, n) > 0;)
        if (t == tag) return value;
    *n = 0;
    return NULL;
}

/** Language code of tag 14: bit 0 clear is Latin 1 (or ASCII), else one of the listed sets. */
static const char *charset_of(const scp_file *f)
{
    static const struct { unsigned code; const char *name; } sets[] = {
        { 0x03, "ISO-8859-2" }, { 0x0B, "ISO-8859-4" }, { 0x13, "ISO-8859-5" }, { 0x1B, "ISO-8859-6" }, { 0x23, "ISO-8859-7" }, { 0x2B, "ISO-8859-8" },
        { 0x33, "ISO-8859-11" }, { 0x3B, "ISO-8859-15" }, { 0x07, "UTF-16LE" }, { 0x0F, "SHIFT_JIS" }, { 0x17, "EUC-JP" }, { 0x1F, "EUC-JP" },
        { 0x27, "GB2312" }, { 0x2F, "CP949" }, { 0x37, "UTF-8" },
    };
    size_t         n;
    const uint8_t *device = scp_tag(&f->s[1], TAG_DEVICE, &n);
    for (size_t i = 0; device && n > 16 && i < sizeof sets / sizeof *sets; i++)
        if (sets[i].code == device[16]) return sets[i].name;
    return "ISO-8859-1";
}

static size_t text_length(const uint8_t *bytes, size_t n, int wide)
{
    size_t i = 0;
    if (wide) while (i + 1 < n && (bytes[i] || bytes[i + 1])) i += 2;
    else while (i < n && bytes[i]) i++;
    return i;
}

/** Bytes that are no characters of the set, and control characters, become '?' and spaces. */
static void convert(const char *set, const uint8_t *bytes, size_t n, char *out, size_t size)
{
    char   *from = (char *)(uintptr_t)bytes, *to = out;
    size_t  left = size - 1;
    iconv_t cd = iconv_open("UTF-8", set);
    while (n && left) {
        if (cd != (iconv_t)-1 && iconv(cd, &from, &n, &to, &left) != (size_t)-1) break;
        if (!n || left < 4) break;
        const int plain = cd == (iconv_t)-1 && (unsigned char)*from < 128;
        *to++ = plain ? *from : '?';
        left--;
        from++;
        n--;
    }
    *to = '\0';
    if (cd != (iconv_t)-1) iconv_close(cd);
    for (char *p = out; *p; p++)
        if (iscntrl((unsigned char)*p)) *p = ' ';
}

void scp_text(const scp_file *f, const uint8_t *bytes, size_t n, char *out, size_t size)
{
    const char *set = charset_of(f);
    n = bytes ? text_length(bytes, n, strcmp(set, "UTF-16LE") == 0) : 0;
    int ascii = strcmp(set, "UTF-16LE") != 0;
    for (size_t i = 0; i < n && ascii; i++) ascii = bytes[i] >= 32 && bytes[i] < 127;
    if (ascii) {
        if (n > size - 1) n = size - 1;
        if (n) memcpy(out, bytes, n);
        out[n] = '\0';
    } else {
        convert(set, bytes, n, out, size);
    }
    size_t skip = 0, length = strlen(out);
    while (length && out[length - 1] == ' ') out[--length] = '\0';
    while (out[skip] == ' ') skip++;
    memmove(out, out + skip, length - skip + 1);
}

static void tag_text(const scp_file *f, int tag, char *out, size_t size)
{
    size_t         n;
    const uint8_t *value = scp_tag(&f->s[1], tag, &n);
    scp_text(f, value, n, out, size);
}

/** A date {u16 year, u8 month, u8 day}; 0 where it is none. */
static int date_of(const scp_file *f, int tag, shn_day *out)
{
    size_t         n;
    const uint8_t *v = scp_tag(&f->s[1], tag, &n);
    if (!v || n < 4) return 0;
    *out = (shn_day){ read_u16le(v), v[2], v[3] };
    return shn_day_valid(out);
}

static void read_times(const scp_file *f, shn_record_meta *meta)
{
    shn_day        day;
    size_t         n;
    const uint8_t *t = scp_tag(&f->s[1], TAG_TIME, &n);
    if (!date_of(f, TAG_DATE, &day)) return;
    int at = snprintf(meta->acquired, sizeof meta->acquired, "%04d-%02d-%02d", day.year, day.month, day.day);
    if (t && n >= 3 && t[0] < 24 && t[1] < 60 && t[2] < 60)
        snprintf(meta->acquired + at, sizeof meta->acquired - (size_t)at, "T%02d:%02d:%02d", t[0], t[1], t[2]);
}

/** The age as stored, else whole years from birth to recording. */
static double age_of(const scp_file *f)
{
    static const double years[] = { 0, 1, 1 / 12.0, 7 / 365.25, 1 / 365.25, 1 / 8766.0 };       /* unit codes: years, months, weeks, days, hours */
    size_t         n;
    shn_day        born, day;
    const uint8_t *v = scp_tag(&f->s[1], TAG_AGE, &n);
    if (v && n >= 3 && v[2] >= 1 && v[2] <= 5) return read_u16le(v) * years[v[2]];
    return date_of(f, TAG_BIRTH, &born) && date_of(f, TAG_DATE, &day) ? shn_day_age(&born, &day) : NAN;
}

/** Strings of tag 14 from byte 36: program (its length stands before it), serial number, two programs, manufacturer. */
static const uint8_t *device_string(const uint8_t *v, size_t n, int which, size_t *length)
{
    size_t at = DEVICE_FIXED;
    for (int i = 0; at < n; i++) {
        const uint8_t *end = memchr(v + at, 0, n - at);
        *length = end ? (size_t)(end - v) - at : n - at;
        if (i == which) return v + at;
        at += *length + 1;
    }
    *length = 0;
    return NULL;
}

static void read_device(const scp_file *f, shn_record_meta *meta)
{
    static const char *const makers[] = {
        "", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard", "Marquette", "Mortara", "Nihon Kohden", "Okin", "Quinton", "Siemens",
        "Spacelabs", "Telemed", "Hellige", "ESAOTE", "Schiller", "Picker-Schwarzer", "et medical devices", "Zwoenitz",
    };
    char           model[32] = "", maker[48] = "";
    size_t         n, length;
    const uint8_t *v = scp_tag(&f->s[1], TAG_DEVICE, &n);
    if (!v || n < 14) return;
    scp_text(f, v + 8, 6, model, sizeof model);
    if (n > DEVICE_FIXED) {
        const uint8_t *named = device_string(v, n, 4, &length);
        if (named) scp_text(f, named, length, maker, sizeof maker);
    }
    if (!*maker && v[7] < sizeof makers / sizeof *makers) snprintf(maker, sizeof maker, "%s", makers[v[7]]);
    snprintf(meta->device, sizeof meta->device, "%s%s%s", maker, *maker && *model ? " " : "", model);
}

/**
 * The high pass is in 1/100 Hz; a version 1.0 device has it in 1/10000 Hz (the converted twin of wfdb_test.scp calls 500 "0.05 Hz").
 * Zero is "not known" as well as "none" in practice: it is left out.
 */
static void read_filters(const scp_file *f, shn_record_meta *meta)
{
    static const char *const kinds[] = { "60 Hz notch", "50 Hz notch", "artifact filter", "baseline filter" };
    size_t         n, at = 0;
    const size_t   size = sizeof meta->filters;
    char          *out = meta->filters;
    const uint8_t *v = scp_tag(&f->s[1], TAG_HIGH_PASS, &n);
    if (v && n >= 2 && read_u16le(v))
        at += (size_t)snprintf(out + at, size - at, "high pass %.4g Hz", read_u16le(v) / (f->protocol <= 10 ? 10000.0 : 100.0));
    v = scp_tag(&f->s[1], TAG_LOW_PASS, &n);
    if (v && n >= 2 && read_u16le(v)) at += (size_t)snprintf(out + at, size - at, "%slow pass %u Hz", at ? ", " : "", read_u16le(v));
    v = scp_tag(&f->s[1], TAG_FILTERS, &n);
    for (int i = 0; v && n && i < 4; i++)
        if (v[0] >> i & 1) at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", kinds[i]);
}

void scp_read_demographics(const scp_file *f, shn_record *rec)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    size_t           n, at = 0;
    int              tag, more;
    const uint8_t   *v;
    tag_text(f, TAG_PATIENT, meta->patient, sizeof meta->patient);
    tag_text(f, TAG_SEQUENCE, meta->id, sizeof meta->id);
    v = scp_tag(&f->s[1], TAG_SEX, &n);
    if (v && n >= 1) meta->sex = v[0] == 1 ? 'M' : v[0] == 2 ? 'F' : 0;
    meta->age_years = age_of(f);
    read_times(f, meta);
    read_device(f, meta);
    read_filters(f, meta);
    while ((more = scp_tag_next(&f->s[1], &at, &tag, &v, &n)) > 0) {}
    if (more < 0) shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "section 1: tag at byte %zu leaves the section; tags from there on were not read", at);
    if (!f->s[1].body) shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "no section 1: patient, date and device are not known");
}
