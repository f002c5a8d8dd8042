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

#define SHN_TRAIN_VALUE_MAX 512         /**< bytes of a setting's text, with its end */

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
    double   lr, wd, beta1, beta2, eps; /**< by loss; 0.01; 0.9; 0.98; 1e-8 */
    double   warmup;                /**< below 1 a share of all steps, else a number of steps; 0.05 */
    double   grad_clip_norm;        /**< of encoder and head together; 5; 0: no clipping */
    double   lr_text_scale;         /**< learning rate of the projection relative to lr */
    /* loss */
    double   temperature;           /**< 0.07 (clip family) */
    int      learn_temperature;     /**< 0 for the clip family, 1 for sigmoid losses */
    shn_jaccard_form jaccard_form;
    double   jaccard_threshold;     /**< 0.5, for the threshold form */
    double   label_weight_power;    /**< a: labels weigh prevalence^-a inside J; 0 */
    double   class_columns;         /**< weight of class columns added to the loss; 0 */
    int      ecg_norm_raw;          /**< class columns: 1 z.c_k, 0 t e.c_k */
    double   sentences;             /**< weight of the report sentences' term added to any loss; 0 */
    size_t   chunk;                 /**< rows of the pair matrix held at a time; 256; changes no bit */
    /* text */
    char     text[SHN_TRAIN_VALUE_MAX]; /**< "e5-small" (compiled in), "hash", or a file: where the vectors come from; "none" for bce */
    char     text_form[32];         /**< "random" "code" "name" "name+criterion": what is put into words; random: vectors of hash */
    char     language[8];           /**< "en" "ja" */
    char     record_text[16];       /**< "mean" or "joined" */
    int      centre;                /**< 1 */
    char     sentence_text[SHN_TRAIN_VALUE_MAX];    /**< vectors of the reports' sentences; "": those of `text` */
    /* augmentation */
    double   gain, noise, wander, lead_dropout; /**< sd of log gain 0.1; sd in units of the input's sd 0.05; wander mV 0; probability per lead 0.1 */
    /* run */
    shn_precision precision;
    uint32_t winograd;              /**< 6; see shn_engine_options */
    char     engine[16];
    unsigned n_threads;
    uint32_t checkpoint_seconds;    /**< 60; 0: after every step. Also at an epoch's end if the last one is some seconds old */
    int      sync_batch_norm;       /**< of several ranks: 1: statistics of batch normalisation over all of them; 0: over each rank's own records */
    shn_group *group;               /**< ranks that share every batch; NULL: alone. Borrowed; no setting, written nowhere */
    int      resume;                /**< go on from run_folder's checkpoint; from the start where there is none yet */
    uint64_t permute_labels;        /**< 0; else the seed of a shuffle of labels between patients (a control) */
    char     leave_out[SHN_TRAIN_VALUE_MAX]; /**< finding ids, comma between: their labels are unknown to training, their texts take no part in the centring; "" */
    uint32_t coded;                 /**< 0; else how many training records keep their labels, drawn by patient and seed: what is cheap to have is reports */
    char     init[SHN_TRAIN_VALUE_MAX]; /**< ""; else a run of pre-training, its encoder file or a model: where the encoder's weights start */
    uint64_t permute_texts;         /**< 0; else the seed of a shuffle of the text vectors between findings (a control) */
    char     stop_after[32];        /**< tests only: "" or "step:N", ends as if cancelled */
} shn_train_config;
/** One setting: its name is a key of config.yaml, and with '-' for '_' a flag of `shinden train`. */
typedef struct shn_train_key { const char *name, *help; } shn_train_key;
/** Borrowed, static; NULL past the last. */
const shn_train_key *shn_train_key_at(size_t i);
/**
 * Sets one key from its text.
 * Errors  SHN_RANGE (bad_value)  no such key, or a value outside its range, which the message gives
 */
SHN_NODISCARD shn_status shn_train_config_set(shn_train_config *config, const char *key, const char *value, shn_error *err);
/** The text of a key's value, such that setting it again changes nothing. SHN_RANGE: no such key. */
SHN_NODISCARD shn_status shn_train_config_get(const shn_train_config *config, const char *key, char out[SHN_TRAIN_VALUE_MAX], shn_error *err);
/** Checks what no single key can tell: combinations, such as bce with class columns. SHN_RANGE names the keys. */
SHN_NODISCARD shn_status shn_train_config_check(const shn_train_config *config, shn_error *err);
#define SHN_TRAIN_YAML_MAX ((size_t)1 << 20)        /**< bytes of a config file */
/**
 * Reads a YAML mapping of keys to values into config; keys not named keep their value. Hostile input is refused.
 * Errors  SHN_FORMAT  not YAML, not a flat mapping, a key twice (with the line);  SHN_RANGE  as shn_train_config_set, with the line
 */
SHN_NODISCARD shn_status shn_train_config_parse(shn_train_config *config, const char *yaml, size_t n_bytes, shn_error *err);
/** All keys as YAML, owned by the caller (free()). With `bits_only`, only those that change the trained bits. */
SHN_NODISCARD shn_status shn_train_config_yaml(const shn_train_config *config, int bits_only, char **yaml, shn_error *err);

/** The best recipe known for the loss, scaled to the record's length and rate (may be 0 when not known yet). */
void shn_train_defaults(shn_loss loss, size_t n_samples, double fs_hz, shn_train_config *config);

/** The engine that these settings train with, for what comes after training: its name (borrowed from config), arithmetic and threads; no group. */
void shn_train_engine(const shn_train_config *config, shn_engine_options *out);
/** The settings as a checkpoint knows them: a run goes on on the CPU or a GPU, so "cuda*" is "cpu" here. Which it was, and that bits may differ, is in the log. */
shn_train_config shn_train_resumable(const shn_train_config *config);

/** Opens what config->text and text_form name. NULL for bce without sentences. Errors as shn_vectors_open. */
SHN_NODISCARD shn_status shn_train_vectors(const shn_train_config *config, shn_vectors **out, shn_error *err);

/**
 * Trains and writes run_folder: config.yaml (resolved), log.jsonl, TensorBoard events, checkpoints/. The model comes back unfitted
 * (shn_model_fit) and unwritten.
 * @param vectors  NULL for bce without sentences. What config->sentence_text and init name is opened here
 * Errors  SHN_MISMATCH  a checkpoint of another configuration, a text without vector; patient overlap; an encoder to start from of another shape;  SHN_RANGE a bad setting (named);
 *         SHN_CANCELLED  the watcher said stop: resume goes on from the last step's checkpoint
 */
SHN_NODISCARD shn_status shn_train(const shn_cohort *c, const shn_vectors *vectors, const shn_train_config *config,
                                   const char *run_folder, const shn_watcher *watcher, shn_model **out, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
