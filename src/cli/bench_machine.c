/**
 * What the machine can do at this moment: fused multiply-adds on random operands (constant ones read too fast) and reading
 * memory far larger than its caches. Every other row is held against these, so they are measured in the same run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "base/threads.h"
#include "cli/bench_rows.h"
#include "compute/isa.h"

enum { PEAK_OPERANDS = 1024, PEAK_ROUNDS = 20000, REPEATS = 7, READ_MIB = 256 };

/** Runs `rounds` over random operands a, b [PEAK_OPERANDS]; returns operations done, 2 per multiply-add. */
typedef double peak_fn(const float *a, const float *b, long rounds, float *sink);

#if defined(__aarch64__)
#define VECTOR "+w"             /* the constraint of a vector register */
#else
#define VECTOR "+v"
#endif

/* 12 independent sums hide the latency of 4 cycles on 2 ports; one operand comes from level-1 cache, as in a product of matrices */
#define FMA_PEAK(name, attribute, T, W, per_lane, load, set, fma)                                                       \
    attribute static double name(const float *a, const float *b, long rounds, float *sink)       \
    {                                                                                                                   \
        T s0 = set(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0, sa = s0, sb = s0; \
        for (long r = 0; r < rounds; r++) {                                                                             \
            const size_t i = (size_t)r * W % (PEAK_OPERANDS / 2);                                                       \
            const T x = load(a + i), y = load(b + i), w = load(b + i + W), v = load(a + i + W);                         \
            s0 = fma(x, y, s0), s1 = fma(x, w, s1), s2 = fma(v, y, s2), s3 = fma(v, w, s3);                             \
            s4 = fma(x, y, s4), s5 = fma(x, w, s5), s6 = fma(v, y, s6), s7 = fma(v, w, s7);                             \
            s8 = fma(x, y, s8), s9 = fma(x, w, s9), sa = fma(v, y, sa), sb = fma(v, w, sb);                             \
            __asm__ volatile("" : VECTOR(s0), VECTOR(s1), VECTOR(s2), VECTOR(s3), VECTOR(s4), VECTOR(s5));              \
            __asm__ volatile("" : VECTOR(s6), VECTOR(s7), VECTOR(s8), VECTOR(s9), VECTOR(sa), VECTOR(sb));              \
        }                                                                                                               \
        float out[W];                                                                                                   \
        const T all = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + sa + sb;                                        \
        memcpy(out, &all, sizeof out);                                                                                  \
        *sink = out[0];                                                                                                 \
        return (double)rounds * 12 * W * per_lane;                                                                      \
    }

#if defined(__x86_64__) || defined(__aarch64__)
/* what every CPU of the architecture has: 4 lanes, fused on NEON, a product and a sum on SSE2 */
typedef float quad __attribute__((vector_size(16)));
static inline quad quad_load(const float *p)
{
    quad v;
    memcpy(&v, p, sizeof v);
    return v;
}
#define QUAD_SET(a) ((quad){ a, a, a, a })
#if defined(__aarch64__)
#include <arm_neon.h>
#define QUAD_FMA(x, y, sum) ((quad)vfmaq_f32((float32x4_t)(sum), (float32x4_t)(x), (float32x4_t)(y)))
#else
#define QUAD_FMA(x, y, sum) ((sum) + (x) * (y))
#endif
FMA_PEAK(fma_base, , quad, 4, 2, quad_load, QUAD_SET, QUAD_FMA)
#else
#define fma_base NULL
#endif

#if SHN_X86_KERNELS
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TARGET(names) __attribute__((target(names)))
FMA_PEAK(fma_avx512, TARGET("avx512f"), __m512, 16, 2, _mm512_loadu_ps, _mm512_set1_ps, _mm512_fmadd_ps)
FMA_PEAK(fma_avx2, TARGET("avx2,fma"), __m256, 8, 2, _mm256_loadu_ps, _mm256_set1_ps, _mm256_fmadd_ps)
/* products of bf16 pairs: two multiply-adds per lane of 32 bits */
#define DOT_BF16(x, y, sum) _mm512_dpbf16_ps(sum, (__m512bh)(x), (__m512bh)(y))
FMA_PEAK(dot_bf16, TARGET("avx512f,avx512bf16"), __m512, 16, 4, _mm512_loadu_ps, _mm512_set1_ps, DOT_BF16)

/** AMX: four 16 x 16 sums from two and two tiles of 32 bf16, loaded anew each time as a product of matrices must. */
TARGET("amx-tile,amx-bf16,avx512f") static double tiles_amx(const float *a, const float *b, long rounds, float *sink)
{
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = { .palette = 1 };
    float out[16 * 16];
    for (int t = 0; t < 8; t++) config.bytes[t] = 64, config.rows[t] = 16;
    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) != 0) return 0;
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (long r = 0; r < rounds; r++) {
        const size_t i = (size_t)r % 2 * 512;
        _tile_loadd(4, a + i, 64);
        _tile_loadd(5, a + 256, 64);
        _tile_loadd(6, b + i, 64);
        _tile_loadd(7, b + 256, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, 64);
    _tile_release();
    *sink = out[0];
    return (double)rounds * 4 * 16 * 16 * 32 * 2;
}

static peak_fn *peak_f32_of(shn_isa isa) { return isa >= SHN_ISA_AVX512 ? fma_avx512 : isa == SHN_ISA_AVX2 ? fma_avx2 : fma_base; }
static peak_fn *peak_bf16_of(shn_isa isa)
{
    if (isa == SHN_ISA_AMX) return tiles_amx;
    return isa == SHN_ISA_AVX512 && __builtin_cpu_supports("avx512bf16") ? dot_bf16 : NULL;
}
#else
static peak_fn *peak_f32_of(shn_isa isa) { return (void)isa, fma_base; }
static peak_fn *peak_bf16_of(shn_isa isa) { return (void)isa, NULL; }
#endif

typedef struct task {
    peak_fn  *fn;
    float    *a, *b;
    double    operations[SHN_THREADS_MAX];
    float     sink[SHN_THREADS_MAX];
    uint64_t *memory;               /* READ_MIB, shared out */
    int       bf16;
} task;

static void peak_thread(void *context, unsigned thread, unsigned n)
{
    task *t = context;
    (void)n;
    t->operations[thread] = 0;
    for (int k = 0; k < 40; k++) t->operations[thread] += t->fn(t->a, t->b, PEAK_ROUNDS, &t->sink[thread]);
}

static void read_thread(void *context, unsigned thread, unsigned n)
{
    task  *t = context;
    size_t at, last;
    shn_team_share((size_t)READ_MIB << 14, thread, n, &at, &last);          /* lines of 64 bytes */
    uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (; at < last; at++) {
        const uint64_t *line = t->memory + at * 8;
        s0 += line[0] ^ line[4], s1 += line[1] ^ line[5], s2 += line[2] ^ line[6], s3 += line[3] ^ line[7];
    }
    t->sink[thread] = (float)(s0 ^ s1 ^ s2 ^ s3);
    t->operations[thread] = 0;
}

/** Median rate of a task on a team: operations, or bytes for reading, per second. */
static double rate(shn_team *team, shn_team_fn *fn, task *t, double bytes, double *spread)
{
    double times[REPEATS], done = bytes;
    shn_team_run(team, fn, t);
    for (int r = 0; r < REPEATS; r++) {
        const double start = bench_now();
        shn_team_run(team, fn, t);
        times[r] = bench_now() - start;
    }
    for (unsigned k = 0; bytes == 0 && k < shn_team_size(team); k++) done += t->operations[k];
    return done / bench_median(times, REPEATS, spread);
}

static shn_status one(bench_run *run, const char *name, const char *unit, shn_isa isa, const char *precision, shn_team *team,
                      shn_team_fn *fn, task *t, double bytes, double *out, shn_error *err)
{
    bench_row row = { .threads = shn_team_size(team), .ratio = NAN, .peak_fraction = NAN, .bandwidth_fraction = NAN };
    shn_status st = bench_tell(run, name, err);
    if (st != SHN_OK) return st;
    *out = row.value = rate(team, fn, t, bytes, &row.spread) / 1e9;
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.unit, sizeof row.unit, "%s", unit);
    snprintf(row.isa, sizeof row.isa, "%s", shn_isa_name(isa));
    snprintf(row.precision, sizeof row.precision, "%s", precision);
    return bench_add(run, &row, err);
}

static shn_status measure(bench_run *run, shn_isa isa, task *t, shn_error *err)
{
    shn_status st = SHN_OK;
    for (int all = 0; all < 2 && st == SHN_OK; all++) {
        shn_team *team;
        st = shn_team_new(all ? run->threads_all : 1, &team, err);
        if (st != SHN_OK) return st;
        if ((t->fn = peak_f32_of(isa))) st = one(run, "peak_f32", "GFLOP/s", isa, "f32", team, peak_thread, t, 0, &run->peak_f32[all], err);
        if (st == SHN_OK && (t->fn = peak_bf16_of(isa)))
            st = one(run, "peak_bf16", "GFLOP/s", isa, "bf16", team, peak_thread, t, 0, &run->peak_bf16[all], err);
        if (st == SHN_OK)
            st = one(run, "memory_read", "GB/s", isa, "", team, read_thread, t, (double)READ_MIB * (1 << 20), &run->bandwidth[all], err);
        shn_team_free(team);
    }
    return st;
}

/** Random bf16 pairs with exponents near 0: any bits would do for speed, but infinities and denormals would not. */
static void random_operands(task *t)
{
    shn_rng r = shn_rng_stream(1, 2, 3, 4);
    for (size_t i = 0; i < 2 * PEAK_OPERANDS; i++) {
        float v[2] = { (float)shn_rng_normal(&r), (float)shn_rng_normal(&r) };
        uint32_t bits[2];
        memcpy(bits, v, sizeof bits);
        const uint32_t pair = (bits[0] & 0xffff0000u) | bits[1] >> 16;
        memcpy((i < PEAK_OPERANDS ? t->a : t->b) + i % PEAK_OPERANDS, &pair, sizeof pair);
    }
    for (size_t i = 0; i < (size_t)READ_MIB << 17; i++) t->memory[i] = i * 0x9e3779b97f4a7c15u;
}

shn_status bench_machine(bench_run *run, shn_error *err)
{
    task       t = { 0 };
    shn_isa    isa;
    shn_status st = shn_isa_choose(run->isa, &isa, err);
    for (int k = 0; k < 2; k++) run->peak_f32[k] = run->peak_bf16[k] = run->bandwidth[k] = NAN;
    if (st != SHN_OK) return st;
    t.a = shn_alloc_aligned(PEAK_OPERANDS + 64, sizeof *t.a);
    t.b = shn_alloc_aligned(PEAK_OPERANDS + 64, sizeof *t.b);
    t.memory = shn_alloc_aligned((size_t)READ_MIB << 17, sizeof *t.memory);
    if (t.a && t.b && t.memory) {
        random_operands(&t);
        st = measure(run, isa, &t, err);
    } else st = shn_fail_nomem(err, "bench");
    free(t.a), free(t.b), free(t.memory);
    return st;
}
