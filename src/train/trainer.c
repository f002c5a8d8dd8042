/**
 * The training loop. A step is a function of (configuration, cohort, texts, state at its start), and its batch of (seed, step): so a
 * run that is killed and resumed from a checkpoint repeats the steps after it to the same bits.
 *
 * Several ranks share every batch: each embeds its own records, all vectors are gathered, every rank computes the loss of the whole batch (and so the
 * head's gradient), each goes back through its own records, the encoder's gradient is summed. Rank 0 alone writes. One rank takes the same way.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "data/loader.h"
#include "shinden/signal.h"
#include "train/checkpoint.h"
#include "train/head.h"
#include "train/model_out.h"
#include "train/run_log.h"
#include "train/train_data.h"

enum { EPOCH_CHECKPOINT_SECONDS = 5, BIAS_BATCHES = 64 };

typedef struct trainer {
    shn_train_config config;
    shn_train_data   data;
    shn_input        input;
    shn_encoder      enc;
    shn_engine      *engine;
    shn_texts       *texts;                     /* NULL for bce */
    shn_head        *head;
    shn_loader      *loader;
    const char      *text_source;
    size_t           B, n_parts;                /* records per step, in n_parts parts */
    unsigned         rank;
    uint32_t        *mine;                      /* [n_mine] places in the batch of this rank's records */
    size_t           n_mine;
    size_t          *part_at;                   /* [n_parts + 1] among them, at which parts begin */
    uint64_t         step, n_steps, steps_per_epoch;
    double           loss_sum;                  /* of the epoch so far */
    uint8_t         *label, *known;             /* [B][K] of the batch */
    uint32_t        *set;                       /* [B] */
    float           *z, *d_z;                   /* [B][E] */
    float           *params, *state, *m, *v;    /* encoder blocks on their way to and from files */
    shn_run_log      log;
    char             folder[SHN_PATH_MAX], checkpoint[SHN_PATH_MAX];
    char             config_hash[65], texts_hash[65];
    double           started, saved;
    uint64_t         started_step;
} trainer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- setting up --- */

static void hash_text(const char *text, char hex[65])
{
    uint8_t digest[32];
    shn_sha256_of(text, strlen(text), digest);
    shn_sha256_hex(digest, hex);
}

static shn_status hash_inputs(trainer *t, shn_error *err)
{
    char *yaml;
    const shn_status st = shn_train_config_yaml(&t->config, 1, &yaml, err);
    if (st != SHN_OK) return st;
    hash_text(yaml, t->config_hash);
    free(yaml);
    strcpy(t->texts_hash, "none");
    if (t->texts) {
        const shn_texts *x = t->texts;
        uint8_t digest[32];
        const size_t rows = x->K + 1 + (x->joined ? t->data.sets.n : 0);
        shn_sha256_of(x->rows, rows * x->D * sizeof *x->rows, digest);
        shn_sha256_hex(digest, t->texts_hash);
    }
    return SHN_OK;
}

/** Crop in samples: the configured length, or the next good one where the engine would be slow at it. */
static void choose_input(trainer *t, const shn_cohort *c)
{
    const shn_train_config *g = &t->config;
    const size_t T = shn_cohort_n_samples(c);
    const double asked = floor(g->crop_seconds * shn_cohort_fs_hz(c) + 0.5);
    size_t window = g->crop_seconds > 0 && asked < (double)T ? (size_t)(asked < 32 ? 32 : asked) : T, better;
    if (window > T) window = T;
    if (window < T && !shn_engine_good_length(&t->enc, window, &better) && better >= window - window / 10) window = better;
    t->input = (shn_input){ .fs_hz = shn_cohort_fs_hz(c), .n_samples = (uint32_t)T, .window = (uint32_t)window,
                            .n_windows = window < T ? g->n_windows : 1, .reduce = g->reduce, .norm = g->norm,
                            .scale_per_mv = t->data.scale_per_mv, .lead_present = t->data.lead_present };
}

static shn_status make_texts(trainer *t, const shn_vectors *vectors, shn_error *err)
{
    const size_t K = t->data.K;
    t->text_source = "none";
    if (t->config.loss == SHN_LOSS_BCE) return SHN_OK;
    if (!vectors) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train", "'%s' needs text vectors", shn_loss_name(t->config.loss));
    const char **id = shn_alloc(K, sizeof *id);
    if (!id) return shn_fail_nomem(err, "train");
    for (size_t k = 0; k < K; k++) id[k] = shn_cohort_finding_id(t->data.cohort, k);
    t->text_source = shn_vectors_describe(vectors);
    const shn_texts_rule rule = { .form = t->config.text_form, .japanese = strcmp(t->config.language, "ja") == 0,
                                  .joined = strcmp(t->config.record_text, "joined") == 0, .centre = t->config.centre,
                                  .left_out = t->data.left_out, .permute = t->config.permute_texts };
    const shn_status st = shn_texts_new(vectors, id, K, t->config.encoder.embed, &rule, &t->data.sets, t->B, &t->texts, err);
    free(id);
    return st;
}

/** The places [*first, *last) of part p of a batch that are this rank's. */
static void my_share(const trainer *t, size_t p, size_t *first, size_t *last)
{
    size_t begin, end;
    shn_team_share(t->B, (unsigned)p, (unsigned)t->n_parts, &begin, &end);
    shn_group_share(t->config.group, end - begin, first, last);
    *first += begin;
    *last += begin;
}

/** *most: the largest number of records that this rank has in a part. */
static shn_status share_batch(trainer *t, size_t *most, shn_error *err)
{
    const unsigned ranks = shn_group_size(t->config.group);
    *most = 0;
    if (t->B / t->n_parts < ranks)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train", "batches of %zu in %zu parts for %u ranks: every rank needs a record of every part; start fewer ranks, or raise "
                        "batch_size", t->B, t->n_parts, ranks);
    t->mine = shn_alloc(t->B, sizeof *t->mine);
    t->part_at = shn_alloc(t->n_parts + 1, sizeof *t->part_at);
    if (!t->mine || !t->part_at) return shn_fail_nomem(err, "train");
    for (size_t p = 0; p < t->n_parts; p++) {
        size_t first, last;
        my_share(t, p, &first, &last);
        if (last - first > *most) *most = last - first;
        for (; first < last; first++) t->mine[t->n_mine++] = (uint32_t)first;
        t->part_at[p + 1] = t->n_mine;
    }
    return SHN_OK;
}

static shn_status make_engine(trainer *t, shn_error *err)
{
    shn_engine_options o;
    size_t part;
    shn_status st = share_batch(t, &part, err);
    if (st != SHN_OK) return st;
    shn_engine_defaults(&o);
    o.group = t->config.group;
    o.sync_statistics = t->config.sync_batch_norm;
    o.name = t->config.engine;
    o.precision = t->config.precision;
    o.winograd = t->config.winograd;
    o.n_threads = t->config.n_threads;
    t->params = shn_alloc_aligned(t->enc.n_params, sizeof *t->params);
    t->state = shn_alloc_aligned(t->enc.n_state, sizeof *t->state);
    t->m = shn_alloc_aligned(t->enc.n_params, sizeof *t->m);
    t->v = shn_alloc_aligned(t->enc.n_params, sizeof *t->v);
    t->z = shn_alloc_aligned(t->B, t->config.encoder.embed * sizeof *t->z);
    t->d_z = shn_alloc_aligned(t->B, t->config.encoder.embed * sizeof *t->d_z);
    t->label = shn_alloc(t->B, t->data.K);
    t->known = shn_alloc(t->B, t->data.K);
    t->set = shn_alloc(t->B, sizeof *t->set);
    if (!t->params || !t->state || !t->m || !t->v || !t->z || !t->d_z || !t->label || !t->known || !t->set) return shn_fail_nomem(err, "train");
    st = shn_engine_new(&t->enc, t->input.window, part, 1, &o, &t->engine, err);
    if (st != SHN_OK) return st;
    shn_encoder_init(&t->enc, t->config.seed, t->params, t->state);
    shn_engine_set(t->engine, t->params, t->state);
    return SHN_OK;
}

static void gather_labels(trainer *t, const uint32_t *items)
{
    const size_t K = t->data.K;
    for (size_t i = 0; i < t->B; i++) {
        memcpy(t->label + i * K, t->data.label + items[i] * K, K);
        memcpy(t->known + i * K, t->data.known + items[i] * K, K);
        t->set[i] = t->data.sets.of_record[items[i]];
    }
}

static shn_batch_labels batch_labels(const trainer *t) { return (shn_batch_labels){ t->label, t->known, t->B, t->data.K }; }

/** b0 from the pair targets of the first epoch's batches, at most BIAS_BATCHES of them. */
static shn_status start_bias(trainer *t, shn_error *err)
{
    double sum = 0, count = 0;
    if (!t->head->part[HEAD_PAIR_BIAS].size) return SHN_OK;
    uint32_t *order = shn_alloc(t->data.n, sizeof *order);
    if (!order) return shn_fail_nomem(err, "train");
    shn_loader_order(t->config.seed, 0, t->data.n, order);
    shn_status st = SHN_OK;
    for (uint64_t s = 0; st == SHN_OK && s < t->steps_per_epoch && s < BIAS_BATCHES; s++) {
        gather_labels(t, order + s * t->B);
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
    const shn_status st = shn_head_new(&t->config, t->data.K, t->texts ? t->texts->D : 0, t->B, counts, &t->head, err);
    return st == SHN_OK ? start_bias(t, err) : st;
}

static shn_packed packed_row(const void *context, size_t item)
{
    const shn_train_data *d = context;
    return shn_cohort_packed(d->cohort, d->rows[item]);
}

static shn_status start_loader(trainer *t, shn_error *err)
{
    const shn_train_config *g = &t->config;
    const shn_loader_source source = { t->data.n, packed_row, &t->data };
    const shn_loader_options o = { .input = t->input, .augment = { g->gain, g->noise, g->wander, g->lead_dropout }, .seed = g->seed,
                                   .batch = (size_t)g->batch_size * g->accum_freq, .first_step = t->step, .n_steps = t->n_steps,
                                   .take = t->mine, .n_take = t->n_mine, .parts = t->part_at, .n_parts = t->n_parts };
    return shn_loader_new(&source, &o, &t->loader, err);
}

/* --- checkpoints --- */

static shn_checkpoint checkpoint_of(trainer *t)
{
    shn_checkpoint c = { .step = t->step, .loss_sum = t->loss_sum, .n_params = t->enc.n_params, .n_state = t->enc.n_state,
                         .n_head = t->head->n, .params = t->params, .state = t->state, .m = t->m, .v = t->v, .head = t->head->p,
                         .head_m = t->head->m, .head_v = t->head->v };
    memcpy(c.config, t->config_hash, sizeof c.config);
    memcpy(c.cohort, t->data.digest, sizeof c.cohort);
    memcpy(c.texts, t->texts_hash, sizeof c.texts);
    snprintf(c.engine, sizeof c.engine, "%s", shn_engine_describe(t->engine));
    return c;
}

static shn_status save(trainer *t, shn_error *err)
{
    shn_checkpoint c = checkpoint_of(t);
    shn_engine_get(t->engine, t->params, t->state);
    shn_engine_get_moments(t->engine, t->m, t->v);
    shn_status st = shn_run_log_sync(&t->log, &c.json_at, &c.events_at, err);
    if (st == SHN_OK) st = shn_checkpoint_write(&c, t->checkpoint, err);
    t->saved = now();
    return st;
}

static int due(const trainer *t)
{
    const double age = now() - t->saved;
    return t->step == t->n_steps || age >= t->config.checkpoint_seconds ||
           (t->step % t->steps_per_epoch == 0 && age >= EPOCH_CHECKPOINT_SECONDS);
}

static shn_status note_start(trainer *t, const char *event, shn_error *err)
{
    char records[32], left_out[32], window[32], batch[32];
    snprintf(records, sizeof records, "%zu", t->data.n);
    snprintf(left_out, sizeof left_out, "%zu", t->data.n_left_out);
    snprintf(window, sizeof window, "%" PRIu32, t->input.window);
    snprintf(batch, sizeof batch, "%zu", t->B);
    const char *const pairs[] = { "loss", shn_loss_name(t->config.loss), "text", t->text_source, "engine", shn_engine_describe(t->engine),
                                  "cohort", t->data.digest, "records", records, "left_out_nothing_known", left_out, "window", window,
                                  "batch", batch, "batch_norm", t->n_parts > 1 ? "statistics per part of the batch" : "statistics of the batch" };
    return shn_run_log_note(&t->log, event, pairs, sizeof pairs / sizeof *pairs / 2, err);
}

static shn_status read_checkpoint(trainer *t, shn_checkpoint *c, shn_error *err)
{
    const shn_status st = shn_checkpoint_read(c, t->checkpoint, err);
    if (st == SHN_OK && c->step > t->n_steps)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "checkpoint", "%s: step %" PRIu64 " of %" PRIu64, t->checkpoint, c->step, t->n_steps);
    return st == SHN_OK ? shn_run_log_open(t->folder, c->json_at, c->events_at, &t->log, err) : st;
}

/** What rank 0 has read, for all ranks: only that one needs to see the run's folder. */
static shn_status share_checkpoint(const trainer *t, shn_checkpoint *c, shn_error *err)
{
    float *const blocks[] = { t->params, t->state, t->m, t->v, t->head->p, t->head->m, t->head->v };
    const size_t sizes[] = { c->n_params, c->n_state, c->n_params, c->n_params, c->n_head, c->n_head, c->n_head };
    shn_status   st = shn_group_copy(t->config.group, &c->step, sizeof c->step, err);
    if (st == SHN_OK) st = shn_group_copy(t->config.group, &c->loss_sum, sizeof c->loss_sum, err);
    for (size_t i = 0; st == SHN_OK && i < sizeof blocks / sizeof *blocks; i++) st = shn_group_copy(t->config.group, blocks[i], sizes[i] * sizeof(float), err);
    return st;
}

static shn_status resume(trainer *t, shn_error *err)
{
    shn_checkpoint c = checkpoint_of(t);
    shn_status st = shn_group_agree(t->config.group, t->rank == 0 ? read_checkpoint(t, &c, err) : SHN_OK, err);
    if (st == SHN_OK) st = share_checkpoint(t, &c, err);
    if (st != SHN_OK) return st;
    t->step = c.step;
    t->loss_sum = c.loss_sum;
    shn_engine_set(t->engine, t->params, t->state);
    shn_engine_set_moments(t->engine, t->m, t->v);
    if (t->rank != 0 || strcmp(c.engine, shn_engine_describe(t->engine)) == 0) return SHN_OK;
    const char *const pairs[] = { "was", c.engine, "is", shn_engine_describe(t->engine), "note", "the bits of the run may differ from here on" };
    return shn_run_log_note(&t->log, "engine_changed", pairs, 3, err);
}

static shn_status begin(trainer *t, shn_error *err)
{
    char path[SHN_PATH_MAX], *yaml;
    shn_status st = shn_path_join(path, t->folder, "config.yaml", err);
    if (st == SHN_OK) st = shn_train_config_yaml(&t->config, 0, &yaml, err);
    if (st != SHN_OK) return st;
    st = shn_file_write(path, yaml, strlen(yaml), err);
    free(yaml);
    if (st == SHN_OK) st = shn_run_log_open(t->folder, 0, 0, &t->log, err);
    return st == SHN_OK ? note_start(t, "start", err) : st;
}

/** Folder and names; a run that is already there is never overwritten. */
static shn_status prepare_folder(trainer *t, const char *run_folder, shn_error *err)
{
    char checkpoints[SHN_PATH_MAX], model[SHN_PATH_MAX];
    shn_status st = shn_path_join(t->folder, run_folder, "", err);
    if (st == SHN_OK) st = shn_path_join(checkpoints, run_folder, "checkpoints", err);
    if (st == SHN_OK) st = shn_path_join(t->checkpoint, checkpoints, "last.safetensors", err);
    if (st == SHN_OK) st = shn_path_join(model, run_folder, "model.safetensors", err);
    if (st != SHN_OK) return st;
    if (!t->config.resume && (shn_path_exists(t->checkpoint) || shn_path_exists(model)))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train", "%s holds a run already; go on with --resume, or name another folder",
                        run_folder);
    return shn_dir_make(checkpoints, err);
}

static shn_status setup(trainer *t, const shn_cohort *c, const shn_vectors *vectors, const char *run_folder, shn_error *err)
{
    const shn_train_config *g = &t->config;
    shn_status st = shn_train_config_check(g, err);
    if (st == SHN_OK) st = shn_encoder_build(&g->encoder, &t->enc, err);
    if (st == SHN_OK && shn_group_rank(g->group) == 0) st = prepare_folder(t, run_folder, err);
    if (st == SHN_OK) st = shn_train_data_load(c, g, &t->data, err);
    if (st != SHN_OK) return st;
    t->B = shn_loader_batch(t->data.n, (size_t)g->batch_size * g->accum_freq);
    t->n_parts = (t->B + g->batch_size - 1) / g->batch_size;
    t->steps_per_epoch = shn_loader_steps(t->data.n, (size_t)g->batch_size * g->accum_freq);
    t->n_steps = t->steps_per_epoch * g->epochs;
    t->rank = shn_group_rank(g->group);
    choose_input(t, c);
    st = make_texts(t, vectors, err);
    if (st == SHN_OK) st = make_engine(t, err);
    if (st == SHN_OK) st = make_head(t, err);
    if (st == SHN_OK) st = hash_inputs(t, err);
    st = shn_group_agree(g->group, st, err);
    int there = t->rank == 0 && g->resume && shn_path_exists(t->checkpoint);
    if (st == SHN_OK) st = shn_group_any(g->group, &there, err);
    if (st == SHN_OK) st = there ? resume(t, err) : shn_group_agree(g->group, t->rank == 0 ? begin(t, err) : SHN_OK, err);
    if (st == SHN_OK && t->step < t->n_steps) st = start_loader(t, err);
    t->started = t->saved = now();
    t->started_step = t->step;
    return st;
}

/* --- a step --- */

/** Warm-up, then half a cosine to 0; step counts from 0. */
static double learning_rate(const trainer *t)
{
    const double total = (double)t->n_steps, s = (double)t->step;
    double warm = t->config.warmup < 1 ? floor(t->config.warmup * total) : t->config.warmup;
    if (warm > total) warm = total;
    if (s < warm) return t->config.lr * (s + 1) / warm;
    return total > warm ? 0.5 * t->config.lr * (1 + cos(M_PI * (s - warm) / (total - warm))) : t->config.lr;
}

/** Encoder outputs of the whole batch. With several parts the pass is repeated for its gradients, so only then does the state move. */
static shn_status embed(trainer *t, shn_batch *batch, shn_error *err)
{
    const size_t E = t->enc.config.embed;
    for (size_t p = 0; p < t->n_parts; p++) {
        size_t first, last, begin, end;
        my_share(t, p, &first, &last);
        shn_status st = p > 0 ? shn_loader_next(t->loader, batch, err) : SHN_OK;
        if (st == SHN_OK) st = shn_engine_forward(t->engine, batch->x, last - first, t->n_parts == 1, t->z + first * E, err);
        shn_team_share(t->B, (unsigned)p, (unsigned)t->n_parts, &begin, &end);
        if (st == SHN_OK) st = shn_group_gather(t->config.group, t->z + begin * E, end - begin, E, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status backward(trainer *t, shn_batch *batch, shn_error *err)
{
    const size_t E = t->enc.config.embed;
    shn_engine_zero_gradient(t->engine);
    for (size_t p = 0; p < t->n_parts; p++) {
        size_t first, last;
        shn_status st = SHN_OK;
        my_share(t, p, &first, &last);
        if (t->n_parts > 1) st = shn_loader_next(t->loader, batch, err);
        if (st == SHN_OK && t->n_parts > 1) st = shn_engine_forward(t->engine, batch->x, last - first, 1, t->z + first * E, err);
        if (st == SHN_OK) st = (p + 1 < t->n_parts ? shn_engine_backward : shn_engine_backward_last)(t->engine, batch->x, t->d_z + first * E, last - first, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status diverged(const trainer *t, const char *what, shn_error *err)
{
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train", "the %s is not a finite number at step %" PRIu64 " (epoch %" PRIu64
                    "); lower --lr (%g), set --grad-clip-norm, or check the records", what, t->step,
                    t->step / t->steps_per_epoch + 1, t->config.lr);
}

static shn_status log_step(trainer *t, double loss, double lr, double norm, shn_error *err)
{
    const shn_head *h = t->head;
    shn_scalar s[8];
    size_t n = 0;
    if (t->rank != 0) return SHN_OK;
    s[n++] = (shn_scalar){ "epoch", (double)((t->step - 1) / t->steps_per_epoch + 1) };
    s[n++] = (shn_scalar){ "loss", loss };
    s[n++] = (shn_scalar){ "lr", lr };
    s[n++] = (shn_scalar){ "grad_norm", norm };
    if (h->part[HEAD_PAIR_SCALE].size) s[n++] = (shn_scalar){ "logit_scale", exp((double)*shn_head_at(h, HEAD_PAIR_SCALE)) };
    if (h->part[HEAD_PAIR_BIAS].size) s[n++] = (shn_scalar){ "logit_bias", (double)*shn_head_at(h, HEAD_PAIR_BIAS) };
    if (h->part[HEAD_CLASS_SCALE].trained && h->part[HEAD_CLASS_SCALE].size)
        s[n++] = (shn_scalar){ "class_scale", exp((double)*shn_head_at(h, HEAD_CLASS_SCALE)) };
    if (h->part[HEAD_CLASS_BIAS].size) s[n++] = (shn_scalar){ "class_bias", (double)*shn_head_at(h, HEAD_CLASS_BIAS) };
    return shn_run_log_scalars(&t->log, "step", t->step, s, n, err);
}

static shn_status log_epoch(trainer *t, shn_error *err)
{
    double waited, worked;
    shn_loader_cost(t->loader, &waited, &worked);
    const double seconds = now() - t->started, records = (double)((t->step - t->started_step) * t->B);
    const shn_scalar s[] = { { "epoch_loss", t->loss_sum / (double)t->steps_per_epoch }, { "records_per_second", records / seconds },
                             { "loader_wait_share", waited / seconds }, { "loader_cpu_share", worked / seconds } };
    t->loss_sum = 0;
    return t->rank == 0 ? shn_run_log_scalars(&t->log, "epoch", t->step, s, 4, err) : SHN_OK;
}

static shn_status one_step(trainer *t, double *loss, shn_error *err)
{
    shn_batch batch;
    shn_status st = shn_loader_next(t->loader, &batch, err);
    if (st != SHN_OK) return st;
    gather_labels(t, batch.items);
    const shn_batch_labels labels = batch_labels(t);
    st = embed(t, &batch, err);
    if (st == SHN_OK) st = shn_head_loss(t->head, t->texts, &labels, t->set, t->z, loss, t->d_z, err);
    if (st != SHN_OK) return st;
    if (!isfinite(*loss)) return diverged(t, "loss", err);
    st = backward(t, &batch, err);
    if (st != SHN_OK) return st;
    const double norm = sqrt(shn_engine_gradient_square(t->engine) + shn_head_gradient_square(t->head));
    if (!isfinite(norm)) return diverged(t, "gradient", err);
    const double clip = t->config.grad_clip_norm, lr = learning_rate(t);
    const float  scale = clip > 0 && norm > clip ? (float)(clip / norm) : 1;
    const shn_adamw hyper = { (float)lr, (float)t->config.beta1, (float)t->config.beta2, (float)t->config.eps, (float)t->config.wd };
    st = shn_engine_step(t->engine, &hyper, t->step + 1, scale, err);
    if (st != SHN_OK) return st;
    shn_head_step(t->head, lr, t->step + 1, scale);
    t->step++;
    t->loss_sum += *loss;
    return log_step(t, *loss, lr, norm, err);
}

static int stop_asked(const trainer *t, const shn_watcher *watcher, double loss)
{
    char detail[64];
    unsigned long long last;
    snprintf(detail, sizeof detail, "epoch %" PRIu64 "/%" PRIu32 " loss %.4f", (t->step - 1) / t->steps_per_epoch + 1, t->config.epochs, loss);
    const shn_progress p = { "train", t->step * t->B, t->n_steps * t->B, "records", detail };
    const int asked = watcher && watcher->fn && watcher->fn(watcher->context, &p);
    return asked || (sscanf(t->config.stop_after, "step:%llu", &last) == 1 && t->step >= last);
}

/** Ranks compute the head's step each for itself; on machines of one kind to the same bits. */
static shn_status check_ranks(const trainer *t, shn_error *err)
{
    uint8_t digest[32];
    shn_sha256_of(t->head->p, t->head->n * sizeof *t->head->p, digest);
    const double mine = (double)((uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3]);
    double       mean = mine;
    const shn_status st = shn_group_sum(t->config.group, &mean, 1, err);
    int differ = mean != mine * shn_group_size(t->config.group);
    if (st != SHN_OK || shn_group_any(t->config.group, &differ, err) != SHN_OK || !differ) return st;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "train", "the ranks no longer have the same bits at step %" PRIu64 ": start them on machines of one kind, or set "
                    "SHINDEN_ISA to what all of them have", t->step);
}

static shn_status loop(trainer *t, const shn_watcher *watcher, shn_error *err)
{
    while (t->step < t->n_steps) {
        double loss;
        shn_status st = one_step(t, &loss, err);
        if (st == SHN_OK && t->step % t->steps_per_epoch == 0) st = log_epoch(t, err);
        if (st == SHN_OK && t->step % t->steps_per_epoch == 0) st = check_ranks(t, err);
        int stop = st == SHN_OK && stop_asked(t, watcher, loss);
        if (st == SHN_OK) st = shn_group_any(t->config.group, &stop, err);
        if (st == SHN_OK && t->rank == 0 && (stop || due(t))) st = save(t, err);
        if (st != SHN_OK) return st;
        if (stop && t->step < t->n_steps)
            return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "train", "stopped after step %" PRIu64 " of %" PRIu64 "; --resume goes on "
                            "from there", t->step, t->n_steps);
    }
    return SHN_OK;
}

static void release(trainer *t)
{
    shn_loader_free(t->loader);
    shn_engine_free(t->engine);
    shn_head_free(t->head);
    shn_texts_free(t->texts);
    shn_train_data_free(&t->data);
    shn_run_log_close(&t->log);
    void *all[] = { t->mine, t->part_at, t->label, t->known, t->set, t->z, t->d_z, t->params, t->state, t->m, t->v };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(t);
}

shn_status shn_train(const shn_cohort *c, const shn_vectors *vectors, const shn_train_config *config, const char *run_folder,
                     const shn_watcher *watcher, shn_model **out, shn_error *err)
{
    *out = NULL;
    trainer *t = shn_alloc(1, sizeof *t);           /* the encoder's table alone is tens of kilobytes: not for the stack */
    if (!t) return shn_fail_nomem(err, "train");
    t->config = *config;
    shn_status st = setup(t, c, vectors, run_folder, err);
    if (st == SHN_OK) st = loop(t, watcher, err);
    if (st == SHN_OK) {
        shn_engine_get(t->engine, t->params, t->state);
        st = shn_model_from_run(&t->data, &t->input, t->head, t->texts, t->text_source, shn_engine_describe(t->engine), t->n_steps,
                                t->params, t->state, out, err);
    }
    release(t);
    return st;
}
