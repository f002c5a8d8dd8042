/** Filters of the signal path on one lead, in place, zero phase; gaps are bridged for filtering and stay gaps. */
#ifndef SHN_SIGNAL_FILTER_H
#define SHN_SIGNAL_FILTER_H

#include <stddef.h>

#include "shinden/status.h"

/**
 * Second-order Butterworth forwards and backwards (so: order 4 in amplitude, -6 dB at the corner, no phase shift).
 * Errors  SHN_RANGE  corner not in (0, fs/2);  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_filter_highpass(float *x, size_t n, double fs_hz, double corner_hz, shn_error *err);
SHN_NODISCARD shn_status shn_filter_lowpass(float *x, size_t n, double fs_hz, double corner_hz, shn_error *err);
/** Subtracts the baseline: a running median of 200 ms, then one of 600 ms over its result (de Chazal et al. 2004). */
SHN_NODISCARD shn_status shn_filter_baseline(float *x, size_t n, double fs_hz, shn_error *err);

#endif
