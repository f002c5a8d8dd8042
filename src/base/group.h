/** What a way of talking between ranks implements; group.c is the front, group_mpi.c the one there is (built with SHINDEN_MPI). */
#ifndef SHN_BASE_GROUP_H
#define SHN_BASE_GROUP_H

#include "shinden/group.h"

struct shn_group {
    unsigned rank, size;
    double   seconds;                           /* how long another rank may keep this one waiting */
    shn_status (*leave)(shn_group *g, int failed);
    shn_status (*gather_bytes)(const shn_group *g, void *all, const size_t *first, const size_t *n, shn_error *err);   /* in place, first and n [size], in bytes */
    shn_status (*copy)(const shn_group *g, void *bytes, size_t n, shn_error *err);
    shn_status (*sum_begin)(shn_group *g, float *x, size_t n, shn_error *err);
    void       (*progress)(shn_group *g);
    shn_status (*sum_end)(shn_group *g, shn_error *err);
};

/** Starts MPI and fills *out. Without SHINDEN_MPI: SHN_UNSUPPORTED. */
SHN_NODISCARD shn_status shn_group_mpi(shn_group **out, shn_error *err);

#endif
