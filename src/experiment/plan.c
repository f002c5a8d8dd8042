#include "experiment/plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "experiment/plan_reader.h"

static shn_status read_seeds(const xp_reader *r, shn_yaml_node node)
{
    xp_plan *p = r->p;
    if (!node || shn_yaml_kind_of(r->y, node) != SHN_YAML_LIST || shn_yaml_size(r->y, node) == 0 || shn_yaml_size(r->y, node) > XP_SEEDS_MAX)
        return shn_yaml_fail(r->y, node ? node : shn_yaml_root(r->y), r->err, "'seeds' needs a list of 1 to %d numbers", XP_SEEDS_MAX);
    for (; p->n_seeds < shn_yaml_size(r->y, node); p->n_seeds++) {
        size_t seed;
        const shn_status st = xp_count_of(r, shn_yaml_at(r->y, node, p->n_seeds), 1, 1e15, &seed);
        if (st != SHN_OK) return st;
        for (size_t i = 0; i < p->n_seeds; i++)
            if (p->seeds[i] == seed) return shn_yaml_fail(r->y, shn_yaml_at(r->y, node, p->n_seeds), r->err, "the seed %zu stands twice among 'seeds': it would count as two", seed);
        p->seeds[p->n_seeds] = seed;
    }
    return SHN_OK;
}

/** The least p that n resamples can give is 2 / (n + 1); times the number of claims (Holm) it has to be able to fall below 0.05. */
static shn_status check_resamples(const xp_reader *r)
{
    const size_t least = 40 * r->p->n_claims;
    if (r->p->n_bootstrap + 1 >= least) return SHN_OK;
    return shn_yaml_fail(r->y, shn_yaml_root(r->y), r->err, "%zu claims and %u resamples: none could reach Holm's 0.05; needs 'bootstrap: %zu' or more", r->p->n_claims, (unsigned)r->p->n_bootstrap,
                         least);
}

static shn_status read_all(const xp_reader *r)
{
    static const char *const keys[] = { "version", "title", "about", "seeds", "bootstrap", "cohorts", "texts", "label_lists", "train", "systems",
                                        "evaluations", "baseline", "tables", "claims", "examples", "subgroups", "supersets", NULL };
    const shn_yaml_node root = shn_yaml_root(r->y), title = xp_find(r, root, "title"), resamples = xp_find(r, root, "bootstrap");
    shn_status st = xp_check_keys(r, root, keys);
    size_t     n = 1000;
    if (st == SHN_OK && strcmp(xp_text_of(r, xp_find(r, root, "version")), "1") != 0) st = shn_yaml_fail(r->y, root, r->err, "needs 'version: 1'");
    if (st == SHN_OK && resamples) st = xp_count_of(r, resamples, 100, 100000, &n);
    r->p->n_bootstrap = (uint32_t)n;
    r->p->about = xp_text_of(r, xp_find(r, root, "about"));
    r->p->title = title ? xp_text_of(r, title) : shn_path_base(r->p->path);
    if (st == SHN_OK) st = read_seeds(r, xp_find(r, root, "seeds"));
    if (st == SHN_OK) st = xp_read_cohorts(r);
    if (st == SHN_OK) st = xp_read_systems(r);
    if (st == SHN_OK) st = xp_read_judgements(r);
    return st == SHN_OK ? check_resamples(r) : st;
}

shn_status xp_plan_parse(const uint8_t *bytes, size_t n, const char *path, const char *data, xp_plan **out, shn_error *err)
{
    char     base[SHN_PATH_MAX];
    xp_plan *p = shn_alloc(1, sizeof *p);
    *out = NULL;
    uint8_t  digest[32];
    if (!p) return shn_fail_nomem(err, "experiment");
    shn_sha256_of(bytes, n, digest);
    shn_sha256_hex(digest, p->digest);
    snprintf(base, sizeof base, "%.*s", (int)(shn_path_base(path) - path), path);
    p->path = shn_pool_add(&p->pool, path, strlen(path));
    p->base = shn_pool_add(&p->pool, *base ? base : ".", *base ? strlen(base) : 1);
    shn_status st = p->path && p->base ? shn_yaml_open(bytes, n, &p->yaml, err) : shn_fail_nomem(err, "experiment");
    const xp_reader r = { p, p->yaml, data, err };
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

void xp_file_name(const char *name, char *out, size_t size)
{
    size_t n = 0;
    for (; name[n] && n + 1 < size; n++) out[n] = (unsigned char)name[n] >= 0x80 || isalnum((unsigned char)name[n]) || strchr(".-_=,", name[n]) ? name[n] : '_';
    while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--;       /* in the middle of a letter: before it */
    out[n] = '\0';
}

void xp_plan_free(xp_plan *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_cohorts; i++) {
        shn_cohort_close(p->cohorts[i].open);
        for (size_t k = 0; k < p->cohorts[i].n_folds; k++) shn_cohort_close(p->cohorts[i].fold[k]);
        free(p->cohorts[i].collections);
        free(p->cohorts[i].beside);
    }
    for (size_t i = 0; i < p->n_texts; i++) shn_vectors_free(p->texts[i].open);
    for (size_t i = 0; i < p->n_tables; i++) {
        free(p->tables[i].rows);
        free(p->tables[i].plotted);
        free(p->tables[i].metrics);
    }
    for (size_t i = 0; i < p->n_lists; i++) free(p->lists[i].group);
    for (size_t i = 0; i < p->n_evaluations; i++) free(p->evaluations[i].finding);
    void *all[] = { p->cohorts, p->texts, p->lists, p->systems, p->evaluations, p->tables, p->claims, p->subgroups.metrics, p->supersets.rows };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    shn_yaml_close(p->yaml);
    shn_pool_free(&p->pool);
    free(p);
}
