/**
 * The training pass, for the whole batch. Forward, per unit: convolution - moments - statistics - BN, residual, ReLU (and pool).
 * Backward, per unit: ReLU mask and sums - BN's coefficients - BN backward - weight gradient - data gradient.
 * Records between B and batch_max, for which convolutions are planned, are zeros throughout and count nowhere.
 */
#include "engine/cuda/cuda.h"

#include <string.h>

static gpu_affine affine_of(const cuda_engine *e, const cuda_unit *w) { return (gpu_affine){ w->mean, w->scale, e->params + w->u.beta }; }
static const void *tensor(const cuda_engine *e, int number) { return number == 0 ? e->input : e->units[number - 1].out; }
static uint32_t lanes(const cuda_unit *w) { return w->u.out_channels / GPU_LANE; }

/* ---- forward ---- */

static shn_status statistics(cuda_engine *e, cuda_unit *w, size_t B, int update_state, shn_error *err)
{
    const uint32_t C = w->u.out_channels;
    const gpu_moments_args moments = { .y = w->y, .partial = e->partial, .s = cuda_sums(B * w->conv_length, C), .type = (int)e->type };
    const gpu_settle_args  settle = {
        .partial = e->partial, .gamma = e->params + w->u.gamma, .mean = w->mean, .scale = w->scale, .rstd = w->rstd,
        .running_mean = update_state ? e->state + w->u.mean : NULL, .running_var = update_state ? e->state + w->u.var : NULL,
        .n = (double)(B * w->conv_length), .n_blocks = moments.s.n_blocks, .C = C,
    };
    const shn_status st = cuda_launch(e, moments, moments.s.n_blocks * moments.s.n_slabs, &moments, err);
    return st == SHN_OK ? cuda_launch(e, settle, C / GPU_LANE, &settle, err) : st;
}

static shn_status finish(cuda_engine *e, cuda_unit *w, size_t B, shn_error *err)
{
    if (w->u.max_pool) {
        const gpu_normalise_pool_args a = {
            .y = w->y, .bn = affine_of(e, w), .out = w->out, .from = w->from, .n_rows = (uint32_t)(B * w->out_length),
            .n_total = (uint32_t)(e->batch_max * w->out_length), .in_length = (uint32_t)w->conv_length, .out_length = (uint32_t)w->out_length,
            .lanes = lanes(w), .type = (int)e->type,
        };
        return cuda_launch(e, normalise_pool, cuda_blocks((size_t)a.n_total * a.lanes), &a, err);
    }
    gpu_normalise_args a = { .y = w->y, .bn = affine_of(e, w), .out = w->out, .n_rows = (uint32_t)(B * w->conv_length),
                             .n_total = (uint32_t)(e->batch_max * w->conv_length), .lanes = lanes(w), .relu = w->u.relu, .type = (int)e->type };
    if (w->shortcut >= 0) {
        a.y2 = e->units[w->shortcut].y;
        a.bn2 = affine_of(e, &e->units[w->shortcut]);
    } else if (w->u.residual >= 1) a.residual = tensor(e, w->u.residual);
    return cuda_launch(e, normalise, cuda_blocks((size_t)a.n_total * a.lanes), &a, err);
}

static shn_status forward_pass(cuda_engine *e, size_t B, int update_state, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) st = cuda_pack(e, &e->units[i], NULL, e->units[i].w, err);
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) {
        cuda_unit *w = &e->units[i];
        st = e->device->ops->conv_run(e->device, w->forward, tensor(e, w->u.input), w->w, w->y, e->workspace, err);
        if (st == SHN_OK) st = statistics(e, w, B, update_state, err);
        if (st == SHN_OK && !w->lazy) st = finish(e, w, B, err);
    }
    return st == SHN_OK ? cuda_head(e, tensor(e, e->enc.last), B, e->pooled, NULL, err) : st;
}

shn_status cuda_forward(void *self, const float *x, size_t B, int update_state, float *z, shn_error *err)
{
    cuda_engine *e = self;
    shn_status   st = cuda_to_device(e, e->x, x, B * e->n_samples * e->enc.config.n_leads * sizeof *x, err);
    if (st == SHN_OK) st = cuda_input(e, B, e->batch_max, e->input, err);
    return st == SHN_OK ? cuda_forward_input(e, B, update_state, z, err) : st;
}

shn_status cuda_forward_input(cuda_engine *e, size_t B, int update_state, float *z, shn_error *err)
{
    const size_t E = e->enc.config.embed;
    const shn_status st = cuda_run(e, update_state ? CUDA_FORWARD_STATE : CUDA_FORWARD, B, forward_pass, update_state, err);
    if (update_state) e->folded = 0;
    return st == SHN_OK ? cuda_from_device(e, z, e->z, B * E * sizeof *z, err) : st;
}

/* ---- backward ---- */

static shn_status head_backward(cuda_engine *e, size_t B, shn_error *err)
{
    const size_t C = e->enc.channels, E = e->enc.config.embed;
    const gpu_product to_pooled = { .m = B, .n = C, .k = E }, to_weight = { .m = E, .n = C, .k = B, .trans_a = 1, .add = 1 };
    const gpu_bias_gradient_args bias = { .d_z = e->d_z, .d_bias = e->gradient + e->enc.fc_bias, .n_records = (uint32_t)B, .E = (uint32_t)E };
    shn_status st = e->device->ops->product(e->device, &to_pooled, e->d_z, e->params + e->enc.fc_weight, e->d_pooled, err);
    if (st == SHN_OK) st = e->device->ops->product(e->device, &to_weight, e->d_z, e->pooled, e->gradient + e->enc.fc_weight, err);
    return st == SHN_OK ? cuda_launch(e, bias_gradient, (E + GPU_LANE - 1) / GPU_LANE, &bias, err) : st;
}

/** BN's coefficients for a unit from the sums that `dot` names, and the gradients of its gamma and beta. */
static shn_status settle(cuda_engine *e, cuda_unit *w, size_t B, uint32_t n_blocks, uint32_t n_sums, uint32_t dot, shn_error *err)
{
    const gpu_settle_backward_args a = {
        .partial = e->partial, .rstd = w->rstd, .gamma = e->params + w->u.gamma, .k = w->k, .d_gamma = e->gradient + w->u.gamma,
        .d_beta = e->gradient + w->u.beta, .n = (double)(B * w->conv_length), .n_blocks = n_blocks, .n_sums = n_sums, .dot = dot, .C = w->u.out_channels,
    };
    return cuda_launch(e, settle_backward, a.C / GPU_LANE, &a, err);
}

/** Masks the gradient of a unit's output in place; the coefficients of its BN, and of its shortcut's. */
static shn_status mask(cuda_engine *e, cuda_unit *w, size_t B, int is_last, shn_error *err)
{
    cuda_unit         *s = w->shortcut >= 0 ? &e->units[w->shortcut] : NULL;
    gpu_mask_sums_args a = {
        .d = is_last ? NULL : e->gradients[w->g], .spread = e->d_pooled, .other = w->other >= 0 ? e->gradients[w->other] : NULL, .out = w->out, .y = w->y,
        .mean = w->mean, .from = w->from, .g = e->gradients[w->g], .partial = e->partial, .s = cuda_sums(B * w->out_length, w->u.out_channels),
        .length = (uint32_t)w->out_length, .conv_length = (uint32_t)w->conv_length, .type = (int)e->type,
    };
    const uint32_t n_sums = s ? 3 : 2;
    if (s) a.y2 = s->y, a.mean2 = s->mean;
    shn_status st = cuda_launch(e, mask_sums, a.s.n_blocks * a.s.n_slabs, &a, err);
    if (st == SHN_OK) st = settle(e, w, B, a.s.n_blocks, n_sums, 1, err);
    return st == SHN_OK && s ? settle(e, s, B, a.s.n_blocks, n_sums, 2, err) : st;
}

static shn_status weight_gradient(cuda_engine *e, cuda_unit *w, shn_error *err)
{
    const gpu_collect_args a = { .dw = e->d_w, .gradient = e->gradient + w->u.weight, .n = w->u.out_channels * w->u.in_channels * w->u.kernel,
                                 .in = w->u.in_channels, .in_padded = (uint32_t)w->in, .kernel = w->u.kernel, .type = (int)w->weights->dw_type };
    const shn_status st = e->device->ops->conv_run(e->device, w->weights, tensor(e, w->u.input), e->d_y, e->d_w, e->workspace, err);
    return st == SHN_OK ? cuda_launch(e, collect, cuda_blocks(a.n), &a, err) : st;
}

static shn_status unit_backward(cuda_engine *e, cuda_unit *w, size_t B, shn_error *err)
{
    const gpu_bn_backward_args a = {
        .g = e->gradients[w->g], .y = w->y, .mean = w->mean, .k = w->k, .from = w->from, .d_y = e->d_y, .n_rows = (uint32_t)(B * w->conv_length),
        .n_total = (uint32_t)(e->batch_max * w->conv_length), .conv_length = (uint32_t)w->conv_length, .out_length = (uint32_t)w->out_length,
        .lanes = lanes(w), .type = (int)e->type,
    };
    shn_status st = cuda_launch(e, bn_backward, cuda_blocks((size_t)a.n_total * a.lanes), &a, err);
    if (st == SHN_OK) st = weight_gradient(e, w, err);
    if (st == SHN_OK && w->d_input >= 0)
        st = e->device->ops->conv_run(e->device, w->data, e->d_y, w->w, e->gradients[w->d_input], e->workspace, err);
    return st;
}

static shn_status backward_pass(cuda_engine *e, size_t B, int flag, shn_error *err)
{
    (void)flag;
    shn_status st = head_backward(e, B, err);
    for (size_t i = e->n_units; i-- > 0 && st == SHN_OK;) {
        cuda_unit *w = &e->units[i];
        if (!w->lazy) st = mask(e, w, B, (int)i + 1 == e->enc.last, err);
        if (st == SHN_OK) st = unit_backward(e, w, B, err);
    }
    return st;
}

shn_status cuda_backward(void *self, const float *x, const float *d_z, size_t B, int last, shn_error *err)
{
    cuda_engine *e = self;
    (void)x, (void)last;                        /* the forward pass has kept the input on the device; there is one rank */
    shn_status st = SHN_OK;
    if (e->fresh) st = e->device->ops->clear(e->device, e->gradient, e->enc.n_params * sizeof *e->gradient, err);
    if (st == SHN_OK) e->fresh = 0;
    if (st == SHN_OK) st = cuda_to_device(e, e->d_z, d_z, B * e->enc.config.embed * sizeof *d_z, err);
    if (st == SHN_OK) st = cuda_run(e, CUDA_BACKWARD, B, backward_pass, 0, err);
    return st == SHN_OK ? e->device->ops->sync(e->device, err) : st;
}
