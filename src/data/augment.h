/** Changes to a training window that leave its findings as they are; what is drawn depends on the stream given, nothing else. */
#ifndef SHN_DATA_AUGMENT_H
#define SHN_DATA_AUGMENT_H

#include "base/random.h"
#include "shinden/crop.h"
#include "shinden/embed.h"

typedef struct shn_augment {
    double gain;            /* the window times exp(gain * n), n standard normal; one factor for all leads */
    double noise;           /* sd of added noise, in units of the window's own sd before augmentation */
    double wander;          /* mV: sd of the amplitude of a slow sine (0.05 to 0.5 Hz) per lead; with per-record scaling, record sds */
    double lead_dropout;    /* probability that a lead is set to 0 */
} shn_augment;

/** Sample * gain + shift is what shn_window_fill makes of a lead's samples. */
void shn_window_scaling(const shn_input *in, const shn_packed *row, float gain[SHN_CROP_LEADS], float shift[SHN_CROP_LEADS]);
/** What is drawn for a window, all but row, start, n_valid, gain and shift of the crop: the same numbers in the same order as shn_augment_window draws. */
void shn_augment_draw(const shn_augment *augment, const shn_input *in, shn_rng *rng, shn_crop *crop);

/**
 * Augments x [window][12] as shn_window_fill(in, row, start, x) left it. Gaps and what lies past n_valid stay 0.
 * Noise is a sum of four uniform numbers (kurtosis -0.3 from normal): good enough to disturb with, and 5 times cheaper.
 */
void shn_augment_window(const shn_augment *augment, const shn_input *in, const shn_packed *row, size_t start, shn_rng *rng, float *x);

#endif
