/**
 * config.yaml: one flat mapping. libyaml's parser gives the line of every fault, which a schema library's error lacks; what is not
 * a mapping of words to scalars (or to a list of scalars, for `blocks`) is refused, so anchors and tags have no use here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/train.h"
#include "train/config.h"

enum { VALUE_MAX = 256, LIST_MAX = 16, KEYS_MAX = 64 };

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t  event;            /* the one at hand, to be deleted before the next */
    int           has_event;
    char          seen[KEYS_MAX][VALUE_MAX];
    size_t        n_seen;
} reader;

static size_t line_of(const reader *r) { return r->event.start_mark.line + 1; }

static shn_status next(reader *r, shn_error *err)
{
    if (r->has_event) yaml_event_delete(&r->event);
    r->has_event = 0;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return shn_fail(err, r->parser.error == YAML_MEMORY_ERROR ? SHN_NOMEM : SHN_FORMAT, SHN_REASON_BAD_HEADER, "config",
                        "line %zu: not YAML: %s", r->parser.problem_mark.line + 1, r->parser.problem ? r->parser.problem : "unreadable");
    r->has_event = 1;
    return SHN_OK;
}

static shn_status wrong(const reader *r, shn_error *err, const char *what)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "config", "line %zu: %s; write 'key: value' lines", line_of(r), what);
}

static shn_status scalar(const reader *r, char out[VALUE_MAX], shn_error *err)
{
    if (r->event.type != YAML_SCALAR_EVENT) return wrong(r, err, "expected a word or a number");
    const size_t n = r->event.data.scalar.length;
    if (n >= VALUE_MAX || memchr(r->event.data.scalar.value, '\0', n)) return wrong(r, err, "a value is too long or holds a zero byte");
    memcpy(out, r->event.data.scalar.value, n);
    out[n] = '\0';
    return SHN_OK;
}

/** A scalar, or a list of scalars joined by commas. */
static shn_status value(reader *r, char out[VALUE_MAX], shn_error *err)
{
    if (r->event.type != YAML_SEQUENCE_START_EVENT) return scalar(r, out, err);
    size_t used = 0;
    for (int i = 0; ; i++) {
        char item[VALUE_MAX];
        shn_status st = next(r, err);
        if (st != SHN_OK) return st;
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        st = scalar(r, item, err);
        if (st != SHN_OK) return st;
        if (i == LIST_MAX || used + strlen(item) + 2 > VALUE_MAX) return wrong(r, err, "the list is too long");
        used += (size_t)snprintf(out + used, VALUE_MAX - used, "%s%s", i ? "," : "", item);
    }
    out[used] = '\0';
    return SHN_OK;
}

static shn_status one_setting(reader *r, shn_train_config *config, shn_error *err)
{
    char key[VALUE_MAX], text[VALUE_MAX];
    shn_status st = scalar(r, key, err);
    if (st != SHN_OK) return st;
    for (size_t i = 0; i < r->n_seen; i++)
        if (strcmp(r->seen[i], key) == 0) return wrong(r, err, "this key was there before");
    if (r->n_seen == KEYS_MAX) return wrong(r, err, "more keys than there are settings");
    strcpy(r->seen[r->n_seen++], key);
    const size_t line = line_of(r);
    if ((st = next(r, err)) != SHN_OK || (st = value(r, text, err)) != SHN_OK) return st;
    st = shn_train_config_set(config, key, text, err);
    if (st != SHN_OK) shn_error_prefix(err, "line %zu", line);
    return st;
}

static shn_status document(reader *r, shn_train_config *config, shn_error *err)
{
    shn_status st = next(r, err);
    if (st == SHN_OK) st = next(r, err);                        /* past the start of the stream */
    if (st != SHN_OK || r->event.type == YAML_STREAM_END_EVENT) return st;      /* an empty file changes nothing */
    if ((st = next(r, err)) != SHN_OK) return st;
    if (r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0) return next(r, err);
    if (r->event.type != YAML_MAPPING_START_EVENT) return wrong(r, err, "the file is not a mapping");
    for (;;) {
        if ((st = next(r, err)) != SHN_OK) return st;
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        if ((st = one_setting(r, config, err)) != SHN_OK) return st;
    }
    if ((st = next(r, err)) != SHN_OK || (st = next(r, err)) != SHN_OK) return st;
    return r->event.type == YAML_STREAM_END_EVENT ? SHN_OK : wrong(r, err, "a second document begins");
}

shn_status shn_train_config_parse(shn_train_config *config, const char *yaml, size_t n_bytes, shn_error *err)
{
    if (n_bytes > SHN_TRAIN_YAML_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "config", "%zu bytes, at most %zu", n_bytes, SHN_TRAIN_YAML_MAX);
    reader *r = shn_alloc(1, sizeof *r);
    if (!r || !yaml_parser_initialize(&r->parser)) {
        free(r);
        return shn_fail_nomem(err, "config");
    }
    shn_train_config changed = *config;                         /* a faulty file changes nothing */
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)yaml, n_bytes);
    const shn_status st = document(r, &changed, err);
    if (r->has_event) yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    free(r);
    if (st == SHN_OK) *config = changed;
    return st;
}

shn_status shn_train_config_yaml(const shn_train_config *config, int bits_only, char **yaml, shn_error *err)
{
    size_t size = 0;
    char  *text = NULL;
    FILE  *f = open_memstream(&text, &size);
    *yaml = NULL;
    if (!f) return shn_fail_nomem(err, "config");
    for (size_t i = 0; shn_train_key_at(i); i++) {
        char v[64];
        const char *name = shn_train_key_at(i)->name;
        if (bits_only && shn_train_key_free_of_bits(i)) continue;
        const shn_status st = shn_train_config_get(config, name, v, err);
        if (st != SHN_OK) {
            fclose(f);
            free(text);
            return st;
        }
        /* words are quoted where YAML might see something else in them */
        if (v[0] == '\0' || strpbrk(v, ":,#&*!|>'%@`{}[] ")) fprintf(f, "%s: \"%s\"\n", name, v);
        else fprintf(f, "%s: %s\n", name, v);
    }
    if (fclose(f) != 0) {
        free(text);
        return shn_fail_nomem(err, "config");
    }
    *yaml = text;
    return SHN_OK;
}
