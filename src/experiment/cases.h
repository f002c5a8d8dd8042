/** Example cases, chosen by rule and drawn: the ECG on its paper, what it has, the five nearest texts with similarity and probability. */
#ifndef SHN_EXPERIMENT_CASES_H
#define SHN_EXPERIMENT_CASES_H

#include "experiment/grid.h"

typedef struct xp_case { char name[64]; char caption[512]; char *truth, *svg; size_t n_svg; } xp_case;
typedef struct xp_cases { xp_case *list; size_t n, capacity; } xp_cases;

/**
 * The plan's examples, by the first seed of its row (of a cross-validation, its first round). In file order: the first hits (the first of all specific findings is true) and
 * the first misses (no true specific finding among the first five); then the worst urgent misses (an urgent finding that was not called, least probable first).
 * Errors  as xp_seeds_open
 */
SHN_NODISCARD shn_status xp_cases_draw(const xp_grid *g, const shn_watcher *watcher, xp_cases *out, shn_error *err);
void xp_cases_free(xp_cases *cases);

#endif
