/** Ranks that share a run must begin alike and stay alike: both are checked against rank 0, which the others cannot otherwise see. */
#ifndef SHN_TRAIN_RUN_RANKS_H
#define SHN_TRAIN_RUN_RANKS_H

#include "train/run.h"

/**
 * Before the first step, collective: first weights, settings, cohort, texts and what the engine computes with are rank 0's.
 * @param settings  [65] a hash of what decides the trained bits; the run's own config_hash has the first weights in it, too
 * Errors  SHN_MISMATCH  which of them is another, and what to do;  SHN_CANCELLED  that of another rank
 */
SHN_NODISCARD shn_status shn_run_same_start(const shn_run *r, const char settings[65], shn_error *err);
/**
 * Once an epoch, collective: every rank holds the same bits of encoder and head. Without clipping the head follows from gathered vectors alone and says nothing of the
 * encoder, whose gradients are summed over the network. Takes the encoder's weights to r->params and r->state.
 * Errors  SHN_MISMATCH  on all ranks
 */
SHN_NODISCARD shn_status shn_run_same_weights(const shn_run *r, shn_error *err);

#endif
