/** config.yaml: one flat mapping of words to scalars (or to a list of scalars, for `blocks`). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/yaml.h"
#include "shinden/train.h"
#include "train/config.h"

enum { VALUE_MAX = SHN_TRAIN_VALUE_MAX, LIST_MAX = 64 };

static shn_status scalar(const shn_yaml *y, shn_yaml_node node, char out[VALUE_MAX], shn_error *err)
{
    if (shn_yaml_kind_of(y, node) != SHN_YAML_SCALAR) return shn_yaml_fail(y, node, err, "expected a word or a number");
    if (snprintf(out, VALUE_MAX, "%s", shn_yaml_text(y, node)) >= VALUE_MAX) return shn_yaml_fail(y, node, err, "the value is too long");
    return SHN_OK;
}

/** A scalar, or a list of scalars joined by commas. */
static shn_status value(const shn_yaml *y, shn_yaml_node node, char out[VALUE_MAX], shn_error *err)
{
    if (shn_yaml_kind_of(y, node) != SHN_YAML_LIST) return scalar(y, node, out, err);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < shn_yaml_size(y, node); i++) {
        char item[VALUE_MAX];
        const shn_status st = scalar(y, shn_yaml_at(y, node, i), item, err);
        if (st != SHN_OK) return st;
        if (i == LIST_MAX || used + strlen(item) + 2 > VALUE_MAX) return shn_yaml_fail(y, node, err, "the list is too long");
        used += (size_t)snprintf(out + used, VALUE_MAX - used, "%s%s", i ? "," : "", item);
    }
    return SHN_OK;
}

static int is_among(const char *name, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, keys[i]) == 0) return 1;
    return 0;
}

static shn_status one_setting(const shn_yaml *y, shn_yaml_node root, size_t i, const shn_train_keys *only, shn_train_config *config, shn_error *err)
{
    char       text[VALUE_MAX];
    shn_error  why = { 0 };
    shn_yaml_node node = shn_yaml_at(y, root, i);
    const char *key = shn_yaml_key(y, root, i);
    shn_status st = value(y, node, text, err);
    if (st != SHN_OK) return st;
    if (only && !is_among(key, only->name, only->n)) st = shn_fail(&why, SHN_RANGE, SHN_REASON_BAD_VALUE, "config", "%s has no setting '%.60s'; shinden %s --help lists them",
                                                                            only->whose, key, only->whose);
    else st = shn_train_config_set(config, key, text, &why);
    if (st == SHN_OK) return SHN_OK;
    shn_yaml_fail(y, node, err, "%s", why.text);        /* the place, with the setting's own words */
    if (err) {
        err->status = why.status;
        err->reason = why.reason;
    }
    return st;
}

/** 1 if there is nothing but white space and comments: an empty file changes nothing. */
static int is_empty(const char *yaml, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (yaml[i] == '#')
            while (i + 1 < n && yaml[i + 1] != '\n') i++;
        else if (!strchr(" \t\r\n", yaml[i]) || yaml[i] == '\0') return 0;
    }
    return 1;
}

shn_status shn_train_config_parse(shn_train_config *config, const char *yaml, size_t n_bytes, shn_error *err)
{
    return shn_train_config_parse_keys(config, yaml, n_bytes, NULL, err);
}

shn_status shn_train_config_parse_keys(shn_train_config *config, const char *yaml, size_t n_bytes, const shn_train_keys *only, shn_error *err)
{
    shn_yaml *y;
    if (n_bytes > SHN_TRAIN_YAML_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "config", "%zu bytes, at most %zu", n_bytes, SHN_TRAIN_YAML_MAX);
    if (is_empty(yaml, n_bytes)) return SHN_OK;
    shn_status st = shn_yaml_open((const uint8_t *)yaml, n_bytes, &y, err);
    if (st != SHN_OK) return st;
    shn_train_config    changed = *config;              /* a faulty file changes nothing */
    const shn_yaml_node root = shn_yaml_root(y);
    if (shn_yaml_kind_of(y, root) != SHN_YAML_DICT) st = shn_yaml_fail(y, root, err, "the file is not a mapping; write 'key: value' lines");
    for (size_t i = 0; st == SHN_OK && i < shn_yaml_size(y, root); i++) st = one_setting(y, root, i, only, &changed, err);
    shn_yaml_close(y);
    if (st == SHN_OK) *config = changed;
    return st;
}

/** 1 for words and numbers that YAML cannot take for anything else; settings hold nothing that needs an escape between quotes. */
static int is_bare(const char *v)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";
    return v[0] && !strchr("._-+", v[0]) && v[strspn(v, word)] == '\0';
}

shn_status shn_train_config_yaml(const shn_train_config *config, int bits_only, char **yaml, shn_error *err)
{
    return shn_train_config_yaml_keys(config, bits_only, NULL, yaml, err);
}

shn_status shn_train_config_yaml_keys(const shn_train_config *config, int bits_only, const shn_train_keys *only, char **yaml, shn_error *err)
{
    size_t size = 0;
    char  *text = NULL;
    FILE  *f = open_memstream(&text, &size);
    *yaml = NULL;
    if (!f) return shn_fail_nomem(err, "config");
    for (size_t i = 0; shn_train_key_at(i); i++) {
        char v[SHN_TRAIN_VALUE_MAX];
        const char *name = shn_train_key_at(i)->name;
        if ((bits_only && shn_train_key_free_of_bits(i)) || (only && !is_among(name, only->name, only->n))) continue;
        const shn_status st = shn_train_config_get(config, name, v, err);
        if (st != SHN_OK) {
            fclose(f);
            free(text);
            return st;
        }
        fprintf(f, is_bare(v) ? "%s: %s\n" : "%s: \"%s\"\n", name, v);
    }
    if (fclose(f) != 0) {
        free(text);
        return shn_fail_nomem(err, "config");
    }
    *yaml = text;
    return SHN_OK;
}
