/**
 * The one signal path: what is done to a record between the file and the encoder, the same for import, training,
 * prediction and plots. Records come in as recorded and leave canonical: twelve leads I II III aVR aVL aVF V1-V6 in mV.
 */
#ifndef SHINDEN_SIGNAL_H
#define SHINDEN_SIGNAL_H

#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_LEADS 12                                                /**< leads of a canonical record */
/** "I" "II" "III" "aVR" "aVL" "aVF" "V1" .. "V6"; lead < SHN_LEADS. */
const char *shn_lead_name(size_t lead);
/** Index in canonical order of a name in any usual spelling ("avr", "AVR", "MDC_ECG_LEAD_V1", "V1 "); -1 if none. */
int shn_lead_index(const char *name);

/** Seconds kept around a part that is cut from a long recording before resampling and filters, so that their edges do not reach into it: a 0.5 Hz high-pass forgets in 2 s. */
#define SHN_MARGIN_SECONDS 30.0

typedef struct shn_signal_options {
    double fs_hz;               /**< 0: as recorded; else resampled to it */
    int    allow_upsampling;    /**< 0 */
    int    allow_missing_leads; /**< 0: a lead that is neither there nor derivable is an error; 1: it becomes a gap */
    double highpass_hz;         /**< 0: off; zero-phase Butterworth, order 2, forwards and backwards */
    double lowpass_hz;          /**< 0: off; likewise */
    int    remove_baseline;     /**< 0; two running medians, 200 and 600 ms */
    double assume_mv_per_unit;  /**< 0: a lead of unknown unit is refused (no_unit); else that factor is used and noted */
    double min_seconds;         /**< 5: shorter records are refused (too_short); 0 switches it off */
} shn_signal_options;
void shn_signal_defaults(shn_signal_options *options);

/**
 * Makes the canonical record: picks the twelve leads by name, derives missing limb leads, proves the lead order by the
 * Einthoven and Goldberger identities, mends swapped aVL/aVF, resamples and filters. Everything done or doubted becomes a note
 * (lead_derived, leads_swapped, lead_order, flat_lead, clipped, gaps, nan_and_inf, implausible_amplitude, unit_suspect, upsampling).
 *
 * NaN and Inf both become gaps (NaN); Inf together with NaN is noted nan_and_inf.
 * Errors  SHN_FORMAT  no_ecg_lead, missing_lead (named), duplicate_lead, no_unit, too_short
 *         SHN_RANGE   upsampling without permission, a bad option;   SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_record_canonical(const shn_record *rec, const shn_signal_options *options,
                                              shn_record **out, shn_error *err);

/** What the twelve leads say about themselves. */
typedef struct shn_integrity {
    float  einthoven_uv_max;        /**< largest |I + III - II| in uV over samples where all three are there; NaN without */
    float  goldberger_uv_max;       /**< largest residual of aVR, aVL, aVF against I and II, uV; NaN without */
    int    order_proven;            /**< 1: identities hold; 0: cannot tell; -1: refuted */
    int    swapped_avl_avf;         /**< 1: they hold only after swapping the two */
    int    suspect_microvolt;       /**< 1: amplitudes look like uV labelled mV */
    int    limb_leads_reversed;     /**< 1: pattern of a left-right arm reversal suspected (I and aVR inverted) */
    struct {
        float    min_mv, max_mv;    /**< NaN when all gaps */
        uint32_t n_gaps;            /**< samples that are NaN */
        uint32_t n_clipped;         /**< samples in runs of >= 4 equal values at the lead's extreme */
        int      flat;              /**< 1: no variation over 1 uV */
        float    noise_uv;          /**< median absolute second difference, scaled to a standard deviation */
    } lead[SHN_LEADS];
} shn_integrity;

/** Examines a record that has the canonical lead names (missing ones read as all gaps). Never fails. */
void shn_integrity_check(const shn_record *rec, shn_integrity *out);

/**
 * Polyphase resampling of one lead by the rational up/down, Kaiser-windowed sinc, zero phase.
 *
 * Pass-band to 0.8 of the lower Nyquist frequency within 0.1 dB; 60 dB down from 1.2 of it on. Edges repeat the end samples.
 * Gaps: a window that touches a NaN gives NaN.
 * @param[in]  x, n        the samples, n > 0
 * @param[out] y, n_out    exactly shn_resample_length(n, up, down) samples
 * Errors  SHN_RANGE  up or down 0 or over 10,000 after reduction;   SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_resample(const float *x, size_t n, unsigned up, unsigned down, float *y, size_t n_out,
                                      shn_error *err);
size_t shn_resample_length(size_t n, unsigned up, unsigned down);       /**< ceil(n * up / down) */

#ifdef __cplusplus
}
#endif
#endif
