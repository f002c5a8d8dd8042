/** Systems of a config: settings, lists expanded to a grid, and what each training is given. */
#include "experiment/plan_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

size_t xp_index_of_cohort(const xp_plan *p, const char *name)
{
    size_t i = 0;
    while (i < p->n_cohorts && strcmp(p->cohorts[i].name, name) != 0) i++;
    return i;
}

size_t xp_index_of_text(const xp_plan *p, const char *name)
{
    size_t i = 0;
    while (i < p->n_texts && strcmp(p->texts[i].name, name) != 0) i++;
    return i;
}

size_t xp_index_of_list(const xp_plan *p, const char *name)
{
    size_t i = 0;
    while (i < p->n_lists && strcmp(p->lists[i].name, name) != 0) i++;
    return i;
}

/** A setting of the system as text; also found in `train`, which holds for all systems. */
static const char *setting(const xp_system *s, const char *key)
{
    for (size_t i = 0; i < s->n_settings; i++)
        if (strcmp(s->settings[i].key, key) == 0) return s->settings[i].value;
    return NULL;
}

static shn_status put_setting(const xp_reader *r, shn_yaml_node node, xp_system *s, const char *key, const char *value)
{
    for (size_t i = 0; i < s->n_settings; i++)
        if (strcmp(s->settings[i].key, key) == 0) {
            s->settings[i].value = value;
            return SHN_OK;
        }
    if (s->n_settings == XP_SETTINGS_MAX) return shn_yaml_fail(r->y, node, r->err, "more than %d settings", XP_SETTINGS_MAX);
    s->settings[s->n_settings++] = (xp_setting){ key, value };
    return SHN_OK;
}

/** How many trainings a seed takes: one for each fold of the cohort, or for each group that is left out. */
static shn_status settle_parts(const xp_reader *r, shn_yaml_node node, xp_system *s)
{
    const char  *list = setting(s, "leave_out_groups");
    const size_t folds = r->p->cohorts[s->cohort].n_folds;
    s->list = list ? xp_index_of_list(r->p, list) : r->p->n_lists;
    if (list && s->list == r->p->n_lists) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': no label list '%.60s'", s->name, list);
    if (list && folds) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': leave_out_groups and a cohort with cross_validate do not go together", s->name);
    if (list && setting(s, "leave_out")) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': leave_out and leave_out_groups do not go together", s->name);
    s->n_parts = list ? r->p->lists[s->list].n : folds ? folds : 1;
    return SHN_OK;
}

/** Settles names and checks what can be checked before anything runs. */
static shn_status finish_system(const xp_reader *r, shn_yaml_node node, xp_system *s)
{
    xp_plan         *p = r->p;
    shn_train_config config;
    const char *cohort = setting(s, "cohort"), *vectors = setting(s, "text"), *seeds = setting(s, "seeds");
    s->cohort = cohort ? xp_index_of_cohort(p, cohort) : 0;
    s->text = vectors ? xp_index_of_text(p, vectors) : p->n_texts;
    s->n_seeds = p->n_seeds;
    if (s->cohort == p->n_cohorts) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': no cohort '%.60s'", s->name, cohort);
    if (vectors && s->text == p->n_texts) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': no text '%.60s'", s->name, vectors);
    if (seeds) {
        char      *end;
        const long n = strtol(seeds, &end, 10);
        if (*end || n < 1 || (size_t)n > p->n_seeds) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': seeds is how many of the %zu", s->name, p->n_seeds);
        s->n_seeds = (size_t)n;
    }
    for (size_t i = 0; i + 1 < p->n_systems; i++)
        if (strcmp(p->systems[i].name, s->name) == 0) return shn_yaml_fail(r->y, node, r->err, "two systems are called '%.60s'", s->name);
    shn_status st = settle_parts(r, node, s);
    if (st != SHN_OK) return st;
    for (size_t part = 0; part < s->n_parts && st == SHN_OK; part++) st = xp_train_config(p, s, p->seeds[0], part, &config, r->err);
    if (st != SHN_OK) {
        char why[200];
        snprintf(why, sizeof why, "%.190s", r->err ? r->err->text : "");
        return shn_yaml_fail(r->y, node, r->err, "system '%.60s': %s", s->name, why);
    }
    if (config.loss != SHN_LOSS_BCE && s->text == p->n_texts) return shn_yaml_fail(r->y, node, r->err, "system '%.60s' needs a text", s->name);
    return SHN_OK;
}

/** Settings from the i-th on: a list gives one system per item, whose name gets ",key=item". */
static shn_status expand(const xp_reader *r, shn_yaml_node node, size_t i, xp_system *s)
{
    xp_plan *p = r->p;
    while (i < shn_yaml_size(r->y, node)) {
        const shn_yaml_node value = shn_yaml_at(r->y, node, i);
        const char *key = shn_yaml_key(r->y, node, i);
        if (shn_yaml_kind_of(r->y, value) == SHN_YAML_DICT) return shn_yaml_fail(r->y, value, r->err, "'%.60s' needs a value or a list of values", key);
        if (shn_yaml_kind_of(r->y, value) == SHN_YAML_LIST) {
            for (size_t k = 0; k < shn_yaml_size(r->y, value); k++) {
                const shn_yaml_node item = shn_yaml_at(r->y, value, k);
                char      name[256];
                xp_system one = *s;
                if (snprintf(name, sizeof name, "%s,%s=%s", s->name, key, xp_text_of(r, item)) >= (int)sizeof name)
                    return shn_yaml_fail(r->y, item, r->err, "the name '%.60s...' would have more than %zu letters; give a shorter one", name, sizeof name - 1);
                one.name = shn_pool_add(&p->pool, name, strlen(name));
                one.varied = key;
                one.varied_value = xp_text_of(r, item);
                one.n_varied++;
                if (!one.name) return shn_fail_nomem(r->err, "experiment");
                shn_status st = put_setting(r, item, &one, key, xp_text_of(r, item));
                if (st == SHN_OK) st = expand(r, node, i + 1, &one);
                if (st != SHN_OK) return st;
            }
            return SHN_OK;
        }
        const shn_status st = put_setting(r, value, s, key, xp_text_of(r, value));
        if (st != SHN_OK) return st;
        i++;
    }
    if (p->n_systems == XP_ENTRIES_MAX) return shn_yaml_fail(r->y, node, r->err, "more than %d systems", XP_ENTRIES_MAX);
    if (shn_grow(&p->systems, &p->systems_capacity, p->n_systems + 1, sizeof *p->systems) != 0) return shn_fail_nomem(r->err, "experiment");
    p->systems[p->n_systems++] = *s;
    return finish_system(r, node, &p->systems[p->n_systems - 1]);
}

shn_status xp_read_systems(const xp_reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = xp_entries(r, "systems", 1, &node, &n);
    const shn_yaml_node common = xp_find(r, shn_yaml_root(r->y), "train");
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        xp_system s = { .name = shn_yaml_key(r->y, node, i), .base = shn_yaml_key(r->y, node, i) };
        const shn_yaml_node one = shn_yaml_at(r->y, node, i);
        if (strchr(s.name, '@')) return shn_yaml_fail(r->y, one, r->err, "a system's name may not hold '@'");
        if (shn_yaml_kind_of(r->y, one) != SHN_YAML_DICT) return shn_yaml_fail(r->y, one, r->err, "system '%.60s' needs settings, such as loss", s.name);
        for (size_t k = 0; common && k < shn_yaml_size(r->y, common) && st == SHN_OK; k++)
            st = put_setting(r, common, &s, shn_yaml_key(r->y, common, k), xp_text_of(r, shn_yaml_at(r->y, common, k)));
        if (st == SHN_OK) st = expand(r, one, 0, &s);
    }
    return st;
}

shn_cohort *xp_training_cohort(const xp_plan *p, const xp_system *s, size_t part)
{
    const xp_cohort *c = &p->cohorts[s->cohort];
    return c->n_folds ? c->fold[part] : c->open;
}

shn_status xp_train_config(const xp_plan *p, const xp_system *s, uint64_t seed, size_t part, shn_train_config *out, shn_error *err)
{
    char        number[32];
    const char *loss = setting(s, "loss");
    const shn_loss which = loss ? shn_loss_from_name(loss) : SHN_LOSS_COUNT;
    const shn_cohort *c = p->cohorts[s->cohort].open;
    if (which == SHN_LOSS_COUNT)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "experiment", loss ? "no loss '%s'" : "the setting 'loss' is missing%s", loss ? loss : "");
    shn_train_defaults(which, c ? shn_cohort_n_samples(c) : 0, c ? shn_cohort_fs_hz(c) : 0, out);
    shn_status st = SHN_OK;
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    for (size_t i = 0; i < s->n_settings && st == SHN_OK; i++) {
        const char *key = s->settings[i].key;
        if (strcmp(key, "cohort") == 0 || strcmp(key, "text") == 0 || strcmp(key, "seeds") == 0 || strcmp(key, "leave_out_groups") == 0) continue;
        const int by_seed = strncmp(key, "permute_", 8) == 0 && strcmp(s->settings[i].value, "seed") == 0;      /* another shuffle for each seed */
        st = shn_train_config_set(out, key, by_seed ? number : s->settings[i].value, err);
    }
    if (st == SHN_OK) st = shn_train_config_set(out, "seed", number, err);
    if (st == SHN_OK && s->list < p->n_lists && p->lists[s->list].group[part]) st = shn_train_config_set(out, "leave_out", p->lists[s->list].group[part], err);
    out->n_threads = 1;                 /* one thread a run: all cores are busy with runs, and the bits do not depend on the machine's cores */
    out->resume = 1;
    return st == SHN_OK ? shn_train_config_check(out, err) : st;
}
