/** Which lengths, chunks, buffers and threads the cpu engine's passes use: everything that is known before the first batch. */
#include <assert.h>
#include <string.h>

#include "engine/cpu/cpu.h"

/**
 * Positions per convolution call. One record of 12x4992 has 1248 in the first stage: its tensors and weights fit a 1-2 MB
 * level-2 cache; fewer positions would leave the weight gradient's accumulation (12 bytes per weight and call) visible.
 */
enum { POSITIONS_PER_CALL = 1248, EMBED_POSITIONS = 624 };

/**
 * Convolution results from which a unit's output is made wherever it is read: relu(bn(y) + residual) costs less than keeping it in memory,
 * so long as its residual's own making is short. 0: it is kept.
 */
static int derived(const cpu_engine *e, size_t unit)
{
    enum { MOST = 2 };
    const cpu_unit *w = &e->units[unit];
    if (!w->u.relu || w->u.max_pool) return 0;
    const int of_residual = w->shortcut < 0 && w->u.residual >= 1 ? e->units[w->u.residual - 1].derived : 0;
    return of_residual < MOST ? of_residual + 1 : 0;
}

static void lengths_and_links(cpu_engine *e)
{
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit *w = &e->units[i];
        w->u = e->enc.units[i];
        w->in_length = shn_encoder_length(&e->enc, w->u.input, e->n_samples);
        w->conv_length = (w->in_length + 2 * w->u.pad - w->u.kernel) / w->u.stride + 1;
        w->out_length = shn_encoder_length(&e->enc, (int)i + 1, e->n_samples);
        w->lazy = !w->u.relu;
        w->shortcut = w->u.residual >= 1 && !e->enc.units[w->u.residual - 1].relu ? w->u.residual - 1 : -1;
        w->sum_unit = (int)i;
        w->derived = derived(e, i);
    }
    for (size_t i = 0; i < e->n_units; i++)
        if (e->units[i].shortcut >= 0) e->units[e->units[i].shortcut].sum_unit = (int)i;
}

static size_t chunk_for(size_t share, size_t length, size_t positions)
{
    size_t want = (positions + length / 2) / length;
    if (want < 1) want = 1;
    if (want > share) want = share;
    const size_t calls = (share + want - 1) / want;
    return (share + calls - 1) / calls;                 /* even chunks: little is computed in vain */
}

static void chunks(cpu_engine *e)
{
    e->share_max = (e->batch_max + e->n_threads - 1) / e->n_threads;
    e->share_pad = e->share_max;
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit *w = &e->units[i];
        w->chunk = chunk_for(e->share_max, w->conv_length, POSITIONS_PER_CALL);
        const size_t padded = (e->share_max + w->chunk - 1) / w->chunk * w->chunk;
        if (padded > e->share_pad) e->share_pad = padded;
    }
    /* Embedding: a oneDNN call has a fixed size, small, for a record alone should not pay for many; Winograd takes a group at
       once, large, for its weights are read once per block of tiles. */
    const size_t stage1 = e->units[0].out_length;
    e->embed_call = stage1 >= EMBED_POSITIONS ? 1 : EMBED_POSITIONS / stage1;
    if (e->embed_call > 4) e->embed_call = 4;
    const size_t group = stage1 >= POSITIONS_PER_CALL ? 1 : (POSITIONS_PER_CALL + stage1 - 1) / stage1;
    const size_t most = group > e->share_max ? e->share_max : group;
    e->embed_group = (most + e->embed_call - 1) / e->embed_call * e->embed_call;
}

static int take(int *refs)
{
    for (int b = 0; b < CPU_BUFFERS; b++)
        if (refs[b] == 0) {
            refs[b] = 1;
            return b;
        }
    assert(!"the table needs more buffers than a chain of basic blocks does");
    return -1;
}

static int used_below(const cpu_engine *e, size_t unit, int tensor)
{
    for (size_t i = 0; i < unit; i++)
        if (e->units[i].u.input == tensor || e->units[i].u.residual == tensor) return 1;
    return 0;
}

/** Walks backward as the pass will and hands out gradient buffers, so that a buffer is reused when its last reader is done. */
static void gradient_buffers(cpu_engine *e)
{
    int refs[CPU_BUFFERS] = { 0 }, of[SHN_UNITS_MAX + 1], other[SHN_UNITS_MAX + 1];
    memset(other, -1, sizeof other);
    of[e->enc.last] = take(refs);
    for (size_t i = e->n_units; i-- > 0;) {
        cpu_unit *w = &e->units[i];
        w->g = w->lazy ? e->units[w->sum_unit].g : of[i + 1];
        if (w->shortcut >= 0) refs[w->g]++;             /* the shortcut reads it later */
        else if (w->u.residual >= 1) {
            assert(other[w->u.residual] < 0);
            other[w->u.residual] = w->g;
            refs[w->g]++;
        }
        const int in = w->u.input;
        w->d_input = w->other = -1;
        if (in >= 1) {
            w->last_user = !used_below(e, i, in);
            if (w->last_user) {
                w->other = other[in];
                w->d_input = of[in] = w->other >= 0 ? w->other : take(refs);
            } else {
                assert(other[in] < 0);
                w->d_input = other[in] = take(refs);
            }
        }
        refs[w->g]--;
    }
}

static int used_above(const cpu_engine *e, size_t unit, int tensor)
{
    for (size_t i = unit + 1; i < e->n_units; i++)
        if (e->units[i].u.input == tensor || e->units[i].u.residual == tensor) return 1;
    return 0;
}

/** The same forward for embedding: a residual's buffer becomes the output's, for the convolution adds in place. */
static void embed_buffers(cpu_engine *e)
{
    int refs[CPU_BUFFERS] = { 0 }, of[SHN_UNITS_MAX + 1];
    of[0] = -1;
    for (size_t i = 0; i < e->n_units; i++) {
        cpu_unit *w = &e->units[i];
        w->e_src = of[w->u.input];
        assert(w->u.residual < 0 || !used_above(e, i, w->u.residual));
        w->e_dst = w->u.residual >= 1 ? of[w->u.residual] : take(refs);
        w->e_pool = w->u.max_pool ? take(refs) : -1;
        of[i + 1] = w->u.max_pool ? w->e_pool : w->e_dst;
        if (w->u.max_pool) refs[w->e_dst] = 0;
        if (w->e_src >= 0 && !used_above(e, i, w->u.input)) refs[w->e_src] = 0;
    }
}

/** Packing is shared out by size, the largest first. */
static void owners(cpu_engine *e)
{
    size_t load[SHN_THREADS_MAX] = { 0 };
    char   given[SHN_UNITS_MAX] = { 0 };
    for (size_t round = 0; round < e->n_units; round++) {
        size_t   best = 0, most = 0;
        unsigned idle = 0;
        for (size_t i = 0; i < e->n_units; i++) {
            const size_t size = (size_t)e->units[i].u.in_channels * e->units[i].u.out_channels * e->units[i].u.kernel;
            if (!given[i] && size > most) most = size, best = i;
        }
        for (unsigned t = 1; t < e->n_threads; t++)
            if (load[t] < load[idle]) idle = t;
        given[best] = 1;
        load[idle] += most;
        e->units[best].owner = idle;
    }
}

void cpu_plan(cpu_engine *e)
{
    e->n_units = e->enc.n_units;
    lengths_and_links(e);
    chunks(e);
    gradient_buffers(e);
    embed_buffers(e);
    owners(e);
}
