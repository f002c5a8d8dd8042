/** Patient, time, device, filters, annotations. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/aecg/aecg.h"
#include "formats/day.h"
#include "formats/decimal.h"

static const char *value_of(const shn_xml_node *node)
{
    const char *v = shn_xml_attribute(node, "value");
    return v ? v : "";
}

static double number_of(const char *text)
{
    double v;
    return shn_decimal_whole(text, text + strlen(text), &v) ? v : NAN;
}

/* ---- time ---- */

/** "20021122091000.000+0100" as ISO 8601, as far as it goes. 0: no date. */
static int iso_time(const char *ts, char *out, size_t size)
{
    size_t digits = strspn(ts, "0123456789");
    int    n = 0;
    if (digits < 4) return 0;
    if (digits > 14) digits = 14;
    if (digits >= 8) n = snprintf(out, size, "%.4s-%.2s-%.2s", ts, ts + 4, ts + 6);
    else if (digits >= 6) n = snprintf(out, size, "%.4s-%.2s", ts, ts + 4);
    else n = snprintf(out, size, "%.4s", ts);
    if (digits < 12) return 1;
    n += snprintf(out + n, size - (size_t)n, "T%.2s:%.2s:%.2s", ts + 8, ts + 10, digits >= 14 ? ts + 12 : "00");
    ts += digits;
    if (*ts == '.') {
        const int fraction = (int)strspn(ts + 1, "0123456789");
        if (strspn(ts + 1, "0") < (size_t)fraction) n += snprintf(out + n, size - (size_t)n, ".%.*s", fraction > 3 ? 3 : fraction, ts + 1);
        ts += 1 + fraction;
    }
    if ((*ts == '+' || *ts == '-') && strspn(ts + 1, "0123456789") == 4) snprintf(out + n, size - (size_t)n, "%c%.2s:%.2s", *ts, ts + 1, ts + 3);
    return 1;
}

static void take_time(const shn_xml *doc, const shn_xml_node *series, shn_record_meta *m)
{
    const shn_xml_node *root = shn_xml_root(doc);
    const char *const   times[] = { value_of(shn_xml_find(series, "effectiveTime/low")), value_of(shn_xml_find(series, "effectiveTime/center")),
                                    value_of(shn_xml_find(root, "effectiveTime/low")), value_of(shn_xml_find(root, "effectiveTime/center")),
                                    value_of(shn_xml_find(series, "effectiveTime")), value_of(shn_xml_find(root, "effectiveTime")) };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (iso_time(times[i], m->acquired, sizeof m->acquired)) return;
}

/* ---- subject ---- */

const shn_xml_node *aecg_subject(const shn_xml *doc)
{
    return shn_xml_find(shn_xml_root(doc), "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject");
}

/** Text without control bytes or blanks around. */
static void copy_text(const char *text, char *out, size_t size)
{
    size_t n = 0;
    if (!size) return;
    while (isspace((unsigned char)*text)) text++;
    for (; *text && n + 1 < size; text++) out[n++] = (unsigned char)*text < 0x20 ? ' ' : *text;
    if (*text)
        while (n && ((unsigned char)*text & 0xc0) == 0x80 && ((unsigned char)out[n - 1] & 0x80)) {     /* a character that was cut goes as a whole */
            const int lead_byte = ((unsigned char)out[--n] & 0xc0) == 0xc0;
            if (lead_byte) break;
        }
    while (n && isspace((unsigned char)out[n - 1])) n--;
    out[n] = '\0';
}

void aecg_patient(const shn_xml *doc, char *out, size_t size)
{
    const shn_xml_node *subject = aecg_subject(doc), *id = shn_xml_child(subject, "id");
    const char         *extension = shn_xml_attribute(id, "extension"), *root = shn_xml_attribute(id, "root");
    *out = '\0';
    if (extension) copy_text(extension, out, size);
    if (!*out) shn_xml_copy(doc, shn_xml_find(subject, "subjectDemographicPerson/PatientID"), out, size);
    if (!*out && root) copy_text(root, out, size);
}

static double years_of(double value, const char *unit)
{
    static const struct { const char *name; double years; } units[] = {
        { "a", 1 }, { "yr", 1 }, { "y", 1 }, { "years", 1 }, { "mo", 1 / 12.0 }, { "wk", 7 / 365.25 }, { "d", 1 / 365.25 },
    };
    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++)
        if (strcasecmp(unit, units[i].name) == 0) return value * units[i].years;
    return unit && *unit ? NAN : value;
}

static void take_age(const shn_xml *doc, const shn_xml_node *person, shn_record_meta *m)
{
    for (const shn_xml_node *c = shn_xml_child(shn_xml_root(doc), "controlVariable"); c; c = shn_xml_next(c, "controlVariable")) {
        const shn_xml_node *o = shn_xml_child(c, "relatedObservation"), *v = shn_xml_child(o, "value");
        if (strcmp(aecg_code(o), "21612-7") != 0 && strcmp(aecg_code(o), "30525-0") != 0) continue;
        const double years = years_of(number_of(value_of(v)), shn_xml_attribute(v, "unit"));
        if (years >= 0 && years <= 150) m->age_years = years;
    }
    if (isnan(m->age_years)) m->age_years = shn_day_age_text(value_of(shn_xml_child(person, "birthTime")), m->acquired);
    const char *text = shn_xml_text(doc, shn_xml_child(person, "Age"));
    if (isnan(m->age_years) && text) {
        const double years = number_of(text);
        if (years >= 0 && years <= 150) m->age_years = years;
    }
}

static void take_subject(const shn_xml *doc, shn_record_meta *m)
{
    const shn_xml_node *person = shn_xml_child(aecg_subject(doc), "subjectDemographicPerson");
    const char         *sex = shn_xml_attribute(shn_xml_child(person, "administrativeGenderCode"), "code");
    const shn_xml_node *id = shn_xml_child(shn_xml_root(doc), "id");
    const char         *extension = shn_xml_attribute(id, "extension"), *root = shn_xml_attribute(id, "root");
    aecg_patient(doc, m->patient, sizeof m->patient);
    if (sex && (strcasecmp(sex, "M") == 0 || strcasecmp(sex, "F") == 0)) m->sex = (char)toupper((unsigned char)*sex);
    copy_text(extension && *extension ? extension : root ? root : "", m->id, sizeof m->id);
    take_age(doc, person, m);
}

/* ---- device and filters ---- */

/** Adds text behind a separator; what does not fit is left out as a whole. */
static void append(char *out, size_t size, const char *separator, const char *text)
{
    char         clean[96];
    const size_t n = strlen(out);
    copy_text(text, clean, sizeof clean);
    if (*clean && n + strlen(separator) + strlen(clean) < size) snprintf(out + n, size - n, "%s%s", n ? separator : "", clean);
}

static shn_status take_device(const shn_xml *doc, const shn_xml_node *series, shn_record_meta *m, shn_error *err)
{
    const shn_xml_node *author = shn_xml_find(series, "author/seriesAuthor"), *device = shn_xml_child(author, "manufacturedSeriesDevice");
    const char *const   texts[] = { shn_xml_text(doc, shn_xml_find(author, "manufacturerOrganization/name")), shn_xml_text(doc, shn_xml_child(device, "manufacturerModelName")),
                                    shn_xml_text(doc, shn_xml_child(device, "softwareName")) };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i]) return shn_fail_nomem(err, "aecg");
        append(m->device, sizeof m->device, " ", texts[i]);
    }
    return SHN_OK;
}

/** "low pass 150 Hz", "notch Adaptive 60 Hz". */
static shn_status take_filters(const shn_xml *doc, const shn_xml_node *series, shn_record_meta *m, shn_error *err)
{
    static const char prefix[] = "MDC_ECG_CTL_VBL_ATTR_FILTER_";
    for (const shn_xml_node *c = shn_xml_child(series, "controlVariable"); c; c = shn_xml_next(c, "controlVariable")) {
        const shn_xml_node *v = shn_xml_child(c, "controlVariable");
        const char         *code = aecg_code(v);
        char                text[96] = "";
        if (strncmp(code, prefix, sizeof prefix - 1) != 0) continue;
        append(text, sizeof text, "", code + sizeof prefix - 1);
        for (char *p = text; *p; p++) *p = (char)(*p == '_' ? ' ' : tolower((unsigned char)*p));
        for (const shn_xml_node *part = shn_xml_child(v, "component"); part; part = shn_xml_next(part, "component")) {
            const shn_xml_node *value = shn_xml_find(part, "controlVariable/value");
            const char         *words = shn_xml_text(doc, value), *unit = shn_xml_attribute(value, "unit");
            if (!words) return shn_fail_nomem(err, "aecg");
            append(text, sizeof text, " ", *value_of(value) ? value_of(value) : words);
            if (unit) append(text, sizeof text, " ", unit);
        }
        append(m->filters, sizeof m->filters, ", ", text);
    }
    return SHN_OK;
}

/* ---- annotations ---- */

typedef struct annotations { const shn_xml *doc; shn_record *rec; size_t n_measurements, n_statements; } annotations;

/** Annotations about one lead are a matrix of their own and are left out. */
static int about_a_lead(const shn_xml_node *annotation)
{
    const shn_xml_node *roi = shn_xml_find(annotation, "support/supportingROI");
    for (const shn_xml_node *c = shn_xml_child(roi, "component"); c; c = shn_xml_next(c, "component"))
        if (strncasecmp(aecg_code(shn_xml_child(c, "boundary")), "MDC_ECG_LEAD_", 13) == 0) return 1;
    return 0;
}

static int has_measurement(const shn_record *rec, const char *name)
{
    for (size_t i = 0; i < shn_record_n_measurements(rec); i++)
        if (strcmp(shn_record_measurement(rec, i)->name, name) == 0) return 1;
    return 0;
}

/** One measured value, under the usual name and unit where the code has one. */
static shn_status take_measurement(annotations *a, const char *code, double v, const char *unit, shn_error *err)
{
    static const struct { const char *code, *name, *unit; } known[] = {
        { "MDC_ECG_HEART_RATE", "heart_rate", "/min" },        { "MDC_ECG_TIME_PD_PR", "pr_interval", "ms" },      { "MDC_ECG_TIME_PD_QRS", "qrs_duration", "ms" },
        { "MDC_ECG_TIME_PD_QT", "qt_interval", "ms" },         { "MDC_ECG_TIME_PD_QTc", "qtc_interval", "ms" },    { "MDC_ECG_TIME_PD_QTcB", "qtc_interval", "ms" },
        { "MDC_ECG_ANGLE_P_FRONT", "p_axis", "deg" },
        { "MDC_ECG_ANGLE_QRS_FRONT", "qrs_axis", "deg" },      { "MDC_ECG_ANGLE_T_FRONT", "t_axis", "deg" },       { "MINDRAY_ECG_P_AXIS", "p_axis", "deg" },
        { "MINDRAY_ECG_QRS_AXIS", "qrs_axis", "deg" },         { "MINDRAY_ECG_T_AXIS", "t_axis", "deg" },
    };
    const char *name = code, *as = unit ? unit : "";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(code, known[i].code) == 0) {
            if (strcmp(known[i].unit, "ms") == 0 && strcmp(as, "s") == 0) v = v * 1000;
            else if (strcmp(known[i].unit, "ms") == 0 && strcmp(as, "ms") != 0 && *as) break;     /* another unit: told as it stands */
            if (strcmp(known[i].unit, "ms") == 0 && v == 0) return SHN_OK;                        /* 0 ms is how "not measured" is written */
            name = known[i].name;
            as = known[i].unit;
            break;
        }
    if (isnan(v) || has_measurement(a->rec, name) || a->n_measurements >= SHN_AECG_MEASUREMENTS_MAX) return SHN_OK;
    a->n_measurements++;
    return shn_record_add_measurement(a->rec, name, v, as, err);
}

static shn_status take_statement(annotations *a, const char *text, shn_error *err)
{
    char clean[1024];
    copy_text(text, clean, sizeof clean);
    if (!*clean || a->n_statements >= SHN_AECG_STATEMENTS_MAX) return SHN_OK;
    a->n_statements++;
    return shn_record_add_statement(a->rec, clean, err);
}

static shn_status take_annotation(annotations *a, const shn_xml_node *node, shn_error *err)
{
    const shn_xml_node *value = shn_xml_child(node, "value");
    const char         *code = aecg_code(node), *type = shn_xml_attribute(value, "type");
    shn_status          st = SHN_OK;
    if (about_a_lead(node)) return SHN_OK;
    if (value && type && strcmp(type, "PQ") == 0) st = take_measurement(a, code, number_of(value_of(value)), shn_xml_attribute(value, "unit"), err);
    else if (value && type && strcmp(type, "ST") == 0) {
        const char *text = shn_xml_text(a->doc, value);
        st = text ? take_statement(a, text, err) : shn_fail_nomem(err, "aecg");
    } else if (value && strcmp(code, "MDC_ECG_RHY") == 0) {
        const char *words = shn_xml_attribute(value, "displayName"), *rhythm = shn_xml_attribute(value, "code");
        st = take_statement(a, words && *words ? words : rhythm ? rhythm : "", err);
    }
    for (const shn_xml_node *c = shn_xml_child(node, "component"); c && st == SHN_OK; c = shn_xml_next(c, "component"))
        for (const shn_xml_node *n = shn_xml_child(c, "annotation"); n && st == SHN_OK; n = shn_xml_next(n, "annotation")) st = take_annotation(a, n, err);
    return st;
}

static shn_status take_annotations(annotations *a, const shn_xml_node *series, shn_error *err)
{
    shn_status st = SHN_OK;
    for (const shn_xml_node *s = shn_xml_child(series, "subjectOf"); s && st == SHN_OK; s = shn_xml_next(s, "subjectOf"))
        for (const shn_xml_node *set = shn_xml_child(s, "annotationSet"); set && st == SHN_OK; set = shn_xml_next(set, "annotationSet"))
            for (const shn_xml_node *c = shn_xml_child(set, "component"); c && st == SHN_OK; c = shn_xml_next(c, "component"))
                for (const shn_xml_node *n = shn_xml_child(c, "annotation"); n && st == SHN_OK; n = shn_xml_next(n, "annotation")) st = take_annotation(a, n, err);
    return st;
}

shn_status aecg_meta(const shn_xml *doc, const shn_xml_node *series, shn_record *rec, shn_error *err)
{
    shn_record_meta *m = shn_record_meta_mut(rec);
    annotations      a = { .doc = doc, .rec = rec };
    strcpy(m->format, "aecg");
    take_time(doc, series, m);
    take_subject(doc, m);
    shn_status st = take_device(doc, series, m, err);
    if (st == SHN_OK) st = take_filters(doc, series, m, err);
    if (st == SHN_OK) st = take_annotations(&a, series, err);
    for (const shn_xml_node *d = shn_xml_child(series, "derivation"); d && st == SHN_OK; d = shn_xml_next(d, "derivation"))
        for (const shn_xml_node *s = shn_xml_child(d, "derivedSeries"); s && st == SHN_OK; s = shn_xml_next(s, "derivedSeries")) st = take_annotations(&a, s, err);
    return st;
}
