#include "data/template.h"

#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"

static shn_status add_piece(shn_compiled *t, const char *text, size_t n, int column, shn_error *err)
{
    if (t->n == SHN_TEMPLATE_PIECES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mapping", "a template has at most %d pieces", SHN_TEMPLATE_PIECES_MAX);
    t->piece[t->n].text = text;
    t->piece[t->n].n = n;
    t->piece[t->n++].column = column;
    return SHN_OK;
}

static shn_status add_column(shn_compiled *t, const char *name, size_t n, const shn_csv *table, shn_error *err)
{
    static const struct { const char *name; int column; } of_path[] = {
        { "name", SHN_PIECE_NAME }, { "stem", SHN_PIECE_STEM }, { "folder", SHN_PIECE_FOLDER } };
    char   word[256];
    size_t column;
    snprintf(word, sizeof word, "%.*s", (int)n, name);
    if (!table || shn_csv_column(table, word) < 0)
        for (size_t i = 0; i < 3; i++)
            if (strcmp(word, of_path[i].name) == 0) return add_piece(t, NULL, 0, of_path[i].column, err);
    if (!table)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "mapping", "'%s': without a table there are only {name} {stem} {folder}", word);
    const shn_status st = shn_csv_need(table, word, &column, err);
    return st != SHN_OK ? st : add_piece(t, NULL, 0, (int)column, err);
}

shn_status shn_template_compile(const char *text, const shn_csv *table, int literal, shn_compiled *out, shn_error *err)
{
    out->n = 0;
    if (!text) return SHN_OK;
    if (!strchr(text, '{')) return literal ? add_piece(out, text, strlen(text), SHN_PIECE_TEXT, err) : add_column(out, text, strlen(text), table, err);
    shn_status st = SHN_OK;
    while (st == SHN_OK && *text) {
        const size_t plain = strcspn(text, "{}");
        if (plain) {
            st = add_piece(out, text, plain, SHN_PIECE_TEXT, err);
            text += plain;
            continue;
        }
        const char *end = strpbrk(text + 1, "{}");
        if (*text == '}' || !end || *end == '{')
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "mapping", "a brace without its partner near '%.40s'", text);
        st = add_column(out, text + 1, (size_t)(end - text - 1), table, err);
        text = end + 1;
    }
    return st;
}

/** Bytes of a path without its extension. */
static size_t stem_length(const char *path)
{
    const char *base = shn_path_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? (size_t)(dot - path) : strlen(path);
}

static const char *piece_value(const shn_compiled *t, size_t i, const shn_template_row *row, size_t *n)
{
    const char *s = t->piece[i].text;
    *n = t->piece[i].n;
    switch (t->piece[i].column) {
    case SHN_PIECE_TEXT: return s;
    case SHN_PIECE_STEM: s = row->path; *n = stem_length(s); break;
    case SHN_PIECE_NAME:
        s = shn_path_base(row->path);
        *n = stem_length(row->path) - (size_t)(s - row->path);
        break;
    case SHN_PIECE_FOLDER: s = row->folder; *n = strlen(s); break;
    default: s = shn_csv_cell(row->table, row->row, (size_t)t->piece[i].column); *n = strlen(s);
    }
    s = shn_trim(s, n);
    if (*n == 3 && (memcmp(s, "nan", 3) == 0 || memcmp(s, "NaN", 3) == 0)) *n = 0;
    return s;
}

const char *shn_template_value(const shn_compiled *t, const shn_template_row *row, shn_pool *pool)
{
    char   joined[SHN_PATH_MAX];
    size_t used = 0, n;
    if (t->n == 0) return "";
    if (t->n == 1) {
        const char *s = piece_value(t, 0, row, &n);
        return n == 0 ? "" : s[n] == '\0' ? s : shn_pool_add(pool, s, n);
    }
    for (size_t i = 0; i < t->n; i++) {
        const char *s = piece_value(t, i, row, &n);
        if (n == 0 && t->piece[i].column != SHN_PIECE_TEXT) return "";          /* a part is missing: so is the whole */
        if (n >= sizeof joined - used) n = sizeof joined - 1 - used;
        memcpy(joined + used, s, n);
        used += n;
    }
    return shn_pool_add(pool, joined, used);
}
