/**
 * A page to draw on: measured in millimetres, whatever it becomes. PNG, SVG and PDF are made in memory and leave
 * as bytes, so that a file is written whole or not at all.
 */
#ifndef SHN_REPORT_SURFACE_H
#define SHN_REPORT_SURFACE_H

#include <cairo.h>
#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define SHN_PLOT_PIXELS_MAX 32000       /**< edge of a PNG; cairo's own limit is 32767 */
#define SHN_PLOT_BYTES_MAX  ((size_t)1 << 30)

typedef enum shn_page_kind { SHN_PAGE_PNG, SHN_PAGE_SVG, SHN_PAGE_PDF, SHN_PAGE_KINDS } shn_page_kind;
/** By the ending of a path, case-folded; SHN_PAGE_KINDS if it is none of .png .svg .pdf. */
shn_page_kind shn_page_kind_of(const char *path);

typedef struct shn_page {
    cairo_t         *cr;                /**< 1 user unit = 1 mm, origin top left */
    cairo_surface_t *surface;
    shn_page_kind    kind;
    double           width_mm, height_mm, dpi;
    uint8_t         *bytes;             /**< grows while SVG and PDF are drawn */
    size_t           n_bytes, capacity;
    int              out_of_memory;
} shn_page;

/**
 * @param dpi  dots per inch of a PNG; the others do not use it
 * Errors  SHN_RANGE (limit) a PNG edge over SHN_PLOT_PIXELS_MAX;  SHN_NOMEM.  Release with shn_page_free even then.
 */
SHN_NODISCARD shn_status shn_page_open(shn_page *page, shn_page_kind kind, double width_mm, double height_mm, double dpi,
                                       shn_error *err);
/** Ends drawing. @param[out] bytes  the whole file, owned by the caller, with a NUL after it. */
SHN_NODISCARD shn_status shn_page_finish(shn_page *page, uint8_t **bytes, size_t *n_bytes, shn_error *err);
void shn_page_free(shn_page *page);     /**< accepts a zeroed page */

/** A coordinate moved to the centre of its nearest pixel, so that thin lines are equally sharp; vector pages leave it. */
double shn_page_snap(const shn_page *page, double mm);

#endif
