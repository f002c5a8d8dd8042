/** The cpu engine: construction, weights in and out, the optimizer. The passes are in train.c and embed.c. */
#include "engine/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

static const char where[] = "engine.cpu";

shn_status cpu_team(cpu_engine *e, shn_team_fn *fn, shn_error *err)
{
    for (unsigned t = 0; t < e->n_threads; t++) e->threads[t].status = SHN_OK;
    shn_team_run(e->team, fn, e);
    for (unsigned t = 0; t < e->n_threads; t++)
        if (e->threads[t].status != SHN_OK) {
            if (err) *err = e->threads[t].error;
            return e->threads[t].status;
        }
    return SHN_OK;
}

const void *cpu_input(const cpu_engine *e, cpu_thread *t, size_t first, size_t n, size_t chunk)
{
    const size_t record = e->n_samples * e->enc.config.n_leads;
    const float *x = e->x + first * record;
    if (e->type == SHN_F32 && n == chunk) return x;
    e->k->convert(x, n * record, t->x);
    memset(t->x + n * record * e->element, 0, (chunk - n) * record * e->element);
    return t->x;
}

static void cpu_free(void *self)
{
    cpu_engine *e = self;
    if (!e) return;
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit *w = &e->units[i];
        shn_conv_free(w->forward), shn_conv_free(w->backward_data), shn_conv_free(w->backward_weights), shn_conv_free(w->infer);
        shn_reorder_free(w->from_plain), shn_reorder_free(w->to_plain), shn_reorder_free(w->to_forward);
        shn_reorder_free(w->to_backward), shn_reorder_free(w->to_infer);
    }
    shn_compute_free(e->compute);
    shn_team_free(e->team);
    free(e->threads);
    free(e->arena);
    free(e->folded_block);
    free(e);
}

/* ---- construction ---- */

static shn_status make_conv(cpu_engine *e, const cpu_unit *w, shn_conv_pass pass, shn_conv **out, shn_error *err)
{
    const shn_conv_spec s = {
        .pass = pass, .dtype = e->type, .n = pass == SHN_CONV_INFERENCE ? e->embed_call : w->chunk, .in = w->u.in_channels,
        .in_length = w->in_length, .out = w->u.out_channels, .out_length = w->conv_length, .kernel = w->u.kernel,
        .stride = w->u.stride, .pad = w->u.pad, .add = pass == SHN_CONV_INFERENCE && w->u.residual >= 0,
        .relu = pass == SHN_CONV_INFERENCE && w->u.relu,
    };
    return shn_conv_new(e->compute, &s, out, err);
}

static shn_status make_reorder(cpu_engine *e, const shn_layout *from, const shn_layout *to, shn_reorder **out, shn_error *err)
{
    return shn_layout_equal(from, to) ? SHN_OK : shn_reorder_new(e->compute, from, to, out, err);
}

/** Primitives and reorders of a unit that oneDNN runs; *bytes: of its master weights. */
static shn_status make_primitives(cpu_engine *e, cpu_unit *w, size_t *bytes, shn_error *err)
{
    shn_layout *plain = NULL;
    shn_status  st = shn_layout_plain(e->compute, w->u.out_channels, w->u.in_channels, w->u.kernel, &plain, err);
    const shn_layout *master = plain;
    if (st == SHN_OK) st = make_conv(e, w, SHN_CONV_INFERENCE, &w->infer, err);
    if (st == SHN_OK) st = make_reorder(e, plain, shn_conv_layout(w->infer), &w->to_infer, err);
    if (st == SHN_OK && e->training) {
        st = make_conv(e, w, SHN_CONV_FORWARD, &w->forward, err);
        if (st == SHN_OK && w->u.input >= 1) st = make_conv(e, w, SHN_CONV_BACKWARD_DATA, &w->backward_data, err);
        if (st == SHN_OK) st = make_conv(e, w, SHN_CONV_BACKWARD_WEIGHTS, &w->backward_weights, err);
        if (st == SHN_OK) {
            master = shn_conv_layout(w->backward_weights);
            st = make_reorder(e, plain, master, &w->from_plain, err);
        }
        if (st == SHN_OK) st = make_reorder(e, master, plain, &w->to_plain, err);
        if (st == SHN_OK) st = make_reorder(e, master, shn_conv_layout(w->forward), &w->to_forward, err);
        if (st == SHN_OK && w->backward_data) st = make_reorder(e, master, shn_conv_layout(w->backward_data), &w->to_backward, err);
    }
    if (st == SHN_OK) *bytes = shn_layout_bytes(master);
    shn_layout_free(plain);
    return st;
}

static size_t whole(size_t floats) { return (floats + 15) / 16 * 16; }

static shn_status make_unit(cpu_engine *e, cpu_unit *w, shn_isa isa, shn_error *err)
{
    size_t     bytes = (size_t)w->u.in_channels * w->u.out_channels * w->u.kernel * sizeof(float);
    shn_status st = SHN_OK;
    w->k = shn_kernels_choose(isa, e->type, w->u.out_channels);
    if (e->type == SHN_F32 && w->u.kernel == 3 && w->u.pad == 1)
        w->wino = shn_wino_choose(isa, e->tile_max, w->u.stride, w->u.in_channels, w->u.out_channels, w->conv_length);
    if (!w->wino) st = make_primitives(e, w, &bytes, err);
    w->n_weight = whole(bytes / sizeof(float));
    w->weight = e->n_internal;
    w->gamma = w->weight + w->n_weight;
    w->beta = w->gamma + whole(w->u.out_channels);
    e->n_internal = w->beta + whole(w->u.out_channels);
    return st;
}

static shn_status choose_type(cpu_engine *e, shn_isa isa, shn_precision precision, shn_error *err)
{
    if (precision == SHN_PRECISION_TF32)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "tf32 is for the cuda engine; use f32 or bf16");
    if (precision == SHN_PRECISION_BF16 && isa < SHN_ISA_AVX512)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "bf16 needs AVX-512 or AMX, this run has %s; use f32",
                        shn_isa_name(isa));
    e->type = precision == SHN_PRECISION_BF16 || (precision == SHN_PRECISION_AUTO && isa == SHN_ISA_AMX) ? SHN_BF16 : SHN_F32;
    e->element = shn_dtype_size(e->type);
    return SHN_OK;
}

static shn_status build(cpu_engine *e, const shn_engine_options *o, shn_isa isa, shn_error *err)
{
    shn_status st = choose_type(e, isa, o->precision, err);
    if (st == SHN_OK) st = shn_team_new(o->n_threads, &e->team, err);
    if (st != SHN_OK) return st;
    e->n_threads = shn_team_size(e->team);
    st = shn_compute_new(isa, e->n_threads, &e->compute, err);
    if (st != SHN_OK) return st;
    e->threads = shn_alloc(e->n_threads, sizeof *e->threads);
    if (!e->threads) return shn_fail_nomem(err, where);
    cpu_plan(e);
    e->k = shn_kernels_choose(isa, e->type, e->enc.channels);
    for (size_t i = 0; i < e->n_units && st == SHN_OK; i++) st = make_unit(e, &e->units[i], isa, err);
    if (st != SHN_OK) return st;
    e->fc_weight = e->n_internal;
    e->fc_bias = e->fc_weight + whole((size_t)e->enc.config.embed * e->enc.channels);
    e->n_internal = e->fc_bias + whole(e->enc.config.embed);
    e->fresh = 1;
    st = cpu_place(e, err);
    return st == SHN_OK && !e->training ? cpu_place_folded(e, err) : st;
}

/* ---- weights in and out ---- */

/** One block of floats from the table's order to the internal one. */
static void inward(const cpu_engine *e, float *internal, const float *table)
{
    const shn_compute_mode before = shn_compute_enter();
    for (size_t i = 0; i < e->n_units; i++) {
        const cpu_unit *w = &e->units[i];
        const size_t    C = w->u.out_channels * sizeof(float);
        cpu_conv_from_plain(e, w, table + w->u.weight, internal + w->weight);
        memcpy(internal + w->gamma, table + w->u.gamma, C);
        memcpy(internal + w->beta, table + w->u.beta, C);
    }
    memcpy(internal + e->fc_weight, table + e->enc.fc_weight, (size_t)e->enc.config.embed * e->enc.channels * sizeof(float));
    memcpy(internal + e->fc_bias, table + e->enc.fc_bias, e->enc.config.embed * sizeof(float));
    shn_compute_leave(before);
}

static void outward(const cpu_engine *e, const float *internal, float *table)
{
    const shn_compute_mode before = shn_compute_enter();
    memset(table, 0, e->enc.n_params * sizeof *table);
    for (size_t i = 0; i < e->n_units; i++) {
        const cpu_unit *w = &e->units[i];
        const size_t    C = w->u.out_channels * sizeof(float);
        cpu_conv_to_plain(e, w, internal + w->weight, table + w->u.weight);
        memcpy(table + w->u.gamma, internal + w->gamma, C);
        memcpy(table + w->u.beta, internal + w->beta, C);
    }
    memcpy(table + e->enc.fc_weight, internal + e->fc_weight, (size_t)e->enc.config.embed * e->enc.channels * sizeof(float));
    memcpy(table + e->enc.fc_bias, internal + e->fc_bias, e->enc.config.embed * sizeof(float));
    shn_compute_leave(before);
}

static void cpu_set(void *self, const float *params, const float *state)
{
    cpu_engine *e = self;
    inward(e, e->params, params);
    memcpy(e->state, state, e->enc.n_state * sizeof *state);
    e->packed = e->folded = 0;
}

static void cpu_get(const void *self, float *params, float *state)
{
    const cpu_engine *e = self;
    outward(e, e->params, params);
    memcpy(state, e->state, e->enc.n_state * sizeof *state);
}

static void cpu_set_moments(void *self, const float *m, const float *v)
{
    cpu_engine *e = self;
    inward(e, e->m, m);
    inward(e, e->v, v);
}

static void cpu_get_moments(const void *self, float *m, float *v)
{
    const cpu_engine *e = self;
    outward(e, e->m, m);
    outward(e, e->v, v);
}

/* ---- gradient block and optimizer ---- */

static void cpu_zero_gradient(void *self)
{
    cpu_engine *e = self;
    e->fresh = 1;                               /* the next backward pass writes where it would have added */
}

static void cpu_get_gradient(const void *self, float *gradient)
{
    const cpu_engine *e = self;
    if (e->fresh) memset(gradient, 0, e->enc.n_params * sizeof *gradient);
    else outward(e, e->gradient, gradient);
}

/** A thread's part of a block of floats, in whole vectors of 16. */
static void part(size_t n, unsigned thread, unsigned n_threads, size_t *first, size_t *count)
{
    size_t last;
    shn_team_share(n / 16, thread, n_threads, first, &last);
    *count = (last - *first) * 16;
    *first *= 16;
}

static void square_thread(void *self, unsigned thread, unsigned n_threads)
{
    cpu_engine *e = self;
    size_t      first, last;
    shn_team_share(cpu_square_blocks(e), thread, n_threads, &first, &last);
    for (; first < last; first++) {
        const size_t at = first * CPU_SQUARE_BLOCK, left = e->n_internal - at;
        e->squares[first] = e->k->square(e->gradient + at, left < CPU_SQUARE_BLOCK ? left : CPU_SQUARE_BLOCK);
    }
}

static double cpu_gradient_square(const void *self)
{
    cpu_engine *e;
    memcpy(&e, &self, sizeof e);                /* the blocks' sums are scratch, not state */
    if (e->fresh) return 0;
    shn_team_run(e->team, square_thread, e);
    double sum = 0;
    for (size_t i = 0; i < cpu_square_blocks(e); i++) sum += e->squares[i];
    return sum;
}

static void step_range(cpu_engine *e, unsigned thread, size_t at, size_t size, int decay)
{
    size_t first, n;
    part(size, thread, e->n_threads, &first, &n);
    at += first;
    e->k->adamw(e->params + at, e->gradient + at, e->m + at, e->v + at, n, e->hyper, decay, e->step, e->grad_scale);
}

static void step_thread(void *self, unsigned thread, unsigned n_threads)
{
    cpu_engine            *e = self;
    const shn_compute_mode before = shn_compute_enter();
    (void)n_threads;
    for (size_t i = 0; i < e->n_units; i++) {
        const cpu_unit *w = &e->units[i];
        step_range(e, thread, w->weight, w->n_weight, 1);
        step_range(e, thread, w->gamma, w->beta - w->gamma, 0);
        step_range(e, thread, w->beta, w->beta - w->gamma, 0);
    }
    step_range(e, thread, e->fc_weight, e->fc_bias - e->fc_weight, 1);
    step_range(e, thread, e->fc_bias, e->n_internal - e->fc_bias, 0);
    shn_compute_leave(before);
}

static shn_status cpu_step(void *self, const shn_adamw *hyper, uint64_t step, float grad_scale, shn_error *err)
{
    cpu_engine *e = self;
    if (e->fresh) memset(e->gradient, 0, e->n_internal * sizeof *e->gradient), e->fresh = 0;
    e->hyper = hyper;
    e->step = step;
    e->grad_scale = grad_scale;
    e->packed = e->folded = 0;
    return cpu_team(e, step_thread, err);
}

static void cpu_explain(const void *self, size_t unit, char text[SHN_EXPLAIN_MAX])
{
    const cpu_engine *e = self;
    const cpu_unit   *w = &e->units[unit];
    if (w->wino) snprintf(text, SHN_EXPLAIN_MAX, "%s, blocks of %u x %u", w->wino->name, w->wino->rows, w->wino->columns);
    else if (e->training)
        snprintf(text, SHN_EXPLAIN_MAX, "oneDNN %s; %s; %s", shn_conv_kernel(w->forward), w->backward_data ? shn_conv_kernel(w->backward_data) : "none",
                 shn_conv_kernel(w->backward_weights));
    else snprintf(text, SHN_EXPLAIN_MAX, "oneDNN %s", shn_conv_kernel(w->infer));
}

static const shn_engine_ops cpu_ops = {
    .explain = cpu_explain, .free = cpu_free, .set = cpu_set, .get = cpu_get, .set_moments = cpu_set_moments, .get_moments = cpu_get_moments,
    .embed = cpu_embed, .forward = cpu_forward, .backward = cpu_backward, .zero_gradient = cpu_zero_gradient,
    .get_gradient = cpu_get_gradient, .gradient_square = cpu_gradient_square, .step = cpu_step,
};

shn_status shn_engine_new_cpu(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                              const shn_engine_options *options, shn_engine_made *out, shn_error *err)
{
    shn_isa    isa;
    shn_status st = shn_isa_choose(options->isa, &isa, err);
    if (st != SHN_OK) return st;
    cpu_engine *e = shn_alloc(1, sizeof *e);
    if (!e) return shn_fail_nomem(err, where);
    e->enc = *enc;
    e->n_samples = n_samples;
    e->batch_max = batch_max;
    e->training = training;
    e->tile_max = options->winograd;
    e->group = training ? options->group : NULL;
    e->sync = e->group && options->sync_statistics;
    st = build(e, options, isa, err);
    if (st != SHN_OK) {
        cpu_free(e);
        return st;
    }
    *out = (shn_engine_made){ .ops = &cpu_ops, .self = e, .n_threads = e->n_threads };
    char tiles[24] = "", ranks[24] = "";
    if (e->type == SHN_F32 && e->tile_max) snprintf(tiles, sizeof tiles, "winograd %u ", e->tile_max);
    if (e->group) snprintf(ranks, sizeof ranks, "%u ranks ", shn_group_size(e->group));
    const char *type = e->type == SHN_BF16 ? "bf16" : "f32";
    snprintf(out->kernels, sizeof out->kernels, "cpu %s %s %s%s", type, shn_isa_name(isa), tiles, shn_compute_version());
    snprintf(out->describe, sizeof out->describe, "cpu %s %s %s%s%u thread%s %s", type, shn_isa_name(isa), tiles, ranks, e->n_threads,
             e->n_threads == 1 ? "" : "s", shn_compute_version());
    return SHN_OK;
}
