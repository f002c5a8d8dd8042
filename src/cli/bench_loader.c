/** The row of the batch loader: crop, normalise and augment records of 12 x 5000 packed samples, as a training run's own thread does. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "cli/bench_rows.h"
#include "data/loader.h"
#include "shinden/signal.h"

enum { RECORDS = 512, T = 5000, ROUNDS = 9 };

typedef struct packed_records { int16_t *samples; float offset[SHN_LEADS]; } packed_records;

static shn_packed row_of(const void *context, size_t item)
{
    const packed_records *p = context;
    return (shn_packed){ p->samples + item * SHN_LEADS * T, p->offset, 1, T, T };
}

static shn_status time_items(bench_run *run, const shn_loader_source *source, const shn_loader_options *o, const char *name, shn_error *err)
{
    double     times[ROUNDS];
    bench_row  row = { .threads = 1, .ratio = NAN, .peak_fraction = NAN, .bandwidth_fraction = NAN, .unit = "records/s", .isa = "any" };
    shn_status st = SHN_OK;
    float     *x = shn_alloc_aligned((size_t)o->input.window * SHN_LEADS, sizeof *x);
    if (!x) return shn_fail_nomem(err, "bench");
    for (int r = 0; r < ROUNDS && st == SHN_OK; r++) {
        const double start = bench_thread_now();
        for (size_t i = 0; i < RECORDS; i++) shn_loader_item(source, o, (uint64_t)r, i, 0, x);
        times[r] = bench_thread_now() - start;
        st = bench_tell(run, name, err);
    }
    free(x);
    if (st != SHN_OK) return st;
    snprintf(row.name, sizeof row.name, "%s", name);
    row.value = RECORDS / bench_median(times, ROUNDS, &row.spread);
    return bench_add(run, &row, err);
}

shn_status bench_loader(bench_run *run, shn_error *err)
{
    static const struct { const char *name; uint32_t window; } rows[] = { { "loader_12x4992", 4992 }, { "loader_12x1000", 1000 }, { "loader_12x250", 250 } };
    packed_records p = { .samples = NULL };
    shn_status     st = SHN_OK;
    int            wanted = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) wanted |= bench_wants(run, rows[i].name);
    if (!wanted) return SHN_OK;
    p.samples = shn_alloc_aligned((size_t)RECORDS * SHN_LEADS * T, sizeof *p.samples);
    if (!p.samples) return shn_fail_nomem(err, "bench");
    shn_rng r = shn_rng_stream(1, 2, 3, 4);
    for (size_t i = 0; i < (size_t)RECORDS * SHN_LEADS * T; i++) p.samples[i] = (int16_t)((int)shn_rng_below(&r, 2000) - 1000);
    const shn_loader_source source = { RECORDS, row_of, &p };
    for (size_t i = 0; i < sizeof rows / sizeof *rows && st == SHN_OK; i++) {
        const shn_loader_options o = { .input = { .fs_hz = 500, .n_samples = T, .window = rows[i].window, .n_windows = 1, .scale_per_mv = 4 },
                                       .augment = { .gain = 0.1, .noise = 0.05, .lead_dropout = 0.1 }, .seed = 1, .batch = 32, .n_steps = 1 };
        if (bench_wants(run, rows[i].name)) st = time_items(run, &source, &o, rows[i].name, err);
    }
    free(p.samples);
    return st;
}
