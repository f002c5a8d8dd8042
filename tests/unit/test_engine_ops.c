/**
 * engine/ref's operators against central differences in double, and against each other's definitions. The loss is a fixed
 * random weighting of the operator's output, so its gradient with respect to the output is that weighting.
 */
#include "harness.h"

#include <math.h>

#include "base/random.h"
#include "engine/ref/ops.h"

static double *doubles(size_t n)
{
    double *p = calloc(n, sizeof *p);
    assert_non_null(p);
    return p;
}

static double *noise(uint64_t seed, size_t n)
{
    double *p = doubles(n);
    shn_rng r = shn_rng_stream(seed, 1, 2, 3);
    for (size_t i = 0; i < n; i++) p[i] = shn_rng_normal(&r);
    return p;
}

typedef double loss_fn(void *context);

/** Each of n values is moved by h both ways; d holds the gradient to be checked. */
static void check(const char *what, loss_fn *loss, void *context, double *value, const double *d, size_t n)
{
    const double h = 1e-5;
    for (size_t i = 0; i < n; i++) {
        const double kept = value[i];
        value[i] = kept + h;
        const double up = loss(context);
        value[i] = kept - h;
        const double down = loss(context);
        value[i] = kept;
        const double numeric = (up - down) / (2 * h);
        if (fabs(numeric - d[i]) > 1e-7 * (1 + fabs(numeric))) fail_msg("%s[%zu]: %.10g, differences give %.10g", what, i, d[i], numeric);
    }
}

static double weighted(const double *y, const double *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += w[i] * y[i];
    return sum;
}

typedef struct conv_case { shn_ref_conv s; double *x, *w, *y, *g; } conv_case;

static double conv_loss(void *context)
{
    conv_case *c = context;
    shn_ref_conv_forward(&c->s, c->x, c->w, c->y);
    return weighted(c->y, c->g, c->s.B * c->s.out_length * c->s.out);
}

static void test_convolution(void **state)
{
    (void)state;
    const size_t shapes[][6] = { { 3, 9, 4, 7, 2, 3 }, { 4, 8, 3, 3, 1, 1 }, { 2, 9, 5, 3, 2, 1 }, { 3, 8, 2, 1, 2, 0 }, { 2, 1, 2, 7, 2, 3 } };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const size_t *f = shapes[k];            /* in, length, out, kernel, stride, pad */
        shn_ref_conv  s = { 2, f[0], f[1], f[2], (f[1] + 2 * f[5] - f[3]) / f[4] + 1, f[3], f[4], f[5] };
        const size_t  n_x = 2 * f[0] * f[1], n_w = f[2] * f[0] * f[3], n_y = 2 * s.out_length * f[2];
        conv_case     c = { s, noise(1, n_x), noise(2, n_w), doubles(n_y), noise(3, n_y) };
        double       *d_x = doubles(n_x), *d_w = doubles(n_w);
        shn_ref_conv_backward_data(&s, c.g, c.w, d_x);
        shn_ref_conv_backward_weights(&s, c.x, c.g, d_w);
        check("d_x", conv_loss, &c, c.x, d_x, n_x);
        check("d_w", conv_loss, &c, c.w, d_w, n_w);
        free(c.x), free(c.w), free(c.y), free(c.g), free(d_x), free(d_w);
    }
}

/** By hand: [1 2 3] with taps [10 20 30], padding 1. */
static void test_convolution_by_hand(void **state)
{
    (void)state;
    const shn_ref_conv s = { 1, 1, 3, 1, 3, 3, 1, 1 };
    const double       x[3] = { 1, 2, 3 }, w[3] = { 10, 20, 30 };
    double             y[3];
    shn_ref_conv_forward(&s, x, w, y);
    assert_true(y[0] == 80 && y[1] == 140 && y[2] == 80);
}

enum { ROWS = 7, C = 3 };
typedef struct bn_case { double *x, *gamma, *beta, *g, y[ROWS * C], mean[C], var[C]; } bn_case;

static double bn_loss(void *context)
{
    bn_case *c = context;
    shn_ref_bn_statistics(c->x, ROWS, C, c->mean, c->var);
    shn_ref_bn_forward(c->x, ROWS, C, c->mean, c->var, c->gamma, c->beta, 1e-5, c->y);
    return weighted(c->y, c->g, ROWS * C);
}

static void test_batch_normalisation(void **state)
{
    (void)state;
    bn_case c = { noise(4, ROWS * C), noise(5, C), noise(6, C), noise(7, ROWS * C), { 0 }, { 0 }, { 0 } };
    double  d_x[ROWS * C], d_gamma[C] = { 0 }, d_beta[C] = { 0 };
    bn_loss(&c);
    for (size_t k = 0; k < C; k++) {                /* what comes out has mean beta and variance gamma^2 (less eps) */
        double mean = 0, var = 0;
        for (size_t r = 0; r < ROWS; r++) mean += c.y[r * C + k] / ROWS;
        for (size_t r = 0; r < ROWS; r++) var += (c.y[r * C + k] - mean) * (c.y[r * C + k] - mean) / ROWS;
        assert_near(mean, c.beta[k], 1e-12);
        assert_near(var, c.gamma[k] * c.gamma[k], 1e-3);
    }
    shn_ref_bn_backward(c.x, c.g, ROWS, C, c.mean, c.var, c.gamma, 1e-5, d_x, d_gamma, d_beta);
    check("d_x", bn_loss, &c, c.x, d_x, ROWS * C);
    check("d_gamma", bn_loss, &c, c.gamma, d_gamma, C);
    check("d_beta", bn_loss, &c, c.beta, d_beta, C);
    free(c.x), free(c.gamma), free(c.beta), free(c.g);
}

typedef struct pool_case { size_t B, in, out; double *x, *y, *g; uint8_t *from; } pool_case;

static double pool_loss(void *context)
{
    pool_case *c = context;
    shn_ref_pool_forward(c->x, c->B, c->in, c->out, C, c->y, c->from);
    return weighted(c->y, c->g, c->B * c->out * C);
}

static void test_max_pool(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 9; n++) {
        const size_t out = (n - 1) / 2 + 1;
        pool_case    c = { 2, n, out, noise(n, 2 * n * C), doubles(2 * out * C), noise(20 + n, 2 * out * C), calloc(2 * out * C, 1) };
        double      *d_x = doubles(2 * n * C);
        pool_loss(&c);
        shn_ref_pool_backward(c.g, c.from, 2, n, out, C, d_x);
        check("d_x", pool_loss, &c, c.x, d_x, 2 * n * C);
        free(c.x), free(c.y), free(c.g), free(c.from), free(d_x);
    }
    const double ties[5] = { 2, 2, 1, 3, 3 };       /* windows (2 2), (2 1 3), (3 3): the first of equals wins */
    double       y[3];
    uint8_t      from[3];
    shn_ref_pool_forward(ties, 1, 5, 3, 1, y, from);
    assert_true(y[0] == 2 && y[1] == 3 && y[2] == 3);
    assert_true(from[0] == 1 && from[1] == 2 && from[2] == 0);
}

enum { B = 3, T = 4, E = 2 };
typedef struct head_case { double *x, *w, *bias, *g, mean[B * C], z[B * E]; } head_case;

static double head_loss(void *context)
{
    head_case *c = context;
    shn_ref_mean_forward(c->x, B, T, C, c->mean);
    shn_ref_linear_forward(c->mean, c->w, c->bias, B, C, E, c->z);
    return weighted(c->z, c->g, B * E);
}

static void test_mean_and_linear(void **state)
{
    (void)state;
    head_case c = { noise(8, B * T * C), noise(9, E * C), noise(10, E), noise(11, B * E), { 0 }, { 0 } };
    double    d_mean[B * C] = { 0 }, d_x[B * T * C] = { 0 }, d_w[E * C] = { 0 }, d_bias[E] = { 0 };
    head_loss(&c);
    shn_ref_linear_backward(c.mean, c.w, c.g, B, C, E, d_mean, d_w, d_bias);
    shn_ref_mean_backward(d_mean, B, T, C, d_x);
    check("d_x", head_loss, &c, c.x, d_x, B * T * C);
    check("d_w", head_loss, &c, c.w, d_w, E * C);
    check("d_bias", head_loss, &c, c.bias, d_bias, E);
    free(c.x), free(c.w), free(c.bias), free(c.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution),  cmocka_unit_test(test_convolution_by_hand), cmocka_unit_test(test_batch_normalisation),
        cmocka_unit_test(test_max_pool),     cmocka_unit_test(test_mean_and_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
