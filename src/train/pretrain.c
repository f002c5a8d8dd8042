/** Pre-training: several cohorts as one list of records, two crops of each per batch. The mechanics of a run are run.h. */
#include "shinden/pretrain.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "shinden/signal.h"
#include "train/config.h"
#include "train/run.h"
#include "train/train_data.h"
#include "train/view_head.h"

typedef struct pool_row { uint32_t cohort, row; } pool_row;

typedef struct pretrainer {
    shn_run        run;
    const shn_cohort *const *cohorts;
    size_t         n_cohorts, n;
    pool_row      *rows;                        /* [n] */
    shn_view_head *head;
} pretrainer;

/* --- settings --- */

static const char *const keys[] = { "seed", "split", "width", "blocks", "max_pool", "embed", "crop_seconds", "norm", "epochs", "batch_size", "accum_freq",
                                    "lr", "wd", "beta1", "beta2", "eps", "warmup", "grad_clip_norm", "temperature", "chunk", "gain", "noise", "wander",
                                    "lead_dropout", "precision", "winograd", "engine", "n_threads", "checkpoint_seconds", "init", "stop_after" };
enum { N_KEYS = sizeof keys / sizeof *keys };
static const shn_train_keys own = { "pretrain", keys, N_KEYS };

const shn_train_key *shn_pretrain_key_at(size_t i)
{
    for (size_t k = 0; i < N_KEYS && shn_train_key_at(k); k++)
        if (strcmp(shn_train_key_at(k)->name, keys[i]) == 0) return shn_train_key_at(k);
    return NULL;
}

void shn_pretrain_defaults(size_t n_samples, double fs_hz, shn_train_config *c)
{
    shn_train_defaults(SHN_LOSS_CLIP, n_samples, fs_hz, c);
    c->temperature = 0.1;
    c->lr = 2e-3;
    c->gain = 0.2;
    c->noise = 0.05;
    c->lead_dropout = 0.2;
}

/** Keys of pre-training as YAML; bits_only: those that change the trained bits. Owned by the caller. */
static shn_status settings_yaml(const shn_train_config *config, int bits_only, char **yaml, shn_error *err)
{
    return shn_train_config_yaml_keys(config, bits_only, &own, yaml, err);
}

shn_status shn_pretrain_config_parse(shn_train_config *config, const char *yaml, size_t n_bytes, shn_error *err)
{
    return shn_train_config_parse_keys(config, yaml, n_bytes, &own, err);
}

/* --- data --- */

/** Voltages' scale and leads of a cohort's records, weighted by how many there are. */
static shn_status take_cohort(pretrainer *p, size_t which, double *variance, shn_error *err)
{
    const shn_cohort *c = p->cohorts[which];
    shn_train_unlabelled u;
    if (fabs(shn_cohort_fs_hz(c) - shn_cohort_fs_hz(p->cohorts[0])) > 1e-6 * shn_cohort_fs_hz(c))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "pretrain", "%s has %g Hz, %s %g Hz; import one of them again with --fs",
                        shn_cohort_path(c), shn_cohort_fs_hz(c), shn_cohort_path(p->cohorts[0]), shn_cohort_fs_hz(p->cohorts[0]));
    shn_status st = shn_train_unlabelled_load(c, p->run.config.split, &u, err);
    if (st != SHN_OK) return st;
    pool_row *grown = shn_alloc(p->n + u.n, sizeof *grown);
    if (grown) {
        if (p->n) memcpy(grown, p->rows, p->n * sizeof *grown);
        for (size_t i = 0; i < u.n; i++) grown[p->n + i] = (pool_row){ (uint32_t)which, u.rows[i] };
        free(p->rows);
        p->rows = grown;
        p->n += u.n;
        *variance += (double)u.n / ((double)u.scale_per_mv * (double)u.scale_per_mv);
        p->run.input.lead_present |= u.lead_present;
    }
    free(u.rows);
    return grown ? SHN_OK : shn_fail_nomem(err, "pretrain");
}

/** Which records, and what is in them: signals only, so that other labels make no other run. */
static shn_status hash_rows(pretrainer *p, shn_error *err)
{
    uint8_t     digest[32];
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "pretrain");
    for (size_t i = 0; i < p->n; i++) {
        const shn_cohort *c = p->cohorts[p->rows[i].cohort];
        const size_t row = p->rows[i].row;
        shn_sha256_add(h, shn_cohort_id(c, row), strlen(shn_cohort_id(c, row)) + 1);
        shn_sha256_add(h, shn_cohort_signal(c, row), SHN_LEADS * shn_cohort_n_samples(c) * sizeof(int16_t));
    }
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, p->run.data_hash);
    return SHN_OK;
}

static shn_packed pooled_row(const void *context, size_t item)
{
    const pretrainer *p = context;
    return shn_cohort_packed(p->cohorts[p->rows[item].cohort], p->rows[item].row);
}

static shn_status gather(pretrainer *p, shn_error *err)
{
    const shn_train_config *g = &p->run.config;
    double     variance = 0;
    size_t     T = 0;
    shn_status st = SHN_OK;
    for (size_t c = 0; c < p->n_cohorts && st == SHN_OK; c++) {
        st = take_cohort(p, c, &variance, err);
        if (shn_cohort_n_samples(p->cohorts[c]) > T) T = shn_cohort_n_samples(p->cohorts[c]);
    }
    if (st != SHN_OK) return st;
    if (p->n < 2) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "pretrain", "%zu records; two at least", p->n);
    const double fs = shn_cohort_fs_hz(p->cohorts[0]);
    const size_t window = shn_run_window(g, &p->run.enc, T, fs);
    p->run.input = (shn_input){ .fs_hz = fs, .n_samples = (uint32_t)T, .window = (uint32_t)window, .n_windows = window < T ? g->n_windows : 1,
                                .norm = g->norm, .scale_per_mv = (float)sqrt((double)p->n / variance), .lead_present = p->run.input.lead_present };
    return SHN_OK;
}

/* --- a step --- */

static shn_status batch_loss(void *context, const shn_batch *batch, double *loss, shn_error *err)
{
    pretrainer *p = context;
    return shn_view_head_loss(p->head, p->run.z, batch->B, loss, p->run.d_z, err);
}

static double gradient_square(const void *context) { return shn_view_head_gradient_square(((const pretrainer *)context)->head); }

static void step_head(void *context, double lr, uint64_t step, float grad_scale)
{
    shn_view_head_step(((pretrainer *)context)->head, lr, step, grad_scale);
}

static size_t scalars(const void *context, shn_scalar *out)
{
    (void)context, (void)out;
    return 0;
}

/* --- the run --- */

static shn_status begin(pretrainer *p, shn_error *err)
{
    char  records[32], cohorts[32], *yaml = NULL, *bits = NULL;
    snprintf(records, sizeof records, "%zu", p->n);
    snprintf(cohorts, sizeof cohorts, "%zu", p->n_cohorts);
    const char *const pairs[] = { "loss", "pretrain", "records", records, "cohorts", cohorts, "data", p->run.data_hash };
    strcpy(p->run.texts_hash, "none");
    const shn_train_config resumable = shn_train_resumable(&p->run.config);
    shn_status st = settings_yaml(&p->run.config, 0, &yaml, err);
    if (st == SHN_OK) st = settings_yaml(&resumable, 1, &bits, err);
    if (st == SHN_OK) st = shn_run_begin(&p->run, yaml, bits, pairs, sizeof pairs / sizeof *pairs / 2, err);
    free(yaml);
    free(bits);
    return st;
}

static shn_status setup(pretrainer *p, const char *run_folder, shn_error *err)
{
    shn_status st = shn_train_config_check(&p->run.config, err);
    if (st == SHN_OK) st = shn_encoder_build(&p->run.config.encoder, &p->run.enc, err);
    if (st == SHN_OK) st = shn_run_folder(&p->run, run_folder, SHN_PRETRAIN_RESULT, err);
    if (st == SHN_OK) st = gather(p, err);
    if (st == SHN_OK) st = hash_rows(p, err);
    if (st != SHN_OK) return st;
    p->run.source = (shn_loader_source){ p->n, pooled_row, p };
    st = shn_run_open(&p->run, err);
    if (st == SHN_OK) st = shn_view_head_new(&p->run.config, p->run.B, &p->head, err);
    if (st != SHN_OK) return st;
    p->run.head = (shn_head_block){ p->head->n, p->head->p, p->head->m, p->head->v };
    return begin(p, err);
}

static char *manifest_of(const pretrainer *p)
{
    shn_error err;
    json_t *doc = json_object(), *config = json_object(), *sources = json_array();
    for (size_t i = 0; shn_pretrain_key_at(i); i++) {
        char value[SHN_TRAIN_VALUE_MAX];
        const char *name = shn_pretrain_key_at(i)->name;
        if (strcmp(name, "stop_after") == 0 || strcmp(name, "checkpoint_seconds") == 0) continue;
        if (shn_train_config_get(&p->run.config, name, value, &err) == SHN_OK) json_object_set_new(config, name, json_string(value));
    }
    for (size_t c = 0; c < p->n_cohorts; c++) json_array_append_new(sources, json_string(shn_cohort_attribute(p->cohorts[c], "command")));
    json_object_set_new(doc, "config", config);
    json_object_set_new(doc, "cohort_commands", sources);
    json_object_set_new(doc, "data_digest", json_string(p->run.data_hash));
    if (p->run.config.init[0]) json_object_set_new(doc, "init_sha256", json_string(p->run.init_hash));
    json_object_set_new(doc, "n_train", json_integer((json_int_t)p->n));
    json_object_set_new(doc, "n_steps", json_integer((json_int_t)p->run.n_steps));
    json_object_set_new(doc, "engine", json_string(shn_engine_describe(p->run.engine)));
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    return text;
}

static shn_status finish(pretrainer *p, shn_error *err)
{
    char  path[SHN_PATH_MAX];
    char *manifest = manifest_of(p);
    shn_status st = manifest ? shn_path_join(path, p->run.folder, SHN_PRETRAIN_RESULT, err) : shn_fail_nomem(err, "pretrain");
    if (st == SHN_OK) st = shn_encoder_write(path, &p->run.enc, &p->run.input, p->run.params, p->run.state, manifest, err);
    free(manifest);
    return st;
}

shn_status shn_pretrain(const shn_cohort *const *cohorts, size_t n, const shn_train_config *config, const char *run_folder,
                        const shn_watcher *watcher, shn_error *err)
{
    if (n == 0 || n > SHN_PRETRAIN_COHORTS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "pretrain", "%zu cohorts, needs 1 to %d", n, SHN_PRETRAIN_COHORTS_MAX);
    pretrainer *p = shn_alloc(1, sizeof *p);
    if (!p) return shn_fail_nomem(err, "pretrain");
    p->run.name = "pretrain";
    p->run.views = 2;
    p->run.config = *config;
    p->cohorts = cohorts;
    p->n_cohorts = n;
    const shn_run_task task = { p, batch_loss, gradient_square, step_head, scalars };
    shn_status st = setup(p, run_folder, err);
    if (st == SHN_OK) st = shn_run_steps(&p->run, &task, watcher, err);
    if (st == SHN_OK) st = finish(p, err);
    shn_run_close(&p->run);
    shn_view_head_free(p->head);
    free(p->rows);
    free(p);
    return st;
}
