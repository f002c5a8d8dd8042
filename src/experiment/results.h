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

/* parts of the document, one file each; lists are appended to */
SHN_NODISCARD shn_status xp_tables(const xp_grid *g, const shn_watcher *watcher, json_t *tables, shn_error *err);
SHN_NODISCARD shn_status xp_claims(const xp_grid *g, const shn_watcher *watcher, json_t *claims, shn_error *err);
/** Training loss by epoch of every system, and final losses against what a system's list varied. */
SHN_NODISCARD shn_status xp_learning(const xp_grid *g, json_t *learning, json_t *sweeps, shn_error *err);
/** What differs between the home cohort and the other one, for each evaluation with a `home`, as the first row judged there sees it. */
SHN_NODISCARD shn_status xp_drifts(const xp_grid *g, const shn_watcher *watcher, json_t *drifts, shn_error *err);

/** A number with five significant digits, for curves; null for what is not finite. */
json_t *xp_short(double v);
/** Appends a value, which is taken over; NULL, as json_pack gives when it fails, or no list is SHN_NOMEM instead of an entry that is not there. */
SHN_NODISCARD shn_status xp_append(json_t *list, json_t *value, shn_error *err);

/**
 * Holm's step-down: adjusted[i] = max over the j with p not above p[i] of min(1, (m - rank(j)) p[j]); NaN stays NaN and counts in m.
 * Source  Holm 1979, Scand. J. Statist. 6, 65-70.
 */
void xp_holm(const double *p, size_t m, double *adjusted);

#endif
