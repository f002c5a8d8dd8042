/** What `shinden predict` says about one record after the other: text, JSON or CSV, of findings or of a failure. */
#ifndef SHN_CLI_PREDICT_OUTPUT_H
#define SHN_CLI_PREDICT_OUTPUT_H

#include "shinden/phrase.h"
#include "shinden/predict.h"

typedef enum predict_form { PREDICT_TEXT, PREDICT_JSON, PREDICT_CSV } predict_form;
typedef enum predict_language { PREDICT_BOTH, PREDICT_JA, PREDICT_EN } predict_language;

typedef struct predict_output {
    predict_form     form;
    predict_language language;
    const shn_model *model;
    const char      *model_path;
    shn_readout      readout;           /**< the one in use */
    size_t           top;               /**< findings shown per record, 1..K */
    size_t           n_written;
} predict_output;

/** One record's outcome: findings with the canonical record (whose notes are the warnings), or an error. */
typedef struct predict_outcome {
    const char           *path;
    const shn_prediction *findings;     /**< [K], likeliest first; NULL: error */
    const shn_record     *canonical;
    const shn_phrase     *phrase;       /**< NULL: none was asked for */
    const float          *phrase_score; /**< [SHN_PHRASE_READOUTS]; of those that apply to the model */
    const char           *plot;         /**< path of the picture, NULL: none */
    const shn_error      *error;
} predict_outcome;

/** Each returns 0, or -1 when stdout cannot be written. begin and end frame the records (a JSON array, a CSV header). */
int predict_output_begin(predict_output *o);
int predict_output_record(predict_output *o, const predict_outcome *r);
int predict_output_end(predict_output *o);

#endif
