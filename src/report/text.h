/**
 * Text on a page, in millimetres, through pango, so that Japanese and English share a line. The families are asked for in
 * order and glyph by glyph: Latin letters from a Latin face, Japanese ones from an installed Japanese face
 * (fonts-ipafont-gothic comes with the install).
 */
#ifndef SHN_REPORT_TEXT_H
#define SHN_REPORT_TEXT_H

#include <pango/pangocairo.h>

#include "report/surface.h"

typedef struct shn_colour { double r, g, b; } shn_colour;

typedef enum shn_align { SHN_ALIGN_LEFT, SHN_ALIGN_CENTRE, SHN_ALIGN_RIGHT } shn_align;

typedef struct shn_text_style {
    double     size_mm;             /**< the em */
    int        bold;
    shn_colour colour;
    shn_align  align;               /**< which point of the line x is */
    double     width_max_mm;        /**< 0: no limit; longer text ends in an ellipsis */
} shn_text_style;

typedef struct shn_text shn_text;

/** One per page. Errors  SHN_UNSUPPORTED no font has Japanese letters (the remedy is named);  SHN_NOMEM */
SHN_NODISCARD shn_status shn_text_open(shn_page *page, shn_text **out, shn_error *err);
void shn_text_free(shn_text *text);                                             /**< accepts NULL */
/** Draws one line with its baseline at y and returns its width in mm. Bytes that are not UTF-8 show as U+FFFD. */
double shn_text_draw(shn_text *text, double x_mm, double baseline_mm, const shn_text_style *style, const char *utf8);
/** Width in mm without drawing. */
double shn_text_width(shn_text *text, const shn_text_style *style, const char *utf8);
/** Characters of utf8 for which no installed font has a glyph (they would show as boxes). */
int shn_text_unknown_glyphs(shn_text *text, const char *utf8);

#endif
