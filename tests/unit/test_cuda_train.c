/**
 * Whole trainings with --engine cuda on the fake machine of fake_cuda.h: the same course as the reference, stopped and gone on from the
 * checkpoint on the CPU and back, a GPU that fails in between. Builds without CUDA skip: CUDA's headers are needed.
 */
#ifdef SHINDEN_CUDA
#include "cuda_support.h"
#include "fake_cudnn.h"

#include "base/file.h"
#include "data/cohort_writer.h"
#include "shinden/train.h"

enum { ROWS = 20, SAMPLES = 100, FINDINGS = 2 };

/** A finding is a sine of its own frequency in noise. */
static void write_cohort(const char *path)
{
    static const char *const ids[FINDINGS] = { "atrial_fibrillation", "sinus_rhythm" };
    shn_error            err = { 0 };
    shn_cohort_writer   *w;
    const shn_cohort_spec spec = { .path = path, .n_rows = ROWS, .n_samples = SAMPLES, .fs_hz = 100, .finding_ids = ids, .n_findings = FINDINGS };
    shn_rng              r = shn_rng_stream(3, 0, 0, 0);
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < ROWS; i++) {
        static float  mv[SHN_LEADS][SAMPLES];
        const uint8_t label[FINDINGS] = { i % 2 == 0, i % 3 == 0 }, known[FINDINGS] = { 1, 1 };
        char          id[16];
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = SAMPLES, .labels = label, .known = known, .id = id, .patient = id, .split = "train", .age = NAN, .report = "" };
        for (int l = 0; l < SHN_LEADS; l++) {
            for (int t = 0; t < SAMPLES; t++)
                mv[l][t] = (float)(0.1 * shn_rng_normal(&r) + label[0] * sin(0.3 * t) + label[1] * sin(0.8 * t));
            row.lead_mv[l] = mv[l];
        }
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

typedef struct site { char root[256], cohort[300]; shn_cohort *c; shn_train_config config; } site;

static site open_site(void)
{
    shn_error err = { 0 };
    site      s;
    snprintf(s.root, sizeof s.root, "%s", test_folder());
    snprintf(s.cohort, sizeof s.cohort, "%s/c.h5", s.root);
    write_cohort(s.cohort);
    assert_ok(shn_cohort_open(s.cohort, &s.c, &err));
    shn_train_defaults(SHN_LOSS_BCE, SAMPLES, 100, &s.config);
    s.config.encoder.width = 8;
    s.config.encoder.blocks[0] = s.config.encoder.blocks[1] = 1;
    s.config.encoder.blocks[2] = s.config.encoder.blocks[3] = 0;
    s.config.encoder.embed = 8;
    s.config.crop_seconds = 0.64;
    s.config.batch_size = 8;
    s.config.epochs = 5;
    s.config.n_threads = 1;
    s.config.lr = 1e-2;
    s.config.precision = SHN_PRECISION_F32;
    memset(&fake, 0, offsetof(fake_machine, recorded));
    fake.devices = 1;
    fake.major = 9;
    return s;
}

/** Trains in the folder `run` until after step `stop`, 0: to the end. */
static shn_status train(site *s, const char *engine, const char *run, int stop, int resume, shn_error *err)
{
    shn_model       *m = NULL;
    shn_train_config c = s->config;
    char             path[320];
    snprintf(path, sizeof path, "%s/%s", s->root, run);
    strcpy(c.engine, engine);
    if (stop) snprintf(c.stop_after, sizeof c.stop_after, "step:%d", stop);
    c.resume = resume;
    const shn_status st = shn_train(s->c, NULL, &c, path, NULL, &m, err);
    shn_model_free(m);
    return st;
}

/** The losses of a run's steps; returns how many. notes: how often the log says that the engine has changed. */
static size_t losses(const site *s, const char *run, double *loss, int *notes)
{
    char   path[340], line[2048];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s/log.jsonl", s->root, run);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    *notes = 0;
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"loss\": ");
        *notes += strstr(line, "\"engine_changed\"") != NULL;
        if (strstr(line, "\"event\": \"step\"") && at) loss[n++] = strtod(strchr(at, ':') + 1, NULL);
    }
    fclose(f);
    return n;
}

/** What the first line of a run's log says of its windows. */
static void assert_windows(const site *s, const char *run, const char *says)
{
    char path[340], line[2048];
    snprintf(path, sizeof path, "%s/%s/log.jsonl", s->root, run);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    if (!strstr(line, says)) fail_msg("%s: no '%s' in %s", run, says, line);
}

static void test_a_training_goes_on_with_another_engine(void **state)
{
    (void)state;
    shn_error err = { 0 };
    site      s = open_site();
    double    ref[64], cuda[64], moved[64];
    int       notes;
    assert_ok(train(&s, "ref", "ref", 0, 0, &err));
    assert_ok(train(&s, "cuda", "cuda", 0, 0, &err));
    assert_true(fake.graphs_run > 10 && fake.open == 0);
    assert_windows(&s, "ref", "\"windows\":\"made by the loader\"");
    assert_windows(&s, "cuda", "\"windows\":\"made on the device\"");
    const size_t n = losses(&s, "ref", ref, &notes);
    assert_int_equal(n, 10);
    assert_int_equal(losses(&s, "cuda", cuda, &notes), n);
    for (size_t i = 0; i < n; i++) assert_near(cuda[i] / ref[i], 1, 1e-3);
    assert_true(cuda[n - 1] < cuda[0]);
    /* GPU, CPU, GPU */
    assert_status(train(&s, "cuda", "moved", 3, 0, &err), SHN_CANCELLED);
    assert_status(train(&s, "cpu", "moved", 7, 1, &err), SHN_CANCELLED);
    assert_ok(train(&s, "cuda-fast", "moved", 0, 1, &err));
    assert_int_equal(losses(&s, "moved", moved, &notes), n);
    assert_int_equal(notes, 2);
    for (size_t i = 0; i < n; i++) assert_near(moved[i] / cuda[i], 1, 1e-3);
    /* back on the same engine: the same bits */
    assert_status(train(&s, "cuda", "again", 5, 0, &err), SHN_CANCELLED);
    assert_ok(train(&s, "cuda", "again", 0, 1, &err));
    assert_int_equal(losses(&s, "again", moved, &notes), n);
    assert_int_equal(notes, 0);
    for (size_t i = 0; i < n; i++) assert_true(moved[i] == cuda[i]);
    shn_cohort_close(s.c);
}

/** A GPU that fails anywhere ends the run with its error, and never with a checkpoint of what could not be fetched. */
static void test_a_failing_gpu_spoils_no_checkpoint(void **state)
{
    (void)state;
    shn_error err = { 0 };
    site      s = open_site();
    s.config.checkpoint_seconds = 0;            /* after every step */
    assert_ok(train(&s, "cuda", "whole", 0, 0, &err));
    const long calls = fake.calls;
    for (long k = 0; k < 40; k++) {
        char   run[16];
        double loss[64], whole[64];
        int    notes;
        snprintf(run, sizeof run, "r%ld", k);
        fake.calls = 0;
        fake.fail_at = calls - 3 * k;           /* the last steps and checkpoints; plans, which are made first, take most of the calls */
        const shn_status st = train(&s, "cuda", run, 0, 0, &err);
        assert_int_equal(st, SHN_DEVICE);
        assert_non_null(strstr(err.text, "made to fail"));
        fake.fail_at = 0;
        assert_ok(train(&s, "cuda", run, 0, 1, &err));
        const size_t n = losses(&s, "whole", whole, &notes);
        assert_int_equal(losses(&s, run, loss, &notes), n);
        for (size_t i = 0; i < n; i++) assert_true(loss[i] == whole[i]);
    }
    shn_cohort_close(s.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_training_goes_on_with_another_engine), cmocka_unit_test(test_a_failing_gpu_spoils_no_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include "without_cuda.inc"
#endif
