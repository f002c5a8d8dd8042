/**
 * What may stay in a Sierra file. User-defined fields, orders, the acquirer, names and coded statements are not on the list; a statement stays if it
 * was not edited and holds no date.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/sierra/sierra.h"
#include "formats/xml/dates.h"
#include "formats/xml/scrub.h"

#define E SHN_SCRUB_ENTER
#define X SHN_SCRUB_TEXT
#define N SHN_SCRUB_NUMBER
#define T SHN_SCRUB_TREE
#define PATIENT(name, action, what) { "patient/generalpatientdata/" name, action, what }
static const shn_scrub_rule rules[] = {
    { "@date", SHN_SCRUB_DATE, "date" }, { "@time", X, "" }, { "@status", X, "" }, { "@lang", X, "" }, { "@locale", X, "" }, { "@schemaLocation", X, "" },
    { "@operatorid", SHN_SCRUB_EMPTY, "operator" }, { "@operator", SHN_SCRUB_EMPTY, "operator" }, { "@machineid", SHN_SCRUB_EMPTY, "device serial number" },
    { "documentinfo", E, "" }, { "documentinfo/documentname", SHN_SCRUB_ASK, "" }, { "documentinfo/documenttype", X, "" }, { "documentinfo/documentversion", X, "" },
    { "reportinfo", E, "" }, { "reportinfo/reporttype", X, "" }, { "reportinfo/reportlabel", X, "" }, { "reportinfo/reportdescription", X, "" },
    { "reportinfo/reportformat", T, "" }, { "reportinfo/reportgain", T, "" }, { "reportinfo/reportbandwidth", T, "" },
    { "dataacquisition", E, "" }, { "dataacquisition@statflag", X, "" }, { "dataacquisition/machine", X, "" }, { "dataacquisition/machine@detaildescription", X, "" },
    { "dataacquisition/acquirer", E, "" }, { "dataacquisition/signalcharacteristics", T, "" },
    { "patient", E, "" }, { "patient@criteriaversionforpatientdata", X, "" }, { "patient/generalpatientdata", E, "" },
    PATIENT("patientid", SHN_SCRUB_ID, "patient id"), PATIENT("uniquepatientid", SHN_SCRUB_EMPTY, "patient id"),
    PATIENT("viperuniquepatientid", SHN_SCRUB_EMPTY, "patient id"), PATIENT("MRN", SHN_SCRUB_EMPTY, "patient id"), PATIENT("name", E, ""),
    PATIENT("name/lastname", SHN_SCRUB_EMPTY, "patient name"), PATIENT("name/firstname", SHN_SCRUB_EMPTY, "patient name"),
    PATIENT("name/middlename", SHN_SCRUB_EMPTY, "patient name"), PATIENT("age", E, ""), { "patient/generalpatientdata/age@defaultage", N, "" },
    PATIENT("age/years", SHN_SCRUB_ASK, ""), PATIENT("age/months", N, ""), PATIENT("age/weeks", N, ""), PATIENT("age/days", N, ""),
    PATIENT("age/dateofbirth", SHN_SCRUB_ASK, ""), PATIENT("pacestatus", X, ""), PATIENT("sex", X, ""), PATIENT("race", X, ""),
    { "patient/generalpatientdata/race@id", N, "" }, PATIENT("height", T, ""), PATIENT("weight", T, ""),
    { "patient/patientmedicaldata", E, "" }, { "patient/patientmedicaldata/bloodpressure", T, "" },
    { "measurements", T, "" }, { "internalmeasurements", T, "" },
    { "interpretations", E, "" }, { "interpretations/interpretation", E, "" }, { "interpretations/interpretation@criteriaversion", X, "" },
    { "interpretations/interpretation@customcriteriaversion", X, "" }, { "interpretations/interpretation@criteriaversiondate", X, "" },
    { "interpretations/interpretation/interpretationdatastructure", E, "" }, { "interpretations/interpretation/interpretationmeasurements", T, "" },
    { "interpretations/interpretation/globalmeasurements", T, "" }, { "interpretations/interpretation/mdsignatureline", SHN_SCRUB_EMPTY, "signature" },
    { "interpretations/interpretation/severity", X, "" }, { "interpretations/interpretation/severity@code", X, "" },
    { "interpretations/interpretation/severity@id", N, "" }, { "interpretations/interpretation/statement", SHN_SCRUB_ASK, "" },
    { "interpretations/interpretation/statement@editedflag", X, "" },
    { "waveforms", T, "" },
};

typedef struct facts { double age; int confirmed; } facts;

static int edited(const shn_scrubber *s, const shn_xml_node *statement)
{
    const char *flag = shn_xml_attribute(statement, "editedflag");
    return flag ? strcasecmp(flag, "False") != 0 : ((const facts *)s->context)->confirmed;
}

static shn_status statement(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    static const char *const parts[] = { "statementcode", "leftstatement", "rightstatement" };
    const shn_xml_node *next;
    int                 vouched = !edited(s, node);
    for (size_t i = 0; i < 3; i++) {
        const char *text = shn_xml_text(s->doc, shn_xml_child(node, parts[i]));
        vouched = vouched && text && !shn_text_dated(text);
    }
    if (!vouched) return shn_scrub_remove(s, node, path, "statement with a date, or edited", err);
    for (const shn_xml_node *child = shn_xml_child(node, NULL); child; child = next) {
        const char *name = shn_xml_name(child);
        next = shn_xml_next(child, NULL);
        const int        known = strcmp(name, parts[0]) == 0 || strcmp(name, parts[1]) == 0 || strcmp(name, parts[2]) == 0;
        const shn_status st = known ? shn_scrub_leaf(s, child, path, err) : shn_scrub_remove(s, child, path, "unknown content", err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status ask(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    const double age = ((const facts *)s->context)->age;
    char         text[64];
    const char  *old = shn_xml_text(s->doc, node);
    if (!old) return shn_fail_nomem(err, "sierra_xml");
    if (strcasestr(path, "/statement")) return statement(s, node, path, err);
    const shn_status leaf = shn_scrub_leaf(s, node, path, err);
    if (leaf != SHN_OK) return leaf;
    if (strcasestr(path, "documentname")) {
        snprintf(text, sizeof text, "%s.xml", shn_deid_stem(s->deid));
        return shn_scrub_set(s, node, path, text, "name of the file", "replaced", err);
    }
    if (strcasestr(path, "years")) {
        if (isnan(shn_xml_number(old))) return shn_scrub_remove(s, node, path, "age, which is no number", err);
        if (!(age > 89)) return SHN_OK;
        snprintf(text, sizeof text, "%d", shn_deid_age((int)fmin(age, 150)));
        return shn_scrub_set(s, node, path, text, "age", "cut to 90", err);
    }
    /* dateofbirth: of who is over 89 or of unknown age it would identify */
    if (!(age <= 89) || shn_day_shift(s->deid, old, text, sizeof text, NULL) != SHN_OK) return shn_scrub_remove(s, node, path, "birth date", err);
    return shn_scrub_set(s, node, path, text, "birth date", "shifted", err);
}

static double age_of(const shn_xml *doc)
{
    const shn_xml_node *root = shn_xml_root(doc), *age = shn_xml_find(root, "patient/generalpatientdata/age");
    const double        years = shn_xml_number(shn_xml_text(doc, shn_xml_child(age, "years")));
    shn_day             birth, day;
    if (!isnan(years)) return years;
    if (!shn_day_read(shn_xml_text(doc, shn_xml_child(age, "dateofbirth")), &birth, NULL) ||
        !shn_day_read(shn_xml_attribute(shn_xml_child(root, "dataacquisition"), "date"), &day, NULL)) return NAN;
    return shn_day_age(&birth, &day);
}

shn_status sierra_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    shn_xml   *doc;
    char       id[128], version[16];
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, "sierra_xml", &doc, NULL, err);
    if (st != SHN_OK) return st;
    st = sierra_version(doc, version, sizeof version, err);
    const shn_xml_node *root = shn_xml_root(doc);
    const char         *status = shn_xml_attribute(root, "status");
    shn_xml_copy(doc, shn_xml_find(root, "patient/generalpatientdata/patientid"), id, sizeof id);
    shn_deid_patient(deid, id);
    const facts        about = { .age = age_of(doc), .confirmed = status && strcasecmp(status, "Confirmed") == 0 };
    const shn_scrubber s = { .doc = doc, .deid = deid, .rules = rules, .n_rules = sizeof rules / sizeof *rules, .ask = ask, .context = &about };
    if (st == SHN_OK) st = shn_scrub_document(&s, err);
    if (st == SHN_OK) st = shn_xml_write(doc, out, err);
    shn_xml_free(doc);
    if (st != SHN_OK) shn_bytes_free(out);
    return st;
}
