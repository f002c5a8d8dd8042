/**
 * The mechanics of a run, whatever is learned: folder, engine, batches, accumulation, schedule, clipping, log, checkpoints, stop and
 * resume. A step is a function of (configuration, data, state at its start), and its batch of (seed, step): so a run that is killed and
 * resumed from a checkpoint repeats the steps after it to the same bits. What is learned is a task: train (trainer.c), pretrain (pretrain.c).
 *
 * Several ranks share every batch: each embeds its own records, all vectors are gathered, every rank computes the loss of the whole batch (and so the
 * head's gradient), each goes back through its own records, the encoder's gradient is summed. Rank 0 alone writes. One rank takes the same way.
 */
#ifndef SHN_TRAIN_RUN_H
#define SHN_TRAIN_RUN_H

#include "base/file.h"
#include "data/loader.h"
#include "shinden/train.h"
#include "train/run_log.h"

/** What is trained beside the encoder, as a checkpoint sees it; borrowed, [n] each. */
typedef struct shn_head_block { size_t n; float *p, *m, *v; } shn_head_block;

enum { SHN_RUN_SCALARS_MAX = 8 };
/** What a run does with a batch. context is the caller's. */
typedef struct shn_run_task {
    void *context;
    /** Loss and d_z from run->z (both [views * B][E]), and the head's gradient. */
    shn_status (*loss)(void *context, const shn_batch *batch, double *loss, shn_error *err);
    double (*gradient_square)(const void *context);
    void (*step)(void *context, double lr, uint64_t step, float grad_scale);
    /** Writes up to SHN_RUN_SCALARS_MAX scalars for the step's line in the log; returns how many. */
    size_t (*scalars)(const void *context, shn_scalar *out);
} shn_run_task;

typedef struct shn_run {
    /* set by the task before shn_run_open */
    const char      *name;                      /* "train": in messages and progress */
    shn_train_config config;
    shn_encoder      enc;                       /* built */
    shn_input        input;
    shn_loader_source source;
    size_t           views;                     /* crops of each record per batch */
    /* set by shn_run_open */
    size_t           B, n_rows, n_parts;        /* records per step; n_rows = views * B windows, passed in n_parts parts */
    unsigned         rank;
    uint32_t        *mine;                      /* [n_mine] places in the batch of this rank's windows */
    size_t           n_mine;
    size_t          *part_at;                   /* [n_parts + 1] among them, at which parts begin */
    uint64_t         steps_per_epoch, n_steps;
    shn_engine      *engine;
    int              crops;                     /* 1: the engine holds the records and makes the windows */
    float           *z, *d_z;                   /* [n_rows][E] */
    float           *params, *state, *m, *v;    /* encoder blocks on their way to and from files */
    char             folder[SHN_PATH_MAX], checkpoint[SHN_PATH_MAX];
    char             init_hash[65];             /* of the weights that config.init names; "none" */
    /* of the loop */
    shn_head_block   head;
    char             config_hash[65], data_hash[65], texts_hash[65];
    uint64_t         step, started_step;
    double           loss_sum;                  /* of the epoch so far */
    double           started, saved;
    shn_loader      *loader;
    shn_run_log      log;
} shn_run;

/** A file of a run that must not be there when a run begins, such as "model.safetensors": it is never overwritten. */
SHN_NODISCARD shn_status shn_run_folder(shn_run *r, const char *run_folder, const char *result, shn_error *err);
/** Sizes, memory, engine and the encoder's first weights: config.init's, else random. config.init's input replaces scale_per_mv. */
SHN_NODISCARD shn_status shn_run_open(shn_run *r, shn_error *err);
/**
 * Collective over the ranks, as shn_run_steps is. Resumes from the checkpoint where config.resume asks for it and one is there; else begins: config.yaml, log, its first line.
 * @param yaml   config.yaml's text;  bits: what of it decides the trained bits
 * @param pairs  of the log's first line: keys and values in turn, beside engine, window and batch
 * Errors  SHN_MISMATCH  the checkpoint is of other settings, data, texts or first weights; a rank began with others than rank 0
 */
SHN_NODISCARD shn_status shn_run_begin(shn_run *r, const char *yaml, const char *bits, const char *const *pairs, size_t n_pairs, shn_error *err);
/** All steps that are left. SHN_CANCELLED: stopped, after a checkpoint. The encoder's weights are then in params and state. */
SHN_NODISCARD shn_status shn_run_steps(shn_run *r, const shn_run_task *task, const shn_watcher *watcher, shn_error *err);
void shn_run_close(shn_run *r);                 /* safe on a zeroed one */

/** Crop in samples of records of T samples: the configured length, or the next good one where the engine would be slow at it. */
size_t shn_run_window(const shn_train_config *config, const shn_encoder *enc, size_t T, double fs_hz);

#endif
