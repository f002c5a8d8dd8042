/**
 * A training window of a record, described instead of made: what is cut out of a row of packed samples and how it is disturbed. The
 * loader fills it, an engine that holds the rows makes the window from it (shinden/engine.h).
 *
 *   v = sample * gain[lead] + shift[lead];  v = v * factor + noise + amplitude[lead] * sin(phase[lead] + turn[lead] * t)
 *   0 instead where the sample is a gap, past n_valid, or the lead is dropped
 *
 * Noise sample i = t * 12 + lead is a sum of four 16-bit numbers from SplitMix64's output function at key + (i + 1) * 0x9e3779b97f4a7c15,
 * of sd `noise` times the window's own sd before the factor (data/augment.h says why).
 */
#ifndef SHINDEN_CROP_H
#define SHINDEN_CROP_H

#include <stdint.h>

#define SHN_CROP_LEADS 12

typedef struct shn_crop {
    uint32_t row, start;                /**< which row; its first sample */
    uint32_t n_valid;                   /**< samples of the row that were recorded */
    uint32_t dropped;                   /**< bit l: lead l is 0 */
    uint64_t key;                       /**< of the noise */
    double   noise;                     /**< 0: none */
    double   turn[SHN_CROP_LEADS], phase[SHN_CROP_LEADS], amplitude[SHN_CROP_LEADS];   /**< wander: radians a sample, radians, in the window's units; 0: none */
    float    gain[SHN_CROP_LEADS], shift[SHN_CROP_LEADS];
    float    factor;                    /**< 1: none */
} shn_crop;

#endif
