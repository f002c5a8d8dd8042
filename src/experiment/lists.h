/** Lists of findings meet their cohorts: drawn by rule, or checked. */
#ifndef SHN_EXPERIMENT_LISTS_H
#define SHN_EXPERIMENT_LISTS_H

#include "experiment/plan.h"

/**
 * After the cohorts are open: draws the lists that were given by a rule, and makes sure that the cohorts which systems leave groups out of
 * have their findings, and that findings which evaluations name are known to the registry or the cohort. The rule: of the findings with min_positives
 * positives and as many negatives among the split's records, ubiquitous ones aside, the n_drawn commonest (ties by id), dealt one by one to the groups.
 * Errors  SHN_RANGE  fewer findings than groups, no such split, a finding that nobody knows (named);  SHN_NOMEM
 */
SHN_NODISCARD shn_status xp_lists_settle(xp_plan *plan, shn_error *err);

#endif
