/**
 * The head of pre-training: E -> 256 -> 128 with a ReLU between, unit length at its end, and the loss of two crops of each record against all
 * others (symmetric InfoNCE, tau fixed). It is dropped afterwards: what pulls crops together in it need not be pulled together in z.
 *
 * Source  Chen et al. 2020, arXiv:2002.05709 (two views, a head that is dropped); the loss is that of rows and columns, as clip's.
 */
#ifndef SHN_TRAIN_VIEW_HEAD_H
#define SHN_TRAIN_VIEW_HEAD_H

#include "shinden/train.h"

enum { SHN_VIEW_HIDDEN = 256, SHN_VIEW_OUT = 128 };

typedef struct shn_view_head {
    shn_train_config config;
    size_t  E, B_max, n;
    size_t  w1, b1, w2, b2;         /* offsets: [E][256], [256], [256][128], [128] */
    float  *p, *g, *m, *v;          /* [n] */
    shn_loss_work *work;
    /* scratch of a step, rows are 2 B crops */
    double *wide, *sum;             /* [2B][max(E, 256)] */
    float  *hidden, *d_hidden;      /* [2B][256] after the ReLU */
    float  *out, *unit, *d_unit, *d_out;    /* [2B][128] */
    float  *w_t;                    /* [max(E, 128)][256] a weight, transposed */
    double *norm;                   /* [2B] */
    uint32_t *group;                /* [B] 0, 1, 2 ...: every record is its own */
} shn_view_head;

/** B_max: records per batch. Weights and biases start uniform within +-1/sqrt(inputs). Errors SHN_NOMEM, SHN_RANGE. */
SHN_NODISCARD shn_status shn_view_head_new(const shn_train_config *config, size_t B_max, shn_view_head **out, shn_error *err);
void shn_view_head_free(shn_view_head *h);              /* accepts NULL */
/** Loss of B records and its gradients: d_z and the head's g, both overwritten. z, d_z [2][B][E]: first crops, then second ones. */
SHN_NODISCARD shn_status shn_view_head_loss(shn_view_head *h, const float *z, size_t B, double *loss, float *d_z, shn_error *err);
double shn_view_head_gradient_square(const shn_view_head *h);
/** One AdamW step (count from 1); weights decay, biases do not. */
void shn_view_head_step(shn_view_head *h, double lr, uint64_t step, float grad_scale);

#endif
