/** shn_phrase_eval: a phrase on a split of a cohort, as one JSON document, and that document as text. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/bootstrap.h"
#include "eval/evalset.h"
#include "eval/rank.h"
#include "shinden/phrase.h"

enum { PHRASE_SCHEMA = 1, SHOWN = 10, SHOWN_SENTENCES = 5 };
static const char where[] = "eval.text";

/** A split as the phrase sees it. */
typedef struct scene {
    const shn_model  *m;
    const shn_cohort *c;
    const shn_phrase *phrase;
    const char       *truth;
    const shn_eval_options *o;
    uint32_t *rows, *patient, *order;       /* [n] */
    size_t    n, n_patients;
    uint8_t  *label, *known;                /* [n] of the truth; all unknown without */
    float    *z, *score;                    /* [n][n_windows][E], [n] */
} scene;

static void scene_close(scene *s)
{
    free(s->rows);
    free(s->patient);
    free(s->order);
    free(s->label);
    free(s->known);
    free(s->z);
    free(s->score);
}

static shn_status find_truth(scene *s, shn_error *err)
{
    const size_t K = shn_cohort_n_findings(s->c);
    size_t k = 0;
    if (!s->truth) return SHN_OK;
    while (k < K && strcmp(shn_cohort_finding_id(s->c, k), s->truth) != 0) k++;
    if (k == K)
        return shn_fail(err, SHN_RANGE, SHN_REASON_NO_LABEL, where, "--truth '%.60s' is no finding of %s; shinden labels search finds ids", s->truth,
                        shn_cohort_path(s->c));
    for (size_t i = 0; i < s->n; i++) {
        s->known[i] = shn_cohort_known(s->c, s->rows[i])[k] != 0;
        s->label[i] = s->known[i] && shn_cohort_labels(s->c, s->rows[i])[k];
    }
    return SHN_OK;
}

static shn_status scene_open(scene *s, shn_engine *eng, shn_error *err)
{
    shn_status st = shn_cohort_split_rows(s->c, s->o->split, &s->rows, &s->n, err);
    if (st != SHN_OK) return st;
    s->patient = shn_alloc(s->n, sizeof *s->patient);
    s->order = shn_alloc(s->n, sizeof *s->order);
    s->label = shn_alloc(s->n, 1);
    s->known = shn_alloc(s->n, 1);
    s->score = shn_alloc(s->n, sizeof *s->score);
    s->z = shn_alloc(s->n * s->m->input.n_windows * s->m->E, sizeof *s->z);
    if (!s->patient || !s->order || !s->label || !s->known || !s->score || !s->z) return shn_fail_nomem(err, where);
    st = shn_cohort_patients(s->c, s->rows, s->n, s->patient, &s->n_patients, err);
    if (st == SHN_OK) st = find_truth(s, err);
    return st == SHN_OK ? shn_embed_cohort(s->m, eng, s->c, s->rows, s->n, s->z, &s->o->watcher, err) : st;
}

/* ---- numbers */

typedef struct ranked { const scene *s; size_t n_known; } ranked;

static void both(const ranked *r, const double *weight, double value[2])
{
    const scene *s = r->s;
    value[0] = shn_auroc_ranked(s->score, s->label, 1, s->order, r->n_known, weight);
    value[1] = shn_average_precision_ranked(s->score, s->label, 1, s->order, r->n_known, weight);
}

static void resample(const void *context, uint32_t r, const double *weight, double *scratch, double *value)
{
    (void)r, (void)scratch;
    both(context, weight, value);
}

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *value_json(double value, const bootstrap_interval *b)
{
    return json_pack("{s:o, s:o, s:o, s:i}", "value", number(value), "low", number(b->low), "high", number(b->high), "n_undefined", (int)b->n_undefined);
}

/** AUROC and average precision of s->score by the truth, into o. */
static shn_status add_accuracy(const scene *s, json_t *o, shn_error *err)
{
    const shn_scored view = { s->score, s->label, s->known, s->n, 1 };
    const ranked     r = { s, shn_rank_known(&view, 0, s->order) };
    double value[2];
    bootstrap_interval interval[2] = { { NAN, NAN, NAN, 0 }, { NAN, NAN, NAN, 0 } };
    both(&r, NULL, value);
    if (s->o->n_bootstrap) {
        const bootstrap_plan plan = { s->patient, s->n, s->n_patients, s->o->n_bootstrap, s->o->seed, s->o->n_threads, 2, 1 };
        const shn_status st = bootstrap_run(&plan, resample, &r, &s->o->watcher, interval, err);
        if (st != SHN_OK) return st;
    }
    json_object_set_new(o, "auroc", value_json(value[0], &interval[0]));
    json_object_set_new(o, "auprc", value_json(value[1], &interval[1]));
    return SHN_OK;
}

static int by_score(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static json_t *spread_json(const scene *s)
{
    static const struct { const char *name; double at; } marks[] = { { "min", 0 }, { "p05", 0.05 }, { "p25", 0.25 }, { "median", 0.5 }, { "p75", 0.75 },
                                                                     { "p95", 0.95 }, { "max", 1 } };
    float  *sorted = shn_alloc(s->n, sizeof *sorted);
    json_t *o = sorted ? json_object() : NULL;
    if (sorted) {
        memcpy(sorted, s->score, s->n * sizeof *sorted);
        qsort(sorted, s->n, sizeof *sorted, by_score);
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            json_object_set_new(o, marks[i].name, json_real((double)sorted[(size_t)(marks[i].at * (double)(s->n - 1) + 0.5)]));
    }
    free(sorted);
    return o;
}

/** The records that the scores put first, ties by their order in the cohort; NULL: out of memory. */
static json_t *ranking_json(const scene *s)
{
    uint8_t *taken = shn_alloc(s->n, 1);
    json_t  *list = taken ? json_array() : NULL;
    for (size_t place = 0; list && place < SHOWN && place < s->n; place++) {
        size_t best = s->n;
        for (size_t i = 0; i < s->n; i++)
            if (!taken[i] && (best == s->n || s->score[i] > s->score[best])) best = i;
        taken[best] = 1;
        json_t *o = json_object();
        json_object_set_new(o, "record", json_string(shn_cohort_id(s->c, s->rows[best])));
        json_object_set_new(o, "source", json_string(shn_cohort_source(s->c, s->rows[best])));
        json_object_set_new(o, "score", json_real((double)s->score[best]));
        json_object_set_new(o, "truth", s->known[best] ? json_boolean(s->label[best]) : json_null());
        json_array_append_new(list, o);
    }
    free(taken);
    return list;
}

/** Which sentences of the bank speak for the phrase; their words where the model kept them. */
static shn_status sentences_json(const scene *s, json_t **out, shn_error *err)
{
    const shn_model *m = s->m;
    double *weight = shn_alloc(m->n_sentences, sizeof *weight);
    *out = json_array();
    const shn_status st = weight ? shn_readout_phrase_weights(m, s->phrase->vector, weight, err) : shn_fail_nomem(err, where);
    for (size_t place = 0; st == SHN_OK && place < SHOWN_SENTENCES && place < m->n_sentences; place++) {
        size_t best = 0;
        for (size_t i = 1; i < m->n_sentences; i++)
            if (weight[i] > weight[best]) best = i;
        json_array_append_new(*out, json_pack("{s:s, s:i, s:f}", "text", m->sentence_text[best], "n_records", (int)m->sentence_count[best], "weight",
                                              weight[best]));
        weight[best] = -1;
    }
    free(weight);
    return st;
}

static shn_status readout_json(scene *s, shn_phrase_readout r, json_t **out, shn_error *err)
{
    double cosine;
    size_t k;
    shn_status st = shn_phrase_scores(s->m, s->phrase, r, s->z, s->n, s->score, err);
    if (st != SHN_OK) return st;
    json_t *o = json_pack("{s:s, s:o}", "readout", shn_phrase_readout_name(r), "score", spread_json(s));
    if (!o) return shn_fail_nomem(err, where);
    if (r == SHN_PHRASE_NEAREST) {
        st = shn_phrase_nearest(s->m, s->phrase, &k, &cosine, err);
        if (st == SHN_OK)
            json_object_set_new(o, "nearest", json_pack("{s:s, s:s, s:f}", "id", s->m->finding_id[k], "name_en", s->m->name_en[k], "cosine", cosine));
    }
    if (st == SHN_OK && s->truth) st = add_accuracy(s, o, err);
    if (st == SHN_OK && json_object_set_new(o, "ranking", ranking_json(s)) != 0) st = shn_fail_nomem(err, where);
    *out = o;
    return st;
}

static shn_status document(scene *s, json_t *doc, shn_error *err)
{
    json_t    *readouts = json_array();
    shn_status st = SHN_OK;
    size_t     n_pos = 0, n_known = 0;
    for (size_t i = 0; i < s->n; i++) {
        n_pos += s->label[i];
        n_known += s->known[i];
    }
    json_object_set_new(doc, "truth", s->truth ? json_pack("{s:s, s:I, s:I}", "id", s->truth, "n_pos", (json_int_t)n_pos, "n_known", (json_int_t)n_known)
                                               : json_null());
    for (int r = 0; r < SHN_PHRASE_READOUTS && st == SHN_OK; r++) {
        json_t *one = NULL;
        if (!shn_phrase_applies(s->m, (shn_phrase_readout)r)) continue;
        st = readout_json(s, (shn_phrase_readout)r, &one, err);
        if (one) json_array_append_new(readouts, one);
    }
    json_object_set_new(doc, "readouts", readouts);
    json_t *sentences = NULL;
    if (st == SHN_OK && s->m->n_sentences) st = sentences_json(s, &sentences, err);
    if (sentences) json_object_set_new(doc, "sentences", sentences);
    return st;
}

shn_status shn_phrase_eval(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_phrase *phrase, const char *truth,
                           const shn_eval_options *options, char **json, shn_error *err)
{
    scene s = { .m = m, .c = c, .phrase = phrase, .truth = truth, .o = options };
    *json = NULL;
    shn_status st = scene_open(&s, eng, err);
    json_t *doc = st == SHN_OK ? json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "schema_version", PHRASE_SCHEMA, "research_use_only", 1,
                                           "text", phrase->text, "text_model", phrase->provider, "loss", m->loss, "cohort", shn_cohort_path(c), "split",
                                           options->split, "n_records", (json_int_t)s.n, "n_patients", (json_int_t)s.n_patients, "n_bootstrap",
                                           (json_int_t)options->n_bootstrap, "seed", (json_int_t)options->seed) : NULL;
    if (st == SHN_OK && !doc) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "a path or a name is not UTF-8");
    if (st == SHN_OK) st = document(&s, doc, err);
    if (st == SHN_OK && !(*json = json_dumps(doc, JSON_INDENT(1)))) st = shn_fail_nomem(err, where);
    json_decref(doc);
    scene_close(&s);
    return st;
}

/* ---- text */

static const char *word(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double real(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void print_value(FILE *f, const char *name, const json_t *v)
{
    if (isnan(real(v, "value"))) fprintf(f, "  %s -", name);
    else if (isnan(real(v, "low"))) fprintf(f, "  %s %.3f", name, real(v, "value"));
    else fprintf(f, "  %s %.3f [%.3f, %.3f]", name, real(v, "value"), real(v, "low"), real(v, "high"));
}

static void print_readout(FILE *f, const json_t *r)
{
    const json_t *score = json_object_get(r, "score"), *nearest = json_object_get(r, "nearest"), *one;
    size_t i;
    fprintf(f, "\n%-10s", word(r, "readout"));
    if (json_object_get(r, "auroc")) {
        print_value(f, "AUROC", json_object_get(r, "auroc"));
        print_value(f, "average precision", json_object_get(r, "auprc"));
    }
    if (nearest) fprintf(f, "  by %s, cosine %.2f", word(nearest, "name_en"), real(nearest, "cosine"));
    fprintf(f, "\n  scores: median %.3f, 5 %% to 95 %% %.3f to %.3f, largest %.3f\n  first:", real(score, "median"), real(score, "p05"), real(score, "p95"),
            real(score, "max"));
    json_array_foreach(json_object_get(r, "ranking"), i, one) {
        const json_t *truth = json_object_get(one, "truth");
        fprintf(f, "%s %s (%.2f%s)", i ? "," : "", word(one, "record"), real(one, "score"), json_is_null(truth) ? "" : json_is_true(truth) ? ", yes" : ", no");
    }
    fputc('\n', f);
}

shn_status shn_phrase_text(const char *json, char **text, shn_error *err)
{
    size_t  size = 0, i;
    json_t *doc = json_loads(json, 0, NULL), *one;
    FILE   *f = doc ? open_memstream(text, &size) : NULL;
    if (!f) {
        json_decref(doc);
        return doc ? shn_fail_nomem(err, where) : shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "not a document of eval --text");
    }
    fprintf(f, "Research use only. Not a medical device.  研究用であり、医療機器ではありません。\n'%s' on %s, split %s: %.0f records, %.0f patients; vectors of %s\n",
            word(doc, "text"), word(doc, "cohort"), word(doc, "split"), real(doc, "n_records"), real(doc, "n_patients"), word(doc, "text_model"));
    const json_t *truth = json_object_get(doc, "truth");
    if (json_is_object(truth)) fprintf(f, "truth: %s, %.0f of %.0f records\n", word(truth, "id"), real(truth, "n_pos"), real(truth, "n_known"));
    else fputs("no truth given (--truth FINDING): scores and the records ranked first\n", f);
    json_array_foreach(json_object_get(doc, "readouts"), i, one) print_readout(f, one);
    if (json_array_size(json_object_get(doc, "sentences"))) fputs("\nreport sentences that speak for it:\n", f);
    json_array_foreach(json_object_get(doc, "sentences"), i, one)
        fprintf(f, "  %4.0f %%  %s (%.0f records)\n", 100 * real(one, "weight"), *word(one, "text") ? word(one, "text") : "(words not kept: too few patients)",
                real(one, "n_records"));
    json_decref(doc);
    return fclose(f) == 0 ? SHN_OK : shn_fail_nomem(err, where);
}
