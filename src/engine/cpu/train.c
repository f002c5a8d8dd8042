/**
 * The training pass. Forward, per unit and chunk, while the chunk is in cache: normalise the previous unit's result into
 * this unit's input - convolve - add up the moments. Backward, per unit and chunk: BN backward - weight gradient - data
 * gradient - ReLU mask and sums for the unit before. One barrier per unit each way.
 */
#include "engine/cpu/cpu.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

static cpu_thread *begin(cpu_engine *e, unsigned thread)
{
    cpu_thread *t = &e->threads[thread];
    size_t      last;
    shn_team_share(e->B, thread, e->n_threads, &t->first, &last);
    t->n = last - t->first;
    return t;
}

static float *mean_of(const cpu_thread *t, const cpu_unit *w) { return t->affine + w->sum_at; }
static float *scale_of(const cpu_thread *t, const cpu_unit *w) { return t->affine + w->sum_at + w->u.out_channels; }
static double *rstd_of(const cpu_thread *t, const cpu_unit *w) { return t->rstd + w->sum_at / 2; }
static shn_affine affine_of(const cpu_engine *e, const cpu_thread *t, const cpu_unit *w)
{
    return (shn_affine){ mean_of(t, w), scale_of(t, w), e->params + w->beta };
}

/* ---- forward ---- */

/** Makes records [at, at + n) of a unit's output from its convolution result; with its residual, which may have to be made first. */
static void make(cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t at, size_t n, char *to)
{
    const shn_affine bn = affine_of(e, t, w);
    const void      *residual = NULL;
    shn_affine       shortcut;
    if (w->shortcut >= 0) {
        shortcut = affine_of(e, t, &e->units[w->shortcut]);
        residual = cpu_conv_result(e, t, &e->units[w->shortcut], at);
    } else if (w->u.residual >= 1) {
        const cpu_unit *r = &e->units[w->u.residual - 1];
        residual = r->derived ? to : cpu_output(e, t, r, at);
        if (r->derived) make(e, t, r, at, n, to);
    }
    w->k->normalise(cpu_conv_result(e, t, w, at), n * w->conv_length, w->u.out_channels, &bn, residual, w->shortcut >= 0 ? &shortcut : NULL, to);
}

/** Stores records [at, at + n) of an output that is kept. */
static void finish(cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t at, size_t n)
{
    const size_t     C = w->u.out_channels;
    const shn_affine bn = affine_of(e, t, w);
    if (!w->u.max_pool) {
        make(e, t, w, at, n, cpu_output(e, t, w, at));
        return;
    }
    for (size_t r = at; r < at + n; r++)
        w->k->normalise_pool(cpu_conv_result(e, t, w, r), w->conv_length, w->out_length, C, &bn, cpu_output(e, t, w, r),
                             (uint8_t *)t->kept + w->from_at + r * w->out_length * C);
}

/**
 * One unit's two sums per channel over all ranks, from the threads' at `at` and `at2`. Alone every thread adds up the threads' itself, which costs no
 * second meeting.
 */
static void sum_over_ranks(cpu_engine *e, cpu_thread *t, unsigned thread, size_t at, size_t at2, size_t C)
{
    if (!e->sync) return;
    if (thread == 0) {
        for (size_t c = 0; c < C; c++) {
            e->total[c] = e->total[C + c] = 0;
            for (unsigned k = 0; k < e->active; k++) {
                e->total[c] += e->threads[k].sums[at + c];
                e->total[C + c] += e->threads[k].sums[at2 + c];
            }
        }
        CPU_TRY(t, shn_group_sum(e->group, e->total, 2 * C, &t->error));
    }
    shn_team_barrier(e->team);
}

/** The two sums of channel c, from `at` and `at2`: over ranks as sum_over_ranks left them, else over the threads in their order. */
static void sums_of(const cpu_engine *e, size_t at, size_t at2, size_t C, size_t c, double s[2])
{
    s[0] = e->sync ? e->total[c] : 0;
    s[1] = e->sync ? e->total[C + c] : 0;
    for (unsigned k = 0; !e->sync && k < e->active; k++) {
        s[0] += e->threads[k].sums[at + c];
        s[1] += e->threads[k].sums[at2 + c];
    }
}

/** All records' moments become this thread's copy of mean, scale and 1/sd; thread 0 also moves the running ones. */
static void settle(cpu_engine *e, cpu_thread *t, unsigned thread, const cpu_unit *w)
{
    const size_t C = w->u.out_channels;
    const double n = (double)(e->B_all * w->conv_length);
    sum_over_ranks(e, t, thread, w->sum_at, w->sum_at + C, C);
    for (size_t c = 0; c < C; c++) {
        double s[2];
        sums_of(e, w->sum_at, w->sum_at + C, C, c, s);
        const double mean = s[0] / n, raw = s[1] / n - mean * mean, var = raw < 0 ? 0 : raw;   /* a NaN stays one */
        const double rstd = 1 / sqrt(var + (double)SHN_BN_EPS);
        rstd_of(t, w)[c] = rstd;
        mean_of(t, w)[c] = (float)mean;
        scale_of(t, w)[c] = (float)(rstd * e->params[w->gamma + c]);
        if (thread == 0 && e->update_state) {
            const double k = SHN_BN_MOMENTUM, unbiased = n > 1 ? var * n / (n - 1) : var;
            e->state[w->u.mean + c] = (float)((1 - k) * e->state[w->u.mean + c] + k * mean);
            e->state[w->u.var + c] = (float)((1 - k) * e->state[w->u.var + c] + k * unbiased);
        }
    }
}

/** Rows that are computed only to fill the last chunk must be finite, for they meet zeros in the weight gradient. */
static void clear_padding(cpu_engine *e, cpu_thread *t)
{
    for (size_t i = 0; i < e->n_units && t->n; i++)
        if (!e->units[i].lazy && !e->units[i].derived && t->n < e->share_pad)
            memset(cpu_output(e, t, &e->units[i], t->n), 0, cpu_out_bytes(e, &e->units[i], e->share_pad - t->n));
}

/** A chunk of what a unit reads. *bn is the storage of a derived input's BN. */
static cpu_source source(cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t at, size_t n, shn_affine *bn)
{
    if (w->u.input == 0) return (cpu_source){ cpu_input(e, t, t->first + at, n, w->chunk), NULL };
    const cpu_unit *from = &e->units[w->u.input - 1];
    if (!from->derived) return (cpu_source){ cpu_output(e, t, from, at), NULL };
    if (w->wino && from->u.residual < 0) {
        *bn = affine_of(e, t, from);
        return (cpu_source){ cpu_conv_result(e, t, from, at), bn };
    }
    make(e, t, from, at, n, t->made);
    memset(t->made + cpu_out_bytes(e, from, n), 0, cpu_out_bytes(e, from, w->chunk - n));
    return (cpu_source){ t->made, NULL };
}

/** One record of the last output, made if it is not kept. */
static const void *last_output(cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t record)
{
    if (w->derived) make(e, t, w, record, 1, t->made);
    else finish(e, t, w, record, 1);
    return w->derived ? t->made : cpu_output(e, t, w, record);
}

static void unit_forward(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, char *ready)
{
    memset(t->sums + w->sum_at, 0, 2 * w->u.out_channels * sizeof(double));
    for (size_t at = 0; at < t->n; at += w->chunk) {
        const size_t n = t->n - at < w->chunk ? t->n - at : w->chunk;
        shn_affine   bn;
        if (!ready[w->u.input] && !e->units[w->u.input - 1].derived) finish(e, t, &e->units[w->u.input - 1], at, n);
        cpu_conv_forward(t, thread, w, source(e, t, w, at, n, &bn), cpu_conv_result(e, t, w, at), n);
    }
    ready[w->u.input] = 1;
}

static void forward_thread(void *self, unsigned thread, unsigned n_threads)
{
    cpu_engine            *e = self;
    cpu_thread            *t = begin(e, thread);
    const shn_compute_mode before = shn_compute_enter();
    char                   ready[SHN_UNITS_MAX + 1] = { 1 };
    (void)n_threads;
    for (size_t i = 0; i < e->n_units && !e->packed; i++)
        if (e->units[i].owner == thread) cpu_conv_pack(e, t, thread, &e->units[i]);
    cpu_conv_pack_shared(e, thread, 0, 0);
    shn_team_barrier(e->team);
    clear_padding(e, t);
    for (size_t i = 0; i < e->n_units; i++) {
        if (i + 1 < e->n_units) cpu_conv_pack_shared(e, thread, i + 1, 0);      /* nobody reads its buffer: unit i - 1 is done */
        unit_forward(e, t, thread, &e->units[i], ready);
        shn_team_barrier(e->team);
        settle(e, t, thread, &e->units[i]);
    }
    const cpu_unit *last = &e->units[e->enc.last - 1];
    const size_t    C = e->enc.channels, E = e->enc.config.embed;
    for (size_t r = 0; r < t->n; r++) {
        float *pooled = e->pooled + (t->first + r) * C, *z = e->z + (t->first + r) * E;
        e->k->row_mean(last_output(e, t, last, r), last->out_length, C, pooled);
        for (size_t k = 0; k < E; k++) z[k] = e->k->dot(pooled, e->params + e->fc_weight + k * C, C) + e->params[e->fc_bias + k];
    }
    shn_compute_leave(before);
}

/** Running statistics of ranks that normalise on their own become their mean. */
static shn_status mean_state(cpu_engine *e, shn_error *err)
{
    const size_t n = e->enc.n_state;
    double      *sum = shn_alloc(n, sizeof *sum);
    if (!sum) return shn_fail_nomem(err, "engine.cpu");
    for (size_t i = 0; i < n; i++) sum[i] = e->state[i];
    const shn_status st = shn_group_sum(e->group, sum, n, err);
    for (size_t i = 0; st == SHN_OK && i < n; i++) e->state[i] = (float)(sum[i] / shn_group_size(e->group));
    free(sum);
    return st;
}

shn_status cpu_forward(void *self, const float *x, size_t B, int update_state, float *z, shn_error *err)
{
    cpu_engine *e = self;
    double      records = (double)B;
    if (e->sync) {
        const shn_status st = shn_group_sum(e->group, &records, 1, err);
        if (st != SHN_OK) return st;
    }
    e->B_all = (size_t)records;
    e->x = x;
    e->z = z;
    e->B = B;
    e->active = B < e->n_threads ? (unsigned)B : e->n_threads;
    e->update_state = update_state;
    shn_status st = cpu_team(e, forward_thread, err);
    e->packed = st == SHN_OK;
    if (st == SHN_OK && update_state && e->group && !e->sync) st = mean_state(e, err);
    if (update_state) e->folded = 0;
    return st;
}

/* ---- backward ---- */

/** One share's part of row k of the linear layer's gradient: summed by shares, so that threads of one rank and ranks of one thread give the same bits. */
static void add_linear(cpu_engine *e, cpu_thread *t, unsigned share, size_t k)
{
    size_t       first, last;
    const size_t C = e->enc.channels, E = e->enc.config.embed;
    float *part = t->pooled;
    double d_b = 0;
    shn_team_share(e->B, share, e->n_threads, &first, &last);
    memset(part, 0, C * sizeof *part);
    for (size_t b = first; b < last; b++) {
        e->k->axpy(part, e->pooled + b * C, e->d_z[b * E + k], C);
        d_b += e->d_z[b * E + k];
    }
    e->k->axpy(e->gradient + e->fc_weight + k * C, part, 1, C);
    e->gradient[e->fc_bias + k] += (float)d_b;
}

/** Linear layer and mean over time: gradient of the last output for this share, and this thread's rows of the weight gradient. */
static void head_backward(cpu_engine *e, cpu_thread *t, unsigned thread)
{
    const size_t C = e->enc.channels, E = e->enc.config.embed;
    const float *weight = e->params + e->fc_weight;
    for (size_t b = t->first; b < t->first + t->n; b++) {
        float *d = e->d_pooled + b * C;
        memset(d, 0, C * sizeof *d);
        for (size_t k = 0; k < E; k++) e->k->axpy(d, weight + k * C, e->d_z[b * E + k], C);
    }
    size_t first, last;
    shn_team_share(E, thread, e->n_threads, &first, &last);
    for (size_t k = first; k < last; k++) {
        if (e->fresh) memset(e->gradient + e->fc_weight + k * C, 0, C * sizeof(float)), e->gradient[e->fc_bias + k] = 0;
        for (unsigned s = 0; s < e->active; s++) add_linear(e, t, s, k);
    }
}

/** Masks the gradient of a unit's output with its ReLU and adds up what its BN, and its shortcut's, need. out NULL: bn(y) is the mask. */
static void mask(cpu_engine *e, cpu_thread *t, const cpu_unit *w, const void *d, const void *other, const void *out, void *g, size_t at,
                 size_t n)
{
    const size_t    C = w->u.out_channels;
    const cpu_unit *s = w->shortcut >= 0 ? &e->units[w->shortcut] : NULL;
    double         *sum = t->sums + w->sum_at;
    shn_mask_args   a = {
        .d = d, .other = other, .out = out, .bn = affine_of(e, t, w), .y = cpu_conv_result(e, t, w, at), .mean = mean_of(t, w),
        .g = g,
        .sum = sum, .dot = sum + C,
    };
    if (s) {
        a.y2 = cpu_conv_result(e, t, s, at);
        a.mean2 = mean_of(t, s);
        a.dot2 = t->sums + s->sum_at + C;
    }
    if (w->u.max_pool)
        w->k->mask_sums_pool(&a, (uint8_t *)t->kept + w->from_at + at * w->out_length * C, w->conv_length, w->out_length, C);
    else w->k->mask_sums(&a, n * w->out_length, C);
}

static void mask_records(cpu_engine *e, cpu_thread *t, const cpu_unit *w, const char *d, const char *other, const char *out, char *g,
                         size_t at, size_t n)
{
    if (!w->u.max_pool) {
        mask(e, t, w, d, other, out, g, at, n);
        return;
    }
    const size_t record = cpu_out_bytes(e, w, 1);
    for (size_t r = 0; r < n; r++)
        mask(e, t, w, d + r * record, other ? other + r * record : NULL, out + r * record, g + r * record, at + r, 1);
}

/** Sums over all records become the three coefficients of BN's backward; thread 0 adds the gradients of gamma and beta. */
static void settle_backward(cpu_engine *e, cpu_thread *t, unsigned thread, const cpu_unit *w)
{
    const size_t    C = w->u.out_channels;
    const double    n = (double)(e->B_all * w->conv_length);
    const cpu_unit *s = &e->units[w->sum_unit];
    const double    own = !e->sync || shn_group_rank(e->group) == 0;    /* the sum over ranks counts once among them */
    sum_over_ranks(e, t, thread, s->sum_at, w->sum_at + C, C);
    for (size_t c = 0; c < C; c++) {
        double sums[2];
        sums_of(e, s->sum_at, w->sum_at + C, C, c, sums);
        const double rstd = rstd_of(t, w)[c], scale = rstd * e->params[w->gamma + c];
        t->k[c] = (float)scale;
        t->k[C + c] = (float)(scale * rstd * rstd * sums[1] / n);
        t->k[2 * C + c] = (float)(scale * sums[0] / n);
        if (thread != 0) continue;
        float *d_gamma = e->gradient + w->gamma + c, *d_beta = e->gradient + w->beta + c;
        *d_gamma = (float)((e->fresh ? 0 : *d_gamma) + rstd * own * sums[1]);
        *d_beta = (float)((e->fresh ? 0 : *d_beta) + own * sums[0]);
    }
}

/** This thread's stretch of a unit's weight gradient: the sum over threads, in their order. */
static void collect(cpu_engine *e, unsigned thread, size_t unit)
{
    const cpu_unit *w = &e->units[unit];
    const float    *parts[SHN_THREADS_MAX];
    size_t          first, last;
    shn_team_share(w->n_weight / 16, thread, e->n_threads, &first, &last);
    for (unsigned k = 0; k < e->active; k++) parts[k] = e->threads[k].d_w[unit % 2] + first * 16;
    e->k->reduce(e->gradient + w->weight + first * 16, parts, e->active, (last - first) * 16, !e->fresh);
}

static void bn_backward(cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t at, size_t n)
{
    const size_t C = w->u.out_channels;
    const char  *g = t->gradient[w->g] + cpu_out_bytes(e, w, at);
    const float *k1 = t->k, *k2 = t->k + C, *k3 = t->k + 2 * C;
    if (w->u.max_pool)
        for (size_t r = 0; r < n; r++)
            w->k->bn_backward_pool(g + cpu_out_bytes(e, w, r), (uint8_t *)t->kept + w->from_at + (at + r) * w->out_length * C,
                                   cpu_conv_result(e, t, w, at + r), w->conv_length, w->out_length, C, mean_of(t, w), k1, k2, k3,
                                   t->d_y + cpu_conv_bytes(e, w, r));
    else w->k->bn_backward(g, cpu_conv_result(e, t, w, at), n * w->conv_length, C, mean_of(t, w), k1, k2, k3, t->d_y);
    memset(t->d_y + cpu_conv_bytes(e, w, n), 0, cpu_conv_bytes(e, w, w->chunk - n));
}

static void data_gradient(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, cpu_source src, size_t at, size_t n)
{
    const cpu_unit *from = &e->units[w->u.input - 1];
    const size_t    offset = cpu_out_bytes(e, from, at);
    char           *to = t->gradient[w->d_input] + offset;
    /* where a second gradient waits in the same buffer the convolution must not write over it */
    char           *dx = w->last_user && w->other >= 0 ? t->d_x : to;
    cpu_conv_data(t, thread, w, t->d_y, dx, n);
    if (w->last_user) mask_records(e, t, from, dx, w->other >= 0 ? to : NULL, src.bn ? NULL : src.x, to, at, n);
}

static void clear_sums(cpu_engine *e, cpu_thread *t, const cpu_unit *w)
{
    memset(t->sums + w->sum_at, 0, 2 * w->u.out_channels * sizeof(double));
    if (w->shortcut >= 0) memset(t->sums + e->units[w->shortcut].sum_at, 0, 2 * w->u.out_channels * sizeof(double));
}

static void unit_backward(cpu_engine *e, cpu_thread *t, unsigned thread, size_t unit)
{
    cpu_unit *w = &e->units[unit];
    float    *d_w = t->d_w[unit % 2];
    if (w->u.input >= 1 && w->last_user) clear_sums(e, t, &e->units[w->u.input - 1]);
    for (size_t at = 0; at < t->n; at += w->chunk) {
        const size_t n = t->n - at < w->chunk ? t->n - at : w->chunk;
        shn_affine   bn;
        bn_backward(e, t, w, at, n);
        const cpu_source src = source(e, t, w, at, n, &bn);
        cpu_conv_weights(e, t, thread, w, src, t->d_y, n, at == 0, d_w);
        if (w->u.input >= 1) data_gradient(e, t, thread, w, src, at, n);
    }
    if (t->n) cpu_conv_weights_end(t, w, d_w);
}

/** Begins to sum a unit's finished gradient over the ranks: weights, gamma and beta lie side by side. */
static void share_gradient(cpu_engine *e, cpu_thread *t, unsigned thread, size_t unit)
{
    const cpu_unit *w = &e->units[unit];
    if (!e->last || !e->group || thread != 0) return;
    CPU_TRY(t, shn_group_sum_begin(e->group, e->gradient + w->weight, 2 * w->beta - w->gamma - w->weight, &t->error));
    shn_group_progress(e->group);
}

/** The first unit's, the linear layer's, and the end of all. */
static void share_rest(cpu_engine *e, cpu_thread *t, unsigned thread)
{
    if (!e->last || !e->group) return;
    shn_team_barrier(e->team);
    for (size_t i = e->n_units < 2 ? e->n_units : 2; i-- > 0;) share_gradient(e, t, thread, i);
    if (thread != 0) return;
    CPU_TRY(t, shn_group_sum_begin(e->group, e->gradient + e->fc_weight, e->n_internal - e->fc_weight, &t->error));
    CPU_TRY(t, shn_group_sum_end(e->group, &t->error));
}

static void backward_thread(void *self, unsigned thread, unsigned n_threads)
{
    cpu_engine            *e = self;
    cpu_thread            *t = begin(e, thread);
    const shn_compute_mode before = shn_compute_enter();
    const cpu_unit        *last = &e->units[e->enc.last - 1];
    (void)n_threads;
    head_backward(e, t, thread);
    clear_sums(e, t, last);
    for (size_t r = 0; r < t->n; r++) {
        char  *g = t->gradient[last->g] + cpu_out_bytes(e, last, r);
        float *d = e->d_pooled + (t->first + r) * e->enc.channels;
        for (size_t c = 0; c < e->enc.channels; c++) d[c] /= (float)last->out_length;
        e->k->spread(d, last->out_length, e->enc.channels, g);
        mask(e, t, last, g, NULL, last_output(e, t, last, r), g, r, 1);
    }
    cpu_conv_pack_shared(e, thread, e->n_units - 1, 1);
    for (size_t i = e->n_units; i-- > 0;) {
        shn_team_barrier(e->team);
        if (i > 0) cpu_conv_pack_shared(e, thread, i - 1, 1);
        if (i + 2 < e->n_units) share_gradient(e, t, thread, i + 2);
        if (i + 1 < e->n_units) collect(e, thread, i + 1);
        settle_backward(e, t, thread, &e->units[i]);
        unit_backward(e, t, thread, i);
    }
    shn_team_barrier(e->team);
    collect(e, thread, 0);
    share_rest(e, t, thread);
    shn_compute_leave(before);
}

shn_status cpu_backward(void *self, const float *x, const float *d_z, size_t B, int last, shn_error *err)
{
    cpu_engine *e = self;
    e->last = last;
    e->x = x;
    e->d_z = d_z;
    e->B = B;
    const shn_status st = cpu_team(e, backward_thread, err);
    e->fresh = 0;
    return st;
}
