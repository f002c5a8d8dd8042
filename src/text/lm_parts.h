/** What the forward pass is put together from; each works on whole rows and knows no threads. */
#ifndef SHN_TEXT_LM_PARTS_H
#define SHN_TEXT_LM_PARTS_H

#include <stddef.h>

#include "text/weights.h"

/** y = x / sqrt(mean(x^2) + eps) * w. y may be x. Source: Zhang and Sennrich 2019, arXiv:1910.07467. */
void shn_lm_rms_norm(const float *x, const float *w, size_t n, double eps, float *y);
/** y = (x - mean) / sqrt(var + eps) * w + b, var over n. y may be x. Source: Ba et al. 2016, arXiv:1607.06450. */
void shn_lm_layer_norm(const float *x, const float *w, const float *b, size_t n, double eps, float *y);

/** cos and sin [positions][head_size / 2] of position * theta^(-2i / head_size) / divisor[i]; divisor NULL: 1. */
void shn_lm_rope_table(size_t positions, size_t head_size, double theta, const float *divisor, float *cosine, float *sine);
/** Turns the pairs of one head by the row of a table; interleaved: (2i, 2i+1), else (i, i + head_size/2). */
void shn_lm_rope(float *head, size_t head_size, const float *cosine, const float *sine, int interleaved);

/**
 * Attention of one head inside one text: out[i] = sum_j softmax_j(q[i] . k[j] / sqrt(head_size)) v[j], j <= i if causal.
 * Position i lies in row[i] of all four; strides in floats.
 * @param[in]  first   positions before it are read only: another text with the same beginning has their results (0 unless causal)
 * @param      scores  [P] scratch
 */
typedef struct shn_lm_head { const float *q, *k, *v; float *out; size_t q_stride, kv_stride, out_stride, size; const uint32_t *row; } shn_lm_head;
void shn_lm_attend(const shn_lm_head *head, size_t first, size_t P, int causal, float *scores);

/** y[i] = act(y[i]). */
void shn_lm_activate(shn_lm_activation kind, float *y, size_t n);

#endif
