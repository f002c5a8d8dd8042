/** engine: the gradient block, and the optimizer step to the bit. */
#include "engine_support.h"

static void test_gradients_add_up_and_leave_no_trace(void **state)
{
    (void)state;
    shn_error    err;
    const size_t B = 9, T = 130, E = narrow.embed;
    for (int cpu = 0; cpu < 2; cpu++) {
        net        *n = net_new(&narrow, 12);
        const size_t P = n->enc.n_params;
        float      *x = noise(9, B * T * 12), *d_z = noise(10, B * E), *z = floats(B * E), *once = floats(P), *twice = floats(P);
        shn_engine *e = engine_new(n, cpu ? "cpu" : "ref", T, B, 2, SHN_PRECISION_F32);
        shn_engine_get_gradient(e, once);
        for (size_t i = 0; i < P; i++) assert_true(once[i] == 0);
        for (int k = 0; k < 3; k++) {
            assert_ok(shn_engine_forward(e, x, B, 0, z, &err));
            if (k == 2) shn_engine_zero_gradient(e);
            assert_ok(shn_engine_backward(e, x, d_z, B, &err));
            if (k == 0) shn_engine_get_gradient(e, once);
            if (k == 1) shn_engine_get_gradient(e, twice);
        }
        for (size_t i = 0; i < P; i++) assert_near(twice[i], 2 * (double)once[i], 1e-5 * fabs(once[i]) + 1e-5);
        shn_engine_get_gradient(e, twice);
        assert_same(once, twice, P, "gradient after zeroing");
        double square = 0;
        for (size_t i = 0; i < P; i++) square += (double)once[i] * once[i];
        assert_near(shn_engine_gradient_square(e) / square, 1, 1e-6);
        shn_engine_zero_gradient(e);
        assert_true(shn_engine_gradient_square(e) == 0);
        /* a batch that went to NaN must not reach a later, smaller batch through padding */
        float *bad = noise(11, B * T * 12);
        bad[5] = NAN;
        assert_ok(shn_engine_forward(e, bad, B, 0, z, &err));
        assert_true(isnan(z[0]));
        assert_ok(shn_engine_backward(e, bad, d_z, B, &err));
        shn_engine_zero_gradient(e);
        assert_ok(shn_engine_forward(e, x, 2, 0, z, &err));
        assert_ok(shn_engine_backward(e, x, d_z, 2, &err));
        assert_true(isfinite(shn_engine_gradient_square(e)) && shn_engine_gradient_square(e) > 0);
        shn_engine_free(e);
        net_free(n);
        free(x), free(d_z), free(z), free(once), free(twice), free(bad);
    }
}

/** The engine's step is shn_adamw_update on each tensor, to the bit, moments included. */
static void test_steps_are_adamw(void **state)
{
    (void)state;
    shn_error       err;
    const size_t    B = 5, T = 130, E = narrow.embed;
    const shn_adamw h = { .lr = 3e-3f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f, .weight_decay = 0.2f };
    net            *n = net_new(&narrow, 13);
    const size_t    P = n->enc.n_params;
    float *x = noise(12, B * T * 12), *d_z = noise(13, B * E), *z = floats(B * E), *g = floats(P), *m = floats(P), *v = floats(P);
    float *p = floats(P), *s = floats(n->enc.n_state), *m2 = floats(P), *v2 = floats(P);
    shn_engine *e = engine_new(n, "cpu", T, B, 2, SHN_PRECISION_F32);
    for (uint64_t k = 1; k <= 4; k++) {
        assert_ok(shn_engine_forward(e, x, B, 1, z, &err));
        shn_engine_zero_gradient(e);
        assert_ok(shn_engine_backward(e, x, d_z, B, &err));
        shn_engine_get_gradient(e, g);
        assert_ok(shn_engine_step(e, &h, k, 0.3f, &err));
        for (size_t i = 0; i < n->enc.n_tensors; i++) {
            const shn_tensor *t = &n->enc.tensors[i];
            shn_adamw_update(n->params + t->offset, g + t->offset, m + t->offset, v + t->offset, t->size, &h, t->decay, k, 0.3f);
        }
        shn_engine_get(e, p, s);
        shn_engine_get_moments(e, m2, v2);
        assert_same(p, n->params, P, "weights");
        assert_same(m2, m, P, "first moments");
        assert_same(v2, v, P, "second moments");
    }
    /* moments carried into another engine go on to the same bits: what a resumed run needs */
    shn_engine *other = engine_new(n, "cpu", T, B, 2, SHN_PRECISION_F32);
    shn_engine_set(other, p, s);
    shn_engine_set_moments(other, m2, v2);
    for (int k = 0; k < 2; k++) {
        shn_engine *which = k ? other : e;
        assert_ok(shn_engine_forward(which, x, B, 1, z, &err));
        shn_engine_zero_gradient(which);
        assert_ok(shn_engine_backward(which, x, d_z, B, &err));
        assert_ok(shn_engine_step(which, &h, 5, 1, &err));
        shn_engine_get(which, k ? m2 : p, s);
    }
    assert_same(p, m2, P, "resumed weights");
    shn_engine_free(e);
    shn_engine_free(other);
    net_free(n);
    free(x), free(d_z), free(z), free(g), free(m), free(v), free(p), free(s), free(m2), free(v2);
}

static void test_adamw_by_hand(void **state)
{
    (void)state;
    const shn_adamw h = { .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.5f };
    float p[2] = { 1, -2 }, m[2] = { 0 }, v[2] = { 0 };
    const float g[2] = { 3, -0.001f };
    shn_adamw_update(p, g, m, v, 2, &h, 1, 1, 2);
    assert_near(p[0], 1 * 0.95 - 0.1, 1e-6);            /* the first step is lr times the gradient's sign, after decay */
    assert_near(p[1], -2 * 0.95 + 0.1, 1e-5);
    assert_near(m[0], 0.6, 1e-6);
    assert_near(v[0], 0.036, 1e-6);                    /* beta2 is a float: 1 - 0.999f is 1.3e-5 off */
    shn_adamw_update(p, g, m, v, 1, &h, 0, 2, 2);
    assert_near(p[0], 0.85 - 0.1, 1e-6);                /* a constant gradient: again lr, no decay asked for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_add_up_and_leave_no_trace),
        cmocka_unit_test(test_steps_are_adamw),
        cmocka_unit_test(test_adamw_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
