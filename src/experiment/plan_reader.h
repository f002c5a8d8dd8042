/** What the parts of the config's reader share: the document, the plan being filled, and values with their limits. */
#ifndef SHN_EXPERIMENT_PLAN_READER_H
#define SHN_EXPERIMENT_PLAN_READER_H

#include "experiment/plan.h"

typedef struct xp_reader { xp_plan *p; const shn_yaml *y; const char *data; shn_error *err; } xp_reader;

static inline shn_yaml_node xp_find(const xp_reader *r, shn_yaml_node node, const char *key) { return shn_yaml_find(r->y, node, key); }
/** "" for no node. */
static inline const char *xp_text_of(const xp_reader *r, shn_yaml_node node) { return node ? shn_yaml_text(r->y, node) : ""; }

/** Every key of the dictionary must be one of the NULL-terminated list. */
SHN_NODISCARD shn_status xp_check_keys(const xp_reader *r, shn_yaml_node node, const char *const *known);
/** Entries of a dictionary under the root, whose names a file may be called after; *n 0 where it is absent and not required. */
SHN_NODISCARD shn_status xp_entries(const xp_reader *r, const char *key, int required, shn_yaml_node *node, size_t *n);
/** A path: "${data}" is the data folder, relative ones start from the config's folder. *out is borrowed from the plan. */
SHN_NODISCARD shn_status xp_path_of(const xp_reader *r, shn_yaml_node node, const char **out);
SHN_NODISCARD shn_status xp_number_of(const xp_reader *r, shn_yaml_node node, double low, double high, double *out);
SHN_NODISCARD shn_status xp_count_of(const xp_reader *r, shn_yaml_node node, double low, double high, size_t *out);
/** 0 or 1 and nothing else: a 'true' that counted as 0 would be silent. No node: *out stays. */
SHN_NODISCARD shn_status xp_flag_of(const xp_reader *r, shn_yaml_node node, int *out);
/** A list of one to XP_ENTRIES_MAX words; *out [n] is owned by the caller, its words are borrowed. */
SHN_NODISCARD shn_status xp_words_of(const xp_reader *r, shn_yaml_node node, const char ***out, size_t *n);

/* one file each, in the order in which they are called: later ones look up the names of earlier ones */
SHN_NODISCARD shn_status xp_read_cohorts(const xp_reader *r);          /* cohorts, texts, label_lists */
SHN_NODISCARD shn_status xp_read_systems(const xp_reader *r);
SHN_NODISCARD shn_status xp_read_judgements(const xp_reader *r);       /* evaluations, tables, claims, baseline, examples */

/** Index by name, or the number of them. */
size_t xp_index_of_cohort(const xp_plan *p, const char *name);
size_t xp_index_of_text(const xp_plan *p, const char *name);
size_t xp_index_of_list(const xp_plan *p, const char *name);

#endif
