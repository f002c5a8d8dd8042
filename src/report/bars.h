/** Small drawings inside table cells: a value with its interval on a fixed axis, as inline SVG (numbers only, no text from outside). */
#ifndef SHN_REPORT_BARS_H
#define SHN_REPORT_BARS_H

#include "report/html.h"
#include "report/results.h"

/** Axis from low to high; a grid line at `mark` (chance, say) where it lies inside. Nothing is drawn for an undefined value. */
void shn_bar_draw(shn_html *page, shn_interval v, double low, double high, double mark);

#endif
