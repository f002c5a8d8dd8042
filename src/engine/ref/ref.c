/**
 * The reference engine: walks the encoder's table unit by unit with the operators of ops.h, in double, on one thread.
 * Nothing is fused, nothing is reused, so that each line can be read against the formula. Parameters stay float, as
 * everywhere; sums and activations are double, so its result stands in for the exact one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "engine/engine_ops.h"
#include "engine/ref/ops.h"

typedef struct ref_unit {
    double  *conv;              /* [B][Tc][C] convolution's result */
    double  *bn;                /* [B][Tc][C] after BN, residual sum and ReLU */
    double  *pooled;            /* [B][T][C] after the pool; NULL: no pool, bn is the output */
    double  *d_out;             /* [B][T][C] gradient of the output */
    double  *mean, *var;        /* [C] in use in the last pass */
    uint8_t *from;              /* [B][T][C] the pool's winners */
} ref_unit;

typedef struct ref_engine {
    shn_encoder  enc;
    size_t       n_samples, batch_max;
    float       *params, *state, *m, *v;            /* masters */
    double      *exact, *gradient;                  /* [n_params] parameters as double; gradient block */
    double      *x, *mean, *d_mean;                 /* input [B][T][L]; time means and their gradient [B][C] */
    double      *z, *d_z;                           /* [B][E] */
    double      *work, *work2;                      /* [largest conv output of a batch] */
    ref_unit     units[SHN_UNITS_MAX];
} ref_engine;

static size_t conv_length(const ref_engine *e, const shn_unit *u)
{
    return (shn_encoder_length(&e->enc, u->input, e->n_samples) + 2 * u->pad - u->kernel) / u->stride + 1;
}

static shn_ref_conv shape_of(const ref_engine *e, size_t unit, size_t B)
{
    const shn_unit *u = &e->enc.units[unit];
    return (shn_ref_conv){ .B = B, .in = u->in_channels, .in_length = shn_encoder_length(&e->enc, u->input, e->n_samples),
                           .out = u->out_channels, .out_length = conv_length(e, u), .kernel = u->kernel, .stride = u->stride,
                           .pad = u->pad };
}

static const double *tensor(const ref_engine *e, int number)
{
    if (number == 0) return e->x;
    const ref_unit *r = &e->units[number - 1];
    return r->pooled ? r->pooled : r->bn;
}

static void ref_free(void *self)
{
    ref_engine *e = self;
    if (!e) return;
    for (size_t i = 0; i < e->enc.n_units; i++) {
        ref_unit *r = &e->units[i];
        free(r->conv), free(r->bn), free(r->pooled), free(r->d_out), free(r->mean), free(r->var), free(r->from);
    }
    free(e->params), free(e->state), free(e->m), free(e->v), free(e->exact), free(e->gradient), free(e->x), free(e->mean);
    free(e->d_mean), free(e->z), free(e->d_z), free(e->work), free(e->work2), free(e);
}

static void ref_set(void *self, const float *params, const float *state)
{
    ref_engine *e = self;
    memcpy(e->params, params, e->enc.n_params * sizeof *params);
    memcpy(e->state, state, e->enc.n_state * sizeof *state);
    for (size_t i = 0; i < e->enc.n_params; i++) e->exact[i] = params[i];
}

static void ref_get(const void *self, float *params, float *state)
{
    const ref_engine *e = self;
    memcpy(params, e->params, e->enc.n_params * sizeof *params);
    memcpy(state, e->state, e->enc.n_state * sizeof *state);
}

static void ref_set_moments(void *self, const float *m, const float *v)
{
    ref_engine *e = self;
    memcpy(e->m, m, e->enc.n_params * sizeof *m);
    memcpy(e->v, v, e->enc.n_params * sizeof *v);
}

static void ref_get_moments(const void *self, float *m, float *v)
{
    const ref_engine *e = self;
    memcpy(m, e->m, e->enc.n_params * sizeof *m);
    memcpy(v, e->v, e->enc.n_params * sizeof *v);
}

/** running = (1 - momentum) running + momentum batch, the batch variance unbiased. */
static void update_statistics(ref_engine *e, size_t unit, size_t n)
{
    const shn_unit *u = &e->enc.units[unit];
    const double    unbias = n > 1 ? (double)n / (double)(n - 1) : 1, k = SHN_BN_MOMENTUM;
    for (size_t c = 0; c < u->out_channels; c++) {
        float *mean = &e->state[u->mean + c], *var = &e->state[u->var + c];
        *mean = (float)((1 - k) * *mean + k * e->units[unit].mean[c]);
        *var  = (float)((1 - k) * *var + k * e->units[unit].var[c] * unbias);
    }
}

/** One unit forward. batch_statistics 0: the running ones. */
static void unit_forward(ref_engine *e, size_t unit, size_t B, int batch_statistics)
{
    const shn_unit    *u = &e->enc.units[unit];
    ref_unit          *r = &e->units[unit];
    const shn_ref_conv s = shape_of(e, unit, B);
    const size_t       n = B * s.out_length, C = s.out;
    shn_ref_conv_forward(&s, tensor(e, u->input), e->exact + u->weight, r->conv);
    if (batch_statistics) shn_ref_bn_statistics(r->conv, n, C, r->mean, r->var);
    else
        for (size_t c = 0; c < C; c++) {
            r->mean[c] = e->state[u->mean + c];
            r->var[c] = e->state[u->var + c];
        }
    shn_ref_bn_forward(r->conv, n, C, r->mean, r->var, e->exact + u->gamma, e->exact + u->beta, SHN_BN_EPS, r->bn);
    if (u->residual >= 0) {
        const double *add = tensor(e, u->residual);
        for (size_t i = 0; i < n * C; i++) r->bn[i] += add[i];
    }
    if (u->relu)
        for (size_t i = 0; i < n * C; i++) r->bn[i] = r->bn[i] <= 0 ? 0 : r->bn[i];      /* a NaN stays one */
    if (u->max_pool)
        shn_ref_pool_forward(r->bn, B, s.out_length, shn_encoder_length(&e->enc, (int)unit + 1, e->n_samples), C, r->pooled, r->from);
}

static void walk_forward(ref_engine *e, const float *x, size_t B, int batch_statistics, float *z)
{
    const size_t n_x = B * e->n_samples * e->enc.config.n_leads, E = e->enc.config.embed;
    for (size_t i = 0; i < n_x; i++) e->x[i] = x[i];
    for (size_t u = 0; u < e->enc.n_units; u++) unit_forward(e, u, B, batch_statistics);
    shn_ref_mean_forward(tensor(e, e->enc.last), B, shn_encoder_length(&e->enc, e->enc.last, e->n_samples), e->enc.channels, e->mean);
    shn_ref_linear_forward(e->mean, e->exact + e->enc.fc_weight, e->exact + e->enc.fc_bias, B, e->enc.channels, E, e->z);
    for (size_t i = 0; i < B * E; i++) z[i] = (float)e->z[i];
}

static shn_status ref_embed(void *self, const float *x, size_t B, float *z, shn_error *err)
{
    (void)err;
    walk_forward(self, x, B, 0, z);
    return SHN_OK;
}

static shn_status ref_forward(void *self, const float *x, size_t B, int update_state, float *z, shn_error *err)
{
    ref_engine *e = self;
    (void)err;
    walk_forward(e, x, B, 1, z);
    if (update_state)
        for (size_t u = 0; u < e->enc.n_units; u++) update_statistics(e, u, B * conv_length(e, &e->enc.units[u]));
    return SHN_OK;
}

static void unit_backward(ref_engine *e, size_t unit, size_t B)
{
    const shn_unit    *u = &e->enc.units[unit];
    ref_unit          *r = &e->units[unit];
    const shn_ref_conv s = shape_of(e, unit, B);
    const size_t       n = B * s.out_length, C = s.out;
    double            *g = e->work, *d_conv = e->work2;
    memset(g, 0, n * C * sizeof *g);
    if (u->max_pool)
        shn_ref_pool_backward(r->d_out, r->from, B, s.out_length, shn_encoder_length(&e->enc, (int)unit + 1, e->n_samples), C, g);
    else memcpy(g, r->d_out, n * C * sizeof *g);
    if (u->relu)
        for (size_t i = 0; i < n * C; i++)
            if (!(r->bn[i] > 0)) g[i] = 0;
    if (u->residual >= 1)
        for (size_t i = 0; i < n * C; i++) e->units[u->residual - 1].d_out[i] += g[i];
    shn_ref_bn_backward(r->conv, g, n, C, r->mean, r->var, e->exact + u->gamma, SHN_BN_EPS, d_conv, e->gradient + u->gamma,
                        e->gradient + u->beta);
    shn_ref_conv_backward_weights(&s, tensor(e, u->input), d_conv, e->gradient + u->weight);
    if (u->input >= 1) shn_ref_conv_backward_data(&s, d_conv, e->exact + u->weight, e->units[u->input - 1].d_out);
}

static shn_status ref_backward(void *self, const float *x, const float *d_z, size_t B, int last, shn_error *err)
{
    ref_engine        *e = self;
    const shn_encoder *enc = &e->enc;
    (void)x, (void)err, (void)last;                             /* the forward pass kept its own copy of x */
    const size_t E = enc->config.embed, C = enc->channels;
    for (size_t u = 0; u < enc->n_units; u++) {
        const size_t T = shn_encoder_length(enc, (int)u + 1, e->n_samples);
        memset(e->units[u].d_out, 0, B * T * enc->units[u].out_channels * sizeof(double));
    }
    memset(e->d_mean, 0, B * C * sizeof *e->d_mean);
    for (size_t i = 0; i < B * E; i++) e->d_z[i] = d_z[i];
    shn_ref_linear_backward(e->mean, e->exact + enc->fc_weight, e->d_z, B, C, E, e->d_mean, e->gradient + enc->fc_weight,
                            e->gradient + enc->fc_bias);
    shn_ref_mean_backward(e->d_mean, B, shn_encoder_length(enc, enc->last, e->n_samples), C, e->units[enc->last - 1].d_out);
    for (size_t u = enc->n_units; u-- > 0;) unit_backward(e, u, B);
    return SHN_OK;
}

static void ref_zero_gradient(void *self)
{
    ref_engine *e = self;
    memset(e->gradient, 0, e->enc.n_params * sizeof *e->gradient);
}

static void ref_get_gradient(const void *self, float *gradient)
{
    const ref_engine *e = self;
    for (size_t i = 0; i < e->enc.n_params; i++) gradient[i] = (float)e->gradient[i];
}

static double ref_gradient_square(const void *self)
{
    const ref_engine *e = self;
    double            sum = 0;
    for (size_t i = 0; i < e->enc.n_params; i++) sum += e->gradient[i] * e->gradient[i];
    return sum;
}

static shn_status ref_step(void *self, const shn_adamw *hyper, uint64_t step, float grad_scale, shn_error *err)
{
    ref_engine *e = self;
    float      *g = shn_alloc(e->enc.n_params, sizeof *g);
    if (!g) return shn_fail_nomem(err, "engine.ref");
    ref_get_gradient(e, g);
    for (size_t i = 0; i < e->enc.n_tensors; i++) {
        const shn_tensor *t = &e->enc.tensors[i];
        shn_adamw_update(e->params + t->offset, g + t->offset, e->m + t->offset, e->v + t->offset, t->size, hyper, t->decay, step,
                         grad_scale);
    }
    for (size_t i = 0; i < e->enc.n_params; i++) e->exact[i] = e->params[i];
    free(g);
    return SHN_OK;
}

static void ref_explain(const void *self, size_t unit, char text[SHN_EXPLAIN_MAX])
{
    (void)self, (void)unit;
    snprintf(text, SHN_EXPLAIN_MAX, "plain C, double");
}

static const shn_engine_ops ref_ops = {
    .explain = ref_explain, .free = ref_free, .set = ref_set, .get = ref_get, .set_moments = ref_set_moments, .get_moments = ref_get_moments,
    .embed = ref_embed, .forward = ref_forward, .backward = ref_backward, .zero_gradient = ref_zero_gradient,
    .get_gradient = ref_get_gradient, .gradient_square = ref_gradient_square, .step = ref_step,
};

static int allocate(ref_engine *e)
{
    const size_t B = e->batch_max, E = e->enc.config.embed;
    size_t       largest = 0;
    int          ok = 1;
#define NEW(field, count, type) ok = ((field) = shn_alloc(count, sizeof(type))) != NULL && ok
    NEW(e->params, e->enc.n_params, float);
    NEW(e->state, e->enc.n_state, float);
    NEW(e->m, e->enc.n_params, float);
    NEW(e->v, e->enc.n_params, float);
    NEW(e->exact, e->enc.n_params, double);
    NEW(e->gradient, e->enc.n_params, double);
    NEW(e->x, B * e->n_samples * e->enc.config.n_leads, double);
    NEW(e->mean, B * e->enc.channels, double);
    NEW(e->d_mean, B * e->enc.channels, double);
    NEW(e->z, B * E, double);
    NEW(e->d_z, B * E, double);
    for (size_t i = 0; i < e->enc.n_units; i++) {
        ref_unit    *r = &e->units[i];
        const size_t C = e->enc.units[i].out_channels;
        const size_t n = B * C * conv_length(e, &e->enc.units[i]);
        const size_t n_out = B * C * shn_encoder_length(&e->enc, (int)i + 1, e->n_samples);
        if (n > largest) largest = n;
        NEW(r->conv, n, double);
        NEW(r->bn, n, double);
        NEW(r->d_out, n_out, double);
        NEW(r->mean, C, double);
        NEW(r->var, C, double);
        if (!e->enc.units[i].max_pool) continue;
        NEW(r->pooled, n_out, double);
        NEW(r->from, n_out, uint8_t);
    }
    NEW(e->work, largest, double);
    NEW(e->work2, largest, double);
#undef NEW
    return ok;
}

shn_status shn_engine_new_ref(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                              const shn_engine_options *options, shn_engine_made *out, shn_error *err)
{
    (void)training;                                 /* the oracle keeps everything always */
    if (options->precision == SHN_PRECISION_BF16 || options->precision == SHN_PRECISION_TF32)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "engine.ref", "the reference has no bf16 and no tf32, use the cpu or cuda engine");
    if (options->group)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "engine.ref", "the reference works alone, several ranks need the cpu engine");
    ref_engine *e = shn_alloc(1, sizeof *e);
    if (!e) return shn_fail_nomem(err, "engine.ref");
    e->enc = *enc;
    e->n_samples = n_samples;
    e->batch_max = batch_max;
    if (!allocate(e)) {
        ref_free(e);
        return shn_fail_nomem(err, "engine.ref");
    }
    *out = (shn_engine_made){ .ops = &ref_ops, .self = e, .n_threads = 1 };
    snprintf(out->kernels, sizeof out->kernels, "ref f64 plain C");
    snprintf(out->describe, sizeof out->describe, "ref f64 plain C 1 thread");
    return SHN_OK;
}
