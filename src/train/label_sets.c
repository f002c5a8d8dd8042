#include "train/label_sets.h"

#include <string.h>

static void pack_row(const uint8_t *label, const uint8_t *known, size_t K, uint64_t *pos, uint64_t *kn)
{
    memset(pos, 0, shn_label_words(K) * sizeof *pos);
    memset(kn, 0, shn_label_words(K) * sizeof *kn);
    for (size_t k = 0; k < K; k++) {
        if (!known[k]) continue;                /* the label of an unknown finding is not even looked at */
        kn[k / 64] |= (uint64_t)1 << k % 64;
        if (label[k]) pos[k / 64] |= (uint64_t)1 << k % 64;
    }
}

void shn_label_sets_pack(const shn_batch_labels *labels, shn_label_sets *sets)
{
    const size_t K = labels->K;
    sets->B = labels->B;
    sets->n_words = shn_label_words(K);
    for (size_t i = 0; i < labels->B; i++)
        pack_row(labels->label + i * K, labels->known + i * K, K, sets->pos + i * sets->n_words,
                 sets->known + i * sets->n_words);
}

/** Sum of weights over the bits of a word, in the order of the findings. */
static double weight_of(uint64_t bits, const float *weight)
{
    double sum = 0;
    for (; bits; bits &= bits - 1) sum += (double)weight[__builtin_ctzll(bits)];
    return sum;
}

static double jaccard_rows(const uint64_t *pa, const uint64_t *ka, const uint64_t *pb, const uint64_t *kb, size_t n_words,
                           const float *label_weight, int *weight)
{
    double   both = 0, either = 0;
    uint64_t common = 0, differ = 0;
    for (size_t w = 0; w < n_words; w++) {
        const uint64_t known = ka[w] & kb[w], inter = pa[w] & pb[w], joined = (pa[w] | pb[w]) & known;
        common |= known;
        differ |= ka[w] ^ kb[w];
        if (label_weight) {
            both += weight_of(inter, label_weight + w * 64);
            either += weight_of(joined, label_weight + w * 64);
        } else {
            both += (double)__builtin_popcountll(inter);
            either += (double)__builtin_popcountll(joined);
        }
    }
    *weight = common != 0;
    if (either > 0) return both / either;
    if (differ) *weight = 0;            /* two empty sets say the same only if they looked for the same */
    return *weight ? 1 : 0;
}

double shn_label_sets_jaccard(const shn_label_sets *s, size_t i, size_t j, const float *label_weight, int *weight)
{
    const size_t n = s->n_words;
    return jaccard_rows(s->pos + i * n, s->known + i * n, s->pos + j * n, s->known + j * n, n, label_weight, weight);
}

double shn_jaccard(const uint8_t *label_a, const uint8_t *known_a, const uint8_t *label_b, const uint8_t *known_b, size_t K,
                   const float *label_weight, int *weight)
{
    double   both = 0, either = 0;
    int      common = 0, differ = 0;
    for (size_t k = 0; k < K; k++) {
        differ |= !known_a[k] != !known_b[k];
        if (!known_a[k] || !known_b[k]) continue;
        const double w = label_weight ? (double)label_weight[k] : 1;
        common = 1;
        if (label_a[k] && label_b[k]) both += w;
        if (label_a[k] || label_b[k]) either += w;
    }
    *weight = common && !(either == 0 && differ);
    if (!*weight) return 0;
    return either > 0 ? both / either : 1;
}

int shn_label_sets_meet(const shn_label_sets *s, size_t i, size_t j)
{
    const uint64_t *a = s->known + i * s->n_words, *b = s->known + j * s->n_words;
    for (size_t w = 0; w < s->n_words; w++)
        if (a[w] & b[w]) return 1;
    return 0;
}

int shn_label_sets_equal(const shn_label_sets *s, size_t i, size_t j)
{
    const size_t n = s->n_words, bytes = n * sizeof *s->pos;
    return memcmp(s->pos + i * n, s->pos + j * n, bytes) == 0 && memcmp(s->known + i * n, s->known + j * n, bytes) == 0;
}

void shn_label_sets_targets(const shn_label_sets *s, const shn_pair_options *o, size_t i, double *target)
{
    const int jaccard = o->loss == SHN_LOSS_SIGLIP_JACCARD || o->loss == SHN_LOSS_JACCARD_SOFTMAX;
    for (size_t j = 0; j < s->B; j++) {
        int    weight = 1;
        double t;
        if (jaccard) {
            t = shn_label_sets_jaccard(s, i, j, o->label_weight, &weight);
            if (o->form == SHN_JACCARD_THRESHOLD) t = t >= o->threshold;
        } else {
            weight = shn_label_sets_meet(s, i, j);
            t = o->loss == SHN_LOSS_CLIP_MULTI ? shn_label_sets_equal(s, i, j) : i == j;
        }
        target[j] = weight ? t : SHN_NO_PAIR;
    }
}
