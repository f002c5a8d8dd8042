/**
 * A collection: a folder of records with its mapping applied. Every record becomes an entry with all that is known
 * without its samples: path, identity, split, labels. Nothing is dropped: an entry that cannot be used says why.
 */
#ifndef SHN_DATA_COLLECTION_H
#define SHN_DATA_COLLECTION_H

#include <stdint.h>

#include "base/csv.h"
#include "base/file.h"
#include "data/mapping.h"
#include "data/marks.h"
#include "data/pool.h"
#include "shinden/import.h"

#define SHN_LABEL_GROUPS_MAX 16

/** One record. Strings are borrowed from the collection; "" where not known. */
typedef struct shn_entry {
    const char *path;                   /**< as the table names it, relative to the folder */
    const char *id, *patient, *report, *acquired, *split;
    const char *source_name;
    const char *detail;                 /**< remark for the manifest; NULL: none */
    uint32_t    source;                 /**< number of source_name in the cohort, given by the plan */
    uint32_t    table, row;             /**< where it stands; row of the table */
    float       age;
    char        sex;
    shn_reason  refused;                /**< NONE: to be read */
    uint32_t    n_samples;              /**< from the header, 0 until scanned */
    double      fs_hz;
    const char *header_labels;          /**< joined by '\n'; NULL until scanned */
    shn_annotations *marks;             /**< owned by the collection; NULL until scanned, and where the mapping reads none */
} shn_entry;

typedef struct shn_collection_data {
    shn_map    *map;
    const char *name;                   /**< preset name or mapping path, for messages */
    char       *folder;
    shn_csv   **tables;
    char      **table_paths;
    size_t      n_tables;
    shn_entry  *entries;
    size_t      n_entries, capacity;
    shn_pool    pool;
} shn_collection_data;

/**
 * Reads mapping and tables, or walks the folder, and makes the entries in table (path) order.
 * @param fs_hz  chooses among paths by sampling frequency: the one equal to it, else the lowest above it, else the highest; 0: the first
 * Errors  SHN_FORMAT table or mapping wrong (file, line, column); SHN_IO; SHN_RANGE; SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_collection_open(const shn_collection *c, double fs_hz, shn_collection_data **out, shn_error *err);
void shn_collection_close(shn_collection_data *c);      /* accepts NULL */

/** Full path of an entry's file. */
SHN_NODISCARD shn_status shn_entry_path(const shn_collection_data *c, const shn_entry *e, char out[SHN_PATH_MAX], shn_error *err);

/** The split of an entry whose source names none: 80/10/10 by SHA-256 of source and patient (id, where no patient is named). */
const char *shn_entry_hash_split(const shn_entry *e);

/** What one record's source said, by registry index. */
typedef struct shn_row_labels {
    uint8_t *positive;                  /**< [R] named by the source */
    uint8_t *open;                      /**< [R] the cell of this very finding is empty or uncertain */
    uint8_t  answered[SHN_LABEL_GROUPS_MAX];    /**< per label group: the cell was filled in */
    int      any_named;                 /**< some label was named, known to the registry or not */
} shn_row_labels;

/** A label of a source, met n times, and the finding that it stands for; -1: the registry does not know it. */
typedef void shn_label_fn(void *context, const shn_entry *e, const char *label, size_t n, int finding);

/**
 * Reads the labels of an entry. Arrays are cleared first.
 * @param part  seconds of the recording, for labels that come from annotations; NULL: all of it
 * @param each  called for each label that is there; may be NULL
 * Errors  SHN_FORMAT a one-hot cell or a rule's number is neither (file, line, column)
 */
SHN_NODISCARD shn_status shn_entry_labels(const shn_collection_data *c, const shn_entry *e, const shn_stretch *part, const shn_registry *reg,
                                          shn_row_labels *out, shn_label_fn *each, void *context, shn_error *err);

/**
 * Which findings a label group could name for a source, where that follows from the mapping or the table's header.
 * @param[out] mask  [R], set (not cleared) where nameable
 * @return 0: it follows from the codes that occur (known: table), the caller adds those; 1: complete
 */
int shn_group_nameable(const shn_collection_data *c, size_t group, const char *source, const shn_registry *reg, uint8_t *mask);

#endif
