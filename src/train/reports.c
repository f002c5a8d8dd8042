#include "train/reports.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "shinden/loss.h"
#include "shinden/sentences.h"

enum { PURPOSE_SENTENCE = 0x73656e74 };         /* "sent" */

static const char where[] = "train.reports";

/** A sentence of a record, as split. */
typedef struct said { char *text; uint32_t record, sentence; } said;
typedef struct said_list { said *items; size_t n, capacity; } said_list;

static int by_text(const void *a, const void *b)
{
    const said *x = a, *y = b;
    const int order = strcmp(x->text, y->text);
    return order ? order : x->record < y->record ? -1 : x->record > y->record;
}

static int by_record(const void *a, const void *b)
{
    const said *x = a, *y = b;
    if (x->record != y->record) return x->record < y->record ? -1 : 1;
    return x->sentence < y->sentence ? -1 : x->sentence > y->sentence;
}

static shn_status split_all(const shn_cohort *c, const uint32_t *rows, size_t n_records, said_list *list, shn_error *err)
{
    for (size_t i = 0; i < n_records; i++) {
        shn_sentences s;
        shn_status st = shn_sentences_split(shn_cohort_report(c, rows[i]), &s, err);
        if (st != SHN_OK) shn_error_prefix(err, "report of record '%.60s'", shn_cohort_id(c, rows[i]));
        if (st == SHN_OK && shn_grow(&list->items, &list->capacity, list->n + s.n, sizeof *list->items) != 0) st = shn_fail_nomem(err, where);
        for (size_t k = 0; st == SHN_OK && k < s.n; k++) {
            list->items[list->n++] = (said){ s.text[k], (uint32_t)i, 0 };
            s.text[k] = NULL;                   /* moved */
        }
        shn_sentences_free(&s);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/** Numbers the sentences in the order of their texts; patient [n_records], SHN_NO_GROUP where it has no name. */
static shn_status number(said_list *list, const uint32_t *patient, size_t n_patients, shn_reports *r, shn_error *err)
{
    if (list->n) qsort(list->items, list->n, sizeof *list->items, by_text);
    for (size_t i = 0; i < list->n; i++) r->n += i == 0 || strcmp(list->items[i].text, list->items[i - 1].text) != 0;
    r->text = shn_alloc(r->n, sizeof *r->text);
    r->count = shn_alloc(r->n, sizeof *r->count);
    r->n_patients = shn_alloc(r->n, sizeof *r->n_patients);
    uint32_t *seen = shn_alloc(n_patients, sizeof *seen);       /* the last sentence met of each patient, plus 1 */
    if (!r->text || !r->count || !r->n_patients || !seen) {
        free(seen);
        return shn_fail_nomem(err, where);
    }
    uint32_t at = 0;
    for (size_t i = 0; i < list->n; i++) {
        said *s = &list->items[i];
        if (i && strcmp(s->text, r->text[at]) != 0) at++;
        if (!r->text[at]) {
            r->text[at] = s->text;
            s->text = NULL;
        }
        s->sentence = at;
        r->count[at]++;
        if (patient[s->record] != SHN_NO_GROUP) {
            r->n_patients[at] += seen[patient[s->record]] != at + 1;
            seen[patient[s->record]] = at + 1;
        }
        if (s->text) free(s->text);
        s->text = r->text[at];                  /* borrowed from here on, so that the next one can be compared */
    }
    free(seen);
    return SHN_OK;
}

static shn_status index_records(said_list *list, shn_reports *r, shn_error *err)
{
    r->first = shn_alloc(r->n_records + 1, sizeof *r->first);
    r->sentence = shn_alloc(list->n, sizeof *r->sentence);
    if (!r->first || !r->sentence) return shn_fail_nomem(err, where);
    if (list->n) qsort(list->items, list->n, sizeof *list->items, by_record);
    for (size_t i = 0; i < list->n; i++) {
        r->first[list->items[i].record + 1]++;
        r->sentence[i] = list->items[i].sentence;
    }
    for (size_t i = 0; i < r->n_records; i++) r->first[i + 1] += r->first[i];
    return SHN_OK;
}

shn_status shn_reports_new(const shn_cohort *c, const uint32_t *rows, size_t n_records, shn_reports *out, shn_error *err)
{
    said_list list = { NULL, 0, 0 };
    size_t    n_patients = 0;
    memset(out, 0, sizeof *out);
    out->n_records = n_records;
    uint32_t  *patient = shn_alloc(n_records, sizeof *patient);
    shn_status st = patient ? shn_cohort_patients(c, rows, n_records, patient, &n_patients, err) : shn_fail_nomem(err, where);
    for (size_t i = 0; st == SHN_OK && i < n_records; i++)          /* each its own to the cohort; but several may be one person's */
        if (!*shn_cohort_patient(c, rows[i])) patient[i] = SHN_NO_GROUP;
    if (st == SHN_OK) st = split_all(c, rows, n_records, &list, err);
    int numbered = 0;
    if (st == SHN_OK) {
        st = number(&list, patient, n_patients, out, err);
        numbered = st == SHN_OK;
    }
    if (st == SHN_OK) st = index_records(&list, out, err);
    for (size_t i = 0; !numbered && i < list.n; i++) free(list.items[i].text);      /* numbered: they are the bank's */
    free(list.items);
    free(patient);
    if (st != SHN_OK) shn_reports_free(out);
    return st;
}

void shn_reports_free(shn_reports *r)
{
    for (size_t i = 0; r->text && i < r->n; i++) free(r->text[i]);
    free(r->text);
    free(r->count);
    free(r->n_patients);
    free(r->first);
    free(r->sentence);
    memset(r, 0, sizeof *r);
}

uint32_t shn_reports_draw(const shn_reports *r, uint64_t seed, uint64_t epoch, size_t record)
{
    const size_t from = r->first[record], to = r->first[record + 1];
    double total = 0;
    if (from == to) return SHN_NO_GROUP;
    for (size_t i = from; i < to; i++) total += 1 / sqrt(r->count[r->sentence[i]]);
    shn_rng rng = shn_rng_stream(seed, PURPOSE_SENTENCE, epoch, record);
    double  left = shn_rng_uniform(&rng) * total;
    for (size_t i = from; i + 1 < to; i++) {
        left -= 1 / sqrt(r->count[r->sentence[i]]);
        if (left < 0) return r->sentence[i];
    }
    return r->sentence[to - 1];
}
