/** What the engine's tests share: nets, random inputs, and distances between arrays. */
#ifndef SHN_TESTS_ENGINE_SUPPORT_H
#define SHN_TESTS_ENGINE_SUPPORT_H

#include "harness.h"

#include <math.h>

#include "base/random.h"
#include "shinden/engine.h"

typedef struct net {
    shn_encoder enc;
    float      *params, *state;
} net;

static inline float *floats(size_t n)
{
    float *p = calloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static inline float *noise(uint64_t seed, size_t n)
{
    float  *p = floats(n);
    shn_rng r = shn_rng_stream(seed, 99, 0, 0);
    for (size_t i = 0; i < n; i++) p[i] = (float)shn_rng_normal(&r);
    return p;
}

/** First weights with gamma, beta and running statistics moved off their round values, so that no term can hide. */
static inline net *net_new(const shn_encoder_config *config, uint64_t seed)
{
    shn_error err;
    net *n = calloc(1, sizeof *n);
    assert_ok(shn_encoder_build(config, &n->enc, &err));
    n->params = floats(n->enc.n_params);
    n->state = floats(n->enc.n_state);
    shn_encoder_init(&n->enc, seed, n->params, n->state);
    shn_rng r = shn_rng_stream(seed, 98, 0, 0);
    for (size_t u = 0; u < n->enc.n_units; u++)
        for (size_t c = 0; c < n->enc.units[u].out_channels; c++) {
            n->params[n->enc.units[u].gamma + c] = (float)(1 + 0.2 * shn_rng_normal(&r)) * (c % 7 == 3 ? -1 : 1);
            n->params[n->enc.units[u].beta + c] = (float)(0.2 * shn_rng_normal(&r));
            n->state[n->enc.units[u].mean + c] = (float)(0.2 * shn_rng_normal(&r));
            n->state[n->enc.units[u].var + c] = (float)(0.5 + shn_rng_uniform(&r));
        }
    return n;
}

static inline void net_free(net *n)
{
    free(n->params);
    free(n->state);
    free(n);
}

static inline shn_engine *engine_tiled(const net *n, const char *name, size_t n_samples, size_t batch_max, unsigned threads,
                                       shn_precision precision, unsigned winograd)
{
    shn_error          err;
    shn_engine        *e;
    shn_engine_options o;
    shn_engine_defaults(&o);
    o.name = name;
    o.n_threads = threads;
    o.precision = precision;
    o.winograd = winograd;
    assert_ok(shn_engine_new(&n->enc, n_samples, batch_max, 1, &o, &e, &err));
    shn_engine_set(e, n->params, n->state);
    return e;
}

static inline shn_engine *engine_new(const net *n, const char *name, size_t n_samples, size_t batch_max, unsigned threads,
                                     shn_precision precision)
{
    return engine_tiled(n, name, n_samples, batch_max, threads, precision, 6);
}

/** |a - b| / |b| in the L2 norm. */
static inline double distance(const float *a, const float *b, size_t n)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)b[i] * b[i];
    }
    return s > 0 ? sqrt(d / s) : sqrt(d);
}

static const shn_encoder_config narrow = { .n_leads = 12, .width = 8, .blocks = { 1, 1, 1, 1 }, .max_pool = 1, .embed = 5 };

static inline void assert_same(const float *a, const float *b, size_t n, const char *what)
{
    if (memcmp(a, b, n * sizeof *a) != 0) fail_msg("%s: bits differ (distance %g)", what, distance(a, b, n));
}

#endif
