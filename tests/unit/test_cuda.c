/**
 * The cuda engine against the reference: every line of its flow and of its kernels on the host device of gpu_host.h, and the same cases on
 * the GPU where the build and the machine have one. Convolutions, products, copies and recordings of the GPU itself are what only the
 * latter proves.
 */
#include "cuda_support.h"

/* ---- one pass against the reference ---- */

/** embedded: with the first weights and statistics; moved: after a training pass has moved the statistics; square: of the gradient. */
typedef struct pass { float *z, *gradient, *params, *state, *embedded, *moved; double square; } pass;

static pass run(const net *n, shn_engine *e, const float *x, size_t B, const float *d_z)
{
    shn_error    err;
    const size_t E = n->enc.config.embed;
    pass p = { floats(B * E), floats(n->enc.n_params), floats(n->enc.n_params), floats(n->enc.n_state), floats(B * E), floats(B * E), 0 };
    shn_engine_set(e, n->params, n->state);
    assert_ok(shn_engine_embed(e, x, B, p.embedded, &err));
    assert_ok(shn_engine_forward(e, x, B, 1, p.z, &err));
    assert_ok(shn_engine_embed(e, x, B, p.moved, &err));
    if (strncmp(shn_engine_describe(e), "ref", 3) == 0) assert_ok(shn_engine_forward(e, x, B, 0, p.z, &err));   /* whose embedding overwrites the pass; cuda's does not */
    shn_engine_zero_gradient(e);
    assert_ok(shn_engine_backward(e, x, d_z, B, &err));
    shn_engine_get_gradient(e, p.gradient);
    p.square = shn_engine_gradient_square(e);
    assert_ok(shn_engine_step(e, &hyper, 1, 0.5f, &err));
    shn_engine_get(e, p.params, p.state);
    assert_ok(shn_engine_check(e, &err));
    return p;
}

static void pass_free(pass *p) { free(p->z), free(p->gradient), free(p->params), free(p->state), free(p->embedded), free(p->moved); }

/** f32, relative L2, as the cpu engine's: embedding and statistics 5e-6, z 2e-5, gradients 2e-5 in the median and 3e-3 at worst (ReLU ties). */
static void compare(const net *n, const pass *a, const pass *ref, size_t B)
{
    const size_t E = n->enc.config.embed;
    size_t       below = 0;
    double       square = 0;
    if (distance(a->embedded, ref->embedded, B * E) > 5e-6) fail_msg("embed: %g", distance(a->embedded, ref->embedded, B * E));
    if (distance(a->moved, ref->moved, B * E) > 2e-5) fail_msg("embed after a pass: %g", distance(a->moved, ref->moved, B * E));
    if (distance(a->z, ref->z, B * E) > 2e-5) fail_msg("forward: %g", distance(a->z, ref->z, B * E));
    for (size_t t = 0; t < n->enc.n_state_tensors; t++) {
        const shn_tensor *s = &n->enc.state_tensors[t];
        if (distance(a->state + s->offset, ref->state + s->offset, s->size) > 5e-6)
            fail_msg("%s: %g", s->name, distance(a->state + s->offset, ref->state + s->offset, s->size));
    }
    for (size_t t = 0; t < n->enc.n_tensors; t++) {
        const shn_tensor *s = &n->enc.tensors[t];
        const double      d = distance(a->gradient + s->offset, ref->gradient + s->offset, s->size);
        if (!(d <= 3e-3)) fail_msg("gradient of %s: %g", s->name, d);
        below += d < 2e-5;
    }
    if (2 * below < n->enc.n_tensors) fail_msg("only %zu of %zu gradients within 2e-5", below, n->enc.n_tensors);
    for (size_t i = 0; i < n->enc.n_params; i++) square += (double)a->gradient[i] * a->gradient[i];
    assert_near(a->square / square, 1, 1e-9);
}

static void check(place where, const shn_encoder_config *config, size_t T, size_t batch_max, const size_t *batches, size_t n_batches)
{
    net         *n = net_new(config, 5);
    float       *x = noise(3, batch_max * T * config->n_leads), *d_z = noise(4, batch_max * config->embed);
    shn_engine  *cuda = cuda_engine_of(n, where, T, batch_max, SHN_PRECISION_F32);
    shn_engine  *ref = engine_new(n, "ref", T, batch_max, 1, SHN_PRECISION_F32);
    for (size_t i = 0; i < n_batches; i++) {
        pass a = run(n, cuda, x, batches[i], d_z), b = run(n, ref, x, batches[i], d_z);
        compare(n, &a, &b, batches[i]);
        /* AdamW from the engine's own gradient: the same bits */
        float *p = floats(n->enc.n_params), *m = floats(n->enc.n_params), *v = floats(n->enc.n_params), *m2 = floats(n->enc.n_params), *v2 = floats(n->enc.n_params);
        memcpy(p, n->params, n->enc.n_params * sizeof *p);
        if (i == 0) {
            for (size_t t = 0; t < n->enc.n_tensors; t++) {
                const size_t at = n->enc.tensors[t].offset;
                shn_adamw_update(p + at, a.gradient + at, m + at, v + at, n->enc.tensors[t].size, &hyper, n->enc.tensors[t].decay, 1, 0.5f);
            }
            shn_engine_get_moments(cuda, m2, v2);
            assert_memory_equal(m, m2, n->enc.n_params * sizeof *m);
            assert_memory_equal(v, v2, n->enc.n_params * sizeof *v);
            assert_memory_equal(p, a.params, n->enc.n_params * sizeof *p);
        }
        free(p), free(m), free(v), free(m2), free(v2);
        pass_free(&a), pass_free(&b);
    }
    shn_engine_free(cuda);
    shn_engine_free(ref);
    free(x), free(d_z);
    net_free(n);
}

static void equals_reference(place where)
{
    const shn_encoder_config tables[] = {
        { .n_leads = 12, .width = 16, .blocks = { 2, 2 }, .max_pool = 0, .embed = 16 },
        { .n_leads = 3, .width = 24, .blocks = { 1, 3, 1 }, .max_pool = 1, .embed = 9 },
        { .n_leads = 8, .width = 16, .blocks = { 2, 2, 2, 2 }, .max_pool = 1, .embed = 32 },
        { .n_leads = 1, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 1 },
        { .n_leads = 2, .width = 8, .blocks = { 5, 3 }, .max_pool = 1, .embed = 3 },
    };
    check(where, &narrow, 250, 37, (const size_t[]){ 37, 3, 1, 36, 3 }, 5);
    check(where, &narrow, 96, 5, (const size_t[]){ 5, 4 }, 2);
    check(where, &narrow, 1, 4, (const size_t[]){ 4 }, 1);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) check(where, &tables[i], 131, 7, (const size_t[]){ 7, 2 }, 2);
}

static void test_equals_reference(void **state)
{
    (void)state;
    equals_reference(ON_HOST);
}

static void test_equals_reference_on_gpu(void **state)
{
    (void)state;
    need_gpu();
    equals_reference(ON_GPU);
}

/** More channels than a block of sums holds, and more records than one embedding call. */
static void test_wide_layers_and_many_records(void **state)
{
    (void)state;
    const shn_encoder_config wide = { .n_leads = 1, .width = 520, .blocks = { 1 }, .max_pool = 1, .embed = 3 };
    check(ON_HOST, &wide, 8, 3, (const size_t[]){ 3 }, 1);
    check(ON_HOST, &narrow, 40, CUDA_EMBED_CALL + 6, (const size_t[]){ CUDA_EMBED_CALL + 6, CUDA_EMBED_CALL }, 2);
}

/* ---- twenty steps ---- */

static void twenty_steps(place where, shn_precision precision, double most)
{
    shn_error    err;
    const size_t T = 96, B = 6, E = narrow.embed, n_z = B * E;
    net         *n = net_new(&narrow, 6);
    float       *target = noise(9, n_z), *z = floats(n_z), *d_z = floats(n_z);
    shn_engine  *e[2] = { cuda_engine_of(n, where, T, B, precision), engine_new(n, "ref", T, B, 1, SHN_PRECISION_F32) };
    double       loss[2][20], apart = 0, scale = 0;
    for (int k = 0; k < 20; k++) {
        float *x = noise(20 + (uint64_t)k % 4, B * T * 12);
        for (int which = 0; which < 2; which++) {
            assert_ok(shn_engine_forward(e[which], x, B, 1, z, &err));
            loss[which][k] = 0;
            for (size_t i = 0; i < n_z; i++) {
                const double d = (double)z[i] - target[i];
                loss[which][k] += d * d / (double)n_z;
                d_z[i] = (float)(2 * d / (double)n_z);
            }
            shn_engine_zero_gradient(e[which]);
            assert_ok(shn_engine_backward_last(e[which], x, d_z, B, &err));
            assert_ok(shn_engine_step(e[which], &hyper, (uint64_t)k + 1, 1, &err));
        }
        apart += (loss[0][k] - loss[1][k]) * (loss[0][k] - loss[1][k]);
        scale += loss[1][k] * loss[1][k];
        free(x);
    }
    printf("           %s: 20 losses %.3g from the reference's, %.3f to %.3f\n", shn_engine_describe(e[0]), sqrt(apart / scale), loss[0][0], loss[0][19]);
    assert_true(loss[0][19] < 0.8 * loss[0][0]);
    assert_true(sqrt(apart / scale) < most);
    shn_engine_free(e[0]), shn_engine_free(e[1]);
    free(target), free(z), free(d_z);
    net_free(n);
}

static void test_twenty_steps(void **state)
{
    (void)state;
    twenty_steps(ON_HOST, SHN_PRECISION_F32, 1e-4);
    twenty_steps(ON_HOST, SHN_PRECISION_BF16, 0.05);
    assert_null(host_last);
}

static void test_twenty_steps_on_gpu(void **state)
{
    (void)state;
    need_gpu();
    twenty_steps(ON_GPU, SHN_PRECISION_F32, 1e-4);
    twenty_steps(ON_GPU, SHN_PRECISION_TF32, 0.02);
    twenty_steps(ON_GPU, SHN_PRECISION_BF16, 0.05);
}

/* ---- bf16 ---- */

/** 8 bits of mantissa: tolerances of unit.engine for bf16. */
static void bf16_is_near_f32(place where)
{
    const size_t B = 12, T = 250, E = narrow.embed;
    net         *n = net_new(&narrow, 14);
    float       *x = noise(14, B * T * 12), *d_z = noise(15, B * E);
    shn_engine  *b = cuda_engine_of(n, where, T, B, SHN_PRECISION_AUTO), *ref = engine_new(n, "ref", T, B, 1, SHN_PRECISION_F32);
    pass         pb = run(n, b, x, B, d_z), pr = run(n, ref, x, B, d_z);
    double       dot = 0, bb = 0, rr = 0;
    assert_non_null(strstr(shn_engine_describe(b), "bf16"));
    for (size_t i = 0; i < n->enc.n_params; i++) {
        dot += (double)pb.gradient[i] * pr.gradient[i];
        bb += (double)pb.gradient[i] * pb.gradient[i];
        rr += (double)pr.gradient[i] * pr.gradient[i];
    }
    printf("           bf16 from the reference: embed %.2g, forward %.2g, statistics %.2g, gradient cosine %.3f\n", distance(pb.embedded, pr.embedded, B * E),
           distance(pb.z, pr.z, B * E), distance(pb.state, pr.state, n->enc.n_state), dot / sqrt(bb * rr));
    assert_true(distance(pb.embedded, pr.embedded, B * E) < 0.03 && distance(pb.embedded, pr.embedded, B * E) > 1e-5);
    assert_true(distance(pb.z, pr.z, B * E) < 0.05);
    assert_true(distance(pb.state, pr.state, n->enc.n_state) < 0.01);
    assert_true(dot / sqrt(bb * rr) > 0.85);
    pass_free(&pb), pass_free(&pr);
    shn_engine_free(b), shn_engine_free(ref);
    net_free(n);
    free(x), free(d_z);
}

static void test_bf16_is_near_f32(void **state)
{
    (void)state;
    bf16_is_near_f32(ON_HOST);
    host_wish.dw_bf16 = 1;
    bf16_is_near_f32(ON_HOST);
    host_wish.dw_bf16 = 0;
}

static void test_bf16_is_near_f32_on_gpu(void **state)
{
    (void)state;
    need_gpu();
    bf16_is_near_f32(ON_GPU);
}

/* ---- what the header promises ---- */

static void same_bits_and_company(place where, shn_precision precision)
{
    shn_error    err;
    const size_t B = 11, T = 250, E = narrow.embed, record = T * 12;
    net         *n = net_new(&narrow, 8);
    for (size_t c = 0; c < narrow.width; c++) {
        n->params[n->enc.units[0].gamma + c] = 1;
        for (size_t k = 0; k < 7; k++) n->params[n->enc.units[0].weight + c * 12 * 7 + k] = -0.1f;
    }
    float       *x = noise(5, B * record), *d_z = noise(6, B * E), *z = floats(B * E), *alone = floats(B * E);
    pass         p[2];
    for (int k = 0; k < 2; k++) {
        host_wish.backwards = k;                /* on the host: in whatever order threads run */
        shn_engine *e = cuda_engine_of(n, where, T, B, precision);
        p[k] = run(n, e, x, B, d_z);
        shn_engine_free(e);
    }
    host_wish.backwards = 0;
    assert_memory_equal(p[0].z, p[1].z, B * E * sizeof *z);
    assert_memory_equal(p[0].gradient, p[1].gradient, n->enc.n_params * sizeof *z);
    assert_memory_equal(p[0].params, p[1].params, n->enc.n_params * sizeof *z);
    assert_memory_equal(p[0].state, p[1].state, n->enc.n_state * sizeof *z);
    shn_engine *e = cuda_engine_of(n, where, T, B, precision);
    assert_ok(shn_engine_embed(e, x, B, z, &err));
    for (size_t r = 0; r < B; r++) {
        assert_ok(shn_engine_embed(e, x + r * record, 1, alone, &err));
        assert_memory_equal(alone, z + r * E, E * sizeof *z);
    }
    x[4 * record + 17] = NAN;
    x[6 * record + 12] = INFINITY;              /* of lead 0, whose weights all point down: ReLU alone would make it a 0 */
    assert_ok(shn_engine_embed(e, x, B, alone, &err));
    for (size_t r = 0; r < B; r++)
        if (r == 4 || r == 6) assert_true(isnan(alone[r * E]) && isnan(alone[r * E + E - 1]));
        else assert_memory_equal(alone + r * E, z + r * E, E * sizeof *z);
    shn_engine_free(e);
    pass_free(&p[0]), pass_free(&p[1]);
    net_free(n);
    free(x), free(d_z), free(z), free(alone);
}

static void test_same_bits_and_company(void **state)
{
    (void)state;
    same_bits_and_company(ON_HOST, SHN_PRECISION_F32);
    same_bits_and_company(ON_HOST, SHN_PRECISION_BF16);
}

static void test_same_bits_and_company_on_gpu(void **state)
{
    (void)state;
    need_gpu();
    same_bits_and_company(ON_GPU, SHN_PRECISION_F32);
    same_bits_and_company(ON_GPU, SHN_PRECISION_BF16);
}

/** Gradients add up over passes, zeroing leaves no trace, and a batch of NaN does not reach a later, smaller one. Passes repeat from recordings. */
static void test_gradients_add_up_and_leave_no_trace(void **state)
{
    (void)state;
    shn_error    err;
    const size_t B = 9, T = 130, E = narrow.embed;
    net         *n = net_new(&narrow, 12);
    const size_t P = n->enc.n_params;
    float       *x = noise(9, B * T * 12), *bad = noise(11, B * T * 12), *d_z = noise(10, B * E), *z = floats(B * E), *once = floats(P), *twice = floats(P);
    shn_engine  *e = cuda_engine_of(n, ON_HOST, T, B, SHN_PRECISION_F32);
    shn_engine_get_gradient(e, once);
    for (size_t i = 0; i < P; i++) assert_true(once[i] == 0);
    for (int k = 0; k < 4; k++) {
        assert_ok(shn_engine_forward(e, x, 7, 0, z, &err));
        if (k >= 2) shn_engine_zero_gradient(e);
        assert_ok(shn_engine_backward(e, x, d_z, 7, &err));
        if (k == 0) shn_engine_get_gradient(e, once);
        if (k == 1) shn_engine_get_gradient(e, twice);
        if (k == 1)
            for (size_t i = 0; i < P; i++) assert_near(twice[i], 2 * (double)once[i], 1e-5 * fabs(once[i]) + 1e-5);
        if (k < 2) continue;
        shn_engine_get_gradient(e, twice);
        assert_memory_equal(once, twice, P * sizeof *once);
        if (k == 3) break;
        bad[5] = NAN;
        assert_ok(shn_engine_forward(e, bad, B, 0, z, &err));
        assert_true(isnan(z[0]));
        assert_ok(shn_engine_backward(e, bad, d_z, B, &err));
        assert_true(isnan(shn_engine_gradient_square(e)));
    }
    assert_true(host_last->replays >= 4);
    shn_engine_zero_gradient(e);
    assert_true(shn_engine_gradient_square(e) == 0);
    shn_engine_free(e);
    net_free(n);
    free(x), free(bad), free(d_z), free(z), free(once), free(twice);
}

/** More batch sizes than recordings are kept: old ones are dropped and made again, with the same bits. */
static void test_many_batch_sizes(void **state)
{
    (void)state;
    shn_error    err;
    const size_t B = 2 * CUDA_GRAPHS, T = 20, E = narrow.embed;
    net         *n = net_new(&narrow, 13);
    float       *x = noise(9, B * T * 12), *z = floats(B * E), *first = floats(B * E);
    shn_engine  *e = cuda_engine_of(n, ON_HOST, T, B, SHN_PRECISION_F32);
    for (size_t k = 0; k < 3; k++)
        for (size_t b = 1; b <= B; b++)
            for (int again = 0; again < 3; again++) {
                assert_ok(shn_engine_embed(e, x, b, z, &err));
                if (b == 1 && k == 0 && again == 0) memcpy(first, z, E * sizeof *z);
                assert_memory_equal(first, z, E * sizeof *z);
            }
    shn_engine_free(e);
    net_free(n);
    free(x), free(z), free(first);
}

/** When recordings are full, a pass takes the place of one of another kind and the same size; it must not be taken for it. */
static void test_kinds_of_passes_are_told_apart(void **state)
{
    (void)state;
    shn_error    err;
    const size_t T = 20, E = narrow.embed;
    net         *n = net_new(&narrow, 13);
    float       *x = noise(9, CUDA_GRAPHS / 2 * T * 12), *z = floats(CUDA_GRAPHS / 2 * E), *p = floats(n->enc.n_params), *s = floats(n->enc.n_state);
    shn_engine  *e = cuda_engine_of(n, ON_HOST, T, CUDA_GRAPHS / 2, SHN_PRECISION_F32);
    for (size_t b = 1; b <= CUDA_GRAPHS / 2; b++)
        for (int again = 0; again < 2; again++) assert_ok(shn_engine_forward(e, x, b, 0, z, &err));
    for (size_t b = 1; b <= CUDA_GRAPHS / 2; b++)
        for (int again = 0; again < 2; again++) assert_ok(shn_engine_embed(e, x, b, z, &err));
    shn_engine_get(e, p, s);
    assert_memory_equal(s, n->state, n->enc.n_state * sizeof *s);
    for (int again = 0; again < 2; again++) {
        assert_ok(shn_engine_forward(e, x, 1, 1, z, &err));
        shn_engine_get(e, p, s);
        assert_true(distance(s, n->state, n->enc.n_state) > 1e-3);
        shn_engine_set(e, n->params, n->state);
    }
    shn_engine_free(e);
    net_free(n);
    free(x), free(z), free(p), free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_reference),       cmocka_unit_test(test_wide_layers_and_many_records),
        cmocka_unit_test(test_twenty_steps),           cmocka_unit_test(test_bf16_is_near_f32),
        cmocka_unit_test(test_same_bits_and_company),  cmocka_unit_test(test_gradients_add_up_and_leave_no_trace),
        cmocka_unit_test(test_many_batch_sizes),       cmocka_unit_test(test_kinds_of_passes_are_told_apart),
        cmocka_unit_test(test_equals_reference_on_gpu), cmocka_unit_test(test_twenty_steps_on_gpu),
        cmocka_unit_test(test_bf16_is_near_f32_on_gpu), cmocka_unit_test(test_same_bits_and_company_on_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
