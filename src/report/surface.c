/**
 * Pages over cairo. SVG and PDF are laid out in points (their own unit, 1/72 inch), so their physical size is exact;
 * a PNG has whole pixels and says its resolution in a pHYs chunk, which cairo does not write.
 */
#include "report/surface.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"

#define MM_PER_INCH  25.4
#define PT_PER_MM    (72.0 / MM_PER_INCH)

shn_page_kind shn_page_kind_of(const char *path)
{
    static const char *const endings[SHN_PAGE_KINDS] = { ".png", ".svg", ".pdf" };
    const size_t n = strlen(path);
    for (int kind = 0; kind < SHN_PAGE_KINDS; kind++)
        if (n > 4 && strcasecmp(path + n - 4, endings[kind]) == 0) return (shn_page_kind)kind;
    return SHN_PAGE_KINDS;
}

/** Keeps one spare byte, so that a text can be ended. */
static int append(shn_page *page, const void *data, size_t n)
{
    if (n > SHN_PLOT_BYTES_MAX - page->n_bytes || page->out_of_memory ||
        shn_grow(&page->bytes, &page->capacity, page->n_bytes + n + 1, 1) != 0) {
        page->out_of_memory = 1;
        return -1;
    }
    memcpy(page->bytes + page->n_bytes, data, n);
    page->n_bytes += n;
    return 0;
}

static cairo_status_t on_bytes(void *context, const unsigned char *data, unsigned int n)
{
    return append(context, data, n) == 0 ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static shn_status surface_status(const shn_page *page, cairo_status_t status, shn_error *err)
{
    if (status == CAIRO_STATUS_SUCCESS && !page->out_of_memory) return SHN_OK;
    if (page->out_of_memory || status == CAIRO_STATUS_NO_MEMORY) return shn_fail_nomem(err, "plot.page");
    return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "plot.page", "drawing failed: %s", cairo_status_to_string(status));
}

shn_status shn_page_open(shn_page *page, shn_page_kind kind, double width_mm, double height_mm, double dpi, shn_error *err)
{
    memset(page, 0, sizeof *page);
    page->kind = kind;
    page->width_mm = width_mm;
    page->height_mm = height_mm;
    page->dpi = dpi;
    double scale = PT_PER_MM;
    if (kind == SHN_PAGE_PNG) {
        scale = dpi / MM_PER_INCH;
        const double w = ceil(width_mm * scale - 1e-6), h = ceil(height_mm * scale - 1e-6);
        if (!(w >= 1 && h >= 1 && w <= SHN_PLOT_PIXELS_MAX && h <= SHN_PLOT_PIXELS_MAX))
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "plot.page",
                            "%.0f x %.0f pixels, at most %d each way; ask for fewer seconds or a lower dpi", w, h,
                            SHN_PLOT_PIXELS_MAX);
        page->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)w, (int)h);
    } else if (kind == SHN_PAGE_SVG) {
        page->surface = cairo_svg_surface_create_for_stream(on_bytes, page, width_mm * scale, height_mm * scale);
        cairo_svg_surface_set_document_unit(page->surface, CAIRO_SVG_UNIT_PT);
    } else {
        page->surface = cairo_pdf_surface_create_for_stream(on_bytes, page, width_mm * scale, height_mm * scale);
    }
    page->cr = cairo_create(page->surface);
    cairo_scale(page->cr, scale, scale);
    return surface_status(page, cairo_status(page->cr), err);
}

double shn_page_snap(const shn_page *page, double mm)
{
    if (page->kind != SHN_PAGE_PNG) return mm;
    const double scale = page->dpi / MM_PER_INCH;
    return (floor(mm * scale) + 0.5) / scale;
}

static void write_u32be(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/** CRC-32 as PNG has it (ISO 3309, polynomial 0xEDB88320 reflected); 13 bytes do not deserve a table. */
static uint32_t png_crc(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

/** Passes PNG bytes on, with a pHYs chunk (pixels per metre) after the header: 8 magic + 25 IHDR. */
typedef struct png_stream { shn_page *page; size_t seen; } png_stream;
#define PNG_HEADER_BYTES 33

static int append_phys(shn_page *page)
{
    uint8_t chunk[21] = { 0, 0, 0, 9, 'p', 'H', 'Y', 's' };
    const uint32_t per_metre = (uint32_t)lround(page->dpi / MM_PER_INCH * 1000);
    write_u32be(chunk + 8, per_metre);
    write_u32be(chunk + 12, per_metre);
    chunk[16] = 1;                                              /* the unit is the metre */
    write_u32be(chunk + 17, png_crc(chunk + 4, 13));
    return append(page, chunk, sizeof chunk);
}

static cairo_status_t on_png(void *context, const unsigned char *data, unsigned int n)
{
    png_stream *s = context;
    size_t head = 0;
    if (s->seen < PNG_HEADER_BYTES) {
        head = PNG_HEADER_BYTES - s->seen < n ? PNG_HEADER_BYTES - s->seen : n;
        if (append(s->page, data, head) != 0) return CAIRO_STATUS_WRITE_ERROR;
        s->seen += head;
        if (s->seen == PNG_HEADER_BYTES && append_phys(s->page) != 0) return CAIRO_STATUS_WRITE_ERROR;
    }
    return append(s->page, data + head, n - head) == 0 ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

shn_status shn_page_finish(shn_page *page, uint8_t **bytes, size_t *n_bytes, shn_error *err)
{
    *bytes = NULL;
    *n_bytes = 0;
    cairo_status_t status = cairo_status(page->cr);
    cairo_surface_flush(page->surface);
    if (status == CAIRO_STATUS_SUCCESS && page->kind == SHN_PAGE_PNG) {
        png_stream s = { .page = page };
        status = cairo_surface_write_to_png_stream(page->surface, on_png, &s);
    }
    cairo_surface_finish(page->surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(page->surface);
    shn_status st = surface_status(page, status, err);
    if (st != SHN_OK) return st;
    page->bytes[page->n_bytes] = '\0';
    *bytes = page->bytes;
    *n_bytes = page->n_bytes;
    page->bytes = NULL;
    return SHN_OK;
}

void shn_page_free(shn_page *page)
{
    if (page->cr) cairo_destroy(page->cr);
    if (page->surface) cairo_surface_destroy(page->surface);
    free(page->bytes);
    memset(page, 0, sizeof *page);
}
