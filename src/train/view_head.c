#include "train/view_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "train/matrix.h"

enum { PURPOSE_VIEW_HEAD = 0x76696577, H = SHN_VIEW_HIDDEN, O = SHN_VIEW_OUT };        /* "view" */

static shn_status allocate(shn_view_head *h, shn_error *err)
{
    const size_t rows = 2 * h->B_max, widest = h->E > H ? h->E : H;
    float **const params[] = { &h->p, &h->g, &h->m, &h->v };
    int missing = 0;
    for (int i = 0; i < 4; i++) missing |= !(*params[i] = shn_alloc_aligned(h->n, sizeof(float)));
    float **const outs[] = { &h->out, &h->unit, &h->d_unit, &h->d_out };
    for (int i = 0; i < 4; i++) missing |= !(*outs[i] = shn_alloc_aligned(rows, O * sizeof(float)));
    missing |= !(h->hidden = shn_alloc_aligned(rows, H * sizeof *h->hidden));
    missing |= !(h->d_hidden = shn_alloc_aligned(rows, H * sizeof *h->d_hidden));
    missing |= !(h->wide = shn_alloc(rows, widest * sizeof *h->wide));
    missing |= !(h->sum = shn_alloc(rows > widest ? rows : widest, widest * sizeof *h->sum));
    missing |= !(h->w_t = shn_alloc(h->E > O ? h->E : O, H * sizeof *h->w_t));
    missing |= !(h->norm = shn_alloc(rows, sizeof *h->norm));
    missing |= !(h->group = shn_alloc(h->B_max, sizeof *h->group));
    if (missing) return shn_fail_nomem(err, "pretrain.head");
    for (size_t i = 0; i < h->B_max; i++) h->group[i] = (uint32_t)i;
    return shn_loss_work_new(h->B_max, O, 1, h->config.chunk, &h->work, err);
}

static void start(shn_rng *rng, float *p, size_t n, size_t inputs)
{
    const double bound = 1 / sqrt((double)inputs);
    for (size_t i = 0; i < n; i++) p[i] = (float)(bound * (2 * shn_rng_uniform(rng) - 1));
}

shn_status shn_view_head_new(const shn_train_config *config, size_t B_max, shn_view_head **out, shn_error *err)
{
    *out = NULL;
    shn_view_head *h = shn_alloc(1, sizeof *h);
    if (!h) return shn_fail_nomem(err, "pretrain.head");
    h->config = *config;
    h->E = config->encoder.embed;
    h->B_max = B_max;
    h->b1 = h->w1 + h->E * H;
    h->w2 = h->b1 + H;
    h->b2 = h->w2 + (size_t)H * O;
    h->n = h->b2 + O;
    const shn_status st = allocate(h, err);
    if (st != SHN_OK) {
        shn_view_head_free(h);
        return st;
    }
    shn_rng rng = shn_rng_stream(config->seed, PURPOSE_VIEW_HEAD, 0, 0);
    start(&rng, h->p + h->w1, h->w2 - h->w1, h->E);
    start(&rng, h->p + h->w2, h->n - h->w2, H);
    *out = h;
    return SHN_OK;
}

void shn_view_head_free(shn_view_head *h)
{
    if (!h) return;
    void *all[] = { h->p, h->g, h->m, h->v, h->out, h->unit, h->d_unit, h->d_out, h->hidden, h->d_hidden, h->wide, h->sum, h->w_t, h->norm, h->group };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    shn_loss_work_free(h->work);
    free(h);
}

/** y [rows][n_out] = x [rows][n_in] . w [n_in][n_out] + b, negative ones cut to 0 with relu. */
static void linear(shn_view_head *h, const float *x, size_t rows, size_t n_in, const float *w, const float *b, size_t n_out, int relu, float *y)
{
    shn_matrix_widen(x, rows * n_in, h->wide);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < n_out; o++) h->sum[r * n_out + o] = (double)b[o];
    shn_matrix_add(h->sum, (shn_factor){ h->wide, n_in, 1 }, w, rows, n_in, n_out);
    for (size_t i = 0; i < rows * n_out; i++) y[i] = relu && h->sum[i] < 0 ? 0 : (float)h->sum[i];
}

/** From d_y [rows][n_out] to d_w, d_b and d_x [rows][n_in], all overwritten. */
static void linear_backward(shn_view_head *h, const float *x, const float *d_y, size_t rows, size_t n_in, const float *w, size_t n_out, float *d_w,
                            float *d_b, float *d_x)
{
    shn_matrix_widen(x, rows * n_in, h->wide);
    memset(h->sum, 0, n_in * n_out * sizeof *h->sum);
    shn_matrix_add(h->sum, (shn_factor){ h->wide, 1, n_in }, d_y, n_in, rows, n_out);
    for (size_t i = 0; i < n_in * n_out; i++) d_w[i] = (float)h->sum[i];
    for (size_t o = 0; o < n_out; o++) {
        double sum = 0;
        for (size_t r = 0; r < rows; r++) sum += (double)d_y[r * n_out + o];
        d_b[o] = (float)sum;
    }
    shn_matrix_transpose(w, n_in, n_out, h->w_t);
    shn_matrix_widen(d_y, rows * n_out, h->wide);
    memset(h->sum, 0, rows * n_in * sizeof *h->sum);
    shn_matrix_add(h->sum, (shn_factor){ h->wide, n_out, 1 }, h->w_t, rows, n_out, n_in);
    for (size_t i = 0; i < rows * n_in; i++) d_x[i] = (float)h->sum[i];
}

shn_status shn_view_head_loss(shn_view_head *h, const float *z, size_t B, double *loss, float *d_z, shn_error *err)
{
    const size_t rows = 2 * B;
    double d_scale;
    linear(h, z, rows, h->E, h->p + h->w1, h->p + h->b1, H, 1, h->hidden);
    linear(h, h->hidden, rows, H, h->p + h->w2, h->p + h->b2, O, 0, h->out);
    shn_unit_rows(h->out, rows, O, h->unit, h->norm);
    const shn_status st = shn_group_loss(h->work, h->group, B, h->unit, h->unit + B * O, -log(h->config.temperature), loss, h->d_unit,
                                         h->d_unit + B * O, &d_scale, err);
    if (st != SHN_OK) return st;
    memset(h->d_out, 0, rows * O * sizeof *h->d_out);
    shn_unit_rows_backward(h->unit, h->norm, h->d_unit, rows, O, h->d_out);
    linear_backward(h, h->hidden, h->d_out, rows, H, h->p + h->w2, O, h->g + h->w2, h->g + h->b2, h->d_hidden);
    for (size_t i = 0; i < rows * H; i++)
        if (h->hidden[i] <= 0) h->d_hidden[i] = 0;
    linear_backward(h, z, h->d_hidden, rows, h->E, h->p + h->w1, H, h->g + h->w1, h->g + h->b1, d_z);
    return SHN_OK;
}

double shn_view_head_gradient_square(const shn_view_head *h)
{
    double sum = 0;
    for (size_t i = 0; i < h->n; i++) sum += (double)h->g[i] * (double)h->g[i];
    return sum;
}

void shn_view_head_step(shn_view_head *h, double lr, uint64_t step, float grad_scale)
{
    const shn_train_config *c = &h->config;
    const shn_adamw hyper = { (float)lr, (float)c->beta1, (float)c->beta2, (float)c->eps, (float)c->wd };
    const struct { size_t at, n; int decay; } parts[] = { { h->w1, h->b1 - h->w1, 1 }, { h->b1, H, 0 }, { h->w2, h->b2 - h->w2, 1 }, { h->b2, O, 0 } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        shn_adamw_update(h->p + parts[i].at, h->g + parts[i].at, h->m + parts[i].at, h->v + parts[i].at, parts[i].n, &hyper, parts[i].decay, step,
                         grad_scale);
}
