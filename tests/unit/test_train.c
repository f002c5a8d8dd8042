/** Whole runs on a made cohort: every loss learns, stopped runs resume to the same bits, reports and few codes, bad runs. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "data/cohort_writer.h"
#include "run_files.h"
#include "shinden/train.h"
#include "train/train_data.h"

/* --- whole runs --- */

enum { CN = 30, CT = 160, CK = 3 };
static const char *const cohort_ids[CK] = { "atrial_fibrillation", "sinus_rhythm", "zz_not_in_the_registry" };

/**
 * Thirty records of 1.6 s at 100 Hz: finding k adds a sine of its own frequency. One in three does not know the last finding, one in four has no report.
 * hidden [CN]: NULL, or all labels are known and those of the records marked 1 are wrong.
 */
static void write_cohort(const char *path, int flip_unknown, int overlap, const uint8_t *hidden)
{
    shn_error err = { 0 };
    shn_cohort_writer *w;
    const shn_cohort_spec spec = { .path = path, .n_rows = CN, .n_samples = CT, .fs_hz = 100, .finding_ids = cohort_ids, .n_findings = CK };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    shn_rng r = shn_rng_stream(11, 0, 0, 0);
    for (size_t i = 0; i < CN; i++) {
        static float mv[SHN_LEADS][CT];
        uint8_t label[CK], known[CK] = { 1, 1, i % 3 != 0 };
        char    id[16], patient[16];
        for (int k = 0; k < CK; k++) label[k] = (uint8_t)(shn_rng_below(&r, 2));
        if (!known[2] && flip_unknown) label[2] ^= 1;
        for (int l = 0; l < SHN_LEADS; l++)
            for (int t = 0; t < CT; t++) {
                mv[l][t] = (float)(0.1 * shn_rng_normal(&r));
                for (int k = 0; k < CK; k++)
                    if (label[k] && known[k]) mv[l][t] += (float)sin(0.3 * t * (1 + 1.5 * k));
            }
        snprintf(id, sizeof id, "r%zu", i);
        snprintf(patient, sizeof patient, "p%zu", overlap && i == CN - 1 ? 0 : i);
        char report[80];
        snprintf(report, sizeof report, "%s. %s. record read.", label[0] ? "fibrillation of the atria" : "no fibrillation", label[1] ? "sinus rhythm" : "other rhythm");
        shn_cohort_row row = { .n_samples = i == 5 ? 100 : CT, .labels = label, .known = known, .id = id, .patient = patient,
                               .split = i < 24 ? "train" : "val", .age = NAN, .report = i % 4 == 3 ? "" : report };
        if (hidden) memset(known, 1, sizeof known);
        for (int k = 0; hidden && k < CK; k++) label[k] ^= hidden[i];
        for (int l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv[l];
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

static shn_train_config small(shn_loss loss)
{
    shn_train_config c;
    shn_train_defaults(loss, CT, 100, &c);
    c.encoder.width = 8;
    c.encoder.blocks[0] = c.encoder.blocks[1] = 1;
    c.encoder.blocks[2] = c.encoder.blocks[3] = 0;
    c.encoder.embed = 16;
    c.crop_seconds = 0.64;
    c.n_windows = 3;
    c.batch_size = 8;
    c.epochs = 4;
    c.n_threads = 1;
    strcpy(c.engine, "ref");
    return c;
}

typedef struct site { char root[256], cohort[300]; shn_cohort *c; shn_vectors *vectors; int n_runs; } site;

static site open_site(int flip_unknown)
{
    shn_error err = { 0 };
    site s = { .n_runs = 0 };
    snprintf(s.root, sizeof s.root, "%s", test_folder());
    snprintf(s.cohort, sizeof s.cohort, "%s/c.h5", s.root);
    write_cohort(s.cohort, flip_unknown, 0, NULL);
    assert_ok(shn_cohort_open(s.cohort, &s.c, &err));
    assert_ok(shn_vectors_hash(12, 3, &s.vectors, &err));
    return s;
}

static void close_site(site *s)
{
    shn_cohort_close(s->c);
    shn_vectors_free(s->vectors);
}

static const char *new_run(site *s)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/run%d", s->root, s->n_runs++);
    return path;
}

static shn_model *train(site *s, const shn_train_config *config, const char *run)
{
    shn_error  err = { 0 };
    shn_model *m = NULL;
    assert_ok(shn_train(s->c, s->vectors, config, run, NULL, &m, &err));
    return m;
}

/** Of the steps, or of the epochs' means. */
static double first_and_last_loss(const char *run, int of_epochs, double *last)
{
    char   path[320], line[1024];
    double loss, first = NAN;
    snprintf(path, sizeof path, "%s/log.jsonl", run);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, of_epochs ? "\"epoch_loss\": " : "\"loss\": ");
        if (!strstr(line, of_epochs ? "\"event\": \"epoch\"" : "\"event\": \"step\"") || !at) continue;
        loss = strtod(strchr(at, ':') + 1, NULL);
        if (isnan(first)) first = loss;
        *last = loss;
    }
    fclose(f);
    return first;
}

static void test_every_loss_learns(void **state)
{
    (void)state;
    site s = open_site(0);
    for (int l = 0; l < SHN_LOSS_COUNT; l++) {
        shn_train_config c = small((shn_loss)l);
        char   run[300];
        double last = 0;
        c.epochs = 25;
        c.lr = 1e-2;
        c.lr_text_scale = 1;
        snprintf(run, sizeof run, "%s", new_run(&s));
        shn_model *m = train(&s, &c, run);
        const double first = first_and_last_loss(run, 1, &last);
        if (!(last < 0.85 * first)) fail_msg("%s: loss from %g to %g", shn_loss_name((shn_loss)l), first, last);
        assert_int_equal(m->K, CK);
        assert_int_equal(m->input.window, 64);
        assert_int_equal(m->n_known[2], 16);
        assert_string_equal(m->loss, shn_loss_name((shn_loss)l));
        assert_true(m->readouts >> m->readout_default & 1);
        assert_true((m->n_sets > 0) == shn_loss_is_pair((shn_loss)l));
        shn_model_free(m);
    }
    close_site(&s);
}

static void assert_same_model(const char *root, shn_model *a, shn_model *b)
{
    shn_error err = { 0 };
    char      path[2][300];
    uint8_t  *bytes[2];
    size_t    n[2];
    shn_model *m[2] = { a, b };
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/compare%d", root, i);
        assert_ok(shn_model_write(m[i], path[i], &err));
        assert_ok(shn_file_read(path[i], (size_t)1 << 28, &bytes[i], &n[i], &err));
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    free(bytes[0]);
    free(bytes[1]);
}

/** Stopped after any step and resumed, as often as one likes, a run ends with the bytes of an uninterrupted one. */
static void test_resumed_runs_end_with_the_same_bits(void **state)
{
    (void)state;
    site s = open_site(0);
    static const shn_loss losses[] = { SHN_LOSS_SIGLIP_JACCARD, SHN_LOSS_BCE, SHN_LOSS_CLIP };
    for (int l = 0; l < 3; l++) {
        shn_train_config c = small(losses[l]);
        shn_error  err = { 0 };
        char       run[300], log[320], events[340];
        c.class_columns = losses[l] == SHN_LOSS_CLIP ? 0.5 : 0;
        c.accum_freq = losses[l] == SHN_LOSS_CLIP ? 2 : 1;
        shn_model *whole = train(&s, &c, new_run(&s)), *m = NULL;
        const int  n_steps = losses[l] == SHN_LOSS_CLIP ? 4 : 12;
        snprintf(run, sizeof run, "%s", new_run(&s));
        for (int step = 1; step < n_steps; step += 2) {     /* mid-epoch and at epochs' ends */
            snprintf(c.stop_after, sizeof c.stop_after, "step:%d", step);
            assert_status(shn_train(s.c, s.vectors, &c, run, NULL, &m, &err), SHN_CANCELLED);
            assert_null(m);
            c.resume = 1;
        }
        c.stop_after[0] = '\0';
        m = train(&s, &c, run);
        assert_same_model(s.root, whole, m);
        shn_model_free(m);
        m = train(&s, &c, run);                             /* resuming a finished run gives it again */
        assert_same_model(s.root, whole, m);
        shn_model_free(m);
        snprintf(log, sizeof log, "%s/log.jsonl", run);
        snprintf(events, sizeof events, "%s/events.out.tfevents.0.shinden", run);
        assert_int_equal(count_lines(log), 1 + n_steps + 4);
        assert_int_equal(count_events(events), 1 + n_steps + 4);
        c.resume = 0;
        assert_status(shn_train(s.c, s.vectors, &c, run, NULL, &m, &err), SHN_RANGE);     /* never overwritten */
        assert_non_null(strstr(err.text, "--resume"));
        c.resume = 1;
        c.lr *= 2;
        assert_status(shn_train(s.c, s.vectors, &c, run, NULL, &m, &err), SHN_MISMATCH);
        assert_non_null(strstr(err.text, "other settings"));
        shn_model_free(whole);
    }
    close_site(&s);
}

/* --- sentences and few codes --- */

static void test_reports_are_counted_and_drawn(void **state)
{
    (void)state;
    site s = open_site(0);
    shn_error   err = { 0 };
    shn_reports r;
    uint32_t   *rows, drawn[5] = { 0 };
    size_t      n;
    assert_ok(shn_cohort_split_rows(s.c, "train", &rows, &n, &err));
    assert_ok(shn_reports_new(s.c, rows, n, &r, &err));
    assert_int_equal(r.n, 5);                               /* two of the one, two of the other, and what all say */
    assert_string_equal(r.text[0], "fibrillation of the atria");
    assert_string_equal(r.text[3], "record read");
    assert_int_equal(r.count[3], 18);
    assert_int_equal(r.n_patients[3], 18);
    assert_int_equal(r.count[0] + r.count[1], 18);
    assert_int_equal(r.first[n], 3 * 18);
    assert_int_equal(shn_reports_draw(&r, 1, 0, 3), SHN_NO_GROUP);
    double expected[5] = { 0 };
    const int epochs = 2000;
    for (size_t i = 0; i < n; i++) {
        double total = 0;
        for (size_t k = r.first[i]; k < r.first[i + 1]; k++) total += 1 / sqrt(r.count[r.sentence[k]]);
        for (size_t k = r.first[i]; k < r.first[i + 1]; k++) expected[r.sentence[k]] += epochs / sqrt(r.count[r.sentence[k]]) / total;
        for (int e = 0; e < epochs && r.first[i] < r.first[i + 1]; e++) {
            const uint32_t d = shn_reports_draw(&r, 1, (uint64_t)e, i);
            assert_true(d < 5 && shn_reports_draw(&r, 1, (uint64_t)e, i) == d);
            drawn[d]++;
        }
    }
    for (int k = 0; k < 5; k++) assert_near(drawn[k], expected[k], 5 * sqrt(expected[k]));
    assert_true(drawn[3] < drawn[0] + drawn[1]);            /* what everybody says is drawn less often than its share */
    shn_reports_free(&r);
    for (long fail = 1; ; fail++) {
        shn_alloc_fail_after(fail);
        const shn_status st = shn_reports_new(s.c, rows, n, &r, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
    }
    shn_reports_free(&r);
    free(rows);
    close_site(&s);
}

/** Records without a patient's name may all be one person's: a sentence that only they have stays without words. */
static void test_patients_without_a_name_do_not_count(void **state)
{
    (void)state;
    enum { UNNAMED = 6, NAMED = 4, ROWS = UNNAMED + NAMED + 1 };
    static const char *const patients[NAMED + 1] = { "a", "b", "c", "d", "a" };
    shn_error err = { 0 };
    shn_cohort *c;
    shn_cohort_writer *w;
    shn_reports r;
    uint32_t    rows[ROWS];
    char        path[300];
    snprintf(path, sizeof path, "%s/c.h5", test_folder());
    const shn_cohort_spec spec = { .path = path, .n_rows = ROWS, .n_samples = CT, .fs_hz = 100, .finding_ids = cohort_ids, .n_findings = CK };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < ROWS; i++) {
        static const float mv[CT];
        const uint8_t label[CK] = { 0 }, known[CK] = { 1, 1, 1 };
        char id[16];
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = CT, .labels = label, .known = known, .id = id, .patient = i < UNNAMED ? "" : patients[i - UNNAMED],
                               .split = "train", .age = NAN, .report = i < UNNAMED ? "both say so. the unnamed alone." : "both say so." };
        for (int l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv;
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
        rows[i] = (uint32_t)i;
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_reports_new(c, rows, ROWS, &r, &err));
    assert_int_equal(r.n, 2);
    assert_int_equal(r.count[0], ROWS);
    assert_int_equal(r.n_patients[0], NAMED);
    assert_string_equal(r.text[1], "the unnamed alone");
    assert_int_equal(r.count[1], UNNAMED);
    assert_int_equal(r.n_patients[1], 0);
    shn_reports_free(&r);
    shn_cohort_close(c);
}

static shn_train_config small_sentences(shn_loss loss)
{
    shn_train_config c = small(loss);
    c.sentences = 0.5;
    if (loss == SHN_LOSS_BCE) strcpy(c.text, SHN_VECTORS_HASH);     /* the vectors themselves are handed over */
    return c;
}

/** With every loss; resumed anywhere to the same bits; the term is learned, not only carried along. */
static void test_sentences_train_with_every_loss(void **state)
{
    (void)state;
    site s = open_site(0);
    for (int l = 0; l < SHN_LOSS_COUNT; l++) {
        shn_train_config c = small_sentences((shn_loss)l);
        shn_error  err = { 0 };
        char       run[300];
        shn_model *m = NULL;
        c.accum_freq = l % 2 ? 2 : 1;
        shn_model *whole = train(&s, &c, new_run(&s));
        assert_int_equal(whole->n_sentences, 5);
        assert_true(whole->readouts >> SHN_READOUT_SENTENCES & 1);
        assert_true((whole->head_weight != NULL) == (l == SHN_LOSS_BCE) && whole->D == 12);
        assert_string_equal(whole->sentence_text[3], "record read");
        assert_true(whole->sentence_scale != 10 && whole->sentence_scale > 5 && whole->sentence_scale < 20);
        assert_string_equal(whole->provider.model_hash, "hash seed 3");
        snprintf(run, sizeof run, "%s", new_run(&s));
        for (int step = 1; step < 4; step += 2) {
            snprintf(c.stop_after, sizeof c.stop_after, "step:%d", step);
            assert_status(shn_train(s.c, s.vectors, &c, run, NULL, &m, &err), SHN_CANCELLED);
            c.resume = 1;
        }
        c.stop_after[0] = '\0';
        m = train(&s, &c, run);
        assert_same_model(s.root, whole, m);
        shn_model_free(m);
        c.sentences = 0.25;
        assert_status(shn_train(s.c, s.vectors, &c, run, NULL, &m, &err), SHN_MISMATCH);
        shn_model_free(whole);
    }
    close_site(&s);
}

static double last_sentence_loss(const char *run, double *first)
{
    char   path[320], line[1024];
    double last = NAN;
    *first = NAN;
    snprintf(path, sizeof path, "%s/log.jsonl", run);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"sentence_loss\": ");
        if (!at) continue;
        last = strtod(strchr(at, ':') + 1, NULL);
        if (isnan(*first)) *first = last;
    }
    fclose(f);
    return last;
}

static void test_sentences_are_learned(void **state)
{
    (void)state;
    site   s = open_site(0);
    char   run[300];
    double first;
    shn_train_config c = small_sentences(SHN_LOSS_BCE);
    c.epochs = 40;
    c.lr = 1e-2;
    c.batch_size = 24;
    snprintf(run, sizeof run, "%s", new_run(&s));
    shn_model_free(train(&s, &c, run));
    const double last = last_sentence_loss(run, &first);
    if (!(last < first - 0.2)) fail_msg("sentence loss from %g to %g", first, last);
    close_site(&s);
}

/** Without labels at all the reports still train: the class term is silent, and nothing is known of any finding. */
static void test_few_codes(void **state)
{
    (void)state;
    site s = open_site(0);
    shn_error        err = { 0 };
    shn_train_data   d, again;
    shn_train_config c = small_sentences(SHN_LOSS_BCE);
    shn_model       *m;
    uint8_t          hidden[CN] = { 0 };
    char             path[300];
    c.coded = 8;
    assert_ok(shn_train_data_load(s.c, &c, &d, &err));
    assert_true(d.n_coded == 8 && d.n > 18 && d.n < 24 && d.n + d.n_left_out == 24);
    assert_true(d.n_known[0] == 8 && d.n_known[1] == 8 && d.n_known[2] <= 8);
    c.seed = 2;
    assert_ok(shn_train_data_load(s.c, &c, &again, &err));
    assert_true(again.n_coded == 8);
    assert_memory_not_equal(d.known, again.known, 8 * CK);
    shn_train_data_free(&again);
    c.seed = 1;
    c.sentences = 0;
    assert_ok(shn_train_data_load(s.c, &c, &again, &err));
    assert_true(again.n == 8 && again.n_coded == 8 && again.n_left_out == 16);      /* the same ones, and nobody else */
    shn_train_data_free(&again);
    c.coded = 25;
    assert_status(shn_train_data_load(s.c, &c, &again, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "24 records"));
    shn_train_data_free(&d);

    /* what is not coded is not looked at: another truth there changes no trained bit */
    site known = { .n_runs = 0 }, wrong = { .n_runs = 0 };
    c = small_sentences(SHN_LOSS_SIGLIP_JACCARD);
    c.class_columns = 0.5;
    c.coded = 8;
    c.epochs = 2;
    site *both[2] = { &known, &wrong };
    uint8_t none[CN] = { 0 };
    for (int i = 0; i < 2; i++) {
        snprintf(both[i]->root, sizeof both[i]->root, "%s", test_folder());
        snprintf(path, sizeof path, "%s/c.h5", both[i]->root);
        write_cohort(path, 0, 0, i ? hidden : none);
        assert_ok(shn_cohort_open(path, &both[i]->c, &err));
        both[i]->vectors = s.vectors;
        if (i) continue;
        assert_ok(shn_train_data_load(known.c, &c, &d, &err));
        memset(hidden, 1, sizeof hidden);
        for (size_t r = 0; r < d.n; r++)
            if (memchr(d.known + r * CK, 1, CK)) hidden[d.rows[r]] = 0;
        shn_train_data_free(&d);
    }
    shn_model *a = train(&known, &c, new_run(&known)), *b = train(&wrong, &c, new_run(&wrong));
    assert_memory_equal(a->params, b->params, a->encoder.n_params * sizeof(float));
    assert_memory_equal(a->projection, b->projection, a->E * a->D * sizeof(float));
    assert_memory_equal(a->n_pos, b->n_pos, CK * sizeof *a->n_pos);
    shn_model_free(b);
    c.coded = 0;
    b = train(&wrong, &c, new_run(&wrong));
    assert_memory_not_equal(a->params, b->params, a->encoder.n_params * sizeof(float));
    shn_model_free(a);
    shn_model_free(b);

    strcpy(c.split, "val");
    strcpy(c.text, "none");
    c.loss = SHN_LOSS_BCE;
    c.class_columns = 0;
    assert_status(shn_train(s.c, s.vectors, &c, new_run(&s), NULL, &m, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "name e5-small or a file"));
    shn_cohort_close(known.c);
    shn_cohort_close(wrong.c);
    close_site(&s);
}

static void test_seed_and_chunk(void **state)
{
    (void)state;
    site s = open_site(0);
    shn_train_config c = small(SHN_LOSS_SIGLIP_JACCARD);
    shn_model *a = train(&s, &c, new_run(&s)), *b = train(&s, &c, new_run(&s));
    assert_same_model(s.root, a, b);
    shn_model_free(b);
    c.chunk = 3;
    b = train(&s, &c, new_run(&s));
    assert_memory_equal(a->params, b->params, a->encoder.n_params * sizeof(float));
    assert_memory_equal(a->projection, b->projection, a->E * a->D * sizeof(float));
    shn_model_free(b);
    c.seed = 2;
    b = train(&s, &c, new_run(&s));
    assert_memory_not_equal(a->params, b->params, a->encoder.n_params * sizeof(float));
    shn_model_free(a);
    shn_model_free(b);
    close_site(&s);
}

/** Labels of findings that a record is not known to have or not: no bit of a trained model depends on them. */
static void test_unknown_labels_change_no_trained_bit(void **state)
{
    (void)state;
    site s = open_site(0), flipped = open_site(1);
    for (int l = 0; l < SHN_LOSS_COUNT; l++) {
        shn_train_config c = small((shn_loss)l);
        c.epochs = 2;
        c.class_columns = shn_loss_is_pair((shn_loss)l) ? 0.5 : 0;
        shn_model *a = train(&s, &c, new_run(&s)), *b = train(&flipped, &c, new_run(&flipped));
        assert_memory_equal(a->params, b->params, a->encoder.n_params * sizeof(float));
        assert_memory_equal(a->state, b->state, a->encoder.n_state * sizeof(float));
        if (a->D) assert_memory_equal(a->projection, b->projection, a->E * a->D * sizeof(float));
        else assert_memory_equal(a->head_weight, b->head_weight, a->K * a->E * sizeof(float));
        shn_model_free(a);
        shn_model_free(b);
    }
    close_site(&s);
    close_site(&flipped);
}

/** With a flat temperature CLIP starts at log B: B is the whole batch, whatever parts it is computed in. */
static void test_accumulation_keeps_the_batch_whole(void **state)
{
    (void)state;
    site s = open_site(0);
    for (uint32_t parts = 1; parts <= 3; parts++) {
        shn_train_config c = small(SHN_LOSS_CLIP);
        char   run[300];
        double last;
        c.accum_freq = parts;
        c.temperature = 100;
        c.epochs = 1;
        snprintf(run, sizeof run, "%s", new_run(&s));
        shn_model_free(train(&s, &c, run));
        assert_near(first_and_last_loss(run, 0, &last), log(8.0 * parts), 0.01);
    }
    close_site(&s);
}

static int stop_at_once(void *context, const shn_progress *p)
{
    *(uint64_t *)context = p->done;
    return 1;
}

static void test_bad_runs_say_why(void **state)
{
    (void)state;
    site s = open_site(0);
    shn_error  err = { 0 };
    shn_model *m;
    char       path[300];
    shn_cohort *shared;
    shn_train_config c = small(SHN_LOSS_CLIP);
    strcpy(c.split, "no such");
    assert_status(shn_train(s.c, s.vectors, &c, new_run(&s), NULL, &m, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_NO_SPLIT);
    c = small(SHN_LOSS_CLIP);
    assert_status(shn_train(s.c, NULL, &c, new_run(&s), NULL, &m, &err), SHN_RANGE);
    snprintf(path, sizeof path, "%s/overlap.h5", s.root);
    write_cohort(path, 0, 1, NULL);
    assert_ok(shn_cohort_open(path, &shared, &err));
    assert_status(shn_train(shared, s.vectors, &c, new_run(&s), NULL, &m, &err), SHN_MISMATCH);
    assert_int_equal(err.reason, SHN_REASON_PATIENT_OVERLAP);
    assert_non_null(strstr(err.text, "p0 (val)"));
    shn_cohort_close(shared);
    uint64_t done = 0;
    const shn_watcher watcher = { stop_at_once, &done };
    assert_status(shn_train(s.c, s.vectors, &c, new_run(&s), &watcher, &m, &err), SHN_CANCELLED);
    assert_int_equal(done, 8);
    c = small(SHN_LOSS_BCE);                    /* weights grow a hundredfold per step */
    c.lr = c.wd = 10;
    c.warmup = 0;
    c.epochs = 40;
    c.grad_clip_norm = 0;
    assert_status(shn_train(s.c, NULL, &c, new_run(&s), NULL, &m, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "not a finite number at step"));
    close_site(&s);
}

static void test_torn_checkpoints_are_refused(void **state)
{
    (void)state;
    site s = open_site(0);
    shn_error  err = { 0 };
    shn_model *m;
    char       run[300], path[340];
    uint8_t   *bytes;
    size_t     n;
    shn_train_config c = small(SHN_LOSS_BCE);
    snprintf(run, sizeof run, "%s", new_run(&s));
    snprintf(path, sizeof path, "%s/checkpoints/last.safetensors", run);
    strcpy(c.stop_after, "step:2");
    assert_status(shn_train(s.c, NULL, &c, run, NULL, &m, &err), SHN_CANCELLED);
    assert_ok(shn_file_read(path, (size_t)1 << 28, &bytes, &n, &err));
    c.resume = 1;
    for (size_t keep = 0; keep < n; keep += n / 7 + 1) {
        assert_ok(shn_file_write(path, bytes, keep, &err));
        const shn_status st = shn_train(s.c, NULL, &c, run, NULL, &m, &err);
        assert_true(st == SHN_FORMAT || st == SHN_MISMATCH);
        assert_non_null(strstr(err.text, "last.safetensors"));
    }
    free(bytes);
    close_site(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_loss_learns),
        cmocka_unit_test(test_resumed_runs_end_with_the_same_bits),
        cmocka_unit_test(test_reports_are_counted_and_drawn), cmocka_unit_test(test_patients_without_a_name_do_not_count),
        cmocka_unit_test(test_sentences_train_with_every_loss),
        cmocka_unit_test(test_sentences_are_learned),
        cmocka_unit_test(test_few_codes),
        cmocka_unit_test(test_seed_and_chunk),
        cmocka_unit_test(test_unknown_labels_change_no_trained_bit),
        cmocka_unit_test(test_accumulation_keeps_the_batch_whole),
        cmocka_unit_test(test_bad_runs_say_why),
        cmocka_unit_test(test_torn_checkpoints_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
