/** Training with labels and texts: the data, the head and its losses on a run's embeddings. The mechanics of a run are run.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "shinden/signal.h"
#include "train/head.h"
#include "train/model_out.h"
#include "train/run.h"
#include "train/train_data.h"

enum { BIAS_BATCHES = 64 };

typedef struct trainer {
    shn_run          run;
    shn_train_data   data;
    shn_texts       *texts;                     /* NULL for bce without sentences */
    shn_head        *head;
    const char      *text_source;
    shn_text_provider provider;                 /* of the vectors; its centre is borrowed from them */
    uint8_t         *label, *known;             /* [B][K] of the batch */
    uint32_t        *set, *sentence;            /* [B] */
} trainer;

/* --- setting up --- */

static shn_status hash_texts(trainer *t, shn_error *err)
{
    strcpy(t->run.texts_hash, "none");
    if (!t->texts) return SHN_OK;
    uint8_t digest[32];
    const shn_texts   *x = t->texts;
    const shn_reports *r = &t->data.reports;
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "train");
    shn_sha256_add(h, x->rows, x->n_rows * x->D * sizeof *x->rows);
    if (r->n) {                                         /* the cohort's digest does not cover reports */
        shn_sha256_add(h, r->first, (r->n_records + 1) * sizeof *r->first);
        shn_sha256_add(h, r->sentence, r->first[r->n_records] * sizeof *r->sentence);
    }
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, t->run.texts_hash);
    return SHN_OK;
}

static void choose_input(trainer *t, const shn_cohort *c)
{
    const shn_train_config *g = &t->run.config;
    const size_t T = shn_cohort_n_samples(c), window = shn_run_window(g, &t->run.enc, T, shn_cohort_fs_hz(c));
    t->run.input = (shn_input){ .fs_hz = shn_cohort_fs_hz(c), .n_samples = (uint32_t)T, .window = (uint32_t)window,
                                .n_windows = window < T ? g->n_windows : 1, .reduce = g->reduce, .norm = g->norm,
                                .scale_per_mv = t->data.scale_per_mv, .lead_present = t->data.lead_present };
}

static shn_status open_texts(trainer *t, const shn_vectors *vectors, const shn_vectors *sentences, shn_error *err)
{
    const shn_train_config *g = &t->run.config;
    const size_t K = t->data.K;
    const shn_finding **finding = shn_alloc(K, sizeof *finding);
    if (!finding) return shn_fail_nomem(err, "train");
    for (size_t k = 0; k < K; k++) finding[k] = shn_cohort_finding(t->data.cohort, k);
    const shn_texts_rule rule = { .form = g->text_form, .japanese = strcmp(g->language, "ja") == 0, .joined = strcmp(g->record_text, "joined") == 0,
                                  .centre = g->centre, .left_out = t->data.left_out, .permute = g->permute_texts,
                                  .reports = g->sentences > 0 ? &t->data.reports : NULL, .sentences = sentences };
    const shn_status st = shn_texts_new(vectors, finding, K, g->encoder.embed, &rule, &t->data.sets, t->run.B, &t->texts, err);
    free(finding);
    return st;
}

static shn_status make_texts(trainer *t, const shn_vectors *vectors, shn_error *err)
{
    const shn_train_config *g = &t->run.config;
    shn_vectors *own = NULL;
    shn_status   st = SHN_OK;
    t->text_source = "none";
    if (g->loss == SHN_LOSS_BCE && g->sentences == 0) return SHN_OK;
    if (!vectors) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train", "'%s' needs text vectors", shn_loss_name(g->loss));
    t->text_source = shn_vectors_describe(vectors);
    t->provider = *shn_vectors_provider(vectors);
    if (g->sentence_text[0]) st = shn_vectors_open(g->sentence_text, g->seed, &own, err);
    if (st == SHN_OK) st = open_texts(t, vectors, own ? own : vectors, err);
    shn_vectors_free(own);
    return st;
}

static void gather_labels(trainer *t, const uint32_t *items)
{
    const size_t K = t->data.K;
    for (size_t i = 0; i < t->run.B; i++) {
        memcpy(t->label + i * K, t->data.label + items[i] * K, K);
        memcpy(t->known + i * K, t->data.known + items[i] * K, K);
        t->set[i] = t->data.sets.of_record[items[i]];
    }
}

/** What each record of the batch says in this epoch. */
static void draw_sentences(trainer *t, const shn_batch *batch)
{
    for (size_t i = 0; i < t->run.B && t->run.config.sentences > 0; i++)
        t->sentence[i] = shn_reports_draw(&t->data.reports, t->run.config.seed, batch->epoch, batch->items[i]);
}

static shn_batch_labels batch_labels(const trainer *t) { return (shn_batch_labels){ t->label, t->known, t->run.B, t->data.K }; }

/** b0 from the pair targets of the first epoch's batches, at most BIAS_BATCHES of them. */
static shn_status start_bias(trainer *t, shn_error *err)
{
    double sum = 0, count = 0;
    if (!t->head->part[HEAD_PAIR_BIAS].size) return SHN_OK;
    uint32_t *order = shn_alloc(t->data.n, sizeof *order);
    if (!order) return shn_fail_nomem(err, "train");
    shn_loader_order(t->run.config.seed, 0, t->data.n, order);
    shn_status st = SHN_OK;
    for (uint64_t s = 0; st == SHN_OK && s < t->run.steps_per_epoch && s < BIAS_BATCHES; s++) {
        gather_labels(t, order + s * t->run.B);
        const shn_batch_labels labels = batch_labels(t);
        st = shn_pair_target_sum(t->head->work, &t->head->pair, &labels, &sum, &count, err);
    }
    free(order);
    if (st == SHN_OK) shn_head_set_pair_bias(t->head, count > 0 ? sum / count : 0.5);
    return st;
}

static shn_status make_head(trainer *t, shn_error *err)
{
    const shn_counts counts = { t->data.n_pos, t->data.n_known };
    t->label = shn_alloc(t->run.B, t->data.K);
    t->known = shn_alloc(t->run.B, t->data.K);
    t->set = shn_alloc(t->run.B, sizeof *t->set);
    t->sentence = shn_alloc(t->run.B, sizeof *t->sentence);
    if (!t->label || !t->known || !t->set || !t->sentence) return shn_fail_nomem(err, "train");
    const shn_status st = shn_head_new(&t->run.config, t->data.K, t->texts ? t->texts->D : 0, t->run.B, counts, &t->head, err);
    if (st != SHN_OK) return st;
    t->run.head = (shn_head_block){ t->head->n, t->head->p, t->head->m, t->head->v };
    return start_bias(t, err);
}

static shn_packed packed_row(const void *context, size_t item)
{
    const shn_train_data *d = context;
    return shn_cohort_packed(d->cohort, d->rows[item]);
}

static shn_status begin(trainer *t, shn_error *err)
{
    char  records[32], coded[32], left_out[32], sentences[32], *yaml = NULL, *bits = NULL;
    snprintf(records, sizeof records, "%zu", t->data.n);
    snprintf(coded, sizeof coded, "%zu", t->data.n_coded);
    snprintf(left_out, sizeof left_out, "%zu", t->data.n_left_out);
    snprintf(sentences, sizeof sentences, "%zu", t->data.reports.n);
    const char *const pairs[] = { "loss", shn_loss_name(t->run.config.loss), "text", t->text_source, "cohort", t->data.digest, "records", records,
                                  "coded", coded, "left_out_nothing_known", left_out, "sentences", sentences };
    memcpy(t->run.data_hash, t->data.digest, sizeof t->run.data_hash);
    const shn_train_config resumable = shn_train_resumable(&t->run.config);
    shn_status st = shn_train_config_yaml(&t->run.config, 0, &yaml, err);
    if (st == SHN_OK) st = shn_train_config_yaml(&resumable, 1, &bits, err);
    if (st == SHN_OK) st = shn_run_begin(&t->run, yaml, bits, pairs, sizeof pairs / sizeof *pairs / 2, err);
    free(yaml);
    free(bits);
    return st;
}

static shn_status setup(trainer *t, const shn_cohort *c, const shn_vectors *vectors, const char *run_folder, shn_error *err)
{
    const shn_train_config *g = &t->run.config;
    shn_status st = shn_train_config_check(g, err);
    if (st == SHN_OK) st = shn_encoder_build(&g->encoder, &t->run.enc, err);
    if (st == SHN_OK && shn_group_rank(g->group) == 0) st = shn_run_folder(&t->run, run_folder, "model.safetensors", err);
    if (st == SHN_OK) st = shn_train_data_load(c, g, &t->data, err);
    if (st != SHN_OK) return st;
    choose_input(t, c);
    t->run.source = (shn_loader_source){ t->data.n, packed_row, &t->data };
    st = shn_run_open(&t->run, err);
    if (st == SHN_OK) st = make_texts(t, vectors, err);
    if (st == SHN_OK) st = make_head(t, err);
    if (st == SHN_OK) st = hash_texts(t, err);
    st = shn_group_agree(g->group, st, err);
    return st == SHN_OK ? begin(t, err) : st;
}

/* --- a step --- */

static shn_status batch_loss(void *context, const shn_batch *batch, double *loss, shn_error *err)
{
    trainer *t = context;
    gather_labels(t, batch->items);
    draw_sentences(t, batch);
    const shn_batch_labels labels = batch_labels(t);
    const shn_batch_texts  texts = { t->set, t->sentence };
    return shn_head_loss(t->head, t->texts, &labels, &texts, t->run.z, loss, t->run.d_z, err);
}

static double gradient_square(const void *context) { return shn_head_gradient_square(((const trainer *)context)->head); }

static void step_head(void *context, double lr, uint64_t step, float grad_scale)
{
    shn_head_step(((trainer *)context)->head, lr, step, grad_scale);
}

static size_t scalars(const void *context, shn_scalar *s)
{
    const shn_head *h = ((const trainer *)context)->head;
    size_t n = 0;
    if (h->part[HEAD_PAIR_SCALE].size) s[n++] = (shn_scalar){ "logit_scale", exp((double)*shn_head_at(h, HEAD_PAIR_SCALE)) };
    if (h->part[HEAD_PAIR_BIAS].size) s[n++] = (shn_scalar){ "logit_bias", (double)*shn_head_at(h, HEAD_PAIR_BIAS) };
    if (h->part[HEAD_CLASS_SCALE].trained && h->part[HEAD_CLASS_SCALE].size)
        s[n++] = (shn_scalar){ "class_scale", exp((double)*shn_head_at(h, HEAD_CLASS_SCALE)) };
    if (h->part[HEAD_CLASS_BIAS].size) s[n++] = (shn_scalar){ "class_bias", (double)*shn_head_at(h, HEAD_CLASS_BIAS) };
    if (h->part[HEAD_SENTENCE_SCALE].size) {
        s[n++] = (shn_scalar){ "sentence_loss", h->sentence_loss };
        s[n++] = (shn_scalar){ "sentence_scale", exp((double)*shn_head_at(h, HEAD_SENTENCE_SCALE)) };
    }
    return n;
}

static void release(trainer *t)
{
    shn_run_close(&t->run);
    shn_head_free(t->head);
    shn_texts_free(t->texts);
    shn_train_data_free(&t->data);
    void *all[] = { t->label, t->known, t->set, t->sentence };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(t);
}

shn_status shn_train(const shn_cohort *c, const shn_vectors *vectors, const shn_train_config *config, const char *run_folder,
                     const shn_watcher *watcher, shn_model **out, shn_error *err)
{
    *out = NULL;
    trainer *t = shn_alloc(1, sizeof *t);           /* the encoder's table alone is tens of kilobytes: not for the stack */
    if (!t) return shn_fail_nomem(err, "train");
    t->run.name = "train";
    t->run.views = 1;
    t->run.config = *config;
    const shn_run_task task = { t, batch_loss, gradient_square, step_head, scalars };
    shn_status st = setup(t, c, vectors, run_folder, err);
    if (st == SHN_OK) st = shn_run_steps(&t->run, &task, watcher, err);
    if (st == SHN_OK) st = shn_model_from_run(&t->data, &t->run, t->head, t->texts, t->text_source, &t->provider, out, err);
    release(t);
    return st;
}
