/**
 * A trained model as one self-describing safetensors file: what it takes in, how it computes, what its outputs are
 * called in two languages, and how scores become probabilities and decisions. Fields in the file: docs/model.md.
 */
#ifndef SHINDEN_MODEL_H
#define SHINDEN_MODEL_H

#include "shinden/encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_MODEL_SCHEMA 1
#define SHN_FINDINGS_MAX 4096

typedef enum shn_norm { SHN_NORM_GLOBAL, SHN_NORM_RECORD } shn_norm;   /**< mV * scale, or per-record z-score */
typedef enum shn_reduce { SHN_REDUCE_MEAN, SHN_REDUCE_MAX } shn_reduce;

/** What the encoder is given. One struct for training, evaluation and prediction, so that they cannot differ. */
typedef struct shn_input {
    double     fs_hz;
    uint32_t   n_samples;           /**< T of a record */
    uint32_t   window;              /**< samples the encoder sees; == n_samples when records are not cropped */
    uint32_t   n_windows;           /**< test windows per record, evenly spread over its valid part */
    shn_reduce reduce;              /**< over the windows' logits */
    shn_norm   norm;
    float      scale_per_mv;        /**< for SHN_NORM_GLOBAL */
    uint32_t   lead_present;        /**< bit per canonical lead that training saw; 0xfff */
} shn_input;

typedef enum shn_readout { SHN_READOUT_LOGIT, SHN_READOUT_CLASS, SHN_READOUT_CLASS_PRIOR, SHN_READOUT_MARGINAL, SHN_READOUT_SENTENCES, SHN_READOUT_JOINT,
                           SHN_READOUT_COUNT } shn_readout;
/** "logit" (bce's own), "class", "class-prior", "marginal", "sentences", "joint" (class, or logit, plus sentences). */
const char *shn_readout_name(shn_readout r);
/** SHN_READOUT_COUNT if no such name. */
shn_readout shn_readout_from_name(const char *name);

/** How one read-out's raw scores become probabilities and decisions; fitted on validation data. All arrays [K]. */
typedef struct shn_calibration {
    int    fitted;
    float *slope, *intercept;       /**< probability = 1 / (1 + exp(-(slope * score + intercept))) */
    float *threshold;               /**< on the probability, per finding (per-label F1) */
    float  threshold_f1_micro;      /**< one for all findings, tuned for micro-F1 */
    float  threshold_f1_macro, threshold_f1_sample;     /**< one for all, tuned for macro-F1; for sample F1 */
    float  threshold_jaccard;       /**< one for all, tuned for sample Jaccard */
    float *threshold_prevalence;    /**< on the probability: its quantile at the training prevalence */
} shn_calibration;

/** Which language model made the text vectors, and how: what a phrase needs to be brought into their space. shn_text_provider, owned; "" unknown. */
typedef struct shn_model_provider {
    char  *model, *model_hash, *tokenizer_hash, *prompt, *pooling;
    float *centre;                  /**< [D] subtracted from every vector by `text encode`; NULL: nothing was */
} shn_model_provider;

#define SHN_SENTENCE_PATIENTS_MIN 5     /**< patients, by name, whose reports must have a sentence before a model file keeps its words */

typedef struct shn_model {
    shn_encoder encoder;
    shn_input   input;
    char        loss[32];           /**< as given to --loss */
    size_t      K, D, E;            /**< findings, width of text vectors (0 for bce without sentences), embedding */
    float      *params, *state;     /**< encoder blocks */

    char  **finding_id, **name_en, **name_ja, **codes;  /**< [K] each; codes: the registry's, "scp:AFIB;snomed:164889003" */
    uint8_t *flags;                 /**< [K] registry flags: SHN_FINDING_UBIQUITOUS, SHN_FINDING_URGENT */
    uint32_t *n_pos, *n_known;      /**< [K] counts in the training records */

    /* text side, all NULL / 0 for bce without sentences */
    char   *text_form;              /**< "name, en" "name+criterion, ja" ...: which text of a finding was embedded */
    char   *text_source;            /**< shn_vectors_describe() */
    char   *record_text;            /**< "mean" or "joined" */
    char  **class_text;             /**< [K] the texts themselves */
    float  *class_vector;           /**< [K][D] as read, before centring */
    char   *none_text;              /**< what a record without findings is called: "no listed finding" */
    float  *none_vector;            /**< [D] its vector as read */
    float  *text_mean;              /**< [D] centring mean; v -> (v/|v| - mean), then to unit length */
    float  *projection;             /**< [E][D] */
    float   logit_scale, logit_bias;/**< t (not its log) and b of the pair loss */
    int     has_pair_loss;          /**< 0 when the loss is class-columns alone: only class read-outs apply */

    shn_model_provider provider;

    /* sentences of the training reports: the bank of the read-out `sentences` */
    size_t    n_sentences;                  /**< 0: no reports were read */
    float     sentence_scale;               /**< t of the sentence term */
    float    *sentence_vector;              /**< [n_sentences][D] as read */
    float    *sentence_mean;                /**< [D] their centring mean */
    float    *name_vector, *name_mean;      /**< [K][D] of the findings' names as read, [D]: what is compared with sentences, whatever text_form is */
    uint32_t *sentence_count;               /**< [n_sentences] training records whose reports have it */
    char    **sentence_text;                /**< [n_sentences] the words; "" where fewer than SHN_SENTENCE_PATIENTS_MIN patients have it */

    /* class columns */
    int     has_class_columns, class_raw;   /**< class_raw 1: s_k = z.c_k; 0: t e.c_k */
    float   class_scale, class_bias;        /**< its own t, b */
    float  *class_finding_bias;             /**< [K] b_k */

    /* bce: NULL in all others */
    float  *head_weight, *head_bias;        /**< [K][E], [K] */

    /* distinct training sets, for the marginal read-out */
    size_t    n_sets;
    uint32_t *set_count;                    /**< [n_sets] */
    uint8_t  *set_labels, *set_known;       /**< [n_sets][K] */
    float    *set_vector;                   /**< [n_sets][D] joined texts' vectors as read; NULL when record_text is "mean" */

    /* after training */
    uint32_t        readouts;               /**< bit per shn_readout that applies */
    shn_readout     readout_default;
    shn_calibration calibration[SHN_READOUT_COUNT];
    char           *fitted_on;              /**< "val" and how; empty before fitting */
    char           *fitted_records;         /**< JSON list of SHA-256 prefixes (16 hex) of the record ids used for fitting */
    char           *manifest;               /**< JSON object: config, data hashes, metrics, command, machine */
} shn_model;

/** Zeroes, sets sizes, allocates [K] arrays (bce's head where D is 0). Everything a field points to is owned by the model (free()). */
SHN_NODISCARD shn_status shn_model_new(const shn_encoder_config *config, size_t K, size_t D, shn_model **out, shn_error *err);
void shn_model_free(shn_model *m);                                  /**< accepts NULL */
/** Written by temporary name and rename. */
SHN_NODISCARD shn_status shn_model_write(const shn_model *m, const char *path, shn_error *err);
/** Errors  SHN_FORMAT / SHN_UNSUPPORTED (schema_version newer) / SHN_MISMATCH naming the tensor or field. */
SHN_NODISCARD shn_status shn_model_read(const char *path, shn_model **out, shn_error *err);
/**
 * An encoder alone, what `shinden pretrain` leaves: safetensors with the tensors encoder.NAME as in a model file; metadata `format`
 * "shinden-encoder", `encoder_file` (JSON: schema_version, encoder, input), `manifest`. Written by temporary name and rename.
 */
SHN_NODISCARD shn_status shn_encoder_write(const char *path, const shn_encoder *enc, const shn_input *input, const float *params, const float *state,
                                           const char *manifest, shn_error *err);
/**
 * The encoder of an encoder file or a model file into blocks of enc's shape.
 * @param[out] input   what that encoder took in;  hash [65]: SHA-256 (hex) of its weights and statistics
 * Errors  SHN_MISMATCH  a tensor that is not there or has another shape (both shapes are named);  SHN_FORMAT neither file; SHN_IO
 */
SHN_NODISCARD shn_status shn_encoder_read(const char *path, const shn_encoder *enc, float *params, float *state, shn_input *input, char hash[65],
                                          shn_error *err);
/** Index of a finding id in the model; -1. */
int shn_model_find(const shn_model *m, const char *finding_id);

/** Unit text vectors after projection: of the findings, out [K][E]. Text models only. */
SHN_NODISCARD shn_status shn_model_class_embeddings(const shn_model *m, float *out, shn_error *err);
/** Unit embeddings of the training sets' texts, out [n_sets][E]. Text models with a pair loss only. */
SHN_NODISCARD shn_status shn_model_set_embeddings(const shn_model *m, float *out, shn_error *err);
/** Unit embeddings of the bank's sentences, out [n_sentences][E]. Models with sentences only. */
SHN_NODISCARD shn_status shn_model_sentence_embeddings(const shn_model *m, float *out, shn_error *err);
/** out [E] = unit(projection . centred v) of one raw text vector v [D]. */
SHN_NODISCARD shn_status shn_model_project(const shn_model *m, const float *v, float *out, shn_error *err);
/** Centred unit vector of a raw text vector: out [D] = unit(v/|v| - mean). out may be v. */
void shn_text_centre(const float *v, const float *mean, size_t D, float *out);

#ifdef __cplusplus
}
#endif
#endif
