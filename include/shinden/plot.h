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
    double      mm_per_s, mm_per_mv;    /**< 25, 10 */
    double      dpi;                    /**< 150, PNG only */
    double      seconds;                /**< 10: how much of the record */
    const char *title;                  /**< a line above, NULL none; no patient name or id goes here unasked */
    const shn_plot_finding *findings;   /**< listed beside the trace, in this order */
    size_t      n_findings;
    int         simulated;              /**< 1: says so in red */
} shn_plot_options;
void shn_plot_defaults(shn_plot_options *options);

/**
 * Draws a canonical record (12 leads by name; missing ones are left blank and labelled so). Gaps are gaps in the line.
 * Every picture says "research use only, not a medical device".
 * Errors  SHN_UNSUPPORTED  another file ending;  SHN_IO;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_plot(const shn_record *canonical, const shn_plot_options *options, const char *path, shn_error *err);
/** The same as SVG text in memory (for pages), owned by the caller. */
SHN_NODISCARD shn_status shn_plot_svg(const shn_record *canonical, const shn_plot_options *options, char **svg, size_t *n_bytes,
                                      shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
