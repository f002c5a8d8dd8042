/** What an engine implements; engine.c checks arguments once for all of them and hands over. */
#ifndef SHN_ENGINE_OPS_H
#define SHN_ENGINE_OPS_H

#include "shinden/engine.h"

typedef struct shn_engine_ops {
    void       (*free)(void *self);
    void       (*set)(void *self, const float *params, const float *state);
    void       (*get)(const void *self, float *params, float *state);
    void       (*set_moments)(void *self, const float *m, const float *v);
    void       (*get_moments)(const void *self, float *m, float *v);
    shn_status (*embed)(void *self, const float *x, size_t B, float *z, shn_error *err);
    shn_status (*forward)(void *self, const float *x, size_t B, int update_state, float *z, shn_error *err);
    shn_status (*backward)(void *self, const float *x, const float *d_z, size_t B, int last, shn_error *err);
    void       (*explain)(const void *self, size_t unit, char text[SHN_EXPLAIN_MAX]);
    void       (*zero_gradient)(void *self);
    void       (*get_gradient)(const void *self, float *gradient);
    double     (*gradient_square)(const void *self);
    shn_status (*step)(void *self, const shn_adamw *hyper, uint64_t step, float grad_scale, shn_error *err);
    shn_status (*rows)(void *self, size_t n_rows, size_t n_samples, int16_t gap, const int16_t *(*row)(const void *context, size_t i), const void *context,
                       int *taken, shn_error *err);             /* NULL, as the next: holds no rows */
    shn_status (*forward_crops)(void *self, const shn_crop *crops, size_t B, int update_state, float *z, shn_error *err);
    shn_status (*check)(const void *self, shn_error *err);      /* NULL: set, get and their like cannot fail */
} shn_engine_ops;

/** What a constructor fills: the functions, its own object, a one-line description, its threads. */
typedef struct shn_engine_made {
    const shn_engine_ops *ops;
    void                 *self;
    char                  describe[96];
    char                  kernels[64];
    unsigned              n_threads;
} shn_engine_made;

typedef shn_status shn_engine_maker(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                                    const shn_engine_options *options, shn_engine_made *out, shn_error *err);
shn_engine_maker shn_engine_new_ref, shn_engine_new_cpu, shn_engine_new_cuda;

/** shn_engine_new with a constructor instead of a name: tests run engines on devices of their own. */
SHN_NODISCARD shn_status shn_engine_make(shn_engine_maker *maker, const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                                         const shn_engine_options *options, shn_engine **out, shn_error *err);

#endif
