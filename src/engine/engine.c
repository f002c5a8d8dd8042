/** The engines' common front: options, argument checks, dispatch, and the lengths that are known to be slow. */
#include "shinden/engine.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "engine/engine_ops.h"

enum { SAMPLES_MAX = 1 << 24, BATCH_MAX = 1 << 20 };

struct shn_engine {
    shn_engine_made made;
    size_t          batch_max, batch_kept;      /* batch_kept: records of the last training pass, 0 none */
    int             training;
};

void shn_engine_defaults(shn_engine_options *options)
{
    *options = (shn_engine_options){ .name = "cpu", .precision = SHN_PRECISION_AUTO, .winograd = 6, .sync_statistics = 1 };
}

static shn_status maker_of(const char *name, shn_engine_maker **out, shn_error *err)
{
    if (!name || strcmp(name, "cpu") == 0) *out = shn_engine_new_cpu;
    else if (strcmp(name, "ref") == 0) *out = shn_engine_new_ref;
    else if (strcmp(name, "cuda") != 0 && strcmp(name, "cuda-fast") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "engine", "no engine '%s' in this build, choose cpu, ref, cuda or cuda-fast", name);
#ifdef SHINDEN_CUDA
    else *out = shn_engine_new_cuda;
#else
    else return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "engine", "this build has no CUDA; configure with --preset cuda, or choose the engine cpu");
#endif
    return SHN_OK;
}

shn_status shn_engine_new(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                          const shn_engine_options *options, shn_engine **out, shn_error *err)
{
    shn_engine_maker *maker = NULL;
    const shn_status  st = maker_of(options ? options->name : NULL, &maker, err);
    *out = NULL;
    return st == SHN_OK ? shn_engine_make(maker, enc, n_samples, batch_max, training, options, out, err) : st;
}

shn_status shn_engine_make(shn_engine_maker *maker, const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                           const shn_engine_options *options, shn_engine **out, shn_error *err)
{
    shn_engine_options defaults;
    *out = NULL;
    if (!options) {
        shn_engine_defaults(&defaults);
        options = &defaults;
    }
    if (n_samples == 0 || n_samples > SAMPLES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine", "inputs of %zu samples, must be 1 to %d", n_samples, SAMPLES_MAX);
    if (batch_max == 0 || batch_max > BATCH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine", "batch of %zu records, must be 1 to %d", batch_max, BATCH_MAX);
    if (options->winograd > 6 || options->winograd % 2 != 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine", "Winograd tiles of %u outputs, choose 6, 4, 2 or 0", options->winograd);
    shn_engine *e = shn_alloc(1, sizeof *e);
    if (!e) return shn_fail_nomem(err, "engine");
    e->batch_max = batch_max;
    e->training = training;
    const shn_status st = maker(enc, n_samples, batch_max, training, options, &e->made, err);
    if (st != SHN_OK) {
        free(e);
        return st;
    }
    *out = e;
    return SHN_OK;
}

void shn_engine_free(shn_engine *e)
{
    if (!e) return;
    e->made.ops->free(e->made.self);
    free(e);
}

shn_status shn_engine_check(const shn_engine *e, shn_error *err) { return e->made.ops->check ? e->made.ops->check(e->made.self, err) : SHN_OK; }

const char *shn_engine_describe(const shn_engine *e) { return e->made.describe; }
const char *shn_engine_kernels(const shn_engine *e) { return e->made.kernels; }
unsigned    shn_engine_n_threads(const shn_engine *e) { return e->made.n_threads; }
size_t      shn_engine_batch_max(const shn_engine *e) { return e->batch_max; }

void shn_engine_explain(const shn_engine *e, size_t unit, char text[SHN_EXPLAIN_MAX]) { e->made.ops->explain(e->made.self, unit, text); }

void shn_engine_set(shn_engine *e, const float *params, const float *state)
{
    e->batch_kept = 0;
    e->made.ops->set(e->made.self, params, state);
}

void shn_engine_get(const shn_engine *e, float *params, float *state) { e->made.ops->get(e->made.self, params, state); }

void shn_engine_set_moments(shn_engine *e, const float *m, const float *v)
{
    assert(e->training);
    e->made.ops->set_moments(e->made.self, m, v);
}

void shn_engine_get_moments(const shn_engine *e, float *m, float *v)
{
    assert(e->training);
    e->made.ops->get_moments(e->made.self, m, v);
}

static shn_status check_batch(const shn_engine *e, size_t B, int needs_training, const char *where, shn_error *err)
{
    if (B == 0 || B > e->batch_max)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "%zu records, this engine was made for 1 to %zu", B, e->batch_max);
    if (needs_training && !e->training)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "this engine was made without training");
    return shn_engine_check(e, err);
}

shn_status shn_engine_embed(shn_engine *e, const float *x, size_t B, float *z, shn_error *err)
{
    const shn_status st = check_batch(e, B, 0, "engine.embed", err);
    if (st != SHN_OK) return st;
    return e->made.ops->embed(e->made.self, x, B, z, err);
}

shn_status shn_engine_rows(shn_engine *e, size_t n_rows, size_t n_samples, int16_t gap, const int16_t *(*row)(const void *context, size_t i), const void *context,
                           int *taken, shn_error *err)
{
    *taken = 0;
    const shn_status st = check_batch(e, 1, 1, "engine.rows", err);
    if (st != SHN_OK || !e->made.ops->rows || n_rows == 0 || n_samples == 0) return st;
    return e->made.ops->rows(e->made.self, n_rows, n_samples, gap, row, context, taken, err);
}

shn_status shn_engine_forward_crops(shn_engine *e, const shn_crop *crops, size_t B, int update_state, float *z, shn_error *err)
{
    shn_status st = check_batch(e, B, 1, "engine.forward", err);
    if (st == SHN_OK && !e->made.ops->forward_crops)
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "engine.forward", "this engine holds no rows to cut windows from");
    if (st != SHN_OK) return st;
    e->batch_kept = 0;
    st = e->made.ops->forward_crops(e->made.self, crops, B, update_state, z, err);
    if (st == SHN_OK) e->batch_kept = B;
    return st;
}

shn_status shn_engine_forward(shn_engine *e, const float *x, size_t B, int update_state, float *z, shn_error *err)
{
    shn_status st = check_batch(e, B, 1, "engine.forward", err);
    if (st != SHN_OK) return st;
    e->batch_kept = 0;
    st = e->made.ops->forward(e->made.self, x, B, update_state, z, err);
    if (st == SHN_OK) e->batch_kept = B;
    return st;
}

static shn_status backward(shn_engine *e, const float *x, const float *d_z, size_t B, int last, shn_error *err)
{
    const shn_status st = check_batch(e, B, 1, "engine.backward", err);
    if (st != SHN_OK) return st;
    if (e->batch_kept != B)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine.backward",
                        "%zu records, but the last training pass kept %zu; call forward first", B, e->batch_kept);
    return e->made.ops->backward(e->made.self, x, d_z, B, last, err);
}

shn_status shn_engine_backward(shn_engine *e, const float *x, const float *d_z, size_t B, shn_error *err) { return backward(e, x, d_z, B, 0, err); }
shn_status shn_engine_backward_last(shn_engine *e, const float *x, const float *d_z, size_t B, shn_error *err) { return backward(e, x, d_z, B, 1, err); }

void shn_engine_zero_gradient(shn_engine *e)
{
    assert(e->training);
    e->made.ops->zero_gradient(e->made.self);
}

void shn_engine_get_gradient(const shn_engine *e, float *gradient)
{
    assert(e->training);
    e->made.ops->get_gradient(e->made.self, gradient);
}

double shn_engine_gradient_square(const shn_engine *e)
{
    assert(e->training);
    return e->made.ops->gradient_square(e->made.self);
}

shn_status shn_engine_step(shn_engine *e, const shn_adamw *hyper, uint64_t step, float grad_scale, shn_error *err)
{
    const shn_status st = check_batch(e, 1, 1, "engine.step", err);
    if (st != SHN_OK) return st;
    if (step == 0) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine.step", "step 0, the first step is 1");
    if (!(isfinite(hyper->lr) && hyper->beta1 >= 0 && hyper->beta1 < 1 && hyper->beta2 >= 0 && hyper->beta2 < 1 && hyper->eps > 0 &&
          isfinite(hyper->weight_decay) && isfinite(grad_scale)))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine.step",
                        "lr %g, betas %g %g, eps %g, decay %g, scale %g: must be finite, betas in [0,1), eps above 0", hyper->lr,
                        hyper->beta1, hyper->beta2, hyper->eps, hyper->weight_decay, grad_scale);
    e->batch_kept = 0;                          /* weights have moved away from the kept activations */
    return e->made.ops->step(e->made.self, hyper, step, grad_scale, err);
}

/**
 * Stage lengths at which oneDNN's AMX kernels were measured to fall to a third or less in one of the three passes
 * (2.6.3 and 3.7.2). There is no rule behind them, so they are a table; f32 is not affected, but a model's length
 * outlives the machine that it was trained on.
 */
static int stage_is_slow(size_t n)
{
    static const unsigned short slow[] = { 152, 157, 158, 310, 313, 314, 315, 316, 318, 319, 328, 621, 622, 625, 626, 628, 632 };
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
        if (slow[i] == n) return 1;
    return 0;
}

static int length_is_good(const shn_encoder *enc, size_t n_samples)
{
    for (size_t u = 0; u < enc->n_units; u++)
        if (enc->units[u].kernel == 3 && stage_is_slow(shn_encoder_length(enc, (int)u + 1, n_samples))) return 0;
    return 1;
}

int shn_engine_good_length(const shn_encoder *enc, size_t n_samples, size_t *better)
{
    size_t n = n_samples;
    while (n > 1 && !length_is_good(enc, n)) n--;
    if (better) *better = n;
    return n == n_samples;
}
