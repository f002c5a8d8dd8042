/** engine: what the header promises about refusals, lengths and memory. */
#include "engine_support.h"

#include "base/alloc.h"

static void test_refusals(void **state)
{
    (void)state;
    shn_error          err;
    shn_engine        *e;
    shn_engine_options o;
    net               *n = net_new(&narrow, 1);
    float             *x = noise(1, 4 * 60 * 12), *z = floats(4 * narrow.embed);
    shn_engine_defaults(&o);
    assert_status(shn_engine_new(&n->enc, 0, 4, 1, &o, &e, &err), SHN_RANGE);
    assert_status(shn_engine_new(&n->enc, 60, 0, 1, &o, &e, &err), SHN_RANGE);
    o.name = "tpu";
    assert_status(shn_engine_new(&n->enc, 60, 4, 1, &o, &e, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "tpu"));
    o.name = "cpu";
    o.isa = "neon";
    assert_status(shn_engine_new(&n->enc, 60, 4, 1, &o, &e, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "neon"));
    o.isa = NULL;
    o.winograd = 3;
    assert_status(shn_engine_new(&n->enc, 60, 4, 1, &o, &e, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "6, 4, 2 or 0"));
    o.winograd = 6;
    o.n_threads = 100000;
    assert_status(shn_engine_new(&n->enc, 60, 4, 1, &o, &e, &err), SHN_RANGE);
    o.n_threads = 1;
    for (int cpu = 0; cpu < 2; cpu++) {
        o.name = cpu ? "cpu" : "ref";
        assert_ok(shn_engine_new(&n->enc, 60, 4, 0, &o, &e, &err));
        shn_engine_set(e, n->params, n->state);
        assert_status(shn_engine_embed(e, x, 5, z, &err), SHN_RANGE);
        assert_status(shn_engine_embed(e, x, 0, z, &err), SHN_RANGE);
        assert_status(shn_engine_forward(e, x, 2, 1, z, &err), SHN_RANGE);
        assert_non_null(strstr(err.text, "without training"));
        assert_ok(shn_engine_embed(e, x, 4, z, &err));
        shn_engine_free(e);
        assert_ok(shn_engine_new(&n->enc, 60, 4, 1, &o, &e, &err));
        shn_engine_set(e, n->params, n->state);
        assert_status(shn_engine_backward(e, x, z, 2, &err), SHN_RANGE);
        assert_ok(shn_engine_forward(e, x, 3, 1, z, &err));
        assert_status(shn_engine_backward(e, x, z, 2, &err), SHN_RANGE);
        shn_adamw h = { .lr = 0.1f, .beta1 = 1.5f, .beta2 = 0.9f, .eps = 1e-8f };
        assert_status(shn_engine_step(e, &h, 1, 1, &err), SHN_RANGE);
        h.beta1 = 0.9f;
        assert_status(shn_engine_step(e, &h, 0, 1, &err), SHN_RANGE);
        shn_engine_free(e);
    }
    shn_engine_free(NULL);
    o.name = "ref";
    o.precision = SHN_PRECISION_BF16;
    assert_status(shn_engine_new(&n->enc, 60, 4, 1, &o, &e, &err), SHN_UNSUPPORTED);
    free(x), free(z);
    net_free(n);
}

static void test_good_lengths(void **state)
{
    (void)state;
    shn_error          err;
    static shn_encoder e;
    shn_encoder_config c;
    size_t             better;
    shn_encoder_defaults(&c);
    assert_ok(shn_encoder_build(&c, &e, &err));
    const size_t good[] = { 250, 1000, 1024, 2496, 2560, 4096, 4992, 5120 };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(shn_engine_good_length(&e, good[i], &better), 1);
        assert_int_equal(better, good[i]);
    }
    assert_int_equal(shn_engine_good_length(&e, 5000, &better), 0);
    assert_int_equal(better, 4992);
    assert_int_equal(shn_engine_good_length(&e, 2500, &better), 0);
    assert_int_equal(better, 2496);
    assert_int_equal(shn_engine_good_length(&e, 5000, NULL), 0);
}

/** Full width at the lengths in use, the slow ones included: built, embedded and trained without complaint. */
static void test_lengths_in_use(void **state)
{
    (void)state;
    shn_error          err;
    shn_encoder_config c;
    shn_encoder_defaults(&c);
    net         *n = net_new(&c, 2);
    const size_t lengths[] = { 250, 1000, 4992, 5000 };
    for (size_t i = 0; i < 4; i++) {
        const size_t B = 3, T = lengths[i];
        float       *x = noise(i, B * T * 12), *z = floats(B * c.embed);
        shn_engine  *e = engine_new(n, "cpu", T, B, 2, SHN_PRECISION_AUTO);
        assert_ok(shn_engine_embed(e, x, B, z, &err));
        assert_ok(shn_engine_forward(e, x, B, 1, z, &err));
        assert_ok(shn_engine_backward(e, x, z, B, &err));
        assert_true(isfinite(shn_engine_gradient_square(e)) && shn_engine_gradient_square(e) > 0);
        shn_engine_free(e);
        free(x), free(z);
    }
    net_free(n);
}

static void test_every_failed_allocation_is_survived(void **state)
{
    (void)state;
    shn_error          err;
    shn_engine_options o;
    const shn_encoder_config tiny = { .n_leads = 2, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 2 };
    net *n = net_new(&tiny, 1);
    shn_engine_defaults(&o);
    o.n_threads = 2;
    for (int cpu = 0; cpu < 2; cpu++) {
        o.name = cpu ? "cpu" : "ref";
        long failures = 0;
        for (long at = 1;; at++) {
            shn_engine *e = NULL;
            shn_alloc_fail_after(at);
            const shn_status st = shn_engine_new(&n->enc, 40, 2, 1, &o, &e, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) {
                shn_engine_free(e);
                break;
            }
            assert_int_equal(st, SHN_NOMEM);
            assert_null(e);
            failures++;
        }
        assert_true(failures > 20);
    }
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_good_lengths),
        cmocka_unit_test(test_lengths_in_use),
        cmocka_unit_test(test_every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
