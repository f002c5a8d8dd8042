/**
 * Two ranks as two threads of one process, over memory that they share: what shn_run_begin and the check at an epoch's end say when a rank begins with
 * something of its own, or the sums that it gets are not the others'. Ranks over MPI: cli/ranks.sh.
 */
#include "harness.h"

#include <math.h>
#include <pthread.h>

#include "base/group.h"
#include "base/random.h"
#include "data/cohort_writer.h"
#include "shinden/train.h"

enum { N = 24, T = 160, K = 2, RANKS = 2 };

/* --- a group of threads */

typedef struct hub {
    pthread_mutex_t lock;
    pthread_cond_t  met;
    unsigned        arrived, phase;
    int             gone;                       /* a rank has left: nobody comes any more */
    void           *at[RANKS];
    unsigned long   sums, wrong_sum;            /* of rank 1 so far; which of them comes with a wrong number, 0: none */
} hub;

typedef struct member { shn_group g; hub *h; } member;

static shn_status meet(hub *h, shn_error *err)
{
    pthread_mutex_lock(&h->lock);
    const unsigned phase = h->phase;
    if (++h->arrived == RANKS) {
        h->arrived = 0;
        h->phase++;
        pthread_cond_broadcast(&h->met);
    }
    while (h->phase == phase && !h->gone) pthread_cond_wait(&h->met, &h->lock);
    const int together = h->phase != phase;
    pthread_mutex_unlock(&h->lock);
    if (together) return SHN_OK;
    *err = (shn_error){ .status = SHN_DEVICE, .text = "the other rank has left" };
    return SHN_DEVICE;
}

/** Every rank's pointer is in h->at from the first meeting to the second. */
static shn_status show(const member *m, void *mine, shn_error *err)
{
    m->h->at[m->g.rank] = mine;
    return meet(m->h, err);
}

static shn_status gather_bytes(const shn_group *g, void *all, const size_t *first, const size_t *n, shn_error *err)
{
    const member *m = (const member *)g;
    shn_error     own = { 0 };
    if (!err) err = &own;
    shn_status st = show(m, all, err);
    for (unsigned r = 0; st == SHN_OK && r < RANKS; r++)
        if (r != g->rank) memcpy((char *)all + first[r], (const char *)m->h->at[r] + first[r], n[r]);
    return st == SHN_OK ? meet(m->h, err) : st;
}

static shn_status copy(const shn_group *g, void *bytes, size_t n, shn_error *err)
{
    const member *m = (const member *)g;
    const shn_status st = show(m, bytes, err);
    if (st == SHN_OK && g->rank != 0) memcpy(bytes, m->h->at[0], n);
    return st == SHN_OK ? meet(m->h, err) : st;
}

static shn_status sum_begin(shn_group *g, float *x, size_t n, shn_error *err)
{
    member    *m = (member *)g;
    float     *sum = calloc(n, sizeof *sum);
    shn_status st = show(m, x, err);
    for (unsigned r = 0; st == SHN_OK && r < RANKS; r++)
        for (size_t i = 0; i < n; i++) sum[i] += ((const float *)m->h->at[r])[i];
    if (st == SHN_OK) st = meet(m->h, err);
    if (st == SHN_OK) memcpy(x, sum, n * sizeof *x);
    if (g->rank == 1 && ++m->h->sums == m->h->wrong_sum) x[0] = -1 - x[0];
    free(sum);
    return st;
}

static void progress(shn_group *g) { (void)g; }

static shn_status sum_end(shn_group *g, shn_error *err)
{
    (void)g, (void)err;
    return SHN_OK;
}

static shn_status leave(shn_group *g, int failed)
{
    hub *h = ((member *)g)->h;
    (void)failed;
    pthread_mutex_lock(&h->lock);
    h->gone = 1;
    pthread_cond_broadcast(&h->met);
    pthread_mutex_unlock(&h->lock);
    return SHN_OK;
}

/* --- a rank's work */

typedef struct rank {
    member            m;
    const shn_cohort *c;
    const shn_vectors *vectors;
    shn_train_config  config;
    char              folder[300];
    shn_status        status;
    shn_error         err;
    shn_model        *model;
} rank;

static void *work(void *context)
{
    rank *r = context;
    r->config.group = &r->m.g;
    r->status = shn_train(r->c, r->vectors, &r->config, r->folder, NULL, &r->model, &r->err);
    shn_group_leave(&r->m.g, r->status != SHN_OK);
    return NULL;
}

/** Trains with both; r[] is set up by `begin` and changed by the test. */
static void run_both(hub *h, rank r[RANKS])
{
    pthread_t thread;
    h->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    h->met = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    for (unsigned i = 0; i < RANKS; i++)
        r[i].m = (member){ { .rank = i, .size = RANKS, .seconds = 60, .leave = leave, .gather_bytes = gather_bytes, .copy = copy, .sum_begin = sum_begin,
                             .progress = progress, .sum_end = sum_end }, h };
    assert_int_equal(pthread_create(&thread, NULL, work, &r[1]), 0);
    work(&r[0]);
    pthread_join(thread, NULL);
}

static void write_cohort(const char *path, uint64_t seed)
{
    static const char *const ids[K] = { "atrial_fibrillation", "sinus_rhythm" };
    shn_error err = { 0 };
    shn_cohort_writer *w;
    const shn_cohort_spec spec = { .path = path, .n_rows = N, .n_samples = T, .fs_hz = 100, .finding_ids = ids, .n_findings = K };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    shn_rng rng = shn_rng_stream(seed, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        static float mv[SHN_LEADS][T];
        uint8_t label[K] = { (uint8_t)(i % 2), (uint8_t)(i % 3 == 0) }, known[K] = { 1, 1 };
        char    id[16];
        for (int l = 0; l < SHN_LEADS; l++)
            for (int t = 0; t < T; t++) mv[l][t] = (float)(label[0] * sin(0.3 * t + l) + 0.1 * shn_rng_normal(&rng));
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = T, .labels = label, .known = known, .id = id, .patient = id, .split = "train", .age = NAN, .report = "" };
        for (int l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv[l];
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

typedef struct site { char root[256]; shn_cohort *c[2]; shn_vectors *v[2]; int n_runs; } site;

static site open_site(void)
{
    site      s = { .n_runs = 0 };
    shn_error err = { 0 };
    snprintf(s.root, sizeof s.root, "%s", test_folder());
    for (int i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/c%d.h5", s.root, i);
        write_cohort(path, (uint64_t)i);
        assert_ok(shn_cohort_open(path, &s.c[i], &err));
        assert_ok(shn_vectors_hash(12, (uint64_t)i, &s.v[i], &err));
    }
    return s;
}

static void close_site(site *s)
{
    for (int i = 0; i < 2; i++) {
        shn_cohort_close(s->c[i]);
        shn_vectors_free(s->v[i]);
    }
}

static void set_up(site *s, rank r[RANKS])
{
    memset(r, 0, RANKS * sizeof *r);
    s->n_runs++;
    for (int i = 0; i < RANKS; i++) {
        shn_train_config *c = &r[i].config;
        shn_train_defaults(SHN_LOSS_SIGLIP_JACCARD, T, 100, c);
        c->encoder.width = 8;
        c->encoder.blocks[0] = c->encoder.blocks[1] = 1;
        c->encoder.blocks[2] = c->encoder.blocks[3] = 0;
        c->encoder.embed = 16;
        c->crop_seconds = 0.64;
        c->batch_size = 8;
        c->epochs = 2;
        c->n_threads = 1;
        r[i].c = s->c[0];
        r[i].vectors = s->v[0];
        snprintf(r[i].folder, sizeof r[i].folder, "%s/run%d", s->root, s->n_runs);
    }
}

/** Rank 1 says what it has, rank 0 that rank 1 failed. */
static void assert_refused(rank r[RANKS], const char *what)
{
    char text[80];
    hub  h = { .sums = 0 };
    run_both(&h, r);
    snprintf(text, sizeof text, "rank 1 has %s than rank 0", what);
    if (r[1].status != SHN_MISMATCH || !strstr(r[1].err.text, text)) fail_msg("%s: rank 1: %s", what, r[1].err.text);
    if (r[0].status != SHN_CANCELLED || !strstr(r[0].err.text, "rank 1 failed")) fail_msg("%s: rank 0: %s", what, r[0].err.text);
}

static void test_ranks_that_begin_apart(void **state)
{
    (void)state;
    static rank r[RANKS];
    site s = open_site();
    set_up(&s, r);
    r[1].config.lr *= 2;
    assert_refused(r, "other settings");
    set_up(&s, r);
    r[1].c = s.c[1];
    assert_refused(r, "another cohort");
    set_up(&s, r);
    r[1].vectors = s.v[1];
    assert_refused(r, "other texts");
    close_site(&s);
}

static void test_inits_that_differ(void **state)
{
    (void)state;
    static rank r[RANKS];
    shn_error err = { 0 };
    site s = open_site();
    char init[RANKS][320];
    for (int i = 0; i < RANKS; i++) {
        set_up(&s, r);
        r[0].config.seed = (uint64_t)i;
        r[0].config.epochs = 1;
        assert_ok(shn_train(r[0].c, r[0].vectors, &r[0].config, r[0].folder, NULL, &r[0].model, &err));
        snprintf(init[i], sizeof init[i], "%s/model.safetensors", r[0].folder);
        assert_ok(shn_model_write(r[0].model, init[i], &err));
        shn_model_free(r[0].model);
    }
    set_up(&s, r);
    for (int i = 0; i < RANKS; i++) snprintf(r[i].config.init, sizeof r[i].config.init, "%s", init[i]);
    assert_refused(r, "another init");
    close_site(&s);
}

/** Both ranks go on with the vectors that all have gathered, so without clipping their heads stay equal whatever the encoders are. */
static void test_a_wrong_sum_is_found_at_the_end_of_the_epoch(void **state)
{
    (void)state;
    static rank r[RANKS];
    site s = open_site();
    hub  h = { .wrong_sum = 0 };
    set_up(&s, r);
    run_both(&h, r);
    for (int i = 0; i < RANKS; i++) {
        if (r[i].status != SHN_OK) fail_msg("rank %d: %s", i, r[i].err.text);
        assert_non_null(r[i].model);
    }
    assert_memory_equal(r[0].model->params, r[1].model->params, r[0].model->encoder.n_params * sizeof(float));
    assert_true(h.sums > 1);
    for (int i = 0; i < RANKS; i++) shn_model_free(r[i].model);

    hub broken = { .wrong_sum = h.sums / 2 + 1 };
    set_up(&s, r);
    r[0].config.grad_clip_norm = r[1].config.grad_clip_norm = 0;
    run_both(&broken, r);
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(r[i].status, SHN_MISMATCH);
        assert_non_null(strstr(r[i].err.text, "no longer have the same bits"));
        assert_null(r[i].model);
    }
    close_site(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_ranks_that_begin_apart), cmocka_unit_test(test_inits_that_differ),
                                        cmocka_unit_test(test_a_wrong_sum_is_found_at_the_end_of_the_epoch) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
