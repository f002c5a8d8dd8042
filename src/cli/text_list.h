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
/** Which texts of a finding: bits 1 << shn_text_form, bits 1 English and 2 Japanese. */
typedef struct text_choice { unsigned forms, languages; } text_choice;
enum { TEXT_FORMS_ALL = 7, TEXT_LANGUAGES_ALL = 3 };
/** Of every finding the chosen texts; and what no finding is called. only: findings that this coding system names; -1: all. */
SHN_NODISCARD shn_status text_list_findings(text_list *list, const shn_registry *reg, text_choice choice, int only, shn_error *err);
/** One text a line. */
SHN_NODISCARD shn_status text_list_lines(text_list *list, const char *path, shn_error *err);
/**
 * Of a cohort: its findings as above, every distinct record text (its findings' texts joined as training joins them, in each form of
 * `joined`), and on wish every distinct report.
 */
SHN_NODISCARD shn_status text_list_cohort(text_list *list, const shn_cohort *c, text_choice choice, text_choice joined, int reports, shn_error *err);
/** Every distinct sentence of a cohort's reports (shinden/sentences.h), for `train --sentences`. */
SHN_NODISCARD shn_status text_list_sentences(text_list *list, const shn_cohort *c, shn_error *err);
/** Takes out what stands a second time. */
SHN_NODISCARD shn_status text_list_unique(text_list *list, shn_error *err);

#endif
