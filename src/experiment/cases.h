/** Example cases, chosen by rule and drawn: the ECG on its paper, what it has, the five nearest texts with similarity and probability. */
#ifndef SHN_EXPERIMENT_CASES_H
#define SHN_EXPERIMENT_CASES_H

#include "experiment/grid.h"

struct judged;                          /* eval/judged.h */

/** A record and why it was chosen: "first hit", "first miss", "worst urgent miss"; urgent: K, or the column of the finding that was missed. */
typedef struct xp_choice { size_t record; const char *kind; size_t urgent; } xp_choice;
enum { XP_CASE_KINDS = 3 };
/**
 * At most `each` of every kind. In file order: the first hits (the first of all specific findings is true) and the first misses (no true specific finding among the first
 * five); then the worst urgent misses (an urgent finding that is there and was not called, least probable first; a record once).
 * @param[out] out  room for XP_CASE_KINDS * each
 * Errors SHN_NOMEM
 */
SHN_NODISCARD shn_status xp_cases_choose(const struct judged *j, size_t each, xp_choice *out, size_t *n, shn_error *err);

typedef struct xp_case { char name[64]; char caption[512]; char *truth, *svg; size_t n_svg; } xp_case;
typedef struct xp_cases { xp_case *list; size_t n, capacity; } xp_cases;

/**
 * The plan's examples, by the first seed of its row (of a cross-validation, its first round).
 * Errors  as xp_seeds_open
 */
SHN_NODISCARD shn_status xp_cases_draw(const xp_grid *g, const shn_watcher *watcher, xp_cases *out, shn_error *err);
void xp_cases_free(xp_cases *cases);

#endif
