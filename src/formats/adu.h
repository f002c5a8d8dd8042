/** Samples in mV back to the integers that are stored, for the writers. */
#ifndef SHN_FORMATS_ADU_H
#define SHN_FORMATS_ADU_H

#include <math.h>
#include <stdint.h>

#include "shinden/convert.h"

/** How a lead is stored: adu = mV * gain + baseline, rounded, between low and high. */
typedef struct adu_fit {
    double gain, baseline;
    double low, high;           /* of the format */
    double least, most;         /* integers that occur, before they are clipped; least > most: all gaps */
    size_t n_gaps, n_rounded, n_clipped;
} adu_fit;

/** The lead's own calibration where it has one and its integers fit between low and high; else the nearest that does (shinden/convert.h). */
void adu_fit_lead(const shn_record *rec, size_t lead, double low, double high, adu_fit *out);
/** Fits all leads; SHN_FORMAT (no_unit) for an ECG lead of unknown unit. Adds to the report. */
SHN_NODISCARD shn_status adu_fit_all(const shn_record *rec, double low, double high, adu_fit *fits, shn_convert_report *report, shn_error *err);

/** The integer of a sample that is no gap. */
static inline int32_t adu_of(const adu_fit *f, float mv)
{
    const double v = nearbyint((double)mv * f->gain + f->baseline);
    return (int32_t)(v < f->low ? f->low : v > f->high ? f->high : v);
}

/** A line of a header: line breaks and other controls are blanks. out has size bytes. */
void adu_line(char *out, size_t size, const char *text);

#endif
