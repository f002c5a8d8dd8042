/**
 * A fixed team of pinned threads that run the same function, each told its index. Work is split by the caller by
 * index, never by who comes first, so that results repeat for one thread count. The calling thread is member 0.
 */
#ifndef SHN_BASE_THREADS_H
#define SHN_BASE_THREADS_H

#include <stddef.h>

#include "shinden/status.h"

#define SHN_THREADS_MAX 256

typedef struct shn_team shn_team;
typedef void shn_team_fn(void *context, unsigned thread, unsigned n_threads);

/** n_threads 0 means one per usable core. Members other than the caller are pinned where there are cores enough. */
SHN_NODISCARD shn_status shn_team_new(unsigned n_threads, shn_team **out, shn_error *err);
void     shn_team_free(shn_team *team);                        /* accepts NULL */
unsigned shn_team_size(const shn_team *team);
/** Runs fn on every member and returns when all have returned. Not reentrant. */
void     shn_team_run(shn_team *team, shn_team_fn *fn, void *context);
/** Inside fn only: waits until every member has come here (spins some microseconds, then yields its core). */
void     shn_team_barrier(shn_team *team);
/** The half-open share [*first, *last) of n items for a member, in order, sizes differing by at most one. */
void     shn_team_share(size_t n, unsigned thread, unsigned n_threads, size_t *first, size_t *last);
/** Cores that this process may use (affinity, not the machine's). */
unsigned shn_cores(void);

#endif
