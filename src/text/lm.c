#include "text/lm.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/lm_linear.h"
#include "text/lm_parts.h"

static const char where[] = "lm";

struct shn_lm {
    const shn_weights   *weights;
    const shn_lm_config *config;
    shn_team            *team;
    unsigned             n_threads;
    int                  bf16, causal;
    shn_lm_products     *products;
    size_t               q_width, kv_width, inner;      /* inner: floats per row that attention or FFN need, whichever more */
    float               *vectors, *vector[SHN_W_ROLES]; /* of the layer at hand (and global ones), expanded */
    size_t               rows, positions;               /* what the work space holds */
    float               *normed, *work;                 /* [rows][D], [rows][inner] */
    uint16_t            *half;                          /* [rows][widest K], bf16 only */
    float               *cosine, *sine;                 /* [positions][head_size / 2] */
    float               *scores;                        /* [n_threads][positions] */
};

static int is_decoder(const shn_lm_config *c) { return c->family == SHN_LM_LLAMA || c->family == SHN_LM_QWEN3; }

size_t shn_lm_rows(size_t n_rows) { return (n_rows + SHN_PRODUCT_ROWS - 1) / SHN_PRODUCT_ROWS * SHN_PRODUCT_ROWS; }

static size_t widest_input(const shn_lm *lm)
{
    const size_t a = lm->config->width > lm->q_width ? lm->config->width : lm->q_width;
    return a > lm->config->ffn ? a : lm->config->ffn;
}

size_t shn_lm_bytes_per_row(const shn_lm *lm)
{
    return (2 * lm->config->width + lm->inner) * sizeof(float) + (lm->bf16 ? widest_input(lm) * sizeof(uint16_t) : 0);
}

size_t shn_lm_bytes_fixed(const shn_lm *lm) { return shn_lm_products_bytes(lm->products); }

/* ---- making ---- */

/** Every matrix of every layer, for a file may store layers differently. */
static shn_status expect_shapes(shn_lm *lm, shn_error *err)
{
    static const shn_w_role matrices[] = { SHN_W_ATTN_Q, SHN_W_ATTN_K, SHN_W_ATTN_V, SHN_W_ATTN_O, SHN_W_FFN_GATE, SHN_W_FFN_UP, SHN_W_FFN_DOWN };
    for (size_t layer = 0; layer < lm->config->n_layers; layer++)
        for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
            const shn_tensor_view *w = shn_weights_tensor(lm->weights, matrices[i], layer);
            const shn_status st = w ? shn_lm_products_expect(lm->products, w, err) : SHN_OK;
            if (st != SHN_OK) return st;
        }
    return SHN_OK;
}

static int is_vector(shn_w_role role) { return role != SHN_W_TOKEN_EMBD && role != SHN_W_POSITION_EMBD; }

/** Norm weights and biases are read whole; room for the most that any layer has. */
static shn_status make_vectors(shn_lm *lm, shn_error *err)
{
    size_t room[SHN_W_ROLES] = { 0 }, total = 0;
    for (int role = 0; role < SHN_W_ROLES; role++)
        for (size_t layer = 0; is_vector((shn_w_role)role) && layer < lm->config->n_layers; layer++) {
            const shn_tensor_view *t = shn_weights_tensor(lm->weights, (shn_w_role)role, layer);
            if (t && (t->rows == 1 || role == SHN_W_TOKEN_TYPES) && t->cols > room[role]) room[role] = t->cols;
        }
    for (int role = 0; role < SHN_W_ROLES; role++) total += room[role];
    lm->vectors = shn_alloc(total, sizeof *lm->vectors);
    if (!lm->vectors) return shn_fail_nomem(err, where);
    float *next = lm->vectors;
    for (int role = 0; role < SHN_W_ROLES; role++)
        if (room[role]) {
            lm->vector[role] = next;
            next += room[role];
        }
    return SHN_OK;
}

shn_status shn_lm_new(const shn_weights *w, shn_team *team, shn_isa isa, shn_dtype dtype, shn_lm **out, shn_error *err)
{
    *out = NULL;
    shn_lm *lm = shn_alloc(1, sizeof *lm);
    if (!lm) return shn_fail_nomem(err, where);
    const shn_lm_config *c = shn_weights_config(w);
    *lm = (shn_lm){ .weights = w, .config = c, .team = team, .n_threads = shn_team_size(team), .bf16 = dtype == SHN_BF16,
                    .causal = is_decoder(c), .q_width = c->n_heads * c->head_size, .kv_width = c->n_kv_heads * c->head_size };
    const size_t attention = 2 * lm->q_width + 2 * lm->kv_width;
    lm->inner = attention > c->ffn ? attention : c->ffn;
    shn_status st = shn_lm_products_new(team, isa, dtype, widest_input(lm), &lm->products, err);
    if (st == SHN_OK) st = expect_shapes(lm, err);
    if (st == SHN_OK) st = make_vectors(lm, err);
    if (st != SHN_OK) {
        shn_lm_free(lm);
        return st;
    }
    *out = lm;
    return SHN_OK;
}

static void free_work(shn_lm *lm)
{
    free(lm->normed), free(lm->work), free(lm->half);
    free(lm->cosine), free(lm->sine), free(lm->scores);
    lm->normed = lm->work = lm->cosine = lm->sine = lm->scores = NULL;
    lm->half = NULL;
    lm->rows = lm->positions = 0;
}

void shn_lm_free(shn_lm *lm)
{
    if (!lm) return;
    free_work(lm);
    free(lm->vectors);
    shn_lm_products_free(lm->products);
    free(lm);
}

static size_t longest(const shn_lm_batch *batch)
{
    size_t most = 0;
    for (size_t t = 0; t < batch->n_texts; t++)
        if (batch->start[t + 1] - batch->start[t] > most) most = batch->start[t + 1] - batch->start[t];
    return most;
}

/** Makes room for a batch. Rows of padding are zero at first and hold finite numbers ever after. */
static shn_status make_work(shn_lm *lm, const shn_lm_batch *batch, shn_error *err)
{
    const size_t rows = shn_lm_rows(batch->n_rows), positions = longest(batch), half = lm->config->head_size / 2;
    if (rows <= lm->rows && positions <= lm->positions) return SHN_OK;
    free_work(lm);
    lm->normed = shn_alloc_aligned(rows, lm->config->width * sizeof(float));
    lm->work = shn_alloc_aligned(rows, lm->inner * sizeof(float));
    lm->half = lm->bf16 ? shn_alloc_aligned(rows, widest_input(lm) * sizeof(uint16_t)) : NULL;
    lm->scores = shn_alloc(lm->n_threads, positions * sizeof(float));
    if (lm->config->rope_theta > 0) {
        lm->cosine = shn_alloc(positions, half * sizeof(float));
        lm->sine = shn_alloc(positions, half * sizeof(float));
    }
    if (!lm->normed || !lm->work || !lm->scores || (lm->bf16 && !lm->half) || (lm->config->rope_theta > 0 && (!lm->cosine || !lm->sine))) {
        free_work(lm);
        return shn_fail_nomem(err, where);
    }
    lm->rows = rows;
    lm->positions = positions;
    if (lm->cosine) shn_lm_rope_table(positions, lm->config->head_size, lm->config->rope_theta, lm->config->rope_divisor, lm->cosine, lm->sine);
    return SHN_OK;
}

static void read_vectors(shn_lm *lm, int first_role, int last_role, size_t layer)
{
    for (int role = first_role; role < last_role; role++) {
        const shn_tensor_view *t = lm->vector[role] ? shn_weights_tensor(lm->weights, (shn_w_role)role, layer) : NULL;
        if (t) shn_dequant_rows(t, 0, 1, lm->vector[role]);
    }
}

/** The expanded vector of a role in this layer; NULL where the layer has none. */
static const float *vector_of(const shn_lm *lm, shn_w_role role, size_t layer)
{
    return shn_weights_tensor(lm->weights, role, layer) ? lm->vector[role] : NULL;
}

/* ---- rows: norms, heads ---- */

typedef struct row_job { shn_lm *lm; const shn_lm_batch *batch; const float *in, *w, *b; float *out; float *q, *k; } row_job;

static void norm_member(void *context, unsigned thread, unsigned n_threads)
{
    const row_job *j = context;
    const size_t   D = j->lm->config->width;
    size_t first, last;
    shn_team_share(j->batch->n_rows, thread, n_threads, &first, &last);
    const shn_compute_mode before = shn_compute_enter();
    for (size_t r = first; r < last; r++) {
        if (j->lm->causal) shn_lm_rms_norm(j->in + r * D, j->w, D, j->lm->config->norm_eps, j->out + r * D);
        else shn_lm_layer_norm(j->in + r * D, j->w, j->b, D, j->lm->config->norm_eps, j->out + r * D);
    }
    shn_compute_leave(before);
}

static void norm(shn_lm *lm, const shn_lm_batch *batch, const float *in, const float *w, const float *b, float *out)
{
    row_job j = { .lm = lm, .batch = batch, .in = in, .w = w, .b = b, .out = out };
    shn_team_run(lm->team, norm_member, &j);
}

/** Norm and rope of the heads of one row: q's weights for queries, k's for keys. */
static void turn_heads(const shn_lm *lm, float *row, size_t n_heads, const float *weight, size_t position)
{
    const shn_lm_config *c = lm->config;
    const size_t half = c->head_size / 2;
    for (size_t h = 0; h < n_heads; h++) {
        float *head = row + h * c->head_size;
        if (weight) shn_lm_rms_norm(head, weight, c->head_size, c->norm_eps, head);
        if (lm->cosine) shn_lm_rope(head, c->head_size, lm->cosine + position * half, lm->sine + position * half, c->rope_interleaved);
    }
}

static void turn_member(void *context, unsigned thread, unsigned n_threads)
{
    const row_job *j = context;
    const shn_lm  *lm = j->lm;
    size_t first, last;
    shn_team_share(j->batch->n_texts, thread, n_threads, &first, &last);
    const shn_compute_mode before = shn_compute_enter();
    for (size_t t = first; t < last; t++)
        for (size_t i = j->batch->start[t] + j->batch->shared[t]; i < j->batch->start[t + 1]; i++) {
            const size_t r = j->batch->row[i], position = i - j->batch->start[t];
            turn_heads(lm, j->q + r * lm->q_width, lm->config->n_heads, j->w, position);
            turn_heads(lm, j->k + r * lm->kv_width, lm->config->n_kv_heads, j->b, position);
        }
    shn_compute_leave(before);
}

/* ---- attention ---- */

typedef struct attention_job { shn_lm *lm; const shn_lm_batch *batch; const float *q, *k, *v; float *out; } attention_job;

/** One (text, head) at a time; members take every n-th, as long texts may stand together. */
static void attend_member(void *context, unsigned thread, unsigned n_threads)
{
    const attention_job *j = context;
    const shn_lm        *lm = j->lm;
    const shn_lm_config *c = lm->config;
    const size_t         share = c->n_heads / c->n_kv_heads, items = j->batch->n_texts * c->n_heads;
    const shn_compute_mode before = shn_compute_enter();
    for (size_t item = thread; item < items; item += n_threads) {
        const size_t t = item / c->n_heads, h = item % c->n_heads, start = j->batch->start[t];
        const shn_lm_head head = {
            .q = j->q + h * c->head_size,         .q_stride = lm->q_width,    .k = j->k + h / share * c->head_size, .kv_stride = lm->kv_width,
            .v = j->v + h / share * c->head_size, .out = j->out + h * c->head_size, .out_stride = lm->q_width, .size = c->head_size,
            .row = j->batch->row + start,
        };
        shn_lm_attend(&head, j->batch->shared[t], j->batch->start[t + 1] - start, lm->causal, lm->scores + thread * lm->positions);
    }
    shn_compute_leave(before);
}

static shn_status linear(shn_lm *lm, const shn_lm_batch *batch, size_t layer, shn_w_role w, shn_w_role bias, const float *x, float *y,
                         shn_lm_then then, shn_error *err)
{
    const int gated = then == SHN_LM_GATE;
    const shn_lm_linear l = {
        .w = shn_weights_tensor(lm->weights, w, layer), .gate = gated ? shn_weights_tensor(lm->weights, SHN_W_FFN_GATE, layer) : NULL,
        .bias = vector_of(lm, bias, layer), .gate_bias = gated ? vector_of(lm, SHN_W_FFN_GATE_BIAS, layer) : NULL,
        .x = x, .y = y, .tiles = shn_lm_rows(batch->n_rows) / SHN_PRODUCT_ROWS, .then = then, .act = lm->config->activation,
    };
    return shn_lm_linear_run(lm->products, &l, lm->half, err);
}

/** x += O attention(in), with q, k, v and the heads' outputs side by side in the work space. */
static shn_status attention(shn_lm *lm, size_t layer, const shn_lm_batch *batch, const float *in, float *x, shn_error *err)
{
    const size_t rows = shn_lm_rows(batch->n_rows);
    float *q = lm->work, *k = q + rows * lm->q_width, *v = k + rows * lm->kv_width, *out = v + rows * lm->kv_width;
    shn_status st = linear(lm, batch, layer, SHN_W_ATTN_Q, SHN_W_ATTN_Q_BIAS, in, q, SHN_LM_STORE, err);
    if (st == SHN_OK) st = linear(lm, batch, layer, SHN_W_ATTN_K, SHN_W_ATTN_K_BIAS, in, k, SHN_LM_STORE, err);
    if (st == SHN_OK) st = linear(lm, batch, layer, SHN_W_ATTN_V, SHN_W_ATTN_V_BIAS, in, v, SHN_LM_STORE, err);
    if (st != SHN_OK) return st;
    row_job heads = { .lm = lm, .batch = batch, .q = q, .k = k, .w = vector_of(lm, SHN_W_ATTN_Q_NORM, layer),
                      .b = vector_of(lm, SHN_W_ATTN_K_NORM, layer) };
    if (lm->cosine || heads.w) shn_team_run(lm->team, turn_member, &heads);
    attention_job job = { lm, batch, q, k, v, out };
    memset(out + batch->n_rows * lm->q_width, 0, (rows - batch->n_rows) * lm->q_width * sizeof *out);  /* was FFN's before */
    shn_team_run(lm->team, attend_member, &job);
    return linear(lm, batch, layer, SHN_W_ATTN_O, SHN_W_ATTN_O_BIAS, out, x, SHN_LM_ADD, err);
}

/* ---- the pass ---- */

static shn_status check_ids(const shn_lm *lm, const shn_lm_batch *batch, shn_error *err)
{
    const shn_lm_config *c = lm->config;
    for (size_t t = 0; t < batch->n_texts; t++) {
        const size_t P = batch->start[t + 1] - batch->start[t];
        if (P == 0 || (c->max_positions && P > c->max_positions))
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "text %zu has %zu tokens, the model takes 1 to %zu; shorten the text", t, P,
                            c->max_positions);
    }
    for (size_t i = 0; i < batch->n_tokens; i++)
        if (batch->ids[i] < 0 || (size_t)batch->ids[i] >= c->vocab)
            return shn_fail(err, SHN_RANGE, SHN_REASON_MODEL_MISMATCH, where,
                            "token id %d, the model has %zu: this tokenizer does not belong to these weights", (int)batch->ids[i], c->vocab);
    return SHN_OK;
}

shn_status shn_lm_embed(shn_lm *lm, const shn_lm_batch *batch, float *x, shn_error *err)
{
    const shn_lm_config   *c = lm->config;
    const size_t           D = c->width;
    const shn_tensor_view *tokens = shn_weights_tensor(lm->weights, SHN_W_TOKEN_EMBD, 0);
    const shn_tensor_view *places = shn_weights_tensor(lm->weights, SHN_W_POSITION_EMBD, 0);
    shn_status st = check_ids(lm, batch, err);
    if (st == SHN_OK) st = make_work(lm, batch, err);
    if (st != SHN_OK) return st;
    read_vectors(lm, 0, SHN_W_PER_LAYER, 0);
    const float *type = vector_of(lm, SHN_W_TOKEN_TYPES, 0);
    for (size_t t = 0; t < batch->n_texts; t++)
        for (size_t i = batch->start[t] + batch->shared[t]; i < batch->start[t + 1]; i++) {
            float *row = x + batch->row[i] * D;
            shn_dequant_rows(tokens, (size_t)batch->ids[i], 1, row);
            for (size_t d = 0; type && d < D; d++) row[d] += type[d];
            if (!places) continue;
            shn_dequant_rows(places, c->position_offset + i - batch->start[t], 1, lm->normed);
            for (size_t d = 0; d < D; d++) row[d] += lm->normed[d];
        }
    memset(x + batch->n_rows * D, 0, (shn_lm_rows(batch->n_rows) - batch->n_rows) * D * sizeof *x);
    if (!lm->causal) norm(lm, batch, x, vector_of(lm, SHN_W_EMBD_NORM, 0), vector_of(lm, SHN_W_EMBD_NORM_BIAS, 0), x);
    return SHN_OK;
}

static shn_status decoder_layer(shn_lm *lm, size_t layer, const shn_lm_batch *batch, float *x, shn_error *err)
{
    norm(lm, batch, x, vector_of(lm, SHN_W_ATTN_NORM, layer), NULL, lm->normed);
    shn_status st = attention(lm, layer, batch, lm->normed, x, err);
    if (st != SHN_OK) return st;
    norm(lm, batch, x, vector_of(lm, SHN_W_FFN_NORM, layer), NULL, lm->normed);
    st = linear(lm, batch, layer, SHN_W_FFN_UP, SHN_W_FFN_UP_BIAS, lm->normed, lm->work, SHN_LM_GATE, err);
    return st != SHN_OK ? st : linear(lm, batch, layer, SHN_W_FFN_DOWN, SHN_W_FFN_DOWN_BIAS, lm->work, x, SHN_LM_ADD, err);
}

static shn_status encoder_layer(shn_lm *lm, size_t layer, const shn_lm_batch *batch, float *x, shn_error *err)
{
    shn_status st = attention(lm, layer, batch, x, x, err);
    if (st != SHN_OK) return st;
    norm(lm, batch, x, vector_of(lm, SHN_W_ATTN_OUT_NORM, layer), vector_of(lm, SHN_W_ATTN_OUT_NORM_BIAS, layer), x);
    st = linear(lm, batch, layer, SHN_W_FFN_UP, SHN_W_FFN_UP_BIAS, x, lm->work, SHN_LM_ACTIVATE, err);
    if (st == SHN_OK) st = linear(lm, batch, layer, SHN_W_FFN_DOWN, SHN_W_FFN_DOWN_BIAS, lm->work, x, SHN_LM_ADD, err);
    if (st == SHN_OK) norm(lm, batch, x, vector_of(lm, SHN_W_LAYER_OUT_NORM, layer), vector_of(lm, SHN_W_LAYER_OUT_NORM_BIAS, layer), x);
    return st;
}

shn_status shn_lm_layer(shn_lm *lm, size_t layer, const shn_lm_batch *batch, float *x, shn_error *err)
{
    shn_status st = make_work(lm, batch, err);
    if (st != SHN_OK) return st;
    read_vectors(lm, SHN_W_PER_LAYER, SHN_W_ROLES, layer);
    st = lm->causal ? decoder_layer(lm, layer, batch, x, err) : encoder_layer(lm, layer, batch, x, err);
    shn_weights_done(lm->weights, layer);
    return st;
}

shn_status shn_lm_finish(shn_lm *lm, const shn_lm_batch *batch, float *x, shn_error *err)
{
    const shn_status st = make_work(lm, batch, err);
    if (st != SHN_OK || !lm->causal) return st;
    read_vectors(lm, 0, SHN_W_PER_LAYER, 0);
    norm(lm, batch, x, vector_of(lm, SHN_W_OUTPUT_NORM, 0), NULL, x);
    return SHN_OK;
}
