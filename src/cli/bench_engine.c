/** Rows of the encoder's engine: training steps and embedding of the default net on random records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/alloc.h"
#include "cli/bench_rows.h"
#include "compute/isa.h"

static const bench_shape shapes[] = {
    { "train_12x4992_b32", 1, 4992, 32, 1, 2, 0, 1, 1, NULL },     { "train_12x1000_b64", 1, 1000, 64, 1, 2, 1, 1, 1, NULL },
    { "train_12x250_b64", 1, 250, 64, 1, 2, 1, 1, 1, NULL },       { "train_12x1000_b8", 1, 1000, 8, 1, 0, 0, 0, 0, NULL },
    { "train_12x1000_b256", 1, 1000, 256, 1, 0, 0, 0, 0, NULL },   { "train_12x1000_b1024_in_16", 1, 1000, 1024, 16, 0, 0, 0, 0, NULL },
    { "infer_12x4992_b32", 0, 4992, 32, 1, 2, 0, 1, 1, NULL },     { "infer_12x1000_b64", 0, 1000, 64, 1, 0, 1, 1, 1, NULL },
    { "latency_12x4992", 0, 4992, 1, 1, 2, 1, 0, 0, NULL },        { "latency_12x1000", 0, 1000, 1, 1, 1, 0, 0, 0, NULL },
};

/** held: the engine has the records on its device, as in training, and makes its windows from crops. */
typedef struct bench_net { shn_encoder enc; float *params, *state, *x, *z, *d_z; shn_engine *engine; size_t T; int16_t *rows; shn_crop *crops; int held; } bench_net;

static shn_status forward(bench_net *n, size_t at, size_t part, int update_state, shn_error *err)
{
    float *z = n->z + at * n->enc.config.embed;
    return n->held ? shn_engine_forward_crops(n->engine, n->crops + at, part, update_state, z, err)
                   : shn_engine_forward(n->engine, n->x + at * n->T * n->enc.config.n_leads, part, update_state, z, err);
}

static shn_status step(bench_net *n, const bench_shape *s, uint64_t number, shn_error *err)
{
    const shn_adamw hyper = { .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.05f };
    const size_t part = s->B / s->parts, row = s->T * n->enc.config.n_leads, E = n->enc.config.embed;
    shn_status   st = SHN_OK;
    if (!s->train) return shn_engine_embed(n->engine, n->x, s->B, n->z, err);
    for (size_t at = 0; s->parts > 1 && at < s->B && st == SHN_OK; at += part)
        st = forward(n, at, part, 0, err);
    shn_engine_zero_gradient(n->engine);
    for (size_t at = 0; at < s->B && st == SHN_OK; at += part) {
        st = forward(n, at, part, 1, err);
        if (st == SHN_OK) st = shn_engine_backward(n->engine, n->x + at * row, n->d_z + at * E, part, err);
    }
    if (st == SHN_OK) st = shn_engine_step(n->engine, &hyper, number, 1, err);
    return st;
}

/**
 * Bytes that the passes move per record if nothing but one chunk stayed in cache: each convolution result is written once and read by the
 * next convolution's input, BN's backward pass, the weight gradient and ReLU's mask; the gradient of each output is written and read,
 * and block outputs are made from one more result. Embedding writes and reads each result once. The optimizer and packing move 40 bytes
 * per parameter and step.
 */
static double bytes_per_record(const bench_net *n, const bench_shape *s, size_t element)
{
    double values = 0;
    for (size_t i = 0; i < n->enc.n_units; i++) {
        const shn_unit *u = &n->enc.units[i];
        const double    out = (double)shn_encoder_length(&n->enc, (int)i + 1, s->T) * u->out_channels;
        values += s->train ? ((u->max_pool ? 2 : 1) * 5 * out + 3 * out) * (s->parts > 1 ? 4. / 3 : 1) : 2 * out;
    }
    const double per_step = s->train ? 40.0 * (double)n->enc.n_params : 4.0 * (double)n->enc.n_params;
    return values * (double)element + per_step / (double)s->B;
}

static const int16_t *row_at(const void *context, size_t i)
{
    const bench_net *n = context;
    return n->rows + i * n->T * SHN_CROP_LEADS;
}

/** Records for an engine that can hold them, and the windows of a batch with the usual augmentation. */
static shn_status hold(bench_net *n, const bench_shape *s, shn_error *err)
{
    n->rows = shn_alloc(s->B * s->T * SHN_CROP_LEADS, sizeof *n->rows);
    n->crops = shn_alloc(s->B, sizeof *n->crops);
    if (!n->rows || !n->crops) return shn_fail_nomem(err, "bench");
    for (size_t i = 0; i < s->B * s->T * SHN_CROP_LEADS; i++) n->rows[i] = (int16_t)(1000 * n->x[i]);
    for (size_t b = 0; b < s->B; b++) {
        n->crops[b] = (shn_crop){ .row = (uint32_t)b, .n_valid = (uint32_t)s->T, .factor = 1.1f, .noise = 0.05, .key = b, .dropped = b % 8 == 0 };
        for (size_t l = 0; l < SHN_CROP_LEADS; l++) n->crops[b].gain[l] = 1e-3f;
    }
    return shn_engine_rows(n->engine, s->B, s->T, INT16_MIN, row_at, n, &n->held, err);
}

static shn_status prepare(bench_net *n, const bench_run *run, const bench_shape *s, unsigned threads, shn_precision precision, shn_error *err)
{
    shn_encoder_config c;
    shn_engine_options o;
    shn_encoder_defaults(&c);
    shn_status st = shn_encoder_build(&c, &n->enc, err);
    if (st != SHN_OK) return st;
    n->T = s->T;
    const size_t n_x = s->B * s->T * c.n_leads, n_z = s->B * c.embed;
    n->params = shn_alloc(n->enc.n_params, sizeof(float));
    n->state = shn_alloc(n->enc.n_state, sizeof(float));
    n->x = shn_alloc_aligned(n_x, sizeof(float));
    n->z = shn_alloc(n_z, sizeof(float));
    n->d_z = shn_alloc(n_z, sizeof(float));
    if (!n->params || !n->state || !n->x || !n->z || !n->d_z) return shn_fail_nomem(err, "bench");
    shn_encoder_init(&n->enc, 1, n->params, n->state);
    bench_fill(n->x, n_x, 2);
    bench_fill(n->d_z, n_z, 3);
    shn_engine_defaults(&o);
    if (s->engine) o.name = s->engine;
    o.n_threads = threads;
    o.isa = run->isa;
    o.precision = precision;
    o.winograd = run->winograd;
    st = shn_engine_new(&n->enc, s->T, s->B / s->parts, s->train, &o, &n->engine, err);
    if (st == SHN_OK) shn_engine_set(n->engine, n->params, n->state);
    return st == SHN_OK && s->engine && s->train ? hold(n, s, err) : st;
}

static void release(bench_net *n)
{
    shn_engine_free(n->engine);
    free(n->params), free(n->state), free(n->x), free(n->z), free(n->d_z), free(n->rows), free(n->crops);
}

/** Steps until the time is up, at least 3; the first two are not counted. */
static shn_status repeat(bench_net *n, const bench_run *run, const bench_shape *s, double *median, double *spread, shn_error *err)
{
    enum { MOST = 200 };
    double       times[MOST];
    size_t       done = 0;
    shn_status   st = SHN_OK;
    const double budget = run->quick ? 2 : 8;
    /* a rate of one thread is in processor time, so that neighbours do not count; a latency is what somebody waits for */
    double (*const clock)(void) = shn_engine_n_threads(n->engine) == 1 && s->B > 1 && !s->engine ? bench_thread_now : bench_now;
    for (uint64_t k = 1; k <= 2 && st == SHN_OK; k++) st = step(n, s, k, err);
    const double start = bench_now();
    while (st == SHN_OK && done < MOST && (done < 3 || bench_now() - start < budget)) {
        const double at = clock();
        st = step(n, s, done + 3, err);
        times[done++] = clock() - at;
        if (st == SHN_OK) st = bench_tell(run, s->name, err);
    }
    if (st == SHN_OK) *median = bench_median(times, done, spread);
    return st;
}

shn_status bench_encoder(bench_run *run, const bench_shape *s, unsigned threads, shn_precision precision, const bench_limits *limits, shn_error *err)
{
    static const char *const suffix[] = { [SHN_PRECISION_AUTO] = "", [SHN_PRECISION_F32] = "_f32", [SHN_PRECISION_BF16] = "_bf16", [SHN_PRECISION_TF32] = "_tf32" };
    double     median = 1;
    bench_row  row = { .threads = threads, .ratio = NAN };
    shn_isa    isa = SHN_ISA_BASE;
    snprintf(row.name, sizeof row.name, "%s%s", s->name, suffix[precision]);
    if (!bench_wants(run, row.name)) return SHN_OK;
    bench_net *n = shn_alloc(1, sizeof *n);
    if (!n) return shn_fail_nomem(err, "bench");
    shn_status st = prepare(n, run, s, threads, precision, err);
    if (st == SHN_OK) st = repeat(n, run, s, &median, &row.spread, err);
    if (st == SHN_OK) st = shn_isa_choose(run->isa, &isa, err);
    if (st == SHN_OK) {
        const int    bf16 = strstr(shn_engine_describe(n->engine), "bf16") != NULL, all = threads > 1;
        const int    latency = strstr(s->name, "latency") != NULL;
        const double flops = shn_encoder_flops(&n->enc, s->T), records = (double)s->B / median;
        /* a training step is three forward passes less the stem's data gradient */
        const double work = s->train ? (s->parts > 1 ? 4 : 3) * flops - 2.0 * 12 * 64 * 7 * (double)(s->T / 2) : flops;
        snprintf(row.unit, sizeof row.unit, latency ? "ms" : "records/s");
        snprintf(row.isa, sizeof row.isa, "%s", limits ? limits->isa : shn_isa_name(isa));
        snprintf(row.precision, sizeof row.precision, bf16 ? "bf16" : precision == SHN_PRECISION_TF32 ? "tf32" : "f32");
        row.value = latency ? median * 1e3 : records;
        row.peak_fraction = work * records / 1e9 / (limits ? limits->peak : bf16 ? run->peak_bf16[all] : run->peak_f32[all]);
        row.bandwidth_fraction = bytes_per_record(n, s, bf16 ? 2 : 4) * records / 1e9 / (limits ? limits->bandwidth : run->bandwidth[all]);
        if (s->peer && (threads == run->threads_all || s->engine)) st = bench_against_peer(run, s->name, &row, err);
    }
    release(n);
    free(n);
    return st == SHN_OK ? bench_add(run, &row, err) : st;
}

shn_status bench_engine(bench_run *run, shn_error *err)
{
    shn_isa    isa;
    shn_status st = shn_isa_choose(run->isa, &isa, err);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && st == SHN_OK; i++) {
        const bench_shape *s = &shapes[i];
        if (run->quick && !s->quick) continue;
        if (s->one_thread > 0 || run->threads_all == 1) st = bench_encoder(run, s, 1, SHN_PRECISION_AUTO, NULL, err);
        if (st == SHN_OK && s->one_thread != 1 && run->threads_all > 1) st = bench_encoder(run, s, run->threads_all, SHN_PRECISION_AUTO, NULL, err);
        /* where both precisions have products, the one that AUTO does not take is shown, too */
        if (st == SHN_OK && !run->quick && isa >= SHN_ISA_AVX512 && !isnan(run->peak_bf16[0]) && s->bf16)
            st = bench_encoder(run, s, run->threads_all, isa == SHN_ISA_AMX ? SHN_PRECISION_F32 : SHN_PRECISION_BF16, NULL, err);
    }
    return st;
}
