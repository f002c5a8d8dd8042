#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/cardiosoft/cardiosoft.h"
#include "formats/day.h"
#include "formats/decimal.h"

static const char *const WHERE = "cardiosoft";

/** Year, month, day below a node; 0 if they are no date. */
static int date_in(const shn_xml *doc, const shn_xml_node *node, shn_day *out)
{
    *out = (shn_day){ (int)cardiosoft_whole(doc, shn_xml_child(node, "Year")), (int)cardiosoft_whole(doc, shn_xml_child(node, "Month")),
                      (int)cardiosoft_whole(doc, shn_xml_child(node, "Day")) };
    return shn_day_valid(out);
}

static void take_time(const shn_xml *doc, shn_record_meta *meta)
{
    const shn_xml_node *node = shn_xml_child(shn_xml_root(doc), "ObservationDateTime");
    shn_day day;
    if (!date_in(doc, node, &day)) return;
    const long hour = cardiosoft_whole(doc, shn_xml_child(node, "Hour")), minute = cardiosoft_whole(doc, shn_xml_child(node, "Minute")),
               second = cardiosoft_whole(doc, shn_xml_child(node, "Second"));
    const int n = snprintf(meta->acquired, sizeof meta->acquired, "%04d-%02d-%02d", day.year, day.month, day.day);
    if (hour >= 0 && hour < 24 && minute >= 0 && minute < 60)
        snprintf(meta->acquired + n, sizeof meta->acquired - (size_t)n, "T%02ld:%02ld:%02ld", hour, minute, second >= 0 && second < 61 ? second : 0);
}

static void take_age(const shn_xml *doc, const shn_xml_node *patient, shn_record_meta *meta)
{
    const shn_xml_node *age = shn_xml_child(patient, "Age");
    const char         *text = shn_xml_text(doc, age), *unit = shn_xml_attribute(age, "units");
    double              v;
    shn_day             day, birth;
    if (age && text && shn_decimal_whole(text, text + strlen(text), &v)) {
        if (unit && strncasecmp(unit, "month", 5) == 0) v /= 12;
        else if (unit && strncasecmp(unit, "day", 3) == 0) v /= 365.25;
        if (v >= 0 && v <= 150) meta->age_years = v;
    }
    if (isnan(meta->age_years) && date_in(doc, shn_xml_child(shn_xml_root(doc), "ObservationDateTime"), &day) &&
        date_in(doc, shn_xml_child(patient, "BirthDateTime"), &birth))
        meta->age_years = shn_day_age(&birth, &day);
}

/** Adds text if it fits as a whole. */
static void append(char *out, size_t size, const char *separator, const char *text)
{
    const size_t n = strlen(out);
    if (*text && n + strlen(separator) + strlen(text) < size) snprintf(out + n, size - n, "%s%s", n ? separator : "", text);
}

static void take_filters(const shn_xml *doc, shn_record_meta *meta)
{
    for (const shn_xml_node *f = shn_xml_child(shn_xml_child(shn_xml_root(doc), "FilterSetting"), NULL); f; f = shn_xml_next(f, NULL)) {
        char        text[24], words[64];
        const char *unit = shn_xml_attribute(f, "units");
        if (!shn_xml_copy(doc, f, text, sizeof text) || strcasecmp(text, "no") == 0) continue;
        if (strcasecmp(text, "yes") == 0) snprintf(words, sizeof words, "%.40s", shn_xml_name(f));
        else snprintf(words, sizeof words, "%.30s %s%s%.8s", shn_xml_name(f), text, unit ? " " : "", unit ? unit : "");
        append(meta->filters, sizeof meta->filters, ", ", words);
    }
}

static shn_status take_measurements(const shn_xml *doc, shn_record *rec, shn_error *err)
{
    static const struct { const char *name, *usual, *unit, *unit_here; } known[] = {
        { "VentricularRate", "heart_rate", "/min", "BPM" }, { "PQInterval", "pr_interval", "ms", "ms" },   { "PRInterval", "pr_interval", "ms", "ms" },
        { "QRSDuration", "qrs_duration", "ms", "ms" },      { "QTInterval", "qt_interval", "ms", "ms" },   { "QTCInterval", "qtc_interval", "ms", "ms" },
        { "PAxis", "p_axis", "deg", "degrees" },            { "RAxis", "qrs_axis", "deg", "degrees" },     { "TAxis", "t_axis", "deg", "degrees" },
    };
    size_t n = 0;
    for (const shn_xml_node *c = shn_xml_child(shn_xml_child(shn_xml_root(doc), "RestingECGMeasurements"), NULL); c; c = shn_xml_next(c, NULL)) {
        const char *name = shn_xml_name(c), *unit = shn_xml_attribute(c, "units");
        double      v;
        if (shn_xml_child(c, NULL)) continue;
        const char *text = shn_xml_text(doc, c);
        if (!text) return shn_fail_nomem(err, WHERE);
        if (!shn_decimal_whole(text, text + strlen(text), &v) || n++ >= SHN_CARDIOSOFT_MEASUREMENTS_MAX) continue;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strcmp(name, known[i].name) == 0 && (!unit || strcmp(unit, known[i].unit_here) == 0)) {
                name = known[i].usual;
                unit = known[i].unit;
                break;
            }
        const shn_status st = shn_record_add_measurement(rec, name, v, unit ? unit : "", err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status take_statements(const shn_xml *doc, shn_record *rec, shn_error *err)
{
    static const char *const texts[] = { "DiagnosisText", "ConclusionText" };
    const shn_xml_node *part = shn_xml_child(shn_xml_root(doc), "Interpretation");
    size_t              n = 0;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        for (const shn_xml_node *t = shn_xml_descend(part, NULL, texts[k]); part && t && n < SHN_CARDIOSOFT_STATEMENTS_MAX; t = shn_xml_descend(part, t, texts[k])) {
            char text[1024];
            if (!shn_xml_copy(doc, t, text, sizeof text)) continue;
            const shn_status st = shn_record_add_statement(rec, text, err);
            if (st != SHN_OK) return st;
            n++;
        }
    return SHN_OK;
}

shn_status cardiosoft_meta(const shn_xml *doc, shn_record *rec, shn_error *err)
{
    const shn_xml_node *root = shn_xml_root(doc), *patient = shn_xml_child(root, "PatientInfo"), *device = shn_xml_find(root, "ClinicalInfo/DeviceInfo");
    shn_record_meta    *meta = shn_record_meta_mut(rec);
    char                text[96];
    strcpy(meta->format, "cardiosoft");
    shn_xml_copy(doc, shn_xml_child(patient, "PID"), meta->patient, sizeof meta->patient);
    shn_xml_copy(doc, shn_xml_find(root, "UID/DICOMStudyUID"), meta->id, sizeof meta->id);
    if (shn_xml_copy(doc, shn_xml_child(patient, "Gender"), text, sizeof text)) {
        if (strcasecmp(text, "MALE") == 0 || strcasecmp(text, "M") == 0) meta->sex = 'M';
        if (strcasecmp(text, "FEMALE") == 0 || strcasecmp(text, "F") == 0) meta->sex = 'F';
    }
    if (shn_xml_copy(doc, shn_xml_child(device, "Desc"), text, sizeof text)) append(meta->device, sizeof meta->device, " ", text);
    if (shn_xml_copy(doc, shn_xml_child(device, "SoftwareVer"), text, sizeof text)) append(meta->device, sizeof meta->device, " ", text);
    take_time(doc, meta);
    take_age(doc, patient, meta);
    take_filters(doc, meta);
    const shn_status st = take_measurements(doc, rec, err);
    return st == SHN_OK ? take_statements(doc, rec, err) : st;
}

static int recognises(const uint8_t *bytes, size_t n_bytes) { return shn_xml_root_is(bytes, n_bytes, "CardiologyXML"); }

static shn_status read_cardiosoft(const shn_input *in, shn_record **out, shn_error *err)
{
    shn_xml    *doc = NULL;
    shn_record *rec = NULL;
    size_t      mended;
    *out = NULL;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, WHERE, &doc, &mended, err);
    if (st == SHN_OK) st = cardiosoft_samples(doc, &rec, err);
    if (st == SHN_OK && mended) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu stray '&' or '<' in the text, taken as characters", mended);
    if (st == SHN_OK) st = cardiosoft_meta(doc, rec, err);
    shn_xml_free(doc);
    if (st == SHN_OK) st = shn_input_cut(in, &rec, err);
    if (st == SHN_OK) *out = rec;
    else shn_record_free(rec);
    return st;
}

const shn_reader shn_reader_cardiosoft = {
    .name = "cardiosoft", .title = "GE CardioSoft XML", .recognises = recognises, .read = read_cardiosoft, .deidentify = cardiosoft_deidentify,
};
