/** Waveform annotations: numbers with a concept become measurements, texts and coded findings statements. Marks at samples are not taken. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/dicom/dicom.h"

/** Concepts by code (SCP-ECG's of older objects, PS3.16 CID 3227-3229) or by their words, and the names that docs/formats.md lists. */
static const struct { const char *code, *words, *name, *unit; } concepts[] = {
    { "2:16770", "heart rate", "heart_rate", "/min" },               { "8867-4", "heart rate", "heart_rate", "/min" },
    { "8867-4", "ventricular rate", "heart_rate", "/min" },          { "8867-4", "ventricular heart rate", "heart_rate", "/min" },
    { "2:15872", "pr interval global", "pr_interval", "ms" },        { "5.13.5-7", "pr interval", "pr_interval", "ms" },
    { "2:16156", "qrs duration global", "qrs_duration", "ms" },      { "5.13.5-9", "qrs duration", "qrs_duration", "ms" },
    { "2:16160", "qt interval global", "qt_interval", "ms" },        { "5.13.5-11", "qt interval", "qt_interval", "ms" },
    { "2:15876", "qtc interval global", "qtc_interval", "ms" },      { "5.10.2.5-5", "qtc interval", "qtc_interval", "ms" },
    { "2:16128", "p axis", "p_axis", "deg" },                        { "5.10.3-11", "p axis", "p_axis", "deg" },
    { "2:16132", "qrs axis", "qrs_axis", "deg" },                    { "5.10.3-13", "qrs axis", "qrs_axis", "deg" },
    { "2:16136", "t axis", "t_axis", "deg" },                        { "5.10.3-15", "t axis", "t_axis", "deg" },
};

typedef struct concept { char code[64], meaning[128]; } concept;

static shn_status get_concept(const dcm_set *item, uint32_t tag, const dcm_charset *charset, concept *out, shn_error *err)
{
    dcm_set     code;
    dcm_element e;
    *out = (concept){ "", "" };
    shn_status st = dcm_first_item(item, tag, &code, err);
    if (st != SHN_OK || !code.bytes) return st;
    st = dcm_find(&code, DCM_CODE_VALUE, &e, err);
    if (st == SHN_OK && e.value) dcm_ascii(&e, out->code, sizeof out->code);
    if (st == SHN_OK) st = dcm_find(&code, DCM_CODE_MEANING, &e, err);
    if (st == SHN_OK && e.value) dcm_decode(charset, e.value, e.n, out->meaning, sizeof out->meaning);
    return st;
}

/** 1 if the annotation is about this multiplex group as a whole: pairs of group and channel, both from 1, channel 0 all. None: about all. */
static shn_status is_about(const dcm_set *item, size_t group, int *about, int *whole, shn_error *err)
{
    dcm_element e;
    const shn_status st = dcm_find(item, DCM_ANNOTATED_CHANNELS, &e, err);
    *about = *whole = 1;
    if (st != SHN_OK || !e.value || e.n < 4) return st;
    *about = *whole = 0;
    for (size_t i = 0; i + 4 <= e.n; i += 4) {
        const unsigned g = item->big ? read_u16be(e.value + i) : read_u16le(e.value + i), c = item->big ? read_u16be(e.value + i + 2) : read_u16le(e.value + i + 2);
        *about |= g == group + 1 || g == 0;
        *whole |= (g == group + 1 || g == 0) && c == 0;
    }
    return SHN_OK;
}

/** "RR Interval" becomes "rr_interval". */
static void own_name(const char *meaning, char out[32])
{
    size_t n = 0;
    for (const char *p = meaning; *p && n < 31; p++) {
        if (isalnum((unsigned char)*p)) out[n++] = (char)tolower((unsigned char)*p);
        else if (n && out[n - 1] != '_') out[n++] = '_';
    }
    while (n && out[n - 1] == '_') n--;
    out[n] = '\0';
}

static int has_measurement(const shn_record *rec, const char *name)
{
    for (size_t i = 0; i < shn_record_n_measurements(rec); i++)
        if (strcmp(shn_record_measurement(rec, i)->name, name) == 0) return 1;
    return 0;
}

static shn_status add_number(const concept *what, const concept *unit, double value, shn_record *rec, shn_error *err)
{
    char        name[32];
    const char *named_unit = unit->code;
    own_name(what->meaning, name);
    for (size_t i = 0; i < sizeof concepts / sizeof *concepts; i++) {
        if (strcmp(what->code, concepts[i].code) != 0 && strcasecmp(what->meaning, concepts[i].words) != 0) continue;
        snprintf(name, sizeof name, "%s", concepts[i].name);
        if (strcmp(unit->code, "s") == 0 && strcmp(concepts[i].unit, "ms") == 0) value *= 1000;
        named_unit = concepts[i].unit;          /* real files give an axis in "ms" */
        break;
    }
    if (!*name || has_measurement(rec, name) || shn_record_n_measurements(rec) == DCM_MEASURES_MAX) return SHN_OK;
    char word[16];
    snprintf(word, sizeof word, "%.15s", named_unit);
    return shn_record_add_measurement(rec, name, value, word, err);
}

static shn_status take_annotation(const dcm_set *item, const dcm_charset *charset, size_t group, shn_record *rec, shn_error *err)
{
    dcm_element number, text;
    concept     what, unit, finding;
    int         about, whole;
    shn_status  st = is_about(item, group, &about, &whole, err);
    if (st != SHN_OK || !about) return st;
    st = dcm_find(item, DCM_TEXT, &text, err);
    if (st == SHN_OK) st = dcm_find(item, DCM_NUMERIC_VALUE, &number, err);
    if (st == SHN_OK) st = get_concept(item, DCM_CONCEPT_NAME, charset, &what, err);
    if (st == SHN_OK) st = get_concept(item, DCM_MEASURE_UNITS, charset, &unit, err);
    if (st == SHN_OK) st = get_concept(item, DCM_CONCEPT_CODE, charset, &finding, err);
    if (st != SHN_OK) return st;
    const double value = dcm_decimal(&number);
    if (isnan(value) && shn_record_n_statements(rec) == DCM_STATEMENTS_MAX) return SHN_OK;
    if (!isnan(value)) return whole ? add_number(&what, &unit, value, rec, err) : SHN_OK;
    if (text.value) {
        char words[DCM_TEXT_MAX];
        dcm_decode(charset, text.value, text.n, words, sizeof words);
        return *words ? shn_record_add_statement(rec, words, err) : SHN_OK;
    }
    return *finding.meaning ? shn_record_add_statement(rec, finding.meaning, err) : SHN_OK;
}

shn_status dcm_annotate(const dcm_set *data, const dcm_charset *charset, size_t group, shn_record *rec, shn_error *err)
{
    dcm_element annotations;
    dcm_set     item;
    size_t      at = 0;
    shn_status  st = dcm_find(data, DCM_ANNOTATIONS, &annotations, err);
    while (st == SHN_OK) {
        st = dcm_item(data, &annotations, &at, &item, err);
        if (st != SHN_OK || !item.bytes) break;
        st = take_annotation(&item, charset, group, rec, err);
    }
    return st;
}
