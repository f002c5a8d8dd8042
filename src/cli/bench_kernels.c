/**
 * Rows of single convolutions: every distinct layer of the encoder at the length that 12x4992 gives it, every kernel that can run it, every
 * pass, f32, one thread, in processor time. GFLOP/s count the direct form, so a Winograd kernel may exceed the peak. The layers are
 * those that unit.compute holds against the reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "cli/bench_rows.h"
#include "compute/conv.h"
#include "engine/cpu/layer_cases.h"
#include "engine/cpu/winograd.h"

enum { ROUNDS = 15, POSITIONS = 1248 };
enum { FORWARD, DATA, WEIGHTS, PASSES };
static const char *const pass_names[PASSES] = { "forward", "data", "weights" };

/** A layer with random operands; the same memory in every round, so warm. */
typedef struct bench_layer {
    shn_wino_layer s;
    size_t         kernel, pad, stride;
    float         *x, *y, *weights, *packed, *scratch;
    double        *sums;
    shn_conv      *direct;
    shn_compute   *compute;
} bench_layer;

static void release(bench_layer *l) { free(l->x), free(l->y), free(l->weights), free(l->packed), free(l->scratch), free(l->sums); }

static shn_status prepare(bench_layer *l, const shn_layer_case *c, size_t scratch_floats, shn_error *err)
{
    const size_t length = c->long_length, T = (length + 2 * c->pad - c->kernel) / c->stride + 1;
    l->s = (shn_wino_layer){ T < POSITIONS ? POSITIONS / T : 1, length, T, c->in, c->out };
    l->kernel = c->kernel, l->pad = c->pad, l->stride = c->stride;
    const size_t n_x = l->s.n * length * c->in, n_y = l->s.n * T * c->out, n_w = c->in * c->out * c->kernel;
    l->x = shn_alloc_aligned(n_x, sizeof(float));
    l->y = shn_alloc_aligned(n_y, sizeof(float));
    l->weights = shn_alloc_aligned(3 * n_w, sizeof(float));
    l->packed = shn_alloc_aligned(3 * n_w, sizeof(float));
    l->scratch = shn_alloc_aligned(scratch_floats, sizeof(float));
    l->sums = shn_alloc_aligned(2 * c->out, sizeof(double));
    if (!l->x || !l->y || !l->weights || !l->packed || !l->scratch || !l->sums) return shn_fail_nomem(err, "bench");
    bench_fill(l->x, n_x, 1), bench_fill(l->y, n_y, 2), bench_fill(l->weights, n_w, 3), bench_fill(l->packed, 3 * n_w, 4);
    return SHN_OK;
}

static shn_status run_winograd(const bench_layer *l, const shn_wino *w, int pass)
{
    const shn_wino_out out = { .y = l->y, .sum = l->sums, .square = l->sums + l->s.out };
    if (pass == FORWARD) w->forward(&l->s, l->x, NULL, l->packed, &out, l->scratch);
    else if (pass == DATA) w->data(&l->s, l->y, l->packed, l->x, l->scratch);
    else w->weights(&l->s, l->x, NULL, l->y, 1, l->packed, l->scratch);
    return SHN_OK;
}

/** Names the row of a pass; 0: it was not asked for. */
static int name_row(const bench_run *run, const shn_layer_case *c, int pass, const char *kernel, char name[sizeof(bench_row){ 0 }.name])
{
    snprintf(name, sizeof(bench_row){ 0 }.name, "conv_%zux%zu_k%zu_s%zu_%s_%s", (size_t)c->in, (size_t)c->out, (size_t)c->kernel, (size_t)c->stride, pass_names[pass], kernel);
    return bench_wants(run, name);
}

/** One row; w NULL: oneDNN's direct form. */
static shn_status time_pass(bench_run *run, bench_layer *l, const shn_wino *w, const char *name, int pass, shn_error *err)
{
    double     times[ROUNDS];
    bench_row  row = { .threads = 1, .ratio = NAN, .bandwidth_fraction = NAN, .unit = "GFLOP/s", .precision = "f32" };
    shn_isa    isa;
    snprintf(row.name, sizeof row.name, "%s", name);
    shn_status st = shn_isa_choose(run->isa, &isa, err);
    for (int r = -2; r < ROUNDS && st == SHN_OK; r++) {
        const double start = bench_thread_now();
        st = w ? run_winograd(l, w, pass) : shn_conv_run(l->direct, 0, l->x, l->packed, NULL, l->y, l->scratch, err);
        if (r >= 0) times[r] = bench_thread_now() - start;
    }
    if (st == SHN_OK) st = bench_tell(run, row.name, err);
    if (st != SHN_OK) return st;
    row.value = 2.0 * (double)(l->kernel * l->s.in * l->s.out * l->s.n * l->s.T) / bench_median(times, ROUNDS, &row.spread) / 1e9;
    row.peak_fraction = row.value / run->peak_f32[0];
    snprintf(row.isa, sizeof row.isa, "%s", shn_isa_name(isa));
    return bench_add(run, &row, err);
}

static shn_status direct_rows(bench_run *run, shn_compute *compute, const shn_layer_case *c, shn_error *err)
{
    static const shn_conv_pass passes[PASSES] = { SHN_CONV_FORWARD, SHN_CONV_BACKWARD_DATA, SHN_CONV_BACKWARD_WEIGHTS };
    shn_status st = SHN_OK;
    for (int pass = 0; pass < PASSES && st == SHN_OK; pass++) {
        bench_layer l = { 0 };
        char        name[sizeof(bench_row){ 0 }.name];
        if (pass == DATA && c->in == 12) continue;              /* nobody asks for the input's gradient */
        if (!name_row(run, c, pass, "direct", name)) continue;
        st = prepare(&l, c, 1, err);
        const shn_conv_spec s = { passes[pass], SHN_F32, l.s.n, c->in, l.s.T_in, c->out, l.s.T, c->kernel, c->stride, c->pad, 0, 0 };
        if (st == SHN_OK) st = shn_conv_new(compute, &s, &l.direct, err);
        if (st == SHN_OK) {
            free(l.scratch), free(l.packed);
            l.scratch = shn_alloc_aligned(shn_conv_scratch_bytes(l.direct), 1);
            l.packed = shn_alloc_aligned(shn_layout_bytes(shn_conv_layout(l.direct)), 1);
            if (!l.scratch || !l.packed) st = shn_fail_nomem(err, "bench");
            else bench_fill(l.packed, shn_layout_bytes(shn_conv_layout(l.direct)) / sizeof(float), 4);
        }
        if (st == SHN_OK) st = time_pass(run, &l, NULL, name, pass, err);
        shn_conv_free(l.direct);
        release(&l);
    }
    return st;
}

static shn_status winograd_rows(bench_run *run, const shn_wino *w, const shn_layer_case *c, shn_error *err)
{
    shn_status st = SHN_OK;
    for (int pass = 0; pass < PASSES && st == SHN_OK; pass++) {
        bench_layer l = { 0 };
        char        name[sizeof(bench_row){ 0 }.name];
        if (!name_row(run, c, pass, w->name, name)) continue;
        st = prepare(&l, c, shn_wino_scratch(w, c->in, c->out), err);
        if (st == SHN_OK) st = time_pass(run, &l, w, name, pass, err);
        release(&l);
    }
    return st;
}

shn_status bench_kernels(bench_run *run, shn_error *err)
{
    shn_isa      isa;
    shn_compute *compute = NULL;
    shn_status   st = shn_isa_choose(run->isa, &isa, err);
    if (st != SHN_OK || run->quick) return st;
    st = shn_compute_new(isa, 1, &compute, err);
    const shn_compute_mode before = shn_compute_enter();
    for (size_t k = 0; k < SHN_LAYER_CASES && st == SHN_OK; k++) {
        const shn_layer_case *c = &shn_layer_cases[k];
        st = direct_rows(run, compute, c, err);
        for (int i = 0; i < SHN_WINO_KERNELS && st == SHN_OK; i++) {
            const shn_wino *w = shn_wino_table(isa)[i];
            if (c->kernel == 3 && c->stride == w->stride && w->tile <= run->winograd) st = winograd_rows(run, w, c, err);
        }
    }
    shn_compute_leave(before);
    shn_compute_free(compute);
    return st;
}
