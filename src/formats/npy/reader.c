#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/npy/npy.h"

static const char *const WHERE = "npy";

/* ---- the side-car ---- */

typedef struct npy_lead { double factor, gain, baseline; shn_unit_origin origin; } npy_lead;

static shn_status bad_key(const char *key, const char *what, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "npy.json", "\"%s\": %s", key, what);
}

static shn_status open_sidecar(const shn_input *in, json_t **out, shn_error *err)
{
    char           name[300];
    const uint8_t *bytes;
    size_t         n;
    shn_error      why;
    json_error_t   at;
    *out = NULL;
    const char *own = in->name ? in->name : "";
    if (snprintf(name, sizeof name, "%s.json", own) >= (int)sizeof name)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "the file's name is too long for one of its side-car");
    if (in->source->open(in->source->context, name, &bytes, &n, &why) != SHN_OK)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE,
                        "an array of numbers says neither rate nor unit nor leads; put %s beside it: {\"fs_hz\": 500, \"unit\": \"mV\", \"leads\": [\"I\", ...], "
                        "\"order\": \"leads_samples\"}", name);
    shn_status st = SHN_OK;
    if (n > SHN_NPY_SIDECAR_MAX) st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "npy.json", "%s: %zu bytes, at most %zu", name, n, SHN_NPY_SIDECAR_MAX);
    else {
        *out = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, &at);
        if (!*out) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "npy.json", "%s: line %d: %s", name, at.line, at.text);
        else if (!json_is_object(*out)) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "npy.json", "%s: no object", name);
    }
    in->source->close(in->source->context, bytes, n);
    return st;
}

/** One number, or one for each lead, into a field of the leads. */
static shn_status numbers_of(const json_t *root, const char *key, npy_lead *leads, size_t n_leads, size_t offset, double low, shn_error *err)
{
    const json_t *value = json_object_get(root, key);
    if (!value) return SHN_OK;
    if (json_is_array(value) && json_array_size(value) != n_leads) return bad_key(key, "one number, or as many as there are leads", err);
    for (size_t i = 0; i < n_leads; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        const double  v = json_is_number(one) ? json_number_value(one) : NAN;
        if (!(fabs(v) >= low && fabs(v) <= 1e12)) return bad_key(key, "no number, or out of range", err);
        memcpy((char *)&leads[i] + offset, &v, sizeof v);
    }
    return SHN_OK;
}

static shn_status units_of(const json_t *root, npy_lead *leads, size_t n_leads, shn_error *err)
{
    static const struct { const char *word; double factor; } units[] = { { "mV", 1 }, { "uV", 1e-3 }, { "\xc2\xb5V", 1e-3 }, { "\xce\xbcV", 1e-3 }, { "nV", 1e-6 }, { "V", 1e3 } };
    const json_t *value = json_object_get(root, "unit");
    const char   *word = value ? json_string_value(value) : "unknown";
    if (!word) return bad_key("unit", "no text", err);
    npy_lead all = { .factor = 1, .origin = SHN_UNIT_UNKNOWN };
    int      known = strcmp(word, "unknown") == 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(word, units[i].word) == 0) {
            all = (npy_lead){ .factor = units[i].factor, .origin = SHN_UNIT_DECLARED };
            known = 1;
        }
    for (size_t i = 0; i < n_leads; i++) leads[i] = all;
    if (strcmp(word, "adu") != 0) return known ? SHN_OK : bad_key("unit", "none of mV uV nV V adu unknown", err);
    shn_status st = numbers_of(root, "gain_adu_per_mv", leads, n_leads, offsetof(npy_lead, gain), 1e-9, err);
    if (st == SHN_OK) st = numbers_of(root, "baseline_adu", leads, n_leads, offsetof(npy_lead, baseline), 0, err);
    for (size_t i = 0; i < n_leads; i++)
        if (leads[i].gain != 0) leads[i].origin = SHN_UNIT_DECLARED;
    return st;
}

static void text_of(const json_t *root, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(root, key));
    size_t      n = text ? strlen(text) : 0;
    if (n >= size) {
        n = size - 1;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    }
    if (n) memcpy(out, text, n);
    out[n] = '\0';
}

static void meta_of(const json_t *root, shn_record_meta *m)
{
    char          sex[8];
    const json_t *age = json_object_get(root, "age");
    text_of(root, "id", m->id, sizeof m->id);
    text_of(root, "patient", m->patient, sizeof m->patient);
    text_of(root, "acquired", m->acquired, sizeof m->acquired);
    text_of(root, "device", m->device, sizeof m->device);
    text_of(root, "sex", sex, sizeof sex);
    const int c = toupper((unsigned char)*sex);
    if (c == 'M' || c == 'F') m->sex = (char)c;
    if (json_is_number(age) && json_number_value(age) >= 0 && json_number_value(age) <= 150) m->age_years = json_number_value(age);
}

/* ---- the array ---- */

/** Where lead l, sample t of record r lies: r * record + l * lead + t * sample. */
typedef struct strides { size_t n_leads, n_samples, record, lead, sample; } strides;

static shn_status axes_of(const npy_array *a, const json_t *root, strides *s, shn_error *err)
{
    const json_t *leads = json_object_get(root, "leads");
    const size_t  n_leads = json_array_size(leads), first = a->rank - 2;
    const json_t *order_value = json_object_get(root, "order");
    const char   *order = json_string_value(order_value);
    if (!json_is_array(leads) || n_leads == 0 || n_leads > SHN_LEADS_MAX) return bad_key("leads", "needs the leads' names in the array's order", err);
    if (order_value && (!order || (strcmp(order, "leads_samples") != 0 && strcmp(order, "samples_leads") != 0)))
        return bad_key("order", "is \"leads_samples\" or \"samples_leads\"", err);
    const int at_first = a->shape[first] == n_leads, at_second = a->shape[first + 1] == n_leads;
    if (!order && at_first && at_second) return bad_key("order", "both axes are as long as there are leads; say which is which", err);
    const int leads_first = order ? strcmp(order, "leads_samples") == 0 : at_first;
    if (a->shape[leads_first ? first : first + 1] != n_leads)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "npy.json", "%zu leads are named, the array's axes are %zu and %zu long%s", n_leads, a->shape[first],
                        a->shape[first + 1], order ? " in that order" : "");
    size_t stride[3], next = 1;
    for (size_t d = 0; d < a->rank; d++) {
        const size_t axis = a->fortran ? d : a->rank - 1 - d;
        stride[axis] = next;
        next *= a->shape[axis];             /* no overflow: the numbers are in the file */
    }
    *s = (strides){ .n_leads = n_leads, .n_samples = a->shape[leads_first ? first + 1 : first], .record = a->rank == 3 ? stride[0] : 0,
                    .lead = stride[leads_first ? first : first + 1], .sample = stride[leads_first ? first + 1 : first] };
    return SHN_OK;
}

/** What becomes of the numbers of one read. */
typedef struct job { const npy_array *a; const uint8_t *data; strides s; size_t row, first, n; const json_t *root; npy_lead *leads; } job;

static shn_status fill(const job *j, shn_record *rec, shn_error *err)
{
    const json_t *gap_value = json_object_get(j->root, "gap");
    const double  gap = json_is_number(gap_value) ? json_number_value(gap_value) : NAN;
    for (size_t l = 0; l < j->s.n_leads; l++) {
        const npy_lead *lead = &j->leads[l];
        const char     *name = json_string_value(json_array_get(json_object_get(j->root, "leads"), l));
        float          *out = shn_record_lead_mut(rec, l);
        const size_t    base = j->row * j->s.record + l * j->s.lead;
        if (!name || !*name) return bad_key("leads", "a name that is no text", err);
        for (size_t t = 0; t < j->n; t++) {
            const double v = npy_array_at(j->a, j->data, base + (j->first + t) * j->s.sample);
            const double mv = lead->gain != 0 ? (v - lead->baseline) / lead->gain : v * lead->factor;
            if (fabs(mv) > 3e38) out[t] = (float)copysign(INFINITY, mv);     /* the signal path names it nan_and_inf */
            else out[t] = v == gap ? NAN : (float)mv;
        }
        shn_record_set_name(rec, l, name);
        shn_record_set_unit(rec, l, lead->origin);
        if (lead->gain != 0) shn_record_set_calibration(rec, l, (shn_lead_cal){ lead->gain, lead->baseline, j->a->kind == 'i' ? 8 * j->a->item_bytes : 0 });
        if (lead->origin == SHN_UNIT_UNKNOWN)
            shn_record_add_note(rec, SHN_REASON_NO_UNIT, "lead %s: the side-car says no unit, or adu without gain_adu_per_mv", shn_record_name(rec, l));
    }
    return SHN_OK;
}

static shn_status read_array(const shn_input *in, const npy_array *a, const json_t *root, shn_record **rec, shn_error *err)
{
    job           j = { .a = a, .data = in->bytes + a->data, .row = in->row, .root = root };
    const json_t *fs_value = json_object_get(root, "fs_hz");
    const double  fs_hz = json_is_number(fs_value) ? json_number_value(fs_value) : 0;
    if (!(fs_hz > 0 && fs_hz <= 1e6)) return bad_key("fs_hz", "needs the sampling frequency in Hz, over 0 and at most 1e6", err);
    if (in->row >= (a->rank == 3 ? a->shape[0] : 1)) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, WHERE, "record %zu is not in the array", in->row);
    shn_status st = axes_of(a, root, &j.s, err);
    if (st == SHN_OK) st = shn_input_range(in, j.s.n_samples, &j.first, &j.n, err);
    if (st != SHN_OK) return st;
    j.leads = shn_alloc(j.s.n_leads, sizeof *j.leads);
    if (!j.leads) return shn_fail_nomem(err, WHERE);
    st = units_of(root, j.leads, j.s.n_leads, err);
    if (st == SHN_OK) st = shn_record_new(j.s.n_leads, j.n, fs_hz, rec, err);
    if (st == SHN_OK) st = fill(&j, *rec, err);
    free(j.leads);
    if (st != SHN_OK) return st;
    shn_record_meta *meta = shn_record_meta_mut(*rec);
    meta->first_sample = j.first;
    meta->total_samples = j.s.n_samples;
    snprintf(meta->format, sizeof meta->format, "npy %s%d", a->kind == 'f' ? "float" : "int", 8 * a->item_bytes);
    if (a->rank == 2 || a->shape[0] == 1) meta_of(root, meta);
    if (a->extra_bytes) shn_record_add_note(*rec, SHN_REASON_BAD_HEADER, "%zu bytes behind the array are left out", a->extra_bytes);
    return SHN_OK;
}

static shn_status read_npy(const shn_input *in, shn_record **out, shn_error *err)
{
    npy_array   a;
    json_t     *root = NULL;
    shn_record *rec = NULL;
    *out = NULL;
    shn_status st = npy_array_parse(in->bytes, in->n_bytes, &a, err);
    if (st == SHN_OK) st = open_sidecar(in, &root, err);
    if (st == SHN_OK) st = read_array(in, &a, root, &rec, err);
    json_decref(root);
    if (st == SHN_OK) *out = rec;
    else shn_record_free(rec);
    return st;
}

static shn_status count(const shn_input *in, size_t *n, shn_error *err)
{
    npy_array a;
    *n = 0;
    const shn_status st = npy_array_parse(in->bytes, in->n_bytes, &a, err);
    if (st != SHN_OK) return st;
    *n = a.rank == 3 ? a.shape[0] : 1;
    if (*n > SHN_NPY_RECORDS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "%zu records, at most %zu", *n, SHN_NPY_RECORDS_MAX);
    return SHN_OK;
}

static int recognises(const uint8_t *bytes, size_t n_bytes) { return n_bytes >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0; }

const shn_reader shn_reader_npy = { .name = "npy", .title = "NumPy array with a side-car", .recognises = recognises, .count = count, .read = read_npy };
