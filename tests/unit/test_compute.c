/**
 * compute and engine/cpu's kernels: every layer of the default encoder, all passes, by oneDNN in f32 and bf16 and by Winograd,
 * against the reference's operators in double; layouts; and the element-wise kernels of all instruction sets against each other.
 *
 * Tolerances, relative L2 against double: oneDNN f32 2e-6; Winograd forward and data gradient 4e-6, weight gradient 4e-6 (six
 * products of sums with factors up to 8 cost two bits); bf16 forward 6e-3, gradients 6e-3 (operands of 8 bits).
 */
#include "harness.h"

#include <math.h>
#include <time.h>

#include "base/random.h"
#include "compute/conv.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/winograd.h"
#include "engine/ref/ops.h"

static const size_t layers[][6] = {         /* in, out, kernel, stride, pad, length at 12x250 */
    { 12, 64, 7, 2, 3, 250 },  { 64, 64, 3, 1, 1, 63 },   { 64, 128, 3, 2, 1, 63 },  { 64, 128, 1, 2, 0, 63 },
    { 128, 128, 3, 1, 1, 32 }, { 128, 256, 3, 2, 1, 32 }, { 128, 256, 1, 2, 0, 32 }, { 256, 256, 3, 1, 1, 16 },
    { 256, 512, 3, 2, 1, 16 }, { 256, 512, 1, 2, 0, 16 }, { 512, 512, 3, 1, 1, 8 },
};
enum { N_LAYERS = sizeof layers / sizeof *layers };

static shn_compute *compute;
static shn_isa      isa;

static int open_compute(void **state)
{
    (void)state;
    return shn_isa_choose(NULL, &isa, NULL) != SHN_OK || shn_compute_new(isa, 2, &compute, NULL) != SHN_OK;
}

static int close_compute(void **state)
{
    (void)state;
    shn_compute_free(compute);
    return 0;
}

/** 64-byte aligned with a sentinel behind, so that a write past the end is seen without a sanitizer too. */
static void *memory(size_t bytes)
{
    const size_t whole = (bytes + 63) / 64 * 64 + 64;
    char        *p = aligned_alloc(64, whole);
    assert_non_null(p);
    memset(p, 0, whole);
    memset(p + whole - 64, 0x5a, 64);
    return p;
}

static void release(void *p, size_t bytes)
{
    const unsigned char *end = (const unsigned char *)p + (bytes + 63) / 64 * 64;
    for (int i = 0; i < 64; i++) assert_int_equal(end[i], 0x5a);
    free(p);
}

static float *noise(uint64_t seed, size_t n)
{
    float  *p = memory(n * sizeof *p);
    shn_rng r = shn_rng_stream(seed, 5, 6, 7);
    for (size_t i = 0; i < n; i++) p[i] = (float)shn_rng_normal(&r);
    return p;
}

static double *exact(const float *p, size_t n)
{
    double *d = calloc(n, sizeof *d);
    for (size_t i = 0; p && i < n; i++) d[i] = p[i];
    return d;
}

static double distance(const float *a, const double *b, size_t n)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += (a[i] - b[i]) * (a[i] - b[i]);
        s += b[i] * b[i];
    }
    return sqrt(d / s);
}

/** A layer with random data and what the reference makes of it. */
typedef struct layer_case {
    shn_ref_conv s;
    size_t       n_x, n_w, n_y;
    float       *x, *w, *d_y;
    double      *y, *d_x, *d_w;
} layer_case;

static layer_case make(size_t which, size_t B, size_t length)
{
    const size_t *l = layers[which];
    layer_case    c = { .s = { B, l[0], length, l[1], (length + 2 * l[4] - l[2]) / l[3] + 1, l[2], l[3], l[4] } };
    c.n_x = B * length * l[0];
    c.n_w = l[0] * l[1] * l[2];
    c.n_y = B * c.s.out_length * l[1];
    c.x = noise(which, c.n_x), c.w = noise(which + 100, c.n_w), c.d_y = noise(which + 200, c.n_y);
    double *x = exact(c.x, c.n_x), *w = exact(c.w, c.n_w), *d_y = exact(c.d_y, c.n_y);
    c.y = exact(NULL, c.n_y), c.d_x = exact(NULL, c.n_x), c.d_w = exact(NULL, c.n_w);
    shn_ref_conv_forward(&c.s, x, w, c.y);
    shn_ref_conv_backward_data(&c.s, d_y, w, c.d_x);
    shn_ref_conv_backward_weights(&c.s, x, d_y, c.d_w);
    free(x), free(w), free(d_y);
    return c;
}

static void unmake(layer_case *c)
{
    release(c->x, c->n_x * 4), release(c->w, c->n_w * 4), release(c->d_y, c->n_y * 4);
    free(c->y), free(c->d_x), free(c->d_w);
}

static void expect(const char *what, size_t which, double error, double tolerance)
{
    if (!(error <= tolerance)) fail_msg("%s of layer %zux%zu k%zu: %.3g, allowed %.3g", what, layers[which][0], layers[which][1],
                                        layers[which][2], error, tolerance);
}

/* ---- oneDNN ---- */

static uint16_t *to_bf16(const float *p, size_t n)
{
    uint16_t *h = memory(n * sizeof *h);
    shn_kernels_choose(isa, SHN_BF16, 16)->convert(p, n, h);
    return h;
}

static void from_bf16(const void *from, size_t n, float *to)
{
    const uint16_t *h = from;
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)h[i] << 16;
        memcpy(to + i, &bits, sizeof bits);
    }
}

/** Runs one pass; a, b are the operands in the pass's type, result receives floats. */
static void run_pass(shn_conv_pass pass, shn_dtype type, const layer_case *c, const void *src, const void *dst, const float *bias, int add,
                     int relu, float *result)
{
    shn_error           err;
    shn_conv           *v;
    shn_layout         *plain;
    shn_reorder        *r = NULL;
    const shn_conv_spec spec = { pass, type, c->s.B, c->s.in, c->s.in_length, c->s.out, c->s.out_length, c->s.kernel, c->s.stride, c->s.pad,
                                 add, relu };
    assert_ok(shn_conv_new(compute, &spec, &v, &err));
    assert_ok(shn_layout_plain(compute, c->s.out, c->s.in, c->s.kernel, &plain, &err));
    const size_t n_packed = shn_layout_bytes(shn_conv_layout(v)), n_scratch = shn_conv_scratch_bytes(v);
    const size_t n_x = c->n_x * shn_dtype_size(type), n_y = c->n_y * shn_dtype_size(type);
    void *packed = memory(n_packed), *scratch = memory(n_scratch), *x = memory(n_x), *y = memory(n_y);
    if (src) memcpy(x, src, n_x);
    if (dst) memcpy(y, dst, n_y);
    const int weights_out = pass == SHN_CONV_BACKWARD_WEIGHTS;
    assert_ok(weights_out ? shn_reorder_new(compute, shn_conv_layout(v), plain, &r, &err)
                          : shn_reorder_new(compute, plain, shn_conv_layout(v), &r, &err));
    void *reorder_scratch = memory(shn_reorder_scratch_bytes(r));
    if (!weights_out) assert_ok(shn_reorder_run(r, 0, c->w, packed, reorder_scratch, &err));
    assert_ok(shn_conv_run(v, 1, x, packed, bias, y, scratch, &err));
    if (weights_out) assert_ok(shn_reorder_run(r, 0, packed, result, reorder_scratch, &err));
    else if (type == SHN_F32) memcpy(result, pass == SHN_CONV_BACKWARD_DATA ? x : y, pass == SHN_CONV_BACKWARD_DATA ? n_x : n_y);
    else from_bf16(pass == SHN_CONV_BACKWARD_DATA ? x : y, pass == SHN_CONV_BACKWARD_DATA ? c->n_x : c->n_y, result);
    assert_non_null(shn_conv_kernel(v));
    if (type == SHN_BF16 && isa == SHN_ISA_AMX) assert_non_null(strstr(shn_conv_kernel(v), "amx"));
    /* a mask is oneDNN's too; without one, a CPU with AVX but not AVX2 may use it */
    if (isa == SHN_ISA_BASE && (shn_isa_host() > isa || !SHN_X86_KERNELS)) assert_null(strstr(shn_conv_kernel(v), "avx"));
    release(packed, n_packed), release(scratch, n_scratch), release(x, n_x), release(y, n_y);
    release(reorder_scratch, shn_reorder_scratch_bytes(r));
    shn_reorder_free(r);
    shn_layout_free(plain);
    shn_conv_free(v);
}

static void test_every_layer_by_onednn(void **state)
{
    (void)state;
    const shn_compute_mode before = shn_compute_enter();
    for (size_t k = 0; k < N_LAYERS; k++)
        for (int odd = 0; odd < 2; odd++) {
            layer_case c = make(k, 3 - odd, odd ? layers[k][5] / 2 + 1 : layers[k][5]);
            float     *result = memory((c.n_x + c.n_w + c.n_y) * sizeof(float));
            run_pass(SHN_CONV_FORWARD, SHN_F32, &c, c.x, NULL, NULL, 0, 0, result);
            expect("forward", k, distance(result, c.y, c.n_y), 2e-6);
            if (k > 0) {
                run_pass(SHN_CONV_BACKWARD_DATA, SHN_F32, &c, NULL, c.d_y, NULL, 0, 0, result);
                expect("data gradient", k, distance(result, c.d_x, c.n_x), 2e-6);
            }
            run_pass(SHN_CONV_BACKWARD_WEIGHTS, SHN_F32, &c, c.x, c.d_y, NULL, 0, 0, result);
            expect("weight gradient", k, distance(result, c.d_w, c.n_w), 2e-6);
            /* embedding's form: relu(conv + bias + what is there) */
            float *bias = noise(k + 300, c.s.out);
            for (size_t i = 0; i < c.n_y; i++) {
                const double v = c.y[i] + bias[i % c.s.out] + c.d_y[i];
                c.y[i] = v > 0 ? v : 0;
            }
            run_pass(SHN_CONV_INFERENCE, SHN_F32, &c, c.x, c.d_y, bias, 1, 1, result);
            expect("inference", k, distance(result, c.y, c.n_y), 2e-6);
            release(bias, c.s.out * 4);
            free(result);
            unmake(&c);
        }
    shn_compute_leave(before);
}

static void test_every_layer_in_bf16(void **state)
{
    (void)state;
    if (isa < SHN_ISA_AVX512) {
        printf("skipped: no bf16 kernels with %s\n", shn_isa_name(isa));
        skip();
    }
    const shn_compute_mode before = shn_compute_enter();
    for (size_t k = 0; k < N_LAYERS; k++) {
        layer_case c = make(k, 2, layers[k][5]);
        float     *result = memory((c.n_x + c.n_w + c.n_y) * sizeof(float));
        uint16_t  *x = to_bf16(c.x, c.n_x), *d_y = to_bf16(c.d_y, c.n_y);
        run_pass(SHN_CONV_FORWARD, SHN_BF16, &c, x, NULL, NULL, 0, 0, result);
        expect("bf16 forward", k, distance(result, c.y, c.n_y), 6e-3);
        if (k > 0) {
            run_pass(SHN_CONV_BACKWARD_DATA, SHN_BF16, &c, NULL, d_y, NULL, 0, 0, result);
            expect("bf16 data gradient", k, distance(result, c.d_x, c.n_x), 6e-3);
        }
        run_pass(SHN_CONV_BACKWARD_WEIGHTS, SHN_BF16, &c, x, d_y, NULL, 0, 0, result);
        expect("bf16 weight gradient", k, distance(result, c.d_w, c.n_w), 6e-3);
        release(x, c.n_x * 2), release(d_y, c.n_y * 2);
        free(result);
        unmake(&c);
    }
    shn_compute_leave(before);
}

/* ---- Winograd ---- */

/** [out][in][3] to [3][in][out] and back. */
static void turn(const float *plain, float *master, size_t in, size_t out, int back)
{
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++)
            for (size_t k = 0; k < 3; k++) {
                const size_t p = (o * in + i) * 3 + k, m = (k * in + i) * out + o;
                if (back) master[p] = plain[m];
                else master[m] = plain[p];
            }
}

static void check_winograd(const shn_wino *w, size_t which, size_t B, size_t T)
{
    layer_case   c = make(which, B, T);
    const size_t in = c.s.in, out = c.s.out, n_scratch = shn_wino_scratch(in, out) * sizeof(float);
    const shn_wino_layer s = { B, T, in, out };
    float *master = memory(c.n_w * 4), *packed = memory(c.n_w * 8), *scratch = memory(n_scratch), *y = memory(c.n_y * 4);
    float *d_x = memory(c.n_x * 4), *sums = memory(c.n_w * 8), *d_w = memory(c.n_w * 4);
    turn(c.w, master, in, out, 0);
    w->pack(master, in, out, 0, packed);
    w->forward(&s, c.x, packed, NULL, 0, 0, y, scratch);
    expect("Winograd forward", which, distance(y, c.y, c.n_y), 4e-6);
    float *bias = noise(77, out);
    memcpy(y, c.d_y, c.n_y * 4);
    w->forward(&s, c.x, packed, bias, 1, 1, y, scratch);
    for (size_t i = 0; i < c.n_y; i++) {
        const double v = c.y[i] + bias[i % out] + c.d_y[i];
        c.y[i] = v > 0 ? v : 0;
    }
    expect("Winograd inference", which, distance(y, c.y, c.n_y), 4e-6);
    w->pack(master, in, out, 1, packed);
    w->forward(&s, c.d_y, packed, NULL, 0, 0, d_x, scratch);
    expect("Winograd data gradient", which, distance(d_x, c.d_x, c.n_x), 4e-6);
    /* in two parts, as chunks of a share come */
    const size_t         first = (B + 1) / 2;
    const shn_wino_layer s1 = { first, T, in, out }, s2 = { B - first, T, in, out };
    w->weights(&s1, c.x, c.d_y, 1, sums, scratch);
    if (B > first) w->weights(&s2, c.x + first * T * in, c.d_y + first * T * out, 0, sums, scratch);
    w->weights_end(sums, in, out, d_w);
    turn(d_w, master, in, out, 1);
    expect("Winograd weight gradient", which, distance(master, c.d_w, c.n_w), 4e-6);
    release(master, c.n_w * 4), release(packed, c.n_w * 8), release(scratch, n_scratch), release(y, c.n_y * 4);
    release(d_x, c.n_x * 4), release(sums, c.n_w * 8), release(d_w, c.n_w * 4), release(bias, out * 4);
    unmake(&c);
}

static void test_winograd(void **state)
{
    (void)state;
    const shn_wino *narrower = NULL;
    for (int i = SHN_ISA_BASE; i <= SHN_ISA_AVX512 && i <= (int)isa; i++) {
        const shn_wino *w = shn_wino_choose((shn_isa)i, 64, 64, 100);
        assert_non_null(w);
        assert_ptr_not_equal(w, narrower);
        narrower = w;
        for (size_t k = 0; k < N_LAYERS; k++) {
            if (layers[k][2] != 3 || layers[k][3] != 1) continue;
            check_winograd(w, k, 3, layers[k][5]);
            for (size_t T = 4; T <= 9 && layers[k][0] == 64; T++) check_winograd(w, k, 2, T);   /* every tail of a tile */
        }
        check_winograd(w, 1, 2, 1250);                                  /* several blocks, and a block over two records */
        check_winograd(w, 1, 1, 4);
    }
    assert_null(shn_wino_choose(isa, 12, 12, 100));
    assert_null(shn_wino_choose(isa, 64, 64, 3));
}

/* ---- element-wise kernels: one meaning for all instruction sets ---- */

enum { N = 37, C = 48, N_OUT = (N - 1) / 2 + 1 };

/** All that the kernels make of the same input, in one struct that is compared as bits. */
typedef struct outcome {
    float   out[N * C], pooled[N_OUT * C], g[N * C], g_pool[N_OUT * C], d_y[N * C], d_y_pool[N * C], plain_pool[N_OUT * C];
    float   mean[C], spread[N * C], reduced[N * C], axpy[N * C], p[N * C], m[N * C], v[N * C];
    uint8_t from[N_OUT * C];
    double  sum[C], square[C], s[C], dot[C], dot2[C], sp[C], dotp[C];
} outcome;

static void all_kernels(const shn_kernels *k, const float *x, const float *r, const float *small, outcome *o)
{
    const shn_affine bn = { small, small + C, small + 2 * C }, other = { small + 3 * C, small + 4 * C, small + 5 * C };
    const shn_adamw  h = { 0.01f, 0.9f, 0.99f, 1e-6f, 0.1f };
    memset(o, 0, sizeof *o);
    k->moments(x, N, C, o->sum, o->square);
    k->normalise(x, N, C, &bn, r, &other, o->out);
    k->normalise_pool(x, N, N_OUT, C, &bn, o->pooled, o->from);
    shn_mask_args a = { .d = r, .other = x, .out = o->out, .y = x, .y2 = r, .mean = small, .mean2 = small + C, .g = o->g,
                        .sum = o->s, .dot = o->dot, .dot2 = o->dot2 };
    k->mask_sums(&a, N, C);
    shn_mask_args b = { .d = r, .out = o->pooled, .y = x, .mean = small, .g = o->g_pool, .sum = o->sp, .dot = o->dotp };
    k->mask_sums_pool(&b, o->from, N, N_OUT, C);
    k->bn_backward(r, x, N, C, small, small + C, small + 2 * C, small + 3 * C, o->d_y);
    k->bn_backward_pool(o->g_pool, o->from, x, N, N_OUT, C, small, small + C, small + 2 * C, small + 3 * C, o->d_y_pool);
    k->pool(x, N, N_OUT, C, o->plain_pool);
    k->row_mean(x, N, C, o->mean);
    k->spread(small, N, C, o->spread);
    k->reduce(o->reduced, (const float *const[]){ x, r, x }, 3, N * C, 1);
    memcpy(o->axpy, x, sizeof o->axpy);
    k->axpy(o->axpy, r, 0.3f, N * C);
    memcpy(o->p, x, sizeof o->p);
    for (uint64_t step = 1; step < 4; step++) k->adamw(o->p, r, o->m, o->v, N * C, &h, 1, step, 0.7f);
}

static void test_kernels_agree(void **state)
{
    (void)state;
    float   *x = noise(1, N * C), *r = noise(2, N * C), *small = noise(3, 6 * C);
    outcome *base = malloc(sizeof *base), *o = malloc(sizeof *o);
    all_kernels(shn_kernels_choose(SHN_ISA_BASE, SHN_F32, C), x, r, small, base);
    for (int i = SHN_ISA_AVX2; i <= SHN_ISA_AVX512 && i <= (int)isa; i++) {
        const shn_kernels *k = shn_kernels_choose((shn_isa)i, SHN_F32, C);
        assert_ptr_not_equal(k, shn_kernels_choose(SHN_ISA_BASE, SHN_F32, C));
        all_kernels(k, x, r, small, o);
        assert_memory_equal(o, base, sizeof *o);
        double d = 0, s = 0;
        for (size_t j = 0; j < N * C; j++) d += (double)x[j] * r[j], s += (double)x[j] * x[j];
        assert_near(k->dot(x, r, N * C), d, 1e-4);
        assert_near(k->square(x, N * C) / s, 1, 1e-12);
    }
    /* and the base table against the formulas, where the engine's tests could not tell two wrongs from a right */
    for (size_t c = 0; c < C; c++) {
        double sum = 0, square = 0;
        for (size_t n = 0; n < N; n++) sum += x[n * C + c], square += (double)x[n * C + c] * x[n * C + c];
        assert_near(base->sum[c], sum, 1e-12);
        assert_near(base->square[c], square, 1e-12);
        assert_near(base->mean[c], sum / N, 1e-7);
    }
    release(x, N * C * 4), release(r, N * C * 4), release(small, 6 * C * 4);
    free(base), free(o);
}

static void test_bf16_rounding(void **state)
{
    (void)state;
    /* ties go to even; just above a tie goes up; signs and infinity stay; an odd count has a tail */
    const uint32_t in[11] = { 0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0xbf808000, 0x7f800000, 0, 0x80000000, 0x3f80ffff,
                              0x7fc00000, 0x00000001 };
    const uint16_t expected[11] = { 0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xbf80, 0x7f80, 0, 0x8000, 0x3f81, 0x7fc0, 0 };
    float          x[11];
    memcpy(x, in, sizeof x);
    for (int i = 0; i <= SHN_ISA_AVX512 && i <= (int)isa; i++) {
        uint16_t h[11];
        shn_kernels_choose((shn_isa)i, SHN_BF16, 16)->convert(x, 11, h);
        assert_memory_equal(h, expected, sizeof h);
    }
}

/* ---- masks and the length cliff ---- */

static void test_isa_names(void **state)
{
    (void)state;
    shn_error err;
    shn_isa   chosen;
    assert_ok(shn_isa_choose("base", &chosen, &err));
    assert_int_equal(chosen, SHN_ISA_BASE);
    assert_ok(shn_isa_choose("avx2", &chosen, &err));
    assert_true(chosen <= SHN_ISA_AVX2);
    assert_ok(shn_isa_choose("amx", &chosen, &err));
    assert_int_equal(chosen, shn_isa_host());
    assert_status(shn_isa_choose("AVX2", &chosen, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "AVX2"));
    if (!getenv("SHINDEN_ISA")) {
        setenv("SHINDEN_ISA", "sse", 1);
        assert_status(shn_isa_choose(NULL, &chosen, &err), SHN_RANGE);
        assert_non_null(strstr(err.text, "SHINDEN_ISA"));
        setenv("SHINDEN_ISA", "", 1);
        assert_ok(shn_isa_choose(NULL, &chosen, &err));
        unsetenv("SHINDEN_ISA");
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** Best arithmetic rate of a pass in bf16 over a few calls, in thread CPU time, so that neighbours disturb it little. */
static double bf16_rate(shn_conv_pass pass, size_t C_, size_t length)
{
    shn_error           err;
    shn_conv           *v;
    const shn_conv_spec spec = { pass, SHN_BF16, 8, C_, length, C_, length, 3, 1, 1, 0, 0 };
    assert_ok(shn_conv_new(compute, &spec, &v, &err));
    const size_t n = 8 * length * C_ * 2, n_w = shn_layout_bytes(shn_conv_layout(v)), n_s = shn_conv_scratch_bytes(v);
    void  *x = memory(n), *y = memory(n), *w = memory(n_w), *s = memory(n_s);
    double best = 1e9;
    for (int r = 0; r < 8; r++) {
        const double at = seconds();
        assert_ok(shn_conv_run(v, 0, x, w, NULL, y, s, &err));
        const double took = seconds() - at;
        if (took < best) best = took;
    }
    release(x, n), release(y, n), release(w, n_w), release(s, n_s);
    shn_conv_free(v);
    return 2.0 * 8 * (double)length * (double)(C_ * C_) * 3 / best;
}

/** Lengths that shn_engine_good_length calls good must be: a slow kernel is silent otherwise. 3 is far below the cliff's 5 to 8. */
static void test_good_lengths_are_fast(void **state)
{
    (void)state;
    if (isa != SHN_ISA_AMX) {
        printf("skipped: the length cliff is one of AMX, this run has %s\n", shn_isa_name(isa));
        skip();
    }
    const shn_compute_mode before = shn_compute_enter();
    const size_t           good[][2] = { { 128, 624 }, { 256, 312 }, { 512, 156 }, { 128, 640 }, { 256, 320 }, { 512, 160 } };
    const shn_conv_pass    passes[] = { SHN_CONV_FORWARD, SHN_CONV_BACKWARD_DATA, SHN_CONV_BACKWARD_WEIGHTS };
    for (size_t p = 0; p < 3; p++)
        for (size_t i = 0; i < 3; i++) {
            const double a = bf16_rate(passes[p], good[i][0], good[i][1]), b = bf16_rate(passes[p], good[i + 3][0], good[i + 3][1]);
            if (a < b / 3 || b < a / 3)
                fail_msg("pass %zu, %zu channels: %.3g at length %zu, %.3g at %zu", p, good[i][0], a, good[i][1], b, good[i + 3][1]);
        }
    shn_compute_leave(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_by_onednn), cmocka_unit_test(test_every_layer_in_bf16), cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_kernels_agree),         cmocka_unit_test(test_bf16_rounding),       cmocka_unit_test(test_isa_names),
        cmocka_unit_test(test_good_lengths_are_fast),
    };
    return cmocka_run_group_tests(tests, open_compute, close_compute);
}
