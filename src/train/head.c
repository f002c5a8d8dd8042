#include "train/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"

enum { PURPOSE_HEAD = 0x68656164 };         /* "head" */

static int is_bce(const shn_head *h) { return h->config.loss == SHN_LOSS_BCE; }
static int is_pair(const shn_head *h) { return shn_loss_is_pair(h->config.loss); }
static int has_columns(const shn_head *h) { return h->config.loss == SHN_LOSS_CLASS_COLUMNS || h->config.class_columns > 0; }
static int has_sentences(const shn_head *h) { return h->config.sentences > 0; }
static double column_weight(const shn_head *h) { return h->config.loss == SHN_LOSS_CLASS_COLUMNS ? 1 : h->config.class_columns; }

static void add_part(shn_head *h, int which, size_t size, int trained, int decay, double lr_scale)
{
    h->part[which] = (shn_head_part){ h->n, size, trained, decay, lr_scale };
    h->n += size;
}

static void lay_out(shn_head *h)
{
    const int text = !is_bce(h) || has_sentences(h), pair = is_pair(h), columns = has_columns(h), raw = h->config.ecg_norm_raw;
    add_part(h, HEAD_PROJECTION, text ? h->E * h->D : 0, 1, 1, h->config.lr_text_scale);
    add_part(h, HEAD_PAIR_SCALE, pair, h->config.learn_temperature, 0, 1);
    add_part(h, HEAD_PAIR_BIAS, pair && shn_loss_has_bias(h->config.loss), 1, 0, 1);
    add_part(h, HEAD_CLASS_SCALE, columns, !raw, 0, 1);
    add_part(h, HEAD_CLASS_BIAS, columns, 1, 0, 1);
    add_part(h, HEAD_FINDING_BIAS, columns || is_bce(h) ? h->K : 0, 1, 0, 1);
    add_part(h, HEAD_WEIGHT, is_bce(h) ? h->K * h->E : 0, 1, 1, 1);
    add_part(h, HEAD_SENTENCE_SCALE, has_sentences(h), 1, 0, 1);
}

/** Prevalence over all known entries; every b_k then adds what its finding differs by. */
static void initial_biases(shn_head *h, shn_counts counts)
{
    double pos = 0, known = 0, common = 0;
    for (size_t k = 0; k < h->K; k++) {
        pos += counts.n_pos[k];
        known += counts.n_known[k];
    }
    if (has_columns(h)) {
        common = shn_initial_logit(known > 0 ? pos / known : 0.5);
        *shn_head_at(h, HEAD_CLASS_BIAS) = (float)common;
    }
    for (size_t k = 0; k < h->part[HEAD_FINDING_BIAS].size; k++)
        shn_head_at(h, HEAD_FINDING_BIAS)[k] =
            (float)(shn_initial_logit((counts.n_pos[k] + 0.5) / (counts.n_known[k] + 1.0)) - common);
}

static void initial_values(shn_head *h, shn_counts counts)
{
    shn_rng rng = shn_rng_stream(h->config.seed, PURPOSE_HEAD, 0, 0);
    const double sd = h->D ? 1 / sqrt((double)h->D) : 0, bound = 1 / sqrt((double)h->E);
    /* keeps inner products of texts in expectation, up to a factor that the unit length takes out */
    for (size_t i = 0; i < h->part[HEAD_PROJECTION].size; i++) shn_head_at(h, HEAD_PROJECTION)[i] = (float)(sd * shn_rng_normal(&rng));
    for (size_t i = 0; i < h->part[HEAD_WEIGHT].size; i++)
        shn_head_at(h, HEAD_WEIGHT)[i] = (float)(bound * (2 * shn_rng_uniform(&rng) - 1));
    if (is_pair(h)) *shn_head_at(h, HEAD_PAIR_SCALE) = (float)log(shn_loss_has_bias(h->config.loss) ? 10 : 1 / h->config.temperature);
    if (has_columns(h)) *shn_head_at(h, HEAD_CLASS_SCALE) = h->config.ecg_norm_raw ? 0 : (float)log(20);
    if (has_sentences(h)) *shn_head_at(h, HEAD_SENTENCE_SCALE) = (float)log(10);
    initial_biases(h, counts);
}

/** Inside J a finding weighs prevalence^-a; smoothed, so that one that training never saw weighs something finite. */
static shn_status label_weights(shn_head *h, shn_counts counts, shn_error *err)
{
    if (h->config.label_weight_power == 0) return SHN_OK;
    h->label_weight = shn_alloc(h->K, sizeof *h->label_weight);
    if (!h->label_weight) return shn_fail_nomem(err, "train.head");
    for (size_t k = 0; k < h->K; k++)
        h->label_weight[k] = (float)pow((counts.n_pos[k] + 0.5) / (counts.n_known[k] + 1.0), -h->config.label_weight_power);
    return SHN_OK;
}

static shn_status allocate(shn_head *h, shn_error *err)
{
    const size_t B = h->B_max, most = B > h->K ? B : h->K, E = h->E;
    float **blocks[] = { &h->p, &h->g, &h->m, &h->v };
    int missing = 0;
    for (int i = 0; i < 4; i++) missing |= !(*blocks[i] = shn_alloc_aligned(h->n, sizeof(float)));
    float **rows[] = { &h->e, &h->d_e, &h->d_x }, **texts[] = { &h->u, &h->d_u, &h->r, &h->d_r };
    for (int i = 0; i < 3; i++) missing |= !(*rows[i] = shn_alloc_aligned(B, E * sizeof(float)));
    for (int i = 0; i < 4; i++) missing |= !(*texts[i] = shn_alloc_aligned(most, E * sizeof(float)));
    missing |= !(h->norm_e = shn_alloc(B, sizeof *h->norm_e));
    missing |= !(h->norm_u = shn_alloc(most, sizeof *h->norm_u));
    if (missing) return shn_fail_nomem(err, "train.head");
    return shn_loss_work_new(B, E, h->K, h->config.chunk, &h->work, err);
}

shn_status shn_head_new(const shn_train_config *config, size_t K, size_t D, size_t B_max, shn_counts counts, shn_head **out,
                        shn_error *err)
{
    *out = NULL;
    shn_head *h = shn_alloc(1, sizeof *h);
    if (!h) return shn_fail_nomem(err, "train.head");
    *h = (shn_head){ .config = *config, .K = K, .D = D, .E = config->encoder.embed, .B_max = B_max };
    lay_out(h);
    shn_status st = allocate(h, err);
    if (st == SHN_OK) st = label_weights(h, counts, err);
    if (st != SHN_OK) {
        shn_head_free(h);
        return st;
    }
    h->pair = (shn_pair_options){ .loss = config->loss, .form = config->jaccard_form, .threshold = config->jaccard_threshold,
                                  .label_weight = h->label_weight, .chunk = config->chunk };
    initial_values(h, counts);
    *out = h;
    return SHN_OK;
}

void shn_head_free(shn_head *h)
{
    if (!h) return;
    void *all[] = { h->p, h->g, h->m, h->v, h->label_weight, h->e, h->d_e, h->d_x, h->u, h->d_u, h->r, h->d_r, h->norm_e, h->norm_u };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    shn_loss_work_free(h->work);
    free(h);
}

void shn_head_set_pair_bias(shn_head *h, double mean_target)
{
    if (h->part[HEAD_PAIR_BIAS].size) *shn_head_at(h, HEAD_PAIR_BIAS) = (float)shn_initial_logit(mean_target);
}

static float *gradient_at(shn_head *h, int part) { return h->g + h->part[part].offset; }

static shn_status pair_term(shn_head *h, shn_texts *texts, const shn_batch_labels *labels, double *loss, shn_error *err)
{
    const size_t B = labels->B, E = h->E;
    const int    has_bias = h->part[HEAD_PAIR_BIAS].size > 0;
    double d_scale, d_bias;
    shn_texts_records(texts, labels, h->r);
    shn_unit_rows(h->r, B, E, h->u, h->norm_u);
    const shn_status st = shn_pair_loss(h->work, &h->pair, labels, h->e, h->u, (double)*shn_head_at(h, HEAD_PAIR_SCALE),
                                        has_bias ? (double)*shn_head_at(h, HEAD_PAIR_BIAS) : 0, loss, h->d_e, h->d_u, &d_scale, &d_bias, err);
    if (st != SHN_OK) return st;
    memset(h->d_r, 0, B * E * sizeof *h->d_r);
    shn_unit_rows_backward(h->u, h->norm_u, h->d_u, B, E, h->d_r);
    shn_texts_records_backward(texts, labels, h->d_r);
    *gradient_at(h, HEAD_PAIR_SCALE) = (float)d_scale;
    if (has_bias) *gradient_at(h, HEAD_PAIR_BIAS) = (float)d_bias;
    return SHN_OK;
}

/** Adds the term's share: to d_z with a raw ECG side, else to d_e. */
static shn_status column_term(shn_head *h, shn_texts *texts, const shn_batch_labels *labels, const float *z, double *loss, float *d_z,
                              shn_error *err)
{
    const size_t B = labels->B, K = h->K, E = h->E;
    const double weight = column_weight(h);
    const int    raw = h->config.ecg_norm_raw;
    double term, d_scale, d_bias;
    float *d_bk = gradient_at(h, HEAD_FINDING_BIAS), *into = raw ? d_z : h->d_e;
    shn_texts_classes(texts, h->r);
    shn_unit_rows(h->r, K, E, h->u, h->norm_u);
    const shn_status st = shn_class_loss(h->work, labels, raw ? z : h->e, h->u, (double)*shn_head_at(h, HEAD_CLASS_SCALE),
                                         (double)*shn_head_at(h, HEAD_CLASS_BIAS), shn_head_at(h, HEAD_FINDING_BIAS), &term, h->d_x,
                                         h->d_u, &d_scale, &d_bias, d_bk, err);
    if (st != SHN_OK) return st;
    *loss += weight * term;
    for (size_t i = 0; i < B * E; i++) into[i] += (float)weight * h->d_x[i];
    for (size_t i = 0; i < K * E; i++) h->d_u[i] *= (float)weight;
    for (size_t k = 0; k < K; k++) d_bk[k] *= (float)weight;
    *gradient_at(h, HEAD_CLASS_SCALE) = raw ? 0 : (float)(weight * d_scale);
    *gradient_at(h, HEAD_CLASS_BIAS) = (float)(weight * d_bias);
    memset(h->d_r, 0, K * E * sizeof *h->d_r);
    shn_unit_rows_backward(h->u, h->norm_u, h->d_u, K, E, h->d_r);
    shn_texts_classes_backward(texts, h->d_r);
    return SHN_OK;
}

/** Adds the term's share to d_e. A record without a report has a zero row and SHN_NO_GROUP. */
static shn_status sentence_term(shn_head *h, shn_texts *texts, const uint32_t *sentence, size_t B, double *loss, shn_error *err)
{
    const size_t E = h->E;
    const double weight = h->config.sentences;
    double d_scale;
    shn_texts_sentences(texts, B, h->r);
    shn_unit_rows(h->r, B, E, h->u, h->norm_u);
    const shn_status st = shn_group_loss(h->work, sentence, B, h->e, h->u, (double)*shn_head_at(h, HEAD_SENTENCE_SCALE), &h->sentence_loss, h->d_x,
                                         h->d_u, &d_scale, err);
    if (st != SHN_OK) return st;
    *loss += weight * h->sentence_loss;
    for (size_t i = 0; i < B * E; i++) h->d_e[i] += (float)weight * h->d_x[i];
    for (size_t i = 0; i < B * E; i++) h->d_u[i] *= (float)weight;
    *gradient_at(h, HEAD_SENTENCE_SCALE) = (float)(weight * d_scale);
    memset(h->d_r, 0, B * E * sizeof *h->d_r);
    shn_unit_rows_backward(h->u, h->norm_u, h->d_u, B, E, h->d_r);
    shn_texts_sentences_backward(texts, B, h->d_r);
    return SHN_OK;
}

static shn_status bce_term(shn_head *h, const shn_batch_labels *labels, const float *z, double *loss, float *d_z, shn_error *err)
{
    double d_scale, d_bias;
    return shn_class_loss(h->work, labels, z, shn_head_at(h, HEAD_WEIGHT), 0, 0, shn_head_at(h, HEAD_FINDING_BIAS), loss, d_z,
                          gradient_at(h, HEAD_WEIGHT), &d_scale, &d_bias, gradient_at(h, HEAD_FINDING_BIAS), err);
}

shn_status shn_head_loss(shn_head *h, shn_texts *texts, const shn_batch_labels *labels, const shn_batch_texts *batch, const float *z,
                         double *loss, float *d_z, shn_error *err)
{
    const size_t B = labels->B, E = h->E;
    shn_status st = SHN_OK;
    *loss = 0;
    memset(d_z, 0, B * E * sizeof *d_z);
    if (is_bce(h)) st = bce_term(h, labels, z, loss, d_z, err);
    if (st != SHN_OK || !texts) return st;
    memset(h->d_e, 0, B * E * sizeof *h->d_e);
    shn_unit_rows(z, B, E, h->e, h->norm_e);
    shn_texts_project(texts, shn_head_at(h, HEAD_PROJECTION), batch, B);
    if (is_pair(h)) st = pair_term(h, texts, labels, loss, err);
    if (st == SHN_OK && has_columns(h)) st = column_term(h, texts, labels, z, loss, d_z, err);
    if (st == SHN_OK && has_sentences(h)) st = sentence_term(h, texts, batch->sentence, B, loss, err);
    if (st != SHN_OK) return st;
    shn_unit_rows_backward(h->e, h->norm_e, h->d_e, B, E, d_z);
    shn_texts_project_backward(texts, gradient_at(h, HEAD_PROJECTION));
    return SHN_OK;
}

double shn_head_gradient_square(const shn_head *h)
{
    double sum = 0;
    for (int i = 0; i < HEAD_PARTS; i++)
        for (size_t j = 0; h->part[i].trained && j < h->part[i].size; j++) {
            const double g = (double)h->g[h->part[i].offset + j];
            sum += g * g;
        }
    return sum;
}

static void cap_scale(shn_head *h, int part)
{
    const float high = (float)log(SHN_LOGIT_SCALE_MAX);
    if (h->part[part].size && *shn_head_at(h, part) > high) *shn_head_at(h, part) = high;
}

void shn_head_step(shn_head *h, double lr, uint64_t step, float grad_scale)
{
    const shn_train_config *c = &h->config;
    for (int i = 0; i < HEAD_PARTS; i++) {
        const shn_head_part *part = &h->part[i];
        if (!part->trained || part->size == 0) continue;
        const shn_adamw hyper = { (float)(lr * part->lr_scale), (float)c->beta1, (float)c->beta2, (float)c->eps, (float)c->wd };
        shn_adamw_update(h->p + part->offset, h->g + part->offset, h->m + part->offset, h->v + part->offset, part->size, &hyper,
                         part->decay, step, grad_scale);
    }
    cap_scale(h, HEAD_PAIR_SCALE);
    cap_scale(h, HEAD_CLASS_SCALE);
    cap_scale(h, HEAD_SENTENCE_SCALE);
}
