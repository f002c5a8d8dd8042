/** ECGs on paper: 25 mm/s, 10 mm/mV, as PNG, SVG or PDF by the file's ending, with findings beside in both languages. */
#ifndef SHINDEN_PLOT_H
#define SHINDEN_PLOT_H

#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum shn_layout { SHN_LAYOUT_3X4, SHN_LAYOUT_6X2, SHN_LAYOUT_12X1, SHN_LAYOUT_COUNT } shn_layout;   /**< 3x4 has a rhythm strip of II */
/** "3x4" "6x2" "12x1"; SHN_LAYOUT_COUNT if none. */
shn_layout shn_layout_from_name(const char *name);

typedef struct shn_plot_finding { const char *name_en, *name_ja; double probability, threshold; int positive; } shn_plot_finding;
typedef struct shn_plot_options {
    shn_layout  layout;
    double      mm_per_s, mm_per_mv;    /**< 25, 10; allowed 5..200 and 1..100 */
    double      dpi;                    /**< 203.2 (8 pixels per mm), PNG only; 36..1200 */
    double      seconds;                /**< 10: how much of the record; 1..120. Of a shorter record the columns share what there is */
    double      start_s;                /**< 0: where the trace begins in the record */
    const char *title;                  /**< a line above, NULL: "12-lead ECG"; no patient name or id goes here unasked */
    const char *filter;                 /**< what was done to the signal, such as "0.5-40 Hz", beside the scale; NULL none */
    const shn_plot_finding *findings;   /**< listed beside the trace, in this order */
    size_t      n_findings;
    int         simulated;              /**< 1: says so in red */
} shn_plot_options;
void shn_plot_defaults(shn_plot_options *options);

/**
 * Draws a canonical record (12 leads by name; missing ones are left blank and labelled so).
 *
 * Scale   millimetres are true in SVG and PDF, and in PNG at its dpi, which the file states. Each lead is drawn about its own
 *         median over the shown time (an ECG has no absolute zero); columns of 3x4 and 6x2 follow each other in time.
 * Gaps    are gaps in the line. A trace further than 40 mm from its baseline is cut there and marked; less, where the page
 *         would else grow beyond what its layout allows (docs/plots.md).
 * Text    every picture says "Research use only. Not a medical device." Notes of the record are printed; its meta (id, patient,
 *         age, sex, time) is not.
 * Memory  the file is made in memory and written whole, by temporary name and rename.
 * Errors  SHN_UNSUPPORTED  another file ending; no font with Japanese letters (fonts-ipafont-gothic brings one)
 *         SHN_RANGE        an option outside its range, start_s past the end, more pixels than a PNG here may have (limit)
 *         SHN_IO, SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_plot(const shn_record *canonical, const shn_plot_options *options, const char *path, shn_error *err);
/** The same as SVG text in memory (for pages), owned by the caller, NUL-terminated; *n_bytes may be NULL. */
SHN_NODISCARD shn_status shn_plot_svg(const shn_record *canonical, const shn_plot_options *options, char **svg, size_t *n_bytes,
                                      shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
