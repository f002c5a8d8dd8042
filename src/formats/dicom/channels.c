/** One channel's definition: which lead, which scale, which unit, which filters. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/dicom/dicom.h"
#include "shinden/signal.h"

/**
 * SCP-ECG's numbers of leads, which SCPECG 5.6.3-9-N and MDC 2:N share. Derived ones (31 to 38, 111 to 114: EASI and the like) and Frank's
 * are leads of their own and keep the file's words.
 */
static const struct { int number; const char *name; } numbers[] = {
    { 1, "I" },    { 2, "II" },   { 61, "III" }, { 62, "aVR" }, { 63, "aVL" }, { 64, "aVF" }, { 3, "V1" },   { 4, "V2" },   { 5, "V3" },
    { 6, "V4" },   { 7, "V5" },   { 8, "V6" },   { 9, "V7" },   { 66, "V8" },  { 67, "V9" },  { 10, "V2R" }, { 11, "V3R" }, { 12, "V4R" },
    { 13, "V5R" }, { 14, "V6R" }, { 15, "V7R" }, { 68, "V8R" }, { 69, "V9R" }, { 16, "X" },   { 17, "Y" },   { 18, "Z" },   { 65, "-aVR" },
};

/* UCUM is case-sensitive: "MV" is a megavolt there and a millivolt in its upper-case variant, so it says nothing */
static const struct { const char *code; double mv; } units[] = {
    { "uV", 1e-3 }, { "UV", 1e-3 }, { "mV", 1 }, { "V", 1e3 }, { "nV", 1e-6 }, { "NV", 1e-6 },
    { "microvolt", 1e-3 }, { "microvolts", 1e-3 }, { "millivolt", 1 }, { "millivolts", 1 }, { "volt", 1e3 }, { "nanovolt", 1e-6 },
    { "\xc2\xb5V", 1e-3 }, { "\xce\xbcV", 1e-3 }, { "MDC_DIM_MICRO_VOLT", 1e-3 }, { "MDC_DIM_MILLI_VOLT", 1 },
};

/** Name of the lead by the number in its code; NULL where the code is of another scheme. */
static const char *by_code(const char *scheme, const char *code)
{
    long  number = -1;
    char *end = NULL;
    if (strncmp(code, "5.6.3-9-", 8) == 0) number = strtol(code + 8, &end, 10);
    else if (strncmp(code, "2:", 2) == 0) number = strtol(code + 2, &end, 10);
    else if (strcasecmp(scheme, "MDC") == 0 && isdigit((unsigned char)*code)) {
        number = strtol(code, &end, 10);
        if (number >= 131072) number -= 131072;         /* 2 * 65536: the partition and the term in one number */
    }
    if (!end || *end) return NULL;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].number == number) return numbers[i].name;
    return NULL;
}

/** Canonical lead that words name: "Lead V1 (Einthoven)", "aVR, augmented voltage, right", "MDC_ECG_LEAD_V1", "II". */
static int by_words(const char *words)
{
    char head[64];
    snprintf(head, sizeof head, "%.*s", (int)strcspn(words, "(,"), words);
    const int known = shn_lead_index(head);
    if (known >= 0 || strncasecmp(head, "channel ", 8) != 0) return known;
    return shn_lead_index(head + 8);
}

static void set_name(dcm_channel *c, const char *name) { snprintf(c->name, sizeof c->name, "%.31s", name); }

static void remark(dcm_channel *c, shn_reason reason, const char *text, const char *word)
{
    if (*c->remark) return;
    c->reason = reason;
    snprintf(c->remark, sizeof c->remark, "channel '%s': %.60s%.20s", c->name, text, word);
}

static shn_status get_text(const dcm_set *s, uint32_t tag, const dcm_charset *charset, char *out, size_t size, shn_error *err)
{
    dcm_element e;
    *out = '\0';
    const shn_status st = s->bytes ? dcm_find(s, tag, &e, err) : SHN_OK;
    if (st == SHN_OK && s->bytes && e.value) dcm_decode(charset, e.value, e.n, out, size);
    return st;
}

static shn_status take_name(const dcm_set *item, const dcm_charset *charset, size_t index, dcm_channel *c, shn_error *err)
{
    char       code[64], scheme[32], meaning[128], label[64];
    dcm_set    source;
    shn_status st = dcm_first_item(item, DCM_CHANNEL_SOURCE, &source, err);
    if (st == SHN_OK) st = get_text(&source, DCM_CODE_VALUE, charset, code, sizeof code, err);
    if (st == SHN_OK) st = get_text(&source, DCM_CODE_SCHEME, charset, scheme, sizeof scheme, err);
    if (st == SHN_OK) st = get_text(&source, DCM_CODE_MEANING, charset, meaning, sizeof meaning, err);
    if (st == SHN_OK) st = get_text(item, DCM_CHANNEL_LABEL, charset, label, sizeof label, err);
    if (st != SHN_OK) return st;
    const char *coded = by_code(scheme, code);
    const int   by_meaning = by_words(meaning), by_label = by_words(label);
    c->lead = coded ? shn_lead_index(coded) : shn_lead_index(code);
    if (!coded && c->lead < 0) c->lead = by_meaning >= 0 ? by_meaning : by_label;
    if (coded) set_name(c, coded);
    else if (c->lead >= 0) set_name(c, shn_lead_name((size_t)c->lead));
    else if (*meaning) set_name(c, meaning);
    else if (*label) set_name(c, label);
    else snprintf(c->name, sizeof c->name, "channel %zu", index + 1);
    if (c->lead >= 0 && by_meaning >= 0 && by_meaning != c->lead) remark(c, SHN_REASON_LEAD_ORDER, "its code is followed, its meaning says ", meaning);
    else if (c->lead >= 0 && by_label >= 0 && by_label != c->lead) remark(c, SHN_REASON_LEAD_ORDER, "its code is followed, its label says ", label);
    return SHN_OK;
}

/** mV of one unit; 0 where the words are no voltage; NaN where there are none. */
static double unit_factor(const char *code, const char *meaning)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(code, units[i].code) == 0) return units[i].mv;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(meaning, units[i].code) == 0 && strlen(meaning) > 2) return units[i].mv;
    if ((!*code && !*meaning) || strcmp(code, "MV") == 0 || strcmp(code, "1") == 0 || *code == '{') return NAN;
    return 0;
}

static shn_status get_decimal(const dcm_set *item, uint32_t tag, double fallback, double *out, shn_error *err)
{
    dcm_element e;
    *out = fallback;
    const shn_status st = dcm_find(item, tag, &e, err);
    if (st != SHN_OK || !e.value || e.n == 0) return st;
    const double x = dcm_decimal(&e);
    char         text[24];
    if (isnan(x) && dcm_ascii(&e, text, sizeof text))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "dicom.channel", "tag (%04X,%04X): '%.20s' is no number", (unsigned)(tag >> 16), (unsigned)(tag & 0xffff), text);
    if (!isnan(x)) *out = x;
    return SHN_OK;
}

static shn_status take_scale(const dcm_set *item, const dcm_charset *charset, dcm_channel *c, shn_error *err)
{
    char       code[64], meaning[64];
    double     sensitivity, correction, baseline;
    dcm_set    unit;
    shn_status st = get_decimal(item, DCM_SENSITIVITY, NAN, &sensitivity, err);
    if (st == SHN_OK) st = get_decimal(item, DCM_CORRECTION, 1, &correction, err);
    if (st == SHN_OK) st = get_decimal(item, DCM_BASELINE, 0, &baseline, err);
    if (st == SHN_OK) st = dcm_first_item(item, DCM_SENSITIVITY_UNITS, &unit, err);
    if (st == SHN_OK) st = get_text(&unit, DCM_CODE_VALUE, charset, code, sizeof code, err);
    if (st == SHN_OK) st = get_text(&unit, DCM_CODE_MEANING, charset, meaning, sizeof meaning, err);
    if (st != SHN_OK) return st;
    c->scale = 1;
    c->offset = 0;
    c->unit = SHN_UNIT_UNKNOWN;
    if (isnan(sensitivity)) {
        remark(c, SHN_REASON_NO_UNIT, "no sensitivity, so the samples have no unit", "");
        return SHN_OK;
    }
    if (sensitivity * correction == 0 || !isfinite(sensitivity * correction) || fabs(sensitivity * correction) > 1e12 || fabs(sensitivity * correction) < 1e-15 || fabs(baseline) > 1e15)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "dicom.channel", "channel '%s': sensitivity %g times correction %g is no scale", c->name, sensitivity, correction);
    const double mv = unit_factor(code, meaning);
    c->scale = sensitivity * correction;
    c->offset = baseline;
    if (isnan(mv)) {
        remark(c, SHN_REASON_NO_UNIT, "its sensitivity has no clear unit", "");
        return SHN_OK;
    }
    if (mv == 0) {
        c->unit = SHN_UNIT_NOT_VOLTAGE;
        if (c->lead >= 0) remark(c, SHN_REASON_NO_UNIT, "its unit is no voltage: ", code);
        return SHN_OK;
    }
    c->scale *= mv;
    c->offset *= mv;
    c->unit = SHN_UNIT_DECLARED;
    return SHN_OK;
}

/** Words of the status, bits, skew and filters. */
static shn_status take_rest(const dcm_set *item, int bits_allocated, dcm_channel *c, shn_error *err)
{
    dcm_element e;
    char        status[64];
    double      time_skew, sample_skew;
    shn_status  st = dcm_find(item, DCM_BITS_STORED, &e, err);
    if (st != SHN_OK) return st;
    const double bits = dcm_whole(item, &e);
    c->bits_stored = isnan(bits) ? bits_allocated : (int)bits;
    if (c->bits_stored < 2 || c->bits_stored > bits_allocated)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "dicom.channel", "channel '%s': %g bits stored of %d allocated", c->name, bits, bits_allocated);
    st = dcm_find(item, DCM_CHANNEL_STATUS, &e, err);
    if (st == SHN_OK) st = get_decimal(item, DCM_TIME_SKEW, 0, &time_skew, err);
    dcm_element words = e;
    if (st == SHN_OK) st = get_decimal(item, DCM_SAMPLE_SKEW, 0, &sample_skew, err);
    if (st == SHN_OK) st = get_decimal(item, DCM_FILTER_LOW, NAN, &c->low, err);
    if (st == SHN_OK) st = get_decimal(item, DCM_FILTER_HIGH, NAN, &c->high, err);
    if (st == SHN_OK) st = get_decimal(item, DCM_FILTER_NOTCH, NAN, &c->notch, err);
    if (st != SHN_OK) return st;
    if (words.value && dcm_ascii(&words, status, sizeof status) && strcmp(status, "OK") != 0)
        remark(c, strstr(status, "TEST") ? SHN_REASON_NO_ECG : SHN_REASON_NOISE, "status ", status);
    if (time_skew != 0 || sample_skew != 0) remark(c, SHN_REASON_BAD_VALUE, "sampled later than the first (skew); left as it is", "");
    return SHN_OK;
}

shn_status dcm_channel_read(const dcm_set *item, const dcm_charset *charset, size_t index, int bits_allocated, dcm_channel *c, shn_error *err)
{
    memset(c, 0, sizeof *c);
    shn_status st = take_name(item, charset, index, c, err);
    if (st == SHN_OK) st = take_scale(item, charset, c, err);
    if (st == SHN_OK) st = take_rest(item, bits_allocated, c, err);
    return st;
}
