/** What charts and forests share: colours, words, the legend, round numbers for ticks. */
#ifndef SHN_REPORT_CHART_PARTS_H
#define SHN_REPORT_CHART_PARTS_H

#include "report/html.h"

#define SHN_CHART_TITLE_PX 15.0
#define SHN_CHART_TEXT_PX  12.0
#define SHN_CHART_SMALL_PX 11.0

/** "#0072B2"; grey for a negative index. */
const char *shn_chart_colour(int index);
typedef enum shn_anchor { SHN_ANCHOR_START, SHN_ANCHOR_MIDDLE, SHN_ANCHOR_END } shn_anchor;
/** One line of text; `turned` stands it upright, reading upwards. */
void shn_chart_text(shn_html *svg, double x, double y, double size, shn_anchor anchor, const char *fill, int bold, int turned, const char *text);
/** About how wide a text is; the reader's font decides. */
double shn_chart_text_width(const char *text, double size);
/** Draws swatches with names from (x, y) on, breaking lines at `right`; returns how many pixels high it is. With svg NULL only measures. */
double shn_chart_legend(shn_html *svg, const char *const *names, const int *colours, const int *dashed, size_t n, double x, double y, double right);
/** A step of 1, 2, 2.5 or 5 times a power of ten that gives about `wanted` ticks over the span. */
double shn_chart_step(double span, int wanted);

#endif
