/** The texts that training and evaluation look up by their wording: gathered from a registry, a file of lines, or a cohort. */
#ifndef SHN_CLI_TEXT_LIST_H
#define SHN_CLI_TEXT_LIST_H

#include <stddef.h>

#include "shinden/cohort.h"
#include "shinden/findings.h"
#include "shinden/status.h"

/** Owned strings in NFC, each once, in the order in which they first came. */
typedef struct text_list { char **items; size_t n, capacity; } text_list;
void text_list_free(text_list *list);

/** Appends; SHN_FORMAT: not UTF-8. Empty texts are passed over. */
SHN_NODISCARD shn_status text_list_add(text_list *list, const char *text, shn_error *err);
/** Of every finding: code, names, and "name: criterion" in English and Japanese where there is one; and what no finding is called.
 *  only: findings that this coding system names; -1: all. */
SHN_NODISCARD shn_status text_list_findings(text_list *list, const shn_registry *reg, int only, shn_error *err);
/** One text a line. */
SHN_NODISCARD shn_status text_list_lines(text_list *list, const char *path, shn_error *err);
/** Of a cohort: its findings as above, every distinct joined record text in both languages, and on wish every distinct report. */
SHN_NODISCARD shn_status text_list_cohort(text_list *list, const shn_cohort *c, const shn_registry *reg, int reports, shn_error *err);
/** Takes out what stands a second time. */
SHN_NODISCARD shn_status text_list_unique(text_list *list, shn_error *err);

#endif
