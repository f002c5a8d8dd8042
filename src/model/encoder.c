/**
 * The encoder's table and what follows from it: names and places of parameters, lengths, first weights, arithmetic.
 * Names are those of PyTorch's resnet, so that a state dict of the same net has the same keys.
 */
#include "shinden/encoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/random.h"

enum { SIDE_MAX = 4096, ALIGN_FLOATS = 16, PURPOSE_INIT = 0x696e6974 /* "init" */ };

void shn_encoder_defaults(shn_encoder_config *config)
{
    *config = (shn_encoder_config){ .n_leads = 12, .width = 64, .blocks = { 2, 2, 2, 2 }, .max_pool = 1, .embed = 256 };
}

static size_t align_up(size_t n) { return (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS; }

static shn_status check(const shn_encoder_config *c, shn_error *err)
{
    static const char where[] = "encoder";
    if (c->n_leads == 0 || c->n_leads > SIDE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "%u leads, must be 1 to %d", c->n_leads, SIDE_MAX);
    if (c->embed == 0 || c->embed > SIDE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "embedding of %u, must be 1 to %d", c->embed, SIDE_MAX);
    if (c->width == 0 || c->width > SIDE_MAX || c->width % 8 != 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "width %u, must be a multiple of 8 up to %d", c->width, SIDE_MAX);
    if (c->blocks[0] == 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "no blocks in the first stage, give at least 1");
    if (c->max_pool > 1)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "max_pool %u, must be 0 or 1", c->max_pool);
    uint64_t n_units = 1;
    for (unsigned s = 0; s < SHN_STAGES && c->blocks[s]; s++) {
        n_units += 2 * (uint64_t)c->blocks[s] + (s > 0);
        if ((c->width << s) > SIDE_MAX)
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "width %u gives %u channels in stage %u, at most %d",
                            c->width, c->width << s, s + 1, SIDE_MAX);
    }
    if (n_units > SHN_UNITS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "%llu convolutions, at most %d; use fewer blocks",
                        (unsigned long long)n_units, SHN_UNITS_MAX);
    return SHN_OK;
}

/** Gives a tensor its place at the end of a block of `*total` floats. */
static size_t place(shn_tensor *t, size_t *total, const char *stem, const char *leaf, int decay, uint32_t rank,
                    uint32_t d0, uint32_t d1, uint32_t d2)
{
    *t = (shn_tensor){ .rank = rank, .shape = { d0, d1, d2 }, .offset = *total, .decay = decay };
    snprintf(t->name, sizeof t->name, "%s.%s", stem, leaf);
    t->size = (size_t)d0 * (rank > 1 ? d1 : 1) * (rank > 2 ? d2 : 1);
    *total += align_up(t->size);
    return t->offset;
}

/** Appends a unit with its parameters and statistics; returns the number of its output tensor. */
static int add_unit(shn_encoder *e, shn_unit u, const char *conv, const char *bn)
{
    shn_tensor *t = &e->tensors[e->n_tensors], *s = &e->state_tensors[e->n_state_tensors];
    u.weight = place(&t[0], &e->n_params, conv, "weight", 1, 3, u.out_channels, u.in_channels, u.kernel);
    u.gamma  = place(&t[1], &e->n_params, bn, "weight", 0, 1, u.out_channels, 0, 0);
    u.beta   = place(&t[2], &e->n_params, bn, "bias", 0, 1, u.out_channels, 0, 0);
    u.mean   = place(&s[0], &e->n_state, bn, "running_mean", 0, 1, u.out_channels, 0, 0);
    u.var    = place(&s[1], &e->n_state, bn, "running_var", 0, 1, u.out_channels, 0, 0);
    e->n_tensors += 3;
    e->n_state_tensors += 2;
    e->units[e->n_units++] = u;
    return (int)e->n_units;
}

/** A basic block: conv - BN - ReLU - conv - BN + shortcut, ReLU. The shortcut comes before the sum that needs it. */
static int add_block(shn_encoder *e, int input, unsigned stage, unsigned block, uint32_t in, uint32_t out)
{
    const uint32_t stride = stage > 0 && block == 0 ? 2 : 1;
    char conv[40], bn[40];
    snprintf(conv, sizeof conv, "layer%u.%u.conv1", stage + 1, block);
    snprintf(bn, sizeof bn, "layer%u.%u.bn1", stage + 1, block);
    const int middle = add_unit(e, (shn_unit){ .in_channels = in, .out_channels = out, .kernel = 3, .stride = stride, .pad = 1,
                                               .input = input, .residual = -1, .relu = 1 }, conv, bn);
    int shortcut = input;
    if (stride != 1 || in != out) {
        snprintf(conv, sizeof conv, "layer%u.%u.downsample.0", stage + 1, block);
        snprintf(bn, sizeof bn, "layer%u.%u.downsample.1", stage + 1, block);
        shortcut = add_unit(e, (shn_unit){ .in_channels = in, .out_channels = out, .kernel = 1, .stride = stride,
                                           .input = input, .residual = -1 }, conv, bn);
    }
    snprintf(conv, sizeof conv, "layer%u.%u.conv2", stage + 1, block);
    snprintf(bn, sizeof bn, "layer%u.%u.bn2", stage + 1, block);
    return add_unit(e, (shn_unit){ .in_channels = out, .out_channels = out, .kernel = 3, .stride = 1, .pad = 1,
                                   .input = middle, .residual = shortcut, .relu = 1 }, conv, bn);
}

shn_status shn_encoder_build(const shn_encoder_config *config, shn_encoder *e, shn_error *err)
{
    const shn_status st = check(config, err);
    if (st != SHN_OK) return st;
    memset(e, 0, sizeof *e);
    e->config = *config;
    int at = add_unit(e, (shn_unit){ .in_channels = config->n_leads, .out_channels = config->width, .kernel = 7, .stride = 2,
                                     .pad = 3, .input = 0, .residual = -1, .relu = 1, .max_pool = (int)config->max_pool },
                      "conv1", "bn1");
    e->channels = config->width;
    for (unsigned s = 0; s < SHN_STAGES && config->blocks[s]; s++)
        for (unsigned b = 0; b < config->blocks[s]; b++) {
            at = add_block(e, at, s, b, e->channels, config->width << s);
            e->channels = config->width << s;
        }
    e->last = at;
    e->fc_weight = place(&e->tensors[e->n_tensors++], &e->n_params, "fc", "weight", 1, 2, config->embed, e->channels, 0);
    e->fc_bias   = place(&e->tensors[e->n_tensors++], &e->n_params, "fc", "bias", 0, 1, config->embed, 0, 0);
    return SHN_OK;
}

void shn_encoder_init(const shn_encoder *e, uint64_t seed, float *params, float *state)
{
    memset(params, 0, e->n_params * sizeof *params);
    memset(state, 0, e->n_state * sizeof *state);
    for (size_t i = 0; i < e->n_tensors; i++) {
        const shn_tensor *t = &e->tensors[i];
        shn_rng           r = shn_rng_stream(seed, PURPOSE_INIT, i, 0);
        float            *p = params + t->offset;
        const double normal = t->rank == 3 ? sqrt(2.0 / ((double)t->shape[0] * t->shape[2])) : 0;
        const double bound  = t->offset == e->fc_weight || t->offset == e->fc_bias ? 1 / sqrt((double)e->channels) : 0;
        const int    gamma  = t->rank == 1 && strcmp(t->name + strlen(t->name) - 7, ".weight") == 0;
        for (size_t k = 0; k < t->size; k++) {
            if (t->rank == 3) p[k] = (float)(normal * shn_rng_normal(&r));
            else if (bound > 0) p[k] = (float)(bound * (2 * shn_rng_uniform(&r) - 1));
            else p[k] = gamma ? 1.f : 0.f;
        }
    }
    for (size_t u = 0; u < e->n_units; u++)
        for (size_t c = 0; c < e->units[u].out_channels; c++) state[e->units[u].var + c] = 1;
}

/** Outputs of a window of `kernel` moved by `stride` over n samples with `pad` more at both ends. */
static size_t outputs(size_t n, size_t kernel, size_t stride, size_t pad)
{
    return n + 2 * pad < kernel ? 0 : (n + 2 * pad - kernel) / stride + 1;
}

size_t shn_encoder_length(const shn_encoder *e, int number, size_t n_samples)
{
    if (number == 0) return n_samples;
    const shn_unit *u = &e->units[number - 1];
    const size_t    n = outputs(shn_encoder_length(e, u->input, n_samples), u->kernel, u->stride, u->pad);
    return u->max_pool ? outputs(n, 3, 2, 1) : n;
}

uint32_t shn_encoder_channels(const shn_encoder *e, int number)
{
    return number == 0 ? e->config.n_leads : e->units[number - 1].out_channels;
}

double shn_encoder_flops(const shn_encoder *e, size_t n_samples)
{
    double flops = 2.0 * e->channels * e->config.embed;
    for (size_t i = 0; i < e->n_units; i++) {
        const shn_unit *u = &e->units[i];
        const size_t    n = outputs(shn_encoder_length(e, u->input, n_samples), u->kernel, u->stride, u->pad);
        flops += 2.0 * u->in_channels * u->out_channels * u->kernel * (double)n;
    }
    return flops;
}
