/** Embedding of cohort rows: windows in batches through an engine. */
#include "shinden/embed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"

shn_status shn_model_engine(const shn_model *m, size_t batch_max, const shn_engine_options *options, shn_engine **out, shn_error *err)
{
    const shn_status st = shn_engine_new(&m->encoder, m->input.window, batch_max, 0, options, out, err);
    if (st == SHN_OK) shn_engine_set(*out, m->params, m->state);
    return st;
}

static shn_status check_fit(const shn_model *m, const shn_cohort *c, shn_error *err)
{
    const double fs = shn_cohort_fs_hz(c);
    if (fabs(fs - m->input.fs_hz) > 1e-6 * fs)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_FS_MISMATCH, "embed", "%s is at %g Hz, the model takes %g Hz; import again with --fs %g",
                        shn_cohort_path(c), fs, m->input.fs_hz, m->input.fs_hz);
    if (m->encoder.config.n_leads != SHN_LEADS)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "embed", "the model takes %u leads, cohorts have %d",
                        m->encoder.config.n_leads, SHN_LEADS);
    return SHN_OK;
}

shn_status shn_embed_cohort(const shn_model *m, shn_engine *eng, const shn_cohort *c, const uint32_t *rows, size_t n, float *z,
                            const shn_watcher *watcher, shn_error *err)
{
    const size_t W = m->input.n_windows, E = m->E, total = n * W, batch = shn_engine_batch_max(eng);
    const size_t x_size = (size_t)m->input.window * SHN_LEADS;
    shn_status   st = check_fit(m, c, err);
    if (st != SHN_OK) return st;
    float *x = shn_alloc_aligned(batch * x_size, sizeof *x);
    if (!x) return shn_fail_nomem(err, "embed");
    for (size_t first = 0; first < total && st == SHN_OK; first += batch) {
        const size_t B = total - first < batch ? total - first : batch;
        for (size_t b = 0; b < B; b++) {
            const shn_packed row = shn_cohort_packed(c, rows[(first + b) / W]);
            shn_window_fill(&m->input, &row, shn_window_start(&m->input, row.n_valid, (first + b) % W), x + b * x_size);
        }
        st = shn_engine_embed(eng, x, B, z + first * E, err);
        const shn_progress p = { .what = "embed", .done = (first + B) / W, .total = n, .unit = "records" };
        if (st == SHN_OK && watcher && watcher->fn && watcher->fn(watcher->context, &p) != 0)
            st = shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "embed", "stopped at record %zu of %zu", (first + B) / W, n);
    }
    free(x);
    return st;
}
