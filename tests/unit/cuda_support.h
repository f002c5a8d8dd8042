/** What the cuda engine's tests share: engines on the host device of gpu_host.h, and on the GPU where there is one. */
#ifndef SHN_TESTS_CUDA_SUPPORT_H
#define SHN_TESTS_CUDA_SUPPORT_H

#include "engine_support.h"

#include "engine/cuda/cuda.h"
#include "gpu_host.h"

static inline shn_status new_on_host(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training, const shn_engine_options *options,
                              shn_engine_made *out, shn_error *err)
{
    return cuda_engine_new(host_open(), enc, n_samples, batch_max, training, options, out, err);
}

typedef enum place { ON_HOST, ON_GPU } place;

static inline shn_status try_engine(const net *n, place where, size_t T, size_t B, int training, shn_precision precision, shn_engine **out, shn_error *err)
{
    shn_engine_options o;
    shn_engine_defaults(&o);
    o.name = "cuda";
    o.precision = precision;
    const shn_status st = where == ON_GPU ? shn_engine_new(&n->enc, T, B, training, &o, out, err)
                                          : shn_engine_make(new_on_host, &n->enc, T, B, training, &o, out, err);
    if (st == SHN_OK) shn_engine_set(*out, n->params, n->state);
    return st;
}

static inline shn_engine *cuda_engine_of(const net *n, place where, size_t T, size_t B, shn_precision precision)
{
    shn_error   err;
    shn_engine *e;
    assert_ok(try_engine(n, where, T, B, 1, precision, &e, &err));
    return e;
}

/** Skips the test, saying why, where there is no GPU. */
static inline void need_gpu(void)
{
    shn_error   err;
    shn_engine *e = NULL;
    net        *n = net_new(&narrow, 1);
    const shn_status st = try_engine(n, ON_GPU, 40, 2, 0, SHN_PRECISION_F32, &e, &err);
    shn_engine_free(e);
    net_free(n);
    if (st == SHN_OK) return;
    if (st != SHN_UNSUPPORTED) fail_msg("[%s] %s", err.where, err.text);
    printf("skipped: %s\n", err.text);
    skip();
}

static const shn_adamw hyper = { .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.05f };

#endif
