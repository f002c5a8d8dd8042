/** Pango without rounding: at 25 mm/s a page is measured, so positions stay real numbers at every resolution. */
#include "report/text.h"

#include <math.h>

#include "base/alloc.h"
#include "base/fail.h"

/** Any of these will do for Latin; for Japanese the first that is there, with Japanese (not Chinese) forms of Han letters. */
#define FAMILIES "Noto Sans, Liberation Sans, DejaVu Sans, IPAPGothic, IPAGothic, IPAexGothic, Noto Sans CJK JP, sans-serif"
#define PROBE    "心電図所見確率閾値あア"

struct shn_text {
    shn_page     *page;
    PangoFontMap *fonts;
    PangoContext *context;
    PangoLayout  *layout;
};

static void set_context(shn_text *text)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    pango_cairo_context_set_font_options(text->context, options);
    cairo_font_options_destroy(options);
    pango_cairo_context_set_resolution(text->context, 72);
    pango_context_set_round_glyph_positions(text->context, FALSE);
    pango_context_set_language(text->context, pango_language_from_string("ja"));
    pango_cairo_update_context(text->page->cr, text->context);
}

shn_status shn_text_open(shn_page *page, shn_text **out, shn_error *err)
{
    *out = NULL;
    shn_text *text = shn_alloc(1, sizeof *text);
    if (!text) return shn_fail_nomem(err, "plot.text");
    text->page = page;
    text->fonts = g_object_ref(pango_cairo_font_map_get_default());     /* one per thread; opening it is the slow part */
    text->context = pango_font_map_create_context(text->fonts);
    set_context(text);
    text->layout = pango_layout_new(text->context);
    pango_layout_set_single_paragraph_mode(text->layout, TRUE);
    if (shn_text_unknown_glyphs(text, PROBE) != 0) {
        shn_text_free(text);
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "plot.text",
                        "no installed font has Japanese letters; install fonts-ipafont-gothic");
    }
    *out = text;
    return SHN_OK;
}

void shn_text_free(shn_text *text)
{
    if (!text) return;
    g_object_unref(text->layout);
    g_object_unref(text->context);
    g_object_unref(text->fonts);
    free(text);
}

static void set_layout(shn_text *text, const shn_text_style *style, const char *utf8)
{
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, FAMILIES);
    pango_font_description_set_weight(font, style->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_font_description_set_absolute_size(font, style->size_mm * PANGO_SCALE);
    pango_layout_set_font_description(text->layout, font);
    pango_font_description_free(font);
    if (style->width_max_mm > 0) {
        pango_layout_set_width(text->layout, (int)lround(style->width_max_mm * PANGO_SCALE));
        pango_layout_set_ellipsize(text->layout, PANGO_ELLIPSIZE_END);
    } else {
        pango_layout_set_width(text->layout, -1);
        pango_layout_set_ellipsize(text->layout, PANGO_ELLIPSIZE_NONE);
    }
    char *valid = g_utf8_make_valid(utf8, -1);
    pango_layout_set_text(text->layout, valid, -1);
    g_free(valid);
}

static double layout_width(shn_text *text)
{
    PangoRectangle logical;
    pango_layout_get_extents(text->layout, NULL, &logical);
    return (double)logical.width / PANGO_SCALE;
}

double shn_text_width(shn_text *text, const shn_text_style *style, const char *utf8)
{
    set_layout(text, style, utf8);
    return layout_width(text);
}

double shn_text_draw(shn_text *text, double x_mm, double baseline_mm, const shn_text_style *style, const char *utf8)
{
    cairo_t *cr = text->page->cr;
    set_layout(text, style, utf8);
    const double width = layout_width(text);
    const double shift = style->align == SHN_ALIGN_LEFT ? 0 : style->align == SHN_ALIGN_CENTRE ? width / 2 : width;
    cairo_set_source_rgb(cr, style->colour.r, style->colour.g, style->colour.b);
    cairo_move_to(cr, x_mm - shift, baseline_mm);
    pango_cairo_show_layout_line(cr, pango_layout_get_line_readonly(text->layout, 0));
    cairo_new_path(cr);
    return width;
}

int shn_text_unknown_glyphs(shn_text *text, const char *utf8)
{
    const shn_text_style style = { .size_mm = 3 };
    set_layout(text, &style, utf8);
    return pango_layout_get_unknown_glyphs_count(text->layout);
}
