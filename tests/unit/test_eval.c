/** Evaluating: the whole document on a small made cohort, what does not fit, memory that ends. */
#include "harness.h"

#include <jansson.h>
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "data/cohort_writer.h"
#include "eval/weighted.h"
#include "shinden/embed.h"
#include "shinden/eval.h"

/* ---- the whole document ---- */

enum { RECORDS = 60, T = 600, CK = 3 };
static const char *const finding_ids[CK] = { "sinus_rhythm", "complete_left_bundle_branch_block", "zz_only_in_the_cohort" };

static void write_cohort(const char *path, int flip_unknown)
{
    shn_error err = { 0 };
    shn_cohort_writer *w;
    shn_cohort_spec spec = { .path = path, .n_rows = RECORDS, .n_samples = T, .fs_hz = 100, .finding_ids = finding_ids, .n_findings = CK };
    shn_rng r = shn_rng_stream(21, 0, 0, 0);
    static float mv[12][T];
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < RECORDS; i++) {
        char id[16], patient[16];
        const int positive = (int)shn_rng_below(&r, 3) == 0;
        const uint8_t known[CK] = { 1, i % 7 != 0, 1 };
        const uint8_t label[CK] = { !positive, known[1] ? (uint8_t)positive : (uint8_t)flip_unknown, 1 };
        for (int l = 0; l < 12; l++)
            for (int t = 0; t < T; t++) mv[l][t] = (positive ? 0.5f : 0.1f) * (float)sin(0.3 * t + l) + 0.05f * (float)shn_rng_normal(&r);
        snprintf(id, sizeof id, "r%zu", i);
        snprintf(patient, sizeof patient, "p%zu", i / 2);
        shn_cohort_row row = { .n_samples = T, .labels = label, .known = known, .id = id, .patient = patient, .age = NAN,
                               .split = i < 20 ? "train" : i < 40 ? "val" : "test" };
        for (int l = 0; l < 12; l++) row.lead_mv[l] = mv[l];
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

static shn_model *make_model(void)
{
    shn_error  err = { 0 };
    shn_model *m;
    static const char *const ids[3] = { "complete_left_bundle_branch_block", "sinus_rhythm", "atrial_fibrillation" };
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 8 };
    assert_ok(shn_model_new(&config, 3, 0, &m, &err));
    shn_encoder_init(&m->encoder, 5, m->params, m->state);
    strcpy(m->loss, "bce");
    m->input = (shn_input){ .fs_hz = 100, .n_samples = T, .window = 200, .n_windows = 3, .scale_per_mv = 4, .lead_present = 0xfff };
    for (size_t k = 0; k < 3; k++) {
        m->finding_id[k] = shn_strdup(ids[k]);
        m->name_en[k] = shn_strdup(ids[k]);
        m->name_ja[k] = shn_strdup("所見");
        m->codes[k] = shn_strdup("scp:CLBBB;snomed:733534002");
        m->n_pos[k] = 7;
        m->n_known[k] = 20;
        m->flags[k] = k == 0 ? 2 : 1;           /* the first is urgent, the others ubiquitous */
    }
    for (size_t i = 0; i < 24; i++) m->head_weight[i] = (float)sin(1.7 * (double)i);
    m->readouts = 1u << SHN_READOUT_LOGIT;
    m->readout_default = SHN_READOUT_LOGIT;
    return m;
}

static json_t *evaluate(const shn_model *m, const char *cohort, const char *split)
{
    shn_error        err = { 0 };
    shn_cohort      *c;
    shn_engine      *eng;
    shn_engine_options engine;
    shn_eval_options o;
    char            *json;
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    shn_eval_defaults(&o);
    o.split = split;
    o.n_bootstrap = 50;
    assert_ok(shn_cohort_open(cohort, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    assert_ok(shn_eval(m, eng, c, &o, &json, &err));
    json_t *doc = json_loads(json, 0, NULL);
    assert_non_null(doc);
    char *text, *csv;
    assert_ok(shn_eval_text(json, &text, &err));
    assert_ok(shn_eval_csv(json, &csv, &err));
    assert_non_null(strstr(text, "Not a medical device"));
    assert_non_null(strstr(csv, "complete_left_bundle_branch_block,"));
    free(text);
    free(csv);
    free(json);
    shn_engine_free(eng);
    shn_cohort_close(c);
    return doc;
}

static void fit(shn_model *m, const char *cohort)
{
    shn_error   err = { 0 };
    shn_cohort *c;
    shn_engine *eng;
    shn_engine_options engine;
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    assert_ok(shn_cohort_open(cohort, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    assert_ok(shn_model_fit(m, eng, c, "val", NULL, &err));
    shn_engine_free(eng);
    shn_cohort_close(c);
}

static const char *text_of(json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

static void test_document(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX], flipped[SHN_PATH_MAX];
    const char *folder = test_folder();
    assert_ok(shn_path_join(path, folder, "c.h5", &err));
    write_cohort(path, 0);
    shn_model *m = make_model();
    json_t    *doc = evaluate(m, path, "test");
    assert_non_null(strstr(text_of(doc, "fitted_on"), "nothing"));
    json_decref(doc);
    fit(m, path);
    assert_true(m->calibration[SHN_READOUT_LOGIT].fitted && strlen(m->fitted_records) > 20 * 16);
    doc = evaluate(m, path, "test");
    assert_int_equal(json_integer_value(json_object_get(doc, "schema_version")), 1);
    assert_true(json_is_true(json_object_get(doc, "research_use_only")));
    assert_null(strstr(text_of(doc, "fitted_on"), "cross-fitted"));
    assert_int_equal(json_integer_value(json_object_get(doc, "n_records")), 20);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_patients")), 10);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings_shared")), 2);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings_cohort_only")), 1);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings_model_only")), 1);
    json_t *curve = json_object_get(doc, "top_k_curve");
    assert_int_equal(json_array_size(curve), 3);
    assert_true(json_equal(json_object_get(json_array_get(curve, 0), "top"), json_object_get(json_object_get(json_object_get(doc, "metrics"), "top1"), "value")));
    for (size_t k = 1; k < 3; k++)
        assert_true(json_number_value(json_object_get(json_array_get(curve, k), "top")) >=
                    json_number_value(json_object_get(json_array_get(curve, k - 1), "top")));
    assert_near(json_number_value(json_object_get(json_array_get(curve, 2), "top")), 1, 0);        /* all candidates hold every truth */
    json_t *metrics = json_object_get(doc, "metrics"), *label = json_array_get(json_object_get(doc, "per_label"), 0);
    for (int j = 0; j < METRIC_COUNT; j++) assert_true(json_is_object(json_object_get(metrics, summary_metric_name(j))));
    assert_string_equal(json_string_value(json_array_get(json_object_get(label, "codes"), 1)), "733534002");
    assert_true(json_is_number(json_object_get(label, "auroc")));
    assert_int_equal(json_integer_value(json_object_get(doc, "n_records_in_train")), 0);
    assert_true(json_is_false(json_object_get(label, "fallback")));
    /* a finding that nobody knows here: undefined is null, never 0 */
    json_t *unknown = json_array_get(json_object_get(doc, "per_label"), 2);
    assert_int_equal(json_integer_value(json_object_get(unknown, "n_known")), 0);
    assert_true(json_is_null(json_object_get(unknown, "auroc")) && json_is_null(json_object_get(unknown, "sensitivity")));
    json_t *controls = json_object_get(doc, "controls");
    assert_near(json_number_value(json_object_get(json_object_get(json_object_get(controls, "label_frequency"), "auroc_macro"), "value")), 0.5, 0);
    assert_true(json_is_number(json_object_get(json_object_get(json_object_get(controls, "random_encoder_probe"), "auroc_macro"), "value")));
    /* the cohort's two kinds differ in amplitude, which a ruler sees */
    assert_true(json_number_value(json_object_get(json_object_get(json_object_get(controls, "simple_features_probe"), "auroc_macro"), "value")) > 0.9);

    json_t *own = evaluate(m, path, "val");                 /* the records that it was fitted on */
    assert_non_null(strstr(text_of(own, "fitted_on"), "cross-fitted"));
    json_decref(own);
    json_t *all = evaluate(m, path, "all");
    assert_int_equal(json_integer_value(json_object_get(all, "n_records_in_train")), 20);
    assert_non_null(strstr(text_of(json_object_get(json_object_get(all, "controls"), "random_encoder_probe"), "what"), "optimistic"));
    json_decref(all);

    assert_ok(shn_path_join(flipped, folder, "d.h5", &err));        /* labels that are not known, the other way round */
    write_cohort(flipped, 1);
    shn_model *m2 = make_model();
    fit(m2, flipped);
    json_t *doc2 = evaluate(m2, flipped, "test");
    json_object_del(doc, "cohort");
    json_object_del(doc2, "cohort");
    assert_true(json_equal(doc, doc2));
    json_decref(doc);
    json_decref(doc2);
    shn_model_free(m);
    shn_model_free(m2);
}

static void test_what_does_not_fit_is_refused(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], *json;
    shn_cohort *c;
    shn_engine *eng;
    shn_engine_options engine;
    shn_eval_options   o;
    assert_ok(shn_path_join(path, test_folder(), "c.h5", &err));
    write_cohort(path, 0);
    shn_model *m = make_model();
    shn_engine_defaults(&engine);
    shn_eval_defaults(&o);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    o.split = "nowhere";
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_NO_SPLIT);
    o.split = "test";
    o.readout = SHN_READOUT_MARGINAL;
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_MISMATCH);
    o.readout = SHN_READOUT_COUNT;
    m->fitted_records = shn_strdup("[\"0123");             /* cut: what it was fitted on is not known, so nothing can be called honest */
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_FORMAT);
    free(m->fitted_records);
    m->fitted_records = NULL;
    m->input.fs_hz = 500;
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_MISMATCH);
    assert_int_equal(err.reason, SHN_REASON_FS_MISMATCH);
    m->input.fs_hz = 100;
    for (size_t k = 0; k < 3; k++) m->finding_id[k][0] = 'X';
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "no finding in common"));
    assert_status(shn_eval_text("{}", &json, &err), SHN_FORMAT);
    shn_engine_free(eng);
    shn_cohort_close(c);
    shn_model_free(m);
}

/** Every allocation of an evaluation with controls fails in turn: an error, no document, nothing lost (the sanitizers look on). */
static void test_no_memory(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], *json;
    shn_cohort *c;
    shn_engine *eng;
    shn_engine_options engine;
    shn_eval_options   o;
    size_t n_failed = 0;
    assert_ok(shn_path_join(path, test_folder(), "c.h5", &err));
    write_cohort(path, 0);
    shn_model *m = make_model();
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    shn_eval_defaults(&o);
    o.split = "test";
    o.n_bootstrap = 3;
    o.n_threads = 1;
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    for (long n = 1;; n++) {                                /* fitting: all or nothing, no hashes without their thresholds */
        shn_alloc_fail_after(n);
        const shn_status st = shn_model_fit(m, eng, c, "val", NULL, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_true(!m->fitted_records || !*m->fitted_records);
        n_failed++;
    }
    assert_true(n_failed > 10);
    n_failed = 0;
    o.split = "val";                                        /* cross-fitted */
    for (long n = 1;; n++) {
        memset(&err, 'x', sizeof err);                      /* what an earlier failure left there is no news */
        shn_alloc_fail_after(n);
        const shn_status st = shn_eval(m, eng, c, &o, &json, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_int_equal(err.status, SHN_NOMEM);
        assert_null(json);
        n_failed++;
    }
    assert_true(n_failed > 50);
    assert_int_equal(json[0], '{');
    free(json);
    shn_engine_free(eng);
    shn_cohort_close(c);
    shn_model_free(m);
}

/** A folder's name need not be UTF-8, JSON must be. */
static void test_path_that_is_not_utf8(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX];
    shn_model *m = make_model();
    assert_ok(shn_path_join(path, test_folder(), "c\xE9.h5", &err));
    write_cohort(path, 0);
    json_t *doc = evaluate(m, path, "test");
    assert_non_null(strstr(text_of(doc, "cohort"), "c\xEF\xBF\xBD.h5"));
    json_decref(doc);
    shn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_path_that_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
