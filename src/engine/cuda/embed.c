/**
 * Embedding: BN with running statistics is folded into weights and bias; bias, residual and ReLU follow each convolution in one pass.
 * Convolutions always have embed_call records, padded with zeros where there are fewer, so that one plan serves and a record's sums
 * are taken in the same order whatever else is in the batch.
 */
#include "engine/cuda/cuda.h"

#include <string.h>

static shn_status fold(cuda_engine *e, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) {
        const cuda_unit    *w = &e->units[i];
        const gpu_fold_args a = { .gamma = e->params + w->u.gamma, .beta = e->params + w->u.beta, .mean = e->state + w->u.mean, .var = e->state + w->u.var,
                                  .scale = w->scale_infer, .bias = w->bias_infer, .C = w->u.out_channels };
        st = cuda_launch(e, fold, cuda_blocks(a.C), &a, err);
        if (st == SHN_OK) st = cuda_pack(e, w, w->scale_infer, w->w_infer, err);
    }
    if (st == SHN_OK) e->folded = 1;
    return st;
}

static shn_status finish(cuda_engine *e, const cuda_unit *w, shn_error *err)
{
    const gpu_affine bias = { .beta = w->bias_infer };
    const uint32_t   lanes = w->u.out_channels / GPU_LANE, n_out = (uint32_t)(e->embed_call * w->out_length);
    if (w->u.max_pool) {
        const gpu_normalise_pool_args a = { .y = e->embeds[w->e_dst], .bn = bias, .out = e->embeds[w->e_pool], .n_rows = n_out, .n_total = n_out,
                                            .in_length = (uint32_t)w->conv_length, .out_length = (uint32_t)w->out_length, .lanes = lanes, .type = (int)e->type };
        return cuda_launch(e, normalise_pool, cuda_blocks((size_t)n_out * lanes), &a, err);
    }
    const gpu_normalise_args a = { .y = e->embeds[w->e_dst], .bn = bias, .residual = w->e_add >= 0 ? e->embeds[w->e_add] : NULL, .out = e->embeds[w->e_dst],
                                   .n_rows = n_out, .n_total = n_out, .lanes = lanes, .relu = w->u.relu, .type = (int)e->type };
    return cuda_launch(e, normalise, cuda_blocks((size_t)n_out * lanes), &a, err);
}

static shn_status embed_pass(cuda_engine *e, size_t B, int flag, shn_error *err)
{
    (void)flag;
    const gpu_finite_args finite = { .x = e->x, .bad = e->bad, .n = (uint32_t)(e->n_samples * e->enc.config.n_leads) };
    const void           *last = NULL;
    shn_status            st = cuda_launch(e, finite, B, &finite, err);
    if (st == SHN_OK) st = cuda_input(e, B, e->embed_call, e->input_embed, err);
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) {
        const cuda_unit *w = &e->units[i];
        st = e->device->ops->conv_run(e->device, w->infer, w->e_src >= 0 ? e->embeds[w->e_src] : e->input_embed, w->w_infer, e->embeds[w->e_dst],
                                      e->workspace, err);
        if (st == SHN_OK) st = finish(e, w, err);
        last = e->embeds[w->e_pool >= 0 ? w->e_pool : w->e_dst];
    }
    return st == SHN_OK ? cuda_head(e, last, B, e->pooled_embed, e->bad, err) : st;
}

shn_status cuda_embed(void *self, const float *x, size_t B, float *z, shn_error *err)
{
    cuda_engine *e = self;
    const size_t E = e->enc.config.embed, record = e->n_samples * e->enc.config.n_leads;
    shn_status   st = e->folded ? SHN_OK : fold(e, err);
    for (size_t at = 0; at < B && st == SHN_OK; at += e->embed_call) {
        const size_t n = B - at < e->embed_call ? B - at : e->embed_call;
        st = cuda_to_device(e, e->x, x + at * record, n * record * sizeof *x, err);
        if (st == SHN_OK) st = cuda_run(e, CUDA_EMBED, n, embed_pass, 0, err);
        if (st == SHN_OK) st = cuda_from_device(e, z + at * E, e->z, n * E * sizeof *z, err);
    }
    return st;
}
