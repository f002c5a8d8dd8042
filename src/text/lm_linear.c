#include "text/lm_linear.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/lm_parts.h"

enum { SHAPES_MAX = 64 };

typedef struct shape { size_t K, N; shn_product *product; } shape;

/** What one member of the team works in. */
typedef struct bench { float *expanded, *y, *y_gate; void *packed, *packed_gate, *scratch; shn_error err; shn_status status; } bench;

struct shn_lm_products {
    shn_team    *team;
    shn_compute *compute;
    shn_dtype    dtype;
    unsigned     n_threads;
    shape        shapes[SHAPES_MAX];
    size_t       n_shapes, packed_bytes, scratch_bytes, K_max, bytes;
    bench       *benches;               /* [n_threads] */
};

static const char where[] = "lm";

static void free_bench(bench *b)
{
    free(b->expanded), free(b->y), free(b->y_gate);
    free(b->packed), free(b->packed_gate), free(b->scratch);
    memset(b, 0, sizeof *b);
}

shn_status shn_lm_products_new(shn_team *team, shn_isa isa, shn_dtype dtype, size_t K_max, shn_lm_products **out, shn_error *err)
{
    *out = NULL;
    shn_lm_products *p = shn_alloc(1, sizeof *p);
    if (!p) return shn_fail_nomem(err, where);
    p->team = team;
    p->dtype = dtype;
    p->n_threads = shn_team_size(team);
    p->K_max = K_max;
    p->benches = shn_alloc(p->n_threads, sizeof *p->benches);
    shn_status st = p->benches ? shn_compute_new(isa, p->n_threads, &p->compute, err) : shn_fail_nomem(err, where);
    if (st != SHN_OK) {
        shn_lm_products_free(p);
        return st;
    }
    *out = p;
    return SHN_OK;
}

void shn_lm_products_free(shn_lm_products *p)
{
    if (!p) return;
    for (size_t s = 0; s < p->n_shapes; s++) shn_product_free(p->shapes[s].product);
    for (unsigned t = 0; p->benches && t < p->n_threads; t++) free_bench(&p->benches[t]);
    free(p->benches);
    shn_compute_free(p->compute);
    free(p);
}

size_t shn_lm_products_bytes(const shn_lm_products *p) { return p->bytes; }

static shn_product *find(const shn_lm_products *p, size_t K, size_t N)
{
    for (size_t s = 0; s < p->n_shapes; s++)
        if (p->shapes[s].K == K && p->shapes[s].N == N) return p->shapes[s].product;
    return NULL;
}

static shn_status expect(shn_lm_products *p, size_t K, size_t N, shn_error *err)
{
    if (N == 0 || find(p, K, N)) return SHN_OK;
    if (p->n_shapes == SHAPES_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "more than %d shapes of matrices", SHAPES_MAX);
    shape *s = &p->shapes[p->n_shapes];
    *s = (shape){ .K = K, .N = N };
    const shn_status st = shn_product_new(p->n_threads, p->dtype, K, N, &s->product, err);
    if (st != SHN_OK) return st;
    p->n_shapes++;
    if (shn_product_packed_bytes(s->product) > p->packed_bytes) p->packed_bytes = shn_product_packed_bytes(s->product);
    if (shn_product_scratch_bytes(s->product) > p->scratch_bytes) p->scratch_bytes = shn_product_scratch_bytes(s->product);
    return SHN_OK;
}

static shn_status make_benches(shn_lm_products *p, shn_error *err)
{
    const size_t tile = (size_t)SHN_PRODUCT_ROWS * SHN_LM_BLOCK;
    p->bytes = p->n_threads * (p->K_max * SHN_LM_BLOCK * sizeof(float) + 2 * tile * sizeof(float) + 2 * p->packed_bytes + p->scratch_bytes);
    for (unsigned t = 0; t < p->n_threads; t++) {
        bench *b = &p->benches[t];
        free_bench(b);
        b->expanded = shn_alloc_aligned(p->K_max, SHN_LM_BLOCK * sizeof(float));
        b->y = shn_alloc_aligned(tile, sizeof(float));
        b->y_gate = shn_alloc_aligned(tile, sizeof(float));
        b->packed = shn_alloc_aligned(p->packed_bytes, 1);
        b->packed_gate = shn_alloc_aligned(p->packed_bytes, 1);
        b->scratch = shn_alloc_aligned(p->scratch_bytes, 1);
        if (!b->expanded || !b->y || !b->y_gate || !b->packed || !b->packed_gate || !b->scratch) return shn_fail_nomem(err, where);
    }
    return SHN_OK;
}

shn_status shn_lm_products_expect(shn_lm_products *p, const shn_tensor_view *w, shn_error *err)
{
    const size_t before = p->n_shapes;
    shn_status   st = expect(p, w->cols, w->rows < SHN_LM_BLOCK ? w->rows : SHN_LM_BLOCK, err);
    if (st == SHN_OK && w->rows > SHN_LM_BLOCK) st = expect(p, w->cols, w->rows % SHN_LM_BLOCK, err);
    return st == SHN_OK && p->n_shapes > before ? make_benches(p, err) : st;
}

/* ---- running ---- */

typedef struct run { shn_lm_products *p; const shn_lm_linear *l; uint16_t *half; } run;

/** One tile's columns [first, first + n) into y. */
static void put(const shn_lm_linear *l, size_t tile, size_t first, size_t n, float *part, float *gate)
{
    for (size_t r = 0; r < SHN_PRODUCT_ROWS; r++) {
        float *from = part + r * n, *g = gate ? gate + r * n : NULL;
        float *to = l->y + (tile * SHN_PRODUCT_ROWS + r) * l->w->rows + first;
        for (size_t i = 0; l->bias && i < n; i++) from[i] += l->bias[first + i];
        for (size_t i = 0; g && l->gate_bias && i < n; i++) g[i] += l->gate_bias[first + i];
        if (l->then == SHN_LM_ACTIVATE) shn_lm_activate(l->act, from, n);
        if (l->then == SHN_LM_ADD) {
            for (size_t i = 0; i < n; i++) to[i] += from[i];
            continue;
        }
        if (g) shn_lm_activate(l->act, g, n);
        for (size_t i = 0; g && i < n; i++) from[i] *= g[i];
        memcpy(to, from, n * sizeof *to);
    }
}

static shn_status pack(run *r, unsigned thread, const shn_tensor_view *w, size_t first, size_t n, void *packed, shn_error *err)
{
    bench *b = &r->p->benches[thread];
    shn_dequant_rows(w, first, n, b->expanded);
    return shn_product_pack(find(r->p, w->cols, n), thread, b->expanded, packed, b->scratch, err);
}

static shn_status one_block(run *r, unsigned thread, size_t first, shn_error *err)
{
    const shn_lm_linear *l = r->l;
    bench       *b = &r->p->benches[thread];
    const size_t left = l->w->rows - first, n = left < SHN_LM_BLOCK ? left : SHN_LM_BLOCK, K = l->w->cols;
    shn_product *product = find(r->p, K, n);
    shn_status   st = pack(r, thread, l->w, first, n, b->packed, err);
    if (st == SHN_OK && l->gate) st = pack(r, thread, l->gate, first, n, b->packed_gate, err);
    for (size_t tile = 0; st == SHN_OK && tile < l->tiles; tile++) {
        const size_t at = tile * SHN_PRODUCT_ROWS * K;
        const void  *x = r->half ? (const void *)(r->half + at) : (const void *)(l->x + at);
        st = shn_product_run(product, thread, x, b->packed, b->y, b->scratch, err);
        if (st == SHN_OK && l->gate) st = shn_product_run(product, thread, x, b->packed_gate, b->y_gate, b->scratch, err);
        if (st == SHN_OK) put(l, tile, first, n, b->y, l->gate ? b->y_gate : NULL);
    }
    return st;
}

static void member(void *context, unsigned thread, unsigned n_threads)
{
    run   *r = context;
    bench *b = &r->p->benches[thread];
    size_t first, last;
    const shn_compute_mode before = shn_compute_enter();
    b->status = SHN_OK;
    if (r->half) {
        const size_t K = r->l->w->cols;
        shn_team_share(r->l->tiles * SHN_PRODUCT_ROWS, thread, n_threads, &first, &last);
        shn_bf16_from_f32(r->l->x + first * K, (last - first) * K, r->half + first * K);
        shn_team_barrier(r->p->team);
    }
    shn_team_share((r->l->w->rows + SHN_LM_BLOCK - 1) / SHN_LM_BLOCK, thread, n_threads, &first, &last);
    for (size_t block = first; b->status == SHN_OK && block < last; block++) b->status = one_block(r, thread, block * SHN_LM_BLOCK, &b->err);
    shn_compute_leave(before);
}

shn_status shn_lm_linear_run(shn_lm_products *p, const shn_lm_linear *l, uint16_t *half, shn_error *err)
{
    run r = { p, l, p->dtype == SHN_BF16 ? half : NULL };
    shn_team_run(p->team, member, &r);
    for (unsigned t = 0; t < p->n_threads; t++)
        if (p->benches[t].status != SHN_OK) {
            if (err) *err = p->benches[t].err;
            return p->benches[t].status;
        }
    return SHN_OK;
}
