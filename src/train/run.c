#include "train/run.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/threads.h"
#include "shinden/signal.h"
#include "train/checkpoint.h"
#include "train/init.h"
#include "train/run_ranks.h"

enum { EPOCH_CHECKPOINT_SECONDS = 5, OWN_PAIRS = 6, TASK_PAIRS_MAX = 16 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- setting up --- */

shn_status shn_run_folder(shn_run *r, const char *run_folder, const char *result, shn_error *err)
{
    char checkpoints[SHN_PATH_MAX], file[SHN_PATH_MAX];
    shn_status st = shn_path_join(r->folder, run_folder, "", err);
    if (st == SHN_OK) st = shn_path_join(checkpoints, run_folder, "checkpoints", err);
    if (st == SHN_OK) st = shn_path_join(r->checkpoint, checkpoints, "last.safetensors", err);
    if (st == SHN_OK) st = shn_path_join(file, run_folder, result, err);
    if (st != SHN_OK) return st;
    if (!r->config.resume && (shn_path_exists(r->checkpoint) || shn_path_exists(file)))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, r->name, "%s holds a run already; go on with --resume, or name another folder",
                        run_folder);
    return shn_dir_make(checkpoints, err);
}

size_t shn_run_window(const shn_train_config *g, const shn_encoder *enc, size_t T, double fs_hz)
{
    const double asked = floor(g->crop_seconds * fs_hz + 0.5);
    size_t window = g->crop_seconds > 0 && asked < (double)T ? (size_t)(asked < 32 ? 32 : asked) : T, better;
    if (window > T) window = T;
    if (window < T && !shn_engine_good_length(enc, window, &better) && better >= window - window / 10) window = better;
    return window;
}

/** The places [*first, *last) of part p of a batch that are this rank's. */
static void my_share(const shn_run *r, size_t p, size_t *first, size_t *last)
{
    size_t begin, end;
    shn_team_share(r->n_rows, (unsigned)p, (unsigned)r->n_parts, &begin, &end);
    shn_group_share(r->config.group, end - begin, first, last);
    *first += begin;
    *last += begin;
}

/** *most: the largest number of windows that this rank has in a part. */
static shn_status share_batch(shn_run *r, size_t *most, shn_error *err)
{
    const unsigned ranks = shn_group_size(r->config.group);
    *most = 0;
    if (r->n_rows / r->n_parts < ranks)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, r->name, "batches of %zu in %zu parts for %u ranks: every rank needs a record of every part; start fewer ranks, or raise "
                        "batch_size", r->n_rows, r->n_parts, ranks);
    r->mine = shn_alloc(r->n_rows, sizeof *r->mine);
    r->part_at = shn_alloc(r->n_parts + 1, sizeof *r->part_at);
    if (!r->mine || !r->part_at) return shn_fail_nomem(err, r->name);
    for (size_t p = 0; p < r->n_parts; p++) {
        size_t first, last;
        my_share(r, p, &first, &last);
        if (last - first > *most) *most = last - first;
        for (; first < last; first++) r->mine[r->n_mine++] = (uint32_t)first;
        r->part_at[p + 1] = r->n_mine;
    }
    return SHN_OK;
}

static shn_status make_engine(shn_run *r, shn_error *err)
{
    shn_engine_options o;
    size_t part;
    const shn_status st = share_batch(r, &part, err);
    if (st != SHN_OK) return st;
    shn_train_engine(&r->config, &o);
    o.group = r->config.group;
    o.sync_statistics = r->config.sync_batch_norm;
    return shn_engine_new(&r->enc, r->input.window, part, 1, &o, &r->engine, err);
}

static const int16_t *packed_row(const void *context, size_t i)
{
    const shn_run *r = context;
    return r->source.row(r->source.context, i).signal;
}

/** Gives the engine the records themselves where it can hold them: then batches are described to it and made there. */
static shn_status hold_rows(shn_run *r, shn_error *err)
{
    const size_t n_samples = r->source.row(r->source.context, 0).n_samples;
    for (size_t i = 1; i < r->source.n; i++)
        if (r->source.row(r->source.context, i).n_samples != n_samples) return SHN_OK;
    return shn_engine_rows(r->engine, r->source.n, n_samples, SHN_GAP_I16, packed_row, r, &r->crops, err);
}

shn_status shn_run_open(shn_run *r, shn_error *err)
{
    const shn_train_config *g = &r->config;
    const size_t full = (size_t)g->batch_size * g->accum_freq, E = r->enc.config.embed;
    r->rank = shn_group_rank(g->group);
    r->B = shn_loader_batch(r->source.n, full);
    r->n_rows = r->views * r->B;
    r->n_parts = (r->B + g->batch_size - 1) / g->batch_size;
    r->steps_per_epoch = shn_loader_steps(r->source.n, full);
    r->n_steps = r->steps_per_epoch * g->epochs;
    r->params = shn_alloc_aligned(r->enc.n_params, sizeof *r->params);
    r->state = shn_alloc_aligned(r->enc.n_state, sizeof *r->state);
    r->m = shn_alloc_aligned(r->enc.n_params, sizeof *r->m);
    r->v = shn_alloc_aligned(r->enc.n_params, sizeof *r->v);
    r->z = shn_alloc_aligned(r->n_rows, E * sizeof *r->z);
    r->d_z = shn_alloc_aligned(r->n_rows, E * sizeof *r->d_z);
    if (!r->params || !r->state || !r->m || !r->v || !r->z || !r->d_z) return shn_fail_nomem(err, r->name);
    shn_status st = make_engine(r, err);
    if (st == SHN_OK) st = hold_rows(r, err);
    if (st != SHN_OK) return st;
    strcpy(r->init_hash, "none");
    if (g->init[0]) st = shn_init_encoder(g->init, &r->enc, r->params, r->state, &r->input, r->init_hash, err);
    else shn_encoder_init(&r->enc, g->seed, r->params, r->state);
    if (st == SHN_OK) shn_engine_set(r->engine, r->params, r->state);
    return st;
}

/* --- checkpoints --- */

static shn_checkpoint checkpoint_of(shn_run *r)
{
    shn_checkpoint c = { .step = r->step, .loss_sum = r->loss_sum, .n_params = r->enc.n_params, .n_state = r->enc.n_state,
                         .n_head = r->head.n, .params = r->params, .state = r->state, .m = r->m, .v = r->v, .head = r->head.p,
                         .head_m = r->head.m, .head_v = r->head.v };
    memcpy(c.config, r->config_hash, sizeof c.config);
    memcpy(c.cohort, r->data_hash, sizeof c.cohort);
    memcpy(c.texts, r->texts_hash, sizeof c.texts);
    snprintf(c.engine, sizeof c.engine, "%s", shn_engine_describe(r->engine));
    return c;
}

static shn_status save(shn_run *r, shn_error *err)
{
    shn_checkpoint c = checkpoint_of(r);
    shn_engine_get(r->engine, r->params, r->state);
    shn_engine_get_moments(r->engine, r->m, r->v);
    shn_status st = shn_engine_check(r->engine, err);
    if (st == SHN_OK) st = shn_run_log_sync(&r->log, &c.json_at, &c.events_at, err);
    if (st == SHN_OK) st = shn_checkpoint_write(&c, r->checkpoint, err);
    r->saved = now();
    return st;
}

static int due(const shn_run *r)
{
    const double age = now() - r->saved;
    return r->step == r->n_steps || age >= r->config.checkpoint_seconds ||
           (r->step % r->steps_per_epoch == 0 && age >= EPOCH_CHECKPOINT_SECONDS);
}

static shn_status read_checkpoint(shn_run *r, shn_checkpoint *c, shn_error *err)
{
    const shn_status st = shn_checkpoint_read(c, r->checkpoint, err);
    if (st == SHN_OK && c->step > r->n_steps)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "checkpoint", "%s: step %" PRIu64 " of %" PRIu64, r->checkpoint, c->step, r->n_steps);
    return st == SHN_OK ? shn_run_log_open(r->folder, c->json_at, c->events_at, &r->log, err) : st;
}

/** What rank 0 has read, for all ranks: only that one needs to see the run's folder. */
static shn_status share_checkpoint(const shn_run *r, shn_checkpoint *c, shn_error *err)
{
    float *const blocks[] = { r->params, r->state, r->m, r->v, r->head.p, r->head.m, r->head.v };
    const size_t sizes[] = { c->n_params, c->n_state, c->n_params, c->n_params, c->n_head, c->n_head, c->n_head };
    shn_status   st = shn_group_copy(r->config.group, &c->step, sizeof c->step, err);
    if (st == SHN_OK) st = shn_group_copy(r->config.group, &c->loss_sum, sizeof c->loss_sum, err);
    for (size_t i = 0; st == SHN_OK && i < sizeof blocks / sizeof *blocks; i++) st = shn_group_copy(r->config.group, blocks[i], sizes[i] * sizeof(float), err);
    return st;
}

static shn_status resume(shn_run *r, shn_error *err)
{
    shn_checkpoint c = checkpoint_of(r);
    shn_status st = shn_group_agree(r->config.group, r->rank == 0 ? read_checkpoint(r, &c, err) : SHN_OK, err);
    if (st == SHN_OK) st = share_checkpoint(r, &c, err);
    if (st != SHN_OK) return st;
    r->step = c.step;
    r->loss_sum = c.loss_sum;
    shn_engine_set(r->engine, r->params, r->state);
    shn_engine_set_moments(r->engine, r->m, r->v);
    if (r->rank != 0 || strcmp(c.engine, shn_engine_describe(r->engine)) == 0) return SHN_OK;
    const char *const pairs[] = { "was", c.engine, "is", shn_engine_describe(r->engine), "note", "the bits of the run may differ from here on" };
    return shn_run_log_note(&r->log, "engine_changed", pairs, 3, err);
}

static shn_status note_start(shn_run *r, const char *const *task_pairs, size_t n, shn_error *err)
{
    char window[32], batch[32];
    snprintf(window, sizeof window, "%" PRIu32, r->input.window);
    snprintf(batch, sizeof batch, "%zu", r->B);
    const char *const own[2 * OWN_PAIRS] = { "init", r->init_hash, "engine", shn_engine_describe(r->engine), "window", window, "batch", batch, "batch_norm",
                                             r->n_parts > 1 ? "statistics per part of the batch" : "statistics of the batch",
                                             "windows", r->crops ? "made on the device" : "made by the loader" };
    const char *pairs[2 * (OWN_PAIRS + TASK_PAIRS_MAX)];
    assert(n <= TASK_PAIRS_MAX);
    memcpy(pairs, task_pairs, 2 * n * sizeof *pairs);
    memcpy(pairs + 2 * n, own, sizeof own);
    return shn_run_log_note(&r->log, "start", pairs, n + OWN_PAIRS, err);
}

/** The settings alone, and with the weights that the run starts from: a checkpoint of one start must not go on from another. */
static shn_status hash_settings(shn_run *r, const char *bits, char settings[65], shn_error *err)
{
    uint8_t     digest[32];
    shn_sha256_of(bits, strlen(bits), digest);
    shn_sha256_hex(digest, settings);
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, r->name);
    shn_sha256_add(h, bits, strlen(bits));
    if (r->config.init[0]) shn_sha256_add(h, r->init_hash, strlen(r->init_hash));
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, r->config_hash);
    return SHN_OK;
}

static shn_status begin(shn_run *r, const char *yaml, const char *const *pairs, size_t n_pairs, shn_error *err)
{
    char path[SHN_PATH_MAX];
    shn_status st = shn_path_join(path, r->folder, "config.yaml", err);
    if (st == SHN_OK) st = shn_file_write(path, yaml, strlen(yaml), err);
    if (st == SHN_OK) st = shn_run_log_open(r->folder, 0, 0, &r->log, err);
    return st == SHN_OK ? note_start(r, pairs, n_pairs, err) : st;
}

shn_status shn_run_begin(shn_run *r, const char *yaml, const char *bits, const char *const *pairs, size_t n_pairs, shn_error *err)
{
    const shn_train_config *g = &r->config;
    char settings[65] = "";
    int  there = r->rank == 0 && g->resume && shn_path_exists(r->checkpoint);
    shn_status st = shn_group_agree(g->group, hash_settings(r, bits, settings, err), err);
    if (st == SHN_OK) st = shn_run_same_start(r, settings, err);
    if (st == SHN_OK) st = shn_group_any(g->group, &there, err);
    if (st == SHN_OK) st = there ? resume(r, err) : shn_group_agree(g->group, r->rank == 0 ? begin(r, yaml, pairs, n_pairs, err) : SHN_OK, err);
    const shn_loader_options o = { .input = r->input, .augment = { g->gain, g->noise, g->wander, g->lead_dropout }, .seed = g->seed,
                                   .batch = (size_t)g->batch_size * g->accum_freq, .first_step = r->step, .n_steps = r->n_steps, .views = r->views,
                                   .take = r->mine, .n_take = r->n_mine, .parts = r->part_at, .n_parts = r->n_parts, .crops = r->crops };
    if (st == SHN_OK && r->step < r->n_steps) st = shn_loader_new(&r->source, &o, &r->loader, err);
    r->started = r->saved = now();
    r->started_step = r->step;
    return st;
}

/* --- a step --- */

/** Warm-up, then half a cosine to 0; step counts from 0. */
static double learning_rate(const shn_run *r)
{
    const double total = (double)r->n_steps, s = (double)r->step;
    double warm = r->config.warmup < 1 ? floor(r->config.warmup * total) : r->config.warmup;
    if (warm > total) warm = total;
    if (s < warm) return r->config.lr * (s + 1) / warm;
    return total > warm ? 0.5 * r->config.lr * (1 + cos(M_PI * (s - warm) / (total - warm))) : r->config.lr;
}

/** A training pass of a batch's or part's n records. */
static shn_status forward(shn_run *r, const shn_batch *batch, size_t n, int update_state, float *z, shn_error *err)
{
    return r->crops ? shn_engine_forward_crops(r->engine, batch->crops, n, update_state, z, err) : shn_engine_forward(r->engine, batch->x, n, update_state, z, err);
}

/** Encoder outputs of the whole batch. With several parts the pass is repeated for its gradients, so only then does the state move. */
static shn_status embed(shn_run *r, shn_batch *batch, shn_error *err)
{
    const size_t E = r->enc.config.embed;
    for (size_t p = 0; p < r->n_parts; p++) {
        size_t first, last, part_first, part_last;
        my_share(r, p, &first, &last);
        shn_status st = p > 0 ? shn_loader_next(r->loader, batch, err) : SHN_OK;
        if (st == SHN_OK) st = forward(r, batch, last - first, r->n_parts == 1, r->z + first * E, err);
        shn_team_share(r->n_rows, (unsigned)p, (unsigned)r->n_parts, &part_first, &part_last);
        if (st == SHN_OK) st = shn_group_gather(r->config.group, r->z + part_first * E, part_last - part_first, E, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status backward(shn_run *r, shn_batch *batch, shn_error *err)
{
    const size_t E = r->enc.config.embed;
    shn_engine_zero_gradient(r->engine);
    for (size_t p = 0; p < r->n_parts; p++) {
        size_t first, last;
        shn_status st = SHN_OK;
        my_share(r, p, &first, &last);
        if (r->n_parts > 1) st = shn_loader_next(r->loader, batch, err);
        if (st == SHN_OK && r->n_parts > 1) st = forward(r, batch, last - first, 1, r->z + first * E, err);
        if (st == SHN_OK) st = (p + 1 < r->n_parts ? shn_engine_backward : shn_engine_backward_last)(r->engine, batch->x, r->d_z + first * E, last - first, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status diverged(const shn_run *r, const char *what, shn_error *err)
{
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, r->name, "the %s is not a finite number at step %" PRIu64 " (epoch %" PRIu64
                    "); lower --lr (%g), set --grad-clip-norm, or check the records", what, r->step,
                    r->step / r->steps_per_epoch + 1, r->config.lr);
}

static shn_status log_step(shn_run *r, const shn_run_task *task, double loss, double lr, double norm, shn_error *err)
{
    if (r->rank != 0) return SHN_OK;
    shn_scalar s[4 + SHN_RUN_SCALARS_MAX] = { { "epoch", (double)((r->step - 1) / r->steps_per_epoch + 1) }, { "loss", loss }, { "lr", lr },
                                              { "grad_norm", norm } };
    return shn_run_log_scalars(&r->log, "step", r->step, s, 4 + task->scalars(task->context, s + 4), err);
}

static shn_status log_epoch(shn_run *r, shn_error *err)
{
    double waited, worked;
    shn_loader_cost(r->loader, &waited, &worked);
    const double seconds = now() - r->started, records = (double)((r->step - r->started_step) * r->B);
    const shn_scalar s[] = { { "epoch_loss", r->loss_sum / (double)r->steps_per_epoch }, { "records_per_second", records / seconds },
                             { "loader_wait_share", waited / seconds }, { "loader_cpu_share", worked / seconds } };
    r->loss_sum = 0;
    return r->rank == 0 ? shn_run_log_scalars(&r->log, "epoch", r->step, s, 4, err) : SHN_OK;
}

static shn_status one_step(shn_run *r, const shn_run_task *task, double *loss, shn_error *err)
{
    shn_batch batch;
    shn_status st = shn_loader_next(r->loader, &batch, err);
    if (st == SHN_OK) st = embed(r, &batch, err);
    if (st == SHN_OK) st = task->loss(task->context, &batch, loss, err);
    if (st != SHN_OK) return st;
    if (!isfinite(*loss)) return diverged(r, "loss", err);
    st = backward(r, &batch, err);
    if (st != SHN_OK) return st;
    const double norm = sqrt(shn_engine_gradient_square(r->engine) + task->gradient_square(task->context));
    st = shn_engine_check(r->engine, err);
    if (st != SHN_OK) return st;
    if (!isfinite(norm)) return diverged(r, "gradient", err);
    const double clip = r->config.grad_clip_norm, lr = learning_rate(r);
    const float  scale = clip > 0 && norm > clip ? (float)(clip / norm) : 1;
    const shn_adamw hyper = { (float)lr, (float)r->config.beta1, (float)r->config.beta2, (float)r->config.eps, (float)r->config.wd };
    st = shn_engine_step(r->engine, &hyper, r->step + 1, scale, err);
    if (st != SHN_OK) return st;
    task->step(task->context, lr, r->step + 1, scale);
    r->step++;
    r->loss_sum += *loss;
    return log_step(r, task, *loss, lr, norm, err);
}

static int stop_asked(const shn_run *r, const shn_watcher *watcher, double loss)
{
    char detail[64];
    unsigned long long last;
    snprintf(detail, sizeof detail, "epoch %" PRIu64 "/%" PRIu32 " loss %.4f", (r->step - 1) / r->steps_per_epoch + 1, r->config.epochs, loss);
    const shn_progress p = { r->name, r->step * r->B, r->n_steps * r->B, "records", detail };
    const int asked = watcher && watcher->fn && watcher->fn(watcher->context, &p);
    return asked || (sscanf(r->config.stop_after, "step:%llu", &last) == 1 && r->step >= last);
}

shn_status shn_run_steps(shn_run *r, const shn_run_task *task, const shn_watcher *watcher, shn_error *err)
{
    while (r->step < r->n_steps) {
        double loss;
        shn_status st = one_step(r, task, &loss, err);
        if (st == SHN_OK && r->step % r->steps_per_epoch == 0) st = log_epoch(r, err);
        if (st == SHN_OK && r->step % r->steps_per_epoch == 0) st = shn_run_same_weights(r, err);
        int stop = st == SHN_OK && stop_asked(r, watcher, loss);
        if (st == SHN_OK) st = shn_group_any(r->config.group, &stop, err);
        if (st == SHN_OK && r->rank == 0 && (stop || due(r))) st = save(r, err);
        if (st != SHN_OK) return st;
        if (stop && r->step < r->n_steps)
            return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, r->name, "stopped after step %" PRIu64 " of %" PRIu64 "; --resume goes on "
                            "from there", r->step, r->n_steps);
    }
    shn_engine_get(r->engine, r->params, r->state);
    return shn_engine_check(r->engine, err);
}

void shn_run_close(shn_run *r)
{
    shn_loader_free(r->loader);
    shn_engine_free(r->engine);
    shn_run_log_close(&r->log);
    void *all[] = { r->mine, r->part_at, r->z, r->d_z, r->params, r->state, r->m, r->v };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    memset(r, 0, sizeof *r);
}
