/**
 * Charts as SVG text: lines, steps, bands and points on linear or logarithmic axes, and intervals by row ("forest"). Text stays text and is escaped; no script, no
 * style from outside, so a chart can stand in a page or alone. Colours are those of Okabe and Ito, told apart also by colour-blind readers.
 */
#ifndef SHN_REPORT_CHART_H
#define SHN_REPORT_CHART_H

#include "report/html.h"

typedef enum shn_mark { SHN_MARK_LINE, SHN_MARK_STEP, SHN_MARK_POINTS } shn_mark;   /* POINTS: dots joined by a thin line, intervals as bars */

/** Points with y NaN are left out, and end a line. */
typedef struct shn_series {
    const char   *name;             /* in the legend; NULL: not there */
    const double *x, *y, *low, *high;   /* [n]; low and high NULL: no band */
    size_t        n;
    shn_mark      mark;
    int           colour;           /* index into the palette, modulo its size; -1 grey */
    int           dashed;
} shn_series;

typedef struct shn_chart {
    const char *title, *x_label, *y_label, *note;   /* note: a small line below the title; NULL: none */
    double      x_low, x_high, y_low, y_high;       /* NaN: from the data */
    int         x_log;              /* 1: ticks stand at the first series' x, which are above 0 */
    int         diagonal;           /* 1: a dashed line from corner to corner: chance, or perfect calibration */
    const shn_series *series;
    size_t      n_series;
} shn_chart;

/** Begins a drawing of width x height pixels on white; title is for readers that cannot see it. */
void shn_svg_begin(shn_html *svg, double width, double height, const char *title);
/** Ends it with the line that every picture carries, in the lowest SHN_SVG_FOOT pixels. */
void shn_svg_end(shn_html *svg, double width, double height);
#define SHN_SVG_FOOT 22.0

/** Draws a chart into the box x, y, width, height. */
void shn_chart_draw(shn_html *svg, const shn_chart *chart, double x, double y, double width, double height);

typedef struct shn_forest_row { const char *name_en, *name_ja, *note; int grey; } shn_forest_row;
/** value, low, high: [n_series][n_rows], NaN where there is nothing to draw. */
typedef struct shn_forest {
    const char *title, *note, *x_label;
    const shn_forest_row *rows;
    size_t      n_rows, n_series;
    const char *const *names;       /* [n_series] */
    const double *value, *low, *high;
    double      x_low, x_high, mark;    /* mark: a vertical line, such as chance */
} shn_forest;
/** Pixels that the forest needs. */
double shn_forest_height(const shn_forest *f);
void   shn_forest_draw(shn_html *svg, const shn_forest *f, double x, double y, double width);

#endif
