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

typedef struct xp_cohort {
    const char        *name, *file;     /* file NULL: imported into the experiment's folder */
    shn_collection    *collections;
    size_t             n_collections;
    shn_import_options import;
    shn_cohort        *open;            /* set by grid.c */
} xp_cohort;

typedef struct xp_text { const char *name, *file; size_t hash; shn_vectors *open; } xp_text;    /* file NULL: random vectors, `hash` wide, by the run's seed */

typedef struct xp_setting { const char *key, *value; } xp_setting;

typedef struct xp_system {
    const char *name;
    size_t      cohort, text;           /* text: n_texts for none */
    xp_setting  settings[XP_SETTINGS_MAX];
    size_t      n_settings, n_seeds;    /* the first n_seeds of the experiment's seeds */
} xp_system;

/** home: n_cohorts, or the cohort that an institution is compared with at shared parents. */
typedef struct xp_evaluation { const char *name, *split; size_t cohort, home; } xp_evaluation;

/** A system read out one way: "siglip@marginal"; without '@' the model's own default. */
typedef struct xp_row { size_t system; shn_readout readout; const char *text; } xp_row;

typedef struct xp_table { const char *name, *title; xp_row *rows; size_t n_rows, evaluation; int *metrics; size_t n_metrics; } xp_table;

typedef struct xp_claim {
    const char *name, *text;
    xp_row      higher, lower;          /* the claim: `higher` is above `lower` */
    size_t      evaluation;
    int         metric, equal;          /* equal 1: the claim is that they are equal within PAIRED_MARGIN */
    const char *caveat;                 /* printed beside the verdict ("proxy only"); "" for none */
} xp_claim;

typedef struct xp_plan {
    shn_yaml     *yaml;
    shn_pool      pool;
    const char   *path, *title, *base;  /* base: folder of the config, which relative paths start from */
    uint64_t      seeds[XP_SEEDS_MAX];
    size_t        n_seeds;
    uint32_t      n_bootstrap;
    xp_cohort     *cohorts;     size_t n_cohorts;
    xp_text       *texts;       size_t n_texts;
    xp_system     *systems;     size_t n_systems, systems_capacity;
    xp_evaluation *evaluations; size_t n_evaluations;
    xp_table      *tables;      size_t n_tables;
    xp_claim      *claims;      size_t n_claims;
} xp_plan;

/**
 * @param data   folder that "${data}" in paths stands for; NULL: paths with it are errors
 * Errors  SHN_FORMAT  with file, line and column: an unknown key, a name that is not defined, a bad value;  SHN_IO, SHN_RANGE, SHN_NOMEM
 */
SHN_NODISCARD shn_status xp_plan_read(const char *path, const char *data, xp_plan **out, shn_error *err);
/** The same from bytes; path is where relative paths start from and what errors name. */
SHN_NODISCARD shn_status xp_plan_parse(const uint8_t *bytes, size_t n_bytes, const char *path, const char *data, xp_plan **out, shn_error *err);
void xp_plan_free(xp_plan *plan);                       /* accepts NULL; closes what is open */
/** Training settings of a system: the loss's defaults, then the system's own, then the seed; one thread. */
SHN_NODISCARD shn_status xp_train_config(const xp_plan *plan, const xp_system *s, uint64_t seed, shn_train_config *out, shn_error *err);

#endif
