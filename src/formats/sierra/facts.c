/** What a Sierra file says beside the samples: who, when, with what, measured and stated. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/sierra/sierra.h"
#include "formats/xml/dates.h"

static void append(char *to, size_t size, const char *between, const char *text)
{
    const size_t n = strlen(to);
    snprintf(to + n, size - n, "%s%s", n ? between : "", text);
}

static void patient(const shn_xml *doc, const shn_xml_node *root, shn_record_meta *meta)
{
    static const struct { const char *name; double years; } units[] = { { "years", 1 }, { "months", 1 / 12.0 }, { "weeks", 7 / 365.25 }, { "days", 1 / 365.25 } };
    const shn_xml_node *p = shn_xml_find(root, "patient/generalpatientdata"), *age = shn_xml_child(p, "age");
    const char         *date = shn_xml_attribute(shn_xml_child(root, "dataacquisition"), "date");
    char                sex[16] = "";
    shn_day             birth, day;
    shn_xml_copy(doc, shn_xml_child(p, "patientid"), meta->patient, sizeof meta->patient);
    shn_xml_copy(doc, shn_xml_child(p, "sex"), sex, sizeof sex);
    if (strcasecmp(sex, "Male") == 0) meta->sex = 'M';
    if (strcasecmp(sex, "Female") == 0) meta->sex = 'F';
    for (size_t u = 0; u < sizeof units / sizeof *units && isnan(meta->age_years); u++) {
        const double value = shn_xml_number(shn_xml_text(doc, shn_xml_child(age, units[u].name)));
        if (value >= 0 && value * units[u].years <= 150) meta->age_years = value * units[u].years;
    }
    if (isnan(meta->age_years) && shn_day_read(shn_xml_text(doc, shn_xml_child(age, "dateofbirth")), &birth, NULL) && shn_day_read(date, &day, NULL))
        meta->age_years = shn_day_age(&birth, &day);
}

static void acquisition(const shn_xml *doc, const shn_xml_node *root, shn_record_meta *meta)
{
    const shn_xml_node *a = shn_xml_child(root, "dataacquisition"), *machine = shn_xml_child(a, "machine");
    const char         *detail = shn_xml_attribute(machine, "detaildescription");
    shn_day             day;
    if (shn_day_read(shn_xml_attribute(a, "date"), &day, NULL)) shn_day_write(&day, shn_xml_attribute(a, "time"), meta->acquired, sizeof meta->acquired);
    shn_xml_copy(doc, machine, meta->device, sizeof meta->device);
    if (detail && *detail) append(meta->device, sizeof meta->device, ", ", detail);
    if (shn_xml_copy(doc, shn_xml_find(root, "documentinfo/documentname"), meta->id, sizeof meta->id)) {
        char *dot = strrchr(meta->id, '.');
        if (dot && strcasecmp(dot, ".xml") == 0) *dot = '\0';
    }
}

static void filters(const shn_xml *doc, const shn_xml_node *root, shn_record_meta *meta)
{
    const shn_xml_node *wave = shn_xml_find(root, "waveforms/parsedwaveforms"), *signal = shn_xml_find(root, "dataacquisition/signalcharacteristics");
    const char         *high = shn_xml_attribute(wave, "hipass"), *low = shn_xml_attribute(wave, "lowpass"), *notch = shn_xml_attribute(wave, "notchfiltered");
    const char         *mains = shn_xml_attribute(wave, "notchfilterfreqs");
    char                words[64], band[32];
    if (high && low && *high && *low) {
        snprintf(words, sizeof words, "%.20s-%.20s Hz", high, low);
        append(meta->filters, sizeof meta->filters, ", ", words);
    } else if (shn_xml_copy(doc, shn_xml_child(signal, "signalbandwidth"), band, sizeof band)) {
        snprintf(words, sizeof words, "%s Hz", band);
        append(meta->filters, sizeof meta->filters, ", ", words);
    }
    if (notch && strcasecmp(notch, "True") == 0) {
        snprintf(words, sizeof words, "notch %.30s", mains ? mains : "");
        append(meta->filters, sizeof meta->filters, ", ", words);
    }
}

static shn_status measurements(const shn_xml *doc, const shn_xml_node *from, shn_record *rec, shn_error *err)
{
    static const struct { const char *theirs, *ours, *unit; } names[] = {
        { "heartrate", "heart_rate", "/min" }, { "meanventrate", "heart_rate", "/min" }, { "atrialrate", "atrial_rate", "/min" }, { "rrint", "rr_interval", "ms" },
        { "print", "pr_interval", "ms" }, { "meanprint", "pr_interval", "ms" }, { "pdur", "p_duration", "ms" }, { "qrsdur", "qrs_duration", "ms" },
        { "meanqrsdur", "qrs_duration", "ms" }, { "qtint", "qt_interval", "ms" }, { "meanqtint", "qt_interval", "ms" }, { "qtcb", "qtc_interval", "ms" },
        { "meanqtc", "qtc_interval", "ms" }, { "qtcf", "qtc_fridericia", "ms" }, { "pfrontaxis", "p_axis", "deg" }, { "qrsfrontaxis", "qrs_axis", "deg" },
        { "tfrontaxis", "t_axis", "deg" },
    };
    shn_status st = SHN_OK;
    for (const shn_xml_node *v = shn_xml_child(from, NULL); v && st == SHN_OK; v = shn_xml_next(v, NULL)) {
        const char  *name = shn_xml_name(v);
        const double value = shn_xml_number(shn_xml_text(doc, v));          /* "Failed", "Indeterminate" are no numbers */
        const size_t length = strlen(name);
        size_t       i = 0;
        if (isnan(value)) continue;
        while (i < sizeof names / sizeof *names && strcmp(names[i].theirs, name) != 0) i++;
        if (i < sizeof names / sizeof *names) st = shn_record_add_measurement(rec, names[i].ours, value, names[i].unit, err);
        else st = shn_record_add_measurement(rec, name, value, length > 4 && strcmp(name + length - 4, "axis") == 0 ? "deg" : "", err);
    }
    return st;
}

static shn_status add_once(shn_record *rec, const char *text, shn_error *err)
{
    if (shn_record_n_statements(rec) >= SIERRA_STATEMENTS_MAX) return SHN_OK;
    for (size_t i = 0; i < shn_record_n_statements(rec); i++)
        if (strcmp(shn_record_statement(rec, i), text) == 0) return SHN_OK;
    return shn_record_add_statement(rec, text, err);
}

/** "Sinus rhythm: normal P axis, V-rate 50-99"; then the severity. */
static shn_status statements(const shn_xml *doc, const shn_xml_node *interpretation, shn_record *rec, shn_error *err)
{
    char       left[512], right[256], line[800];
    shn_status st = SHN_OK;
    for (const shn_xml_node *s = shn_xml_child(interpretation, "statement"); s && st == SHN_OK; s = shn_xml_next(s, "statement")) {
        shn_xml_copy(doc, shn_xml_child(s, "leftstatement"), left, sizeof left);
        shn_xml_copy(doc, shn_xml_child(s, "rightstatement"), right, sizeof right);
        snprintf(line, sizeof line, "%s%s%s", left, *left && *right ? ": " : "", right);
        if (*line) st = add_once(rec, line, err);
    }
    if (st == SHN_OK && shn_xml_copy(doc, shn_xml_child(interpretation, "severity"), line, sizeof line)) st = add_once(rec, line, err);
    return st;
}

shn_status sierra_facts(const shn_xml *doc, shn_record *rec, shn_error *err)
{
    const shn_xml_node *root = shn_xml_root(doc), *all = shn_xml_child(root, "interpretations"), *measured = NULL;
    shn_record_meta    *meta = shn_record_meta_mut(rec);
    shn_status          st = SHN_OK;
    patient(doc, root, meta);
    acquisition(doc, root, meta);
    filters(doc, root, meta);
    for (const shn_xml_node *i = shn_xml_child(all, "interpretation"); i && st == SHN_OK; i = shn_xml_next(i, "interpretation")) {
        if (!measured) measured = shn_xml_child(i, "globalmeasurements");
        if (!measured) measured = shn_xml_child(i, "interpretationmeasurements");
        st = statements(doc, i, rec, err);
    }
    if (!measured) measured = shn_xml_find(root, "measurements/globalmeasurements");
    if (!measured) measured = shn_xml_find(root, "internalmeasurements/crossleadmeasurements");
    return st == SHN_OK ? measurements(doc, measured, rec, err) : st;
}
