/** The document of results in the forms that people use; all are made from it and cannot disagree with it. */
#ifndef SHN_EXPERIMENT_PAGES_H
#define SHN_EXPERIMENT_PAGES_H

#include <jansson.h>

#include "experiment/cases.h"
#include "experiment/figures.h"
#include "shinden/status.h"

/** Text, owned by the caller (free()). table: one of doc's tables. Errors SHN_NOMEM. */
SHN_NODISCARD shn_status xp_markdown(const json_t *doc, char **out, shn_error *err);
/** One self-contained page: figures stand in it, example cases as pictures of their own. */
SHN_NODISCARD shn_status xp_html(const json_t *doc, const xp_figures *figures, const xp_cases *cases, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_table_csv(const json_t *table, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_table_latex(const json_t *table, char **out, shn_error *err);
/** One line for each drawn row and finding. */
SHN_NODISCARD shn_status xp_findings_csv(const json_t *table, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_claims_csv(const json_t *doc, char **out, shn_error *err);

#endif
