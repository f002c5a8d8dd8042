/**
 * The table that `shinden bench` prints: groups of rows, each group a function in a file bench_GROUP.c. To add a group,
 * write `shn_status bench_GROUP(bench_run *run, shn_error *err)`, which calls bench_add for each row, and name it here.
 */
#ifndef SHN_CLI_BENCH_ROWS_H
#define SHN_CLI_BENCH_ROWS_H

#include <math.h>
#include <stddef.h>

#include "shinden/engine.h"
#include "shinden/progress.h"

/* name, what it measures; machine comes first, for the others give fractions of what it finds */
#define BENCH_GROUPS(X)                                                                                                 \
    X(machine, "sustained arithmetic peak and memory bandwidth of this machine, now")                                   \
    X(kernels, "each distinct convolution of the encoder, each kernel, each pass, on one thread")                       \
    X(engine, "training and embedding of the default encoder")                                                          \
    X(cuda, "the same on a GPU, where this build and this machine have one")                                            \
    X(loader, "cropping and augmenting batches from packed records, on one thread")                                     \
    X(text, "tokenizer and text encode on the registry's texts, a small random decoder")                                \
    X(predict, "one record to its findings, without and with a bank of report sentences, on one thread")                \
    X(program, "import from a warm cache, and the program's start to its first prediction")

typedef struct bench_row {
    char     name[48];              /* train_12x4992_b32 */
    double   value, spread;         /* median; half the distance between quartiles over the median */
    char     unit[16];              /* records/s, ms, GFLOP/s, GB/s */
    char     isa[16], precision[8];
    unsigned threads;
    char     peer[64], peer_version[48];    /* "" none */
    double   ratio;                 /* to the peer's best row, above 1: ours is faster; NAN none */
    double   peak_fraction, bandwidth_fraction;     /* NAN: does not apply */
} bench_row;

typedef struct bench_run {
    bench_row  *rows;
    size_t      n, capacity;
    int         quick;
    const char *only;               /* rows whose name holds this, NULL all */
    const char *peer;               /* command, NULL none */
    const char *isa;                /* mask, NULL none */
    unsigned    winograd;           /* outputs of a tile at most */
    shn_watcher watcher;
    double      peak_f32[2], peak_bf16[2], bandwidth[2];    /* of one thread and of all; GFLOP/s and GB/s; NAN unknown */
    unsigned    threads_all;
    char        no_gpu[192];        /* why there are no rows of a GPU; "" there are */
} bench_run;

/** What a row of the encoder runs; parts above 1: a batch of B records in so many parts, as --accum-freq has it: every part is embedded, then passed again with its gradient. */
typedef struct bench_shape {
    const char *name;
    int         train;
    size_t      T, B, parts;
    unsigned    one_thread, quick;      /* one_thread: 1 only on one thread, 2 on one and on all, 0 on all */
    int         bf16, peer;
    const char *engine;                 /* NULL: cpu */
} bench_shape;
/** What a shape's row is held against: the text of its isa, GFLOP/s of its precision, GB/s. */
typedef struct bench_limits { const char *isa; double peak, bandwidth; } bench_limits;
/** Times one shape and adds its row. limits NULL: those that bench_machine found. */
SHN_NODISCARD shn_status bench_encoder(bench_run *run, const bench_shape *s, unsigned threads, shn_precision precision, const bench_limits *limits, shn_error *err);
/** Appends a copy. SHN_NOMEM. */
SHN_NODISCARD shn_status bench_add(bench_run *run, const bench_row *row, shn_error *err);
/** 1 if this row was asked for. */
int    bench_wants(const bench_run *run, const char *name);
/** Tells the watcher; SHN_CANCELLED if it says stop. */
SHN_NODISCARD shn_status bench_tell(const bench_run *run, const char *what, shn_error *err);
/** Random operands, never zeros. */
void   bench_fill(float *p, size_t n, uint64_t seed);
double bench_now(void);             /* seconds, monotonic */
double bench_thread_now(void);      /* seconds of processor time of this thread: what rows of one thread without a deadline are measured in */
/** Median and spread of n times, which are sorted. */
double bench_median(double *times, size_t n, double *spread);
/** Runs the peer's command for one row and fills peer, peer_version and ratio from its best line. No peer: nothing. */
SHN_NODISCARD shn_status bench_against_peer(const bench_run *run, const char *asked, bench_row *row, shn_error *err);

/** Prints which kernels run every convolution of the default encoder at the bench's lengths. */
SHN_NODISCARD shn_status bench_explain(const bench_run *run, int json, shn_error *err);

#define X(name, text) shn_status bench_##name(bench_run *run, shn_error *err);
BENCH_GROUPS(X)
#undef X

#endif
