/**
 * Batches for training: cropped, normalised, augmented, made ahead on a thread of the loader's own. Batch number `step` is a
 * function of (seed, step) alone: no generator state, no dependence on threads or on where a run was resumed.
 */
#ifndef SHN_DATA_LOADER_H
#define SHN_DATA_LOADER_H

#include "data/augment.h"

/** Where the records come from: item i of n; row() is called from the loader's thread. */
typedef struct shn_loader_source {
    size_t n;                                       /* training records, >= 2 */
    shn_packed (*row)(const void *context, size_t item);
    const void *context;
} shn_loader_source;

typedef struct shn_loader_options {
    shn_input   input;
    shn_augment augment;
    uint64_t    seed;
    size_t      batch;              /* records of a full batch, >= 2; a source with fewer gives batches of all its records */
    uint64_t    first_step, n_steps;/* batches first_step .. n_steps - 1 are made */
    size_t      views;              /* crops of each record in a batch; 0 is 1. Place p of a batch is view p / B of its record p % B */
    const uint32_t *take;           /* [n_take] places of a batch that are filled, one after the other; NULL: all views * B. Borrowed */
    size_t      n_take;
    const size_t *parts;            /* [n_parts + 1] rows of x at which parts begin, and their end. Borrowed. NULL: a batch is one part */
    size_t      n_parts;
    int         crops;              /* 1: windows are described, not made: for an engine that holds the rows */
} shn_loader_options;

/**
 * A batch, or a part of one: a batch of several parts is handed out part by part, and then all parts once more, for a pass that embeds the whole
 * batch before the first gradient; so memory does not grow with the batch. Borrowed until the next call of shn_loader_next.
 */
typedef struct shn_batch {
    uint64_t        step, epoch;
    size_t          part;           /* 0 .. n_parts - 1 */
    size_t          B;
    const uint32_t *items;          /* [B] into the source, of the whole batch */
    const float    *x;              /* [views][B][window][12], or [n_take] of them, or the part's rows; NULL with crops */
    const shn_crop *crops;          /* as many, their row being the item; NULL without */
} shn_batch;

typedef struct shn_loader shn_loader;

/** Records per batch and batches per epoch: an epoch's remainder below one batch is left out (another remainder each epoch). */
size_t   shn_loader_batch(size_t n, size_t batch);
uint64_t shn_loader_steps(size_t n, size_t batch);
/** Order of the items in an epoch, order [n]: a fresh shuffle for every epoch. */
void shn_loader_order(uint64_t seed, uint64_t epoch, size_t n, uint32_t *order);
/** Fills x [window][12] with a crop and augmentation of one item in one epoch; each view of it has another. */
void shn_loader_item(const shn_loader_source *source, const shn_loader_options *options, uint64_t epoch, size_t item, size_t view, float *x);

/** Describes the same window; its row is the item. */
void shn_loader_crop(const shn_loader_source *source, const shn_loader_options *options, uint64_t epoch, size_t item, size_t view, shn_crop *crop);

/** Starts the thread. Errors SHN_RANGE, SHN_NOMEM. source->context must outlive the loader. */
SHN_NODISCARD shn_status shn_loader_new(const shn_loader_source *source, const shn_loader_options *options, shn_loader **out, shn_error *err);
/** Waits for the next batch or part. SHN_RANGE past the last. */
SHN_NODISCARD shn_status shn_loader_next(shn_loader *loader, shn_batch *batch, shn_error *err);
/** Seconds that shn_loader_next has waited in all, and seconds of processor time that the thread has used. */
void shn_loader_cost(shn_loader *loader, double *waited, double *worked);
void shn_loader_free(shn_loader *loader);           /* accepts NULL; stops the thread */

#endif
