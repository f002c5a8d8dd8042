/** The cuda engine's memory: one block on the device, carved in order, and one page-locked block on the host; the convolutions' plans, which say how much they need. */
#include "base/fail.h"
#include "engine/cuda/cuda.h"

enum { ALIGN = 256 };

/** The next `bytes` of the arena; with base NULL only counted. */
static void *carve(char *base, size_t *at, size_t bytes)
{
    const size_t from = *at;
    *at += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return base ? base + from : NULL;
}

static shn_status new_conv(cuda_engine *e, const cuda_unit *w, gpu_pass pass, size_t n, gpu_conv **out, shn_error *err)
{
    const gpu_conv_spec s = { .pass = pass, .type = e->type, .tf32 = e->tf32, .fast = e->fast, .n = n, .in = w->in, .in_length = w->in_length,
                              .out = w->u.out_channels, .out_length = w->conv_length, .kernel = w->u.kernel, .stride = w->u.stride, .pad = w->u.pad };
    const shn_status st = e->device->ops->conv_new(e->device, &s, out, err);
    if (st == SHN_OK && (*out)->workspace > e->workspace_bytes) e->workspace_bytes = (*out)->workspace;
    return st;
}

shn_status cuda_place_convs(cuda_engine *e, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) {
        cuda_unit *w = &e->units[i];
        st = new_conv(e, w, GPU_CONV_FORWARD, e->embed_call, &w->infer, err);
        if (st == SHN_OK && e->training) st = new_conv(e, w, GPU_CONV_FORWARD, e->batch_max, &w->forward, err);
        if (st == SHN_OK && e->training) st = new_conv(e, w, GPU_CONV_WEIGHTS, e->batch_max, &w->weights, err);
        if (st == SHN_OK && e->training && w->u.input >= 1) st = new_conv(e, w, GPU_CONV_DATA, e->batch_max, &w->data, err);
    }
    return st;
}

/** What one unit needs to be trained; *out: bytes of its largest gradient; *partial: doubles of its sums. */
static void carve_unit(cuda_engine *e, cuda_unit *w, char *base, size_t *at, size_t *partial)
{
    const size_t C = w->u.out_channels, B = e->batch_max, sums = (size_t)cuda_sums(B * w->conv_length, C).n_blocks * GPU_SUMS_MAX * C;
    w->w = carve(base, at, w->n_weight * e->element);
    w->y = carve(base, at, B * w->conv_length * C * e->element);
    w->out = w->lazy ? NULL : carve(base, at, B * w->out_length * C * e->element);
    w->from = w->u.max_pool ? carve(base, at, B * w->out_length * C) : NULL;
    w->mean = carve(base, at, C * sizeof(float));
    w->scale = carve(base, at, C * sizeof(float));
    w->k = carve(base, at, 3 * C * sizeof(float));
    w->rstd = carve(base, at, C * sizeof(double));
    if (sums > *partial) *partial = sums;
}

static void carve_training(cuda_engine *e, char *base, size_t *at)
{
    const size_t P = e->enc.n_params, B = e->batch_max, squares = (P + GPU_THREADS * GPU_SQUARES - 1) / (GPU_THREADS * GPU_SQUARES);
    size_t       partial = squares, g = 0, d_y = 0, d_w = 0;
    e->gradient = carve(base, at, P * sizeof(float));
    e->m = carve(base, at, P * sizeof(float));
    e->v = carve(base, at, P * sizeof(float));
    e->decay = carve(base, at, P / 16 + 1);
    e->hyper = carve(base, at, sizeof *e->hyper);
    e->sum = carve(base, at, sizeof *e->sum);
    e->crops = carve(base, at, B * sizeof *e->crops);
    e->noise = carve(base, at, B * sizeof *e->noise);
    e->input = carve(base, at, B * e->n_samples * e->L * e->element);
    e->pooled = carve(base, at, B * e->enc.channels * sizeof(float));
    e->d_pooled = carve(base, at, B * e->enc.channels * sizeof(float));
    e->d_z = carve(base, at, B * e->enc.config.embed * sizeof(float));
    for (size_t i = 0; i < e->n_units; i++) {
        cuda_unit   *w = &e->units[i];
        const size_t out = w->out_length * w->u.out_channels, conv = w->conv_length * w->u.out_channels;
        carve_unit(e, w, base, at, &partial);
        if (out > g) g = out;
        if (conv > d_y) d_y = conv;
        if (w->n_weight > d_w) d_w = w->n_weight;
    }
    for (unsigned i = 0; i < e->n_gradients; i++) e->gradients[i] = carve(base, at, B * g * e->element);
    e->d_y = carve(base, at, B * d_y * e->element);
    e->d_w = carve(base, at, d_w * sizeof(float));
    e->partial = carve(base, at, partial * sizeof(double));
}

static size_t carve_all(cuda_engine *e, char *base)
{
    size_t at = 0, largest = 0;
    const size_t n = e->embed_call;
    e->params = carve(base, &at, e->enc.n_params * sizeof(float));
    e->state = carve(base, &at, e->enc.n_state * sizeof(float));
    e->x = carve(base, &at, e->batch_max * e->n_samples * e->enc.config.n_leads * sizeof(float));
    e->z = carve(base, &at, e->batch_max * e->enc.config.embed * sizeof(float));
    e->bad = carve(base, &at, n * sizeof *e->bad);
    e->pooled_embed = carve(base, &at, n * e->enc.channels * sizeof(float));
    e->input_embed = carve(base, &at, n * e->n_samples * e->L * e->element);
    for (size_t i = 0; i < e->n_units; i++) {
        cuda_unit   *w = &e->units[i];
        const size_t conv = w->conv_length * w->u.out_channels;
        w->w_infer = carve(base, &at, w->n_weight * e->element);
        w->scale_infer = carve(base, &at, w->u.out_channels * sizeof(float));
        w->bias_infer = carve(base, &at, w->u.out_channels * sizeof(float));
        if (conv > largest) largest = conv;
    }
    for (unsigned i = 0; i < e->n_embeds; i++) e->embeds[i] = carve(base, &at, n * largest * e->element);
    if (e->training) carve_training(e, base, &at);
    e->workspace = carve(base, &at, e->workspace_bytes);
    return at;
}

shn_status cuda_place(cuda_engine *e, shn_error *err)
{
    const size_t x = e->batch_max * e->n_samples * e->enc.config.n_leads * sizeof(float), P = e->enc.n_params * sizeof(float);
    void        *block = NULL;
    e->arena_bytes = carve_all(e, NULL);
    shn_status st = e->device->ops->alloc(e->device, e->arena_bytes, &block, err);
    if (st != SHN_OK) {
        shn_error_prefix(err, "%.1f GB for %zu records of %zu samples; a smaller batch needs less", (double)e->arena_bytes / 1e9, e->batch_max, e->n_samples);
        return st;
    }
    e->arena = block;
    carve_all(e, e->arena);
    block = NULL;
    e->pinned_bytes = x > P ? x : P;
    st = e->device->ops->alloc_pinned(e->device, e->pinned_bytes, &block, err);
    e->pinned = block;
    return st;
}
