/** The rhythm waveform of a MUSE file as a record. */
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/muse/muse.h"

static const char where[] = "muse_xml";

/** One stored lead before it is scaled. */
typedef struct lead { char name[32]; int16_t *samples; size_t n; double uv_per_bit; int off, sway; } lead;

typedef struct reading {
    const shn_input    *in;
    const shn_xml      *doc;
    const shn_xml_node *waveform;
    double              fs_hz;
    lead               *leads;              /* [n_leads] */
    size_t              n_leads, n_samples; /* n_samples: of the longest lead */
    shn_note            doubts[32];         /* until there is a record to keep them */
    size_t              n_doubts;
} reading;

static void doubt(reading *r, shn_reason reason, const char *fmt, ...) SHN_PRINTF(3, 4);
static void doubt(reading *r, shn_reason reason, const char *fmt, ...)
{
    if (r->n_doubts == sizeof r->doubts / sizeof *r->doubts) return;
    shn_note *note = &r->doubts[r->n_doubts++];
    va_list   args;
    note->reason = reason;
    va_start(args, fmt);
    vsnprintf(note->text, sizeof note->text, fmt, args);
    va_end(args);
}

const shn_xml_node *muse_next(const shn_xml_node *node, const char *name)
{
    do node = shn_xml_next(node, NULL);
    while (node && strcasecmp(shn_xml_name(node), name) != 0);
    return node;
}

const shn_xml_node *muse_child(const shn_xml_node *node, const char *name)
{
    const shn_xml_node *child = shn_xml_child(node, NULL);
    return !child || strcasecmp(shn_xml_name(child), name) == 0 ? child : muse_next(child, name);
}

static double child_number(const reading *r, const shn_xml_node *node, const char *name)
{
    return shn_xml_number(shn_xml_text(r->doc, muse_child(node, name)));
}

static int child_text(const reading *r, const shn_xml_node *node, const char *name, char *out, size_t size)
{
    return shn_xml_copy(r->doc, muse_child(node, name), out, size);
}

/* ---- which waveform ---- */

static double longest_lead(const reading *r, const shn_xml_node *waveform)
{
    double longest = 0;
    for (const shn_xml_node *data = muse_child(waveform, "LeadData"); data; data = muse_next(data, "LeadData"))
        longest = fmax(longest, child_number(r, data, "LeadSampleCountTotal"));
    return longest;
}

static shn_status choose_waveform(reading *r, const shn_xml_node *root, shn_error *err)
{
    const shn_xml_node *untyped = NULL;
    size_t              n_rhythm = 0, n_median = 0, n_untyped = 0;
    char                type[32];
    for (const shn_xml_node *w = muse_child(root, "Waveform"); w; w = muse_next(w, "Waveform")) {
        if (!muse_child(w, "LeadData")) continue;
        if (!child_text(r, w, "WaveformType", type, sizeof type)) {
            n_untyped++;
            if (!untyped || longest_lead(r, w) > longest_lead(r, untyped)) untyped = w;
        } else if (strcasecmp(type, "Rhythm") == 0) {
            if (!n_rhythm++) r->waveform = w;
        } else if (strcasecmp(type, "Median") == 0) {
            n_median++;
        }
    }
    if (n_rhythm > 1) doubt(r, SHN_REASON_EXCLUDED, "%zu rhythm waveforms; the first is the record", n_rhythm);
    if (!r->waveform && untyped) {
        r->waveform = untyped;
        doubt(r, SHN_REASON_EXCLUDED, "no waveform is called Rhythm; the longest of %zu without a type is the record", n_untyped);
    }
    if (r->waveform) return SHN_OK;
    if (n_median)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, where, "the file holds only the median beat, no rhythm waveform; export it with waveforms");
    return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, where, "RestingECG holds no Waveform with LeadData; export it with waveforms");
}

static shn_status sampling_rate(reading *r, const shn_xml_node *root, shn_error *err)
{
    double base = child_number(r, r->waveform, "SampleBase"), exponent = child_number(r, r->waveform, "SampleExponent");
    if (isnan(base)) {
        const shn_xml_node *m = muse_child(root, "RestingECGMeasurements");
        base = child_number(r, m, "ECGSampleBase");
        exponent = child_number(r, m, "ECGSampleExponent");
        if (!isnan(base)) doubt(r, SHN_REASON_FS_MISMATCH, "the waveform names no rate; that of the measurements (%g) is taken", base);
    }
    if (isnan(exponent)) exponent = 0;
    r->fs_hz = fabs(exponent) <= 9 ? base * pow(10, exponent) : NAN;
    if (isfinite(r->fs_hz) && r->fs_hz > 0 && r->fs_hz <= 1e6) return SHN_OK;
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "line %u: no sampling rate (SampleBase and SampleExponent)", shn_xml_line(r->waveform));
}

/* ---- one lead ---- */

static uint32_t        crc_table[8][256];
static pthread_once_t  crc_once = PTHREAD_ONCE_INIT;
static void fill_crc(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++) crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 255];
}

uint32_t muse_crc32(const uint8_t *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    pthread_once(&crc_once, fill_crc);
    for (; n >= 8; n -= 8, p += 8) {
        const uint32_t a = c ^ read_u32le(p), b = read_u32le(p + 4);
        c = crc_table[7][a & 255] ^ crc_table[6][a >> 8 & 255] ^ crc_table[5][a >> 16 & 255] ^ crc_table[4][a >> 24] ^
            crc_table[3][b & 255] ^ crc_table[2][b >> 8 & 255] ^ crc_table[1][b >> 16 & 255] ^ crc_table[0][b >> 24];
    }
    while (n--) c = c >> 8 ^ crc_table[0][(c ^ *p++) & 255];
    return ~c;
}

static shn_status check_crc(reading *r, const shn_xml_node *data, const lead *l, const uint8_t *bytes, size_t n_bytes, shn_error *err)
{
    const double stored = child_number(r, data, "LeadDataCRC32");
    if (isnan(stored) || stored == muse_crc32(bytes, n_bytes)) return SHN_OK;
    if (r->in->options->verify_checksums)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, where, "line %u: lead %s: the samples do not fit LeadDataCRC32; they were changed or damaged",
                        shn_xml_line(data), l->name);
    doubt(r, SHN_REASON_CHECKSUM, "lead %s: the samples do not fit LeadDataCRC32", l->name);
    return SHN_OK;
}

/** What one unit of LeadAmplitudeUnits is in microvolts; NaN where it is no unit of voltage that is known. */
static double microvolts(const char *unit)
{
    static const struct { const char *name; double uv; } units[] = {
        { "MICROVOLTS", 1 }, { "MICROVOLT", 1 }, { "UV", 1 }, { "MILLIVOLTS", 1e3 }, { "MILLIVOLT", 1e3 }, { "MV", 1e3 },
        { "NANOVOLTS", 1e-3 }, { "NANOVOLT", 1e-3 }, { "NV", 1e-3 }, { "VOLTS", 1e6 }, { "VOLT", 1e6 }, { "V", 1e6 }, { "\xc2\xb5V", 1 }, { "\xce\xbcV", 1 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(unit, units[i].name) == 0) return units[i].uv;
    return NAN;
}

/** Fills uv_per_bit, or leaves it 0 where the file does not say. */
static shn_status read_scale(reading *r, const shn_xml_node *data, lead *l, shn_error *err)
{
    const shn_xml_node *node = muse_child(data, "LeadAmplitudeUnitsPerBit");
    char         unit[32], words[32];
    const int    has_unit = child_text(r, data, "LeadAmplitudeUnits", unit, sizeof unit), has_scale = shn_xml_copy(r->doc, node, words, sizeof words);
    const double per_bit = shn_xml_number(shn_xml_text(r->doc, node)), uv = has_unit ? microvolts(unit) : NAN;
    if (has_scale && !(per_bit > 0 && per_bit * (isnan(uv) ? 1 : uv) <= 1e9))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "line %u: lead %s: LeadAmplitudeUnitsPerBit is '%.20s'; needs a positive number",
                        shn_xml_line(node), l->name, words);
    if (has_scale && !isnan(uv)) l->uv_per_bit = per_bit * uv;
    else if (has_unit && isnan(uv)) doubt(r, SHN_REASON_NO_UNIT, "lead %s: '%s' is no known unit; the values are the stored integers", l->name, unit);
    else doubt(r, SHN_REASON_NO_UNIT, "lead %s: no %s in the file; the values are the stored integers", l->name, has_scale ? "LeadAmplitudeUnits" : "LeadAmplitudeUnitsPerBit");
    return SHN_OK;
}

/** Samples written as decimal numbers, as some dialects do; 1 if the text is of that kind. A minus sign, comma or semicolon is no base64. */
static int is_decimal(const char *text) { return text[strspn(text, "0123456789 \t\r\n")] != '\0' && text[strspn(text, "0123456789 \t\r\n-+,;")] == '\0' && strpbrk(text, "-,;"); }

static shn_status from_decimals(const char *text, const shn_xml_node *data, lead *l, shn_error *err)
{
    l->samples = shn_alloc(strlen(text) / 2 + 1, sizeof *l->samples);
    if (!l->samples) return shn_fail_nomem(err, where);
    for (const char *p = text; *(p += strspn(p, " \t\r\n,;"));) {
        char      *end;
        const long value = strtol(p, &end, 10);
        if (end == p || value < INT16_MIN || value > INT16_MAX || (*end && !strchr(" \t\r\n,;", *end)))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "line %u: lead %s: sample %zu is no integer of 16 bits", shn_xml_line(data), l->name, l->n);
        l->samples[l->n++] = (int16_t)value;
        p = end;
    }
    return SHN_OK;
}

static shn_status from_base64(reading *r, const shn_xml_node *data, const char *text, lead *l, shn_error *err)
{
    uint8_t *bytes;
    size_t   n_bytes;
    char     place[64];
    snprintf(place, sizeof place, "muse_xml lead %.31s", l->name);
    shn_status st = shn_base64_decode(text, strlen(text), place, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    const double announced = child_number(r, data, "LeadByteCountTotal");
    if (announced > (double)n_bytes)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, where, "line %u: lead %s: %.0f bytes announced, %zu are there; export the file again",
                      shn_xml_line(data), l->name, announced, n_bytes);
    else if (n_bytes % 2 != 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "line %u: lead %s: %zu bytes are no whole number of samples", shn_xml_line(data), l->name, n_bytes);
    if (st == SHN_OK) st = check_crc(r, data, l, bytes, n_bytes, err);
    if (st == SHN_OK && !(l->samples = shn_alloc(n_bytes / 2, sizeof *l->samples))) st = shn_fail_nomem(err, where);
    if (st == SHN_OK) {
        l->n = n_bytes / 2;
        for (size_t i = 0; i < l->n; i++) l->samples[i] = read_i16le(bytes + 2 * i);
    }
    free(bytes);
    return st;
}

/** Layouts of samples that nobody has seen: better refused than guessed. */
static shn_status check_layout(const reading *r, const shn_xml_node *data, const lead *l, shn_error *err)
{
    const double size = child_number(r, data, "LeadSampleSize"), start = child_number(r, data, "LeadTimeOffset"), baseline = child_number(r, data, "FirstSampleBaseline");
    const char *what = NULL;
    double      value = 0;
    if (!isnan(size) && size != 2) what = "LeadSampleSize", value = size;
    else if (!isnan(start) && start != 0) what = "LeadTimeOffset", value = start;
    else if (!isnan(baseline) && baseline != 0) what = "FirstSampleBaseline", value = baseline;
    if (!what) return SHN_OK;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "line %u: lead %s: %s is %g; only %d is read", shn_xml_line(data), l->name, what, value,
                    strcmp(what, "LeadSampleSize") == 0 ? 2 : 0);
}

static shn_status read_lead(reading *r, const shn_xml_node *data, lead *l, shn_error *err)
{
    if (!child_text(r, data, "LeadID", l->name, sizeof l->name))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "line %u: LeadData without LeadID", shn_xml_line(data));
    shn_status st = check_layout(r, data, l, err);
    if (st == SHN_OK) st = read_scale(r, data, l, err);
    if (st != SHN_OK) return st;
    const char *text = shn_xml_text(r->doc, muse_child(data, "WaveFormData"));
    if (!text) return shn_fail_nomem(err, where);
    st = is_decimal(text) ? from_decimals(text, data, l, err) : from_base64(r, data, text, l, err);
    if (st != SHN_OK) return st;
    const double announced = child_number(r, data, "LeadSampleCountTotal");
    if (announced > (double)l->n || l->n == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, where, "line %u: lead %s: %.0f samples announced, %zu are there; export the file again",
                        shn_xml_line(data), l->name, isnan(announced) ? 0 : announced, l->n);
    if (announced >= 1 && announced < (double)l->n) {
        doubt(r, SHN_REASON_BAD_VALUE, "lead %s: %.0f samples announced, %zu are there; the rest was left out", l->name, announced, l->n);
        l->n = (size_t)announced;
    }
    char flag[8];
    l->off = child_text(r, data, "LeadOff", flag, sizeof flag) && strcasecmp(flag, "TRUE") == 0;
    l->sway = child_text(r, data, "BaselineSway", flag, sizeof flag) && strcasecmp(flag, "TRUE") == 0;
    return SHN_OK;
}

static shn_status read_leads(reading *r, shn_error *err)
{
    char   type[32];
    size_t n = 0;
    if (child_text(r, r->waveform, "SampleType", type, sizeof type) && strcasecmp(type, "CONTINUOUS_SAMPLES") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "SampleType '%s'; only CONTINUOUS_SAMPLES are read", type);
    for (const shn_xml_node *data = muse_child(r->waveform, "LeadData"); data; data = muse_next(data, "LeadData")) n++;
    if (n > SHN_LEADS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%zu leads; at most %d are read", n, SHN_LEADS_MAX);
    r->leads = shn_alloc(n, sizeof *r->leads);
    if (!r->leads) return shn_fail_nomem(err, where);
    r->n_leads = n;
    const double announced = child_number(r, r->waveform, "NumberofLeads");
    if (!isnan(announced) && announced != (double)n) doubt(r, SHN_REASON_BAD_VALUE, "NumberofLeads is %g, %zu are there", announced, n);
    lead *l = r->leads;
    for (const shn_xml_node *data = muse_child(r->waveform, "LeadData"); data; data = muse_next(data, "LeadData"), l++) {
        const shn_status st = read_lead(r, data, l, err);
        if (st != SHN_OK) return st;
        if (l->n > r->n_samples) r->n_samples = l->n;
    }
    return SHN_OK;
}

/* ---- the record ---- */

static void fill(shn_record *rec, size_t i, const lead *l)
{
    float        *out = shn_record_lead_mut(rec, i);
    const size_t  n = shn_record_n_samples(rec);
    const double  mv = l->uv_per_bit > 0 ? l->uv_per_bit / 1000 : 1;
    for (size_t t = 0; t < l->n; t++) out[t] = (float)(l->samples[t] * mv);
    for (size_t t = l->n; t < n; t++) out[t] = NAN;
    shn_record_set_name(rec, i, l->name);
    shn_record_set_unit(rec, i, l->uv_per_bit > 0 ? SHN_UNIT_DECLARED : SHN_UNIT_UNKNOWN);
    shn_record_set_calibration(rec, i, (shn_lead_cal){ .gain_adu_per_mv = l->uv_per_bit > 0 ? 1000 / l->uv_per_bit : 0, .bits = 16 });
    if (l->n < n) shn_record_add_note(rec, SHN_REASON_GAPS, "lead %s ends after %zu of %zu samples", l->name, l->n, n);
    if (l->off) shn_record_add_note(rec, SHN_REASON_NOISE, "lead %s: the machine says that the electrode was off", l->name);
    if (l->sway) shn_record_add_note(rec, SHN_REASON_NOISE, "lead %s: the machine says that the baseline sways", l->name);
}

static shn_status make_record(reading *r, size_t mended, shn_record **out, shn_error *err)
{
    shn_status st = shn_record_new(r->n_leads, r->n_samples, r->fs_hz, out, err);
    if (st != SHN_OK) return st;
    shn_record_meta *meta = shn_record_meta_mut(*out);
    snprintf(meta->format, sizeof meta->format, "muse_xml rhythm");
    const char *dot = strrchr(r->in->name, '.');
    snprintf(meta->id, sizeof meta->id, "%.*s", dot && dot > r->in->name ? (int)(dot - r->in->name) : (int)strnlen(r->in->name, 127), r->in->name);
    for (size_t i = 0; i < r->n_leads; i++) fill(*out, i, &r->leads[i]);
    for (size_t i = 0; i < r->n_doubts; i++) shn_record_add_note(*out, r->doubts[i].reason, "%s", r->doubts[i].text);
    if (mended) shn_record_add_note(*out, SHN_REASON_BAD_HEADER, "%zu stray '&' or '<' in the XML were taken as these characters", mended);
    return muse_facts(r->doc, r->waveform, *out, err);
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    reading  r = { .in = in };
    shn_xml *doc;
    size_t   mended;
    *out = NULL;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, where, &doc, &mended, err);
    if (st != SHN_OK) return st;
    r.doc = doc;
    const shn_xml_node *root = shn_xml_root(doc);
    if (strcmp(shn_xml_name(root), "RestingECG") != 0) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "the root is no RestingECG");
    if (st == SHN_OK) st = choose_waveform(&r, root, err);
    if (st == SHN_OK) st = sampling_rate(&r, root, err);
    if (st == SHN_OK) st = read_leads(&r, err);
    if (st == SHN_OK) st = make_record(&r, mended, out, err);
    if (st == SHN_OK) st = shn_input_cut(in, out, err);
    for (size_t i = 0; i < r.n_leads; i++) free(r.leads[i].samples);
    free(r.leads);
    shn_xml_free(doc);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    return st;
}

static int recognises(const uint8_t *bytes, size_t n_bytes) { return shn_xml_root_is(bytes, n_bytes, "RestingECG"); }

const shn_reader shn_reader_muse = {
    .name = "muse_xml", .title = "GE MUSE XML", .recognises = recognises, .read = read_record, .deidentify = muse_deidentify,
};
