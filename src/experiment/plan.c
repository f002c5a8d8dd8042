#include "experiment/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "eval/summary.h"

typedef struct reader { xp_plan *p; const shn_yaml *y; const char *data; shn_error *err; } reader;

static shn_yaml_node find(const reader *r, shn_yaml_node node, const char *key) { return shn_yaml_find(r->y, node, key); }
static const char *text(const reader *r, shn_yaml_node node) { return node ? shn_yaml_text(r->y, node) : ""; }

static shn_status check_keys(const reader *r, shn_yaml_node node, const char *const *known)
{
    if (shn_yaml_kind_of(r->y, node) != SHN_YAML_DICT) return shn_yaml_fail(r->y, node, r->err, "needs 'key: value' lines");
    for (size_t i = 0; i < shn_yaml_size(r->y, node); i++) {
        size_t k = 0;
        while (known[k] && strcmp(known[k], shn_yaml_key(r->y, node, i)) != 0) k++;
        if (!known[k]) return shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "no key '%.60s' here", shn_yaml_key(r->y, node, i));
    }
    return SHN_OK;
}

/** Entries of a dictionary under the root; 0 where it is absent. */
static shn_status entries(const reader *r, const char *key, int required, shn_yaml_node *node, size_t *n)
{
    *node = find(r, shn_yaml_root(r->y), key);
    *n = 0;
    if (!*node) return required ? shn_yaml_fail(r->y, shn_yaml_root(r->y), r->err, "the key '%s' is missing", key) : SHN_OK;
    if (shn_yaml_kind_of(r->y, *node) != SHN_YAML_DICT) return shn_yaml_fail(r->y, *node, r->err, "'%s' needs names with settings", key);
    *n = shn_yaml_size(r->y, *node);
    if (*n == 0 || *n > XP_ENTRIES_MAX) return shn_yaml_fail(r->y, *node, r->err, "'%s' has %zu entries, needs 1 to %d", key, *n, XP_ENTRIES_MAX);
    return SHN_OK;
}

/** A path: "${data}" is the data folder, relative ones start from the config's folder. */
static shn_status path_of(const reader *r, shn_yaml_node node, const char **out)
{
    static const char mark[] = "${data}";
    const char *given = text(r, node);
    char        path[SHN_PATH_MAX];
    if (!*given) return shn_yaml_fail(r->y, node, r->err, "an empty path");
    if (strncmp(given, mark, sizeof mark - 1) == 0) {
        if (!r->data) return shn_yaml_fail(r->y, node, r->err, "%s stands for the data folder; name it with --data", mark);
        if (snprintf(path, sizeof path, "%s%s", r->data, given + sizeof mark - 1) >= (int)sizeof path) return shn_yaml_fail(r->y, node, r->err, "path too long");
    } else {
        const shn_status st = shn_path_join(path, r->p->base, given, r->err);
        if (st != SHN_OK) return st;
    }
    *out = shn_pool_add(&r->p->pool, path, strlen(path));
    return *out ? SHN_OK : shn_fail_nomem(r->err, "experiment");
}

static shn_status number_of(const reader *r, shn_yaml_node node, double low, double high, double *out)
{
    char *end;
    const char *s = text(r, node);
    errno = 0;
    *out = strtod(s, &end);
    if (!*s || *end || errno || !(*out >= low && *out <= high)) return shn_yaml_fail(r->y, node, r->err, "'%.40s': needs a number from %g to %g", s, low, high);
    return SHN_OK;
}

static shn_status count_of(const reader *r, shn_yaml_node node, double low, double high, size_t *out)
{
    double v;
    const shn_status st = number_of(r, node, low, high, &v);
    if (st != SHN_OK) return st;
    *out = (size_t)v;
    return (double)*out == v ? SHN_OK : shn_yaml_fail(r->y, node, r->err, "'%.40s': needs a whole number", text(r, node));
}

/* ---- cohorts and texts ---- */

static shn_status read_collections(const reader *r, shn_yaml_node list, xp_cohort *c)
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
        shn_status st = check_keys(r, item, keys);
        const shn_yaml_node preset = find(r, item, "preset"), map = find(r, item, "map"), folder = find(r, item, "folder");
        if (st == SHN_OK && !preset == !map) st = shn_yaml_fail(r->y, item, r->err, "needs a preset or a map");
        if (st == SHN_OK && preset) one->preset = text(r, preset);
        if (st == SHN_OK && map) st = path_of(r, map, &one->map_path);
        if (st == SHN_OK && folder) st = path_of(r, folder, &one->folder);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status read_cohort(const reader *r, shn_yaml_node node, const char *name, xp_cohort *c)
{
    static const char *const keys[] = { "file", "import", "fs", "seconds", "windows", "allow_upsampling", "allow_missing_leads", NULL };
    c->name = name;
    shn_import_defaults(&c->import);
    c->import.n_threads = 0;
    shn_status st = check_keys(r, node, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node file = find(r, node, "file"), list = find(r, node, "import"), fs = find(r, node, "fs"), seconds = find(r, node, "seconds");
    if (!file == !list) return shn_yaml_fail(r->y, node, r->err, "a cohort needs either a file or an import");
    if (file) return path_of(r, file, &c->file);
    st = read_collections(r, list, c);
    if (st == SHN_OK && fs) st = number_of(r, fs, 10, 10000, &c->import.signal.fs_hz);
    if (st == SHN_OK && seconds) st = number_of(r, seconds, 0.1, 86400, &c->import.seconds);
    c->import.windows_all = strcmp(text(r, find(r, node, "windows")), "all") == 0;
    c->import.signal.allow_upsampling = strcmp(text(r, find(r, node, "allow_upsampling")), "1") == 0;
    c->import.signal.allow_missing_leads = strcmp(text(r, find(r, node, "allow_missing_leads")), "1") == 0;
    return st;
}

static shn_status read_cohorts(const reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = entries(r, "cohorts", 1, &node, &n);
    if (st != SHN_OK) return st;
    r->p->cohorts = shn_alloc(n, sizeof *r->p->cohorts);
    if (!r->p->cohorts) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_cohorts < n && st == SHN_OK; r->p->n_cohorts++)
        st = read_cohort(r, shn_yaml_at(r->y, node, r->p->n_cohorts), shn_yaml_key(r->y, node, r->p->n_cohorts), &r->p->cohorts[r->p->n_cohorts]);
    return st;
}

static shn_status read_texts(const reader *r)
{
    static const char *const keys[] = { "file", "hash", NULL };
    shn_yaml_node node;
    size_t        n;
    shn_status    st = entries(r, "texts", 0, &node, &n);
    if (st != SHN_OK || n == 0) return st;
    r->p->texts = shn_alloc(n, sizeof *r->p->texts);
    if (!r->p->texts) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_texts < n && st == SHN_OK; r->p->n_texts++) {
        const shn_yaml_node one = shn_yaml_at(r->y, node, r->p->n_texts);
        xp_text *t = &r->p->texts[r->p->n_texts];
        t->name = shn_yaml_key(r->y, node, r->p->n_texts);
        st = check_keys(r, one, keys);
        const shn_yaml_node file = find(r, one, "file"), hash = find(r, one, "hash");
        if (st == SHN_OK && !file == !hash) st = shn_yaml_fail(r->y, one, r->err, "a text needs either a file of vectors or a hash width");
        if (st == SHN_OK && file) st = path_of(r, file, &t->file);
        if (st == SHN_OK && hash) st = count_of(r, hash, 1, 65536, &t->hash);
    }
    return st;
}

/* ---- systems ---- */

static size_t index_of_cohort(const xp_plan *p, const char *name)
{
    size_t i = 0;
    while (i < p->n_cohorts && strcmp(p->cohorts[i].name, name) != 0) i++;
    return i;
}

static size_t index_of_text(const xp_plan *p, const char *name)
{
    size_t i = 0;
    while (i < p->n_texts && strcmp(p->texts[i].name, name) != 0) i++;
    return i;
}

/** A setting of the system as text; also found in `train`, which holds for all systems. */
static const char *setting(const xp_system *s, const char *key)
{
    for (size_t i = 0; i < s->n_settings; i++)
        if (strcmp(s->settings[i].key, key) == 0) return s->settings[i].value;
    return NULL;
}

static shn_status put_setting(const reader *r, shn_yaml_node node, xp_system *s, const char *key, const char *value)
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

/** Settles names and checks what can be checked before anything runs. */
static shn_status finish_system(const reader *r, shn_yaml_node node, xp_system *s)
{
    xp_plan         *p = r->p;
    shn_train_config config;
    const char *cohort = setting(s, "cohort"), *vectors = setting(s, "text"), *seeds = setting(s, "seeds");
    s->cohort = cohort ? index_of_cohort(p, cohort) : 0;
    s->text = vectors ? index_of_text(p, vectors) : p->n_texts;
    s->n_seeds = p->n_seeds;
    if (s->cohort == p->n_cohorts) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': no cohort '%.60s'", s->name, cohort);
    if (vectors && s->text == p->n_texts) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': no text '%.60s'", s->name, vectors);
    if (seeds) {
        const long n = strtol(seeds, NULL, 10);
        if (n < 1 || (size_t)n > p->n_seeds) return shn_yaml_fail(r->y, node, r->err, "system '%.60s': seeds is how many of the %zu", s->name, p->n_seeds);
        s->n_seeds = (size_t)n;
    }
    for (size_t i = 0; i + 1 < p->n_systems; i++)
        if (strcmp(p->systems[i].name, s->name) == 0) return shn_yaml_fail(r->y, node, r->err, "two systems are called '%.60s'", s->name);
    const shn_status st = xp_train_config(p, s, p->seeds[0], &config, r->err);
    if (st != SHN_OK) {
        char why[200];
        snprintf(why, sizeof why, "%.190s", r->err ? r->err->text : "");
        return shn_yaml_fail(r->y, node, r->err, "system '%.60s': %s", s->name, why);
    }
    if (config.loss != SHN_LOSS_BCE && s->text == p->n_texts) return shn_yaml_fail(r->y, node, r->err, "system '%.60s' needs a text", s->name);
    return SHN_OK;
}

/** Settings from the i-th on: a list gives one system per item, whose name gets ",key=item". */
static shn_status expand(const reader *r, shn_yaml_node node, size_t i, xp_system *s)
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
                snprintf(name, sizeof name, "%s,%s=%s", s->name, key, text(r, item));
                one.name = shn_pool_add(&p->pool, name, strlen(name));
                if (!one.name) return shn_fail_nomem(r->err, "experiment");
                shn_status st = put_setting(r, item, &one, key, text(r, item));
                if (st == SHN_OK) st = expand(r, node, i + 1, &one);
                if (st != SHN_OK) return st;
            }
            return SHN_OK;
        }
        const shn_status st = put_setting(r, value, s, key, text(r, value));
        if (st != SHN_OK) return st;
        i++;
    }
    if (p->n_systems == XP_ENTRIES_MAX) return shn_yaml_fail(r->y, node, r->err, "more than %d systems", XP_ENTRIES_MAX);
    if (shn_grow(&p->systems, &p->systems_capacity, p->n_systems + 1, sizeof *p->systems) != 0) return shn_fail_nomem(r->err, "experiment");
    p->systems[p->n_systems++] = *s;
    return finish_system(r, node, &p->systems[p->n_systems - 1]);
}

static shn_status read_systems(const reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = entries(r, "systems", 1, &node, &n);
    const shn_yaml_node common = find(r, shn_yaml_root(r->y), "train");
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        xp_system s = { .name = shn_yaml_key(r->y, node, i) };
        const shn_yaml_node one = shn_yaml_at(r->y, node, i);
        if (strpbrk(s.name, "@/")) return shn_yaml_fail(r->y, one, r->err, "a system's name may not hold '@' or '/'");
        if (shn_yaml_kind_of(r->y, one) != SHN_YAML_DICT) return shn_yaml_fail(r->y, one, r->err, "system '%.60s' needs settings, such as loss", s.name);
        for (size_t k = 0; common && k < shn_yaml_size(r->y, common) && st == SHN_OK; k++)
            st = put_setting(r, common, &s, shn_yaml_key(r->y, common, k), text(r, shn_yaml_at(r->y, common, k)));
        if (st == SHN_OK) st = expand(r, one, 0, &s);
    }
    return st;
}

shn_status xp_train_config(const xp_plan *p, const xp_system *s, uint64_t seed, shn_train_config *out, shn_error *err)
{
    char        number[32];
    const char *loss = setting(s, "loss");
    const shn_loss which = loss ? shn_loss_from_name(loss) : SHN_LOSS_COUNT;
    const shn_cohort *c = p->cohorts[s->cohort].open;
    if (which == SHN_LOSS_COUNT)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "experiment", loss ? "no loss '%s'" : "the setting 'loss' is missing%s", loss ? loss : "");
    shn_train_defaults(which, c ? shn_cohort_n_samples(c) : 0, c ? shn_cohort_fs_hz(c) : 0, out);
    shn_status st = SHN_OK;
    for (size_t i = 0; i < s->n_settings && st == SHN_OK; i++) {
        const char *key = s->settings[i].key;
        if (strcmp(key, "cohort") == 0 || strcmp(key, "text") == 0 || strcmp(key, "seeds") == 0) continue;
        st = shn_train_config_set(out, key, s->settings[i].value, err);
    }
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    if (st == SHN_OK) st = shn_train_config_set(out, "seed", number, err);
    out->n_threads = 1;                 /* one thread a run: all cores are busy with runs, and the bits do not depend on the machine's cores */
    out->resume = 1;
    return st == SHN_OK ? shn_train_config_check(out, err) : st;
}

/* ---- evaluations, tables, claims ---- */

static shn_status read_evaluations(const reader *r)
{
    static const char *const keys[] = { "cohort", "split", "home", NULL };
    shn_yaml_node node;
    size_t        n;
    shn_status    st = entries(r, "evaluations", 1, &node, &n);
    if (st != SHN_OK) return st;
    r->p->evaluations = shn_alloc(n, sizeof *r->p->evaluations);
    if (!r->p->evaluations) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_evaluations < n && st == SHN_OK; r->p->n_evaluations++) {
        const shn_yaml_node one = shn_yaml_at(r->y, node, r->p->n_evaluations);
        xp_evaluation *e = &r->p->evaluations[r->p->n_evaluations];
        st = check_keys(r, one, keys);
        if (st != SHN_OK) return st;
        const shn_yaml_node cohort = find(r, one, "cohort"), split = find(r, one, "split"), home = find(r, one, "home");
        *e = (xp_evaluation){ shn_yaml_key(r->y, node, r->p->n_evaluations), split ? text(r, split) : "val", cohort ? index_of_cohort(r->p, text(r, cohort)) : 0, home ? index_of_cohort(r->p, text(r, home)) : r->p->n_cohorts };
        if (home && e->home == r->p->n_cohorts) return shn_yaml_fail(r->y, home, r->err, "no cohort '%.60s'", text(r, home));
        if (strpbrk(e->name, "@/")) return shn_yaml_fail(r->y, one, r->err, "an evaluation's name may not hold '@' or '/'");
        if (e->cohort == r->p->n_cohorts) return shn_yaml_fail(r->y, cohort, r->err, "no cohort '%.60s'", text(r, cohort));
    }
    return st;
}

static shn_status row_of(const reader *r, shn_yaml_node node, xp_row *out)
{
    const char  *t = text(r, node), *at = strchr(t, '@');
    const size_t n = at ? (size_t)(at - t) : strlen(t);
    *out = (xp_row){ 0, at ? shn_readout_from_name(at + 1) : SHN_READOUT_COUNT, t };
    while (out->system < r->p->n_systems && (strlen(r->p->systems[out->system].name) != n || strncmp(r->p->systems[out->system].name, t, n) != 0)) out->system++;
    if (out->system == r->p->n_systems) return shn_yaml_fail(r->y, node, r->err, "no system '%.*s'", (int)n, t);
    if (at && out->readout == SHN_READOUT_COUNT) return shn_yaml_fail(r->y, node, r->err, "no read-out '%.60s'", at + 1);
    return SHN_OK;
}

static shn_status evaluation_of(const reader *r, shn_yaml_node node, size_t *out)
{
    const xp_plan *p = r->p;
    for (*out = 0; node && *out < p->n_evaluations && strcmp(p->evaluations[*out].name, text(r, node)) != 0;) ++*out;
    return *out < p->n_evaluations ? SHN_OK : shn_yaml_fail(r->y, node, r->err, "no evaluation '%.60s'", text(r, node));
}

static shn_status metric_of(const reader *r, shn_yaml_node node, int *out)
{
    for (*out = 0; *out < METRIC_COUNT && strcmp(summary_metric_name(*out), text(r, node)) != 0;) ++*out;
    return *out < METRIC_COUNT ? SHN_OK : shn_yaml_fail(r->y, node, r->err, "no metric '%.60s' (docs/metrics.md)", text(r, node));
}

static shn_status read_table(const reader *r, shn_yaml_node node, xp_table *t)
{
    static const char *const keys[] = { "title", "rows", "evaluation", "metrics", NULL };
    shn_status st = check_keys(r, node, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node title = find(r, node, "title"), rows = find(r, node, "rows"), metrics = find(r, node, "metrics");
    t->title = title ? text(r, title) : t->name;
    t->n_rows = rows ? shn_yaml_size(r->y, rows) : 0;
    t->n_metrics = metrics ? shn_yaml_size(r->y, metrics) : 0;
    if (t->n_rows == 0 || t->n_metrics == 0) return shn_yaml_fail(r->y, node, r->err, "table '%.60s' needs lists 'rows' and 'metrics'", t->name);
    st = evaluation_of(r, find(r, node, "evaluation"), &t->evaluation);
    t->rows = shn_alloc(t->n_rows, sizeof *t->rows);
    t->metrics = shn_alloc(t->n_metrics, sizeof *t->metrics);
    if (!t->rows || !t->metrics) return shn_fail_nomem(r->err, "experiment");
    for (size_t i = 0; i < t->n_rows && st == SHN_OK; i++) st = row_of(r, shn_yaml_at(r->y, rows, i), &t->rows[i]);
    for (size_t i = 0; i < t->n_metrics && st == SHN_OK; i++) st = metric_of(r, shn_yaml_at(r->y, metrics, i), &t->metrics[i]);
    return st;
}

static shn_status read_claim(const reader *r, shn_yaml_node node, xp_claim *c)
{
    static const char *const keys[] = { "claim", "higher", "lower", "same", "metric", "evaluation", "caveat", NULL };
    shn_status st = check_keys(r, node, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node claim = find(r, node, "claim"), higher = find(r, node, "higher"), lower = find(r, node, "lower"), same = find(r, node, "same");
    const shn_yaml_node metric = find(r, node, "metric"), caveat = find(r, node, "caveat");
    if (!claim || !metric) return shn_yaml_fail(r->y, node, r->err, "claim '%.60s' needs its words ('claim') and a metric", c->name);
    c->text = text(r, claim);
    c->caveat = caveat ? text(r, caveat) : "";
    c->equal = same != 0;
    if (same ? (higher || lower || shn_yaml_size(r->y, same) != 2) : (!higher || !lower))
        return shn_yaml_fail(r->y, node, r->err, "claim '%.60s' needs 'higher' and 'lower', or 'same: [A, B]'", c->name);
    st = row_of(r, same ? shn_yaml_at(r->y, same, 0) : higher, &c->higher);
    if (st == SHN_OK) st = row_of(r, same ? shn_yaml_at(r->y, same, 1) : lower, &c->lower);
    if (st == SHN_OK) st = metric_of(r, metric, &c->metric);
    if (st == SHN_OK) st = evaluation_of(r, find(r, node, "evaluation"), &c->evaluation);
    if (st == SHN_OK && c->higher.system == c->lower.system && c->higher.readout == c->lower.readout)
        st = shn_yaml_fail(r->y, node, r->err, "claim '%.60s' compares a system with itself", c->name);
    return st;
}

static shn_status read_judgements(const reader *r)
{
    xp_plan      *p = r->p;
    shn_yaml_node tables, claims;
    size_t        n_tables, n_claims;
    shn_status    st = entries(r, "tables", 0, &tables, &n_tables);
    if (st == SHN_OK) st = entries(r, "claims", 0, &claims, &n_claims);
    if (st != SHN_OK) return st;
    p->tables = shn_alloc(n_tables, sizeof *p->tables);
    p->claims = shn_alloc(n_claims, sizeof *p->claims);
    if (!p->tables || !p->claims) return shn_fail_nomem(r->err, "experiment");
    for (; p->n_tables < n_tables && st == SHN_OK; p->n_tables++) {
        p->tables[p->n_tables].name = shn_yaml_key(r->y, tables, p->n_tables);
        st = read_table(r, shn_yaml_at(r->y, tables, p->n_tables), &p->tables[p->n_tables]);
    }
    for (; p->n_claims < n_claims && st == SHN_OK; p->n_claims++) {
        p->claims[p->n_claims].name = shn_yaml_key(r->y, claims, p->n_claims);
        st = read_claim(r, shn_yaml_at(r->y, claims, p->n_claims), &p->claims[p->n_claims]);
    }
    return st;
}

/* ---- the whole ---- */

static shn_status read_seeds(const reader *r, shn_yaml_node node)
{
    xp_plan *p = r->p;
    if (!node || shn_yaml_kind_of(r->y, node) != SHN_YAML_LIST || shn_yaml_size(r->y, node) == 0 || shn_yaml_size(r->y, node) > XP_SEEDS_MAX)
        return shn_yaml_fail(r->y, node ? node : shn_yaml_root(r->y), r->err, "'seeds' needs a list of 1 to %d numbers", XP_SEEDS_MAX);
    for (; p->n_seeds < shn_yaml_size(r->y, node); p->n_seeds++) {
        size_t seed;
        const shn_status st = count_of(r, shn_yaml_at(r->y, node, p->n_seeds), 1, 1e15, &seed);
        if (st != SHN_OK) return st;
        p->seeds[p->n_seeds] = seed;
    }
    return SHN_OK;
}

static shn_status read_all(const reader *r)
{
    static const char *const keys[] = { "version", "title", "seeds", "bootstrap", "cohorts", "texts", "train", "systems", "evaluations", "tables", "claims", NULL };
    const shn_yaml_node root = shn_yaml_root(r->y), title = find(r, root, "title"), resamples = find(r, root, "bootstrap");
    shn_status st = check_keys(r, root, keys);
    size_t     n = 1000;
    if (st == SHN_OK && strcmp(text(r, find(r, root, "version")), "1") != 0) st = shn_yaml_fail(r->y, root, r->err, "needs 'version: 1'");
    if (st == SHN_OK && resamples) st = count_of(r, resamples, 100, 100000, &n);
    r->p->n_bootstrap = (uint32_t)n;
    r->p->title = title ? text(r, title) : shn_path_base(r->p->path);
    if (st == SHN_OK) st = read_seeds(r, find(r, root, "seeds"));
    if (st == SHN_OK) st = read_cohorts(r);
    if (st == SHN_OK) st = read_texts(r);
    if (st == SHN_OK) st = read_systems(r);
    if (st == SHN_OK) st = read_evaluations(r);
    return st == SHN_OK ? read_judgements(r) : st;
}

shn_status xp_plan_parse(const uint8_t *bytes, size_t n, const char *path, const char *data, xp_plan **out, shn_error *err)
{
    char     base[SHN_PATH_MAX];
    xp_plan *p = shn_alloc(1, sizeof *p);
    *out = NULL;
    if (!p) return shn_fail_nomem(err, "experiment");
    snprintf(base, sizeof base, "%.*s", (int)(shn_path_base(path) - path), path);
    p->path = shn_pool_add(&p->pool, path, strlen(path));
    p->base = shn_pool_add(&p->pool, *base ? base : ".", *base ? strlen(base) : 1);
    shn_status st = p->path && p->base ? shn_yaml_open(bytes, n, &p->yaml, err) : shn_fail_nomem(err, "experiment");
    const reader r = { p, p->yaml, data, err };
    if (st == SHN_OK) st = read_all(&r);
    if (st == SHN_OK) {
        *out = p;
        return SHN_OK;
    }
    shn_error_prefix(err, "%s", path);
    xp_plan_free(p);
    return st;
}

shn_status xp_plan_read(const char *path, const char *data, xp_plan **out, shn_error *err)
{
    uint8_t *bytes;
    size_t   n;
    *out = NULL;
    shn_status st = shn_file_read(path, SHN_YAML_BYTES_MAX, &bytes, &n, err);
    if (st != SHN_OK) return st;
    st = xp_plan_parse(bytes, n, path, data, out, err);
    free(bytes);
    return st;
}

void xp_plan_free(xp_plan *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_cohorts; i++) {
        shn_cohort_close(p->cohorts[i].open);
        free(p->cohorts[i].collections);
    }
    for (size_t i = 0; i < p->n_texts; i++) shn_vectors_free(p->texts[i].open);
    for (size_t i = 0; i < p->n_tables; i++) {
        free(p->tables[i].rows);
        free(p->tables[i].metrics);
    }
    void *all[] = { p->cohorts, p->texts, p->systems, p->evaluations, p->tables, p->claims };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    shn_yaml_close(p->yaml);
    shn_pool_free(&p->pool);
    free(p);
}
