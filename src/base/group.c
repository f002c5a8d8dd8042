#include "base/group.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/threads.h"

enum { SECONDS = 600, RANKS_MAX = 4096 };

/* Open MPI and PMIx, Slurm with --mpi, MPICH and Intel MPI say in the environment how many there are */
static const char *const launchers[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS" };

unsigned shn_group_launched(void)
{
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        const char *text = getenv(launchers[i]);
        const long  n = text ? strtol(text, NULL, 10) : 0;
        if (n > 1) return (unsigned)(n > INT_MAX ? INT_MAX : n);
    }
    return 1;
}

static shn_status check_size(unsigned size, shn_error *err)
{
    if (size <= RANKS_MAX) return SHN_OK;
    return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "group", "%u ranks, at most %d; start fewer ranks with more threads each", size, RANKS_MAX);
}

shn_status shn_group_join(shn_group **out, shn_error *err)
{
    *out = NULL;
    if (shn_group_launched() == 1) return SHN_OK;
    shn_status st = check_size(shn_group_launched(), err);
    if (st == SHN_OK) st = shn_group_mpi(out, err);
    if (st != SHN_OK) return st;
    st = check_size((*out)->size, err);             /* MPI's word, whatever the environment says */
    if (st != SHN_OK) {
        shn_group_leave(*out, 0);
        *out = NULL;
        return st;
    }
    const char *text = getenv("SHINDEN_RANK_SECONDS");
    const double seconds = text ? strtod(text, NULL) : 0;
    (*out)->seconds = seconds > 0 ? seconds : SECONDS;
    return SHN_OK;
}

void shn_group_leave(shn_group *g, int failed)
{
    if (g) (void)g->leave(g, failed);
}

unsigned shn_group_rank(const shn_group *g) { return g ? g->rank : 0; }
unsigned shn_group_size(const shn_group *g) { return g ? g->size : 1; }

void shn_group_share(const shn_group *g, size_t n, size_t *first, size_t *last) { shn_team_share(n, shn_group_rank(g), shn_group_size(g), first, last); }

shn_status shn_group_gather(const shn_group *g, float *rows, size_t n_rows, size_t row, shn_error *err)
{
    if (!g) return SHN_OK;
    size_t *first = shn_alloc(2 * (size_t)g->size, sizeof *first), *n = first + g->size;
    if (!first) return shn_fail_nomem(err, "group");
    for (unsigned r = 0; r < g->size; r++) {
        size_t last;
        shn_team_share(n_rows, r, g->size, &first[r], &last);
        n[r] = (last - first[r]) * row * sizeof *rows;
        first[r] *= row * sizeof *rows;
    }
    const shn_status st = g->gather_bytes(g, rows, first, n, err);
    free(first);
    return st;
}

shn_status shn_group_sum(const shn_group *g, double *x, size_t n, shn_error *err)
{
    if (!g) return SHN_OK;
    double *all = shn_alloc(n * g->size, sizeof *all);
    size_t *first = shn_alloc(2 * (size_t)g->size, sizeof *first);
    if (!all || !first) {
        free(all);
        free(first);
        return shn_fail_nomem(err, "group");
    }
    for (unsigned r = 0; r < g->size; r++) {
        first[r] = r * n * sizeof *all;
        first[g->size + r] = n * sizeof *all;
    }
    memcpy(all + g->rank * n, x, n * sizeof *x);
    const shn_status st = g->gather_bytes(g, all, first, first + g->size, err);
    for (size_t i = 0; st == SHN_OK && i < n; i++) {
        x[i] = 0;
        for (unsigned r = 0; r < g->size; r++) x[i] += all[r * n + i];
    }
    free(all);
    free(first);
    return st;
}

shn_status shn_group_copy(const shn_group *g, void *bytes, size_t n, shn_error *err) { return g ? g->copy(g, bytes, n, err) : SHN_OK; }

shn_status shn_group_any(const shn_group *g, int *flag, shn_error *err)
{
    double sum = *flag != 0;
    const shn_status st = shn_group_sum(g, &sum, 1, err);
    *flag = sum > 0;
    return st;
}

shn_status shn_group_agree(const shn_group *g, shn_status mine, shn_error *err)
{
    if (!g) return mine;
    double failed[RANKS_MAX];
    for (unsigned r = 0; r < g->size; r++) failed[r] = r == g->rank && mine != SHN_OK;
    const shn_status st = shn_group_sum(g, failed, g->size, mine == SHN_OK ? err : NULL);
    if (mine != SHN_OK || st != SHN_OK) return mine != SHN_OK ? mine : st;
    for (unsigned r = 0; r < g->size; r++)
        if (failed[r] > 0) return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "group", "rank %u failed; its own message says why", r);
    return SHN_OK;
}

shn_status shn_group_sum_begin(shn_group *g, float *x, size_t n, shn_error *err) { return g ? g->sum_begin(g, x, n, err) : SHN_OK; }
void shn_group_progress(shn_group *g)
{
    if (g) g->progress(g);
}
shn_status shn_group_sum_end(shn_group *g, shn_error *err) { return g ? g->sum_end(g, err) : SHN_OK; }

#ifndef SHINDEN_MPI
shn_status shn_group_mpi(shn_group **out, shn_error *err)
{
    *out = NULL;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "group", "started as one of %u ranks, but this build has no MPI; build with cmake --preset mpi, or start one process",
                    shn_group_launched());
}
#endif
