/**
 * The plan of an import: everything that is decided before the first sample is read. The same arguments give the same
 * plan, and its digest tells a resumed run whether the file it finds was begun for the same one.
 */
#ifndef SHN_DATA_PLAN_H
#define SHN_DATA_PLAN_H

#include "data/collection.h"

/** A row of the cohort: one window of one entry. The windows of an entry are neighbours. */
typedef struct shn_plan_row { uint32_t collection, entry, window; } shn_plan_row;

/** Labels that the registry does not know, or records per split. */
typedef struct shn_tally { shn_import_count *items; size_t n, capacity; shn_pool *pool; } shn_tally;

typedef struct shn_plan {
    shn_collection_data **collections;
    size_t                n_collections;
    const shn_registry   *registry;
    shn_registry         *own_registry;         /* to be freed; NULL with the built-in one */
    const char          **sources;              /* [S] */
    size_t                n_sources, sources_capacity;
    uint32_t             *column;               /* [K] registry index of each finding of the cohort */
    const char          **finding_ids;          /* [K] */
    const shn_finding   **findings;             /* [K] as the registry has them */
    size_t                n_findings;
    int32_t              *column_of;            /* [R] -> K, -1 */
    uint32_t             *below;                /* strict descendants of each finding, one list after the other */
    size_t               *below_start;          /* [R + 1] */
    uint8_t             **nameable;             /* [collections] of [group][S][R] */
    shn_plan_row         *rows;
    size_t                n_rows, rows_capacity;
    double                fs_hz, seconds;
    size_t                n_samples;            /* T */
    size_t                n_entries;
    int                   windows_all;
    shn_tally             unknown;
    shn_pool              pool;
    char                 *hashes;               /* "name sha256" lines of tables and mappings */
    char                  digest[65];
} shn_plan;

SHN_NODISCARD shn_status shn_plan_new(const shn_collection *collections, size_t n, const shn_import_options *o, shn_plan **out, shn_error *err);
void shn_plan_free(shn_plan *plan);             /* accepts NULL */

static inline shn_entry *shn_plan_entry(const shn_plan *p, size_t row)
{
    return &p->collections[p->rows[row].collection]->entries[p->rows[row].entry];
}

/** 1 if longer records of the collection give consecutive windows, 0 if their central one. */
static inline int shn_plan_windows_all(const shn_plan *p, size_t collection) { return p->windows_all || p->collections[collection]->map->windows_all; }

/** Which seconds of its recording a row holds: its window, or the middle of a recording that gives only that. */
shn_stretch shn_plan_stretch(const shn_plan *p, size_t row);

/** Working memory for one thread that reads labels. */
typedef struct shn_label_scratch { shn_row_labels row; uint8_t *known; } shn_label_scratch;
SHN_NODISCARD shn_status shn_label_scratch_new(const shn_plan *p, shn_label_scratch *out, shn_error *err);
void shn_label_scratch_free(shn_label_scratch *s);

/**
 * Labels and known flags of an entry (part: of these seconds of it, for labels from annotations; NULL: all) by registry index
 * (scratch->row.positive, scratch->known).
 * Known: the source could have named it, a number that a rule needs is there, and no parent that was named leaves it open.
 */
SHN_NODISCARD shn_status shn_plan_labels(const shn_plan *p, size_t collection, const shn_entry *e, const shn_stretch *part, shn_label_scratch *scratch,
                                         shn_error *err);

SHN_NODISCARD shn_status shn_tally_add(shn_tally *t, const char *source, const char *name, size_t n);

/* steps, in files of their own */
SHN_NODISCARD shn_status shn_collection_scan(shn_collection_data *c, const shn_import_options *o, shn_error *err); /* scan.c: one, as far as its labels need it */
SHN_NODISCARD shn_status shn_plan_scan(shn_plan *p, const shn_import_options *o, shn_error *err);       /* scan.c */
SHN_NODISCARD shn_status shn_plan_findings(shn_plan *p, shn_error *err);                                /* known.c */
SHN_NODISCARD shn_status shn_plan_check_patients(const shn_plan *p, shn_error *err);                    /* plan.c */

#endif
