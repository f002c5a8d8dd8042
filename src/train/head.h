/**
 * What is trained beside the encoder, as one block with its gradient and moments: the text projection, t and b of the pair loss,
 * t, b and b_k of the class columns, t of the report sentences, bce's linear head. And the loss of a batch from the encoder's outputs.
 */
#ifndef SHN_TRAIN_HEAD_H
#define SHN_TRAIN_HEAD_H

#include "shinden/train.h"
#include "train/texts.h"

enum { HEAD_PROJECTION, HEAD_PAIR_SCALE, HEAD_PAIR_BIAS, HEAD_CLASS_SCALE, HEAD_CLASS_BIAS, HEAD_FINDING_BIAS, HEAD_WEIGHT, HEAD_SENTENCE_SCALE, HEAD_PARTS };

typedef struct shn_head_part {
    size_t offset, size;            /* in floats; size 0: this loss has none */
    int    trained, decay;
    double lr_scale;
} shn_head_part;

/** How often findings occur in the training records. */
typedef struct shn_counts { const uint32_t *n_pos, *n_known; } shn_counts;

typedef struct shn_head {
    shn_train_config config;
    size_t  K, D, E, B_max, n;
    shn_head_part part[HEAD_PARTS];
    float  *p, *g, *m, *v;          /* [n] parameters, gradient, moments */
    float  *label_weight;           /* [K] inside J; NULL when all weigh 1 */
    shn_pair_options pair;
    shn_loss_work *work;
    double  sentence_loss;          /* of the last batch, before its weight; for the log */
    /* scratch of a step */
    float  *e, *d_e, *d_x;          /* [B][E] */
    float  *u, *d_u, *r, *d_r;      /* [max(B, K)][E] unit texts and their gradients; before they had unit length */
    double *norm_e, *norm_u;        /* [B], [max(B, K)] */
} shn_head;

/**
 * @param D      width of text vectors; 0 for bce without sentences
 * Initial values: docs/training.md. Those of the pair bias are set by shn_head_set_pair_bias.
 * Errors  SHN_NOMEM, SHN_RANGE
 */
SHN_NODISCARD shn_status shn_head_new(const shn_train_config *config, size_t K, size_t D, size_t B_max, shn_counts counts, shn_head **out,
                                      shn_error *err);
void shn_head_free(shn_head *h);                                    /* accepts NULL */
static inline float *shn_head_at(const shn_head *h, int part) { return h->p + h->part[part].offset; }
/** b0 = logit of the mean pair target. */
void shn_head_set_pair_bias(shn_head *h, double mean_target);

/**
 * Loss of a batch and its gradients: d_z [B][E] and the head's g, both overwritten.
 * @param texts  NULL for bce without sentences
 */
SHN_NODISCARD shn_status shn_head_loss(shn_head *h, shn_texts *texts, const shn_batch_labels *labels, const shn_batch_texts *batch,
                                       const float *z, double *loss, float *d_z, shn_error *err);
/** Sum of squares of the gradient of what is trained. */
double shn_head_gradient_square(const shn_head *h);
/** One AdamW step (count from 1) at learning rate lr, gradients times grad_scale; t is then kept at most at its cap. */
void shn_head_step(shn_head *h, double lr, uint64_t step, float grad_scale);

#endif
