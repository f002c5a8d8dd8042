#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/fail.h"

struct shn_yaml { yaml_document_t document; };

/* libyaml's tree accessors take a non-const document and do not write to it */
static yaml_node_t *node_of(const shn_yaml *y, shn_yaml_node node)
{
    return yaml_document_get_node((yaml_document_t *)(uintptr_t)&y->document, node);
}

shn_yaml_node shn_yaml_root(const shn_yaml *y)
{
    (void)y;
    return 1;                                   /* libyaml numbers nodes from 1, the root first */
}

shn_yaml_kind shn_yaml_kind_of(const shn_yaml *y, shn_yaml_node node)
{
    const yaml_node_t *n = node_of(y, node);
    return n->type == YAML_SEQUENCE_NODE ? SHN_YAML_LIST : n->type == YAML_MAPPING_NODE ? SHN_YAML_DICT : SHN_YAML_SCALAR;
}

size_t shn_yaml_size(const shn_yaml *y, shn_yaml_node node)
{
    const yaml_node_t *n = node_of(y, node);
    if (n->type == YAML_SEQUENCE_NODE) return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (n->type == YAML_MAPPING_NODE) return (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    return 0;
}

shn_yaml_node shn_yaml_at(const shn_yaml *y, shn_yaml_node node, size_t i)
{
    const yaml_node_t *n = node_of(y, node);
    return n->type == YAML_SEQUENCE_NODE ? n->data.sequence.items.start[i] : n->data.mapping.pairs.start[i].value;
}

const char *shn_yaml_key(const shn_yaml *y, shn_yaml_node node, size_t i)
{
    return shn_yaml_text(y, node_of(y, node)->data.mapping.pairs.start[i].key);
}

shn_yaml_node shn_yaml_find(const shn_yaml *y, shn_yaml_node node, const char *key)
{
    if (shn_yaml_kind_of(y, node) != SHN_YAML_DICT) return 0;
    for (size_t i = 0; i < shn_yaml_size(y, node); i++)
        if (strcmp(shn_yaml_key(y, node, i), key) == 0) return shn_yaml_at(y, node, i);
    return 0;
}

const char *shn_yaml_text(const shn_yaml *y, shn_yaml_node node)
{
    const yaml_node_t *n = node_of(y, node);
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

shn_status shn_yaml_fail(const shn_yaml *y, shn_yaml_node node, shn_error *err, const char *fmt, ...)
{
    char        text[320];
    va_list     args;
    const yaml_node_t *n = node_of(y, node);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "yaml", "line %zu, column %zu: %s", n->start_mark.line + 1,
                    n->start_mark.column + 1, text);
}

static shn_status check_dict(const shn_yaml *y, shn_yaml_node node, shn_error *err)
{
    for (size_t i = 0; i < shn_yaml_size(y, node); i++) {
        const shn_yaml_node key = node_of(y, node)->data.mapping.pairs.start[i].key;
        if (shn_yaml_kind_of(y, key) != SHN_YAML_SCALAR) return shn_yaml_fail(y, key, err, "a key must be a word");
        for (size_t j = 0; j < i; j++)
            if (strcmp(shn_yaml_key(y, node, j), shn_yaml_text(y, key)) == 0)
                return shn_yaml_fail(y, key, err, "key '%.60s' stands twice", shn_yaml_text(y, key));
    }
    return SHN_OK;
}

/** What the tree's readers rely on: keys are words and stand once, texts hold no NUL, nothing is too large. */
static shn_status check_nodes(const shn_yaml *y, shn_error *err)
{
    for (shn_yaml_node i = 1; node_of(y, i); i++) {
        const yaml_node_t *n = node_of(y, i);
        if (n->type == YAML_SCALAR_NODE && strlen((const char *)n->data.scalar.value) != n->data.scalar.length)
            return shn_yaml_fail(y, i, err, "a NUL byte");
        if (shn_yaml_size(y, i) > SHN_YAML_ENTRIES_MAX)
            return shn_yaml_fail(y, i, err, "more than %d entries", SHN_YAML_ENTRIES_MAX);
        const shn_status st = n->type == YAML_MAPPING_NODE ? check_dict(y, i, err) : SHN_OK;
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status parse_failed(const yaml_parser_t *p, shn_error *err)
{
    if (p->error == YAML_MEMORY_ERROR) return shn_fail_nomem(err, "yaml");
    const yaml_mark_t *mark = p->problem_mark.line || p->problem_mark.column ? &p->problem_mark : &p->context_mark;
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "yaml", "line %zu, column %zu: %s", mark->line + 1, mark->column + 1,
                    p->problem ? p->problem : "not YAML");
}

shn_status shn_yaml_open(const uint8_t *bytes, size_t n_bytes, shn_yaml **out, shn_error *err)
{
    yaml_parser_t   parser;
    yaml_document_t rest;
    shn_status      st = SHN_OK;
    *out = NULL;
    if (n_bytes > SHN_YAML_BYTES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "yaml", "%zu bytes, at most %zu", n_bytes, SHN_YAML_BYTES_MAX);
    shn_yaml *y = shn_alloc(1, sizeof *y);
    if (!y || !yaml_parser_initialize(&parser)) {
        free(y);
        return shn_fail_nomem(err, "yaml");
    }
    yaml_parser_set_input_string(&parser, bytes, n_bytes);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    if (!yaml_parser_load(&parser, &y->document)) {
        st = parse_failed(&parser, err);
        yaml_parser_delete(&parser);
        free(y);
        return st;
    }
    if (!yaml_document_get_root_node(&y->document)) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "yaml", "the file is empty");
    else st = check_nodes(y, err);
    if (st == SHN_OK && !yaml_parser_load(&parser, &rest)) st = parse_failed(&parser, err);
    else if (st == SHN_OK) {
        if (yaml_document_get_root_node(&rest))
            st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "yaml", "more than one document; remove what follows '---'");
        yaml_document_delete(&rest);
    }
    yaml_parser_delete(&parser);
    if (st != SHN_OK) {
        shn_yaml_close(y);
        return st;
    }
    *out = y;
    return SHN_OK;
}

void shn_yaml_close(shn_yaml *y)
{
    if (!y) return;
    yaml_document_delete(&y->document);
    free(y);
}
