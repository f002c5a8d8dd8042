#include "data/pack.h"

#include "shinden/cohort.h"
#include "shinden/signal.h"

size_t shn_pack_central_start(const shn_record *canonical, size_t n_samples)
{
    const size_t n = shn_record_n_samples(canonical);
    return n > n_samples ? (n - n_samples) / 2 : 0;
}

size_t shn_pack_record(const shn_record *canonical, size_t start, size_t n_samples, float uv_per_unit, int16_t *signal,
                       uint32_t n_clipped[12], float offset_uv[12])
{
    const size_t left = shn_record_n_samples(canonical) - start, n_valid = left < n_samples ? left : n_samples;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        int16_t *out = signal + lead * n_samples;
        shn_cohort_pack_lead(shn_record_lead(canonical, lead) + start, n_valid, uv_per_unit, out, &n_clipped[lead], &offset_uv[lead]);
        for (size_t t = n_valid; t < n_samples; t++) out[t] = SHN_GAP_I16;
    }
    return n_valid;
}
