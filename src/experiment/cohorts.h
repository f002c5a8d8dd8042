/** The cohorts of an experiment: imported into its folder once, found again, and seen fold by fold. */
#ifndef SHN_EXPERIMENT_COHORTS_H
#define SHN_EXPERIMENT_COHORTS_H

#include "experiment/plan.h"
#include "shinden/progress.h"

/**
 * Fills c->open and c->fold; the file is c's own, or FOLDER/cohorts/NAME.h5 of its twin, which is imported where it is not there.
 * Errors  SHN_MISMATCH  the file there was imported with other settings, another mapping or another registry;  those of shn_import and shn_cohort_open
 */
SHN_NODISCARD shn_status xp_cohort_open(const xp_plan *plan, const char *folder, xp_cohort *c, const shn_watcher *watcher, shn_error *err);

#endif
