/** Embedding of cohort rows: windows in batches through an engine. */
#include "shinden/embed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/pack.h"
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
    if (fs < m->input.fs_hz * (1 - 1e-6))       /* what was never recorded is not invented; import can be told to */
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_FS_MISMATCH, "embed",
                        "%s is at %g Hz, the model takes %g Hz; import again with --fs %g (and --allow-upsampling, if it must be)",
                        shn_cohort_path(c), fs, m->input.fs_hz, m->input.fs_hz);
    if (m->encoder.config.n_leads != SHN_LEADS)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "embed", "the model takes %u leads, cohorts have %d",
                        m->encoder.config.n_leads, SHN_LEADS);
    return SHN_OK;
}

/** Rows of a cohort as the model takes them: borrowed where the rates agree, else resampled into a buffer of its own. */
typedef struct row_source {
    const shn_model  *m;
    const shn_cohort *c;
    int      resample;
    size_t   row;                       /* what the buffer holds; SIZE_MAX nothing */
    int16_t *signal;                    /* [12][n_samples of the model] */
    float    offset_uv[SHN_LEADS];
    size_t   n_valid;
} row_source;

shn_status shn_cohort_record(const shn_cohort *c, size_t row, shn_record **out, shn_error *err)
{
    const shn_packed p = shn_cohort_packed(c, row);
    const shn_status st = shn_record_new(SHN_LEADS, p.n_valid ? p.n_valid : 1, shn_cohort_fs_hz(c), out, err);
    for (size_t lead = 0; st == SHN_OK && lead < SHN_LEADS; lead++) {
        const int16_t *s = p.signal + lead * p.n_samples;
        float         *x = shn_record_lead_mut(*out, lead);
        shn_record_set_name(*out, lead, shn_lead_name(lead));
        shn_record_set_unit(*out, lead, SHN_UNIT_DECLARED);
        for (size_t t = 0; t < p.n_valid; t++)
            x[t] = s[t] == SHN_GAP_I16 ? NAN : ((float)s[t] * p.uv_per_unit + p.offset_uv[lead]) * 1e-3f;
    }
    return st;
}

/** Takes a row through the signal path to the model's rate, and packs it as import would have. */
static shn_status resample_row(row_source *r, size_t row, shn_error *err)
{
    shn_signal_options o;
    shn_record *stored = NULL, *canonical = NULL;
    uint32_t    n_clipped[SHN_LEADS];
    shn_signal_defaults(&o);
    o.fs_hz = r->m->input.fs_hz;
    o.allow_missing_leads = 1;          /* import has judged the row already */
    o.min_seconds = 0;
    shn_status st = shn_cohort_record(r->c, row, &stored, err);
    if (st == SHN_OK) st = shn_record_canonical(stored, &o, &canonical, err);
    if (st == SHN_OK) {
        r->n_valid = shn_pack_record(canonical, shn_pack_central_start(canonical, r->m->input.n_samples), r->m->input.n_samples, 1,
                                     r->signal, n_clipped, r->offset_uv);
        r->row = row;
    }
    shn_record_free(stored);
    shn_record_free(canonical);
    return st;
}

static shn_status take_row(row_source *r, size_t row, shn_packed *out, shn_error *err)
{
    if (!r->resample) {
        *out = shn_cohort_packed(r->c, row);
        return SHN_OK;
    }
    const shn_status st = r->row == row ? SHN_OK : resample_row(r, row, err);
    *out = (shn_packed){ .signal = r->signal, .offset_uv = r->offset_uv, .uv_per_unit = 1, .n_samples = r->m->input.n_samples, .n_valid = r->n_valid };
    return st;
}

shn_status shn_embed_cohort(const shn_model *m, shn_engine *eng, const shn_cohort *c, const uint32_t *rows, size_t n, float *z,
                            const shn_watcher *watcher, shn_error *err)
{
    const size_t W = m->input.n_windows, E = m->E, total = n * W, batch = shn_engine_batch_max(eng);
    const size_t x_size = (size_t)m->input.window * SHN_LEADS;
    shn_status   st = check_fit(m, c, err);
    if (st != SHN_OK) return st;
    row_source source = { .m = m, .c = c, .resample = fabs(shn_cohort_fs_hz(c) - m->input.fs_hz) > 1e-6 * m->input.fs_hz, .row = SIZE_MAX };
    float *x = shn_alloc_aligned(batch * x_size, sizeof *x);
    if (source.resample) source.signal = shn_alloc(SHN_LEADS * (size_t)m->input.n_samples, sizeof *source.signal);
    if (!x || (source.resample && !source.signal)) {
        free(x);
        free(source.signal);
        return shn_fail_nomem(err, "embed");
    }
    for (size_t first = 0; first < total && st == SHN_OK; first += batch) {
        const size_t B = total - first < batch ? total - first : batch;
        for (size_t b = 0; b < B && st == SHN_OK; b++) {
            shn_packed row;
            st = take_row(&source, rows[(first + b) / W], &row, err);
            if (st == SHN_OK) shn_window_fill(&m->input, &row, shn_window_start(&m->input, row.n_valid, (first + b) % W), x + b * x_size);
        }
        if (st == SHN_OK) st = shn_engine_embed(eng, x, B, z + first * E, err);
        const shn_progress p = { .what = "embed", .done = (first + B) / W, .total = n, .unit = "records" };
        if (st == SHN_OK && watcher && watcher->fn && watcher->fn(watcher->context, &p) != 0)
            st = shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "embed", "stopped at record %zu of %zu", (first + B) / W, n);
    }
    free(x);
    free(source.signal);
    return st;
}
