#include "report/chart_parts.h"

#include <math.h>
#include <stdio.h>

static const double line_px = 17;

const char *shn_chart_colour(int index)
{
    static const char *const colours[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5D4A9C", "#222222" };
    return index < 0 ? "#8A8F98" : colours[(size_t)index % (sizeof colours / sizeof *colours)];
}

void shn_chart_text(shn_html *svg, double x, double y, double size, shn_anchor anchor, const char *fill, int bold, int turned, const char *text)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    shn_html_printf(svg, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" text-anchor=\"%s\" fill=\"%s\"", x, y, size, anchors[anchor], fill);
    if (bold) shn_html_raw(svg, " font-weight=\"600\"");
    if (turned) shn_html_printf(svg, " transform=\"rotate(-90 %.1f %.1f)\"", x, y);
    shn_html_raw(svg, ">");
    shn_html_text(svg, text);
    shn_html_raw(svg, "</text>\n");
}

double shn_chart_text_width(const char *text, double size)
{
    double em = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x80) em += 0.56;
        else if (*p >= 0xC0) em += 1;               /* the first byte of a letter outside ASCII: taken as wide */
    }
    return em * size;
}

double shn_chart_legend(shn_html *svg, const char *const *names, const int *colours, const int *dashed, size_t n, double x, double y, double right)
{
    double at = x, line = 0;
    for (size_t i = 0; i < n; i++) {
        if (!names[i]) continue;
        const double width = 26 + shn_chart_text_width(names[i], SHN_CHART_TEXT_PX) + 16;
        if (at > x && at + width > right) {
            at = x;
            line += line_px;
        }
        if (svg) {
            shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2.4\"%s/>", at, y + line + 8, at + 20, y + line + 8,
                            shn_chart_colour(colours[i]), dashed && dashed[i] ? " stroke-dasharray=\"5 4\"" : "");
            shn_chart_text(svg, at + 26, y + line + 12, SHN_CHART_TEXT_PX, SHN_ANCHOR_START, "#333", 0, 0, names[i]);
        }
        at += width;
    }
    return at > x ? line + line_px : 0;
}

double shn_chart_step(double span, int wanted)
{
    static const double steps[] = { 1, 2, 2.5, 5, 10 };
    const double raw = span / wanted, power = pow(10, floor(log10(raw)));
    size_t i = 0;
    while (i + 1 < sizeof steps / sizeof *steps && steps[i] * power < raw * (1 - 1e-9)) i++;
    return steps[i] * power;
}
