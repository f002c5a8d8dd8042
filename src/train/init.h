/** Where an encoder starts when it does not start from nothing. */
#ifndef SHN_TRAIN_INIT_H
#define SHN_TRAIN_INIT_H

#include "shinden/model.h"

/**
 * Weights and statistics from `init`: an encoder file, a model file, or the folder of a run that left one. What the encoder takes in stays what it
 * was made for: its constant for millivolts replaces input->scale_per_mv.
 * Errors  SHN_MISMATCH  another shape, sampling rate or normalisation (named);  SHN_IO, SHN_FORMAT
 */
SHN_NODISCARD shn_status shn_init_encoder(const char *init, const shn_encoder *enc, float *params, float *state, shn_input *input, char hash[65],
                                          shn_error *err);

#endif
