/**
 * The journal of an import: which rows are finished, and what became of them. Entries are appended only after the rows
 * themselves are safely on disk, so whatever a kill or a power cut leaves, a row in the journal is a row in the file.
 *
 *   header  "SHNJ1\n", 64 hex digits of the plan's digest, "\n"
 *   entry   u32le row, u8 status, u8 reason, u16le bytes of detail, detail, u32le check over the entry
 *
 * A torn last entry fails its check and is cut off.
 */
#ifndef SHN_DATA_JOURNAL_H
#define SHN_DATA_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/cohort.h"

#define SHN_JOURNAL_DETAIL_MAX 1024

typedef struct shn_journal_entry { uint32_t row; shn_row_status status; shn_reason reason; const char *detail; } shn_journal_entry;

/** Called for each entry found; detail is borrowed for the call. Not SHN_OK stops the reading. */
typedef shn_status shn_journal_fn(void *context, const shn_journal_entry *e);

typedef struct shn_journal { int fd; char path[4096 + 16]; } shn_journal;

/**
 * Opens a journal of this plan for appending, telling what it holds.
 * @param[out] found  1: there was one of this very plan; 0: none, or of another plan (nothing is opened then)
 * Errors  SHN_IO; what visit returned
 */
SHN_NODISCARD shn_status shn_journal_resume(shn_journal *j, const char *path, const char digest[65], size_t n_rows, shn_journal_fn *visit,
                                            void *context, int *found, shn_error *err);
/** Begins a new one, over any other. */
SHN_NODISCARD shn_status shn_journal_begin(shn_journal *j, const char *path, const char digest[65], shn_error *err);
/** Appends entries and syncs. */
SHN_NODISCARD shn_status shn_journal_append(shn_journal *j, const shn_journal_entry *entries, size_t n, shn_error *err);
/** Closes; removes the file where asked. Safe on a zeroed or closed one with fd -1. */
void shn_journal_close(shn_journal *j, int remove_file);

#endif
