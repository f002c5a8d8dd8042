/** From a canonical record to a cohort's row: the same for import and for prediction, so both see the same integers. */
#ifndef SHN_DATA_PACK_H
#define SHN_DATA_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/record.h"

/** First sample of the central n_samples of a record; 0 when the record is not longer. */
size_t shn_pack_central_start(const shn_record *canonical, size_t n_samples);

/**
 * Packs n_samples of a canonical record (12 leads in order) from `start`; what the record lacks becomes gaps.
 * @param[out] signal     [12][n_samples]
 * @param[out] n_clipped  [12] saturated samples;  @param[out] offset_uv  [12], see shn_cohort_pack_lead
 * @return n_valid: samples taken from the record
 */
size_t shn_pack_record(const shn_record *canonical, size_t start, size_t n_samples, float uv_per_unit, int16_t *signal,
                       uint32_t n_clipped[12], float offset_uv[12]);

#endif
