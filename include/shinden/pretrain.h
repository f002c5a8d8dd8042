/**
 * Pre-training an encoder on ECGs alone: no label and no text is read. Two augmented crops of a record are each other's positive among
 * all crops of the batch, on a small head that is dropped afterwards. What is left is where `train --init` starts.
 */
#ifndef SHINDEN_PRETRAIN_H
#define SHINDEN_PRETRAIN_H

#include "shinden/train.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_PRETRAIN_RESULT      "encoder.safetensors"      /**< in the run's folder; docs/model.md */
#define SHN_PRETRAIN_COHORTS_MAX 64

/**
 * Settings of pre-training are those of training that mean something without labels and texts. Defaults: crops of
 * 2.5 s, 30 epochs, batch 64, lr 2e-3, tau 0.1, gain exp(0.2 n), noise 0.05, lead dropout 0.2.
 */
void shn_pretrain_defaults(size_t n_samples, double fs_hz, shn_train_config *config);
/** The i-th of those settings; NULL past the last. */
const shn_train_key *shn_pretrain_key_at(size_t i);
/** As shn_train_config_parse, of those settings; another one of training is an error that names it and its line (SHN_RANGE). */
SHN_NODISCARD shn_status shn_pretrain_config_parse(shn_train_config *config, const char *yaml, size_t n_bytes, shn_error *err);

/**
 * Trains on the split `config->split` of every cohort ("all": every record) and writes run_folder: config.yaml (resolved), log.jsonl,
 * TensorBoard events, checkpoints/, and at last encoder.safetensors. Killed and resumed, it ends with the same bits.
 * @param cohorts  [n] of one sampling rate, lengths may differ; a cohort without the split is an error that names it
 * Errors  SHN_MISMATCH  other rates, a checkpoint of another run, patients of the split who are in another one too;  SHN_RANGE;
 *         SHN_CANCELLED  the watcher said stop: resume goes on from the last step's checkpoint
 */
SHN_NODISCARD shn_status shn_pretrain(const shn_cohort *const *cohorts, size_t n, const shn_train_config *config, const char *run_folder,
                                      const shn_watcher *watcher, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
