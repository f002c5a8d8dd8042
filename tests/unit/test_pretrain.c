/** Pre-training: the head's gradients, crops, runs resumed to the same bits, labels that are not read, and training that starts from it. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "data/cohort_writer.h"
#include "shinden/pretrain.h"
#include "shinden/signal.h"
#include "train/view_head.h"

enum { N = 22, T = 160, E = 16 };

/** Records of a sine each, of a frequency of its own. labels: what is said of them, of no matter here. */
static void write_cohort(const char *path, double fs_hz, uint64_t seed, int labels)
{
    static const char *const ids[] = { "atrial_fibrillation", "sinus_rhythm" };
    shn_error err = { 0 };
    shn_cohort_writer *w;
    const shn_cohort_spec spec = { .path = path, .n_rows = N, .n_samples = T, .fs_hz = fs_hz, .finding_ids = ids, .n_findings = 2 };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    shn_rng r = shn_rng_stream(seed, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        static float mv[SHN_LEADS][T];
        uint8_t label[2] = { (uint8_t)(labels ? i % 2 : 0), (uint8_t)(labels && i % 3 == 0) }, known[2] = { 1, (uint8_t)labels };
        char    id[16];
        for (int l = 0; l < SHN_LEADS; l++)
            for (int t = 0; t < T; t++) mv[l][t] = (float)(sin(0.05 * (double)(i + 2) * t + l) + 0.05 * shn_rng_normal(&r));
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = T, .labels = label, .known = known, .id = id, .patient = id, .split = i < 18 ? "train" : "val", .age = NAN,
                               .report = labels ? "sinus rhythm." : "" };
        for (int l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv[l];
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

static shn_cohort *make_cohort(const char *root, const char *name, double fs_hz, uint64_t seed, int labels)
{
    shn_error   err = { 0 };
    shn_cohort *c;
    char        path[300];
    snprintf(path, sizeof path, "%s/%s.h5", root, name);
    write_cohort(path, fs_hz, seed, labels);
    assert_ok(shn_cohort_open(path, &c, &err));
    return c;
}

static shn_train_config small(void)
{
    shn_train_config c;
    shn_pretrain_defaults(T, 100, &c);
    c.encoder.width = 8;
    c.encoder.blocks[0] = c.encoder.blocks[1] = 1;
    c.encoder.blocks[2] = c.encoder.blocks[3] = 0;
    c.encoder.embed = E;
    c.crop_seconds = 0.64;
    c.batch_size = 8;
    c.epochs = 4;
    c.n_threads = 1;
    strcpy(c.engine, "ref");
    return c;
}

static void test_recipe(void **state)
{
    (void)state;
    shn_train_config c;
    shn_pretrain_defaults(1000, 100, &c);
    assert_near(c.temperature, 0.1, 0);
    assert_near(c.lr, 2e-3, 0);
    assert_near(c.gain, 0.2, 0);
    assert_near(c.lead_dropout, 0.2, 0);
    assert_int_equal(c.epochs, 30);
    int n = 0;
    for (; shn_pretrain_key_at((size_t)n); n++)
        assert_true(strcmp(shn_pretrain_key_at((size_t)n)->name, "loss") != 0 && strcmp(shn_pretrain_key_at((size_t)n)->name, "text") != 0);
    assert_true(n > 20);
}

/** What pretrain would not read is no setting of it: a cohort's labels left out of a file for train must not be left out in silence here. */
static void test_a_file_of_settings(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    shn_train_config c = small();
    static const char good[] = "epochs: 7\nlr: 0.5\n", bad[] = "epochs: 9\nleave_out: atrial_fibrillation\n", unknown[] = "nonsense: 1\n";
    assert_ok(shn_pretrain_config_parse(&c, good, strlen(good), &err));
    assert_int_equal(c.epochs, 7);
    assert_status(shn_pretrain_config_parse(&c, bad, strlen(bad), &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "line 2"));
    assert_non_null(strstr(err.text, "pretrain has no setting 'leave_out'"));
    assert_int_equal(c.epochs, 7);
    assert_ok(shn_train_config_parse(&c, bad, strlen(bad), &err));
    assert_status(shn_pretrain_config_parse(&c, unknown, strlen(unknown), &err), SHN_RANGE);
}

static double head_loss(shn_view_head *h, const float *z, float *d_z)
{
    shn_error err = { 0 };
    double    loss;
    assert_ok(shn_view_head_loss(h, z, 4, &loss, d_z, &err));
    return loss;
}

static void check_slope(shn_view_head *h, float *z, float *at, float analytic)
{
    float d_z[8 * E];
    const float before = *at, step = 1e-3f;
    *at = before + step;
    const float  high = *at;
    const double up = head_loss(h, z, d_z);
    *at = before - step;
    const double slope = (up - head_loss(h, z, d_z)) / ((double)high - (double)*at);
    *at = before;
    assert_near((double)analytic, slope, 1e-3 * (1e-2 + fabs(slope)));
}

static void test_head_gradients_are_finite_differences(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    shn_view_head   *h;
    shn_train_config c = small();
    float            z[8 * E], d_z[8 * E];
    shn_rng          r = shn_rng_stream(3, 1, 4, 1);
    c.temperature = 0.2;
    assert_ok(shn_view_head_new(&c, 6, &h, &err));
    for (int i = 0; i < 8 * E; i++) z[i] = (float)shn_rng_normal(&r);
    for (int i = 0; i < SHN_VIEW_HIDDEN; i++) h->p[h->b1 + (size_t)i] = i % 3 ? 5 : -5;     /* no unit near the kink, some on either side of it */
    head_loss(h, z, d_z);
    float *g = malloc(h->n * sizeof *g);
    memcpy(g, h->g, h->n * sizeof *g);
    for (int i = 0; i < 8 * E; i++) check_slope(h, z, &z[i], d_z[i]);
    for (size_t i = 0; i < h->n; i += 97) check_slope(h, z, &h->p[i], g[i]);
    for (size_t i = h->b1; i < h->w2; i += 13) check_slope(h, z, &h->p[i], g[i]);
    for (size_t i = h->b2; i < h->n; i += 13) check_slope(h, z, &h->p[i], g[i]);
    double sum = 0;
    for (size_t i = 0; i < h->n; i++) sum += (double)g[i] * (double)g[i];
    head_loss(h, z, d_z);
    assert_near(shn_view_head_gradient_square(h), sum, 1e-9 * sum);
    free(g);
    memcpy(z + 4 * E, z, 4 * E * sizeof *z);                /* the same crop twice: nothing is nearer to it than itself */
    const double same = head_loss(h, z, d_z);
    for (int i = 0; i < E; i++) {                           /* two second crops change places */
        const float x = z[4 * E + i];
        z[4 * E + i] = z[5 * E + i];
        z[5 * E + i] = x;
    }
    assert_true(same < head_loss(h, z, d_z));
    shn_view_head_free(h);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_view_head_new(&c, 6, &h, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
    }
    shn_view_head_free(h);
}

static void read_all(const char *run, uint8_t **bytes, size_t *n)
{
    shn_error err = { 0 };
    char      path[400];
    snprintf(path, sizeof path, "%s/%s", run, SHN_PRETRAIN_RESULT);
    assert_ok(shn_file_read(path, (size_t)1 << 28, bytes, n, &err));
}

static void assert_same_encoder(const char *a, const char *b, int same)
{
    uint8_t *x, *y;
    size_t   n, m;
    read_all(a, &x, &n);
    read_all(b, &y, &m);
    assert_int_equal(n == m && memcmp(x, y, n) == 0, same);
    free(x);
    free(y);
}

static double epoch_loss(const char *run, int last)
{
    char   path[400], line[1024];
    double loss = NAN;
    snprintf(path, sizeof path, "%s/log.jsonl", run);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"epoch_loss\": ");
        if (at && (last || isnan(loss))) loss = strtod(strchr(at, ':') + 1, NULL);
    }
    fclose(f);
    return loss;
}

static void test_runs(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        root[256], run[3][300];
    snprintf(root, sizeof root, "%s", test_folder());
    shn_cohort *a = make_cohort(root, "a", 100, 1, 1), *b = make_cohort(root, "b", 100, 2, 1), *unlabelled = make_cohort(root, "c", 100, 1, 0),
               *fast = make_cohort(root, "d", 200, 1, 1);
    const shn_cohort *both[] = { a, b }, *other[] = { unlabelled, b }, *mixed[] = { a, fast };
    for (int i = 0; i < 3; i++) snprintf(run[i], sizeof run[i], "%s/run%d", root, i);
    shn_train_config c = small();
    assert_ok(shn_pretrain(both, 2, &c, run[0], NULL, &err));
    assert_ok(shn_pretrain(other, 2, &c, run[1], NULL, &err));
    assert_same_encoder(run[0], run[1], 1);                 /* no label, no report is read */
    for (int step = 1; step < 16; step += 4) {              /* 36 records: 4 steps an epoch */
        snprintf(c.stop_after, sizeof c.stop_after, "step:%d", step);
        assert_status(shn_pretrain(both, 2, &c, run[2], NULL, &err), SHN_CANCELLED);
        c.resume = 1;
    }
    c.stop_after[0] = '\0';
    assert_ok(shn_pretrain(both, 2, &c, run[2], NULL, &err));
    assert_same_encoder(run[0], run[2], 1);
    assert_status(shn_pretrain(both, 1, &c, run[2], NULL, &err), SHN_MISMATCH);             /* other records */
    c.resume = 0;
    assert_status(shn_pretrain(both, 2, &c, run[2], NULL, &err), SHN_RANGE);                /* never overwritten */
    snprintf(run[2], sizeof run[2], "%s/long", root);
    assert_status(shn_pretrain(mixed, 2, &c, run[2], NULL, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "200 Hz"));
    assert_status(shn_pretrain(both, 0, &c, run[2], NULL, &err), SHN_RANGE);
    c.epochs = 25;
    c.lr = 1e-2;
    c.accum_freq = 2;
    assert_ok(shn_pretrain(both, 2, &c, run[2], NULL, &err));
    const double first = epoch_loss(run[2], 0), last = epoch_loss(run[2], 1);
    if (!(last < 0.7 * first)) fail_msg("loss from %g to %g", first, last);
    shn_cohort_close(a);
    shn_cohort_close(b);
    shn_cohort_close(unlabelled);
    shn_cohort_close(fast);
}

/** With no step to speak of, a trained model still has the encoder it started from. */
static void test_training_starts_from_it(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_model  *m = NULL, *plain = NULL, *again = NULL;
    shn_encoder enc;
    shn_input   input;
    char        root[256], pre[300], path[400], run[300], hash[65];
    snprintf(root, sizeof root, "%s", test_folder());
    snprintf(pre, sizeof pre, "%s/pre", root);
    shn_cohort *a = make_cohort(root, "a", 100, 1, 1), *fast = make_cohort(root, "d", 200, 1, 1);
    const shn_cohort *one[] = { a };
    shn_train_config p = small(), c;
    p.split[0] = '\0';
    strcpy(p.split, "all");
    assert_ok(shn_pretrain(one, 1, &p, pre, NULL, &err));

    shn_train_defaults(SHN_LOSS_BCE, T, 100, &c);
    c.encoder = p.encoder;
    c.crop_seconds = 0.64;
    c.batch_size = 8;
    c.epochs = 1;
    c.lr = 1e-9;
    c.n_threads = 1;
    strcpy(c.engine, "ref");
    snprintf(run, sizeof run, "%s/plain", root);
    assert_ok(shn_train(a, NULL, &c, run, NULL, &plain, &err));
    strcpy(c.init, pre);
    snprintf(run, sizeof run, "%s/from", root);
    assert_ok(shn_train(a, NULL, &c, run, NULL, &m, &err));
    assert_ok(shn_encoder_build(&p.encoder, &enc, &err));
    float *params = shn_alloc_aligned(enc.n_params, sizeof *params), *st = shn_alloc_aligned(enc.n_state, sizeof *st);
    snprintf(path, sizeof path, "%s/%s", pre, SHN_PRETRAIN_RESULT);
    assert_ok(shn_encoder_read(path, &enc, params, st, &input, hash, &err));
    for (size_t i = 0; i < enc.n_params; i++) assert_near((double)m->params[i], (double)params[i], 1e-6);
    assert_memory_not_equal(m->params, plain->params, enc.n_params * sizeof *params);
    assert_true(m->input.scale_per_mv == input.scale_per_mv && plain->input.scale_per_mv != input.scale_per_mv);
    assert_non_null(strstr(m->manifest, hash));

    snprintf(path, sizeof path, "%s/m.safetensors", root);                                  /* a model serves as well */
    assert_ok(shn_model_write(m, path, &err));
    strcpy(c.init, path);
    snprintf(run, sizeof run, "%s/model", root);
    assert_ok(shn_train(a, NULL, &c, run, NULL, &again, &err));
    for (size_t i = 0; i < enc.n_params; i++) assert_near((double)again->params[i], (double)m->params[i], 1e-6);

    uint8_t *bytes;                                         /* and to pretrain itself, whose encoder says where it began */
    size_t   n_bytes;
    shn_safetensors *view;
    p.epochs = 1;
    strcpy(p.init, pre);
    snprintf(run, sizeof run, "%s/pre2", root);
    assert_ok(shn_pretrain(one, 1, &p, run, NULL, &err));
    read_all(run, &bytes, &n_bytes);
    assert_ok(shn_safetensors_open(bytes, n_bytes, &view, &err));
    const char *manifest = shn_safetensors_metadata(view, "manifest"), *says = strstr(manifest, "\"init_sha256\":\"");
    assert_non_null(says);
    assert_memory_equal(strchr(says, ':') + 2, hash, 64);
    shn_safetensors_close(view);
    free(bytes);

    strcpy(c.init, pre);                                    /* other weights under the same settings: not resumed */
    snprintf(run, sizeof run, "%s/model", root);
    c.resume = 1;
    shn_model_free(again);
    assert_status(shn_train(a, NULL, &c, run, NULL, &again, &err), SHN_MISMATCH);
    c.resume = 0;

    snprintf(run, sizeof run, "%s/bad", root);
    c.encoder.embed = 24;
    assert_status(shn_train(a, NULL, &c, run, NULL, &again, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "encoder.fc.weight' is [16][16] there and [24][16] here"));
    c.encoder.embed = E;
    c.encoder.blocks[1] = 0;
    assert_status(shn_train(a, NULL, &c, run, NULL, &again, &err), SHN_MISMATCH);
    c.encoder.blocks[1] = 1;
    c.norm = SHN_NORM_RECORD;
    assert_status(shn_train(a, NULL, &c, run, NULL, &again, &err), SHN_MISMATCH);
    c.norm = SHN_NORM_GLOBAL;
    assert_status(shn_train(fast, NULL, &c, run, NULL, &again, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "made for 100 Hz"));
    strcpy(c.init, root);
    assert_status(shn_train(a, NULL, &c, run, NULL, &again, &err), SHN_IO);
    strcpy(c.init, shn_cohort_path(a));
    assert_status(shn_train(a, NULL, &c, run, NULL, &again, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "not a safetensors file"));
    free(params);
    free(st);
    shn_model_free(m);
    shn_model_free(plain);
    shn_cohort_close(a);
    shn_cohort_close(fast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_a_file_of_settings),
        cmocka_unit_test(test_head_gradients_are_finite_differences),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_training_starts_from_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
