/** The parsed waveforms of a Sierra file as a record. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/sierra/sierra.h"

static const char where[] = "sierra_xml";
static const char *const standard[12] = { "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6" };

typedef struct reading {
    const shn_input    *in;
    const shn_xml      *doc;
    const shn_xml_node *wave, *signal;          /* parsedwaveforms, signalcharacteristics */
    char                version[16];
    double              fs_hz, uv_per_step;     /* uv_per_step 0: not in the file */
    char                label[SIERRA_LEADS_MAX][32];
    int16_t            *stored[SIERRA_LEADS_MAX];       /* [n_stored] */
    int32_t            *limb;                   /* [4][n]: III aVR aVL aVF after reconstruction; NULL: as stored */
    size_t              n_leads, n_stored, n;   /* n: samples of the record, without the calibration */
    shn_note            doubts[32];
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

static double child_number(const reading *r, const char *name) { return shn_xml_number(shn_xml_text(r->doc, shn_xml_child(r->signal, name))); }
static double attribute_number(const reading *r, const char *name) { return shn_xml_number(shn_xml_attribute(r->wave, name)); }

shn_status sierra_version(const shn_xml *doc, char *version, size_t size, shn_error *err)
{
    static const char *const versions[] = { "1.03", "1.04", "1.04.01", "1.04.02" };
    const shn_xml_node *root = shn_xml_root(doc), *info = shn_xml_child(root, "documentinfo");
    char                type[32];
    if (strcmp(shn_xml_name(root), "restingecgdata") != 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "the root is no restingecgdata");
    if (!shn_xml_copy(doc, shn_xml_child(info, "documenttype"), type, sizeof type) || !shn_xml_copy(doc, shn_xml_child(info, "documentversion"), version, size))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "documentinfo without documenttype and documentversion");
    if (strcmp(type, "SierraECG") != 0 && strcmp(type, "PhilipsECG") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "documenttype '%s'; SierraECG and PhilipsECG are read", type);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (strcmp(version, versions[i]) == 0) return SHN_OK;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "documentversion '%s'; 1.03, 1.04, 1.04.01 and 1.04.02 are read", version);
}

/* ---- what the header says ---- */

static shn_status read_labels(reading *r, shn_error *err)
{
    const char  *labels = shn_xml_attribute(r->wave, "leadlabels");
    const double announced = labels && *labels ? attribute_number(r, "numberofleads") : child_number(r, "numberchannelsvalid");
    char         type[32] = "";
    if (!isnan(announced) && !(announced >= 1 && announced <= SIERRA_LEADS_MAX))
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%g leads; 1 to %d are read", announced, SIERRA_LEADS_MAX);
    if (labels && *labels) {
        const size_t most = isnan(announced) ? SIERRA_LEADS_MAX : (size_t)announced;
        for (const char *p = labels; *(p += strspn(p, " \t\r\n,")) && r->n_leads < most;) {
            const size_t n = strcspn(p, " \t\r\n,");
            snprintf(r->label[r->n_leads++], sizeof r->label[0], "%.*s", (int)(n < 31 ? n : 31), p);
            p += n;
        }
        if (r->n_leads == 0 || (!isnan(announced) && r->n_leads < most))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "%g leads, but leadlabels names %zu", announced, r->n_leads);
        return SHN_OK;
    }
    /* 1.03 has no labels: the acquisition type stands for the twelve leads */
    shn_xml_copy(r->doc, shn_xml_child(r->signal, "acquisitiontype"), type, sizeof type);
    if (strcmp(type, "STD-12") != 0 && strcmp(type, "10-WIRE") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "no leadlabels, and acquisitiontype '%s'; only STD-12 and 10-WIRE have known leads", type);
    if (!isnan(announced) && announced != 12) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "%s with %g channels; only 12 are read", type, announced);
    r->n_leads = 12;
    for (size_t i = 0; i < 12; i++) snprintf(r->label[i], sizeof r->label[0], "%s", standard[i]);
    return SHN_OK;
}

static shn_status read_header(reading *r, size_t *n_announced, shn_error *err)
{
    const double header_fs = child_number(r, "samplingrate");
    r->fs_hz = attribute_number(r, "samplespersecond");
    if (isnan(r->fs_hz)) r->fs_hz = header_fs;
    else if (!isnan(header_fs) && header_fs != r->fs_hz)
        doubt(r, SHN_REASON_FS_MISMATCH, "samplespersecond is %g, samplingrate %g; the former is taken", r->fs_hz, header_fs);
    if (!(r->fs_hz > 0 && r->fs_hz <= 1e6)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "no sampling rate (samplespersecond, samplingrate)");
    r->uv_per_step = attribute_number(r, "resolution");
    if (isnan(r->uv_per_step)) r->uv_per_step = child_number(r, "resolution");
    if (isnan(r->uv_per_step)) r->uv_per_step = child_number(r, "signalresolution");
    if (isnan(r->uv_per_step)) {
        r->uv_per_step = 0;
        doubt(r, SHN_REASON_NO_UNIT, "no resolution in the file; the values are the stored integers");
    } else if (!(r->uv_per_step > 0 && r->uv_per_step <= 1e6)) {
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "a resolution of %g uV", r->uv_per_step);
    }
    const double ms = attribute_number(r, "durationperchannel"), samples = ms * r->fs_hz / 1000;
    if (!(samples >= 1)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "line %u: no durationperchannel", shn_xml_line(r->wave));
    if (samples > (double)SIERRA_SAMPLES_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%.0f samples in a channel; at most %zu are read", samples, SIERRA_SAMPLES_MAX);
    *n_announced = (size_t)(samples + 1e-6);
    double offset = attribute_number(r, "signaloffset"), bits = attribute_number(r, "bitspersample");
    if (isnan(offset)) offset = child_number(r, "signaloffset");
    if (isnan(bits)) bits = attribute_number(r, "nbitspersample");
    if (isnan(bits)) bits = child_number(r, "bitspersample");
    if (!isnan(bits) && bits != 16) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "%g bits in a sample; 16 are read", bits);
    if (!isnan(offset) && offset != 0) doubt(r, SHN_REASON_BAD_VALUE, "signaloffset %g was not applied: no file says in which direction", offset);
    return read_labels(r, err);
}

/* ---- samples as stored ---- */

static shn_status from_xli(reading *r, const uint8_t *bytes, size_t n_bytes, size_t n_announced, shn_error *err)
{
    for (size_t i = 0; i < r->n_leads; i++) {
        char   place[64];
        size_t n, wrapped;
        snprintf(place, sizeof place, "sierra_xml lead %.31s", r->label[i]);
        const shn_status st = sierra_xli_chunk(&bytes, &n_bytes, n_announced, place, &r->stored[i], &n, &wrapped, err);
        if (st != SHN_OK) return st;
        if (n < n_announced)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, place, "%zu samples announced, %zu are there; export the file again", n_announced, n);
        if (wrapped) doubt(r, SHN_REASON_CLIPPED, "lead %s: %zu sums left 16 bits and wrapped, as the machine's do", r->label[i], wrapped);
    }
    r->n_stored = n_announced;
    return SHN_OK;
}

/** Room for all leads, after the samples were counted. */
static shn_status open_leads(reading *r, size_t n_there, size_t n_announced, shn_error *err)
{
    if (n_there / r->n_leads < n_announced)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, where, "%zu leads of %zu samples announced, %zu samples are there; export the file again", r->n_leads,
                        n_announced, n_there);
    if (n_there % n_announced != 0) doubt(r, SHN_REASON_BAD_VALUE, "%zu samples are no whole number of leads of %zu", n_there, n_announced);
    for (size_t i = 0; i < r->n_leads; i++)
        if (!(r->stored[i] = shn_alloc(n_announced, sizeof *r->stored[i]))) return shn_fail_nomem(err, where);
    r->n_stored = n_announced;
    return SHN_OK;
}

static shn_status from_bytes(reading *r, const uint8_t *bytes, size_t n_bytes, size_t n_announced, shn_error *err)
{
    const shn_status st = open_leads(r, n_bytes / 2, n_announced, err);
    for (size_t i = 0; st == SHN_OK && i < r->n_leads; i++)
        for (size_t t = 0; t < n_announced; t++) r->stored[i][t] = read_i16le(bytes + 2 * (i * n_announced + t));
    return st;
}

static size_t count_words(const char *text)
{
    size_t n = 0;
    for (const char *p = text; *(p += strspn(p, " \t\r\n,;")); n++) p += strcspn(p, " \t\r\n,;");
    return n;
}

static shn_status from_decimals(reading *r, const char *text, size_t n_announced, shn_error *err)
{
    const shn_status st = open_leads(r, count_words(text), n_announced, err);
    const char      *p = text;
    for (size_t k = 0; st == SHN_OK && k < r->n_leads * n_announced; k++) {
        char *end;
        p += strspn(p, " \t\r\n,;");
        const long value = strtol(p, &end, 10);
        if (end == p || value < INT16_MIN || value > INT16_MAX || (*end && !strchr(" \t\r\n,;", *end)))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "line %u: sample %zu is no integer of 16 bits", shn_xml_line(r->wave), k);
        r->stored[k / n_announced][k % n_announced] = (int16_t)value;
        p = end;
    }
    return st;
}

static shn_status read_samples(reading *r, size_t n_announced, int *xli, shn_error *err)
{
    const char *encoding = shn_xml_attribute(r->wave, "dataencoding"), *method = shn_xml_attribute(r->wave, "compression"), *flag = shn_xml_attribute(r->wave, "compressflag");
    if (!method) method = shn_xml_attribute(r->wave, "compressmethod");
    if (!method || !*method || strcasecmp(method, "None") == 0 || (flag && strcasecmp(flag, "False") == 0)) method = "Uncompressed";
    *xli = strcasecmp(method, "XLI") == 0;
    if (!*xli && strcasecmp(method, "Uncompressed") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "line %u: compression '%s'; XLI and none are read", shn_xml_line(r->wave), method);
    const char *text = shn_xml_text(r->doc, r->wave);
    if (!text) return shn_fail_nomem(err, where);
    if (encoding && strcasecmp(encoding, "Plain") == 0 && !*xli) return from_decimals(r, text, n_announced, err);
    if (!encoding || strcasecmp(encoding, "Base64") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "line %u: dataencoding '%s' with compression %s; Base64 and uncompressed Plain are read",
                        shn_xml_line(r->wave), encoding ? encoding : "", method);
    uint8_t   *bytes;
    size_t     n_bytes;
    shn_status st = shn_base64_decode(text, strlen(text), "sierra_xml parsedwaveforms", &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    st = *xli ? from_xli(r, bytes, n_bytes, n_announced, err) : from_bytes(r, bytes, n_bytes, n_announced, err);
    free(bytes);
    return st;
}

/* ---- limb leads and the tail ---- */

static int has_six_limb_leads(const reading *r)
{
    for (size_t i = 0; i < 6; i++)
        if (i >= r->n_leads || strcasecmp(r->label[i], standard[i]) != 0) return 0;
    return 1;
}

static shn_status rebuild_limb_leads(reading *r, shn_error *err)
{
    const size_t n = r->n_stored;
    r->limb = shn_alloc(4 * n, sizeof *r->limb);
    if (!r->limb) return shn_fail_nomem(err, where);
    int32_t *iii = r->limb, *avr = iii + n, *avl = avr + n, *avf = avl + n;
    for (size_t t = 0; t < n; t++) {
        const int32_t i = r->stored[0][t], ii = r->stored[1][t];
        iii[t] = ii - i - r->stored[2][t];
        avr[t] = -r->stored[3][t] - (i + ii) / 2;
        avl[t] = (i - iii[t]) / 2 - r->stored[4][t];
        avf[t] = (ii + iii[t]) / 2 - r->stored[5][t];
    }
    return SHN_OK;
}

/** 1 if I + III = II holds for what is stored: then these are leads, no differences. */
static int stored_are_leads(const reading *r)
{
    double off = 0;
    for (size_t t = 0; t < r->n_stored; t++) off += abs(r->stored[0][t] + r->stored[2][t] - r->stored[1][t]);
    return off <= 2.0 * (double)r->n_stored;
}

static shn_status limb_leads(reading *r, int xli, shn_error *err)
{
    if (!has_six_limb_leads(r)) {
        if (xli && r->n_leads > 2)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where,
                            "limb leads '%s %s %s ...': how these are stored is known for I II III aVR aVL aVF only", r->label[0], r->label[1], r->label[2]);
        return SHN_OK;
    }
    if (!xli && stored_are_leads(r)) return SHN_OK;
    if (!xli) doubt(r, SHN_REASON_LEAD_ORDER, "the stored limb leads do not fit I + III = II; they were taken as differences, as in compressed files");
    return rebuild_limb_leads(r, err);
}

static int32_t value_at(const reading *r, size_t lead, size_t t)
{
    return r->limb && lead >= 2 && lead < 6 ? r->limb[(lead - 2) * r->n_stored + t] : r->stored[lead][t];
}

static int same_in_all(const reading *r, size_t t)
{
    for (size_t i = 1; i < r->n_leads; i++)
        if (value_at(r, i, t) != value_at(r, 0, t)) return 0;
    return 1;
}

/** How far back from end the leads all are `level`. */
static size_t run_start(const reading *r, size_t end, int32_t level)
{
    while (end && value_at(r, 0, end - 1) == level && same_in_all(r, end - 1)) end--;
    return end;
}

/** Samples before the calibration: zeros, a pulse of 1 mV, zeros, the same in every lead. All samples where there is none. */
static size_t without_calibration(const reading *r)
{
    const size_t n = r->n_stored, after = run_start(r, n, 0);
    if (r->n_leads < 2 || r->uv_per_step <= 0 || after == n || after == 0) return n;
    const int32_t level = value_at(r, 0, after - 1);
    const size_t  pulse = run_start(r, after, level), before = run_start(r, pulse, 0);
    const double  mv = level * r->uv_per_step / 1000, seconds = (double)(after - pulse) / r->fs_hz;
    return mv >= 0.9 && mv <= 1.1 && seconds >= 0.1 && before < pulse && before > 0 ? before : n;
}

/* ---- the record ---- */

static shn_status make_record(reading *r, size_t mended, shn_record **out, shn_error *err)
{
    r->n = without_calibration(r);
    if (r->n < r->n_stored)
        doubt(r, SHN_REASON_NONE, "samples %zu to %zu are the machine's calibration (zeros and a 1 mV pulse in all leads) and were left out", r->n, r->n_stored - 1);
    shn_status st = shn_record_new(r->n_leads, r->n, r->fs_hz, out, err);
    if (st != SHN_OK) return st;
    shn_record_meta *meta = shn_record_meta_mut(*out);
    snprintf(meta->format, sizeof meta->format, "sierra_xml %s", r->version);
    const double mv = r->uv_per_step > 0 ? r->uv_per_step / 1000 : 1;
    for (size_t i = 0; i < r->n_leads; i++) {
        float *to = shn_record_lead_mut(*out, i);
        for (size_t t = 0; t < r->n; t++) to[t] = (float)(value_at(r, i, t) * mv);
        shn_record_set_name(*out, i, r->label[i]);
        shn_record_set_unit(*out, i, r->uv_per_step > 0 ? SHN_UNIT_DECLARED : SHN_UNIT_UNKNOWN);
        shn_record_set_calibration(*out, i, (shn_lead_cal){ .gain_adu_per_mv = r->uv_per_step > 0 ? 1000 / r->uv_per_step : 0, .bits = 16 });
    }
    for (size_t i = 0; i < r->n_doubts; i++) shn_record_add_note(*out, r->doubts[i].reason, "%s", r->doubts[i].text);
    if (mended) shn_record_add_note(*out, SHN_REASON_BAD_HEADER, "%zu stray '&' or '<' in the XML were taken as these characters", mended);
    return sierra_facts(r->doc, *out, err);
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    reading  r = { .in = in };
    shn_xml *doc;
    size_t   mended, n_announced = 0;
    int      xli = 0;
    *out = NULL;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, where, &doc, &mended, err);
    if (st != SHN_OK) return st;
    r.doc = doc;
    st = sierra_version(doc, r.version, sizeof r.version, err);
    const shn_xml_node *root = shn_xml_root(doc);
    r.signal = shn_xml_find(root, "dataacquisition/signalcharacteristics");
    r.wave = shn_xml_find(root, "waveforms/parsedwaveforms");
    if (st == SHN_OK && !r.wave) st = shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, where, "no waveforms/parsedwaveforms; export the file with waveforms");
    if (st == SHN_OK) st = read_header(&r, &n_announced, err);
    if (st == SHN_OK) st = read_samples(&r, n_announced, &xli, err);
    if (st == SHN_OK) st = limb_leads(&r, xli, err);
    if (st == SHN_OK) st = make_record(&r, mended, out, err);
    if (st == SHN_OK) st = shn_input_cut(in, out, err);
    for (size_t i = 0; i < SIERRA_LEADS_MAX; i++) free(r.stored[i]);
    free(r.limb);
    shn_xml_free(doc);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    return st;
}

static int recognises(const uint8_t *bytes, size_t n_bytes) { return shn_xml_root_is(bytes, n_bytes, "restingecgdata"); }

const shn_reader shn_reader_sierra = {
    .name = "sierra_xml", .title = "Philips Sierra XML", .recognises = recognises, .read = read_record, .deidentify = sierra_deidentify,
};
