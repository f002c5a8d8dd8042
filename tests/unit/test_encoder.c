/** model/encoder: the table of ResNet-18 in one dimension, its names, lengths, arithmetic and first weights. */
#include "harness.h"

#include <math.h>

#include "shinden/encoder.h"

static const shn_tensor *find(const shn_encoder *e, const char *name)
{
    for (size_t i = 0; i < e->n_tensors; i++)
        if (strcmp(e->tensors[i].name, name) == 0) return &e->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void test_default_is_resnet18(void **state)
{
    (void)state;
    shn_error          err;
    shn_encoder_config c;
    static shn_encoder e;
    shn_encoder_defaults(&c);
    assert_ok(shn_encoder_build(&c, &e, &err));
    assert_int_equal(e.n_units, 20);
    assert_int_equal(e.n_tensors, 62);
    assert_int_equal(e.channels, 512);
    size_t n = 0, end = 0;
    for (size_t i = 0; i < e.n_tensors; i++) {
        n += e.tensors[i].size;
        assert_int_equal(e.tensors[i].offset % 16, 0);
        assert_true(e.tensors[i].offset >= end);
        end = e.tensors[i].offset + e.tensors[i].size;
        for (size_t j = 0; j < i; j++) assert_string_not_equal(e.tensors[i].name, e.tensors[j].name);
    }
    assert_true(end <= e.n_params);
    /* convolutions stage by stage, then gamma and beta of every BN, then the linear layer */
    const size_t convs = 12 * 64 * 7 + 4 * 64 * 64 * 3 + (64 + 3 * 128) * 128 * 3 + 64 * 128 + (128 + 3 * 256) * 256 * 3 + 128 * 256 +
                         (256 + 3 * 512) * 512 * 3 + 256 * 512;
    assert_int_equal(n, convs + 2 * (5 * 64 + 5 * 128 + 5 * 256 + 5 * 512) + 512 * 256 + 256);
    const shn_tensor *t = find(&e, "layer2.0.downsample.0.weight");
    assert_int_equal(t->shape[0], 128);
    assert_int_equal(t->shape[1], 64);
    assert_int_equal(t->shape[2], 1);
    assert_int_equal(t->decay, 1);
    assert_int_equal(find(&e, "layer1.0.bn1.weight")->decay, 0);
    assert_int_equal(find(&e, "fc.bias")->decay, 0);
    assert_int_equal(find(&e, "fc.weight")->decay, 1);
    assert_int_equal(find(&e, "conv1.weight")->shape[2], 7);
    find(&e, "layer4.1.conv2.weight");
    find(&e, "layer2.0.downsample.1.bias");
}

static void test_every_input_is_ready(void **state)
{
    (void)state;
    shn_error          err;
    shn_encoder_config c;
    static shn_encoder e;
    shn_encoder_defaults(&c);
    for (unsigned stages = 1; stages <= SHN_STAGES; stages++)
        for (unsigned pool = 0; pool < 2; pool++) {
            c.max_pool = pool;
            for (unsigned s = 0; s < SHN_STAGES; s++) c.blocks[s] = s < stages ? 1 + s : 0;
            assert_ok(shn_encoder_build(&c, &e, &err));
            assert_int_equal(e.channels, 64u << (stages - 1));
            for (size_t u = 0; u < e.n_units; u++) {
                const shn_unit *unit = &e.units[u];
                assert_true(unit->input <= (int)u && unit->residual <= (int)u);
                assert_int_equal(shn_encoder_channels(&e, unit->input), unit->in_channels);
                if (unit->residual < 0) continue;
                assert_int_equal(shn_encoder_channels(&e, unit->residual), unit->out_channels);
                assert_int_equal(shn_encoder_length(&e, unit->residual, 777), shn_encoder_length(&e, (int)u + 1, 777));
            }
        }
}

static void test_lengths_and_arithmetic(void **state)
{
    (void)state;
    shn_error          err;
    shn_encoder_config c;
    static shn_encoder e;
    shn_encoder_defaults(&c);
    assert_ok(shn_encoder_build(&c, &e, &err));
    assert_int_equal(shn_encoder_length(&e, 0, 5000), 5000);
    assert_int_equal(shn_encoder_length(&e, 1, 5000), 1250);
    assert_int_equal(shn_encoder_length(&e, e.last, 5000), 157);
    assert_int_equal(shn_encoder_length(&e, e.last, 4992), 156);
    assert_int_equal(shn_encoder_length(&e, e.last, 1), 1);
    assert_near(shn_encoder_flops(&e, 5000) / 1e9, 1.732, 0.001);
    assert_near(shn_encoder_flops(&e, 1000) / 1e9, 0.350, 0.001);
    c.max_pool = 0;
    assert_ok(shn_encoder_build(&c, &e, &err));
    assert_int_equal(shn_encoder_length(&e, 1, 5000), 2500);
}

static void test_first_weights(void **state)
{
    (void)state;
    shn_error          err;
    shn_encoder_config c;
    static shn_encoder e;
    shn_encoder_defaults(&c);
    assert_ok(shn_encoder_build(&c, &e, &err));
    float *p = malloc(e.n_params * sizeof *p), *q = malloc(e.n_params * sizeof *q), *s = malloc(e.n_state * sizeof *s);
    shn_encoder_init(&e, 5, p, s);
    shn_encoder_init(&e, 5, q, s);
    assert_memory_equal(p, q, e.n_params * sizeof *p);
    shn_encoder_init(&e, 6, q, s);
    const shn_tensor *t = find(&e, "layer3.0.conv2.weight");
    assert_memory_not_equal(p + t->offset, q + t->offset, t->size * sizeof *p);
    double sum = 0, square = 0;
    for (size_t i = 0; i < t->size; i++) {
        sum += p[t->offset + i];
        square += (double)p[t->offset + i] * p[t->offset + i];
    }
    const double expected = 2.0 / (256 * 3);
    assert_near(sum / (double)t->size, 0, 5 * sqrt(expected / (double)t->size));
    assert_near(square / (double)t->size / expected, 1, 0.02);
    t = find(&e, "fc.weight");
    for (size_t i = 0; i < t->size; i++) assert_true(fabsf(p[t->offset + i]) <= 1 / sqrtf(512));
    t = find(&e, "bn1.weight");
    for (size_t i = 0; i < t->size; i++) assert_true(p[t->offset + i] == 1.f);
    assert_true(s[e.units[3].mean] == 0.f && s[e.units[3].var + 63] == 1.f);
    free(p);
    free(q);
    free(s);
}

static void test_refuses_bad_tables(void **state)
{
    (void)state;
    shn_error          err;
    static shn_encoder e;
    const struct { shn_encoder_config c; const char *word; } cases[] = {
        { { 0, 64, { 2, 2, 2, 2 }, 1, 256 }, "leads" },      { { 5000, 64, { 2, 2, 2, 2 }, 1, 256 }, "leads" },
        { { 12, 60, { 2, 2, 2, 2 }, 1, 256 }, "width" },     { { 12, 0, { 2, 2, 2, 2 }, 1, 256 }, "width" },
        { { 12, 1024, { 2, 2, 2, 2 }, 1, 256 }, "stage" },   { { 12, 64, { 0, 2, 2, 2 }, 1, 256 }, "first stage" },
        { { 12, 64, { 100, 100, 2, 2 }, 1, 256 }, "fewer" }, { { 12, 64, { 2, 2, 2, 2 }, 1, 0 }, "embedding" },
        { { 12, 64, { 2, 2, 2, 2 }, 7, 256 }, "max_pool" },  { { 12, 64, { UINT32_MAX, UINT32_MAX, 2, 2 }, 1, 256 }, "fewer" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_status(shn_encoder_build(&cases[i].c, &e, &err), SHN_RANGE);
        assert_int_equal(err.reason, SHN_REASON_BAD_VALUE);
        assert_non_null(strstr(err.text, cases[i].word));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_resnet18),    cmocka_unit_test(test_every_input_is_ready),
        cmocka_unit_test(test_lengths_and_arithmetic), cmocka_unit_test(test_first_weights),
        cmocka_unit_test(test_refuses_bad_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
