/** Scratch shared by the loss functions: one block, carved in the order written here. */
#ifndef SHN_TRAIN_LOSS_WORK_H
#define SHN_TRAIN_LOSS_WORK_H

#include "train/label_sets.h"

struct shn_loss_work {
    size_t    B_max, E, K, chunk, bytes;    /* chunk at most B_max */
    void     *block;
    double   *dot, *grad, *target;      /* [chunk][max(B, K)] cosines, d loss / d logit, targets of the rows at hand */
    double   *x, *d_x;                  /* [chunk][E] their ECG vectors, widened, and gradients */
    double   *d_c;                      /* [max(B, K)][E] gradient of the columns, summed over the chunks */
    double   *row_lse, *target_sum;     /* [B] */
    double   *column_max, *column_sum;  /* [B] running log-sum-exp of the columns */
    float    *c_t;                      /* [E][max(B, K)] the columns' vectors, transposed */
    shn_label_sets sets;                /* [B] */
};

#endif
