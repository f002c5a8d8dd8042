/**
 * Embedding: BN with running statistics is folded into weights and bias, ReLU and the residual sum are part of the
 * convolution. Every oneDNN call has the same fixed number of records, padded where there are fewer, and Winograd's tiles do not
 * know their neighbours: so a record's bits do not depend on the others in the batch.
 */
#include <math.h>
#include <string.h>

#include "engine/cpu/cpu.h"

static void fold(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w)
{
    for (size_t c = 0; c < w->u.out_channels; c++) {
        const double scale = e->params[w->gamma + c] / sqrt((double)e->state[w->u.var + c] + (double)SHN_BN_EPS);
        t->scale[c] = (float)scale;
        w->bias[c] = (float)(e->params[w->beta + c] - e->state[w->u.mean + c] * scale);
    }
    cpu_conv_fold(e, t, thread, w, t->scale);
}

/** 1 if the record holds a NaN or an infinity: ReLU as oneDNN has it would turn a NaN into a confident 0. */
static int not_finite(const float *x, size_t n)
{
    uint32_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffffu;
        worst = bits > worst ? bits : worst;
    }
    return worst >= 0x7f800000u;
}

/** One unit over a group of n records: at once by Winograd, call by call by oneDNN. */
static void convolve(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, size_t first, size_t n)
{
    char *dst = t->embed[w->e_dst];
    if (w->wino) {
        cpu_conv_infer(t, thread, w, t->embed[w->e_src], dst, n);
        return;
    }
    const size_t in = w->in_length * w->u.in_channels * e->element;
    for (size_t r = 0; r < n; r += e->embed_call) {
        const size_t some = n - r < e->embed_call ? n - r : e->embed_call;
        const void  *src = w->e_src < 0 ? cpu_input(e, t, first + r, some, e->embed_call) : t->embed[w->e_src] + r * in;
        cpu_conv_infer(t, thread, w, src, dst + cpu_conv_bytes(e, w, r), some);
    }
}

static void head(cpu_engine *e, cpu_thread *t, const char *last_output, size_t first, size_t n)
{
    const cpu_unit *last = &e->units[e->n_units - 1];
    const size_t    C = e->enc.channels, E = e->enc.config.embed, record = e->n_samples * e->enc.config.n_leads;
    for (size_t r = 0; r < n; r++) {
        float *z = e->z + (first + r) * E;
        if (not_finite(e->x + (first + r) * record, record)) {
            for (size_t k = 0; k < E; k++) z[k] = NAN;
            continue;
        }
        e->k->row_mean(last_output + cpu_out_bytes(e, last, r), last->out_length, C, t->pooled);
        for (size_t k = 0; k < E; k++) z[k] = e->k->dot(t->pooled, e->params + e->fc_weight + k * C, C) + e->params[e->fc_bias + k];
    }
}

static void group(cpu_engine *e, cpu_thread *t, unsigned thread, size_t first, size_t n)
{
    const char *at = NULL;
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit *w = &e->units[i];
        convolve(e, t, thread, w, first, n);
        at = t->embed[w->e_dst];
        if (w->e_pool < 0) continue;
        for (size_t r = 0; r < n; r++)
            w->k->pool(at + cpu_conv_bytes(e, w, r), w->conv_length, w->out_length, w->u.out_channels,
                       t->embed[w->e_pool] + cpu_out_bytes(e, w, r));
        at = t->embed[w->e_pool];
    }
    head(e, t, at, first, n);
}

static void embed_thread(void *self, unsigned thread, unsigned n_threads)
{
    cpu_engine            *e = self;
    cpu_thread            *t = &e->threads[thread];
    const shn_compute_mode before = shn_compute_enter();
    if (!e->folded) {
        for (size_t i = 0; i < e->n_units; i++)
            if (e->units[i].owner == thread) fold(e, t, thread, &e->units[i]);
        shn_team_barrier(e->team);
    }
    size_t at, last;
    shn_team_share((e->B + e->embed_call - 1) / e->embed_call, thread, n_threads, &at, &last);     /* whole calls */
    at *= e->embed_call;
    last = last * e->embed_call < e->B ? last * e->embed_call : e->B;
    for (; at < last; at += e->embed_group) group(e, t, thread, at, last - at < e->embed_group ? last - at : e->embed_group);
    shn_compute_leave(before);
}

shn_status cpu_embed(void *self, const float *x, size_t B, float *z, shn_error *err)
{
    cpu_engine *e = self;
    shn_status  st = cpu_place_folded(e, err);
    if (st != SHN_OK) return st;
    e->x = x;
    e->z = z;
    e->B = B;
    st = cpu_team(e, embed_thread, err);
    e->folded = st == SHN_OK;
    return st;
}
