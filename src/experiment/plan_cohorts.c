/** Cohorts, text vectors and label lists of a config. */
#include "experiment/plan_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

static shn_status read_collections(const xp_reader *r, shn_yaml_node list, xp_cohort *c)
{
    static const char *const keys[] = { "preset", "map", "folder", NULL };
    if (shn_yaml_kind_of(r->y, list) != SHN_YAML_LIST || shn_yaml_size(r->y, list) == 0 || shn_yaml_size(r->y, list) > SHN_COLLECTIONS_MAX)
        return shn_yaml_fail(r->y, list, r->err, "'import' needs a list of 1 to %d {preset, folder}", SHN_COLLECTIONS_MAX);
    c->n_collections = shn_yaml_size(r->y, list);
    c->collections = shn_alloc(c->n_collections, sizeof *c->collections);
    if (!c->collections) return shn_fail_nomem(r->err, "experiment");
    for (size_t i = 0; i < c->n_collections; i++) {
        const shn_yaml_node item = shn_yaml_at(r->y, list, i);
        shn_collection     *one = &c->collections[i];
        shn_status st = xp_check_keys(r, item, keys);
        const shn_yaml_node preset = xp_find(r, item, "preset"), map = xp_find(r, item, "map"), folder = xp_find(r, item, "folder");
        if (st == SHN_OK && !preset == !map) st = shn_yaml_fail(r->y, item, r->err, "needs a preset or a map");
        if (st == SHN_OK && preset) one->preset = xp_text_of(r, preset);
        if (st == SHN_OK && map) st = xp_path_of(r, map, &one->map_path);
        if (st == SHN_OK && folder) st = xp_path_of(r, folder, &one->folder);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/** "cross_validate: 5" and the splits it is done in. */
static shn_status read_folds(const xp_reader *r, shn_yaml_node node, xp_cohort *c)
{
    const shn_yaml_node folds = xp_find(r, node, "cross_validate"), pool = xp_find(r, node, "pool");
    c->pool = pool ? xp_text_of(r, pool) : "train";
    if (pool && !folds) return shn_yaml_fail(r->y, pool, r->err, "'pool' goes with 'cross_validate'");
    return folds ? xp_count_of(r, folds, 2, XP_PARTS_MAX, &c->n_folds) : SHN_OK;
}

/** What is said of records that are imported here; a cohort that is made already has it in its file. */
static shn_status read_import(const xp_reader *r, shn_yaml_node node, xp_cohort *c)
{
    const shn_yaml_node fs = xp_find(r, node, "fs"), seconds = xp_find(r, node, "seconds"), windows = xp_find(r, node, "windows"), beside = xp_find(r, node, "beside");
    shn_import_options *o = &c->import;
    shn_status st = read_collections(r, xp_find(r, node, "import"), c);
    if (st == SHN_OK && fs) st = xp_number_of(r, fs, 10, 10000, &o->signal.fs_hz);
    if (st == SHN_OK && seconds) st = xp_number_of(r, seconds, 0.1, 86400, &o->seconds);
    if (st == SHN_OK && windows && strcmp(xp_text_of(r, windows), "all") != 0)
        st = shn_yaml_fail(r->y, windows, r->err, "'%.40s': 'windows' is all or left out (the central one of longer records)", xp_text_of(r, windows));
    o->windows_all = windows != 0;
    if (st == SHN_OK && beside) {
        st = xp_words_of(r, beside, &c->beside, &o->n_beside);
        o->beside = c->beside;
    }
    if (st == SHN_OK) st = xp_flag_of(r, xp_find(r, node, "allow_upsampling"), &o->signal.allow_upsampling);
    if (st == SHN_OK) st = xp_flag_of(r, xp_find(r, node, "allow_missing_leads"), &o->signal.allow_missing_leads);
    return st == SHN_OK ? xp_flag_of(r, xp_find(r, node, "simulated"), &o->simulated) : st;
}

static shn_status read_cohort(const xp_reader *r, shn_yaml_node node, const char *name, xp_cohort *c)
{
    static const char *const made[] = { "file", "same_as", "cross_validate", "pool", NULL };
    static const char *const imported[] = { "file", "same_as", "import", "fs", "seconds", "windows", "allow_upsampling", "allow_missing_leads", "simulated", "beside", "cross_validate", "pool", NULL };
    const shn_yaml_node file = xp_find(r, node, "file"), list = xp_find(r, node, "import"), same = xp_find(r, node, "same_as");
    c->name = name;
    c->twin = (size_t)(c - r->p->cohorts);
    shn_import_defaults(&c->import);
    c->import.n_threads = 0;
    shn_status st = xp_check_keys(r, node, imported);
    if (st == SHN_OK && !!file + !!list + !!same != 1) st = shn_yaml_fail(r->y, node, r->err, "a cohort needs one of file, import and same_as");
    if (st == SHN_OK && !list) st = xp_check_keys(r, node, made);
    if (st == SHN_OK) st = read_folds(r, node, c);
    if (st != SHN_OK) return st;
    if (list) return read_import(r, node, c);
    if (file) return xp_path_of(r, file, &c->file);
    const size_t other = xp_index_of_cohort(r->p, xp_text_of(r, same));     /* knows the cohorts above this one */
    if (other == r->p->n_cohorts) return shn_yaml_fail(r->y, same, r->err, "no cohort '%.60s' above", xp_text_of(r, same));
    c->twin = r->p->cohorts[other].twin;
    return SHN_OK;
}

static shn_status read_cohorts(const xp_reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = xp_entries(r, "cohorts", 1, &node, &n);
    if (st != SHN_OK) return st;
    r->p->cohorts = shn_alloc(n, sizeof *r->p->cohorts);
    if (!r->p->cohorts) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_cohorts < n && st == SHN_OK; r->p->n_cohorts++)
        st = read_cohort(r, shn_yaml_at(r->y, node, r->p->n_cohorts), shn_yaml_key(r->y, node, r->p->n_cohorts), &r->p->cohorts[r->p->n_cohorts]);
    return st;
}

static shn_status read_text(const xp_reader *r, shn_yaml_node one, xp_text *t)
{
    static const char *const keys[] = { "file", "builtin", "hash", "proxy", NULL };
    shn_status st = xp_check_keys(r, one, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node file = xp_find(r, one, "file"), builtin = xp_find(r, one, "builtin"), hash = xp_find(r, one, "hash"), proxy = xp_find(r, one, "proxy");
    if (!!file + !!builtin + !!hash != 1) return shn_yaml_fail(r->y, one, r->err, "a text needs one of file (vectors), builtin (" SHN_VECTORS_BUILTIN ") and hash (a width)");
    t->proxy = proxy ? xp_text_of(r, proxy) : "";
    if (builtin && strcmp(xp_text_of(r, builtin), SHN_VECTORS_BUILTIN) != 0) return shn_yaml_fail(r->y, builtin, r->err, "the built-in vectors are " SHN_VECTORS_BUILTIN);
    if (builtin) t->builtin = xp_text_of(r, builtin);
    if (file) return xp_path_of(r, file, &t->file);
    return hash ? xp_count_of(r, hash, 1, 65536, &t->hash) : SHN_OK;
}

static shn_status read_texts(const xp_reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = xp_entries(r, "texts", 0, &node, &n);
    if (st != SHN_OK || n == 0) return st;
    r->p->texts = shn_alloc(n, sizeof *r->p->texts);
    if (!r->p->texts) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_texts < n && st == SHN_OK; r->p->n_texts++) {
        xp_text *t = &r->p->texts[r->p->n_texts];
        t->name = shn_yaml_key(r->y, node, r->p->n_texts);
        st = read_text(r, shn_yaml_at(r->y, node, r->p->n_texts), t);
    }
    return st;
}

/** A group as the setting leave_out wants it: "id,id". */
static shn_status read_group(const xp_reader *r, shn_yaml_node node, const char **out)
{
    const char **id = NULL;
    size_t       n = 0, used = 0;
    char         text[SHN_TRAIN_VALUE_MAX];
    shn_status   st = xp_words_of(r, node, &id, &n);
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        if (used + strlen(id[i]) + 2 > sizeof text) st = shn_yaml_fail(r->y, node, r->err, "a group's ids have more than %d letters; make two groups of it", SHN_TRAIN_VALUE_MAX - 1);
        else used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", id[i]);
    }
    free(id);
    if (st != SHN_OK) return st;
    *out = shn_pool_add(&r->p->pool, text, used);
    return *out ? SHN_OK : shn_fail_nomem(r->err, "experiment");
}

/** "{n: 20, groups: 4, min_positives: 5, cohort: NAME, split: val}": drawn when the cohort is open. */
static shn_status read_rule(const xp_reader *r, shn_yaml_node node, xp_list *l)
{
    static const char *const keys[] = { "n", "groups", "min_positives", "cohort", "split", NULL };
    const shn_yaml_node n = xp_find(r, node, "n"), groups = xp_find(r, node, "groups"), least = xp_find(r, node, "min_positives"), cohort = xp_find(r, node, "cohort");
    const shn_yaml_node split = xp_find(r, node, "split");
    shn_status st = xp_check_keys(r, node, keys);
    if (st == SHN_OK && (!n || !groups)) st = shn_yaml_fail(r->y, node, r->err, "label list '%.60s' needs n (findings) and groups", l->name);
    if (st == SHN_OK) st = xp_count_of(r, n, 1, XP_ENTRIES_MAX, &l->n_drawn);
    if (st == SHN_OK) st = xp_count_of(r, groups, 1, XP_PARTS_MAX, &l->n);
    l->min_positives = 1;
    if (st == SHN_OK && least) st = xp_count_of(r, least, 1, 1e6, &l->min_positives);
    l->cohort = cohort ? xp_index_of_cohort(r->p, xp_text_of(r, cohort)) : 0;
    l->split = split ? xp_text_of(r, split) : "val";
    if (st == SHN_OK && l->cohort == r->p->n_cohorts) st = shn_yaml_fail(r->y, cohort, r->err, "no cohort '%.60s'", xp_text_of(r, cohort));
    if (st == SHN_OK && l->n_drawn < l->n) st = shn_yaml_fail(r->y, node, r->err, "label list '%.60s': %zu findings for %zu groups", l->name, l->n_drawn, l->n);
    if (st == SHN_OK && !(l->group = shn_alloc(l->n, sizeof *l->group))) st = shn_fail_nomem(r->err, "experiment");
    return st;
}

static shn_status read_list(const xp_reader *r, shn_yaml_node groups, xp_list *l)
{
    const size_t wanted = shn_yaml_size(r->y, groups);
    shn_status   st = SHN_OK;
    if (shn_yaml_kind_of(r->y, groups) == SHN_YAML_DICT) return read_rule(r, groups, l);
    if (shn_yaml_kind_of(r->y, groups) != SHN_YAML_LIST || wanted == 0 || wanted > XP_PARTS_MAX)
        return shn_yaml_fail(r->y, groups, r->err, "label list '%.60s' needs a list of 1 to %d groups, each a list of finding ids, or {n, groups}", l->name, XP_PARTS_MAX);
    l->group = shn_alloc(wanted, sizeof *l->group);
    if (!l->group) return shn_fail_nomem(r->err, "experiment");
    for (; l->n < wanted && st == SHN_OK; l->n++) st = read_group(r, shn_yaml_at(r->y, groups, l->n), &l->group[l->n]);
    return st;
}

static shn_status read_lists(const xp_reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = xp_entries(r, "label_lists", 0, &node, &n);
    if (st != SHN_OK || n == 0) return st;
    r->p->lists = shn_alloc(n, sizeof *r->p->lists);
    if (!r->p->lists) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_lists < n && st == SHN_OK; r->p->n_lists++) {
        xp_list *l = &r->p->lists[r->p->n_lists];
        l->name = shn_yaml_key(r->y, node, r->p->n_lists);
        st = read_list(r, shn_yaml_at(r->y, node, r->p->n_lists), l);
    }
    return st;
}

shn_status xp_read_cohorts(const xp_reader *r)
{
    shn_status st = read_cohorts(r);
    if (st == SHN_OK) st = read_texts(r);
    return st == SHN_OK ? read_lists(r) : st;
}
