/**
 * CardioSoft without identifiers. What stays is listed: waveforms and their scale, numbers, the machine's statements, device and filters, sex,
 * age, shifted dates. Visit, order, persons, addresses, comments, questionnaires and links go.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "formats/cardiosoft/cardiosoft.h"
#include "formats/decimal.h"

typedef struct scrub { shn_xml *doc; shn_deid *deid; shn_error *err; } scrub;

static shn_status note(scrub *s, const shn_xml_node *node, const char *what, const char *done)
{
    char place[96];
    snprintf(place, sizeof place, "line %u, %.60s", shn_xml_line(node), shn_xml_name(node));
    return shn_deid_note(s->deid, place, what, done, s->err);
}

static shn_status drop(scrub *s, const shn_xml_node *node, const char *what)
{
    const shn_status st = note(s, node, what, "removed");
    shn_xml_remove(s->doc, node);
    return st;
}

static int is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0) return 1;
    return 0;
}
#define IS_ONE_OF(name, list) is_one_of(name, list, sizeof(list) / sizeof *(list))

/** Digits, signs, separators and blanks: no name hides in these. */
static int is_numbers(const char *text) { return strspn(text, "0123456789+-.,;: \t\r\n") == strlen(text); }

/** Below measurements and waveforms: leaves of numbers, leads and a few known words stay. */
static shn_status scrub_numbers(scrub *s, const shn_xml_node *node)
{
    static const char *const words[] = { "LeadOrder", "BeatClass" };
    shn_status st = SHN_OK;
    for (const shn_xml_node *c = shn_xml_child(node, NULL), *next; c && st == SHN_OK; c = next) {
        next = shn_xml_next(c, NULL);
        if (shn_xml_child(c, NULL)) {
            st = scrub_numbers(s, c);
            continue;
        }
        const char *text = shn_xml_text(s->doc, c);
        if (!text) return shn_fail_nomem(s->err, "cardiosoft");
        if (!is_numbers(text) && !IS_ONE_OF(shn_xml_name(c), words)) st = drop(s, c, "text among the measurements");
    }
    return st;
}

/** Day, Month and Year below a node, together. */
static shn_status shift_date(scrub *s, const shn_xml_node *node)
{
    static const char *const names[] = { "Year", "Month", "Day" };
    static const char *const times[] = { "Year", "Month", "Day", "Hour", "Minute", "Second" };
    int        v[3];
    shn_error  why;
    shn_status st = SHN_OK;
    for (int i = 0; i < 3; i++) v[i] = (int)cardiosoft_whole(s->doc, shn_xml_child(node, names[i]));
    if (shn_deid_date(s->deid, &v[0], &v[1], &v[2], &why) != SHN_OK) return drop(s, node, "time");
    for (int i = 0; i < 3 && st == SHN_OK; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", v[i]);
        st = shn_xml_set_text(s->doc, shn_xml_child(node, names[i]), text, s->err);
    }
    for (const shn_xml_node *c = shn_xml_child(node, NULL), *next; c && st == SHN_OK; c = next) {
        next = shn_xml_next(c, NULL);
        if (!IS_ONE_OF(shn_xml_name(c), times) || cardiosoft_whole(s->doc, c) < 0) st = drop(s, c, "part that may identify");
    }
    return st == SHN_OK ? note(s, node, "date", "shifted") : st;
}

static shn_status scrub_age(scrub *s, const shn_xml_node *node)
{
    const long  age = cardiosoft_whole(s->doc, node);
    const char *unit = shn_xml_attribute(node, "units"), *text = shn_xml_text(s->doc, node);
    char        cut[16];
    if (!text) return shn_fail_nomem(s->err, "cardiosoft");
    if (!text[strspn(text, " \t\r\n")]) return SHN_OK;
    if (age < 0) return drop(s, node, "age");
    if (age < 90 || (unit && (strncmp(unit, "month", 5) == 0 || strncmp(unit, "day", 3) == 0))) return SHN_OK;
    snprintf(cut, sizeof cut, "%d", shn_deid_age((int)age));
    const shn_status st = shn_xml_set_text(s->doc, node, cut, s->err);
    return st == SHN_OK ? note(s, node, "age", "cut to 90") : st;
}

/** 1 if the age at the recording is under 90 for sure: the years of birth and recording say so. */
static int may_show_birth(const shn_xml *doc)
{
    const shn_xml_node *root = shn_xml_root(doc);
    const long birth = cardiosoft_whole(doc, shn_xml_find(root, "PatientInfo/BirthDateTime/Year")), now = cardiosoft_whole(doc, shn_xml_find(root, "ObservationDateTime/Year"));
    return birth > 1800 && now >= birth && now - birth < 90;
}

static shn_status scrub_patient(scrub *s, const shn_xml_node *patient)
{
    static const char *const kept[] = { "Gender", "PaceMaker", "Race" };
    static const char *const words[] = { "MALE", "FEMALE", "M", "F", "UNKNOWN", "yes", "no", "" };
    shn_status st = SHN_OK;
    for (const shn_xml_node *c = shn_xml_child(patient, NULL), *next; c && st == SHN_OK; c = next) {
        const char *name = shn_xml_name(c);
        char        text[64];
        next = shn_xml_next(c, NULL);
        shn_xml_copy(s->doc, c, text, sizeof text);
        if (strcmp(name, "PID") == 0) {
            shn_deid_id(s->deid, text, sizeof text);
            st = shn_xml_set_text(s->doc, c, text, s->err);
            if (st == SHN_OK) st = note(s, c, "patient id", "hashed");
        } else if (strcmp(name, "Age") == 0) st = scrub_age(s, c);
        else if (strcmp(name, "BirthDateTime") == 0) st = may_show_birth(s->doc) ? shift_date(s, c) : drop(s, c, "birth date");
        else if ((strcmp(name, "Height") == 0 || strcmp(name, "Weight") == 0) && is_numbers(text) && !shn_xml_child(c, NULL)) continue;
        else if (!IS_ONE_OF(name, kept) || shn_xml_child(c, NULL) || (!IS_ONE_OF(text, words) && strcmp(name, "Race") != 0)) st = drop(s, c, "part that may identify");
    }
    return st;
}

/** Keeps the named leaves below a node and drops the rest. */
static shn_status keep_only(scrub *s, const shn_xml_node *node, const char *const *kept, size_t n)
{
    shn_status st = SHN_OK;
    for (const shn_xml_node *c = shn_xml_child(node, NULL), *next; c && st == SHN_OK; c = next) {
        next = shn_xml_next(c, NULL);
        if (!is_one_of(shn_xml_name(c), kept, n)) st = drop(s, c, "part that may identify");
    }
    return st;
}

static shn_status scrub_top(scrub *s, const shn_xml_node *c)
{
    static const char *const numbers[] = { "RestingECGMeasurements", "ExerciseMeasurements", "VectorLoops", "StripData", "Strip", "FullDisclosure" };
    static const char *const plain[] = { "ObservationType", "FilterSetting", "Device-Type" };
    static const char *const clinical[] = { "DeviceInfo" }, *const device[] = { "Desc", "SoftwareVer", "AnalysisVer" };
    static const char *const interpretation[] = { "Diagnosis" }, *const diagnosis[] = { "DiagnosisText" };
    const char *name = shn_xml_name(c);
    shn_status  st = SHN_OK;
    if (IS_ONE_OF(name, plain)) return SHN_OK;
    if (IS_ONE_OF(name, numbers)) return scrub_numbers(s, c);
    if (strcmp(name, "ObservationDateTime") == 0) return shift_date(s, c);
    if (strcmp(name, "PatientInfo") == 0) return scrub_patient(s, c);
    if (strcmp(name, "ClinicalInfo") == 0) {
        st = keep_only(s, c, clinical, 1);
        for (const shn_xml_node *d = shn_xml_child(c, NULL); d && st == SHN_OK; d = shn_xml_next(d, NULL)) st = keep_only(s, d, device, sizeof device / sizeof *device);
        return st;
    }
    if (strcmp(name, "Interpretation") == 0) {
        st = keep_only(s, c, interpretation, 1);
        for (const shn_xml_node *d = shn_xml_child(c, NULL); d && st == SHN_OK; d = shn_xml_next(d, NULL)) st = keep_only(s, d, diagnosis, 1);
        return st;
    }
    return drop(s, c, "part that may identify");
}

shn_status cardiosoft_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    shn_xml   *doc = NULL;
    char       patient[128] = "";
    scrub      s = { .deid = deid, .err = err };
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, "cardiosoft", &doc, NULL, err);
    if (st != SHN_OK) return st;
    s.doc = doc;
    shn_xml_copy(doc, shn_xml_find(shn_xml_root(doc), "PatientInfo/PID"), patient, sizeof patient);
    shn_deid_patient(deid, patient);
    shn_xml_remove_comments(doc);
    st = shn_deid_note(deid, "document", "comments and processing instructions", "removed", err);
    /* the patient first: whether the birth date may stay is read off the time of recording, which moves */
    const shn_xml_node *patient_info = shn_xml_child(shn_xml_root(doc), "PatientInfo");
    if (st == SHN_OK && patient_info) st = scrub_patient(&s, patient_info);
    for (const shn_xml_node *c = shn_xml_child(shn_xml_root(doc), NULL), *next; c && st == SHN_OK; c = next) {
        next = shn_xml_next(c, NULL);
        if (c != patient_info) st = scrub_top(&s, c);
    }
    if (st == SHN_OK) st = shn_xml_write(doc, out, err);
    shn_xml_free(doc);
    return st;
}
