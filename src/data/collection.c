/* Tables (or a walk) to entries. Cells are borrowed from the tables; only composed values are copied. */
#include "data/collection.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "data/template.h"
#include "shinden/format.h"

/* the values of an entry that come from the table, in one list so that they are compiled and read alike */
enum { V_SOURCE, V_PATH, V_ID, V_PATIENT, V_AGE, V_SEX, V_REPORT, V_ACQUIRED, V_SPLIT, V_FOLD, V_COUNT };

static const char *choose_path(const shn_map *map, double fs_hz)
{
    const shn_map_path *best = NULL;
    for (size_t i = 0; i < map->n_paths; i++) {
        const shn_map_path *p = &map->paths[i];
        if (fs_hz <= 0 || p->fs_hz == fs_hz) return fs_hz <= 0 ? map->paths[0].path : p->path;
        const int above = p->fs_hz >= fs_hz, best_above = best && best->fs_hz >= fs_hz;
        if (!best || (above && (!best_above || p->fs_hz < best->fs_hz)) || (!above && !best_above && p->fs_hz > best->fs_hz)) best = p;
    }
    return best ? best->path : NULL;
}

static shn_status compile(const shn_map *m, const shn_csv *table, double fs_hz, shn_compiled v[V_COUNT], shn_error *err)
{
    const char *const texts[V_COUNT] = { m->source, choose_path(m, fs_hz), m->id, m->patient, m->age, m->sex, m->report, m->acquired, m->split, m->fold };
    for (int i = 0; i < V_COUNT; i++) {
        const shn_status st = shn_template_compile(texts[i], table, i == V_SOURCE, &v[i], err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static const char *pair_of(const shn_pairs *pairs, const char *word)
{
    for (size_t i = 0; i < pairs->n; i++)
        if (strcmp(pairs->items[i].from, word) == 0) return pairs->items[i].to;
    return NULL;
}

/** Numbers written by pandas: "11275.0" is 11275. */
static const char *plain_number(const char *s, shn_pool *pool)
{
    const size_t digits = strspn(s, "0123456789");
    return digits > 0 && strcmp(s + digits, ".0") == 0 ? shn_pool_add(pool, s, digits) : s;
}

static void read_age(shn_entry *e, const char *text)
{
    char *end;
    const double age = strtod(text, &end);
    e->age = NAN;
    if (!*text) return;
    if (*end != '\0' || !(age >= 0)) e->detail = "age not understood, stored as unknown";
    else if (age == 300) {                      /* PTB-XL: older than 89, hidden for privacy */
        e->age = 90;
        e->detail = "age 300 (over 89) stored as 90";
    } else if (age > 130) e->detail = "age over 130, stored as unknown";
    else e->age = (float)age;
}

static char read_sex(const shn_map *m, const char *text)
{
    const char *word = pair_of(&m->sex_words, text);
    if (word) return *word;
    if (strcasecmp(text, "m") == 0 || strcasecmp(text, "male") == 0) return 'M';
    if (strcasecmp(text, "f") == 0 || strcasecmp(text, "female") == 0) return 'F';
    return 0;
}

static const char *fold_split(const shn_map *m, const char *text)
{
    char *end;
    const double fold = strtod(text, &end);
    if (!*text || *end) return NULL;
    for (size_t i = 0; i < m->n_folds; i++)
        if (fold >= (double)m->folds[i].low && fold <= (double)m->folds[i].high) return m->folds[i].split;
    return NULL;
}

const char *shn_entry_hash_split(const shn_entry *e)
{
    char    key[1024];
    uint8_t digest[32];
    const int n = snprintf(key, sizeof key, "%s/%s", e->source_name, *e->patient ? e->patient : e->id);
    shn_sha256_of(key, n < (int)sizeof key ? (size_t)n : sizeof key - 1, digest);
    const unsigned part = ((unsigned)digest[0] << 24 | (unsigned)digest[1] << 16 | (unsigned)digest[2] << 8 | digest[3]) % 10;
    return part < 8 ? "train" : part == 8 ? "val" : "test";
}

/** The source a path belongs to: a folder of its path that the mapping names, else the first below the collection, else the collection. */
static const char *folder_of(shn_collection_data *c, const char *path)
{
    char joined[SHN_PATH_MAX], *rest = NULL;
    snprintf(joined, sizeof joined, "%s/%s", shn_path_base(c->folder), path);
    const char *slash = strrchr(joined, '/');
    joined[slash - joined] = '\0';
    const char *first = NULL, *top = "";
    for (char *part = strtok_r(joined, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        for (size_t i = 0; i < c->map->source_words.n; i++)
            if (strcmp(c->map->source_words.items[i].from, part) == 0 || strcmp(c->map->source_words.items[i].to, part) == 0)
                return shn_pool_add(&c->pool, part, strlen(part));
        if (!*top) top = part;
        else if (!first) first = part;
    }
    return shn_pool_add(&c->pool, first ? first : top, strlen(first ? first : top));
}

static shn_status refuse(shn_entry *e, shn_reason reason, const char *detail)
{
    e->refused = reason;
    e->detail = detail;
    return SHN_OK;
}

/** Fills an entry from its row; `path` is given when the folder was walked. */
static shn_status fill_entry(shn_collection_data *c, shn_entry *e, const shn_compiled v[V_COUNT], const char *path, shn_error *err)
{
    const shn_map   *m = c->map;
    shn_template_row row = { .table = c->n_tables ? c->tables[e->table] : NULL, .row = e->row, .path = path ? path : "", .folder = "" };
    const char      *value[V_COUNT];
    for (int pass = 0; pass < 2; pass++) {      /* the path first: others may be made of it */
        for (int i = 0; i < V_COUNT; i++) {
            if ((i == V_PATH) != (pass == 0)) continue;
            value[i] = i == V_PATH && path ? path : shn_template_value(&v[i], &row, &c->pool);
            if (!value[i]) return shn_fail_nomem(err, "import.table");
        }
        if (pass == 1) break;
        const size_t cut = m->path_cut ? strlen(m->path_cut) : 0;
        if (cut && strncmp(value[V_PATH], m->path_cut, cut) == 0) value[V_PATH] += cut;
        row.path = value[V_PATH];
        row.folder = folder_of(c, row.path);
        if (!row.folder) return shn_fail_nomem(err, "import.table");
    }
    const char *other = pair_of(&m->source_words, value[V_SOURCE]);
    e->source_name = other ? other : value[V_SOURCE];
    e->path = value[V_PATH];
    other = pair_of(&m->patient_words, value[V_PATIENT]);
    e->patient = other ? other : plain_number(value[V_PATIENT], &c->pool);
    if (m->id) e->id = plain_number(value[V_ID], &c->pool);
    else {
        const shn_compiled name = { .piece = { { .column = path ? SHN_PIECE_STEM : SHN_PIECE_NAME } }, .n = 1 };
        e->id = shn_template_value(&name, &row, &c->pool);
    }
    if (!e->patient || !e->id) return shn_fail_nomem(err, "import.table");
    e->report = value[V_REPORT];
    e->acquired = value[V_ACQUIRED];
    read_age(e, value[V_AGE]);
    e->sex = read_sex(m, value[V_SEX]);
    e->split = value[V_SPLIT];
    if (!*e->source_name) return refuse(e, SHN_REASON_BAD_VALUE, "the source is empty in the table");
    if (!*e->path) return refuse(e, SHN_REASON_NOT_FOUND, "the table names no file for this record");
    if (!*e->id) return refuse(e, SHN_REASON_BAD_VALUE, "the id is empty in the table");
    if (c->n_tables && m->tables[e->table].split) e->split = m->tables[e->table].split;
    else if (m->fold && !(e->split = fold_split(m, value[V_FOLD]))) {
        e->split = "";
        return refuse(e, SHN_REASON_NO_SPLIT, "its fold is in none of the folds of the mapping");
    } else if (m->split && !*e->split) return refuse(e, SHN_REASON_NO_SPLIT, "the split is empty in the table");
    else if (!m->split && !m->fold) e->split = shn_entry_hash_split(e);
    return SHN_OK;
}

static shn_entry *new_entry(shn_collection_data *c, shn_error *err)
{
    if (shn_grow(&c->entries, &c->capacity, c->n_entries + 1, sizeof *c->entries) != 0) {
        shn_fail_nomem(err, "import.table");
        return NULL;
    }
    return &c->entries[c->n_entries++];
}

static shn_status read_table(shn_collection_data *c, size_t t, double fs_hz, shn_error *err)
{
    shn_compiled v[V_COUNT];
    shn_status   st = compile(c->map, c->tables[t], fs_hz, v, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", c->table_paths[t]);
    const size_t n = st == SHN_OK ? shn_csv_rows(c->tables[t]) : 0;
    for (size_t row = 0; st == SHN_OK && row < n; row++) {
        shn_entry *e = new_entry(c, err);
        if (!e) return SHN_NOMEM;
        e->table = (uint32_t)t;
        e->row = (uint32_t)row;
        st = fill_entry(c, e, v, NULL, err);
    }
    return st;
}

/** A table lies in the collection's folder, or beside its mapping file. */
static shn_status open_table(shn_collection_data *c, size_t t, const char *map_path, shn_error *err)
{
    char path[SHN_PATH_MAX], beside[SHN_PATH_MAX];
    shn_status st = shn_path_join(path, c->folder, c->map->tables[t].file, err);
    if (st == SHN_OK && map_path && !shn_path_exists(path)) {
        snprintf(beside, sizeof beside, "%.*s%s", (int)(shn_path_base(map_path) - map_path), map_path, c->map->tables[t].file);
        if (shn_path_exists(beside)) strcpy(path, beside);
    }
    if (st == SHN_OK) st = shn_csv_read(path, c->map->separator, &c->tables[t], err);
    if (st != SHN_OK) return st;
    c->table_paths[t] = shn_strdup(path);
    return c->table_paths[t] ? SHN_OK : shn_fail_nomem(err, "import.table");
}

static shn_status walk(shn_collection_data *c, shn_error *err)
{
    shn_compiled v[V_COUNT];
    shn_found    found = { 0 };
    shn_status   st = compile(c->map, NULL, 0, v, err);
    if (st == SHN_OK) st = shn_records_find(c->folder, &found, err);
    const size_t skip = strlen(c->folder) + (c->folder[strlen(c->folder) - 1] != '/');
    for (size_t i = 0; st == SHN_OK && i < found.n; i++) {
        shn_entry  *e = new_entry(c, err);
        const char *path = found.paths[i];
        if (strncmp(path, c->folder, strlen(c->folder)) == 0 && strlen(path) > skip) path += skip;
        path = e ? shn_pool_add(&c->pool, path, strlen(path)) : NULL;
        st = path ? fill_entry(c, e, v, path, err) : shn_fail_nomem(err, "import.walk");
    }
    shn_found_free(&found);
    return st;
}

static shn_status open_all(shn_collection_data *c, const shn_collection *given, double fs_hz, shn_error *err)
{
    shn_status st = given->preset ? shn_map_preset(given->preset, &c->map, err) : shn_map_read(given->map_path, &c->map, err);
    if (st != SHN_OK) return st;
    if (c->map->n_labels > SHN_LABEL_GROUPS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "import", "%s: more than %d label groups", c->name, SHN_LABEL_GROUPS_MAX);
    c->n_tables = c->map->n_tables;
    c->tables = shn_alloc(c->n_tables, sizeof *c->tables);
    c->table_paths = shn_alloc(c->n_tables, sizeof *c->table_paths);
    if (!c->tables || !c->table_paths) return shn_fail_nomem(err, "import");
    if (!shn_path_is_dir(c->folder))
        return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "import", "%s: not a folder; name the folder of the collection", c->folder);
    for (size_t t = 0; st == SHN_OK && t < c->n_tables; t++) st = open_table(c, t, given->map_path, err);
    for (size_t t = 0; st == SHN_OK && t < c->n_tables; t++) st = read_table(c, t, fs_hz, err);
    return st == SHN_OK && c->n_tables == 0 ? walk(c, err) : st;
}

shn_status shn_collection_open(const shn_collection *given, double fs_hz, shn_collection_data **out, shn_error *err)
{
    char here[SHN_PATH_MAX];
    *out = NULL;
    if (!given->preset == !given->map_path)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "import", "a collection needs a preset or a mapping file, one of the two");
    shn_collection_data *c = shn_alloc(1, sizeof *c);
    if (!c) return shn_fail_nomem(err, "import");
    c->name = given->preset ? given->preset : given->map_path;
    /* without a folder, a mapping file speaks of the one it lies in */
    snprintf(here, sizeof here, "%.*s", given->map_path ? (int)(shn_path_base(given->map_path) - given->map_path) : 0, c->name);
    c->folder = shn_strdup(given->folder ? given->folder : *here ? here : ".");
    for (size_t n = c->folder ? strlen(c->folder) : 0; n > 1 && c->folder[n - 1] == '/'; n--) c->folder[n - 1] = '\0';
    const shn_status st = c->folder ? open_all(c, given, fs_hz, err) : shn_fail_nomem(err, "import");
    if (st != SHN_OK) {
        shn_collection_close(c);
        return st;
    }
    *out = c;
    return SHN_OK;
}

void shn_collection_close(shn_collection_data *c)
{
    if (!c) return;
    for (size_t t = 0; t < c->n_tables; t++) {
        if (c->tables) shn_csv_free(c->tables[t]);
        if (c->table_paths) free(c->table_paths[t]);
    }
    for (size_t i = 0; i < c->n_entries; i++) shn_annotations_free(c->entries[i].marks);
    free(c->tables);
    free(c->table_paths);
    free(c->entries);
    free(c->folder);
    shn_pool_free(&c->pool);
    shn_map_free(c->map);
    free(c);
}

shn_status shn_entry_path(const shn_collection_data *c, const shn_entry *e, char out[SHN_PATH_MAX], shn_error *err)
{
    return shn_path_join(out, c->folder, e->path, err);
}
