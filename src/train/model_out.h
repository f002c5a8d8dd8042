/** From a finished run to the model: weights, texts, training sets and what they came from. */
#ifndef SHN_TRAIN_MODEL_OUT_H
#define SHN_TRAIN_MODEL_OUT_H

#include "train/head.h"
#include "train/run.h"
#include "train/train_data.h"

/**
 * @param run    finished: the encoder's weights in its params and state;  texts: NULL for bce without sentences;  provider: of their vectors
 * The model's manifest holds no time and no path: the same run gives the same bytes.
 */
SHN_NODISCARD shn_status shn_model_from_run(const shn_train_data *d, const shn_run *run, const shn_head *head, const shn_texts *texts,
                                            const char *text_source, const shn_text_provider *provider, shn_model **out, shn_error *err);

#endif
