/* From a YAML tree to a shn_map. The first mistake is kept in the reader and everything after it is skipped, so that the
 * schema below reads like a list of keys. */
#include "data/mapping.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/yaml.h"

typedef struct reader {
    const shn_yaml *y;
    shn_map        *map;
    shn_error      *err;
    shn_status      st;
} reader;

/** A copy that lives as long as the map; NULL (and the reader failed) without memory. */
static const char *keep(reader *r, const char *text)
{
    char *copy = r->st == SHN_OK ? shn_strdup(text) : NULL;
    if (copy && shn_grow(&r->map->pool, &r->map->pool_capacity, r->map->n_pool + 1, sizeof(char *)) == 0)
        return r->map->pool[r->map->n_pool++] = copy;
    free(copy);
    if (r->st == SHN_OK) r->st = shn_fail_nomem(r->err, "mapping");
    return NULL;
}

static void *keep_array(reader *r, size_t n, size_t size)
{
    void *block = r->st == SHN_OK ? shn_alloc(n, size) : NULL;
    if (block && shn_grow(&r->map->blocks, &r->map->blocks_capacity, r->map->n_blocks + 1, sizeof(void *)) == 0)
        return r->map->blocks[r->map->n_blocks++] = block;
    free(block);
    if (r->st == SHN_OK) r->st = shn_fail_nomem(r->err, "mapping");
    return NULL;
}

static int is_kind(reader *r, shn_yaml_node node, shn_yaml_kind kind, const char *what)
{
    static const char *const words[] = { "a word", "a list", "a dictionary" };
    if (r->st != SHN_OK) return 0;
    if (shn_yaml_kind_of(r->y, node) == kind) return 1;
    r->st = shn_yaml_fail(r->y, node, r->err, "'%s' must be %s", what, words[kind]);
    return 0;
}

static const char *read_word(reader *r, shn_yaml_node node, const char *what)
{
    if (!is_kind(r, node, SHN_YAML_SCALAR, what)) return NULL;
    if (!*shn_yaml_text(r->y, node)) {
        r->st = shn_yaml_fail(r->y, node, r->err, "'%s' is empty; give a value or remove the key", what);
        return NULL;
    }
    return keep(r, shn_yaml_text(r->y, node));
}

static double read_number(reader *r, shn_yaml_node node, const char *what)
{
    char *end;
    if (!is_kind(r, node, SHN_YAML_SCALAR, what)) return 0;
    const char  *text = shn_yaml_text(r->y, node);
    const double x = strtod(text, &end);
    if (*text && *end == '\0' && isfinite(x)) return x;
    r->st = shn_yaml_fail(r->y, node, r->err, "'%s' must be a number, not '%.40s'", what, text);
    return 0;
}

static int read_flag(reader *r, shn_yaml_node node, const char *what)
{
    if (!is_kind(r, node, SHN_YAML_SCALAR, what)) return 0;
    const char *text = shn_yaml_text(r->y, node);
    if (strcmp(text, "true") == 0) return 1;
    if (strcmp(text, "false") != 0) r->st = shn_yaml_fail(r->y, node, r->err, "'%s' must be true or false, not '%.40s'", what, text);
    return 0;
}

/** A list of words; one word alone stands for a list of one. */
static shn_words read_words(reader *r, shn_yaml_node node, const char *what)
{
    shn_words w = { 0 };
    if (r->st != SHN_OK) return w;
    const int one = shn_yaml_kind_of(r->y, node) == SHN_YAML_SCALAR;
    if (!one && !is_kind(r, node, SHN_YAML_LIST, what)) return w;
    const size_t n = one ? 1 : shn_yaml_size(r->y, node);
    w.items = keep_array(r, n, sizeof *w.items);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) w.items[w.n++] = read_word(r, one ? node : shn_yaml_at(r->y, node, i), what);
    return w;
}

static shn_pairs read_pairs(reader *r, shn_yaml_node node, const char *what)
{
    shn_pairs p = { 0 };
    if (!is_kind(r, node, SHN_YAML_DICT, what)) return p;
    const size_t n = shn_yaml_size(r->y, node);
    p.items = keep_array(r, n, sizeof *p.items);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        p.items[i].from = keep(r, shn_yaml_key(r->y, node, i));
        p.items[i].to = read_word(r, shn_yaml_at(r->y, node, i), what);
        p.n = i + 1;
    }
    return p;
}

/** Every key of a dictionary is one of those known here; the error lists them. */
static void only_keys(reader *r, shn_yaml_node node, const char *const *keys)
{
    char list[240] = "";
    for (size_t k = 0; keys[k]; k++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", k ? " " : "", keys[k]);
    }
    for (size_t i = 0; r->st == SHN_OK && i < shn_yaml_size(r->y, node); i++) {
        size_t k = 0;
        while (keys[k] && strcmp(keys[k], shn_yaml_key(r->y, node, i)) != 0) k++;
        if (!keys[k]) r->st = shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "no key '%.40s' here; there are: %s", shn_yaml_key(r->y, node, i), list);
    }
}

static void read_tables(reader *r, shn_yaml_node node)
{
    static const char *const keys[] = { "file", "split", NULL };
    if (!is_kind(r, node, SHN_YAML_LIST, "tables")) return;
    const size_t n = shn_yaml_size(r->y, node);
    r->map->tables = keep_array(r, n, sizeof *r->map->tables);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        const shn_yaml_node item = shn_yaml_at(r->y, node, i);
        if (!is_kind(r, item, SHN_YAML_DICT, "tables")) return;
        only_keys(r, item, keys);
        const shn_yaml_node file = shn_yaml_find(r->y, item, "file"), split = shn_yaml_find(r->y, item, "split");
        if (!file && r->st == SHN_OK) r->st = shn_yaml_fail(r->y, item, r->err, "a table needs 'file'");
        if (file) r->map->tables[i].file = read_word(r, file, "file");
        if (split) r->map->tables[i].split = read_word(r, split, "split");
        r->map->n_tables = i + 1;
    }
}

/** `path: COLUMN`, or `path: {100: lr, 500: hr}` by sampling frequency. */
static void read_paths(reader *r, shn_yaml_node node)
{
    if (r->st != SHN_OK) return;
    const int    one = shn_yaml_kind_of(r->y, node) == SHN_YAML_SCALAR;
    if (!one && !is_kind(r, node, SHN_YAML_DICT, "path")) return;
    const size_t n = one ? 1 : shn_yaml_size(r->y, node);
    r->map->paths = keep_array(r, n, sizeof *r->map->paths);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        shn_map_path *p = &r->map->paths[i];
        if (!one) {
            char *end;
            p->fs_hz = strtod(shn_yaml_key(r->y, node, i), &end);
            if (*end || !(p->fs_hz > 0) || !isfinite(p->fs_hz)) {
                r->st = shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "keys of 'path' are sampling frequencies in Hz");
                return;
            }
        }
        p->path = read_word(r, one ? node : shn_yaml_at(r->y, node, i), "path");
        r->map->n_paths = i + 1;
    }
}

static void read_fold_range(reader *r, shn_yaml_node where, const char *key, shn_map_fold *f)
{
    char *end;
    errno = 0;
    f->low = f->high = strtol(key, &end, 10);
    if (end != key && *end == '-') {
        const char *second = end + 1;
        f->high = strtol(second, &end, 10);
        if (end == second) end = (char *)(uintptr_t)"?";
    }
    if (!*key || *end || errno || f->low > f->high)
        r->st = shn_yaml_fail(r->y, where, r->err, "fold '%.40s' must be a number or a range such as 1-8", key);
}

static void read_folds(reader *r, shn_yaml_node node)
{
    if (!is_kind(r, node, SHN_YAML_DICT, "folds")) return;
    const size_t n = shn_yaml_size(r->y, node);
    r->map->folds = keep_array(r, n, sizeof *r->map->folds);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        read_fold_range(r, shn_yaml_at(r->y, node, i), shn_yaml_key(r->y, node, i), &r->map->folds[i]);
        r->map->folds[i].split = read_word(r, shn_yaml_at(r->y, node, i), "folds");
        r->map->n_folds = i + 1;
    }
}

static void read_codings(reader *r, shn_yaml_node node, shn_map_labels *l)
{
    const shn_words words = read_words(r, node, "coding");
    for (size_t i = 0; r->st == SHN_OK && i < words.n; i++) {
        const int coding = shn_coding_from_name(words.items[i]);
        if (coding < 0 || l->n_codings == SHN_CODE_COUNT)
            r->st = shn_yaml_fail(r->y, node, r->err, "coding '%.40s' is not one of: %s", words.items[i], shn_coding_names());
        else l->codings[l->n_codings++] = (shn_coding)coding;
    }
}

static void check_labels(reader *r, shn_yaml_node node, const shn_map_labels *l)
{
    const int kinds = (l->column != NULL) + (l->columns_after != NULL) + (l->columns.n > 0) + l->header + (l->marks != SHN_MARKS_NONE);
    if (r->st != SHN_OK) return;
    if (kinds != 1)
        r->st = shn_yaml_fail(r->y, node, r->err, "a label group names exactly one of: column columns columns_after header rhythms beats");
    else if (l->n_codings == 0 && l->words.n == 0)
        r->st = shn_yaml_fail(r->y, node, r->err, "a label group needs 'coding' or 'words' to know what its codes mean");
    else if (l->list && !l->column)
        r->st = shn_yaml_fail(r->y, node, r->err, "'list' and 'format' go with 'column'");
}

/** `rhythms: atr` or `beats: atr`: all groups of a mapping read one annotation file. */
static void read_marks(reader *r, shn_yaml_node node, const char *key, shn_map_labels *l)
{
    const char *extension = read_word(r, node, key);
    if (extension && l->marks != SHN_MARKS_NONE) r->st = shn_yaml_fail(r->y, node, r->err, "a label group is exactly one of rhythms and beats; make two");
    l->marks = *key == 'r' ? SHN_MARKS_RHYTHMS : SHN_MARKS_BEATS;
    if (extension && r->map->annotations && strcmp(extension, r->map->annotations) != 0)
        r->st = shn_yaml_fail(r->y, node, r->err, "'%s: %s': annotations are read from one file, which is '%s' already", key, extension, r->map->annotations);
    r->map->annotations = extension;
}

static void read_label_group(reader *r, shn_yaml_node node, shn_map_labels *l)
{
    static const char *const keys[] = { "column", "list", "format", "columns_after", "columns", "header", "rhythms", "beats", "coding", "words",
                                        "empty", NULL };
    if (!is_kind(r, node, SHN_YAML_DICT, "labels")) return;
    only_keys(r, node, keys);
    for (size_t i = 0; r->st == SHN_OK && i < shn_yaml_size(r->y, node); i++) {
        const char         *key = shn_yaml_key(r->y, node, i);
        const shn_yaml_node value = shn_yaml_at(r->y, node, i);
        if (strcmp(key, "column") == 0) l->column = read_word(r, value, key);
        else if (strcmp(key, "list") == 0) l->list = read_word(r, value, key);
        else if (strcmp(key, "columns_after") == 0) l->columns_after = read_word(r, value, key);
        else if (strcmp(key, "columns") == 0) l->columns = read_words(r, value, key);
        else if (strcmp(key, "header") == 0) l->header = read_flag(r, value, key);
        else if (strcmp(key, "rhythms") == 0 || strcmp(key, "beats") == 0) read_marks(r, value, key, l);
        else if (strcmp(key, "coding") == 0) read_codings(r, value, l);
        else if (strcmp(key, "words") == 0) l->words = read_pairs(r, value, key);
        else {                                  /* format, empty: one of two words */
            const char *word = read_word(r, value, key);
            const int   format = strcmp(key, "format") == 0;
            const char *yes = format ? "python-dict" : "negative", *no = format ? "list" : "unknown";
            const int   is = word && strcmp(word, yes) == 0;
            if (word && !is && strcmp(word, no) != 0) r->st = shn_yaml_fail(r->y, value, r->err, "'%s' must be %s or %s", key, yes, no);
            if (format) l->python_dict = is;
            else l->empty_is_negative = is;
        }
    }
    check_labels(r, node, l);
}

static void read_labels(reader *r, shn_yaml_node node)
{
    if (!is_kind(r, node, SHN_YAML_LIST, "labels")) return;
    const size_t n = shn_yaml_size(r->y, node);
    r->map->labels = keep_array(r, n, sizeof *r->map->labels);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        read_label_group(r, shn_yaml_at(r->y, node, i), &r->map->labels[i]);
        r->map->n_labels = i + 1;
    }
}

/** "COLUMN OP VALUE" of text[0..n). A column may hold blanks, not operators. */
static int read_condition(reader *r, const char *text, size_t n, shn_condition *c)
{
    static const struct { const char *word; shn_compare compare; } operators[] = {
        { "<=", SHN_LE }, { ">=", SHN_GE }, { "==", SHN_EQ }, { "!=", SHN_NE }, { "<", SHN_LT }, { ">", SHN_GT } };
    char part[256];
    if (n >= sizeof part) return 0;
    memcpy(part, text, n);
    part[n] = '\0';
    char *at = strpbrk(part, "<>=!");
    size_t o = 0;
    while (at && o < 6 && strncmp(at, operators[o].word, strlen(operators[o].word)) != 0) o++;
    if (!at || o == 6) return 0;
    c->compare = operators[o].compare;
    char *value = at + strlen(operators[o].word), *end = at;
    while (end > part && end[-1] == ' ') end--;
    *end = '\0';
    value += strspn(value, " ");
    for (end = value + strlen(value); end > value && end[-1] == ' '; end--) end[-1] = '\0';
    const char *column = part + strspn(part, " ");
    if (!*column || !*value || strpbrk(value, "<>=!")) return 0;
    c->column = keep(r, column);
    c->word = keep(r, value);
    c->number = strtod(value, &end);
    c->is_number = *end == '\0' && isfinite(c->number);
    return c->is_number || c->compare == SHN_EQ || c->compare == SHN_NE;
}

static void read_rules(reader *r, shn_yaml_node node)
{
    if (!is_kind(r, node, SHN_YAML_DICT, "rules")) return;
    const size_t n = shn_yaml_size(r->y, node);
    r->map->rules = keep_array(r, n, sizeof *r->map->rules);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        shn_map_rule       *rule = &r->map->rules[i];
        const shn_yaml_node value = shn_yaml_at(r->y, node, i);
        const char         *text = read_word(r, value, "rules");
        if (!text) return;
        rule->finding = keep(r, shn_yaml_key(r->y, node, i));
        const char *unless = strstr(text, " unless ");
        rule->has_unless = unless != NULL;
        int good = read_condition(r, text, unless ? (size_t)(unless - text) : strlen(text), &rule->when);
        if (good && unless) good = read_condition(r, unless + 8, strlen(unless + 8), &rule->unless);
        if (!good && r->st == SHN_OK)
            r->st = shn_yaml_fail(r->y, value, r->err, "a rule reads COLUMN < NUMBER (or <= > >= == !=) [unless COLUMN == VALUE], not '%.60s'", text);
        r->map->n_rules = i + 1;
    }
}

/** `known: table | coding`, a list of codes, or {source: codes}. */
static void read_known(reader *r, shn_yaml_node node)
{
    shn_map *m = r->map;
    if (r->st != SHN_OK) return;
    const shn_yaml_kind kind = shn_yaml_kind_of(r->y, node);
    const char         *word = shn_yaml_text(r->y, node);
    if (kind == SHN_YAML_SCALAR && (strcmp(word, "table") == 0 || strcmp(word, "coding") == 0)) {
        m->known = *word == 't' ? SHN_KNOWN_TABLE : SHN_KNOWN_CODING;
        return;
    }
    if (kind == SHN_YAML_SCALAR) {
        r->st = shn_yaml_fail(r->y, node, r->err, "'known' is table, coding, a list of codes, or a dictionary source: codes");
        return;
    }
    const size_t n = kind == SHN_YAML_LIST ? 1 : shn_yaml_size(r->y, node);
    m->known = SHN_KNOWN_LISTED;
    m->known_lists = keep_array(r, n, sizeof *m->known_lists);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        const int all = kind == SHN_YAML_LIST;
        m->known_lists[i].source = all ? NULL : keep(r, shn_yaml_key(r->y, node, i));
        m->known_lists[i].codes = read_words(r, all ? node : shn_yaml_at(r->y, node, i), "known");
        m->n_known_lists = i + 1;
    }
}

static void read_leave_out(reader *r, shn_yaml_node node)
{
    if (!is_kind(r, node, SHN_YAML_DICT, "leave_out")) return;
    const size_t n = shn_yaml_size(r->y, node);
    r->map->leave_out = keep_array(r, n, sizeof *r->map->leave_out);
    for (size_t i = 0; i < n && r->st == SHN_OK; i++) {
        r->map->leave_out[i].source = keep(r, shn_yaml_key(r->y, node, i));
        r->map->leave_out[i].beside = read_words(r, shn_yaml_at(r->y, node, i), "leave_out");
        r->map->n_leave_out = i + 1;
    }
}

static void read_separator(reader *r, shn_yaml_node node)
{
    const char *word = read_word(r, node, "separator");
    if (!word) return;
    if (strcmp(word, "tab") == 0) r->map->separator = '\t';
    else if (word[1] == '\0' && strchr(",;\t", word[0])) r->map->separator = word[0];
    else r->st = shn_yaml_fail(r->y, node, r->err, "'separator' must be ',' or ';' or tab");
}

static void read_sex_words(reader *r, shn_yaml_node node)
{
    r->map->sex_words = read_pairs(r, node, "sex_words");
    for (size_t i = 0; r->st == SHN_OK && i < r->map->sex_words.n; i++)
        if (strcmp(r->map->sex_words.items[i].to, "M") != 0 && strcmp(r->map->sex_words.items[i].to, "F") != 0)
            r->st = shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "'sex_words' gives M or F");
}

static void read_windows(reader *r, shn_yaml_node node)
{
    const char *word = read_word(r, node, "windows");
    if (!word) return;
    r->map->windows_all = strcmp(word, "all") == 0;
    if (!r->map->windows_all && strcmp(word, "central") != 0) r->st = shn_yaml_fail(r->y, node, r->err, "'windows' must be all or central, not '%.40s'", word);
}

static void read_key(reader *r, const char *key, shn_yaml_node value)
{
    shn_map *m = r->map;
    const struct { const char *key; const char **field; } words[] = {
        { "source", &m->source }, { "path_cut", &m->path_cut }, { "id", &m->id }, { "patient", &m->patient }, { "age", &m->age },
        { "sex", &m->sex }, { "report", &m->report }, { "acquired", &m->acquired }, { "split", &m->split }, { "fold", &m->fold } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(key, words[i].key) == 0) {
            *words[i].field = read_word(r, value, key);
            return;
        }
    if (strcmp(key, "table") == 0) {
        m->tables = keep_array(r, 1, sizeof *m->tables);
        if (!m->tables) return;
        m->tables[0].file = read_word(r, value, key);
        m->n_tables = 1;
    } else if (strcmp(key, "tables") == 0) read_tables(r, value);
    else if (strcmp(key, "separator") == 0) read_separator(r, value);
    else if (strcmp(key, "path") == 0) read_paths(r, value);
    else if (strcmp(key, "folds") == 0) read_folds(r, value);
    else if (strcmp(key, "labels") == 0) read_labels(r, value);
    else if (strcmp(key, "rules") == 0) read_rules(r, value);
    else if (strcmp(key, "known") == 0) read_known(r, value);
    else if (strcmp(key, "sex_words") == 0) read_sex_words(r, value);
    else if (strcmp(key, "source_words") == 0) m->source_words = read_pairs(r, value, key);
    else if (strcmp(key, "leave_out") == 0) read_leave_out(r, value);
    else if (strcmp(key, "unlabelled") == 0) m->unlabelled = read_flag(r, value, key);
    else if (strcmp(key, "patient_words") == 0) m->patient_words = read_pairs(r, value, key);
    else if (strcmp(key, "windows") == 0) read_windows(r, value);
    else if (strcmp(key, "allow_missing_leads") == 0) m->allow_missing_leads = read_flag(r, value, key);
    else if (strcmp(key, "raw_microvolts") == 0) m->raw_microvolts = read_flag(r, value, key);
    else if (strcmp(key, "verify_checksums") == 0) m->verify_checksums = read_flag(r, value, key);
    else if (strcmp(key, "version") == 0) {
        if (read_number(r, value, key) != 1 && r->st == SHN_OK)
            r->st = shn_yaml_fail(r->y, value, r->err, "this program reads version 1 of mapping files");
    }
}

static void check_map(reader *r)
{
    const shn_map      *m = r->map;
    const shn_yaml_node root = shn_yaml_root(r->y);
    if (r->st != SHN_OK) return;
    if (!m->source) r->st = shn_yaml_fail(r->y, root, r->err, "'source' is missing: name the hospital or data set");
    else if (m->n_tables && m->n_paths == 0) r->st = shn_yaml_fail(r->y, root, r->err, "'path' is missing: which column names the record's file");
    else if (m->n_labels == 0 && m->n_rules == 0) r->st = shn_yaml_fail(r->y, root, r->err, "neither 'labels' nor 'rules': nothing would be learnt");
    else if ((m->fold != NULL) != (m->n_folds > 0)) r->st = shn_yaml_fail(r->y, root, r->err, "'fold' (a column) and 'folds' (what they mean) go together");
    else if (m->fold && m->split) r->st = shn_yaml_fail(r->y, root, r->err, "either 'split' or 'fold', not both");
    for (size_t i = 0; r->st == SHN_OK && m->n_tables == 0 && i < m->n_labels; i++)
        if (!m->labels[i].header && m->labels[i].marks == SHN_MARKS_NONE) r->st = shn_yaml_fail(r->y, root, r->err, "label columns need a 'table'");
    if (r->st == SHN_OK && m->n_tables == 0 && m->n_rules) r->st = shn_yaml_fail(r->y, root, r->err, "'rules' need a 'table'");
}

shn_status shn_map_parse(const uint8_t *bytes, size_t n_bytes, shn_map **out, shn_error *err)
{
    static const char *const keys[] = { "version", "source", "source_words", "table", "tables", "separator", "path", "path_cut", "id", "patient",
                                        "age", "sex", "sex_words", "report", "acquired", "split", "fold", "folds", "labels", "rules", "known",
                                        "leave_out", "unlabelled", "raw_microvolts", "verify_checksums", "patient_words", "windows",
                                        "allow_missing_leads", NULL };
    shn_yaml *y;
    *out = NULL;
    shn_status st = shn_yaml_open(bytes, n_bytes, &y, err);
    if (st != SHN_OK) return st;
    shn_map *map = shn_alloc(1, sizeof *map);
    if (!map) {
        shn_yaml_close(y);
        return shn_fail_nomem(err, "mapping");
    }
    reader r = { .y = y, .map = map, .err = err, .st = SHN_OK };
    map->separator = ',';
    map->verify_checksums = 1;
    const shn_yaml_node root = shn_yaml_root(y);
    if (is_kind(&r, root, SHN_YAML_DICT, "mapping file")) {
        only_keys(&r, root, keys);
        for (size_t i = 0; r.st == SHN_OK && i < shn_yaml_size(y, root); i++) read_key(&r, shn_yaml_key(y, root, i), shn_yaml_at(y, root, i));
        check_map(&r);
    }
    shn_yaml_close(y);
    if (r.st != SHN_OK) {
        shn_map_free(map);
        return r.st;
    }
    *out = map;
    return SHN_OK;
}

shn_status shn_map_read(const char *path, shn_map **out, shn_error *err)
{
    uint8_t *bytes;
    size_t   n;
    *out = NULL;
    shn_status st = shn_file_read(path, SHN_YAML_BYTES_MAX, &bytes, &n, err);
    if (st != SHN_OK) return st;
    st = shn_map_parse(bytes, n, out, err);
    free(bytes);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    return st;
}

void shn_map_free(shn_map *map)
{
    if (!map) return;
    for (size_t i = 0; i < map->n_pool; i++) free(map->pool[i]);
    for (size_t i = 0; i < map->n_blocks; i++) free(map->blocks[i]);
    free(map->pool);
    free(map->blocks);
    free(map);
}
