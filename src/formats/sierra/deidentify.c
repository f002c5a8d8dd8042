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

#define PATIENT "patient/generalpatientdata/"
static const shn_scrub_rule rules[] = {
    { "@date", SHN_SCRUB_DATE, "date" }, SHN_RULE_TEXT("@time"), SHN_RULE_TEXT("@status"), SHN_RULE_TEXT("@lang"), SHN_RULE_TEXT("@locale"),
    SHN_RULE_TEXT("@schemaLocation"), { "@operatorid", SHN_SCRUB_EMPTY, "operator" }, { "@operator", SHN_SCRUB_EMPTY, "operator" },
    { "@machineid", SHN_SCRUB_EMPTY, "device serial number" },
    SHN_RULE_ENTER("documentinfo"), SHN_RULE_ASK("documentinfo/documentname"), SHN_RULE_TEXT("documentinfo/documenttype"),
    SHN_RULE_TEXT("documentinfo/documentversion"),
    SHN_RULE_ENTER("reportinfo"), SHN_RULE_TEXT("reportinfo/reporttype"), SHN_RULE_TEXT("reportinfo/reportlabel"),
    SHN_RULE_TEXT("reportinfo/reportdescription"), SHN_RULE_TREE("reportinfo/reportformat"), SHN_RULE_TREE("reportinfo/reportgain"),
    SHN_RULE_TREE("reportinfo/reportbandwidth"),
    SHN_RULE_ENTER("dataacquisition"), SHN_RULE_TEXT("dataacquisition@statflag"), SHN_RULE_TEXT("dataacquisition/machine"),
    SHN_RULE_TEXT("dataacquisition/machine@detaildescription"), SHN_RULE_ENTER("dataacquisition/acquirer"),
    SHN_RULE_TREE("dataacquisition/signalcharacteristics"),
    SHN_RULE_ENTER("patient"), SHN_RULE_TEXT("patient@criteriaversionforpatientdata"), SHN_RULE_ENTER("patient/generalpatientdata"),
    { PATIENT "patientid", SHN_SCRUB_ID, "patient id" }, { PATIENT "uniquepatientid", SHN_SCRUB_EMPTY, "patient id" },
    { PATIENT "viperuniquepatientid", SHN_SCRUB_EMPTY, "patient id" }, { PATIENT "MRN", SHN_SCRUB_EMPTY, "patient id" }, SHN_RULE_ENTER(PATIENT "name"),
    { PATIENT "name/lastname", SHN_SCRUB_EMPTY, "patient name" }, { PATIENT "name/firstname", SHN_SCRUB_EMPTY, "patient name" },
    { PATIENT "name/middlename", SHN_SCRUB_EMPTY, "patient name" }, SHN_RULE_ENTER(PATIENT "age"), SHN_RULE_NUMBER(PATIENT "age@defaultage"),
    SHN_RULE_ASK(PATIENT "age/years"), SHN_RULE_NUMBER(PATIENT "age/months"), SHN_RULE_NUMBER(PATIENT "age/weeks"), SHN_RULE_NUMBER(PATIENT "age/days"),
    SHN_RULE_ASK(PATIENT "age/dateofbirth"), SHN_RULE_TEXT(PATIENT "pacestatus"), SHN_RULE_TEXT(PATIENT "sex"), SHN_RULE_TEXT(PATIENT "race"),
    SHN_RULE_NUMBER(PATIENT "race@id"), SHN_RULE_TREE(PATIENT "height"), SHN_RULE_TREE(PATIENT "weight"),
    SHN_RULE_ENTER("patient/patientmedicaldata"), SHN_RULE_TREE("patient/patientmedicaldata/bloodpressure"),
    SHN_RULE_TREE("measurements"), SHN_RULE_TREE("internalmeasurements"),
    SHN_RULE_ENTER("interpretations"), SHN_RULE_ENTER("interpretations/interpretation"), SHN_RULE_TEXT("interpretations/interpretation@criteriaversion"),
    SHN_RULE_TEXT("interpretations/interpretation@customcriteriaversion"), SHN_RULE_TEXT("interpretations/interpretation@criteriaversiondate"),
    SHN_RULE_ENTER("interpretations/interpretation/interpretationdatastructure"), SHN_RULE_TREE("interpretations/interpretation/interpretationmeasurements"),
    SHN_RULE_TREE("interpretations/interpretation/globalmeasurements"), { "interpretations/interpretation/mdsignatureline", SHN_SCRUB_EMPTY, "signature" },
    SHN_RULE_TEXT("interpretations/interpretation/severity"), SHN_RULE_TEXT("interpretations/interpretation/severity@code"),
    SHN_RULE_NUMBER("interpretations/interpretation/severity@id"), SHN_RULE_ASK("interpretations/interpretation/statement"),
    SHN_RULE_TEXT("interpretations/interpretation/statement@editedflag"),
    SHN_RULE_TREE("waveforms"),
};
#undef PATIENT

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
