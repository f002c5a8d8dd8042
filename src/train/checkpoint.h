/**
 * checkpoints/last.safetensors: all that a run needs to go on to the same bits. Written beside its name, synced, renamed, so that
 * a kill leaves the old one or the new one.
 *
 *   encoder.params, encoder.state, encoder.m, encoder.v, head.params, head.m, head.v   F32
 *   metadata: schema_version, step, config (SHA-256 of the settings that change bits), cohort (its digest), texts, log positions,
 *   engine. No generator state: batches are a function of (seed, step).
 */
#ifndef SHN_TRAIN_CHECKPOINT_H
#define SHN_TRAIN_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

typedef struct shn_checkpoint {
    uint64_t step;                      /* steps done */
    uint64_t json_at, events_at;        /* log positions */
    double   loss_sum;                  /* of the epoch so far */
    char     config[65], cohort[65], texts[65];
    char     engine[128];
    size_t   n_params, n_state, n_head;
    float   *params, *state, *m, *v, *head, *head_m, *head_v;       /* borrowed: [n_params] [n_state] .. [n_head] */
} shn_checkpoint;

SHN_NODISCARD shn_status shn_checkpoint_write(const shn_checkpoint *c, const char *path, shn_error *err);
/**
 * Reads into c, whose config, cohort, texts and sizes say what is expected; arrays must have room for them.
 * Errors  SHN_MISMATCH  another configuration, cohort, texts or encoder (named);  SHN_FORMAT;  SHN_IO
 */
SHN_NODISCARD shn_status shn_checkpoint_read(shn_checkpoint *c, const char *path, shn_error *err);

#endif
