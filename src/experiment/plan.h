/**
 * What an experiment's config says, resolved: cohorts, text vectors, systems (a set of training settings each, lists expanded to a grid), the splits
 * they are judged on, the tables, and the claims with metric and rows named before anything runs. docs/experiment.md describes the file.
 */
#ifndef SHN_EXPERIMENT_PLAN_H
#define SHN_EXPERIMENT_PLAN_H

#include "base/yaml.h"
#include "data/pool.h"
#include "shinden/cohort.h"
#include "shinden/import.h"
#include "shinden/model.h"
#include "shinden/text.h"
#include "shinden/train.h"

#define XP_ENTRIES_MAX 1024             /* of each kind; systems after expansion */
#define XP_SEEDS_MAX   100
#define XP_SETTINGS_MAX 64
#define XP_PARTS_MAX   64               /* folds of a cross-validation, groups of a label list */
#define XP_NAME_MAX    100              /* bytes of a name in the config; files are called after it */
#define XP_PLOT_ROWS   5                /* rows of a table that are drawn where it does not name them */

typedef struct xp_cohort {
    const char        *name, *file;     /* file NULL: imported into the experiment's folder */
    shn_collection    *collections;
    size_t             n_collections;
    shn_import_options import;
    const char       **beside;          /* [import.n_beside] */
    size_t             twin;            /* another cohort whose file this one is, or its own index */
    size_t             n_folds;         /* 0; else cross-validation by patient inside the splits that `pool` names */
    const char        *pool;
    shn_cohort        *open;            /* set by grid.c */
    shn_cohort        *fold[XP_PARTS_MAX];      /* set by grid.c: the cohort in round i */
} xp_cohort;

/** file and builtin NULL: random vectors, `hash` wide, by the run's seed. proxy: "" or what it stands in for, printed beside every claim that rests on it. */
typedef struct xp_text { const char *name, *file, *builtin, *proxy; size_t hash; shn_vectors *open; } xp_text;

/**
 * Groups of findings that training leaves out, one group a training; ids with a comma between, as the setting leave_out has them. n_drawn above 0: groups are
 * NULL until lists.c has drawn them from the opened cohort.
 */
typedef struct xp_list { const char *name; const char **group; size_t n, n_drawn, min_positives, cohort; const char *split; } xp_list;

typedef struct xp_setting { const char *key, *value; } xp_setting;

typedef struct xp_system {
    const char *name, *base;            /* base: as the config calls it, before lists were expanded */
    const char *varied, *varied_value;  /* the key that was expanded, if it was one; NULL */
    size_t      n_varied;
    size_t      cohort, text;           /* text: n_texts for none */
    size_t      list;                   /* n_lists, or the label list whose groups are left out one at a time */
    xp_setting  settings[XP_SETTINGS_MAX];
    size_t      n_settings, n_seeds;    /* the first n_seeds of the experiment's seeds */
    size_t      n_parts;                /* trainings per seed: folds of its cohort, groups of its list, else 1 */
} xp_system;

typedef struct xp_evaluation {
    const char *name, *split;
    size_t      cohort, home;           /* home: n_cohorts, or the cohort that an institution is compared with at shared parents */
    const char **finding;               /* [n_findings] ids that are judged; NULL: all */
    size_t      n_findings, min_positives;      /* findings with fewer positives among the judged records take no part */
} xp_evaluation;

/** A system read out one way: "siglip@marginal"; without '@' the model's own default. */
typedef struct xp_row { size_t system; shn_readout readout; const char *text; } xp_row;

typedef struct xp_table {
    const char *name, *title;
    xp_row *rows; size_t n_rows, evaluation;
    uint8_t *plotted;                   /* [n_rows] 1: its curves are computed and drawn */
    int *metrics; size_t n_metrics;
    int controls;                       /* 1: label frequency, random encoder + linear probe below the rows */
} xp_table;

typedef struct xp_claim {
    const char *name, *text;
    xp_row      higher, lower;          /* the claim: `higher` is above `lower` */
    size_t      evaluation, away;       /* away: n_evaluations; else the claim is about how much the metric drops from `evaluation` to it */
    int         metric, equal;          /* equal 1: the claim is that they are equal within PAIRED_MARGIN */
    const char *caveat;                 /* printed beside the verdict; "" for none */
} xp_claim;

/** Whose example cases are drawn. each: how many first hits, first misses and worst urgent misses; 0: none. */
typedef struct xp_examples { xp_row row; size_t evaluation, each; } xp_examples;

/** Whose metrics are shown by age band, sex and source; n_metrics 0: nobody's. */
typedef struct xp_subgroup_table { xp_row row; size_t evaluation; int *metrics; size_t n_metrics; } xp_subgroup_table;
/** Which rows score the supersets of their findings; n_rows 0: none. */
typedef struct xp_superset_table { xp_row *rows; size_t n_rows, evaluation; } xp_superset_table;

typedef struct xp_plan {
    shn_yaml     *yaml;
    shn_pool      pool;
    const char   *path, *title, *base;  /* base: folder of the config, which relative paths start from */
    const char   *about;                /* what the report says first; "" */
    char          digest[65];           /* SHA-256 of the config's bytes */
    uint64_t      seeds[XP_SEEDS_MAX];
    size_t        n_seeds;
    uint32_t      n_bootstrap;
    xp_cohort     *cohorts;     size_t n_cohorts;
    xp_text       *texts;       size_t n_texts;
    xp_list       *lists;       size_t n_lists;
    xp_system     *systems;     size_t n_systems, systems_capacity;
    xp_evaluation *evaluations; size_t n_evaluations;
    xp_table      *tables;      size_t n_tables;
    xp_claim      *claims;      size_t n_claims;
    xp_examples    examples;
    xp_subgroup_table subgroups;
    xp_superset_table supersets;
} xp_plan;

/**
 * @param data   folder that "${data}" in paths stands for; NULL: paths with it are errors
 * Errors  SHN_FORMAT  with file, line and column: an unknown key, a name that is not defined, a bad value;  SHN_IO, SHN_RANGE, SHN_NOMEM
 */
SHN_NODISCARD shn_status xp_plan_read(const char *path, const char *data, xp_plan **out, shn_error *err);
/** The same from bytes; path is where relative paths start from and what errors name. */
SHN_NODISCARD shn_status xp_plan_parse(const uint8_t *bytes, size_t n_bytes, const char *path, const char *data, xp_plan **out, shn_error *err);
void xp_plan_free(xp_plan *plan);                       /* accepts NULL; closes what is open */
/** A name as a file may be called: letters, digits, '.', '-', '_', '=', ',' and what is not ASCII stay, the rest becomes '_'; cut between letters to less than `size` bytes. */
void xp_file_name(const char *name, char *out, size_t size);
/** Training settings of a system: the loss's defaults, then the system's own, then the seed and the part's left-out findings; one thread. */
SHN_NODISCARD shn_status xp_train_config(const xp_plan *plan, const xp_system *s, uint64_t seed, size_t part, shn_train_config *out, shn_error *err);
/** The cohort that a part of a system is trained on: a fold's view or the whole; NULL before grid.c has opened it. */
shn_cohort *xp_training_cohort(const xp_plan *plan, const xp_system *s, size_t part);

#endif
