/**
 * The text side of training: what a finding and a record are called, the frozen vectors of those texts, and their way through the
 * trained projection to unit embeddings, forward and backward.
 *
 *   v -> centred v' = unit(v/|v| - mean), mean over the findings' unit vectors  ->  y = P v'  ->  u = unit(y)
 *
 * Sentences of reports go the same way, centred on their own mean: reports are mostly in another language than the names, and that difference
 * would be all that a cosine sees.
 *
 * Rule `mean`: a record's vector is the normalised mean of its findings' v'. Projection is linear and u has unit length, so it is
 * computed as unit(sum of the findings' y): K + 1 projections per step whatever the batch.
 */
#ifndef SHN_TRAIN_TEXTS_H
#define SHN_TRAIN_TEXTS_H

#include "shinden/loss.h"
#include "shinden/text.h"
#include "train/reports.h"
#include "train/sets.h"

typedef struct shn_texts {
    size_t  K, D, E;
    int     joined;                     /* record_text is "joined" */
    char  **class_text, *none_text;     /* [K]; what a record without findings is called */
    float  *class_vector, *none_vector; /* [K][D], [D] as read */
    float  *mean;                       /* [D]; zeros when not centred */
    float  *set_vector;                 /* joined: [n_sets][D] as read, else NULL */
    size_t  n_sentences;                /* 0: reports are not read; and then no names either */
    float  *name_vector, *name_mean;    /* [K][D] of the findings' names, whatever the form: what is compared with sentences; [D] */
    float  *sentence_vector;            /* [n_sentences][D] as read */
    float  *sentence_mean;              /* [D]; zeros when not centred */
    size_t  n_rows;
    float  *rows;                       /* [n_rows][D] centred: findings, none, sets (joined), sentences */
    /* scratch of a step */
    size_t  n_used;
    float  *used, *used_t;              /* [n_used][D], [D][n_used]: findings, none, then the batch's sets (joined), the batch's sentences */
    double *wide;                       /* [E][D] projection, then its gradient */
    double *y, *d_y;                    /* [E][n_used] */
} shn_texts;

/** How the texts are chosen and prepared. */
typedef struct shn_texts_rule {
    const char    *form;            /* "random" "code" "name" "name+criterion" */
    int            japanese, joined, centre;
    const uint8_t *left_out;        /* [K] 1: not part of the mean; NULL: none */
    uint64_t       permute;         /* not 0: the findings' vectors are handed round by this seed, none keeps its own */
    const shn_reports *reports;     /* NULL: no sentences */
    const shn_vectors *sentences;   /* where their vectors come from */
} shn_texts_rule;

/** The texts of a batch: what the records' columns are. Borrowed; an array that the rule has no use for may be NULL. */
typedef struct shn_batch_texts {
    const uint32_t *set;            /* [B] the records' sets (joined) */
    const uint32_t *sentence;       /* [B] the sentence drawn for each record, SHN_NO_GROUP for none */
} shn_batch_texts;

/**
 * @param finding  [K] of the cohort (shn_cohort_finding), borrowed for the call
 * @param B_max    largest batch
 * Errors  SHN_MISMATCH  a text without vector (named), sentences of another width or language model;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_texts_new(const shn_vectors *vectors, const shn_finding *const *finding, size_t K, size_t E,
                                       const shn_texts_rule *rule, const shn_sets *sets, size_t B_max, shn_texts **out, shn_error *err);
void shn_texts_free(shn_texts *t);                                  /* accepts NULL */

/** Projects what the batch needs. */
void shn_texts_project(shn_texts *t, const float *projection, const shn_batch_texts *batch, size_t B);
/** y of the findings, out [K][E], not yet of unit length; of the records of the batch, out [B][E]. */
void shn_texts_classes(const shn_texts *t, float *out);
void shn_texts_records(const shn_texts *t, const shn_batch_labels *labels, float *out);
/** Of the batch's sentences, out [B][E]; zero rows where there is none. */
void shn_texts_sentences(const shn_texts *t, size_t B, float *out);
/** Gradients by those, ADDED to the step's d_y (zeroed by shn_texts_project). */
void shn_texts_classes_backward(shn_texts *t, const float *d_out);
void shn_texts_records_backward(shn_texts *t, const shn_batch_labels *labels, const float *d_out);
void shn_texts_sentences_backward(shn_texts *t, size_t B, const float *d_out);
/** d_projection [E][D] from the step's d_y, overwritten. */
void shn_texts_project_backward(shn_texts *t, float *d_projection);

#endif
