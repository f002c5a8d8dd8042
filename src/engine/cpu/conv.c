/** One unit's convolution in all passes, whichever of the two ways runs it: oneDNN's primitives or Winograd's kernels. */
#include <string.h>

#include "engine/cpu/cpu.h"

static shn_wino_layer layer(const cpu_unit *w, size_t n)
{
    return (shn_wino_layer){ .n = n, .T_in = w->in_length, .T = w->conv_length, .in = w->u.in_channels, .out = w->u.out_channels };
}

void cpu_conv_forward(cpu_thread *t, unsigned thread, cpu_unit *w, cpu_source src, void *dst, size_t n)
{
    const size_t C = w->u.out_channels;
    double      *sum = t->sums + w->sum_at;
    if (w->wino) {
        const shn_wino_layer s = layer(w, n);
        const shn_wino_out   out = { .y = dst, .sum = sum, .square = sum + C };
        w->wino->forward(&s, src.x, src.bn, w->w_forward, &out, t->scratch);
        return;
    }
    CPU_TRY(t, shn_conv_run(w->forward, thread, src.x, w->w_forward, NULL, dst, t->scratch, &t->error));
    w->k->moments(dst, n * w->conv_length, C, sum, sum + C);
}

void cpu_conv_data(cpu_thread *t, unsigned thread, cpu_unit *w, const void *d_y, void *d_x, size_t n)
{
    const shn_wino_layer s = layer(w, n);
    if (w->wino) w->wino->data(&s, d_y, w->w_backward, d_x, t->scratch);
    else CPU_TRY(t, shn_conv_run(w->backward_data, thread, d_x, w->w_backward, NULL, d_y, t->scratch, &t->error));
}

void cpu_conv_weights(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, cpu_source src, const void *d_y, size_t n, int first,
                      float *d_w)
{
    const shn_wino_layer s = layer(w, n);
    if (w->wino) {
        w->wino->weights(&s, src.x, src.bn, d_y, first, t->d_w_sums, t->scratch);
        return;
    }
    float *part = first ? d_w : t->d_w_part;            /* oneDNN overwrites, so later chunks are added here */
    memset(part + w->n_weight - 16, 0, 16 * sizeof *part);      /* what it does not write of the last vector would be another unit's, and count in the norm */
    CPU_TRY(t, shn_conv_run(w->backward_weights, thread, src.x, part, NULL, d_y, t->scratch, &t->error));
    if (!first) e->k->reduce(d_w, (const float *const[]){ part }, 1, w->n_weight, 1);
}

void cpu_conv_weights_end(cpu_thread *t, cpu_unit *w, float *d_w)
{
    if (w->wino) w->wino->weights_end(t->d_w_sums, w->u.in_channels, w->u.out_channels, d_w);
}

void cpu_conv_infer(cpu_thread *t, unsigned thread, cpu_unit *w, const void *src, void *dst, size_t n)
{
    const shn_wino_layer s = layer(w, n);
    const shn_wino_out   out = { .y = dst, .bias = w->bias, .add = w->u.residual >= 0, .relu = w->u.relu };
    if (w->wino) w->wino->forward(&s, src, NULL, w->w_infer, &out, t->scratch);
    else CPU_TRY(t, shn_conv_run(w->infer, thread, src, w->w_infer, w->bias, dst, t->scratch, &t->error));
}

void cpu_conv_pack(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w)
{
    const float *master = e->params + w->weight;
    if (w->to_forward) CPU_TRY(t, shn_reorder_run(w->to_forward, thread, master, w->w_forward, t->scratch, &t->error));
    if (w->to_backward) CPU_TRY(t, shn_reorder_run(w->to_backward, thread, master, w->w_backward, t->scratch, &t->error));
}

void cpu_conv_pack_shared(cpu_engine *e, unsigned thread, size_t unit, int backward)
{
    const cpu_unit *w = &e->units[unit];
    if (!w->wino || (backward && w->u.input < 1)) return;
    const size_t columns = w->wino->columns, n_out = backward ? w->u.in_channels : w->u.out_channels;
    size_t       first, last;
    shn_team_share(n_out / columns, thread, e->n_threads, &first, &last);
    w->wino->pack(e->params + w->weight, w->u.in_channels, w->u.out_channels, backward, first * columns, last * columns, e->shared[unit % 2]);
}

void cpu_conv_fold(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, const float *scale)
{
    const size_t C = w->u.out_channels, each = (size_t)w->u.in_channels * w->u.kernel;
    const float *master = e->params + w->weight;
    if (w->wino) {
        for (size_t i = 0; i < each; i++)
            for (size_t c = 0; c < C; c++) t->plain[i * C + c] = master[i * C + c] * scale[c];
        w->wino->pack(t->plain, w->u.in_channels, C, 0, 0, C, w->w_infer);
        return;
    }
    if (w->to_plain) CPU_TRY(t, shn_reorder_run(w->to_plain, thread, master, t->plain, t->scratch, &t->error));
    else memcpy(t->plain, master, C * each * sizeof *master);
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < each; i++) t->plain[c * each + i] *= scale[c];
    if (w->to_infer) CPU_TRY(t, shn_reorder_run(w->to_infer, thread, t->plain, w->w_infer, t->scratch, &t->error));
    else memcpy(w->w_infer, t->plain, C * each * sizeof *t->plain);
}

/* The layouts were checked when the reorders were made, so the two below cannot fail. */

void cpu_conv_from_plain(const cpu_engine *e, const cpu_unit *w, const float *plain, float *master)
{
    const size_t in = w->u.in_channels, out = w->u.out_channels, kernel = w->u.kernel;
    if (w->from_plain) (void)!shn_reorder_run(w->from_plain, 0, plain, master, e->threads[0].scratch, NULL);
    else if (!w->wino) memcpy(master, plain, in * out * kernel * sizeof *master);
    else
        for (size_t o = 0; o < out; o++)
            for (size_t i = 0; i < in; i++)
                for (size_t k = 0; k < kernel; k++) master[(k * in + i) * out + o] = plain[(o * in + i) * kernel + k];
}

void cpu_conv_to_plain(const cpu_engine *e, const cpu_unit *w, const float *master, float *plain)
{
    const size_t in = w->u.in_channels, out = w->u.out_channels, kernel = w->u.kernel;
    if (w->to_plain) (void)!shn_reorder_run(w->to_plain, 0, master, plain, e->threads[0].scratch, NULL);
    else if (!w->wino) memcpy(plain, master, in * out * kernel * sizeof *master);
    else
        for (size_t o = 0; o < out; o++)
            for (size_t i = 0; i < in; i++)
                for (size_t k = 0; k < kernel; k++) plain[(o * in + i) * kernel + k] = master[(k * in + i) * out + o];
}
