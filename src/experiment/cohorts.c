#include "experiment/cohorts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "data/mapping.h"
#include "shinden/findings.h"

enum { FOLD_SEED = 1 };                 /* parts of a cross-validation are the same for every system and seed */

/** One view of the cohort for each round of its cross-validation. */
static shn_status open_folds(xp_cohort *c, const char *path, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < c->n_folds && st == SHN_OK; i++) {
        st = shn_cohort_open(path, &c->fold[i], err);
        if (st == SHN_OK) st = shn_cohort_cross_validate(c->fold[i], c->pool, (unsigned)c->n_folds, (unsigned)i, FOLD_SEED, err);
    }
    return st;
}

/**
 * What an imported cohort was made from, to be kept in it: a config, mapping or registry that was changed must not go on with the old file. *out is owned by
 * the caller.
 */
static shn_status describe_import(const xp_cohort *c, char **out, shn_error *err)
{
    size_t     size;
    FILE      *f = open_memstream(out, &size);
    shn_status st = SHN_OK;
    if (!f) return shn_fail_nomem(err, "experiment");
    fprintf(f, "experiment: fs %g, seconds %g, windows_all %d, upsampling %d, missing leads %d, simulated %d, registry %s", c->import.signal.fs_hz, c->import.seconds, c->import.windows_all,
            c->import.signal.allow_upsampling, c->import.signal.allow_missing_leads, c->import.simulated, shn_registry_version(shn_registry_builtin()));
    for (size_t i = 0; i < c->n_collections && st == SHN_OK; i++) {
        const shn_collection *o = &c->collections[i];
        const char *mapping = o->preset ? o->preset : o->map_path;
        char        hex[65] = "";
        if (!o->preset || shn_preset_text(o->preset)) st = shn_map_digest(mapping, hex, err);      /* the import names the presets where there is no such */
        fprintf(f, "; %s %s %s", mapping, hex, o->folder ? o->folder : "");
    }
    for (size_t i = 0; i < c->import.n_beside; i++) fprintf(f, "; beside %s", c->import.beside[i]);
    if (fclose(f) != 0 && st == SHN_OK) st = shn_fail_nomem(err, "experiment");
    if (st == SHN_OK) return SHN_OK;
    free(*out);
    *out = NULL;
    return st;
}

/** A cohort that is there already must have been made from the same. */
static shn_status check_import(const char *path, const char *made_from, shn_error *err)
{
    shn_cohort *there;
    shn_status  st = shn_cohort_open(path, &there, err);
    if (st != SHN_OK) return st;
    if (strcmp(shn_cohort_attribute(there, "command"), made_from) != 0)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_BAD_VALUE, "experiment",
                      "%s was imported with other settings, another mapping or another registry than there are now; delete it or use another folder", path);
    shn_cohort_close(there);
    return st;
}

/** Imports where there is no file yet; path: of the file. */
static shn_status make_cohort(const char *folder, const xp_cohort *c, const shn_watcher *watcher, char path[SHN_PATH_MAX], shn_error *err)
{
    char name[XP_NAME_MAX + 8], cohorts[SHN_PATH_MAX], *made_from = NULL;
    if (c->file) return shn_path_join(path, "", c->file, err);
    snprintf(name, sizeof name, "%s.h5", c->name);
    shn_status st = shn_path_join(cohorts, folder, "cohorts", err);
    if (st == SHN_OK) st = shn_dir_make(cohorts, err);
    if (st == SHN_OK) st = shn_path_join(path, cohorts, name, err);
    if (st == SHN_OK) st = describe_import(c, &made_from, err);
    if (st == SHN_OK && !shn_path_exists(path)) {
        shn_import_options o = c->import;
        o.watcher = *watcher;
        o.command = made_from;
        st = shn_import(c->collections, c->n_collections, path, &o, NULL, err);
    } else if (st == SHN_OK) st = check_import(path, made_from, err);
    free(made_from);
    return st;
}

shn_status xp_cohort_open(const xp_plan *p, const char *folder, xp_cohort *c, const shn_watcher *watcher, shn_error *err)
{
    char       path[SHN_PATH_MAX];
    shn_status st = make_cohort(folder, &p->cohorts[c->twin], watcher, path, err);
    if (st == SHN_OK) st = shn_cohort_open(path, &c->open, err);
    return st == SHN_OK ? open_folds(c, path, err) : st;
}
