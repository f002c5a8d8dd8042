#include "eval/bootstrap.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "base/threads.h"

enum { PURPOSE_BOOTSTRAP = 0x626f6f74 /* "boot" */ };

typedef struct work {
    const bootstrap_plan *plan;
    bootstrap_fn *fn;
    const void   *context;
    double       *value;                /* [n_resamples][width] */
    double       *weight;               /* [threads][n] */
    double       *scratch;              /* [threads][scratch] */
    uint32_t     *times;                /* [threads][n_patients] */
    const shn_watcher *watcher;
    atomic_size_t done;
    atomic_int    stop;
} work;

static void draw_patients(const bootstrap_plan *p, uint32_t r, uint32_t *times, double *weight)
{
    shn_rng rng = shn_rng_stream(p->seed, PURPOSE_BOOTSTRAP, r, 0);
    memset(times, 0, p->n_patients * sizeof *times);
    for (size_t i = 0; i < p->n_patients; i++) times[shn_rng_below(&rng, p->n_patients)]++;
    for (size_t i = 0; i < p->n; i++) weight[i] = times[p->patient[i]];
}

static void run_part(void *context, unsigned thread, unsigned n_threads)
{
    work                 *w = context;
    const bootstrap_plan *p = w->plan;
    double               *weight = w->weight + thread * p->n;
    for (uint32_t r = thread; r < p->n_resamples && !atomic_load(&w->stop); r += n_threads) {
        draw_patients(p, r, w->times + thread * p->n_patients, weight);
        w->fn(w->context, r, weight, w->scratch + thread * p->scratch, w->value + r * p->width);
        const size_t done = atomic_fetch_add(&w->done, 1) + 1;
        if (thread != 0 || !w->watcher || !w->watcher->fn) continue;        /* the watcher belongs to the calling thread */
        const shn_progress progress = { .what = "bootstrap", .done = done, .total = p->n_resamples, .unit = "resamples" };
        if (w->watcher->fn(w->watcher->context, &progress) != 0) atomic_store(&w->stop, 1);
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static bootstrap_interval interval_of(const work *w, size_t column, double *sorted)
{
    const bootstrap_plan *p = w->plan;
    bootstrap_interval    out = { NAN, NAN, NAN, 0 };
    size_t n = 0, below = 0, above = 0;
    for (uint32_t r = 0; r < p->n_resamples; r++) {
        const double v = w->value[r * p->width + column];
        if (isnan(v)) continue;
        sorted[n++] = v;
        below += v <= 0;
        above += v >= 0;
    }
    out.n_undefined = p->n_resamples - (uint32_t)n;
    if (n == 0) return out;
    qsort(sorted, n, sizeof *sorted, by_value);
    out.low = percentile(sorted, n, 0.025);
    out.high = percentile(sorted, n, 0.975);
    out.p = fmin(1, 2 * (double)((below < above ? below : above) + 1) / (double)(n + 1));
    return out;
}

shn_status bootstrap_run(const bootstrap_plan *plan, bootstrap_fn *fn, const void *context, const shn_watcher *watcher,
                         bootstrap_interval *out, shn_error *err)
{
    shn_team  *team = NULL;
    work       w = { .plan = plan, .fn = fn, .context = context, .watcher = watcher };
    shn_status st = shn_team_new(plan->n_threads, &team, err);
    if (st != SHN_OK) return st;
    const unsigned n_threads = shn_team_size(team);
    double *sorted = shn_alloc(plan->n_resamples, sizeof *sorted);
    w.value = shn_alloc((size_t)plan->n_resamples * plan->width, sizeof *w.value);
    w.weight = shn_alloc(n_threads * plan->n, sizeof *w.weight);
    w.scratch = shn_alloc(n_threads * plan->scratch, sizeof *w.scratch);
    w.times = shn_alloc(n_threads * plan->n_patients, sizeof *w.times);
    if (sorted && w.value && w.weight && w.scratch && w.times) shn_team_run(team, run_part, &w);
    else st = shn_fail_nomem(err, "eval.bootstrap");
    if (st == SHN_OK && atomic_load(&w.stop))
        st = shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "eval.bootstrap", "stopped by the caller");
    for (size_t j = 0; j < plan->width && st == SHN_OK; j++) out[j] = interval_of(&w, j, sorted);
    free(sorted);
    free(w.value);
    free(w.weight);
    free(w.scratch);
    free(w.times);
    shn_team_free(team);
    return st;
}
