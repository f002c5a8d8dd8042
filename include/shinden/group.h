/**
 * Processes (ranks) that train one model together: who this one is, and the few things they do in common. A group of one is a NULL
 * pointer, which every function takes: work written for several ranks runs alone without a second path.
 *
 * All functions that take a status are collective: every rank calls them in the same order. Sums are taken in the order of ranks (shn_group_sum)
 * or in a fixed order of the library's (shn_group_sum_begin): the same job gives the same bits, and all ranks get the same ones.
 */
#ifndef SHINDEN_GROUP_H
#define SHINDEN_GROUP_H

#include <stddef.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_group shn_group;

/** Processes that the launcher (mpirun, srun) says it has started with this one; 1 where there is none. Needs no MPI. */
unsigned shn_group_launched(void);
/**
 * Joins the ranks that were started together; *out is NULL where this process is alone. Once in a process, from its main thread.
 * Errors  SHN_UNSUPPORTED  one of several ranks, but built without MPI;  SHN_DEVICE  MPI does not start;  SHN_RANGE  more than 4,096 ranks
 */
SHN_NODISCARD shn_status shn_group_join(shn_group **out, shn_error *err);
/** Ends the membership: when all have, or, with failed, for all, after two seconds at most in which the others may say why they failed. Accepts NULL. */
void     shn_group_leave(shn_group *group, int failed);
unsigned shn_group_rank(const shn_group *group);            /**< from 0; NULL: 0 */
unsigned shn_group_size(const shn_group *group);            /**< NULL: 1 */
/** The half-open share [*first, *last) of n items that is this rank's; sizes differ by one at most. */
void     shn_group_share(const shn_group *group, size_t n, size_t *first, size_t *last);

/**
 * Errors of all below  SHN_DEVICE  another rank did not answer within shn_group_seconds (600 unless $SHINDEN_RANK_SECONDS says otherwise), or
 * the network failed. What the buffers hold is then undefined, and the group good for shn_group_leave only.
 */
SHN_NODISCARD shn_status shn_group_sum(const shn_group *group, double *x, size_t n, shn_error *err);
/** rows [n_rows][row]: every rank has filled its share of the rows, all get all of them. */
SHN_NODISCARD shn_status shn_group_gather(const shn_group *group, float *rows, size_t n_rows, size_t row, shn_error *err);
/** bytes of rank 0 for all. */
SHN_NODISCARD shn_status shn_group_copy(const shn_group *group, void *bytes, size_t n, shn_error *err);
/** *flag becomes 1 for all if it was not 0 for any. */
SHN_NODISCARD shn_status shn_group_any(const shn_group *group, int *flag, shn_error *err);
/**
 * What every rank got becomes what the first failing rank got: SHN_OK only where all have SHN_OK. A rank that was fine learns SHN_CANCELLED with
 * the number of one that was not.
 */
SHN_NODISCARD shn_status shn_group_agree(const shn_group *group, shn_status mine, shn_error *err);

/** Begins to sum x over the ranks, in place; x is not touched until shn_group_sum_end. Any number at a time. */
SHN_NODISCARD shn_status shn_group_sum_begin(shn_group *group, float *x, size_t n, shn_error *err);
/** Lets begun sums get on; called now and then between begin and end. */
void shn_group_progress(shn_group *group);
/** Waits for all that was begun. */
SHN_NODISCARD shn_status shn_group_sum_end(shn_group *group, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
