/** Which lengths, gradient buffers and embedding buffers the cuda engine's passes use: all that is known before the first batch. */
#include <assert.h>

#include "base/fail.h"
#include "engine/cuda/cuda.h"

gpu_sums cuda_sums(size_t n_rows, size_t C)
{
    const uint32_t all = (uint32_t)(C / GPU_LANE), lanes = all < GPU_SLAB ? all : GPU_SLAB, row_lanes = GPU_THREADS / lanes;
    const size_t   rows = (size_t)row_lanes * GPU_SUM_ROWS;
    return (gpu_sums){ .n_rows = (uint32_t)n_rows, .C = (uint32_t)C, .lanes = lanes, .row_lanes = row_lanes, .n_slabs = (all + lanes - 1) / lanes,
                       .n_blocks = (uint32_t)((n_rows + rows - 1) / rows) };
}

/** Buffers that are handed out and given back while the order of a pass is gone through. */
typedef struct pool { unsigned n, refs[CUDA_BUFFERS]; } pool;

static int take(pool *p)
{
    unsigned i = 0;
    while (i < p->n && p->refs[i]) i++;
    assert(i < CUDA_BUFFERS);                   /* blocks need 4 at most */
    if (i == p->n) p->n++;
    p->refs[i] = 1;
    return (int)i;
}

static void give_back(pool *p, int buffer)
{
    if (buffer >= 0) p->refs[buffer]--;
}

/** A tensor's gradient has one part, which stays where it is, and at most one more, which is added when its unit begins. */
static void contribute(int *grad, int *other, int tensor, int buffer)
{
    assert(other[tensor] < 0);
    if (grad[tensor] < 0) grad[tensor] = buffer;
    else other[tensor] = buffer;
}

static void plan_backward(cuda_engine *e)
{
    pool p = { 0 };
    int  grad[SHN_UNITS_MAX + 1], other[SHN_UNITS_MAX + 1];
    for (size_t i = 0; i <= e->n_units; i++) grad[i] = other[i] = -1;
    for (size_t i = e->n_units; i-- > 0;) {
        cuda_unit *w = &e->units[i];
        w->g = (int)i + 1 == e->enc.last ? take(&p) : grad[i + 1];
        w->other = other[i + 1];
        assert(w->g >= 0);
        give_back(&p, w->other);
        if (w->u.residual >= 1) {               /* the residual's gradient is the sum's: the same buffer */
            contribute(grad, other, w->u.residual, w->g);
            p.refs[w->g]++;
        }
        give_back(&p, w->g);                    /* BN's backward pass has read it before the data gradient is written */
        w->d_input = w->u.input >= 1 ? take(&p) : -1;
        if (w->u.input >= 1) contribute(grad, other, w->u.input, w->d_input);
    }
    e->n_gradients = p.n;
}

static void plan_embed(cuda_engine *e)
{
    pool     p = { 0 };
    int      at[SHN_UNITS_MAX + 1];
    unsigned users[SHN_UNITS_MAX + 1] = { 0 };
    for (size_t i = 0; i < e->n_units; i++) {
        users[e->units[i].u.input]++;
        if (e->units[i].u.residual >= 1) users[e->units[i].u.residual]++;
    }
    users[e->enc.last]++;
    at[0] = -1;
    for (size_t i = 0; i < e->n_units; i++) {
        cuda_unit *w = &e->units[i];
        w->e_src = at[w->u.input];
        w->e_add = w->u.residual >= 1 ? at[w->u.residual] : -1;
        w->e_dst = take(&p);
        w->e_pool = w->u.max_pool ? take(&p) : -1;
        if (w->e_pool >= 0) give_back(&p, w->e_dst);
        at[i + 1] = w->e_pool >= 0 ? w->e_pool : w->e_dst;
        if (--users[w->u.input] == 0) give_back(&p, w->e_src);
        if (w->u.residual >= 1 && --users[w->u.residual] == 0) give_back(&p, w->e_add);
    }
    e->n_embeds = p.n;
}

static shn_status check_size(const cuda_engine *e, size_t lanes_per_record, shn_error *err)
{
    const size_t most = (size_t)INT32_MAX / GPU_LANE;       /* 32-bit indices, also of single values */
    if (lanes_per_record <= most / e->batch_max) return SHN_OK;
    return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "engine.cuda", "a batch of %zu records of %zu samples has more than 2^31 values in a layer; take at most %zu",
                    e->batch_max, e->n_samples, most / lanes_per_record);
}

shn_status cuda_plan(cuda_engine *e, shn_error *err)
{
    e->n_units = e->enc.n_units;
    e->L = (e->enc.config.n_leads + GPU_LANE - 1) / GPU_LANE * GPU_LANE;
    e->embed_call = e->batch_max < CUDA_EMBED_CALL ? e->batch_max : CUDA_EMBED_CALL;
    if (e->enc.n_params > INT32_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "engine.cuda", "an encoder of %zu parameters has more than this engine can number, 2^31", e->enc.n_params);
    shn_status st = check_size(e, e->n_samples * e->L / GPU_LANE, err);
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) {
        cuda_unit *w = &e->units[i];
        w->u = e->enc.units[i];
        assert(w->u.residual != 0 && w->u.out_channels % GPU_LANE == 0);
        w->in = w->u.input == 0 ? e->L : w->u.in_channels;
        w->in_length = shn_encoder_length(&e->enc, w->u.input, e->n_samples);
        w->conv_length = (w->in_length + 2 * w->u.pad - w->u.kernel) / w->u.stride + 1;
        w->out_length = shn_encoder_length(&e->enc, (int)i + 1, e->n_samples);
        w->n_weight = w->u.out_channels * w->u.kernel * w->in;
        w->shortcut = w->u.residual >= 1 && !e->enc.units[w->u.residual - 1].relu ? w->u.residual - 1 : -1;
        if (w->shortcut >= 0) e->units[w->shortcut].lazy = 1;
        st = check_size(e, w->conv_length * w->u.out_channels / GPU_LANE, err);
    }
    if (st != SHN_OK) return st;
    if (e->training) plan_backward(e);
    plan_embed(e);
    return SHN_OK;
}
