/** The cpu engine's memory: what the largest unit needs, one arena for all of it, and the folded weights. */
#include "base/alloc.h"
#include "base/fail.h"
#include "engine/cpu/cpu.h"

static const char where[] = "engine.cpu";

/** Takes `bytes` from the arena, whole cache lines; with no arena yet it only counts. */
static void *carve(const cpu_engine *e, size_t *at, size_t bytes)
{
    void *p = e->arena ? e->arena + *at : NULL;
    *at += (bytes + 63) / 64 * 64;
    return p;
}

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

/** What the largest unit needs, over all units. */
typedef struct extent { size_t chunk_conv, chunk_in, made, gradient, weight, wino_sums, plain, channels, embed, sums, scratch, kept, shared, part; int buffers; } extent;

static size_t unit_scratch(const cpu_unit *w)
{
    size_t             bytes = w->wino ? shn_wino_scratch(w->wino, w->u.in_channels, w->u.out_channels) * sizeof(float) : 0;
    const shn_conv    *convs[] = { w->infer, w->forward, w->backward_data, w->backward_weights };
    const shn_reorder *reorders[] = { w->from_plain, w->to_plain, w->to_forward, w->to_backward, w->to_infer };
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++)
        if (convs[i]) bytes = max_size(bytes, shn_conv_scratch_bytes(convs[i]));
    for (size_t i = 0; i < sizeof reorders / sizeof *reorders; i++)
        if (reorders[i]) bytes = max_size(bytes, shn_reorder_scratch_bytes(reorders[i]));
    return bytes;
}

static extent measure(cpu_engine *e)
{
    extent x = { 0 };
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit    *w = &e->units[i];
        const size_t in = w->in_length * w->u.in_channels * e->element, C = w->u.out_channels;
        x.channels = max_size(x.channels, C);
        x.plain = max_size(x.plain, (size_t)w->u.in_channels * C * w->u.kernel);
        x.embed = max_size(x.embed, max_size(cpu_conv_bytes(e, w, e->embed_group), cpu_out_bytes(e, w, e->embed_group)));
        w->sum_at = x.sums;
        x.sums += 2 * ((C + 15) / 16 * 16);
        x.scratch = max_size(x.scratch, unit_scratch(w));
        if (!e->training) continue;
        if (w->wino) x.wino_sums = max_size(x.wino_sums, (size_t)w->wino->matrices * w->u.in_channels * C);
        x.chunk_conv = max_size(x.chunk_conv, cpu_conv_bytes(e, w, w->chunk));
        if (w->u.input >= 1) x.chunk_in = max_size(x.chunk_in, w->chunk * in);
        if (w->u.input >= 1 && e->units[w->u.input - 1].derived) x.made = max_size(x.made, w->chunk * in);
        x.made = max_size(x.made, cpu_out_bytes(e, w, 1));
        if (w->wino) x.shared = max_size(x.shared, (size_t)w->wino->matrices * w->u.in_channels * C);
        else x.part = max_size(x.part, w->n_weight);
        for (int k = 0; k < 3; k++) {
            const int buffer = k == 0 ? w->g : k == 1 ? w->d_input : w->other;
            if (buffer >= x.buffers) x.buffers = buffer + 1;
        }
        x.gradient = max_size(x.gradient, cpu_out_bytes(e, w, e->share_pad));
        x.weight = max_size(x.weight, w->n_weight);
        w->conv_at = x.kept;
        x.kept += (cpu_conv_bytes(e, w, e->share_pad) + 63) / 64 * 64;
        w->out_at = x.kept;
        if (!w->lazy && !w->derived) x.kept += (cpu_out_bytes(e, w, e->share_pad) + 63) / 64 * 64;
        w->from_at = x.kept;
        if (w->u.max_pool) x.kept += (e->share_pad * w->out_length * C + 63) / 64 * 64;
    }
    return x;
}

static void place_weights(cpu_engine *e, const extent *x, size_t *at)
{
    for (int b = 0; b < 2 && e->training; b++) e->shared[b] = carve(e, at, x->shared * sizeof(float));
    e->params = carve(e, at, e->n_internal * sizeof(float));
    e->state = carve(e, at, e->enc.n_state * sizeof(float));
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit *w = &e->units[i];
        w->bias = carve(e, at, w->u.out_channels * sizeof(float));
        if (w->wino) w->w_forward = w->w_backward = e->shared[i % 2];
        if (w->wino || !e->training) continue;
        w->w_forward = w->to_forward ? carve(e, at, shn_layout_bytes(shn_conv_layout(w->forward))) : e->params + w->weight;
        w->w_backward = w->to_backward ? carve(e, at, shn_layout_bytes(shn_conv_layout(w->backward_data))) : e->params + w->weight;
    }
    if (!e->training) return;
    e->gradient = carve(e, at, e->n_internal * sizeof(float));
    e->m = carve(e, at, e->n_internal * sizeof(float));
    e->v = carve(e, at, e->n_internal * sizeof(float));
    e->squares = carve(e, at, cpu_square_blocks(e) * sizeof(double));
    e->pooled = carve(e, at, e->batch_max * e->enc.channels * sizeof(float));
    e->d_pooled = carve(e, at, e->batch_max * e->enc.channels * sizeof(float));
}

static void place_thread(cpu_engine *e, cpu_thread *t, const extent *x, size_t *at)
{
    const size_t input = e->n_samples * e->enc.config.n_leads * e->element;
    for (int b = 0; b < CPU_BUFFERS; b++) t->embed[b] = carve(e, at, x->embed);
    t->x = carve(e, at, input * max_size(e->embed_call, e->training ? e->units[0].chunk : 0));
    t->plain = carve(e, at, x->plain * sizeof(float));
    t->scale = carve(e, at, x->channels * sizeof(float));
    t->pooled = carve(e, at, e->enc.channels * sizeof(float));
    t->scratch = carve(e, at, x->scratch);
    if (!e->training) return;
    t->kept = carve(e, at, x->kept);
    for (int b = 0; b < x->buffers; b++) t->gradient[b] = carve(e, at, x->gradient);
    t->d_y = carve(e, at, x->chunk_conv);
    t->d_x = carve(e, at, x->chunk_in);
    t->made = carve(e, at, x->made);
    for (int b = 0; b < 2; b++) t->d_w[b] = carve(e, at, x->weight * sizeof(float));
    t->d_w_part = carve(e, at, x->part * sizeof(float));
    t->d_w_sums = carve(e, at, x->wino_sums * sizeof(float));
    t->sums = carve(e, at, x->sums * sizeof(double));
    t->affine = carve(e, at, x->sums * sizeof(float));
    t->rstd = carve(e, at, x->sums / 2 * sizeof(double));
    t->k = carve(e, at, 3 * x->channels * sizeof(float));
}

shn_status cpu_place(cpu_engine *e, shn_error *err)
{
    const extent x = measure(e);
    for (int counted = 0; counted < 2; counted++) {
        size_t at = 0;
        place_weights(e, &x, &at);
        if (e->sync) e->total = carve(e, &at, 2 * x.channels * sizeof(double));
        for (unsigned t = 0; t < e->n_threads; t++) place_thread(e, &e->threads[t], &x, &at);
        if (counted) break;
        e->arena = shn_alloc_aligned(at, 1);
        if (!e->arena) return shn_fail_nomem(err, where);
    }
    return SHN_OK;
}

/** Bytes of a unit's copy for embedding. */
static size_t folded_bytes(const cpu_unit *w)
{
    if (!w->wino) return shn_layout_bytes(shn_conv_layout(w->infer));
    return (size_t)w->wino->matrices * w->u.in_channels * w->u.out_channels * sizeof(float);
}

shn_status cpu_place_folded(cpu_engine *e, shn_error *err)
{
    size_t bytes = 0;
    if (e->folded_block) return SHN_OK;
    for (size_t i = 0; i < e->n_units; i++) bytes += (folded_bytes(&e->units[i]) + 63) / 64 * 64;
    e->folded_block = shn_alloc_aligned(bytes, 1);
    if (!e->folded_block) return shn_fail_nomem(err, where);
    bytes = 0;
    for (size_t i = 0; i < e->n_units; i++) {
        e->units[i].w_infer = e->folded_block + bytes;
        bytes += (folded_bytes(&e->units[i]) + 63) / 64 * 64;
    }
    return SHN_OK;
}
