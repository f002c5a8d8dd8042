/**
 * What may stay in a MUSE file. People, places, orders, carts' numbers and free questions are not on the list; a diagnosis statement stays if the
 * machine made it (it is in OriginalDiagnosis) and it holds no date, for editors type names into the others.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/muse/muse.h"
#include "formats/xml/dates.h"
#include "formats/xml/scrub.h"

#define LEAD "Waveform/LeadData/"
static const shn_scrub_rule rules[] = {
    SHN_RULE_ENTER("MuseInfo"), SHN_RULE_TEXT("MuseInfo/MuseVersion"),
    SHN_RULE_ENTER("PatientDemographics"), { "PatientDemographics/PatientID", SHN_SCRUB_ID, "patient id" },
    { "PatientDemographics/PatientAge", SHN_SCRUB_ASK, "age" }, SHN_RULE_TEXT("PatientDemographics/AgeUnits"),
    { "PatientDemographics/DateofBirth", SHN_SCRUB_ASK, "birth date" }, SHN_RULE_TEXT("PatientDemographics/Gender"), SHN_RULE_TEXT("PatientDemographics/Race"),
    SHN_RULE_NUMBER("PatientDemographics/HeightIN"), SHN_RULE_NUMBER("PatientDemographics/HeightCM"), SHN_RULE_NUMBER("PatientDemographics/WeightLBS"),
    SHN_RULE_NUMBER("PatientDemographics/WeightKG"),
    SHN_RULE_ENTER("TestDemographics"), SHN_RULE_TEXT("TestDemographics/DataType"), SHN_RULE_TEXT("TestDemographics/AcquisitionDevice"),
    SHN_RULE_TEXT("TestDemographics/Status"), SHN_RULE_TEXT("TestDemographics/Priority"), SHN_RULE_TEXT("TestDemographics/AcquisitionTime"),
    { "TestDemographics/AcquisitionDate", SHN_SCRUB_DATE, "date of acquisition" }, SHN_RULE_TEXT("TestDemographics/AcquisitionSoftwareVersion"),
    SHN_RULE_TEXT("TestDemographics/AnalysisSoftwareVersion"),
    SHN_RULE_NUMBERS("RestingECGMeasurements"), SHN_RULE_NUMBERS("OriginalRestingECGMeasurements"),
    SHN_RULE_ENTER("Diagnosis"), SHN_RULE_TEXT("Diagnosis/Modality"), { "Diagnosis/DiagnosisStatement", SHN_SCRUB_ASK, "statement" },
    SHN_RULE_ENTER("OriginalDiagnosis"), SHN_RULE_TEXT("OriginalDiagnosis/Modality"), { "OriginalDiagnosis/DiagnosisStatement", SHN_SCRUB_ASK, "statement" },
    SHN_RULE_TEXT("MeasurementMatrix"),
    SHN_RULE_ENTER("QRSTimesTypes"), SHN_RULE_ENTER("QRSTimesTypes/QRS"), SHN_RULE_NUMBER("QRSTimesTypes/QRS/Number"),
    SHN_RULE_NUMBER("QRSTimesTypes/QRS/Type"), SHN_RULE_NUMBER("QRSTimesTypes/QRS/Time"), SHN_RULE_NUMBER("QRSTimesTypes/GlobalRR"),
    SHN_RULE_NUMBER("QRSTimesTypes/QTRGGR"),
    SHN_RULE_ENTER("Waveform"), SHN_RULE_TEXT("Waveform/WaveformType"), SHN_RULE_NUMBER("Waveform/WaveformStartTime"),
    SHN_RULE_NUMBER("Waveform/NumberofLeads"), SHN_RULE_TEXT("Waveform/SampleType"), SHN_RULE_NUMBER("Waveform/SampleBase"),
    SHN_RULE_NUMBER("Waveform/SampleExponent"), SHN_RULE_TEXT("Waveform/HighPassFilter"), SHN_RULE_TEXT("Waveform/LowPassFilter"),
    SHN_RULE_TEXT("Waveform/ACFilter"), SHN_RULE_ENTER("Waveform/LeadData"),
    SHN_RULE_NUMBER(LEAD "LeadByteCountTotal"), SHN_RULE_NUMBER(LEAD "LeadTimeOffset"), SHN_RULE_NUMBER(LEAD "LeadSampleCountTotal"),
    SHN_RULE_NUMBER(LEAD "LeadAmplitudeUnitsPerBit"), SHN_RULE_TEXT(LEAD "LeadAmplitudeUnits"), SHN_RULE_NUMBER(LEAD "LeadHighLimit"),
    SHN_RULE_NUMBER(LEAD "LeadLowLimit"), SHN_RULE_TEXT(LEAD "LeadID"), SHN_RULE_NUMBER(LEAD "LeadOffsetFirstSample"),
    SHN_RULE_NUMBER(LEAD "FirstSampleBaseline"), SHN_RULE_NUMBER(LEAD "LeadSampleSize"), SHN_RULE_TEXT(LEAD "LeadOff"), SHN_RULE_TEXT(LEAD "BaselineSway"),
    SHN_RULE_NUMBER(LEAD "LeadDataCRC32"), SHN_RULE_TEXT(LEAD "WaveFormData"),
    SHN_RULE_ENTER("PharmaData"), SHN_RULE_NUMBER("PharmaData/PharmaRRinterval"), SHN_RULE_NUMBER("PharmaData/PharmaPPinterval"),
};
#undef LEAD

/** Age in years where the file says it, from the age or from the dates; NaN. */
static double age_of(const shn_xml *doc)
{
    const shn_xml_node *root = shn_xml_root(doc), *p = muse_child(root, "PatientDemographics");
    char                unit[32];
    shn_day             birth, day;
    const double        age = shn_xml_number(shn_xml_text(doc, muse_child(p, "PatientAge")));
    if (!isnan(age)) return shn_xml_copy(doc, muse_child(p, "AgeUnits"), unit, sizeof unit) && strcasecmp(unit, "YEARS") != 0 ? fmin(age, 89) : age;
    if (!shn_day_read(shn_xml_text(doc, muse_child(p, "DateofBirth")), &birth, NULL) ||
        !shn_day_read(shn_xml_text(doc, muse_child(muse_child(root, "TestDemographics"), "AcquisitionDate")), &day, NULL)) return NAN;
    return shn_day_age(&birth, &day);
}

static int same_statement(const shn_xml *doc, const shn_xml_node *a, const shn_xml_node *b)
{
    const char *x = shn_xml_text(doc, muse_child(a, "StmtText")), *y = shn_xml_text(doc, muse_child(b, "StmtText"));
    return x && y && strcmp(x, y) == 0;
}

/** 1 if the machine made the statement and nothing in it looks like a date. */
static int vouched(const shn_scrubber *s, const shn_xml_node *statement, int edited)
{
    const char *text = shn_xml_text(s->doc, muse_child(statement, "StmtText"));
    if (!text || shn_text_dated(text)) return 0;
    if (!edited) return 1;
    const shn_xml_node *o = muse_child(muse_child(shn_xml_root(s->doc), "OriginalDiagnosis"), "DiagnosisStatement");
    for (size_t i = 0; o && i < MUSE_STATEMENTS_MAX; o = muse_next(o, "DiagnosisStatement"), i++)
        if (same_statement(s->doc, statement, o)) return 1;
    return 0;
}

static shn_status statement(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    if (!vouched(s, node, (path[0] | 32) == 'd')) return shn_scrub_remove(s, node, path, "statement with a date, or not the machine's own", err);
    const shn_xml_node *next;
    for (const shn_xml_node *child = shn_xml_child(node, NULL); child; child = next) {
        next = shn_xml_next(child, NULL);
        const int        known = strcasecmp(shn_xml_name(child), "StmtText") == 0 || strcasecmp(shn_xml_name(child), "StmtFlag") == 0;
        const shn_status st = known ? shn_scrub_leaf(s, child, path, err) : shn_scrub_remove(s, child, path, "unknown content", err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status ask(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    const double age = *(const double *)s->context;
    char         text[32];
    if (strcasestr(path, "Statement")) return statement(s, node, path, err);
    const shn_status leaf = shn_scrub_leaf(s, node, path, err);
    if (leaf != SHN_OK) return leaf;
    if (strcasestr(path, "PatientAge")) {
        if (isnan(shn_xml_number(shn_xml_text(s->doc, node)))) return shn_scrub_remove(s, node, path, "age, which is no number", err);
        if (!(age > 89)) return SHN_OK;
        snprintf(text, sizeof text, "%d", shn_deid_age((int)fmin(age, 150)));
        return shn_scrub_set(s, node, path, text, "age", "cut to 90", err);
    }
    /* DateofBirth: of who is over 89 or of unknown age it would identify */
    const char *born = shn_xml_text(s->doc, node);
    if (!born) return shn_fail_nomem(err, "muse_xml");
    if (!(age <= 89) || shn_day_shift(s->deid, born, text, sizeof text, NULL) != SHN_OK) return shn_scrub_remove(s, node, path, "birth date", err);
    return shn_scrub_set(s, node, path, text, "birth date", "shifted", err);
}

shn_status muse_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    shn_xml   *doc;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, "muse_xml", &doc, NULL, err);
    if (st != SHN_OK) return st;
    char id[128];
    shn_xml_copy(doc, muse_child(muse_child(shn_xml_root(doc), "PatientDemographics"), "PatientID"), id, sizeof id);
    shn_deid_patient(deid, id);
    const double       age = age_of(doc);
    const shn_scrubber s = { .doc = doc, .deid = deid, .rules = rules, .n_rules = sizeof rules / sizeof *rules, .ask = ask, .context = &age };
    st = shn_scrub_document(&s, err);
    if (st == SHN_OK) st = shn_xml_write(doc, out, err);
    shn_xml_free(doc);
    if (st != SHN_OK) shn_bytes_free(out);
    return st;
}
