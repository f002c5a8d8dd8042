#include "formats/edf/header.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"

enum { FIXED = 256, PER_SIGNAL = 256 };
/* where the fields of signal s of ns begin, in units of the fields before them */
enum { AT_LABEL = 0, AT_DIMENSION = 96, AT_PHYSICAL_MIN = 104, AT_PHYSICAL_MAX = 112, AT_DIGITAL_MIN = 120, AT_DIGITAL_MAX = 128, AT_PREFILTER = 136,
       AT_SAMPLES = 216 };

size_t edf_text(const uint8_t *field, size_t width, char *out)
{
    utf8proc_int32_t code;
    size_t n = 0;
    int    utf8 = 1;
    while (width && (field[width - 1] == ' ' || field[width - 1] == '\0')) width--;
    while (width && (*field == ' ' || *field == '\0')) field++, width--;
    for (size_t i = 0; i < width && utf8;) {
        const utf8proc_ssize_t step = utf8proc_iterate(field + i, (utf8proc_ssize_t)(width - i), &code);
        if (step <= 0) utf8 = 0;
        else i += (size_t)step;
    }
    for (size_t i = 0; i < width; i++) {
        const uint8_t c = field[i];
        if (c < 0x20 || c == 0x7f) out[n++] = ' ';
        else if (c < 0x80 || utf8) out[n++] = (char)c;
        else n += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out + n);      /* at most two bytes each */
    }
    out[n] = '\0';
    return n;
}

/** A number that fills the field but for blanks; 0 if it is none. */
static int number(const uint8_t *field, size_t width, double *out)
{
    char  text[2 * 16 + 1], *end;
    if (edf_text(field, width, text) == 0 || !(isdigit((unsigned char)*text) || strchr("+-.", *text)) || strpbrk(text, "xXnNpP")) return 0;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static int whole(const uint8_t *field, size_t width, int64_t low, int64_t high, int64_t *out)
{
    double v;
    if (!number(field, width, &v) || v != floor(v) || v < (double)low || v > (double)high) return 0;
    *out = (int64_t)v;
    return 1;
}

static double unit_mv(const char *unit)
{
    static const struct { const char *name; double mv; } units[] = {
        { "uV", 1e-3 }, { "\xc2\xb5V", 1e-3 }, { "\xce\xbcV", 1e-3 }, { "mV", 1 }, { "V", 1e3 }, { "nV", 1e-6 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(units[i].name, unit) == 0) return units[i].mv;
    return 0;
}

/** The lead in a label such as "ECG V1", "EKG aVR-Ref" or "V1"; the label itself where no lead is in it. */
static void name_signal(edf_signal *s)
{
    char core[sizeof s->label];
    const int marked = strncasecmp(s->label, "ECG", 3) == 0 || strncasecmp(s->label, "EKG", 3) == 0;
    const char *from = s->label + (marked ? 3 : 0);
    while (*from == ' ' || *from == '_') from++;
    snprintf(core, sizeof core, "%s", from);
    char *ref = strchr(core, '-');
    if (ref && strncasecmp(ref + 1, "Ref", 3) == 0) *ref = '\0';
    const int lead = shn_lead_index(core);
    snprintf(s->name, sizeof s->name, "%s", lead >= 0 ? core : s->label);
    s->is_ecg = marked || lead >= 0;
}

/** Rounded to 12 digits: the header's decimals have eight characters, what is beyond comes from binary fractions. */
static double twelve_digits(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.12g", x);
    return strtod(text, NULL);
}

/** Gain and baseline from the four range fields; they stay 0 where the range says nothing. */
static void take_range(edf_signal *s, const uint8_t *fields, size_t ns, size_t i)
{
    double p0, p1, d0, d1;
    if (!number(fields + AT_PHYSICAL_MIN * ns + 8 * i, 8, &p0) || !number(fields + AT_PHYSICAL_MAX * ns + 8 * i, 8, &p1) ||
        !number(fields + AT_DIGITAL_MIN * ns + 8 * i, 8, &d0) || !number(fields + AT_DIGITAL_MAX * ns + 8 * i, 8, &d1))
        return;
    if (p0 == p1 || d0 == d1) return;
    const double gain = (d1 - d0) / (p1 - p0), baseline = d0 - p0 * gain;
    if (!(fabs(gain) > 1e-9 && fabs(gain) < 1e12 && fabs(baseline) < 1e12)) return;
    s->gain = twelve_digits(gain);
    s->baseline = fabs(baseline - nearbyint(2 * baseline) / 2) < 1e-6 ? nearbyint(2 * baseline) / 2 : baseline;
    if (s->baseline == 0) s->baseline = 0;      /* no minus zero */
}

static shn_status take_signal(edf_header *h, const uint8_t *fields, size_t i, shn_error *err)
{
    const size_t ns = h->n_signals;
    edf_signal  *s = &h->signals[i];
    char         text[2 * 80 + 1];
    int64_t      n;
    edf_text(fields + AT_LABEL * ns + 16 * i, 16, text);
    snprintf(s->label, sizeof s->label, "%.16s", text);
    edf_text(fields + AT_DIMENSION * ns + 8 * i, 8, text);
    s->unit_mv = unit_mv(text);
    snprintf(s->dimension, sizeof s->dimension, "%.8s", text);
    edf_text(fields + AT_PREFILTER * ns + 80 * i, 80, text);
    snprintf(s->prefilter, sizeof s->prefilter, "%.80s", text);
    if (!whole(fields + AT_SAMPLES * ns + 8 * i, 8, 1, SHN_EDF_RECORD_BYTES_MAX / 2, &n))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.header", "signal %zu ('%s'): samples in a data record, byte %zu, is not a number from 1 to %zu", i + 1,
                        s->label, FIXED + AT_SAMPLES * ns + 8 * i, SHN_EDF_RECORD_BYTES_MAX / 2);
    s->per_record = (uint32_t)n;
    s->offset = h->record_bytes;
    h->record_bytes += s->per_record * (size_t)h->width;        /* at most 2^25 * 3, and the sum is checked after each */
    if (h->record_bytes > SHN_EDF_RECORD_BYTES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "edf.header", "a data record of more than %zu bytes", SHN_EDF_RECORD_BYTES_MAX);
    s->is_annotation = strcmp(s->label, h->width == 2 ? "EDF Annotations" : "BDF Annotations") == 0;
    take_range(s, fields, ns, i);
    name_signal(s);
    h->n_leads += !s->is_annotation;
    return SHN_OK;
}

/** How many data records there are, against how many are announced. */
static shn_status count_records(edf_header *h, const uint8_t *bytes, size_t n_bytes, shn_error *err)
{
    const size_t held = (n_bytes - h->header_bytes) / h->record_bytes;
    int64_t      announced;
    if (!whole(bytes + 236, 8, -1, 99999999, &announced) || announced == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.header", "number of data records, byte 236, is not a number from 1, or -1");
    h->open_ended = announced < 0;
    h->n_records = announced < 0 ? held : (size_t)announced;
    if (held < h->n_records || held == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "edf.header", "holds %zu whole data records of %zu bytes, the header says %" PRId64
                        "; the file is cut off: copy it again", held, h->record_bytes, announced);
    h->spare_bytes = n_bytes - h->header_bytes - h->n_records * h->record_bytes;
    return SHN_OK;
}

static shn_status take_fixed(edf_header *h, const uint8_t *b, size_t n_bytes, shn_error *err)
{
    char    text[2 * 80 + 1];
    int64_t ns, size;
    if (n_bytes < FIXED)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "edf.header", "%zu bytes, a header has at least %d; the file is cut off", n_bytes, FIXED);
    h->width = b[0] == 0xff ? 3 : 2;
    edf_text(b + 8, 80, text);
    snprintf(h->patient, sizeof h->patient, "%.80s", text);
    edf_text(b + 88, 80, text);
    snprintf(h->recording, sizeof h->recording, "%.80s", text);
    edf_text(b + 168, 8, text);
    snprintf(h->date, sizeof h->date, "%.8s", text);
    edf_text(b + 176, 8, text);
    snprintf(h->time, sizeof h->time, "%.8s", text);
    h->is_plus = memcmp(b + 192, h->width == 2 ? "EDF+" : "BDF+", 4) == 0;
    h->is_discontinuous = h->is_plus && b[196] == 'D';
    if (!whole(b + 252, 4, 1, 9999, &ns))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.header", "number of signals, byte 252, is not a number from 1");
    if (ns > SHN_EDF_SIGNALS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "edf.header", "%d signals, at most %d", (int)ns, SHN_EDF_SIGNALS_MAX);
    h->n_signals = (size_t)ns;
    h->header_bytes = FIXED + PER_SIGNAL * h->n_signals;
    if (!whole(b + 184, 8, 0, 99999999, &size) || (size_t)size != h->header_bytes)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.header", "size of the header, byte 184, is not the %zu bytes that %zu signals need", h->header_bytes, h->n_signals);
    if (n_bytes < h->header_bytes)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "edf.header", "%zu bytes, the header alone has %zu; the file is cut off", n_bytes, h->header_bytes);
    if (!number(b + 244, 8, &h->record_seconds) || h->record_seconds < 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.header", "seconds of a data record, byte 244, is not a number");
    return SHN_OK;
}

shn_status edf_header_parse(const uint8_t *bytes, size_t n_bytes, edf_header *h, shn_error *err)
{
    memset(h, 0, sizeof *h);
    shn_status st = take_fixed(h, bytes, n_bytes, err);
    if (st != SHN_OK) return st;
    h->signals = shn_alloc(h->n_signals, sizeof *h->signals);
    if (!h->signals) return shn_fail_nomem(err, "edf.header");
    for (size_t i = 0; i < h->n_signals && st == SHN_OK; i++) st = take_signal(h, bytes + FIXED, i, err);
    if (st == SHN_OK) st = count_records(h, bytes, n_bytes, err);
    if (st == SHN_OK && h->n_leads && h->record_seconds == 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.header", "data records of 0 seconds, byte 244, but with signals");
    return st;
}

void edf_header_free(edf_header *h)
{
    free(h->signals);
    h->signals = NULL;
}
