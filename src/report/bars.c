#include "report/bars.h"

#include <math.h>

#define WIDE 110.0
#define HIGH 14.0

static double at(double v, double low, double high)
{
    return 2 + (WIDE - 4) * fmax(0, fmin(1, (v - low) / (high - low)));
}

void shn_bar_draw(shn_html *page, shn_interval v, double low, double high, double mark)
{
    if (!isfinite(v.value)) return;
    shn_html_printf(page, "<svg class=\"bar\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\" aria-hidden=\"true\">", WIDE, HIGH, WIDE, HIGH);
    shn_html_printf(page, "<line class=\"axis\" x1=\"2\" y1=\"7\" x2=\"%g\" y2=\"7\"/>", WIDE - 2);
    if (mark >= low && mark <= high)
        shn_html_printf(page, "<line class=\"axis\" x1=\"%.2f\" y1=\"2\" x2=\"%.2f\" y2=\"12\"/>", at(mark, low, high), at(mark, low, high));
    if (isfinite(v.low) && isfinite(v.high))
        shn_html_printf(page, "<line class=\"interval\" x1=\"%.2f\" y1=\"7\" x2=\"%.2f\" y2=\"7\"/>", at(v.low, low, high), at(v.high, low, high));
    shn_html_printf(page, "<circle class=\"value\" cx=\"%.2f\" cy=\"7\" r=\"3\"/></svg>", at(v.value, low, high));
}
