/**
 * Losses on embeddings: [B][E] vectors of ECGs and of texts in, one number and exact gradients out. They know no engine, no
 * file and no optimiser. Formulas and reasons: docs/losses.md.
 *
 * Memory is O(chunk x B + B x E): the pair matrix never exists as a whole, and the result does not depend on `chunk`, to the
 * bit. Sums are double and in a fixed order. What a record is not known to have or not to have never reaches a result.
 */
#ifndef SHINDEN_LOSS_H
#define SHINDEN_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum shn_loss { SHN_LOSS_BCE, SHN_LOSS_CLIP, SHN_LOSS_CLIP_MULTI, SHN_LOSS_SIGLIP, SHN_LOSS_SIGLIP_JACCARD,
                        SHN_LOSS_JACCARD_SOFTMAX, SHN_LOSS_CLASS_COLUMNS, SHN_LOSS_COUNT } shn_loss;
const char *shn_loss_name(shn_loss loss);               /**< "bce" "clip" ... as on the command line; "" outside the list */
shn_loss    shn_loss_from_name(const char *name);       /**< SHN_LOSS_COUNT if none */
/** 1 if pairs of records are compared (all but bce and class-columns). */
int         shn_loss_is_pair(shn_loss loss);
/** 1 if the pair logits carry a bias b (the sigmoid losses). */
int         shn_loss_has_bias(shn_loss loss);

/** How the Jaccard similarity J of two records' finding sets becomes the target of a pair; see docs/losses.md. */
typedef enum shn_jaccard_form {
    SHN_JACCARD_SOFT,           /**< J1: BCE against J */
    SHN_JACCARD_GRADED,         /**< J2: -log s(z l) with z = 2J - 1 */
    SHN_JACCARD_WEIGHTED,       /**< J3: -J log s(l) where J > 0, -log s(-l) where J = 0 */
    SHN_JACCARD_THRESHOLD       /**< J4: target 1 where J >= threshold, else 0 */
} shn_jaccard_form;

/** Labels of a batch, [B][K] of 0/1 each; B >= 1, 1 <= K. label is read only where known is 1. */
typedef struct shn_batch_labels { const uint8_t *label, *known; size_t B, K; } shn_batch_labels;

#define SHN_LOGIT_SCALE_MAX 100.0   /**< t = exp(log_scale) is used at most at this value (as CLIP does) */

typedef struct shn_pair_options {
    shn_loss         loss;          /**< a pair loss */
    shn_jaccard_form form;          /**< siglip-jaccard; jaccard-softmax takes SOFT and THRESHOLD */
    double           threshold;     /**< for SHN_JACCARD_THRESHOLD, in (0, 1] */
    const float     *label_weight;  /**< [K] weight of each finding inside J, > 0; NULL: all 1 */
    size_t           chunk;         /**< rows of the pair matrix held at a time, >= 1 */
} shn_pair_options;

/** Scratch of the loss functions for batches up to B_max; reused from step to step. */
typedef struct shn_loss_work shn_loss_work;
/**
 * @param B_max, E  largest batch and the width of the embeddings, >= 1
 * @param K         findings (class columns, label sets), >= 1
 * @param chunk     as in shn_pair_options
 * Errors  SHN_RANGE, SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_loss_work_new(size_t B_max, size_t E, size_t K, size_t chunk, shn_loss_work **out, shn_error *err);
void   shn_loss_work_free(shn_loss_work *work);                 /**< accepts NULL */
size_t shn_loss_work_bytes(const shn_loss_work *work);          /**< what it holds, for tests and the memory budget */

/**
 * A pair loss of one batch of matched ECGs and record texts.
 *
 *   l_ij = t e_i.u_j + b, t = exp(log_scale), rows are ECGs, columns texts; the text of record i is column i
 *   clip              (mean of CE over rows + mean of CE over columns) / 2, target of row i is column i; no b
 *   clip-multi        the same, the target uniform over the records of the batch with the same findings and the same known ones
 *   siglip            sum over pairs of BCE(l_ij, i = j), divided by B
 *   siglip-jaccard    sum over pairs of BCE(l_ij, J_ij), divided by B (or another form)
 *   jaccard-softmax   as clip, the target of row i being J_ij / sum_j J_ij
 *
 * Pairs of records with nothing known to both have weight 0 in every loss: no term, no share in a softmax. With a Jaccard target
 * so do pairs of two empty sets that know different findings. A row (column) without its own pair takes no part in a mean.
 *
 * @param[in]  e, u       [B][E], rows of unit L2 norm (not checked here)
 * @param[in]  log_scale  log t, dimensionless; t is taken at most at SHN_LOGIT_SCALE_MAX
 * @param[in]  bias       b, ignored by the losses without one
 * @param[out] d_e, d_u   [B][E] gradients, overwritten
 * @param[out] d_log_scale, d_bias  gradients; d_log_scale is that of the formula also at the cap; d_bias 0 without a b
 * @param[out] loss       in nats
 * Errors  SHN_RANGE  B above B_max or below 2, no pair loss, a form the loss does not have
 *
 * Source  clip: Radford et al. 2021, arXiv:2103.00020, fig. 3; siglip: Zhai et al. 2023, arXiv:2303.15343, alg. 1;
 *         Jaccard targets: the idea of arXiv:2602.10553, its exact formula not being public.
 */
SHN_NODISCARD shn_status shn_pair_loss(shn_loss_work *work, const shn_pair_options *options, const shn_batch_labels *labels,
                                       const float *e, const float *u, double log_scale, double bias, double *loss, float *d_e,
                                       float *d_u, double *d_log_scale, double *d_bias, shn_error *err);

#define SHN_NO_GROUP UINT32_MAX         /**< in place of a group: the record takes no part */
/**
 * A softmax loss over groups: the records of a batch that share a group (said the same sentence) are each other's positives. With
 * groups all different it is clip: what two crops of each record are to each other in pre-training.
 *
 *   l_ij = t e_i.u_j;  loss = (mean of CE over rows + mean of CE over columns) / 2, the target of row i uniform over the
 *   records of its group; records of SHN_NO_GROUP have no row, no column and no share in a softmax
 *
 * @param[in]  group [B], e, u [B][E]  unit rows (not read where there is no group); log_scale as in shn_pair_loss
 * @param[out] d_e, d_u [B][E]  gradients, overwritten (zero rows without a group);  loss in nats, 0 when no record has a group
 * Errors  SHN_RANGE  B is 0 or above B_max
 */
SHN_NODISCARD shn_status shn_group_loss(shn_loss_work *work, const uint32_t *group, size_t B, const float *e, const float *u,
                                        double log_scale, double *loss, float *d_e, float *d_u, double *d_log_scale, shn_error *err);

/**
 * Class columns, and bce, whose head is the same sum: BCE of every record against every finding it is known to have or not.
 *
 *   s_ik = t x_i.c_k + b + b_k;  loss = sum over known (i, k) of BCE(s_ik, label_ik), divided by B
 *
 * Raw ECG side and bce: log_scale 0 (t = 1, its gradient is then not used), x the encoder's output as it is; bce: c the head's
 * weights and b 0. Unit side: x and c unit vectors.
 *
 * @param[in]  x [B][E], c [K][E], b_k [K]
 * @param[out] d_x [B][E], d_c [K][E], d_bk [K]  gradients, overwritten; d_log_scale, d_bias
 * Errors  SHN_RANGE  B above B_max, K other than at shn_loss_work_new
 */
SHN_NODISCARD shn_status shn_class_loss(shn_loss_work *work, const shn_batch_labels *labels, const float *x, const float *c,
                                        double log_scale, double bias, const float *b_k, double *loss, float *d_x, float *d_c,
                                        double *d_log_scale, double *d_bias, float *d_bk, shn_error *err);

/**
 * Jaccard similarity of two records' findings over what is known to both, with optional weights per finding.
 * @param[out] weight  1, or 0 for a pair that takes no part: nothing known to both, or two empty sets with different known findings
 * @return     J in [0, 1]; 0 when *weight is 0
 */
double shn_jaccard(const uint8_t *label_a, const uint8_t *known_a, const uint8_t *label_b, const uint8_t *known_b, size_t K,
                   const float *label_weight, int *weight);

/**
 * Mean pair target of a batch over the pairs that take part, for the initial b: 1/B for siglip (identity), mean J (mean of J >= c
 * for the threshold form) for siglip-jaccard, both with the diagonal.
 * @param[out] sum, count  added to, so that several batches can be pooled
 */
SHN_NODISCARD shn_status shn_pair_target_sum(shn_loss_work *work, const shn_pair_options *options, const shn_batch_labels *labels,
                                             double *sum, double *count, shn_error *err);
/** log(p / (1 - p)) with p kept inside [1e-4, 1 - 1e-4]: the rule for every initial probability. */
double shn_initial_logit(double p);

/** e [n][E] = z / |z|, norm [n]; a zero row stays zero and has norm 0. */
void shn_unit_rows(const float *z, size_t n, size_t E, float *e, double *norm);
/** d_z [n][E] = (d_e - e (e.d_e)) / |z|, ADDED to d_z; rows of norm 0 add nothing. */
void shn_unit_rows_backward(const float *e, const double *norm, const float *d_e, size_t n, size_t E, float *d_z);

#ifdef __cplusplus
}
#endif
#endif
