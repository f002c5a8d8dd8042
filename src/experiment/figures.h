/** Drawings of a document of results; they are made from it and cannot disagree with it. */
#ifndef SHN_EXPERIMENT_FIGURES_H
#define SHN_EXPERIMENT_FIGURES_H

#include <jansson.h>

#include "shinden/status.h"

/** name: of the file without ending; table: whose it is, NULL for those of the whole; svg, name and caption are owned. */
typedef struct xp_figure { char *name, *caption, *svg; const char *table; } xp_figure;
typedef struct xp_figures { xp_figure *list; size_t n, capacity; } xp_figures;

/** For each table its drawn rows: AUROC by finding, ROC and precision-recall, reliability, accuracy against candidates; learning curves; sweeps. Errors SHN_NOMEM */
SHN_NODISCARD shn_status xp_figures_draw(const json_t *doc, xp_figures *out, shn_error *err);
void xp_figures_free(xp_figures *figures);

#endif
