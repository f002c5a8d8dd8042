/**
 * The cpu engine's own objects. A batch is split by records: each thread of the team owns a share of them and walks all
 * units over its share in chunks small enough for its cache; threads meet once per unit to add up the sums that batch
 * normalisation needs. Every sum over threads is taken in the order of threads, so a run repeats bit for bit.
 *
 * Parameters are kept in the layout in which oneDNN returns their gradients ("master layout"), so the gradient and
 * AdamW are plain passes over arrays; copies for the forward and the backward primitives are packed when they are stale.
 */
#ifndef SHN_ENGINE_CPU_H
#define SHN_ENGINE_CPU_H

#include "base/threads.h"
#include "compute/conv.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/winograd.h"
#include "engine/engine_ops.h"

enum { CPU_BUFFERS = 4 };               /* gradient and embedding buffers per thread that a table of blocks needs at most */

typedef struct cpu_unit {
    shn_unit           u;
    const shn_kernels *k;               /* for its output's channels */
    const shn_wino    *wino;            /* NULL: oneDNN runs it. Else no primitives: master and gradient are [3][in][out] */
    int    derived;                     /* above 0: its output is made wherever it is read, never stored; results that it takes */
    size_t in_length, conv_length, out_length;
    size_t chunk;                       /* records per call in the training pass */
    int    shortcut;                    /* unit whose convolution result, normalised, is the residual; -1 none */
    int    lazy;                        /* 1: is such a shortcut: its BN is applied where it is added, never stored */
    shn_conv    *forward, *backward_data, *backward_weights, *infer;
    shn_reorder *from_plain, *to_plain, *to_forward, *to_backward, *to_infer;   /* NULL: layouts are the same */
    size_t weight, n_weight, gamma, beta;           /* places in the internal parameter block, in floats */
    void  *w_forward, *w_backward, *w_infer;        /* packed; the first two may be the master itself, or shared */
    float *bias;                        /* [C] of the folded BN */
    unsigned owner;                     /* the thread that packs it */
    size_t conv_at, out_at, from_at;    /* byte offsets in a thread's kept activations; out unused if lazy or derived */
    size_t sum_at;                      /* offset of its [2][C] doubles in a thread's sums */
    int    sum_unit;                    /* whose sum of g it shares: itself, or for a shortcut the unit that adds it */
    int    g, d_input, other, last_user;/* gradient buffers: own output's, its input's, what is added there (-1), 1: input's is complete */
    int    e_src, e_dst, e_pool;        /* embedding buffers, -1: the input; e_pool -1: no pool */
} cpu_unit;

typedef struct cpu_thread {
    size_t  first, n;                   /* share of the batch in this pass */
    char   *kept;                       /* activations of the share */
    char   *gradient[CPU_BUFFERS];
    char   *d_y, *d_x, *x, *made;       /* one chunk each; made: a derived output, for oneDNN */
    float  *d_w[2], *d_w_part;          /* weight gradient of the share for even and odd units; of one chunk */
    float  *d_w_sums;                   /* [matrices][in][out] in Winograd's domain */
    double *sums;                       /* [all units][2][C] */
    float  *affine;                     /* [all units][2][C]: mean, scale */
    double *rstd;                       /* [all units][C] */
    float  *k;                          /* [3][C] BN backward */
    char   *embed[CPU_BUFFERS];
    float  *plain, *scale, *pooled;     /* one unit's weights; [C]; [C] */
    void   *scratch;
    shn_status status;
    shn_error  error;
} cpu_thread;

typedef struct cpu_engine {
    shn_encoder   enc;
    size_t        n_samples, batch_max, share_max, share_pad;
    unsigned      tile_max;             /* outputs of a Winograd tile, at most */
    size_t        embed_call, embed_group;  /* records per oneDNN call and per walk through the units, a multiple of it */
    int           training;
    shn_dtype     type;
    size_t        element;              /* bytes */
    shn_team     *team;
    shn_compute  *compute;
    unsigned      n_threads;
    const shn_kernels *k;               /* for plain arrays and the last stage's channels */
    size_t        n_units;
    cpu_unit      units[SHN_UNITS_MAX];
    cpu_thread   *threads;
    size_t        n_internal, fc_weight, fc_bias;
    float        *params, *gradient, *m, *v, *state;    /* internal layout; state as in the table */
    double       *squares;              /* of blocks of the gradient */
    float        *pooled, *d_pooled;    /* [batch_max][C] */
    char         *arena, *folded_block; /* folded_block: every unit's copy for embedding; a training engine takes it when first asked */
    float        *shared[2];            /* training: packed weights of the Winograd unit at work, and of the next */
    int           fresh;                /* the gradient block counts as zero, whatever it holds */
    int           packed, folded;       /* copies of the weights are up to date */
    /* the pass in progress */
    size_t        B;
    unsigned      active;               /* threads that have records */
    shn_group    *group;                /* NULL: alone */
    int           sync;                 /* statistics over all ranks */
    double       *total;                /* [2][C] of one unit over all threads and ranks */
    size_t        B_all;                /* records that statistics are over */
    int           last;                 /* the gradient is summed over the ranks */
    const float  *x, *d_z;
    float        *z;
    int           update_state;
    const shn_adamw *hyper;
    uint64_t      step;
    float         grad_scale;
} cpu_engine;

/** Sums of squares are taken by blocks of floats, so that they do not depend on the number of threads. */
enum { CPU_SQUARE_BLOCK = 4096 };
static inline size_t cpu_square_blocks(const cpu_engine *e) { return (e->n_internal + CPU_SQUARE_BLOCK - 1) / CPU_SQUARE_BLOCK; }

/** Bytes of `records` of a unit's convolution result or output. */
static inline size_t cpu_conv_bytes(const cpu_engine *e, const cpu_unit *w, size_t records)
{
    return records * w->conv_length * w->u.out_channels * e->element;
}
static inline size_t cpu_out_bytes(const cpu_engine *e, const cpu_unit *w, size_t records)
{
    return records * w->out_length * w->u.out_channels * e->element;
}
static inline char *cpu_conv_result(const cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t record)
{
    return t->kept + w->conv_at + cpu_conv_bytes(e, w, record);
}
static inline char *cpu_output(const cpu_engine *e, cpu_thread *t, const cpu_unit *w, size_t record)
{
    return t->kept + w->out_at + cpu_out_bytes(e, w, record);
}
/** The chunk's input as the first convolution wants it: the caller's memory where it fits, else a converted, padded copy. */
const void *cpu_input(const cpu_engine *e, cpu_thread *t, size_t first, size_t n, size_t chunk);

/** Runs fn on the team and gives the first thread's error, if any. */
shn_status cpu_team(cpu_engine *e, shn_team_fn *fn, shn_error *err);
/** Keeps a thread's first error; later work of that thread is skipped, but never a barrier. */
#define CPU_TRY(t, call)                                                                                                \
    do {                                                                                                                \
        if ((t)->status == SHN_OK) (t)->status = (call);                                                                \
    } while (0)

shn_status cpu_forward(void *self, const float *x, size_t B, int update_state, float *z, shn_error *err);
shn_status cpu_backward(void *self, const float *x, const float *d_z, size_t B, int last, shn_error *err);
shn_status cpu_embed(void *self, const float *x, size_t B, float *z, shn_error *err);
/** Takes the arena for what the plan and the units' kernels need. SHN_NOMEM. */
shn_status cpu_place(cpu_engine *e, shn_error *err);
/** Takes the memory of the folded weights; nothing where it is there. SHN_NOMEM. */
shn_status cpu_place_folded(cpu_engine *e, shn_error *err);
/** Chooses lengths, chunks, buffers and owners. */
void cpu_plan(cpu_engine *e);

/** What a convolution reads: x, or relu(bn(x)) where bn is not NULL (Winograd only). */
typedef struct cpu_source { const void *x; const shn_affine *bn; } cpu_source;

/**
 * A unit's convolution over n records, by oneDNN or by Winograd; oneDNN works on whole chunks, so the memory must reach that
 * far. forward adds the result's moments to the unit's sums. Errors go to the thread.
 */
void cpu_conv_forward(cpu_thread *t, unsigned thread, cpu_unit *w, cpu_source src, void *dst, size_t n);
void cpu_conv_data(cpu_thread *t, unsigned thread, cpu_unit *w, const void *d_y, void *d_x, size_t n);
/** chunk 0 starts the gradient in d_w; end it with cpu_conv_weights_end. */
void cpu_conv_weights(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, cpu_source src, const void *d_y, size_t n, int first,
                      float *d_w);
void cpu_conv_weights_end(cpu_thread *t, cpu_unit *w, float *d_w);
/** BN folded, ReLU and sum into dst included. oneDNN: n is ignored, it is one call of embed_call records. */
void cpu_conv_infer(cpu_thread *t, unsigned thread, cpu_unit *w, const void *src, void *dst, size_t n);
/** This thread's part of packing a Winograd unit's weights for the pass, into the memory that units of its parity share. */
void cpu_conv_pack_shared(cpu_engine *e, unsigned thread, size_t unit, int backward);
/** Brings the forward and backward copies of the weights of a unit that oneDNN runs up to date. */
void cpu_conv_pack(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w);
/** Weights, scaled per output channel, to the embedding's copy. */
void cpu_conv_fold(cpu_engine *e, cpu_thread *t, unsigned thread, cpu_unit *w, const float *scale);
/** A unit's weights between master layout and the table's [out][in][kernel]. */
void cpu_conv_from_plain(const cpu_engine *e, const cpu_unit *w, const float *plain, float *master);
void cpu_conv_to_plain(const cpu_engine *e, const cpu_unit *w, const float *master, float *plain);

#endif
