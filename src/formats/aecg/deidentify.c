/**
 * aECG without identifiers. What stays is listed, everything else goes: subjects, sites, persons and sponsors may stand in more places than a
 * list of forbidden elements could name.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "formats/aecg/aecg.h"
#include "formats/decimal.h"
#include "formats/xml/scrub.h"

/** RFC 5612: an object identifier for documentation, which names nobody. */
static const char *const NOBODY = "1.3.6.1.4.1.32473";

/**
 * Attributes of any element that stays; elements are named in scrub_child, for what one means hangs on those around it, not on its path.
 * Where times stand, and ids, they are seen to there.
 */
static const shn_scrub_rule attributes[] = {
    SHN_RULE_TEXT("@code"), SHN_RULE_TEXT("@codeSystem"), SHN_RULE_TEXT("@codeSystemName"), SHN_RULE_TEXT("@displayName"), SHN_RULE_TEXT("@type"),
    SHN_RULE_TEXT("@unit"), SHN_RULE_TEXT("@classCode"), SHN_RULE_TEXT("@typeCode"), SHN_RULE_TEXT("@inclusive"), SHN_RULE_TEXT("@nullFlavor"),
    { "@value", SHN_SCRUB_NUMBER, "value that is no number" }, SHN_RULE_TEXT("low@value"), SHN_RULE_TEXT("high@value"), SHN_RULE_TEXT("center@value"),
    SHN_RULE_TEXT("head@value"), SHN_RULE_TEXT("effectiveTime@value"), SHN_RULE_TEXT("activityTime@value"), SHN_RULE_TEXT("birthTime@value"),
    SHN_RULE_TEXT("id@root"), SHN_RULE_TEXT("id@extension"), SHN_RULE_TEXT("id@assigningAuthorityName"),
};

typedef struct scrub {
    shn_scrubber base;
    shn_xml     *doc;
    shn_deid    *deid;
    shn_error   *err;
    int          by_person;         /* the annotation set at hand was made by a person, not by a device */
    int          birth_shown;       /* 0: the age would be over 89, or is not known */
} scrub;

typedef struct place { char text[96]; } place;
static place place_of(const shn_xml_node *node)
{
    place p;
    snprintf(p.text, sizeof p.text, "line %u, %.60s", shn_xml_line(node), shn_xml_name(node));
    return p;
}

static shn_status note(scrub *s, const shn_xml_node *node, const char *what, const char *done) { return shn_deid_note(s->deid, place_of(node).text, what, done, s->err); }
static shn_status drop(scrub *s, const shn_xml_node *node, const char *what) { return shn_scrub_remove(&s->base, node, place_of(node).text, what, s->err); }

static int is_blank(const char *text)
{
    while (isspace((unsigned char)*text)) text++;
    return !*text;
}

/** A time in @value moves; what cannot be moved goes. Relative times (with a unit, or shorter than a date) stay. */
static shn_status shift_time(scrub *s, const shn_xml_node *node)
{
    const char *value = shn_xml_attribute(node, "value");
    char        text[40];
    shn_error   why;
    if (!value || !*value) return SHN_OK;
    const size_t digits = strspn(value, "0123456789");
    const int    is_length = shn_xml_attribute(node, "unit") && digits < 14, is_head = strcmp(shn_xml_name(node), "head") == 0;
    if (is_length || (is_head && digits < 8)) return SHN_OK;
    if (strlen(value) >= sizeof text || strspn(value, "0123456789.+-") != strlen(value)) return drop(s, node, "time");
    strcpy(text, value);
    if (shn_deid_date_text(s->deid, text, 0, &why) != SHN_OK) return drop(s, node, "time");
    shn_status st = shn_xml_set_attribute(s->doc, node, "value", text, s->err);
    return st == SHN_OK ? note(s, node, "time", "shifted") : st;
}

static shn_status scrub_id(scrub *s, const shn_xml_node *node, const char *parent)
{
    static const char *const named[] = { "AnnotatedECG", "series", "derivedSeries" };
    char       id[SHN_DEID_PATIENT_MAX] = "";
    const int  subject = strcmp(parent, "trialSubject") == 0;
    shn_status st = SHN_OK;
    if (!subject && !SHN_XML_IS_ONE_OF(parent, named)) return drop(s, node, "identifier");
    if (subject) shn_deid_id(s->deid, id, sizeof id);
    if (shn_xml_attribute(node, "root")) st = shn_xml_set_attribute(s->doc, node, "root", NOBODY, s->err);
    if (st == SHN_OK && (subject || shn_xml_attribute(node, "extension"))) st = shn_xml_set_attribute(s->doc, node, "extension", id, s->err);
    if (st == SHN_OK && shn_xml_attribute(node, "assigningAuthorityName")) st = shn_xml_set_attribute(s->doc, node, "assigningAuthorityName", "", s->err);
    return st == SHN_OK ? note(s, node, subject ? "patient id" : "identifier", subject ? "hashed" : "removed") : st;
}

/** Ages: PQ in @value, or text. */
static shn_status scrub_age(scrub *s, const shn_xml_node *node, int in_text)
{
    const char *text = in_text ? shn_xml_text(s->doc, node) : shn_xml_attribute(node, "value");
    double      age;
    if (!text) return in_text ? shn_fail_nomem(s->err, "aecg") : SHN_OK;
    if (is_blank(text)) return SHN_OK;
    if (!shn_decimal_whole(text, text + strlen(text), &age) || age < 0 || age > 1e6) return drop(s, node, "age");
    const char *unit = shn_xml_attribute(node, "unit");
    if (age < 90 || (!in_text && unit && strcmp(unit, "a") != 0 && strcmp(unit, "yr") != 0 && strcmp(unit, "y") != 0 && strcmp(unit, "years") != 0)) return SHN_OK;
    char cut[16];
    snprintf(cut, sizeof cut, "%d", shn_deid_age((int)age));
    const shn_status st = in_text ? shn_xml_set_text(s->doc, node, cut, s->err) : shn_xml_set_attribute(s->doc, node, "value", cut, s->err);
    return st == SHN_OK ? note(s, node, "age", "cut to 90") : st;
}

static shn_status scrub_value(scrub *s, const shn_xml_node *node, const shn_xml_node *parent)
{
    const char *type = shn_xml_attribute(node, "type"), *code = aecg_code(parent);
    if (strcmp(code, "21612-7") == 0 || strcmp(code, "30525-0") == 0) return scrub_age(s, node, 0);
    if (type && strcmp(type, "TS") == 0) return shift_time(s, node);
    if (shn_xml_child(node, NULL)) return SHN_OK;                       /* lists and intervals: their parts are looked at */
    const char *text = shn_xml_text(s->doc, node);
    if (!text) return shn_fail_nomem(s->err, "aecg");
    if (is_blank(text)) return SHN_OK;
    const int filter = strncmp(code, "MDC_ECG_CTL_VBL_", 16) == 0;
    const int statement = (strcmp(code, "MDC_ECG_INTERPRETATION_STATEMENT") == 0 || strcmp(code, "MDC_ECG_INTERPRETATION_SUMMARY") == 0) && !s->by_person;
    return filter || statement ? SHN_OK : drop(s, node, "free text");
}

static shn_status scrub_child(scrub *s, const shn_xml_node *node, const shn_xml_node *parent_node, int *deeper)
{
    static const char *const kept[] = {
        "component", "componentOf", "timepointEvent", "subjectAssignment", "subject", "trialSubject", "subjectDemographicPerson", "administrativeGenderCode", "raceCode",
        "series", "derivedSeries", "derivation", "seriesAuthor", "manufacturedSeriesDevice", "manufacturerOrganization", "sequenceSet", "sequence", "code", "increment",
        "origin", "scale", "subjectOf", "annotationSet", "annotation", "support", "supportingROI", "boundary", "controlVariable", "relatedObservation",
        "confidentialityCode",
    };
    static const char *const texts[] = { "digits", "manufacturerModelName", "softwareName" };
    static const char *const times[] = { "effectiveTime", "activityTime", "low", "high", "center", "head" };
    const char *name = shn_xml_name(node), *parent = shn_xml_name(parent_node);
    *deeper = 0;
    if (SHN_XML_IS_ONE_OF(name, texts)) return shn_xml_child(node, NULL) ? drop(s, node, "elements in a text") : SHN_OK;
    if (strcmp(name, "id") == 0) return scrub_id(s, node, parent);
    if (strcmp(name, "name") == 0 && strcmp(parent, "manufacturerOrganization") == 0) return shn_xml_child(node, NULL) ? drop(s, node, "elements in a text") : SHN_OK;
    if (strcmp(name, "PatientID") == 0 && strcmp(parent, "subjectDemographicPerson") == 0) {
        char id[SHN_DEID_PATIENT_MAX];
        shn_deid_id(s->deid, id, sizeof id);
        const shn_status st = shn_xml_set_text(s->doc, node, id, s->err);
        return st == SHN_OK ? note(s, node, "patient id", "hashed") : st;
    }
    if (strcmp(name, "Age") == 0 && strcmp(parent, "subjectDemographicPerson") == 0) return scrub_age(s, node, 1);
    if (strcmp(name, "birthTime") == 0) return s->birth_shown ? shift_time(s, node) : drop(s, node, "birth date");
    if (strcmp(name, "author") == 0 && (strcmp(parent, "series") == 0 || strcmp(parent, "derivedSeries") == 0)) {
        *deeper = 1;
        return SHN_OK;
    }
    if (strcmp(parent, "timepointEvent") == 0 && strcmp(name, "componentOf") != 0 && strcmp(name, "effectiveTime") != 0) return drop(s, node, "visit");
    if (SHN_XML_IS_ONE_OF(name, times)) {
        *deeper = 1;
        return shift_time(s, node);
    }
    if (strcmp(name, "value") == 0) {
        *deeper = 1;
        return scrub_value(s, node, parent_node);
    }
    if (!SHN_XML_IS_ONE_OF(name, kept)) return drop(s, node, "part that may identify");
    *deeper = 1;
    if (shn_xml_child(node, NULL)) return SHN_OK;
    const char *text = shn_xml_text(s->doc, node);
    if (!text) return shn_fail_nomem(s->err, "aecg");
    if (is_blank(text)) return SHN_OK;
    const shn_status st = shn_xml_set_text(s->doc, node, "", s->err);       /* these have no text of their own */
    return st == SHN_OK ? note(s, node, "free text", "removed") : st;
}

/** As deep as the document, which shn_xml_parse bounds. */
static shn_status scrub_below(scrub *s, const shn_xml_node *node)
{
    const int  outer = s->by_person;
    shn_status st = shn_xml_child(node, NULL) && shn_xml_remove_own_text(s->doc, node) ? note(s, node, "text beside elements", "removed") : SHN_OK;
    if (strcmp(shn_xml_name(node), "annotationSet") == 0)
        s->by_person = shn_xml_find(node, "author/assignedEntity/assignedAuthorType/assignedPerson") != NULL || shn_xml_find(node, "author/assignedEntity/assignedPerson") != NULL;
    for (const shn_xml_node *child = shn_xml_child(node, NULL), *next; child && st == SHN_OK; child = next) {
        int deeper = 0;
        next = shn_xml_next(child, NULL);
        st = shn_scrub_attributes(&s->base, child, shn_xml_name(child), s->err);
        if (st == SHN_OK) st = scrub_child(s, child, node, &deeper);
        if (st == SHN_OK && deeper) st = scrub_below(s, child);
    }
    s->by_person = outer;
    return st;
}

/** 1 if the birth date may be told: a time of recording is there, and the years between the two are under 90 in any case. */
static int may_show_birth(const shn_xml *doc)
{
    const shn_xml_node *root = shn_xml_root(doc);
    const char         *birth = shn_xml_attribute(shn_xml_find(aecg_subject(doc), "subjectDemographicPerson/birthTime"), "value");
    const char *const   times[] = { shn_xml_attribute(shn_xml_find(root, "component/series/effectiveTime/low"), "value"),
                                    shn_xml_attribute(shn_xml_find(root, "effectiveTime/low"), "value"), shn_xml_attribute(shn_xml_find(root, "effectiveTime/center"), "value") };
    if (!birth || strspn(birth, "0123456789") < 8) return 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int from, to;
        if (times[i] && strspn(times[i], "0123456789") >= 8 && sscanf(birth, "%4d", &from) == 1 && sscanf(times[i], "%4d", &to) == 1) return to - from >= 0 && to - from < 90;
    }
    return 0;
}

shn_status aecg_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    shn_xml            *doc = NULL;
    const shn_xml_node *series;
    char                patient[256];
    size_t              n;
    shn_status          st = shn_xml_parse(in->bytes, in->n_bytes, "aecg", &doc, NULL, err);
    if (st == SHN_OK) st = aecg_series(doc, 0, &series, &n, err);
    if (st == SHN_OK) {
        scrub s = { .doc = doc, .deid = deid, .err = err, .birth_shown = may_show_birth(doc) };
        s.base = (shn_scrubber){ .doc = doc, .deid = deid, .rules = attributes, .n_rules = sizeof attributes / sizeof *attributes };
        aecg_patient(doc, patient, sizeof patient);
        shn_deid_patient(deid, patient);
        shn_xml_remove_comments(doc);
        st = shn_deid_note(deid, "document", "comments and processing instructions", "removed", err);
        if (st == SHN_OK) st = shn_scrub_attributes(&s.base, shn_xml_root(doc), shn_xml_name(shn_xml_root(doc)), err);
        if (st == SHN_OK) st = scrub_below(&s, shn_xml_root(doc));
        if (st == SHN_OK) st = shn_xml_write(doc, out, err);
    }
    shn_xml_free(doc);
    return st;
}
