/** The document of results in the forms that people use; all are made from it and cannot disagree with it. */
#ifndef SHN_EXPERIMENT_PAGES_H
#define SHN_EXPERIMENT_PAGES_H

#include <jansson.h>

#include "shinden/status.h"

/** Text, owned by the caller (free()). table: one of doc's tables. Errors SHN_NOMEM. */
SHN_NODISCARD shn_status xp_markdown(const json_t *doc, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_html(const json_t *doc, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_table_csv(const json_t *table, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_table_latex(const json_t *table, char **out, shn_error *err);
SHN_NODISCARD shn_status xp_claims_csv(const json_t *doc, char **out, shn_error *err);

#endif
