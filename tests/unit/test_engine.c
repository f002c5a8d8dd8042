/**
 * engine: the reference against finite differences, the cpu engine against the reference (forward, statistics,
 * gradients), batch sizes, repeatability, threads, precisions and instruction sets.
 */
#include "engine_support.h"

#include <malloc.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "compute/isa.h"

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

/** The norm is that of the gradient and of nothing beside it, whatever the layout's last vector holds. */
static void check_square(const net *n, const shn_engine *e)
{
    float *gradient = floats(n->enc.n_params);
    double square = 0;
    shn_engine_get_gradient(e, gradient);
    for (size_t i = 0; i < n->enc.n_params; i++) square += (double)gradient[i] * gradient[i];
    assert_near(shn_engine_gradient_square(e) / square, 1, 1e-9);
    free(gradient);
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
        check_square(n, cpu);
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

/* ---- repeatability ---- */

static void test_same_bits_twice_and_threads_close(void **state)
{
    (void)state;
    const size_t B = 13, T = 250, E = narrow.embed;
    net         *n = net_new(&narrow, 8);
    float       *x = noise(5, B * T * 12), *d_z = noise(6, B * E);
    pass         p[4];
    for (unsigned i = 0; i < 4; i++) {
        shn_engine *e = engine_new(n, "cpu", T, B, i < 2 ? 2 : i == 2 ? 1 : 5, SHN_PRECISION_F32);
        p[i] = run(n, e, x, B, d_z);
        shn_engine_free(e);
    }
    assert_same(p[0].z, p[1].z, B * E, "forward");
    assert_same(p[0].gradient, p[1].gradient, n->enc.n_params, "gradient");
    assert_same(p[0].params, p[1].params, n->enc.n_params, "weights after a step");
    assert_same(p[0].state, p[1].state, n->enc.n_state, "running statistics");
    for (unsigned i = 2; i < 4; i++) {              /* other sums, the same values; embeddings know no sums over records */
        assert_same(p[0].embedded, p[i].embedded, B * E, "embedding with other threads");
        assert_true(distance(p[i].z, p[0].z, B * E) < 2e-5);
        assert_true(distance(p[i].gradient, p[0].gradient, n->enc.n_params) < 1e-3);
        assert_true(distance(p[i].state, p[0].state, n->enc.n_state) < 1e-6);
    }
    for (unsigned i = 0; i < 4; i++) pass_free(&p[i]);
    free(x), free(d_z);
    net_free(n);
}

/** A record's embedding has the same bits alone, in any place, and beside a record of NaN. */
static void check_alone(const shn_encoder_config *config, size_t T, shn_precision precision)
{
    shn_error    err;
    const size_t B = 11, E = config->embed, record = T * config->n_leads;
    net         *n = net_new(config, 9);
    float       *x = noise(7, B * record), *z = floats(B * E), *alone = floats(B * E), *turned = floats(B * record);
    shn_engine  *e = engine_new(n, "cpu", T, B, 2, precision);
    assert_ok(shn_engine_embed(e, x, B, z, &err));
    for (size_t r = 0; r < B; r++) {
        assert_ok(shn_engine_embed(e, x + r * record, 1, alone, &err));
        assert_same(alone, z + r * E, E, "one record alone");
    }
    for (size_t r = 0; r < B; r++) memcpy(turned + r * record, x + (B - 1 - r) * record, record * sizeof *x);
    for (size_t i = 0; i < record; i++) turned[4 * record + i] = NAN;
    assert_ok(shn_engine_embed(e, turned, B, alone, &err));
    for (size_t r = 0; r < B; r++)
        if (r != 4) assert_same(alone + r * E, z + (B - 1 - r) * E, E, "records in another order");
    assert_true(isnan(alone[4 * E]));
    shn_engine_free(e);
    net_free(n);
    free(x), free(z), free(alone), free(turned);
}

/** What this run may use: the CPU's, masked by $SHINDEN_ISA. */
static shn_isa usable(void)
{
    shn_error err;
    shn_isa   isa;
    assert_ok(shn_isa_choose(NULL, &isa, &err));
    return isa;
}

static void test_embedding_does_not_depend_on_neighbours(void **state)
{
    (void)state;
    shn_encoder_config full;
    shn_encoder_defaults(&full);
    check_alone(&narrow, 250, SHN_PRECISION_F32);
    check_alone(&narrow, 1000, SHN_PRECISION_F32);
    check_alone(&full, 250, SHN_PRECISION_F32);
    check_alone(&full, 1000, SHN_PRECISION_F32);
    if (usable() >= SHN_ISA_AVX512) check_alone(&full, 250, SHN_PRECISION_BF16);
}

/** With running statistics equal to the batch's own, the training pass and the embedding are the same function. */
static void test_embedding_is_the_forward_pass_in_evaluation(void **state)
{
    (void)state;
    shn_error    err;
    const size_t B = 6, T = 200, E = narrow.embed;
    net         *n = net_new(&narrow, 10);
    float       *x = noise(8, B * T * 12), *z = floats(B * E), *embedded = floats(B * E);
    shn_engine  *e = engine_new(n, "cpu", T, B, 2, SHN_PRECISION_F32);
    for (size_t k = 0; k < 260; k++) assert_ok(shn_engine_forward(e, x, B, 1, z, &err));    /* 0.9^260 = 1e-12 */
    shn_engine_get(e, n->params, n->state);
    for (size_t u = 0; u < n->enc.n_units; u++) {           /* running variance is the unbiased one */
        const size_t rows = B * (u == 0 ? T / 2 : shn_encoder_length(&n->enc, (int)u + 1, T));
        for (size_t c = 0; c < n->enc.units[u].out_channels; c++) n->state[n->enc.units[u].var + c] *= (float)(rows - 1) / (float)rows;
    }
    shn_engine_set(e, n->params, n->state);
    assert_ok(shn_engine_embed(e, x, B, embedded, &err));
    assert_true(distance(embedded, z, B * E) < 2e-5);
    shn_engine_free(e);
    net_free(n);
    free(x), free(z), free(embedded);
}

/** An engine for embedding takes all its memory when it is made: our allocator is not asked again, and the heap does not grow. */
static void test_embedding_allocates_nothing(void **state)
{
    (void)state;
    shn_error          err;
    shn_engine        *e;
    shn_engine_options o;
    shn_encoder_config wide = { .n_leads = 12, .width = 32, .blocks = { 1, 1, 1, 1 }, .max_pool = 1, .embed = 16 };
    const size_t B = 5, T = 250;
    net         *n = net_new(&wide, 4);
    float       *x = noise(21, B * T * 12), *z = floats(B * wide.embed);
    shn_engine_defaults(&o);
    o.n_threads = 2;
    assert_ok(shn_engine_new(&n->enc, T, B, 0, &o, &e, &err));
    shn_alloc_fail_after(1);
    shn_engine_set(e, n->params, n->state);
    shn_status st = shn_engine_embed(e, x, B, z, &err);         /* oneDNN makes what it keeps at first use */
    for (size_t k = 0; k < 2 * B && st == SHN_OK; k++) st = shn_engine_embed(e, x, 1 + k % B, z, &err);
    const size_t heap = mallinfo2().uordblks;
    for (size_t k = 0; k < 20 && st == SHN_OK; k++) st = shn_engine_embed(e, x, 1 + k % B, z, &err);
    shn_alloc_fail_after(0);
    assert_ok(st);
#if !defined(__SANITIZE_ADDRESS__)              /* whose allocator knows no mallinfo */
    if (!strstr(shn_engine_describe(e), " base ")) assert_int_equal(mallinfo2().uordblks, heap);
    else assert_true(mallinfo2().uordblks <= heap + 4096);      /* oneDNN's products take and give back a little in every call, which glibc's cache of chunks counts as taken */
#endif
    (void)heap;
    shn_engine_free(e);
    /* a training engine takes its folded weights when it first embeds, and says so if it cannot */
    assert_ok(shn_engine_new(&n->enc, T, B, 1, &o, &e, &err));
    shn_engine_set(e, n->params, n->state);
    shn_alloc_fail_after(1);
    st = shn_engine_embed(e, x, B, z, &err);
    shn_alloc_fail_after(0);
    assert_status(st, SHN_NOMEM);
    assert_ok(shn_engine_embed(e, x, B, z, &err));
    shn_engine_free(e);
    net_free(n);
    free(x), free(z);
}

/** Deep stages keep some outputs and make others from two results; both ways give what the reference does. */
static void test_long_chains_of_blocks(void **state)
{
    (void)state;
    const shn_encoder_config deep = { .n_leads = 3, .width = 32, .blocks = { 5, 3 }, .max_pool = 1, .embed = 7 };
    check_cpu(&deep, 120, 5, (const size_t[]){ 5, 2 }, 2, 2);
    const shn_encoder_config no_pool = { .n_leads = 3, .width = 16, .blocks = { 4 }, .max_pool = 0, .embed = 7 };
    check_cpu(&no_pool, 90, 5, (const size_t[]){ 5 }, 1, 2);
}

/** Every size of tile gives the reference's numbers, and the same bits again; the description names it. */
static void test_every_tile_size(void **state)
{
    (void)state;
    const shn_encoder_config wide = { .n_leads = 12, .width = 32, .blocks = { 1, 1 }, .max_pool = 1, .embed = 8 };
    const size_t B = 6, T = 250;
    net         *n = net_new(&wide, 15);
    float       *x = noise(22, B * T * 12), *d_z = noise(23, B * wide.embed);
    shn_engine  *ref = engine_new(n, "ref", T, B, 1, SHN_PRECISION_F32);
    pass         r = run(n, ref, x, B, d_z);
    for (unsigned tile = 0; tile <= 6; tile += 2) {
        pass p[2];
        for (int k = 0; k < 2; k++) {
            char        text[SHN_EXPLAIN_MAX], name[16];
            shn_engine *e = engine_tiled(n, "cpu", T, B, 2, SHN_PRECISION_F32, tile);
            p[k] = run(n, e, x, B, d_z);
            shn_engine_explain(e, 1, text);
            snprintf(name, sizeof name, "F(%u,3)", tile);
            if (tile) assert_non_null(strstr(text, name));
            else assert_non_null(strstr(text, "oneDNN"));
            shn_engine_free(e);
        }
        compare(n, &p[0], &r, B);
        assert_same(p[0].gradient, p[1].gradient, n->enc.n_params, "gradient");
        assert_same(p[0].embedded, p[1].embedded, B * wide.embed, "embedding");
        pass_free(&p[0]), pass_free(&p[1]);
    }
    pass_free(&r);
    shn_engine_free(ref);
    net_free(n);
    free(x), free(d_z);
}

/* ---- bf16 ---- */

static void test_bf16_is_near_f32(void **state)
{
    (void)state;
    if (usable() < SHN_ISA_AVX512) {
        printf("skipped: bf16 needs AVX-512, this run has %s\n", shn_isa_name(usable()));
        skip();
    }
    const size_t       B = 16, T = 250;
    shn_encoder_config full;
    shn_encoder_defaults(&full);
    net        *n = net_new(&full, 14);
    float      *x = noise(14, B * T * 12), *d_z = noise(15, B * full.embed);
    shn_engine *f = engine_new(n, "cpu", T, B, 2, SHN_PRECISION_F32), *b = engine_new(n, "cpu", T, B, 2, SHN_PRECISION_BF16);
    pass        pf = run(n, f, x, B, d_z), pb = run(n, b, x, B, d_z);
    assert_non_null(strstr(shn_engine_describe(b), "bf16"));
    /* 8 bits of mantissa, 20 layers: a per cent or two; noise input and untrained weights are the worst case for gradients */
    assert_true(distance(pb.embedded, pf.embedded, B * full.embed) < 0.03);
    assert_true(distance(pb.z, pf.z, B * full.embed) < 0.05);
    assert_true(distance(pb.state, pf.state, n->enc.n_state) < 0.01);
    assert_true(distance(pb.gradient + n->enc.fc_weight, pf.gradient + n->enc.fc_weight, (size_t)full.embed * 512) < 0.03);
    double dot = 0, bb = 0, ff = 0;
    for (size_t i = 0; i < n->enc.n_params; i++) {
        dot += (double)pb.gradient[i] * pf.gradient[i];
        bb += (double)pb.gradient[i] * pb.gradient[i];
        ff += (double)pf.gradient[i] * pf.gradient[i];
    }
    printf("           bf16 from f32: embed %.2g, forward %.2g, gradient cosine %.3f\n", distance(pb.embedded, pf.embedded, B * full.embed),
           distance(pb.z, pf.z, B * full.embed), dot / sqrt(bb * ff));
    assert_true(dot / sqrt(bb * ff) > 0.85);
    pass_free(&pf), pass_free(&pb);
    shn_engine_free(f), shn_engine_free(b);
    net_free(n);
    free(x), free(d_z);
}

/* ---- instruction sets, one process each ---- */

static int masked_child(const char *isa)
{
    setenv("SHINDEN_ISA", isa, 1);
    check_cpu(&narrow, 250, 9, (const size_t[]){ 9, 4 }, 2, 2);
    const shn_encoder_config wide = { .n_leads = 12, .width = 32, .blocks = { 1, 1 }, .max_pool = 1, .embed = 8 };
    check_cpu(&wide, 250, 9, (const size_t[]){ 9 }, 1, 2);
    net        *n = net_new(&narrow, 1);
    shn_engine *e = engine_new(n, "cpu", 250, 2, 1, SHN_PRECISION_AUTO);
    const int   named = strstr(shn_engine_describe(e), isa) != NULL;
    if (!named) printf("described as %s\n", shn_engine_describe(e));
    /* another mask in the same process is refused, not ignored */
    shn_error          err;
    shn_engine        *second = NULL;
    shn_engine_options o;
    shn_engine_defaults(&o);
    o.isa = strcmp(isa, "avx2") == 0 ? "avx512" : "avx2";
    shn_isa mine, other;
    assert_ok(shn_isa_choose(isa, &mine, &err));
    assert_ok(shn_isa_choose(o.isa, &other, &err));
    const shn_status st = shn_engine_new(&n->enc, 250, 2, 0, &o, &second, &err);
    shn_engine_free(e);
    shn_engine_free(second);
    net_free(n);
    return named && st == (other == mine ? SHN_OK : SHN_UNSUPPORTED) ? 0 : 1;
}

/** Must run first: a child that inherits a used oneDNN could no longer choose. */
static void test_masked_instruction_sets(void **state)
{
    (void)state;
    for (int isa = SHN_ISA_BASE; isa <= SHN_ISA_AMX; isa++) {
        if (shn_isa_host() < (shn_isa)isa) {
            printf("skipped: this CPU has no %s\n", shn_isa_name((shn_isa)isa));
            continue;
        }
        fflush(stdout);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(masked_child(shn_isa_name((shn_isa)isa)));
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) fail_msg("%s: child ended with %#x", shn_isa_name((shn_isa)isa), how);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked_instruction_sets),         /* first, see there */
        cmocka_unit_test(test_reference_gradient_is_the_slope),
        cmocka_unit_test(test_cpu_equals_reference),
        cmocka_unit_test(test_cpu_equals_reference_other_tables),
        cmocka_unit_test(test_cpu_equals_reference_full_width),
        cmocka_unit_test(test_same_bits_twice_and_threads_close),
        cmocka_unit_test(test_embedding_does_not_depend_on_neighbours),
        cmocka_unit_test(test_embedding_is_the_forward_pass_in_evaluation),
        cmocka_unit_test(test_embedding_allocates_nothing),
        cmocka_unit_test(test_long_chains_of_blocks),
        cmocka_unit_test(test_every_tile_size),
        cmocka_unit_test(test_bf16_is_near_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
