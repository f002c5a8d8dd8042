#include "experiment/plan_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"

shn_status xp_check_keys(const xp_reader *r, shn_yaml_node node, const char *const *known)
{
    if (shn_yaml_kind_of(r->y, node) != SHN_YAML_DICT) return shn_yaml_fail(r->y, node, r->err, "needs 'key: value' lines");
    for (size_t i = 0; i < shn_yaml_size(r->y, node); i++) {
        size_t k = 0;
        while (known[k] && strcmp(known[k], shn_yaml_key(r->y, node, i)) != 0) k++;
        if (!known[k]) return shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "no key '%.60s' here", shn_yaml_key(r->y, node, i));
    }
    return SHN_OK;
}

/** Files and folders are called after what the config names. */
static shn_status check_name(const xp_reader *r, shn_yaml_node node, const char *name)
{
    const char *wrong = !*name ? "is empty" : *name == '.' ? "begins with '.'" : strchr(name, '/') ? "holds '/'" : strlen(name) > XP_NAME_MAX ? "is too long" : NULL;
    for (const char *p = name; *p && !wrong; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) wrong = "holds a control character";
    return wrong ? shn_yaml_fail(r->y, node, r->err, "the name '%.60s' %s; files are called after it", name, wrong) : SHN_OK;
}

shn_status xp_entries(const xp_reader *r, const char *key, int required, shn_yaml_node *node, size_t *n)
{
    *node = xp_find(r, shn_yaml_root(r->y), key);
    *n = 0;
    if (!*node) return required ? shn_yaml_fail(r->y, shn_yaml_root(r->y), r->err, "the key '%s' is missing", key) : SHN_OK;
    if (shn_yaml_kind_of(r->y, *node) != SHN_YAML_DICT) return shn_yaml_fail(r->y, *node, r->err, "'%s' needs names with settings", key);
    *n = shn_yaml_size(r->y, *node);
    if (*n == 0 || *n > XP_ENTRIES_MAX) return shn_yaml_fail(r->y, *node, r->err, "'%s' has %zu entries, needs 1 to %d", key, *n, XP_ENTRIES_MAX);
    shn_status st = SHN_OK;
    for (size_t i = 0; i < *n && st == SHN_OK; i++) st = check_name(r, shn_yaml_at(r->y, *node, i), shn_yaml_key(r->y, *node, i));
    return st;
}

shn_status xp_path_of(const xp_reader *r, shn_yaml_node node, const char **out)
{
    static const char mark[] = "${data}";
    const char *given = xp_text_of(r, node);
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

shn_status xp_number_of(const xp_reader *r, shn_yaml_node node, double low, double high, double *out)
{
    char *end;
    const char *s = xp_text_of(r, node);
    errno = 0;
    *out = strtod(s, &end);
    if (!*s || *end || errno || !(*out >= low && *out <= high)) return shn_yaml_fail(r->y, node, r->err, "'%.40s': needs a number from %g to %g", s, low, high);
    return SHN_OK;
}

shn_status xp_count_of(const xp_reader *r, shn_yaml_node node, double low, double high, size_t *out)
{
    double v;
    const shn_status st = xp_number_of(r, node, low, high, &v);
    if (st != SHN_OK) return st;
    *out = (size_t)v;
    return (double)*out == v ? SHN_OK : shn_yaml_fail(r->y, node, r->err, "'%.40s': needs a whole number", xp_text_of(r, node));
}

shn_status xp_flag_of(const xp_reader *r, shn_yaml_node node, int *out)
{
    const char *s = xp_text_of(r, node);
    if (!node) return SHN_OK;
    if (strcmp(s, "0") != 0 && strcmp(s, "1") != 0) return shn_yaml_fail(r->y, node, r->err, "'%.40s': needs 0 or 1", s);
    *out = *s == '1';
    return SHN_OK;
}

shn_status xp_words_of(const xp_reader *r, shn_yaml_node node, const char ***out, size_t *n)
{
    *n = shn_yaml_size(r->y, node);
    if (shn_yaml_kind_of(r->y, node) != SHN_YAML_LIST || *n == 0 || *n > XP_ENTRIES_MAX) return shn_yaml_fail(r->y, node, r->err, "needs a list of 1 to %d words", XP_ENTRIES_MAX);
    *out = shn_alloc(*n, sizeof **out);
    if (!*out) return shn_fail_nomem(r->err, "experiment");
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] = xp_text_of(r, shn_yaml_at(r->y, node, i));
        if (!*(*out)[i]) return shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "needs a word");
    }
    return SHN_OK;
}
