/**
 * The data sets of a cohort file (docs/cohort.md), once for writer and reader: name, type, extent beyond the N rows.
 * A text's width is chosen when the file is made.
 */
#ifndef SHN_DATA_COHORT_FIELDS_H
#define SHN_DATA_COHORT_FIELDS_H

#include "base/h5.h"

#define SHN_COHORT_SCHEMA 1                     /* attribute schema_version: raised when a reader must care */

/* SIGNAL [N][12][T], LEAD [N][12], FINDING [N][K], ROW [N], NAMES_K [K], NAMES_S [S]; ABOUT_K [K]: what the import's registry says of a finding, which
 * older cohorts lack */
#define SHN_COHORT_FIELDS(X)                                                                                         \
    X(SIGNALS, "signals", I16, SIGNAL)            X(N_CLIPPED, "n_clipped", U32, LEAD)                               \
    X(OFFSET, "offset_uv", F32, LEAD)             X(PRESENT, "lead_present", U8, LEAD)                               \
    X(N_VALID, "n_valid", U32, ROW)               X(LABELS, "labels", U8, FINDING)                                   \
    X(KNOWN, "label_known", U8, FINDING)          X(SOURCE, "source", I32, ROW)                                      \
    X(AGE, "age", F32, ROW)                       X(WINDOW, "window", U32, ROW)                                      \
    X(ID, "id", TEXT, ROW)                        X(PATIENT, "patient", TEXT, ROW)                                   \
    X(SPLIT, "split", TEXT, ROW)                  X(SEX, "sex", TEXT, ROW)                                           \
    X(ACQUIRED, "acquired", TEXT, ROW)            X(PATH, "path", TEXT, ROW)                                         \
    X(REPORT, "report", TEXT, ROW)                X(STATUS, "status", U8, ROW)                                       \
    X(REASON, "reason", TEXT, ROW)                X(FINDING_ID, "finding_id", TEXT, NAMES_K)                         \
    X(SOURCE_NAME, "source_name", TEXT, NAMES_S)                                                                     \
    X(NAME_EN, "finding_name_en", TEXT, ABOUT_K)  X(NAME_JA, "finding_name_ja", TEXT, ABOUT_K)                       \
    X(CRITERION_EN, "finding_criterion_en", TEXT, ABOUT_K)                                                           \
    X(CRITERION_JA, "finding_criterion_ja", TEXT, ABOUT_K)                                                           \
    X(SCP, "finding_scp", TEXT, ABOUT_K)          X(SNOMED, "finding_snomed", TEXT, ABOUT_K)                         \
    X(CINC, "finding_cinc", TEXT, ABOUT_K)        X(FLAGS, "finding_flags", U8, ABOUT_K)

/* Fields that hold a string of shn_finding: what texts and models are made of. */
#define SHN_COHORT_FINDING_STRINGS(X)                                                                                \
    X(NAME_EN, name_en) X(NAME_JA, name_ja) X(CRITERION_EN, criterion_en) X(CRITERION_JA, criterion_ja) X(SCP, scp)  \
    X(SNOMED, snomed) X(CINC, cinc)

#define X(tag, name, type, extent) SHN_FIELD_##tag,
typedef enum shn_field_tag { SHN_COHORT_FIELDS(X) SHN_FIELD_COUNT } shn_field_tag;
#undef X

typedef enum shn_field_extent {
    SHN_EXTENT_SIGNAL, SHN_EXTENT_LEAD, SHN_EXTENT_FINDING, SHN_EXTENT_ROW, SHN_EXTENT_NAMES_K, SHN_EXTENT_NAMES_S,
    SHN_EXTENT_ABOUT_K
} shn_field_extent;

/** Names, types and ranks filled in, shapes zero. */
void             shn_cohort_fields_init(shn_h5_field fields[SHN_FIELD_COUNT]);
shn_field_extent shn_cohort_field_extent(shn_field_tag tag);

#endif
