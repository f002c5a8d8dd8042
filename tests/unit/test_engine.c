/**
 * engine: the reference against finite differences, the cpu engine against the reference (forward, statistics,
 * gradients, steps), batch sizes, repeatability, threads, and what the header promises about refusals.
 */
#include "engine_support.h"

#include "base/alloc.h"

static const shn_encoder_config narrow = { .n_leads = 12, .width = 8, .blocks = { 1, 1, 1, 1 }, .max_pool = 1, .embed = 5 };

/** loss = sum of w z for fixed w, so that d_z = w. */
static double loss_of(shn_engine *e, const float *x, size_t B, const float *w, size_t E)
{
    shn_error err;
    float    *z = floats(B * E);
    double    loss = 0;
    assert_ok(shn_engine_forward(e, x, B, 0, z, &err));
    for (size_t i = 0; i < B * E; i++) loss += (double)w[i] * z[i];
    free(z);
    return loss;
}

/* ---- the reference against finite differences ---- */

/** Slopes of the loss in one parameter, above and below its value, for a step h. */
static void slopes(net *n, shn_engine *e, size_t i, float h, const float *x, size_t B, const float *w, double *above, double *below)
{
    const float  kept = n->params[i], at[3] = { kept - h, kept, kept + h };
    const size_t E = n->enc.config.embed;
    double       loss[3];
    for (int k = 0; k < 3; k++) {
        n->params[i] = at[k];
        shn_engine_set(e, n->params, n->state);
        loss[k] = loss_of(e, x, B, w, E);
    }
    n->params[i] = kept;
    *above = (loss[2] - loss[1]) / ((double)at[2] - at[1]);
    *below = (loss[1] - loss[0]) / ((double)at[1] - at[0]);
}

/**
 * z leaves as float: about 1e-6 of the loss over a step of 2e-4. Where the slopes above and below differ, a ReLU or a pool
 * turns within the step and neither is the gradient: such elements are left out, and must be few.
 */
static void check_differences(const shn_encoder_config *config, size_t n_samples)
{
    shn_error    err;
    const size_t B = 3;
    net         *n = net_new(config, 11);
    shn_engine  *e = engine_new(n, "ref", n_samples, B, 1, SHN_PRECISION_F32);
    float       *x = noise(1, B * n_samples * config->n_leads), *w = noise(2, B * config->embed), *g = floats(n->enc.n_params);
    size_t       compared = 0, turned = 0;
    loss_of(e, x, B, w, config->embed);
    shn_engine_zero_gradient(e);
    assert_ok(shn_engine_backward(e, x, w, B, &err));
    shn_engine_get_gradient(e, g);
    for (size_t t = 0; t < n->enc.n_tensors; t++)
        for (size_t k = 0; k < 5; k++) {            /* elements of each tensor, spread over it */
            const size_t i = n->enc.tensors[t].offset + k * (n->enc.tensors[t].size - 1) / 4;
            double       above, below;
            slopes(n, e, i, 2e-4f, x, B, w, &above, &below);
            const double numeric = (above + below) / 2, tolerance = 6e-3 + 4e-3 * fabs(numeric);
            if (fabs(above - below) > 3 * tolerance) turned++;
            else if (compared++, fabs(numeric - g[i]) > tolerance)
                fail_msg("%s[%zu]: %g, differences give %g", n->enc.tensors[t].name, i, g[i], numeric);
        }
    printf("           %zu elements agree, %zu turn within the step\n", compared, turned);
    assert_true(compared > 3 * turned);
    shn_engine_free(e);
    net_free(n);
    free(x), free(w), free(g);
}

static void test_reference_gradient_is_the_slope(void **state)
{
    (void)state;
    check_differences(&narrow, 70);
    const shn_encoder_config no_pool = { .n_leads = 3, .width = 8, .blocks = { 2, 1 }, .max_pool = 0, .embed = 4 };
    check_differences(&no_pool, 33);
}

/* ---- the cpu engine against the reference ---- */

typedef struct pass { float *z, *gradient, *params, *state, *embedded; } pass;

/** Embeds, runs two training passes and a step, and keeps all that comes out. */
static pass run(const net *n, shn_engine *e, const float *x, size_t B, const float *d_z)
{
    shn_error       err;
    const shn_adamw hyper = { .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.05f };
    const size_t    E = n->enc.config.embed;
    pass p = { floats(B * E), floats(n->enc.n_params), floats(n->enc.n_params), floats(n->enc.n_state), floats(B * E) };
    assert_ok(shn_engine_embed(e, x, B, p.embedded, &err));
    assert_ok(shn_engine_forward(e, x, B, 1, p.z, &err));
    shn_engine_zero_gradient(e);
    assert_ok(shn_engine_backward(e, x, d_z, B, &err));
    shn_engine_get_gradient(e, p.gradient);
    assert_ok(shn_engine_step(e, &hyper, 1, 0.5f, &err));
    shn_engine_get(e, p.params, p.state);
    return p;
}

static void pass_free(pass *p) { free(p->z), free(p->gradient), free(p->params), free(p->state), free(p->embedded); }

/**
 * Tolerances, relative L2: embeddings and statistics 5e-6; gradients 3e-3 per tensor, for a ReLU or a pool that ties within
 * rounding may choose the other side (facts: the f32 remainder is sign flips), 2e-5 in the median over tensors.
 */
static void compare(const net *n, const pass *cpu, const pass *ref, size_t B)
{
    const size_t E = n->enc.config.embed;
    double       errors[3 * SHN_UNITS_MAX];
    if (distance(cpu->embedded, ref->embedded, B * E) > 5e-6) fail_msg("embed: %g", distance(cpu->embedded, ref->embedded, B * E));
    if (distance(cpu->z, ref->z, B * E) > 2e-5) fail_msg("forward: %g", distance(cpu->z, ref->z, B * E));
    for (size_t t = 0; t < n->enc.n_state_tensors; t++) {
        const shn_tensor *s = &n->enc.state_tensors[t];
        const double      d = distance(cpu->state + s->offset, ref->state + s->offset, s->size);
        if (d > 5e-6) fail_msg("%s: %g", s->name, d);
    }
    for (size_t t = 0; t < n->enc.n_tensors; t++) {
        const shn_tensor *s = &n->enc.tensors[t];
        errors[t] = distance(cpu->gradient + s->offset, ref->gradient + s->offset, s->size);
        if (errors[t] > 3e-3) fail_msg("gradient of %s: %g", s->name, errors[t]);
    }
    size_t below = 0;
    for (size_t t = 0; t < n->enc.n_tensors; t++) below += errors[t] < 2e-5;
    if (2 * below < n->enc.n_tensors) fail_msg("only %zu of %zu gradients within 2e-5", below, n->enc.n_tensors);
}

static void check_cpu(const shn_encoder_config *config, size_t n_samples, size_t batch_max, const size_t *batches, size_t n_batches,
                      unsigned threads)
{
    net         *n = net_new(config, 5);
    const size_t E = config->embed;
    float       *x = noise(3, batch_max * n_samples * config->n_leads), *d_z = noise(4, batch_max * E);
    shn_engine  *cpu = engine_new(n, "cpu", n_samples, batch_max, threads, SHN_PRECISION_F32);
    shn_engine  *ref = engine_new(n, "ref", n_samples, batch_max, 1, SHN_PRECISION_F32);
    for (size_t i = 0; i < n_batches; i++) {
        shn_engine_set(cpu, n->params, n->state);
        shn_engine_set(ref, n->params, n->state);
        pass a = run(n, cpu, x, batches[i], d_z), b = run(n, ref, x, batches[i], d_z);
        compare(n, &a, &b, batches[i]);
        pass_free(&a);
        pass_free(&b);
    }
    shn_engine_free(cpu);
    shn_engine_free(ref);
    free(x), free(d_z);
    net_free(n);
}

static void test_cpu_equals_reference(void **state)
{
    (void)state;
    const size_t batches[] = { 64, 3, 1, 37 };
    check_cpu(&narrow, 250, 64, batches, 4, 2);
    check_cpu(&narrow, 250, 64, batches, 1, 1);
    check_cpu(&narrow, 96, 5, (const size_t[]){ 5, 4 }, 2, 3);
    check_cpu(&narrow, 1, 4, (const size_t[]){ 4 }, 1, 2);
}

static void test_cpu_equals_reference_other_tables(void **state)
{
    (void)state;
    const size_t             batches[] = { 7, 2 };
    const shn_encoder_config tables[] = {
        { .n_leads = 12, .width = 16, .blocks = { 2, 2 }, .max_pool = 0, .embed = 16 },
        { .n_leads = 3, .width = 24, .blocks = { 1, 3, 1 }, .max_pool = 1, .embed = 9 },
        { .n_leads = 8, .width = 16, .blocks = { 2, 2, 2, 2 }, .max_pool = 1, .embed = 32 },
        { .n_leads = 1, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 1 },
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) check_cpu(&tables[i], 131, 7, batches, 2, 2);
}

static void test_cpu_equals_reference_full_width(void **state)
{
    (void)state;
    shn_encoder_config full;
    shn_encoder_defaults(&full);
    check_cpu(&full, 128, 4, (const size_t[]){ 4 }, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_gradient_is_the_slope),
        cmocka_unit_test(test_cpu_equals_reference),
        cmocka_unit_test(test_cpu_equals_reference_other_tables),
        cmocka_unit_test(test_cpu_equals_reference_full_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
