/**
 * What may stay in a CardioSoft file: waveforms and their scale, numbers, the machine's statements, device and filters, sex, age, shifted dates.
 * Visit, order, persons, addresses, comments, questionnaires and links are not on the list.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/cardiosoft/cardiosoft.h"
#include "formats/xml/scrub.h"

static const shn_scrub_rule rules[] = {
    SHN_RULE_TEXT("ObservationType"), { "ObservationDateTime", SHN_SCRUB_ASK, "time" },
    SHN_RULE_ENTER("PatientInfo"), { "PatientInfo/PID", SHN_SCRUB_ID, "patient id" }, { "PatientInfo/Age", SHN_SCRUB_ASK, "age" },
    { "PatientInfo/BirthDateTime", SHN_SCRUB_ASK, "birth date" }, { "PatientInfo/Gender", SHN_SCRUB_ASK, "sex" }, SHN_RULE_NUMBERS("PatientInfo/PaceMaker"),
    SHN_RULE_TEXT("PatientInfo/Race"), SHN_RULE_NUMBERS("PatientInfo/Height"), SHN_RULE_NUMBERS("PatientInfo/Weight"),
    SHN_RULE_ENTER("ClinicalInfo"), SHN_RULE_ENTER("ClinicalInfo/DeviceInfo"), SHN_RULE_TEXT("ClinicalInfo/DeviceInfo/Desc"),
    SHN_RULE_TEXT("ClinicalInfo/DeviceInfo/SoftwareVer"), SHN_RULE_TEXT("ClinicalInfo/DeviceInfo/AnalysisVer"),
    SHN_RULE_NUMBERS("FilterSetting"), SHN_RULE_NUMBERS("Device-Type"),
    SHN_RULE_ENTER("Interpretation"), SHN_RULE_ENTER("Interpretation/Diagnosis"), SHN_RULE_TEXT("Interpretation/Diagnosis/DiagnosisText"),
    SHN_RULE_NUMBERS("RestingECGMeasurements"), SHN_RULE_TEXT("RestingECGMeasurements/MeasurementTable/LeadOrder"),
    SHN_RULE_NUMBERS("ExerciseMeasurements"), SHN_RULE_NUMBERS("VectorLoops"),
    SHN_RULE_NUMBERS("StripData"), SHN_RULE_TEXT("StripData/ArrhythmiaResults/BeatClass"),
    SHN_RULE_NUMBERS("Strip"), SHN_RULE_TEXT("Strip/StripData/ArrhythmiaResults/BeatClass"),
    SHN_RULE_NUMBERS("FullDisclosure"), SHN_RULE_TEXT("FullDisclosure/LeadOrder"),
    SHN_RULE_TEXT("@units"), SHN_RULE_TEXT("@lead"), SHN_RULE_TEXT("@Creation"),
};

/** Day, Month and Year below a node move together; the time of day stays. */
static shn_status shift_date(const shn_scrubber *s, const shn_xml_node *node, const char *path, const char *what, shn_error *err)
{
    static const char *const dates[] = { "Year", "Month", "Day" }, *const times[] = { "Hour", "Minute", "Second" };
    int        v[3];
    shn_error  why;
    shn_status st = SHN_OK;
    for (int i = 0; i < 3; i++) v[i] = (int)cardiosoft_whole(s->doc, shn_xml_child(node, dates[i]));
    if (shn_deid_date(s->deid, &v[0], &v[1], &v[2], &why) != SHN_OK) return shn_scrub_remove(s, node, path, what, err);
    shn_xml_remove_own_text(s->doc, node);
    for (const shn_xml_node *c = shn_xml_child(node, NULL), *next; c && st == SHN_OK; c = next) {
        const char *name = shn_xml_name(c);
        char        text[16];
        int         i = 0;
        next = shn_xml_next(c, NULL);
        while (i < 3 && (strcmp(name, dates[i]) != 0 || shn_xml_child(node, name) != c)) i++;
        if (i == 3 && (!SHN_XML_IS_ONE_OF(name, times) || cardiosoft_whole(s->doc, c) < 0)) {
            st = shn_scrub_remove(s, c, path, "part that may identify", err);
            continue;
        }
        st = shn_scrub_leaf(s, c, path, err);
        if (st != SHN_OK || i == 3) continue;
        snprintf(text, sizeof text, "%d", v[i]);
        st = shn_xml_set_text(s->doc, c, text, err);
    }
    return st == SHN_OK ? shn_deid_note(s->deid, path, what, "shifted", err) : st;
}

static shn_status scrub_age(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    const long  age = cardiosoft_whole(s->doc, node);
    const char *unit = shn_xml_attribute(node, "units");
    char        cut[16];
    if (age < 0) return shn_scrub_remove(s, node, path, "age", err);
    if (age < 90 || (unit && (strncmp(unit, "month", 5) == 0 || strncmp(unit, "day", 3) == 0))) return SHN_OK;
    snprintf(cut, sizeof cut, "%d", shn_deid_age((int)age));
    return shn_scrub_set(s, node, path, cut, "age", "cut to 90", err);
}

/** 1 if the age at the recording is under 90 for sure: the years of birth and recording say so. */
static int may_show_birth(const shn_xml *doc)
{
    const shn_xml_node *root = shn_xml_root(doc);
    const long birth = cardiosoft_whole(doc, shn_xml_find(root, "PatientInfo/BirthDateTime/Year")), now = cardiosoft_whole(doc, shn_xml_find(root, "ObservationDateTime/Year"));
    return birth > 1800 && now >= birth && now - birth < 90;
}

static shn_status ask(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    static const char *const sexes[] = { "MALE", "FEMALE", "M", "F", "UNKNOWN", "" };
    const int *birth_shown = s->context;
    char       text[16];
    if (strcasecmp(path, "ObservationDateTime") == 0) return shift_date(s, node, path, "time", err);
    if (strcasecmp(path, "PatientInfo/BirthDateTime") == 0)
        return *birth_shown ? shift_date(s, node, path, "birth date", err) : shn_scrub_remove(s, node, path, "birth date", err);
    if (shn_xml_child(node, NULL)) return shn_scrub_remove(s, node, path, "part that may identify", err);
    if (strcasecmp(path, "PatientInfo/Age") == 0) return scrub_age(s, node, path, err);
    return shn_xml_copy(s->doc, node, text, sizeof text) && SHN_XML_IS_ONE_OF(text, sexes) ? SHN_OK : shn_scrub_remove(s, node, path, "part that may identify", err);
}

shn_status cardiosoft_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    shn_xml   *doc;
    char       patient[128] = "";
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, "cardiosoft", &doc, NULL, err);
    if (st != SHN_OK) return st;
    shn_xml_copy(doc, shn_xml_find(shn_xml_root(doc), "PatientInfo/PID"), patient, sizeof patient);
    shn_deid_patient(deid, patient);
    const int          birth_shown = may_show_birth(doc);
    const shn_scrubber s = { .doc = doc, .deid = deid, .rules = rules, .n_rules = sizeof rules / sizeof *rules, .ask = ask, .context = &birth_shown };
    st = shn_scrub_document(&s, err);
    if (st == SHN_OK) st = shn_xml_write(doc, out, err);
    shn_xml_free(doc);
    return st;
}
