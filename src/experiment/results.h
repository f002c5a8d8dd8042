/** From finished runs to one document: the rows of the tables with intervals over patients and seeds, and the verdicts of the claims. */
#ifndef SHN_EXPERIMENT_RESULTS_H
#define SHN_EXPERIMENT_RESULTS_H

#include <jansson.h>

#include "experiment/grid.h"

/**
 * Judges every row of the tables and every claim. Claims are corrected together by Holm's method.
 * @param[out] doc  a JSON object (docs/experiment.md), owned by the caller (json_decref)
 * Errors  SHN_MISMATCH a read-out that a system does not have, a cohort without a common finding;  SHN_IO, SHN_FORMAT, SHN_NOMEM, SHN_CANCELLED
 */
SHN_NODISCARD shn_status xp_results(const xp_grid *g, const shn_watcher *watcher, json_t **doc, shn_error *err);

/**
 * Holm's step-down: adjusted[i] = max over the j with p not above p[i] of min(1, (m - rank(j)) p[j]); NaN stays NaN and counts in m.
 * Source  Holm 1979, Scand. J. Statist. 6, 65-70.
 */
void xp_holm(const double *p, size_t m, double *adjusted);

#endif
