/**
 * A mapping file says what the columns of a collection's label table mean (docs/mapping.md has every key and examples).
 * Presets are such documents, compiled in from presets/. This header is the parsed form; applying it is collection.h's.
 */
#ifndef SHN_DATA_MAPPING_H
#define SHN_DATA_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/findings.h"

/** A column's value, or a text with {column} pieces; NULL: not given. */
typedef const char *shn_template;

typedef struct shn_pair { const char *from, *to; } shn_pair;
typedef struct shn_pairs { shn_pair *items; size_t n; } shn_pairs;
typedef struct shn_words { const char **items; size_t n; } shn_words;

typedef struct shn_map_table { const char *file, *split; } shn_map_table;       /**< split NULL: by the rules below */
typedef struct shn_map_path { double fs_hz; shn_template path; } shn_map_path;  /**< fs_hz 0: whatever the file has */
typedef struct shn_map_fold { long low, high; const char *split; } shn_map_fold;

typedef enum shn_map_marks { SHN_MARKS_NONE, SHN_MARKS_RHYTHMS, SHN_MARKS_BEATS } shn_map_marks;

/** One group of labels: a column of codes, one column per label, the record's own header, or its annotations. */
typedef struct shn_map_labels {
    const char *column;                 /**< cells hold codes ... */
    const char *list;                   /**< ... separated by this; NULL: one code per cell */
    int         python_dict;            /**< cells are {'NORM': 100.0, ...} */
    const char *columns_after;          /**< one column per label: all to the right of this one */
    shn_words   columns;                /**< one column per label: these */
    int         header;                 /**< labels the file itself carries (WFDB #Dx) */
    shn_map_marks marks;                /**< annotations beside the record (shn_map.annotations), by window */
    shn_coding  codings[SHN_CODE_COUNT];
    size_t      n_codings;
    shn_pairs   words;                  /**< the source's own word -> finding id, tried before the codings */
    int         empty_is_negative;      /**< an empty cell means "nothing found" rather than "not labelled" */
} shn_map_labels;

typedef enum shn_compare { SHN_LT, SHN_LE, SHN_GT, SHN_GE, SHN_EQ, SHN_NE } shn_compare;
typedef struct shn_condition { const char *column; shn_compare compare; const char *word; double number; int is_number; } shn_condition;
/** `low_ef: lvef < 40`, `brugada_syndrome: brugada == 1 unless brugada == 2` */
typedef struct shn_map_rule { const char *finding; shn_condition when, unless; int has_unless; } shn_map_rule;

typedef enum shn_known_rule {
    SHN_KNOWN_TABLE,                    /**< codes that occur in the table (or headers), and one-hot columns */
    SHN_KNOWN_CODING,                   /**< every finding that has a code in the labels' codings */
    SHN_KNOWN_LISTED                    /**< the codes listed, for all sources or per source */
} shn_known_rule;
typedef struct shn_known_list { const char *source; shn_words codes; } shn_known_list;   /**< source NULL: all */

typedef struct shn_map {
    shn_template   source;              /**< literal, or with {column} pieces; {folder} is the first folder below the collection */
    shn_pairs      source_words;        /**< other spellings of source names */
    shn_map_table *tables;
    size_t         n_tables;            /**< 0: records are found by walking the folder */
    char           separator;
    shn_map_path  *paths;
    size_t         n_paths;
    const char    *path_cut;            /**< taken off the front of paths */
    shn_template   id, patient, age, sex, report, acquired, split, fold;
    shn_pairs      sex_words;           /**< word -> M or F */
    shn_pairs      patient_words;       /**< another name of a patient -> the one that counts */
    const char    *annotations;         /**< extension of the annotation files that label groups read; NULL: none does */
    shn_map_fold  *folds;
    size_t         n_folds;
    shn_map_labels *labels;
    size_t         n_labels;
    shn_map_rule  *rules;
    size_t         n_rules;
    shn_known_rule known;
    shn_known_list *known_lists;
    size_t         n_known_lists;
    struct { const char *source; shn_words beside; } *leave_out;    /**< sources left out where another takes part */
    size_t         n_leave_out;
    int            raw_microvolts, verify_checksums, unlabelled;        /* unlabelled 1: that no record has a label is no mistake */
    int            windows_all, allow_missing_leads;                    /* as the options of an import, for this collection */
    char         **pool;                /**< every string above; freed together */
    void         **blocks;              /**< every array above */
    size_t         n_pool, pool_capacity, n_blocks, blocks_capacity;
} shn_map;

/** Parses a document. Errors SHN_FORMAT with line, column and what would be right; SHN_RANGE; SHN_NOMEM. */
SHN_NODISCARD shn_status shn_map_parse(const uint8_t *bytes, size_t n_bytes, shn_map **out, shn_error *err);
/** From a file; errors begin with its path. */
SHN_NODISCARD shn_status shn_map_read(const char *path, shn_map **out, shn_error *err);
/** A built-in one. SHN_RANGE (not_found) lists the presets. */
SHN_NODISCARD shn_status shn_map_preset(const char *name, shn_map **out, shn_error *err);
void shn_map_free(shn_map *map);                /* accepts NULL */

/** Borrowed bytes of a preset document, NULL if there is none of this name. */
const char *shn_preset_text(const char *name);
/** SHA-256 of the document that a preset's name or a file's path stands for, as 64 hexadecimal digits. Errors SHN_IO. */
SHN_NODISCARD shn_status shn_map_digest(const char *name, char hex[65], shn_error *err);

#endif
