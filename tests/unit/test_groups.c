/**
 * Groups of an evaluation on cohorts whose embeddings the test chooses: supersets in both readings, findings left out of training, subgroups, and
 * tasks.
 */
#include "harness.h"

#include <jansson.h>
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/cohort_writer.h"
#include "eval/columns.h"
#include "eval/rank.h"
#include "eval/judged.h"
#include "eval/subgroups.h"
#include "eval/supersets.h"
#include "eval/task.h"
#include "eval/weighted.h"
#include "eval/zero_shot.h"
#include "shinden/findings.h"
#include "shinden/text.h"

enum { N = 40, T = 600, K = 4, D = SHN_VECTORS_HASH_WIDTH };
static const char *const ids[K] = { "sinus_rhythm", "complete_left_bundle_branch_block", "incomplete_left_bundle_branch_block", "atrial_fibrillation" };
enum { SR, CLBBB, ILBBB, AF };

/** What record i has: every fourth each of sinus rhythm alone, complete, incomplete, fibrillation; of record 7 the incomplete block is not known. */
static void truth(size_t i, uint8_t label[K], uint8_t known[K])
{
    for (size_t k = 0; k < K; k++) {
        label[k] = i % 4 == k;
        known[k] = !(i == 7 && k == ILBBB);
    }
}

static const float ages[5] = { 10, 30, 50, 70, 80 };

static void write_cohort(const char *path)
{
    shn_error          err = { 0 };
    shn_cohort_writer *w;
    static float       mv[T];
    static const char *const sources[] = { "here", "there" };
    shn_cohort_spec    spec = { .path = path, .n_rows = N, .n_samples = T, .fs_hz = 100, .finding_ids = ids, .n_findings = K, .source_names = sources, .n_sources = 2 };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < N; i++) {
        char    id[16], patient[16];
        uint8_t label[K], known[K];
        truth(i, label, known);
        snprintf(id, sizeof id, "r%zu", i);
        snprintf(patient, sizeof patient, "p%zu", i / 2);
        shn_cohort_row row = { .n_samples = T, .labels = label, .known = known, .id = id, .patient = patient, .split = "val", .source = i % 5 == 0,
                               .age = i == 3 ? NAN : ages[i % 5], .sex = i == 5 ? 0 : i % 2 ? 'M' : 'F' };
        for (int l = 0; l < 12; l++) row.lead_mv[l] = mv;
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

/** A text model whose space is the space of its hashed texts: E = D, the projection changes nothing. */
static shn_model *make_model(void)
{
    shn_error    err = { 0 };
    shn_model   *m;
    shn_vectors *v;
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = D };
    assert_ok(shn_model_new(&config, K, D, &m, &err));
    assert_ok(shn_vectors_open("hash", 0, &v, &err));
    strcpy(m->loss, "siglip");
    m->input = (shn_input){ .fs_hz = 100, .n_samples = T, .window = T, .n_windows = 1, .scale_per_mv = 4, .lead_present = 0xfff };
    for (size_t k = 0; k < K; k++) {
        const shn_finding *f = shn_registry_at(shn_registry_builtin(), (size_t)shn_registry_find(shn_registry_builtin(), ids[k]));
        m->finding_id[k] = shn_strdup(ids[k]);
        m->name_en[k] = shn_strdup(f->name_en);
        m->name_ja[k] = shn_strdup(f->name_ja);
        m->codes[k] = shn_strdup("");
        m->class_text[k] = shn_strdup(f->name_en);
        m->n_pos[k] = m->n_known[k] = k == AF ? 0 : 20;      /* training knew nothing of fibrillation */
        assert_ok(shn_vectors_get(v, f->name_en, m->class_vector + k * D, &err));
    }
    for (size_t d = 0; d < D; d++) m->projection[d * D + d] = 1;
    m->text_form = shn_strdup("name, en");
    m->text_source = shn_strdup(shn_vectors_describe(v));
    m->logit_scale = 10;
    m->has_pair_loss = 1;
    m->readouts = 1u << SHN_READOUT_CLASS;
    m->readout_default = SHN_READOUT_CLASS;
    shn_vectors_free(v);
    return m;
}

typedef struct fixture { shn_model *m; shn_cohort *c; judged j; } fixture;

/** Adds `by` times the unit text vector to an embedding. */
static void point(float *z, const char *text, float by)
{
    shn_error    err = { 0 };
    shn_vectors *v;
    float        raw[D];
    double       square = 0;
    assert_ok(shn_vectors_open("hash", 0, &v, &err));
    assert_ok(shn_vectors_get(v, text, raw, &err));
    for (size_t d = 0; d < D; d++) square += (double)raw[d] * raw[d];
    for (size_t d = 0; d < D; d++) z[d] += (float)(by * raw[d] / sqrt(square));
    shn_vectors_free(v);
}

/** Judged by hand: z of record i is made by `embed`. */
static fixture open_fixture(void (*embed)(const shn_model *m, size_t i, float *z))
{
    shn_error  err = { 0 };
    fixture    f = { .m = make_model() };
    char       path[SHN_PATH_MAX];
    const shn_calibration none = { 0 };
    assert_ok(shn_path_join(path, test_folder(), "c.h5", &err));
    write_cohort(path);
    assert_ok(shn_cohort_open(path, &f.c, &err));
    shn_eval_defaults(&f.j.o);
    f.j.o.n_bootstrap = 100;
    f.j.o.n_threads = 1;
    assert_ok(evalset_open_labels(f.m, f.c, "val", &f.j.set, &err));
    f.j.set.z = shn_alloc(N * D, sizeof(float));
    for (size_t i = 0; i < N; i++) embed(f.m, i, f.j.set.z + i * D);
    float *score = shn_alloc(N * K, sizeof *score);
    assert_ok(shn_readout_scores(f.m, SHN_READOUT_CLASS, f.j.set.z, N, score, &err));
    assert_ok(decide_with(&none, score, N, K, &f.j.decided, &err));
    f.j.decided.readout = SHN_READOUT_CLASS;
    f.j.specific = shn_alloc(K, 1);
    for (size_t k = 0; k < K; k++) f.j.specific[k] = k != SR;
    free(score);
    return f;
}

static void close_fixture(fixture *f)
{
    judged_close(&f->j);
    shn_cohort_close(f->c);
    shn_model_free(f->m);
}

static double value(json_t *o, const char *key) { return json_number_value(json_object_get(json_object_get(o, key), "value")); }

static json_t *superset(json_t *doc, const char *id)
{
    size_t  i;
    json_t *p;
    json_array_foreach(json_object_get(doc, "per_superset"), i, p)
        if (strcmp(json_string_value(json_object_get(p, "id")), id) == 0) return p;
    fail_msg("no superset %s", id);
    return NULL;
}

/** The space knows the superset's own text: blocks point to "left bundle branch block", whatever their kind; others to nothing of it. */
static void embed_by_own(const shn_model *m, size_t i, float *z)
{
    const size_t kind = i % 4;
    point(z, "left bundle branch block", kind == CLBBB || kind == ILBBB ? 1 : -1);
    point(z, m->name_en[kind], kind == SR || kind == AF ? 1 : 0);
}

/** The space knows the two kinds and nothing of the superset's text. */
static void embed_by_kind(const shn_model *m, size_t i, float *z) { point(z, m->name_en[i % 4], 1); }

static void test_supersets_by_own_text(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *doc;
    fixture   f = open_fixture(embed_by_own);
    assert_ok(supersets_json(&f.j, "hash", NULL, &doc, &err));
    assert_string_equal(json_string_value(json_object_get(doc, "readout")), "class");
    json_t *p = superset(doc, "left_bundle_branch_block");
    assert_int_equal(json_array_size(json_object_get(p, "below")), 2);
    assert_int_equal(json_integer_value(json_object_get(p, "n_pos")), 20);
    assert_int_equal(json_integer_value(json_object_get(p, "n_known")), 39);        /* record 7: one kind is absent, the other not known */
    assert_near(value(p, "auroc_own_text"), 1, 0);
    assert_true(value(p, "auroc_best_child") < 0.95);
    assert_near(json_number_value(json_object_get(p, "top1")), 1, 0);               /* nothing else is near its text */
    assert_near(json_number_value(json_object_get(p, "top5")), 1, 0);
    /* the wider ones mean the same two findings here, and their texts are elsewhere */
    json_t *wide = superset(doc, "conduction_disturbance");
    assert_int_equal(json_integer_value(json_object_get(wide, "n_pos")), 20);
    assert_near(value(wide, "auroc_best_child"), value(p, "auroc_best_child"), 0);
    assert_near(json_number_value(json_object_get(wide, "top1")), 0, 0);
    const double difference = value(doc, "auroc_macro_own_text") - value(doc, "auroc_macro_best_child");
    assert_near(value(doc, "own_text_minus_best_child"), difference, 1e-12);
    json_decref(doc);

    for (long n = 1;; n++) {                                                        /* every allocation fails once */
        shn_alloc_fail_after(n);
        const shn_status st = supersets_json(&f.j, "hash", NULL, &doc, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(doc);
        assert_true(n < 300);
    }
    json_decref(doc);
    close_fixture(&f);
}

static void test_supersets_by_best_child(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *doc;
    fixture   f = open_fixture(embed_by_kind);
    assert_ok(supersets_json(&f.j, "hash", NULL, &doc, &err));
    assert_near(value(superset(doc, "left_bundle_branch_block"), "auroc_best_child"), 1, 0);
    assert_true(value(superset(doc, "left_bundle_branch_block"), "auroc_own_text") < 0.9);
    size_t  i;
    json_t *p;
    json_array_foreach(json_object_get(doc, "per_superset"), i, p)              /* the kind itself stands before every superset on the enlarged list */
        assert_near(json_number_value(json_object_get(p, "top1")), 0, 0);
    json_decref(doc);
    /* vectors of another model would be noise: the own text is left out, and it says why */
    assert_ok(supersets_json(&f.j, NULL, NULL, &doc, &err));
    assert_non_null(strstr(json_string_value(json_object_get(doc, "own_text")), "none: the model's texts are vectors of hash"));
    assert_true(json_is_null(json_object_get(doc, "auroc_macro_own_text")));
    assert_near(value(superset(doc, "left_bundle_branch_block"), "auroc_best_child"), 1, 0);
    json_decref(doc);
    assert_status(supersets_json(&f.j, "/no/such.safetensors", NULL, &doc, &err), SHN_IO);
    strcpy(f.m->finding_id[ILBBB], "x");                    /* one finding below it: no superset */
    assert_ok(supersets_json(&f.j, "hash", NULL, &doc, &err));
    assert_null(doc);
    close_fixture(&f);
}

/** bce trained with sentences: there are texts, but the scores are the head's. */
static void test_supersets_of_a_head(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *doc;
    fixture   f = open_fixture(embed_by_kind);
    f.m->head_weight = shn_alloc(K * D, sizeof(float));
    f.m->head_bias = shn_alloc(K, sizeof(float));
    for (size_t d = 0; d < D; d++) f.m->head_weight[CLBBB * D + d] = f.m->head_weight[ILBBB * D + d] = f.m->class_vector[CLBBB * D + d] + f.m->class_vector[ILBBB * D + d];
    f.m->readouts = 1u << SHN_READOUT_LOGIT | 1u << SHN_READOUT_SENTENCES;
    assert_ok(supersets_json(&f.j, "hash", NULL, &doc, &err));
    assert_string_equal(json_string_value(json_object_get(doc, "readout")), "logit");
    assert_string_equal(json_string_value(json_object_get(doc, "own_text")), "none: the model has no class read-out");
    assert_near(value(superset(doc, "left_bundle_branch_block"), "auroc_best_child"), 1, 0);
    json_decref(doc);
    close_fixture(&f);
}

/** The own text is scored as the read-out class scores a phrase that is the same text, with columns raw and windows reduced. */
static void test_supersets_score_as_class_does(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *doc;
    fixture   f = open_fixture(embed_by_own);
    f.m->has_class_columns = f.m->class_raw = 1;
    f.m->class_scale = 3;
    f.m->class_bias = -1;
    for (size_t i = 0; i < N; i += 2)                       /* long embeddings count for more where columns are raw */
        for (size_t d = 0; d < D; d++) f.j.set.z[i * D + d] *= i % 4 == AF ? 1 : 0.25f;
    assert_ok(supersets_json(&f.j, "hash", NULL, &doc, &err));
    shn_vectors *v;
    float    raw[D], score[N], known_score[N];
    uint8_t  label[N];
    uint32_t order[N];
    size_t   n = 0;
    assert_ok(shn_vectors_open("hash", 0, &v, &err));
    assert_ok(shn_vectors_get(v, "left bundle branch block", raw, &err));
    shn_readout_space *space;
    assert_ok(shn_readout_space_new(f.m, SHN_READOUT_CLASS, "left bundle branch block", raw, &space, &err));
    assert_ok(shn_readout_space_scores(space, f.j.set.z, N, score, &err));
    shn_readout_space_free(space);
    for (size_t i = 0; i < N; i++) {
        if (i == 7) continue;                               /* one kind is not known there */
        known_score[n] = score[i];
        label[n++] = i % 4 == CLBBB || i % 4 == ILBBB;
    }
    assert_near(value(superset(doc, "left_bundle_branch_block"), "auroc_own_text"), shn_auroc(known_score, label, n, order), 1e-12);
    shn_vectors_free(v);
    json_decref(doc);
    close_fixture(&f);
}

/** Without weights every record counts as one. */
static void test_share_of_hits(void **state)
{
    (void)state;
    const uint8_t hit[6] = { 1, 2, 0, 1, 2, 0 }, none[2] = { 2, 2 };
    const double  weight[6] = { 3, 9, 1, 0, 9, 2 };
    assert_near(weighted_hits(hit, 6, NULL), 0.5, 0);
    assert_near(weighted_hits(hit, 5, NULL), 2.0 / 3, 1e-15);
    assert_near(weighted_hits(hit, 6, weight), 0.5, 0);
    assert_near(weighted_hits(hit, 5, weight), 0.75, 0);
    assert_true(isnan(weighted_hits(none, 2, NULL)));
}

static void test_zero_shot(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *doc;
    fixture   f = open_fixture(embed_by_kind);
    for (size_t i = 0; i < N; i++) {                        /* of ten records with fibrillation: five first, three second, two last */
        if (i % 4 != AF) continue;
        const float rank[] = { 9, 9, 9, 9, 9, 0.5f, 0.5f, 0.5f, -9, -9 };
        for (size_t k = 0; k < K; k++) f.j.decided.score[i * K + k] = k == AF ? rank[i / 4] : k == SR ? 1 : 0;
    }
    assert_ok(zero_shot_json(&f.j, NULL, &doc, &err));
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(doc, "findings"), 0)), "atrial_fibrillation");
    assert_int_equal(json_integer_value(json_object_get(doc, "n_records")), 10);
    assert_near(value(doc, "top1"), 0.5, 0);
    assert_near(value(doc, "top5"), 1, 0);                  /* four candidates */
    uint8_t  label[N];
    float    score[N];
    uint32_t order[N];
    for (size_t i = 0; i < N; i++) {
        label[i] = f.j.set.label[i * K + AF];
        score[i] = f.j.decided.score[i * K + AF];
    }
    assert_near(value(doc, "auroc_macro"), shn_auroc(score, label, N, order), 1e-12);
    assert_near(value(doc, "auprc_macro"), shn_average_precision(score, label, N, order), 1e-12);
    assert_true(json_number_value(json_object_get(json_object_get(doc, "top1"), "low")) < 0.5);
    json_decref(doc);
    f.m->n_known[AF] = 1;                                   /* one record suffices: it was trained on */
    assert_ok(zero_shot_json(&f.j, NULL, &doc, &err));
    assert_null(doc);
    f.m->n_known[AF] = 0;
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = zero_shot_json(&f.j, NULL, &doc, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(doc);
    }
    json_decref(doc);
    close_fixture(&f);
}

static json_t *group_of(json_t *list, const char *by, const char *group)
{
    size_t  i;
    json_t *g;
    json_array_foreach(list, i, g)
        if (strcmp(json_string_value(json_object_get(g, "by")), by) == 0 && strcmp(json_string_value(json_object_get(g, "group")), group) == 0) return g;
    fail_msg("no group %s %s", by, group);
    return NULL;
}

/** A group's numbers are those of its records alone, with the thresholds of all. */
static void test_subgroups(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *list;
    fixture   f = open_fixture(embed_by_own);
    assert_ok(subgroups_json(&f.j, NULL, &list, &err));
    assert_int_equal(json_array_size(list), 6 + 3 + 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "group")), "0-17");     /* bands in their order */
    assert_int_equal(json_integer_value(json_object_get(group_of(list, "age", "0-17"), "n_records")), 8);
    assert_int_equal(json_integer_value(json_object_get(group_of(list, "age", "60-74"), "n_records")), 7);  /* record 3 has no age */
    json_t *unknown = group_of(list, "age", "unknown");
    assert_int_equal(json_integer_value(json_object_get(unknown, "n_patients")), 1);
    assert_true(json_is_null(json_object_get(json_object_get(json_object_get(unknown, "metrics"), "top1"), "low")));
    assert_true(json_is_true(json_object_get(unknown, "small")));
    assert_int_equal(json_integer_value(json_object_get(group_of(list, "sex", "unknown"), "n_records")), 1);
    assert_int_equal(json_integer_value(json_object_get(group_of(list, "source", "there"), "n_records")), 8);
    json_t *women = group_of(list, "sex", "F");
    assert_int_equal(json_integer_value(json_object_get(women, "n_records")), 20);
    assert_int_equal(json_integer_value(json_object_get(women, "n_patients")), 20);
    float    score[20 * K];
    uint8_t  label[20 * K], known[20 * K];
    for (size_t i = 0; i < 20; i++) {
        memcpy(score + i * K, f.j.decided.score + 2 * i * K, K * sizeof *score);
        memcpy(label + i * K, f.j.set.label + 2 * i * K, K);
        memcpy(known + i * K, f.j.set.known + 2 * i * K, K);
    }
    const shn_scored view = { score, label, known, 20, K };
    assert_near(value(json_object_get(women, "metrics"), "auroc_macro"), shn_auroc_macro(&view, NULL, 0), 1e-12);
    assert_near(value(json_object_get(women, "metrics"), "top1"), shn_top_k(&view, 1, NULL), 1e-12);
    json_decref(list);
    for (long n = 1;; n += 7) {
        shn_alloc_fail_after(n);
        const shn_status st = subgroups_json(&f.j, NULL, &list, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(list);
    }
    json_decref(list);
    close_fixture(&f);
}

static void test_tasks(void **state)
{
    (void)state;
    shn_error err = { 0 };
    uint8_t   selected[K];
    const shn_registry *reg = shn_registry_builtin();
    const size_t R = shn_registry_size(reg);
    assert_ok(task_select("@rhythm", ids, K, selected, &err));
    assert_memory_equal(selected, ((uint8_t[]){ 1, 0, 0, 1 }), K);
    assert_ok(task_select("incomplete_left_bundle_branch_block,atrial_fibrillation", ids, K, selected, &err));
    assert_memory_equal(selected, ((uint8_t[]){ 0, 0, 1, 1 }), K);
    assert_ok(task_select("@code15,sinus_rhythm", ids, K, selected, &err));
    assert_memory_equal(selected, ((uint8_t[]){ 1, 0, 0, 1 }), K);
    assert_status(task_select("", ids, K, selected, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "an empty list"));
    assert_status(task_select("@rythm", ids, K, selected, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "@rhythm, @mitdb"));
    assert_status(task_select("atrial_flutter", ids, K, selected, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "'atrial_flutter' is no finding of the model"));
    assert_status(task_select("@rhythm", ids + 1, 2, selected, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "none of the model's findings"));
    const char **all = shn_alloc(R, sizeof *all);
    uint8_t     *of = shn_alloc(R, 1);
    size_t       n[3] = { 0 };
    const char *const tasks[3] = { "@rhythm", "@mitdb", "@scp" };
    for (size_t i = 0; i < R; i++) all[i] = shn_registry_at(reg, i)->id;
    for (int t = 0; t < 3; t++) {
        assert_ok(task_select(tasks[t], all, R, of, &err));
        for (size_t i = 0; i < R; i++) n[t] += of[i];
    }
    assert_int_equal(n[0], 12);
    assert_int_equal(n[1], 27);
    assert_int_equal(n[2], 71);
    free(all);
    free(of);
}

/** What is not asked about is neither candidate nor truth. */
static void test_asking(void **state)
{
    (void)state;
    shn_error err = { 0 };
    fixture   f = open_fixture(embed_by_kind);
    f.j.o.findings = "@rhythm";
    assert_ok(judged_ask(&f.j, (const char *const *)f.m->finding_id, &err));
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(f.j.set.known[i * K + CLBBB], 0);
        assert_int_equal(f.j.set.known[i * K + AF], 1);
    }
    const summary_input in = judged_input(&f.j, &f.j.decided);
    summary s;
    assert_ok(summary_make(&in, NULL, &s, &err));
    assert_true(isnan(s.auroc[CLBBB].value) && !isnan(s.auroc[AF].value));
    assert_near(s.metric[METRIC_top5].value, 1, 0);         /* two candidates */
    assert_near(s.metric[METRIC_auroc_macro_pos5].value, (s.auroc[SR].value + s.auroc[AF].value) / 2, 1e-12);
    summary_free(&s);
    f.j.o.findings = "nothing";
    free(f.j.asked);
    f.j.asked = NULL;
    assert_status(judged_ask(&f.j, (const char *const *)f.m->finding_id, &err), SHN_RANGE);
    close_fixture(&f);
}

/** The macro over findings with 5 positives or more here: fixed by the records, not by what a resample draws. */
static void test_macro_of_five(void **state)
{
    (void)state;
    shn_error err = { 0 };
    fixture   f = open_fixture(embed_by_own);
    size_t n = 0;
    for (size_t i = 0; i < N; i++)                          /* four with the incomplete block stay */
        if (f.j.set.label[i * K + ILBBB] && ++n > 4) f.j.set.label[i * K + ILBBB] = 0;
    const summary_input in = judged_input(&f.j, &f.j.decided);
    summary s;
    assert_ok(summary_make(&in, NULL, &s, &err));
    assert_near(s.metric[METRIC_auroc_macro_pos5].value, (s.auroc[SR].value + s.auroc[CLBBB].value + s.auroc[AF].value) / 3, 1e-12);
    assert_near(s.metric[METRIC_auprc_macro_pos5].value, (s.auprc[SR].value + s.auprc[CLBBB].value + s.auprc[AF].value) / 3, 1e-12);
    assert_near(s.metric[METRIC_auroc_macro].value, (s.auroc[SR].value + s.auroc[CLBBB].value + s.auroc[ILBBB].value + s.auroc[AF].value) / 4, 1e-12);
    assert_int_equal(s.metric[METRIC_auroc_macro_pos5].n_undefined, 0);
    summary_free(&s);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_supersets_by_own_text), cmocka_unit_test(test_supersets_by_best_child), cmocka_unit_test(test_supersets_of_a_head),
        cmocka_unit_test(test_supersets_score_as_class_does), cmocka_unit_test(test_zero_shot),
        cmocka_unit_test(test_subgroups),             cmocka_unit_test(test_tasks),                   cmocka_unit_test(test_asking),
        cmocka_unit_test(test_macro_of_five),         cmocka_unit_test(test_share_of_hits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
