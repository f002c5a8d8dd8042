/** What a MUSE file says beside the samples: who, when, with what, measured and diagnosed. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/muse/muse.h"
#include "formats/xml/dates.h"

static void patient(const shn_xml *doc, const shn_xml_node *root, shn_record_meta *meta)
{
    static const struct { const char *name; double years; } units[] = {
        { "YEARS", 1 }, { "MONTHS", 1 / 12.0 }, { "WEEKS", 7 / 365.25 }, { "DAYS", 1 / 365.25 }, { "HOURS", 1 / 8766.0 },
    };
    const shn_xml_node *p = muse_child(root, "PatientDemographics");
    char                word[32] = "";
    shn_xml_copy(doc, muse_child(p, "PatientID"), meta->patient, sizeof meta->patient);
    shn_xml_copy(doc, muse_child(p, "Gender"), word, sizeof word);
    if (strcasecmp(word, "MALE") == 0 || strcasecmp(word, "M") == 0) meta->sex = 'M';
    if (strcasecmp(word, "FEMALE") == 0 || strcasecmp(word, "F") == 0) meta->sex = 'F';
    const double age = shn_xml_number(shn_xml_text(doc, muse_child(p, "PatientAge")));
    size_t       u = 0;
    if (shn_xml_copy(doc, muse_child(p, "AgeUnits"), word, sizeof word))
        while (u < sizeof units / sizeof *units && strcasecmp(word, units[u].name) != 0) u++;
    if (u < sizeof units / sizeof *units && age >= 0 && age * units[u].years <= 150) meta->age_years = age * units[u].years;
}

static void acquisition(const shn_xml *doc, const shn_xml_node *root, shn_record *rec)
{
    shn_record_meta    *meta = shn_record_meta_mut(rec);
    const shn_xml_node *t = muse_child(root, "TestDemographics");
    shn_day             day, birth;
    int                 swapped;
    char                time[32] = "", version[32];
    shn_xml_copy(doc, muse_child(t, "AcquisitionTime"), time, sizeof time);
    if (shn_day_read(shn_xml_text(doc, muse_child(t, "AcquisitionDate")), &day, &swapped)) {
        shn_day_write(&day, time, meta->acquired, sizeof meta->acquired);
        if (swapped) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "AcquisitionDate has the day first, against the format's MM-DD-YYYY");
        const char *born = shn_xml_text(doc, muse_child(muse_child(root, "PatientDemographics"), "DateofBirth"));
        if (isnan(meta->age_years) && shn_day_read(born, &birth, NULL)) meta->age_years = shn_day_age(&birth, &day);
    }
    shn_xml_copy(doc, muse_child(t, "AcquisitionDevice"), meta->device, sizeof meta->device);
    if (shn_xml_copy(doc, muse_child(t, "AcquisitionSoftwareVersion"), version, sizeof version)) {
        const size_t n = strlen(meta->device);
        snprintf(meta->device + n, sizeof meta->device - n, "%ssoftware %s", n ? ", " : "", version);
    }
}

static void filters(const shn_xml *doc, const shn_xml_node *waveform, shn_record_meta *meta)
{
    char         low[24], high[24], mains[24], *to = meta->filters;
    const size_t size = sizeof meta->filters;
    if (shn_xml_copy(doc, muse_child(waveform, "HighPassFilter"), high, sizeof high)) {
        const double value = shn_xml_number(high);
        const double hz = strpbrk(high, ".,") ? value : value / 100;       /* whole numbers are hundredths */
        if (isnan(value)) snprintf(to, size, "high-pass %s", high);
        else snprintf(to, size, "high-pass %g Hz", hz);
    }
    if (shn_xml_copy(doc, muse_child(waveform, "LowPassFilter"), low, sizeof low))
        snprintf(to + strlen(to), size - strlen(to), "%slow-pass %s Hz", *to ? ", " : "", low);
    if (shn_xml_copy(doc, muse_child(waveform, "ACFilter"), mains, sizeof mains))
        snprintf(to + strlen(to), size - strlen(to), "%smains %s%s", *to ? ", " : "", mains, isdigit((unsigned char)*mains) ? " Hz" : "");
}

static shn_status measurements(const shn_xml *doc, const shn_xml_node *root, shn_record *rec, shn_error *err)
{
    static const struct { const char *theirs, *ours, *unit; } names[] = {
        { "VentricularRate", "heart_rate", "/min" }, { "AtrialRate", "atrial_rate", "/min" }, { "PRInterval", "pr_interval", "ms" },
        { "QRSDuration", "qrs_duration", "ms" }, { "QTInterval", "qt_interval", "ms" }, { "QTCorrected", "qtc_interval", "ms" },
        { "QTcFrederica", "qtc_fridericia", "ms" }, { "QTcFramingham", "qtc_framingham", "ms" }, { "PAxis", "p_axis", "deg" },
        { "RAxis", "qrs_axis", "deg" }, { "TAxis", "t_axis", "deg" }, { "ECGSampleBase", NULL, NULL }, { "ECGSampleExponent", NULL, NULL },
    };
    const shn_xml_node *m = muse_child(root, "RestingECGMeasurements");
    shn_status          st = SHN_OK;
    if (!shn_xml_child(m, NULL)) m = muse_child(root, "OriginalRestingECGMeasurements");
    for (const shn_xml_node *v = shn_xml_child(m, NULL); v && st == SHN_OK; v = shn_xml_next(v, NULL)) {
        size_t       i = 0;
        const double value = shn_xml_number(shn_xml_text(doc, v));
        if (isnan(value)) continue;
        while (i < sizeof names / sizeof *names && strcasecmp(names[i].theirs, shn_xml_name(v)) != 0) i++;
        if (i == sizeof names / sizeof *names) st = shn_record_add_measurement(rec, shn_xml_name(v), value, "", err);
        else if (names[i].ours) st = shn_record_add_measurement(rec, names[i].ours, value, names[i].unit, err);
    }
    return st;
}

shn_status muse_lines(const shn_xml *doc, const shn_xml_node *diagnosis, shn_status (*use)(void *, const char *, shn_error *), void *context, shn_error *err)
{
    char       line[1024] = "", text[512], flag[32];
    size_t     n_lines = 0;
    shn_status st = SHN_OK;
    for (const shn_xml_node *s = muse_child(diagnosis, "DiagnosisStatement"); s && st == SHN_OK && n_lines < MUSE_STATEMENTS_MAX; s = muse_next(s, "DiagnosisStatement")) {
        int ends = 0;
        for (const shn_xml_node *f = muse_child(s, "StmtFlag"); f; f = muse_next(f, "StmtFlag"))
            ends |= shn_xml_copy(doc, f, flag, sizeof flag) && strcasecmp(flag, "ENDSLINE") == 0;
        if (shn_xml_copy(doc, muse_child(s, "StmtText"), text, sizeof text)) {
            const size_t n = strlen(line);
            snprintf(line + n, sizeof line - n, "%s%s", n && !strchr(",.;:)", *text) ? " " : "", text);
        }
        if (*line && (ends || !muse_next(s, "DiagnosisStatement"))) {
            st = use(context, line, err);
            *line = '\0';
            n_lines++;
        }
    }
    return st;
}

static shn_status keep(void *rec, const char *line, shn_error *err) { return shn_record_add_statement(rec, line, err); }

/** The machine's own lines where they are not among the edited ones. */
static shn_status keep_original(void *rec, const char *line, shn_error *err)
{
    char marked[1040];
    for (size_t i = 0; i < shn_record_n_statements(rec); i++)
        if (strcmp(shn_record_statement(rec, i), line) == 0) return SHN_OK;
    snprintf(marked, sizeof marked, "original: %s", line);
    return shn_record_add_statement(rec, shn_record_n_statements(rec) ? marked : line, err);
}

shn_status muse_facts(const shn_xml *doc, const shn_xml_node *waveform, shn_record *rec, shn_error *err)
{
    const shn_xml_node *root = shn_xml_root(doc);
    patient(doc, root, shn_record_meta_mut(rec));
    acquisition(doc, root, rec);
    filters(doc, waveform, shn_record_meta_mut(rec));
    shn_status st = measurements(doc, root, rec, err);
    if (st == SHN_OK) st = muse_lines(doc, muse_child(root, "Diagnosis"), keep, rec, err);
    const int edited = shn_record_n_statements(rec) > 0;
    if (st == SHN_OK) st = muse_lines(doc, muse_child(root, "OriginalDiagnosis"), edited ? keep_original : keep, rec, err);
    return st;
}
