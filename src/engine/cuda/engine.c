/** The cuda engine: construction, transfers, recorded passes, weights in and out, the optimizer. The passes are in train.c and embed.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "engine/cuda/cuda.h"

static const char where[] = "engine.cuda";

/* ---- transfers, launches, recorded passes ---- */

enum { SLICE = 4 << 20 };

shn_status cuda_to_device(cuda_engine *e, void *to, const void *from, size_t bytes, shn_error *err)
{
    const gpu_device_ops *o = e->device->ops;
    shn_status            st = SHN_OK;
    for (size_t at = 0, pinned = 0, n; at < bytes && st == SHN_OK; at += n, pinned += n) {
        if (pinned == e->pinned_bytes) {
            st = o->sync(e->device, err);
            if (st != SHN_OK) break;
            pinned = 0;
        }
        n = bytes - at < SLICE ? bytes - at : SLICE;
        if (n > e->pinned_bytes - pinned) n = e->pinned_bytes - pinned;
        memcpy(e->pinned + pinned, (const char *)from + at, n);
        st = o->upload(e->device, (char *)to + at, e->pinned + pinned, n, err);
    }
    return st;
}

shn_status cuda_from_device(const cuda_engine *e, void *to, const void *from, size_t bytes, shn_error *err)
{
    const gpu_device_ops *o = e->device->ops;
    shn_status            st = SHN_OK;
    for (size_t at = 0, n; at < bytes && st == SHN_OK; at += n) {
        n = bytes - at < e->pinned_bytes ? bytes - at : e->pinned_bytes;
        st = o->download(e->device, e->pinned, (const char *)from + at, n, err);
        if (st == SHN_OK) st = o->sync(e->device, err);
        if (st == SHN_OK) memcpy((char *)to + at, e->pinned, n);
    }
    return st;
}

static cuda_recorded *recorded(cuda_engine *e, cuda_kind kind, size_t B)
{
    cuda_recorded *oldest = &e->graphs[0];
    for (size_t i = 0; i < CUDA_GRAPHS; i++) {
        if (e->graphs[i].used && e->graphs[i].kind == kind && e->graphs[i].B == B) return &e->graphs[i];
        if (e->graphs[i].used < oldest->used) oldest = &e->graphs[i];
    }
    return oldest;
}

/**
 * The first pass of a kind and size runs directly: libraries load their kernels then, which a recording does not allow. The second is
 * recorded, later ones replayed. What changes from call to call lies in device memory, at the same places.
 */
shn_status cuda_run(cuda_engine *e, cuda_kind kind, size_t B, cuda_pass *pass, int flag, shn_error *err)
{
    const gpu_device_ops *o = e->device->ops;
    cuda_recorded        *r = recorded(e, kind, B);
    const int             known = r->used && r->kind == kind && r->B == B;
    shn_status            st = SHN_OK;
    if (!known) {
        if (r->graph) st = o->sync(e->device, err);         /* it may still run */
        if (st != SHN_OK) return st;
        o->graph_free(e->device, r->graph);
        *r = (cuda_recorded){ .kind = kind, .B = B, .used = ++e->clock };
        return pass(e, B, flag, err);
    }
    r->used = ++e->clock;
    if (e->device->no_graphs) return pass(e, B, flag, err);
    if (!r->graph) {
        st = o->capture_begin(e->device, err);
        if (st != SHN_OK) return st;
        st = pass(e, B, flag, err);
        const shn_status ended = o->capture_end(e->device, st == SHN_OK, &r->graph, st == SHN_OK ? err : NULL);
        if (st == SHN_OK) st = ended;
    }
    return st == SHN_OK ? o->graph_run(e->device, r->graph, err) : st;
}

shn_status cuda_pack(cuda_engine *e, const cuda_unit *w, const float *scale, void *to, shn_error *err)
{
    const gpu_pack_args a = { .w = e->params + w->u.weight, .scale = scale, .out = to, .n = (uint32_t)w->n_weight, .in = w->u.in_channels,
                              .in_padded = (uint32_t)w->in, .kernel = w->u.kernel, .type = (int)e->type };
    return cuda_launch(e, pack, cuda_blocks(a.n), &a, err);
}

shn_status cuda_input(cuda_engine *e, size_t B, size_t n_total, void *to, shn_error *err)
{
    const gpu_input_args a = { .x = e->x, .out = to, .n_rows = (uint32_t)(B * e->n_samples), .n_total = (uint32_t)(n_total * e->n_samples),
                               .L = e->enc.config.n_leads, .lanes = (uint32_t)(e->L / GPU_LANE), .type = (int)e->type };
    return cuda_launch(e, input, cuda_blocks((size_t)a.n_total * a.lanes), &a, err);
}

shn_status cuda_head(cuda_engine *e, const void *last, size_t B, float *pooled, const uint32_t *bad, shn_error *err)
{
    const size_t        C = e->enc.channels, E = e->enc.config.embed;
    const gpu_mean_args mean = { .x = last, .pooled = pooled, .n_records = (uint32_t)B, .length = (uint32_t)e->units[e->enc.last - 1].out_length,
                                 .lanes = (uint32_t)(C / GPU_LANE), .type = (int)e->type };
    const gpu_product   p = { .m = B, .n = E, .k = C, .trans_b = 1 };
    const gpu_bias_args bias = { .z = e->z, .bias = e->params + e->enc.fc_bias, .bad = bad, .n = (uint32_t)(B * E), .E = (uint32_t)E };
    shn_status          st = cuda_launch(e, mean, cuda_blocks(B * mean.lanes), &mean, err);
    if (st == SHN_OK) st = e->device->ops->product(e->device, &p, pooled, e->params + e->enc.fc_weight, e->z, err);
    return st == SHN_OK ? cuda_launch(e, bias, cuda_blocks(bias.n), &bias, err) : st;
}

/* ---- weights in and out ---- */

/** Keeps the first error of a call that has no way to report it; every later one that has gives it back. */
static void keep(cuda_engine *e, shn_status st, const shn_error *err)
{
    if (st != SHN_OK && e->broken.status == SHN_OK) e->broken = *err;
}

static void send(cuda_engine *e, float *to, const float *from, size_t n)
{
    shn_error  err;
    shn_status st = cuda_to_device(e, to, from, n * sizeof *from, &err);
    if (st == SHN_OK) st = e->device->ops->sync(e->device, &err);
    keep(e, st, &err);
}

/** What could not be fetched is NaN, never old memory. */
static void fetch(const cuda_engine *self, float *to, const float *from, size_t n)
{
    cuda_engine *e;
    shn_error    err;
    memcpy(&e, &self, sizeof e);                /* only the error is kept, weights are not touched */
    const shn_status st = cuda_from_device(e, to, from, n * sizeof *to, &err);
    for (size_t i = 0; i < n && st != SHN_OK; i++) to[i] = NAN;
    keep(e, st, &err);
}

static void cuda_set(void *self, const float *params, const float *state)
{
    cuda_engine *e = self;
    send(e, e->params, params, e->enc.n_params);
    send(e, e->state, state, e->enc.n_state);
    e->folded = 0;
}

static void cuda_get(const void *self, float *params, float *state)
{
    const cuda_engine *e = self;
    fetch(e, params, e->params, e->enc.n_params);
    fetch(e, state, e->state, e->enc.n_state);
}

static void cuda_set_moments(void *self, const float *m, const float *v)
{
    cuda_engine *e = self;
    send(e, e->m, m, e->enc.n_params);
    send(e, e->v, v, e->enc.n_params);
}

static void cuda_get_moments(const void *self, float *m, float *v)
{
    const cuda_engine *e = self;
    fetch(e, m, e->m, e->enc.n_params);
    fetch(e, v, e->v, e->enc.n_params);
}

static shn_status cuda_check(const void *self, shn_error *err)
{
    const cuda_engine *e = self;
    if (e->broken.status != SHN_OK && err) *err = e->broken;
    return e->broken.status;
}

/* ---- gradient block and optimizer ---- */

static void cuda_zero_gradient(void *self) { ((cuda_engine *)self)->fresh = 1; }       /* the next backward pass clears the block */

static void cuda_get_gradient(const void *self, float *gradient)
{
    const cuda_engine *e = self;
    if (e->fresh) memset(gradient, 0, e->enc.n_params * sizeof *gradient);
    else fetch(e, gradient, e->gradient, e->enc.n_params);
}

static double cuda_gradient_square(const void *self)
{
    cuda_engine *e;
    shn_error    err;
    double       sum = NAN;
    memcpy(&e, &self, sizeof e);                /* the partial sums are scratch, not state */
    if (e->fresh) return 0;
    const uint32_t         n_blocks = (uint32_t)((e->enc.n_params + GPU_THREADS * GPU_SQUARES - 1) / (GPU_THREADS * GPU_SQUARES));
    const gpu_squares_args squares = { .x = e->gradient, .partial = e->partial, .n = (uint32_t)e->enc.n_params };
    const gpu_total_args   total = { .partial = e->partial, .sum = e->sum, .n = n_blocks };
    shn_status st = cuda_launch(e, squares, n_blocks, &squares, &err);
    if (st == SHN_OK) st = cuda_launch(e, total, 1, &total, &err);
    if (st == SHN_OK) st = cuda_from_device(e, &sum, e->sum, sizeof sum, &err);
    keep(e, st, &err);
    return st == SHN_OK ? sum : NAN;
}

static shn_status cuda_step(void *self, const shn_adamw *h, uint64_t step, float grad_scale, shn_error *err)
{
    cuda_engine    *e = self;
    const double    c1 = 1 - pow(h->beta1, (double)step), c2 = 1 - pow(h->beta2, (double)step);
    const gpu_hyper hyper = { .b1 = h->beta1, .n1 = (float)(1 - (double)h->beta1), .b2 = h->beta2, .n2 = (float)(1 - (double)h->beta2),
                              .keep = (float)(1 - (double)h->lr * h->weight_decay), .rate = (float)(h->lr / c1), .root = (float)sqrt(c2), .eps = h->eps,
                              .grad_scale = grad_scale };
    const gpu_adamw_args a = { .p = e->params, .m = e->m, .v = e->v, .g = e->gradient, .decay = e->decay, .hyper = e->hyper, .n = (uint32_t)e->enc.n_params };
    shn_status st = SHN_OK;
    if (e->fresh) st = e->device->ops->clear(e->device, e->gradient, e->enc.n_params * sizeof *e->gradient, err);
    if (st == SHN_OK) e->fresh = 0;
    if (st == SHN_OK) st = cuda_to_device(e, e->hyper, &hyper, sizeof hyper, err);
    e->folded = 0;
    if (st == SHN_OK) st = cuda_launch(e, adamw, cuda_blocks(a.n), &a, err);
    return st == SHN_OK ? e->device->ops->sync(e->device, err) : st;
}

/* ---- construction ---- */

static void cuda_free(void *self)
{
    cuda_engine *e = self;
    if (!e) return;
    const gpu_device_ops *o = e->device->ops;
    for (size_t i = 0; i < CUDA_GRAPHS; i++) o->graph_free(e->device, e->graphs[i].graph);
    for (size_t i = 0; i < e->n_units; i++) {
        cuda_unit *w = &e->units[i];
        o->conv_free(e->device, w->forward), o->conv_free(e->device, w->data), o->conv_free(e->device, w->weights), o->conv_free(e->device, w->infer);
    }
    o->release(e->device, e->rows);
    o->release(e->device, e->arena);
    o->release_pinned(e->device, e->pinned);
    o->close(e->device);
    free(e);
}

static void cuda_explain(const void *self, size_t unit, char text[SHN_EXPLAIN_MAX])
{
    const cuda_engine *e = self;
    const cuda_unit   *w = &e->units[unit];
    if (e->training) snprintf(text, SHN_EXPLAIN_MAX, "%s; %s; %s", w->forward->text, w->data ? w->data->text : "none", w->weights->text);
    else snprintf(text, SHN_EXPLAIN_MAX, "%s", w->infer->text);
}

static const shn_engine_ops cuda_ops = {
    .explain = cuda_explain, .free = cuda_free, .set = cuda_set, .get = cuda_get, .set_moments = cuda_set_moments, .get_moments = cuda_get_moments,
    .embed = cuda_embed, .forward = cuda_forward, .backward = cuda_backward, .zero_gradient = cuda_zero_gradient,
    .get_gradient = cuda_get_gradient, .gradient_square = cuda_gradient_square, .step = cuda_step, .check = cuda_check, .rows = cuda_rows, .forward_crops = cuda_forward_crops,
};

/** Which stretches of 16 parameters decay. */
static shn_status send_decay(cuda_engine *e, shn_error *err)
{
    const size_t n = e->enc.n_params / 16;
    uint8_t     *decay = shn_alloc(n + 1, 1);
    if (!decay) return shn_fail_nomem(err, where);
    for (size_t i = 0; i < e->enc.n_tensors; i++) {
        const shn_tensor *t = &e->enc.tensors[i];
        if (t->decay) memset(decay + t->offset / 16, 1, (t->size + 15) / 16);
    }
    shn_status st = cuda_to_device(e, e->decay, decay, n + 1, err);
    if (st == SHN_OK) st = e->device->ops->sync(e->device, err);
    free(decay);
    return st;
}

static shn_status build(cuda_engine *e, const shn_engine_options *o, shn_error *err)
{
    if (o->group && shn_group_size(o->group) > 1)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "the cuda engine works alone, several ranks need the cpu engine");
    e->type = o->precision == SHN_PRECISION_AUTO || o->precision == SHN_PRECISION_BF16 ? GPU_BF16 : GPU_F32;
    e->element = e->type == GPU_BF16 ? 2 : 4;
    e->tf32 = o->precision == SHN_PRECISION_TF32;
    e->fast = o->name && strcmp(o->name, "cuda-fast") == 0;
    e->fresh = 1;
    shn_status st = cuda_plan(e, err);
    if (st == SHN_OK) st = cuda_place_convs(e, err);
    if (st == SHN_OK) st = cuda_place(e, err);
    return st == SHN_OK && e->training ? send_decay(e, err) : st;
}

shn_status cuda_engine_new(gpu_device *device, const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                           const shn_engine_options *options, shn_engine_made *out, shn_error *err)
{
    cuda_engine *e = shn_alloc(1, sizeof *e);
    if (!e) {
        device->ops->close(device);
        return shn_fail_nomem(err, where);
    }
    e->device = device;
    e->enc = *enc;
    e->n_samples = n_samples;
    e->batch_max = batch_max;
    e->training = training;
    const shn_status st = build(e, options, err);
    if (st != SHN_OK) {
        cuda_free(e);
        return st;
    }
    *out = (shn_engine_made){ .ops = &cuda_ops, .self = e, .n_threads = 1 };
    snprintf(out->describe, sizeof out->describe, "cuda %s %s%.48s %s", e->type == GPU_BF16 ? "bf16" : e->tf32 ? "tf32" : "f32", e->fast ? "fast " : "",
             device->name, device->libraries);
    return SHN_OK;
}
