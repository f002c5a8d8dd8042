/**
 * Where everything lies on the sheet, in millimetres: which lead in which row and column, how far rows are apart, how
 * large the sheet becomes. Computed before anything is drawn, from the traces themselves, so that rows of large
 * amplitude get room and labels stand clear of the line.
 */
#ifndef SHN_REPORT_PAPER_H
#define SHN_REPORT_PAPER_H

#include "shinden/plot.h"
#include "shinden/signal.h"

#define SHN_STRIPS_MAX 13
#define SHN_ROWS_MAX   12

#define SHN_LABEL_MM   3.4              /**< em of a lead's name */
#define SHN_CAL_MM     15.0             /**< left part of the paper, for the calibration pulse */

typedef struct shn_strip {
    size_t lead;                        /**< canonical index */
    int    row;
    int    present;                     /**< 0: no sample at all in the record */
    double start_s, seconds;            /**< time shown, from the start of the record */
    double x_mm, width_mm;
    double zero_mv;                     /**< what is drawn on the baseline */
    double label_mm;                    /**< baseline of the label, above the strip's baseline */
    double cut_mm[2];                   /**< how far the trace is drawn above [0] and below [1] its baseline */
    int    is_cut[2];                   /**< 1: some of it lies beyond and is marked */
} shn_strip;

typedef struct shn_paper {
    double    page_width, page_height;
    double    x, y, width, height;      /**< the grid; multiples of 5 mm wide and high */
    double    panel_x, panel_width;     /**< the list of findings; width 0: none */
    size_t    n_strips, n_rows;
    shn_strip strip[SHN_STRIPS_MAX];
    double    baseline[SHN_ROWS_MAX];   /**< y of each row, on a 5 mm line of the grid */
} shn_paper;

/** Options must have been checked. Errors  SHN_NOMEM */
SHN_NODISCARD shn_status shn_paper_plan(const shn_record *rec, const shn_plot_options *options, shn_paper *out, shn_error *err);
/** Samples [*first, *last) that a strip shows of a record of n samples. */
void shn_strip_samples(const shn_strip *strip, double fs_hz, size_t n, size_t *first, size_t *last);

#endif
