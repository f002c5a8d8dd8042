#include "formats/sierra/sierra.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/sierra/xli.h"
#include "formats/xml/xml.h"
#include "shinden/signal.h"

enum { I, II, III, AVR, AVL, AVF, PULSE_MIN = 20 };

static int recognises(const uint8_t *bytes, size_t n_bytes) { return shn_xml_root_is(bytes, n_bytes, "restingecgdata"); }

/* ---- the document ---- */

static shn_status check_version(const shn_xml *doc, char version[16], shn_error *err)
{
    static const char *const versions[] = { "1.03", "1.04", "1.04.01", "1.04.02" };
    const shn_xml_node *info = shn_xml_child(shn_xml_root(doc), "documentinfo");
    char type[32] = "";
    shn_xml_copy(doc, shn_xml_child(info, "documenttype"), type, sizeof type);
    shn_xml_copy(doc, shn_xml_child(info, "documentversion"), version, 16);
    if (strcmp(type, "SierraECG") != 0 && strcmp(type, "PhilipsECG") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "sierra", "documenttype '%s'; SierraECG and PhilipsECG are read", type);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (strcmp(version, versions[i]) == 0) return SHN_OK;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "sierra", "documentversion '%s'; 1.03, 1.04, 1.04.01 and 1.04.02 are read", version);
}

/** What the waveform element and the signal's description say, the one under several names. NaN where neither does. */
static double property(const shn_xml *doc, const shn_xml_node *waves, const char *attribute, const char *element, const char *other)
{
    const shn_xml_node *described = shn_xml_find(shn_xml_root(doc), "dataacquisition/signalcharacteristics");
    const char *text = shn_xml_attribute(waves, attribute);
    if (text && *text) return shn_xml_number(text);
    const shn_xml_node *node = shn_xml_child(described, element);
    if (!node && other) node = shn_xml_child(described, other);
    text = shn_xml_text(doc, node);
    return text ? shn_xml_number(text) : NAN;
}

static shn_status check_encoding(const shn_xml_node *waves, shn_error *err)
{
    const char *encoding = shn_xml_attribute(waves, "dataencoding"), *method = shn_xml_attribute(waves, "compression");
    if (!method) method = shn_xml_attribute(waves, "compressmethod");
    if (!encoding || strcasecmp(encoding, "Base64") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "sierra", "line %u: dataencoding '%.30s'; Base64 is read", shn_xml_line(waves), encoding ? encoding : "");
    if (!method || strcmp(method, "XLI") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "sierra", "line %u: compression '%.30s'; XLI is read", shn_xml_line(waves), method ? method : "");
    return SHN_OK;
}

/** Names of the leads in order: the attribute, or the standard twelve. Returns their number. */
static size_t lead_names(const shn_xml_node *waves, char names[SHN_LEADS_MAX][32])
{
    const char *labels = shn_xml_attribute(waves, "leadlabels");
    size_t n = 0;
    while (labels && *labels && n < SHN_LEADS_MAX) {
        const size_t gap = strspn(labels, " \t\r\n"), length = strcspn(labels + gap, " \t\r\n");
        if (length) snprintf(names[n++], sizeof names[0], "%.*s", (int)(length < 31 ? length : 31), labels + gap);
        labels += gap + length;
    }
    if (n) return n;
    for (n = 0; n < SHN_LEADS; n++) snprintf(names[n], sizeof names[0], "%s", shn_lead_name(n));
    return n;
}

/* ---- samples ---- */

typedef struct leads { int16_t *x[SHN_LEADS_MAX]; size_t n_samples, n; } leads;

static void leads_free(leads *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->x[i]);
}

static shn_status unpack_leads(const uint8_t *bytes, size_t n_bytes, size_t n_leads, size_t n_samples, leads *out, shn_error *err)
{
    size_t at = 0;
    out->n_samples = n_samples;
    for (; out->n < n_leads; out->n++) {
        const shn_status st = shn_xli_chunk(bytes, n_bytes, &at, n_samples, &out->x[out->n], err);
        if (st == SHN_OK) continue;
        shn_error_prefix(err, "lead %zu of %zu", out->n + 1, n_leads);
        return st;
    }
    return SHN_OK;
}

/** Puts the four limb leads together from what was predicted and the stored rest; halves are cut toward zero. */
static void restore_limb_leads(leads *l)
{
    for (size_t t = 0; t < l->n_samples; t++) {
        const int i = l->x[I][t], ii = l->x[II][t];
        const int iii = (int16_t)(ii - i - l->x[III][t]);
        l->x[III][t] = (int16_t)iii;
        l->x[AVR][t] = (int16_t)(-l->x[AVR][t] - (i + ii) / 2);
        l->x[AVL][t] = (int16_t)((i - iii) / 2 - l->x[AVL][t]);
        l->x[AVF][t] = (int16_t)((ii + iii) / 2 - l->x[AVF][t]);
    }
}

/** Samples before a calibration pulse at the end: from there on every lead is at rest or at 1 mV (of either sign), and the pulse is there. */
static size_t before_calibration(const leads *l, int pulse)
{
    size_t t = l->n_samples, high = 0;
    for (; t > 0; t--) {
        int flat = 1, up = 1;
        for (size_t k = 0; k < l->n; k++) {
            const int v = abs(l->x[k][t - 1]);
            flat &= v <= 2 || abs(v - pulse) <= 2;
            up &= k >= 2 && k < 6 ? 1 : abs(v - pulse) <= 2;    /* derived leads may show the pulse or nothing */
        }
        if (!flat) break;
        high += (size_t)up;
    }
    return high >= PULSE_MIN && t > 0 ? t : l->n_samples;
}

static shn_status fill(const leads *l, char names[SHN_LEADS_MAX][32], double fs, double uv, size_t n, shn_record **out, shn_error *err)
{
    const shn_status st = shn_record_new(l->n, n, fs, out, err);
    if (st != SHN_OK) return st;
    for (size_t k = 0; k < l->n; k++) {
        float *x = shn_record_lead_mut(*out, k);
        for (size_t t = 0; t < n; t++) x[t] = (float)(l->x[k][t] * uv / 1000);
        shn_record_set_name(*out, k, names[k]);
        shn_record_set_unit(*out, k, SHN_UNIT_DECLARED);
        shn_record_set_calibration(*out, k, (shn_lead_cal){ 1000 / uv, 0, 16 });
    }
    if (n < l->n_samples)
        shn_record_add_note(*out, SHN_REASON_NONE, "the last %zu samples are the recorder's calibration pulse and were cut off", l->n_samples - n);
    return SHN_OK;
}

static shn_status read_waves(const shn_xml *doc, const shn_xml_node *waves, shn_record **out, shn_error *err)
{
    static _Thread_local char names[SHN_LEADS_MAX][32];
    leads      l = { .n = 0 };
    uint8_t   *bytes = NULL;
    size_t     n_bytes = 0;
    const double fs = property(doc, waves, "samplespersecond", "samplingrate", NULL), uv = property(doc, waves, "resolution", "resolution", "signalresolution");
    const double ms = shn_xml_attribute(waves, "durationperchannel") ? shn_xml_number(shn_xml_attribute(waves, "durationperchannel")) : NAN, n = round(ms * fs / 1000);
    const char *text = shn_xml_text(doc, waves);
    const size_t n_leads = lead_names(waves, names);
    if (!text) return shn_fail_nomem(err, "sierra");
    if (!(fs > 0)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "sierra", "line %u: no sampling rate", shn_xml_line(waves));
    if (!(uv > 0 && uv < 1e6)) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_UNIT, "sierra", "line %u: no resolution in microvolts per step", shn_xml_line(waves));
    if (!(n >= 2 && n <= (double)SHN_SIERRA_SAMPLES_MAX))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "sierra", "line %u: durationperchannel of %g ms; needs 2 to %zu samples", shn_xml_line(waves), ms,
                        SHN_SIERRA_SAMPLES_MAX);
    shn_status st = shn_base64_decode(text, strlen(text), "sierra", &bytes, &n_bytes, err);
    if (st == SHN_OK) st = unpack_leads(bytes, n_bytes, n_leads, (size_t)n, &l, err);
    if (st == SHN_OK) {
        int standard = l.n >= 6;
        for (size_t k = 0; standard && k < 6; k++) standard = shn_lead_index(names[k]) == (int)k;
        if (standard) restore_limb_leads(&l);
        st = fill(&l, names, fs, uv, before_calibration(&l, (int)lround(1000 / uv)), out, err);
        if (st == SHN_OK && !standard) shn_record_add_note(*out, SHN_REASON_LEAD_ORDER, "limb leads not in the order that the format predicts them in; taken as stored");
    }
    leads_free(&l);
    free(bytes);
    return st;
}

/* ---- what else it says ---- */

static const shn_xml_node *patient_of(const shn_xml *doc) { return shn_xml_find(shn_xml_root(doc), "patient/generalpatientdata"); }

/** Whole years between two dates YYYY-MM-DD; NaN if one is none. */
static double years_between(const char *from, const char *to)
{
    int a[3], b[3];
    if (sscanf(from, "%4d-%2d-%2d", &a[0], &a[1], &a[2]) != 3 || sscanf(to, "%4d-%2d-%2d", &b[0], &b[1], &b[2]) != 3) return NAN;
    const int years = b[0] - a[0] - (b[1] < a[1] || (b[1] == a[1] && b[2] < a[2]));
    return years >= 0 && years <= 130 ? years : NAN;
}

static void take_patient(const shn_xml *doc, shn_record_meta *meta)
{
    const shn_xml_node *p = patient_of(doc), *age = shn_xml_child(p, "age");
    char text[64];
    shn_xml_copy(doc, shn_xml_child(p, "patientid"), meta->patient, sizeof meta->patient);
    if (shn_xml_copy(doc, shn_xml_child(p, "sex"), text, sizeof text)) meta->sex = *text == 'M' ? 'M' : *text == 'F' ? 'F' : 0;
    if (shn_xml_copy(doc, shn_xml_child(age, "years"), text, sizeof text)) meta->age_years = shn_xml_number(text);
    else if (shn_xml_copy(doc, shn_xml_child(age, "dateofbirth"), text, sizeof text)) meta->age_years = years_between(text, meta->acquired);
    if (!(meta->age_years >= 0 && meta->age_years <= 130)) meta->age_years = NAN;
}

static void take_acquisition(const shn_xml *doc, shn_record_meta *meta)
{
    const shn_xml_node *acquired = shn_xml_child(shn_xml_root(doc), "dataacquisition"), *machine = shn_xml_child(acquired, "machine");
    const shn_xml_node *signal = shn_xml_child(acquired, "signalcharacteristics");
    const char *date = shn_xml_attribute(acquired, "date"), *time = shn_xml_attribute(acquired, "time"), *detail = shn_xml_attribute(machine, "detaildescription");
    char text[64], high[16] = "", low[16] = "";
    if (date && strlen(date) == 10) snprintf(meta->acquired, sizeof meta->acquired, "%s%s%.8s", date, time && *time ? "T" : "", time ? time : "");
    if (shn_xml_copy(doc, machine, text, sizeof text)) snprintf(meta->device, sizeof meta->device, "%s%s%.40s", text, detail && *detail ? " " : "", detail ? detail : "");
    if (shn_xml_copy(doc, shn_xml_child(signal, "signalbandwidth"), text, sizeof text)) snprintf(meta->filters, sizeof meta->filters, "%s Hz", text);
    else if (shn_xml_copy(doc, shn_xml_child(signal, "hipass"), high, sizeof high) && shn_xml_copy(doc, shn_xml_child(signal, "lowpass"), low, sizeof low))
        snprintf(meta->filters, sizeof meta->filters, "%s-%s Hz", high, low);
}

static shn_status take_measurements(const shn_xml *doc, shn_record *rec, shn_error *err)
{
    static const struct { const char *element, *name, *unit; } items[] = {
        { "meanventrate", "heart_rate", "/min" }, { "meanprint", "pr_interval", "ms" }, { "meanqrsdur", "qrs_duration", "ms" }, { "meanqtint", "qt_interval", "ms" },
        { "meanqtc", "qtc_interval", "ms" },      { "pfrontaxis", "p_axis", "deg" },    { "qrsfrontaxis", "qrs_axis", "deg" },  { "tfrontaxis", "t_axis", "deg" },
    };
    const shn_xml_node *m = shn_xml_find(shn_xml_root(doc), "internalmeasurements/crossleadmeasurements");
    shn_status st = SHN_OK;
    if (!m) m = shn_xml_find(shn_xml_root(doc), "measurements/globalmeasurements");
    for (size_t i = 0; i < sizeof items / sizeof *items && st == SHN_OK; i++) {
        const char *text = shn_xml_text(doc, shn_xml_child(m, items[i].element));
        st = text ? shn_record_add_measurement(rec, items[i].name, shn_xml_number(text), items[i].unit, err) : shn_fail_nomem(err, "sierra");
    }
    return st;
}

static shn_status take_statements(const shn_xml *doc, shn_record *rec, shn_error *err)
{
    const shn_xml_node *interpretation = shn_xml_find(shn_xml_root(doc), "interpretations/interpretation");
    char       text[512], right[240];
    shn_status st = SHN_OK;
    if (shn_xml_copy(doc, shn_xml_child(interpretation, "severity"), text, sizeof text)) st = shn_record_add_statement(rec, text, err);
    for (const shn_xml_node *s = shn_xml_child(interpretation, "statement"); s && st == SHN_OK; s = shn_xml_next(s, "statement")) {
        if (!shn_xml_copy(doc, shn_xml_child(s, "leftstatement"), text, 240)) continue;
        if (shn_xml_copy(doc, shn_xml_child(s, "rightstatement"), right, sizeof right)) snprintf(text + strlen(text), sizeof text - strlen(text), " (%s)", right);
        st = shn_record_add_statement(rec, text, err);
    }
    return st;
}

static shn_status describe(const shn_xml *doc, const char *version, shn_record *rec, shn_error *err)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    snprintf(meta->format, sizeof meta->format, "sierra_xml %s", version);
    if (shn_xml_copy(doc, shn_xml_find(shn_xml_root(doc), "documentinfo/documentname"), meta->id, sizeof meta->id) && strlen(meta->id) > 4 &&
        strcasecmp(meta->id + strlen(meta->id) - 4, ".xml") == 0)
        meta->id[strlen(meta->id) - 4] = '\0';
    take_acquisition(doc, meta);
    take_patient(doc, meta);
    const shn_status st = take_measurements(doc, rec, err);
    return st == SHN_OK ? take_statements(doc, rec, err) : st;
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    shn_xml *doc = NULL;
    char     version[16] = "";
    *out = NULL;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, "sierra", &doc, NULL, err);
    if (st != SHN_OK) return st;
    st = check_version(doc, version, err);
    const shn_xml_node *waves = shn_xml_find(shn_xml_root(doc), "waveforms/parsedwaveforms");
    if (st == SHN_OK && !waves) st = shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "sierra", "no waveforms/parsedwaveforms in the document");
    if (st == SHN_OK) st = check_encoding(waves, err);
    if (st == SHN_OK) st = read_waves(doc, waves, out, err);
    if (st == SHN_OK) st = describe(doc, version, *out, err);
    if (st == SHN_OK) st = shn_input_cut(in, out, err);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    shn_xml_free(doc);
    return st;
}

/* ---- de-identification ---- */

/** Elements whose text goes; found wherever they stand. */
static const struct { const char *element, *what; } removed[] = {
    { "lastname", "patient name" }, { "firstname", "patient name" }, { "middlename", "patient name" }, { "uniquepatientid", "patient id" }, { "MRN", "patient id" },
    { "value", "free text" }, { "comments", "free text" }, { "editor", "person" }, { "filename", "file name" }, { "documentname", "file name" }, { "ordernumber", "order number" },
    { "uniqueorderid", "order number" }, { "orderbillingcode", "order number" }, { "orderremarks", "free text" }, { "reasonfororder", "free text" }, { "operator", "person" },
    { "operatorid", "person" }, { "departmentid", "institution" }, { "departmentname", "institution" }, { "institutionid", "institution" }, { "institutionname", "institution" },
    { "institutionlocationid", "institution" }, { "facilityid", "institution" }, { "facilityname", "institution" }, { "room", "location" }, { "bed", "location" },
    { "mdsignatureline", "person" }, { "orderingclinician", "person" }, { "encounterid", "visit number" }, { "visitnumber", "visit number" }, { "address", "address" },
    { "phone", "phone" }, { "race", "race" }, { "editedby", "person" }, { "confirmedby", "person" }, { "reviewer", "person" }, { "attendingclinician", "person" },
    { "consultingclinician", "person" }, { "referringclinician", "person" },
};

static shn_status blank(shn_xml *doc, shn_deid *d, const shn_xml_node *node, const char *what, shn_error *err)
{
    char        place[96];
    const char *text = shn_xml_text(doc, node);
    if (!text) return shn_fail_nomem(err, "sierra.deidentify");
    if (text[strspn(text, " \t\r\n")] == '\0') return SHN_OK;
    snprintf(place, sizeof place, "%.60s, line %u", shn_xml_name(node), shn_xml_line(node));
    const shn_status st = shn_xml_set_text(doc, node, "", err);
    return st == SHN_OK ? shn_deid_note(d, place, what, "removed", err) : st;
}

static shn_status blank_attribute(shn_xml *doc, shn_deid *d, const shn_xml_node *node, const char *name, const char *what, shn_error *err)
{
    char        place[128];
    const char *text = shn_xml_attribute(node, name);
    if (!text || !*text) return SHN_OK;
    snprintf(place, sizeof place, "%.60s@%.20s, line %u", shn_xml_name(node), name, shn_xml_line(node));
    const shn_status st = shn_xml_set_attribute(doc, node, name, "", err);
    return st == SHN_OK ? shn_deid_note(d, place, what, "removed", err) : st;
}

/** An attribute date="YYYY-MM-DD", on whatever element. */
static shn_status shift_attribute(shn_xml *doc, shn_deid *d, const shn_xml_node *node, const char *name, shn_error *err)
{
    char        text[64], place[96];
    const char *old = shn_xml_attribute(node, name);
    if (!old || !*old) return SHN_OK;
    snprintf(text, sizeof text, "%.60s", old);
    if (shn_deid_date_text(d, text, 0, NULL) != SHN_OK) *text = '\0';
    snprintf(place, sizeof place, "%.60s@%.16s, line %u", shn_xml_name(node), name, shn_xml_line(node));
    const shn_status st = shn_xml_set_attribute(doc, node, name, text, err);
    return st == SHN_OK ? shn_deid_note(d, place, "date", *text ? "shifted" : "removed", err) : st;
}

/** Over 89, or of unknown age: the date of birth goes; else it moves with the other dates. */
static shn_status shift_birth(shn_xml *doc, shn_deid *d, const char *acquired, shn_error *err)
{
    const shn_xml_node *age = shn_xml_child(patient_of(doc), "age"), *birth = shn_xml_child(age, "dateofbirth"), *years = shn_xml_child(age, "years");
    char       text[64];
    shn_status st = SHN_OK;
    if (shn_xml_copy(doc, birth, text, sizeof text)) {
        const double old = years_between(text, acquired);
        if (!(old < 90) || shn_deid_date_text(d, text, 0, NULL) != SHN_OK) *text = '\0';
        st = shn_xml_set_text(doc, birth, text, err);
        if (st == SHN_OK) st = shn_deid_note(d, "dateofbirth", "date of birth", *text ? "shifted" : "removed", err);
    }
    if (st == SHN_OK && shn_xml_copy(doc, years, text, sizeof text) && shn_xml_number(text) > 89) {
        snprintf(text, sizeof text, "%d", shn_deid_age((int)shn_xml_number(text)));
        st = shn_xml_set_text(doc, years, text, err);
        if (st == SHN_OK) st = shn_deid_note(d, "age/years", "age", "cut to 90", err);
    }
    return st;
}

static shn_status set_patient(shn_xml *doc, shn_deid *d, shn_error *err)
{
    const shn_xml_node *id = shn_xml_child(patient_of(doc), "patientid");
    char text[128], hashed[SHN_DEID_PATIENT_MAX];
    if (!shn_xml_copy(doc, id, text, sizeof text)) return SHN_OK;
    shn_deid_patient(d, text);
    shn_deid_id(d, hashed, sizeof hashed);
    const shn_status st = shn_xml_set_text(doc, id, hashed, err);
    return st == SHN_OK ? shn_deid_note(d, "patientid", "patient id", "hashed", err) : st;
}

static shn_status rewrite(shn_xml *doc, shn_deid *d, shn_error *err)
{
    const shn_xml_node *root = shn_xml_root(doc);
    const char *acquired = shn_xml_attribute(shn_xml_child(root, "dataacquisition"), "date");
    char        day[16];
    snprintf(day, sizeof day, "%.10s", acquired ? acquired : "");
    shn_status st = set_patient(doc, d, err);
    if (st == SHN_OK) st = shift_birth(doc, d, day, err);
    for (size_t i = 0; i < sizeof removed / sizeof *removed && st == SHN_OK; i++)
        for (const shn_xml_node *n = shn_xml_descend(root, NULL, removed[i].element); n && st == SHN_OK; n = shn_xml_descend(root, n, removed[i].element)) {
            st = blank(doc, d, n, removed[i].what, err);
            if (st == SHN_OK) st = blank_attribute(doc, d, n, "id", removed[i].what, err);
        }
    for (const shn_xml_node *n = shn_xml_descend(root, NULL, NULL); n && st == SHN_OK; n = shn_xml_descend(root, n, NULL)) {
        static const char *const dates[] = { "date", "editdate" };
        for (size_t k = 0; k < 2 && st == SHN_OK; k++) st = shift_attribute(doc, d, n, dates[k], err);
        if (st == SHN_OK) st = blank_attribute(doc, d, n, "machineid", "device serial number", err);
    }
    shn_xml_remove_comments(doc);
    return st;
}

static shn_status deidentify(const shn_input *in, shn_deid *d, shn_bytes *out, shn_error *err)
{
    shn_xml *doc = NULL;
    char     version[16];
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, "sierra", &doc, NULL, err);
    if (st != SHN_OK) return st;
    st = check_version(doc, version, err);
    if (st == SHN_OK) st = rewrite(doc, d, err);
    if (st == SHN_OK) st = shn_xml_write(doc, out, err);
    shn_xml_free(doc);
    return st;
}

const shn_reader shn_reader_sierra = { .name = "sierra_xml", .title = "Philips Sierra XML", .recognises = recognises, .read = read_record, .deidentify = deidentify };
