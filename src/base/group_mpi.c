/** Ranks over MPI. The only place that includes mpi.h. */
#ifdef SHINDEN_MPI
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/group.h"

typedef struct mpi_group {
    shn_group   g;
    MPI_Comm    comm, farewell;             /* farewell: for leave alone, whatever is left half done on comm */
    MPI_Request *sums;                      /* [n_sums] under way */
    size_t      n_sums, sums_max;
    int         sums_code;                  /* of the first of them that progress saw fail */
} mpi_group;

static const char where[] = "group.mpi";

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static shn_status mpi_failed(int code, shn_error *err)
{
    char text[MPI_MAX_ERROR_STRING];
    int  n = 0;
    if (MPI_Error_string(code, text, &n) != MPI_SUCCESS) n = 0;
    return shn_fail(err, SHN_DEVICE, SHN_REASON_RANK_LOST, where, "the ranks cannot talk to each other: %.*s; --resume goes on from the last checkpoint", n, text);
}

/**
 * Waits with a deadline, which MPI_Wait has not: a rank that hangs must not hang the others for ever. Spins for a short while, then gives its core
 * to whoever shares it.
 */
static shn_status wait_all(const shn_group *g, int n, MPI_Request *requests, shn_error *err)
{
    enum { SPINS = 2000, LOOK = 256 };
    double begun = 0;
    for (unsigned long tries = 0;; tries++) {
        int       done = 0;
        const int code = MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE);
        if (code != MPI_SUCCESS) return mpi_failed(code, err);
        if (done) return SHN_OK;
        if (tries < SPINS) continue;
        sched_yield();
        if (tries % LOOK) continue;
        if (begun == 0) begun = now();
        if (now() - begun > g->seconds)
            return shn_fail(err, SHN_DEVICE, SHN_REASON_RANK_LOST, where, "another rank has not answered for %g s: it is lost or hangs; end the job, then --resume goes on", g->seconds);
    }
}

static MPI_Comm comm_of(const shn_group *g) { return ((const mpi_group *)g)->comm; }

static shn_status gather_bytes(const shn_group *g, void *all, const size_t *first, const size_t *n, shn_error *err)
{
    int *counts = shn_alloc(2 * (size_t)g->size, sizeof *counts), *places = counts + g->size;
    if (!counts) return shn_fail_nomem(err, where);
    shn_status st = SHN_OK;
    for (unsigned r = 0; r < g->size && st == SHN_OK; r++) {
        if (first[r] + n[r] > INT_MAX) st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "a batch of %zu bytes of vectors, at most %d", first[r] + n[r], INT_MAX);
        else {
            counts[r] = (int)n[r];
            places[r] = (int)first[r];
        }
    }
    if (st == SHN_OK) {
        MPI_Request request;
        const int   code = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, counts, places, MPI_BYTE, comm_of(g), &request);
        st = code == MPI_SUCCESS ? wait_all(g, 1, &request, err) : mpi_failed(code, err);
    }
    free(counts);
    return st;
}

static shn_status copy(const shn_group *g, void *bytes, size_t n, shn_error *err)
{
    enum { PIECE = 1 << 30 };
    for (size_t at = 0; at < n; at += PIECE) {
        MPI_Request request;
        const int   code = MPI_Ibcast((char *)bytes + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_BYTE, 0, comm_of(g), &request);
        if (code != MPI_SUCCESS) return mpi_failed(code, err);
        const shn_status st = wait_all(g, 1, &request, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status sum_begin(shn_group *g, float *x, size_t n, shn_error *err)
{
    mpi_group *m = (mpi_group *)g;
    if (n > INT_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "a layer of %zu weights, at most %d are summed at once; set a smaller --width or --embed", n, INT_MAX);
    if (m->n_sums == INT_MAX || shn_grow(&m->sums, &m->sums_max, m->n_sums + 1, sizeof *m->sums)) return shn_fail_nomem(err, where);
    const int code = MPI_Iallreduce(MPI_IN_PLACE, x, (int)n, MPI_FLOAT, MPI_SUM, m->comm, &m->sums[m->n_sums]);
    if (code != MPI_SUCCESS) return mpi_failed(code, err);
    m->n_sums++;
    return SHN_OK;
}

static void progress(shn_group *g)
{
    mpi_group *m = (mpi_group *)g;
    int        done;
    if (m->n_sums == 0 || m->sums_code != MPI_SUCCESS) return;
    m->sums_code = MPI_Testall((int)m->n_sums, m->sums, &done, MPI_STATUSES_IGNORE);    /* what failed is not there to fail again in sum_end */
}

static shn_status sum_end(shn_group *g, shn_error *err)
{
    mpi_group *m = (mpi_group *)g;
    const int  n = (int)m->n_sums, code = m->sums_code;
    m->n_sums = 0;
    m->sums_code = MPI_SUCCESS;
    if (code != MPI_SUCCESS) return mpi_failed(code, err);
    return n ? wait_all(g, n, m->sums, err) : SHN_OK;
}

/** Before a rank ends the job for all: a moment in which the others, who have failed as well, can say why. */
static void wait_for_words(mpi_group *m)
{
    enum { SECONDS = 2 };
    MPI_Request request;
    const double begun = now();
    int         done = MPI_Ibarrier(m->farewell, &request) != MPI_SUCCESS;
    while (!done && now() - begun < SECONDS) {
        if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return;
        sched_yield();
    }
}

static shn_status leave(shn_group *g, int failed)
{
    mpi_group *m = (mpi_group *)g;
    if (failed) {
        wait_for_words(m);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Comm_free(&m->farewell);
    MPI_Comm_free(&m->comm);
    MPI_Finalize();
    free(m->sums);
    free(m);
    return SHN_OK;
}

shn_status shn_group_mpi(shn_group **out, shn_error *err)
{
    int        given, rank, size;
    mpi_group *m = shn_alloc(1, sizeof *m);
    *out = NULL;
    if (!m) return shn_fail_nomem(err, where);
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS || given < MPI_THREAD_FUNNELED ||
        MPI_Comm_dup(MPI_COMM_WORLD, &m->comm) != MPI_SUCCESS || MPI_Comm_dup(MPI_COMM_WORLD, &m->farewell) != MPI_SUCCESS) {
        free(m);
        return shn_fail(err, SHN_DEVICE, SHN_REASON_RANK_LOST, where, "MPI does not start, or without threads");
    }
    MPI_Comm_set_errhandler(m->comm, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(m->farewell, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);     /* where errors of requests go that no communicator is known for */
    MPI_Comm_rank(m->comm, &rank);
    MPI_Comm_size(m->comm, &size);
    m->g = (shn_group){ .rank = (unsigned)rank, .size = (unsigned)size, .leave = leave, .gather_bytes = gather_bytes, .copy = copy,
                        .sum_begin = sum_begin, .progress = progress, .sum_end = sum_end };
    *out = &m->g;
    return SHN_OK;
}
#else
typedef int shn_group_mpi_not_built;        /* a file of C needs a declaration */
#endif
