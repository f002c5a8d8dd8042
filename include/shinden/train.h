/** Training: from a cohort and a loss to a model. Killed at any moment and resumed, it ends with the same bits. */
#ifndef SHINDEN_TRAIN_H
#define SHINDEN_TRAIN_H

#include "shinden/cohort.h"
#include "shinden/engine.h"
#include "shinden/loss.h"
#include "shinden/model.h"
#include "shinden/progress.h"
#include "shinden/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_train_config {
    shn_loss loss;
    uint64_t seed;                  /**< 1 */
    char     split[64];             /**< "train" */
    /* encoder */
    shn_encoder_config encoder;
    double   crop_seconds;          /**< 2.5; 0: whole records */
    uint32_t n_windows;             /**< 7 test windows (1 when not cropped) */
    shn_reduce reduce;              /**< mean */
    shn_norm norm;                  /**< global */
    /* optimisation */
    uint32_t epochs, batch_size, accum_freq;    /**< 30, 64, 1 */
    double   lr, wd, beta1, beta2, eps, warmup, grad_clip_norm; /**< by loss; 0.01; 0.9; 0.98; 1e-8; 0.05 of the steps; 5 */
    double   lr_text_scale;         /**< learning rate of the projection relative to lr */
    /* loss */
    double   temperature;           /**< 0.07 (clip family) */
    int      learn_temperature;     /**< 0 for the clip family, 1 for sigmoid losses */
    shn_jaccard_form jaccard_form;
    double   jaccard_threshold;     /**< 0.5, for the threshold form */
    double   label_weight_power;    /**< a: labels weigh prevalence^-a inside J; 0 */
    double   class_columns;         /**< weight of class columns added to the loss; 0 */
    int      ecg_norm_raw;          /**< class columns: 1 z.c_k, 0 t e.c_k */
    size_t   chunk;                 /**< rows of the pair matrix at a time; 256 */
    /* text */
    char     text_form[32];         /**< "name-en" "name-ja" "code" */
    char     record_text[16];       /**< "mean" or "joined" */
    int      centre;                /**< 1 */
    /* augmentation */
    double   gain, noise, wander, lead_dropout; /**< sd of log gain 0.1; sd in units of the input's sd 0.05; wander mV 0; probability per lead 0.1 */
    /* run */
    shn_precision precision;
    char     engine[16];
    unsigned n_threads;
    uint32_t checkpoint_seconds;    /**< 60: also one at every epoch's end */
    int      resume;
    uint64_t permute_labels;        /**< 0; else the seed of a shuffle of labels between patients (a control) */
    char     stop_after[32];        /**< tests only: "" or "step:N", ends as if cancelled */
} shn_train_config;
/** The best recipe known for the loss, scaled to the record's length and rate (may be 0 when not known yet). */
void shn_train_defaults(shn_loss loss, size_t n_samples, double fs_hz, shn_train_config *config);

/**
 * Trains and writes run_folder: config.yaml (resolved), log.jsonl, TensorBoard events, checkpoints/. The model comes back unfitted
 * (shn_model_fit) and unwritten.
 * @param vectors  NULL for bce
 * Errors  SHN_MISMATCH  a checkpoint of another configuration, a text without vector; patient overlap;  SHN_RANGE a bad setting (named);
 *         SHN_CANCELLED  the watcher said stop: resume goes on from the last step's checkpoint
 */
SHN_NODISCARD shn_status shn_train(const shn_cohort *c, const shn_vectors *vectors, const shn_train_config *config,
                                   const char *run_folder, const shn_watcher *watcher, shn_model **out, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
