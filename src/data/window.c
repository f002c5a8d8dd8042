/** What the encoder sees of a record: the one place where packed microvolts become its input. */
#include <math.h>

#include "data/augment.h"
#include "shinden/embed.h"
#include "shinden/signal.h"

shn_packed shn_cohort_packed(const shn_cohort *c, size_t record)
{
    return (shn_packed){ .signal = shn_cohort_signal(c, record), .offset_uv = shn_cohort_offset_uv(c, record),
                         .uv_per_unit = shn_cohort_uv_per_unit(c), .n_samples = shn_cohort_n_samples(c),
                         .n_valid = shn_cohort_n_valid(c, record) };
}

/** Mean and 1/sd in mV over all leads and valid samples of the record; a flat record gets 1/sd = 0 and so all zeros. */
static void record_moments(const shn_packed *row, float *mean, float *inverse_sd)
{
    double sum = 0, square = 0;
    size_t n = 0;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const int16_t *s = row->signal + lead * row->n_samples;
        for (size_t t = 0; t < row->n_valid; t++) {
            if (s[t] == SHN_GAP_I16) continue;
            const double mv = ((double)s[t] * row->uv_per_unit + row->offset_uv[lead]) * 1e-3;
            sum += mv;
            square += mv * mv;
            n++;
        }
    }
    const double m = n ? sum / (double)n : 0, var = n ? square / (double)n - m * m : 0;
    *mean = (float)m;
    *inverse_sd = var > 1e-12 ? (float)(1 / sqrt(var)) : 0;
}

void shn_window_scaling(const shn_input *in, const shn_packed *row, float gain[SHN_CROP_LEADS], float shift[SHN_CROP_LEADS])
{
    float mean = 0, scale = in->scale_per_mv;
    if (in->norm == SHN_NORM_RECORD) record_moments(row, &mean, &scale);
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        gain[lead] = row->uv_per_unit * 1e-3f * scale;
        shift[lead] = (row->offset_uv[lead] * 1e-3f - mean) * scale;
    }
}

void shn_window_fill(const shn_input *in, const shn_packed *row, size_t start, float *x)
{
    float gains[SHN_LEADS], shifts[SHN_LEADS];
    shn_window_scaling(in, row, gains, shifts);
    const size_t n = start >= row->n_valid ? 0 : row->n_valid - start < in->window ? row->n_valid - start : in->window;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const int16_t *s = row->signal + lead * row->n_samples + start;
        const float    gain = gains[lead], shift = shifts[lead];
        for (size_t t = 0; t < n; t++) x[t * SHN_LEADS + lead] = s[t] == SHN_GAP_I16 ? 0 : (float)s[t] * gain + shift;
        for (size_t t = n; t < in->window; t++) x[t * SHN_LEADS + lead] = 0;
    }
}

size_t shn_window_start(const shn_input *in, size_t n_valid, size_t w)
{
    if (n_valid <= in->window || in->n_windows < 2) return n_valid <= in->window ? 0 : (n_valid - in->window) / 2;
    return (n_valid - in->window) * w / (in->n_windows - 1);
}
