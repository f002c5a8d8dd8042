/**
 * Folders: which files are records, which belong to one, which are neither. In each folder the WFDB headers are read first, because they name
 * companions and segments; every other file is recognised by its content.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/open.h"
#include "formats/wfdb/header.h"

enum { FOLDER_DEPTH_MAX = 32, PATHS_MAX = 50000000 };

/** Endings under which hospitals keep ECGs: such a file is listed even if its content says nothing, so that its refusal is seen. */
static const char *const endings[] = { ".dcm", ".scp", ".mwf", ".mfer", ".edf", ".bdf", ".ecg", ".hol", ".ishne", ".h5", ".hdf5", ".mat", ".xml", ".dat", ".hea" };

typedef struct name_list { char **names; size_t n, capacity; } name_list;

static shn_status add_name(name_list *list, const char *name, shn_error *err)
{
    if (list->n == PATHS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.find", "more than %d files", PATHS_MAX);
    if (shn_grow(&list->names, &list->capacity, list->n + 1, sizeof *list->names) != 0) return shn_fail_nomem(err, "format.find");
    char *copy = shn_strdup(name);
    if (!copy) return shn_fail_nomem(err, "format.find");
    list->names[list->n++] = copy;
    return SHN_OK;
}

static void free_names(name_list *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->names[i]);
    free(list->names);
    *list = (name_list){ 0 };
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static void sort_names(name_list *list)
{
    if (list->n) qsort(list->names, list->n, sizeof *list->names, by_text);
}
static int has_name(const name_list *sorted, const char *name)
{
    return sorted->n && bsearch(&name, sorted->names, sorted->n, sizeof *sorted->names, by_text) != NULL;
}

/** What the headers of one folder claim: names of signal files, and headers that are segments of another. */
typedef struct claims { name_list companions, segments; } claims;

static shn_status take_claims(claims *c, const char *path, shn_error *err)
{
    uint8_t    *bytes;
    size_t      n;
    shn_error   why;
    wfdb_header h = { 0 };
    shn_status  st = SHN_OK;
    if (shn_file_read(path, SHN_WFDB_HEADER_MAX, &bytes, &n, &why) != SHN_OK) return SHN_OK;    /* reading the record will say why */
    if (wfdb_header_parse(bytes, n, &h, &why) == SHN_OK) {
        for (size_t i = 0; i < h.n_signals && h.signals && st == SHN_OK; i++)
            if (i == 0 || strcmp(h.signals[i].file, h.signals[i - 1].file) != 0) st = add_name(&c->companions, h.signals[i].file, err);
        for (size_t s = 0; s < h.n_segments && st == SHN_OK; s++) {
            char segment[sizeof h.segments[s].name + 4];
            snprintf(segment, sizeof segment, "%s.hea", h.segments[s].name);
            if (strcmp(segment, shn_path_base(path)) != 0) st = add_name(&c->segments, segment, err);
        }
    }
    wfdb_header_free(&h);
    free(bytes);
    return st;
}

typedef struct search { shn_found *out; size_t capacity; } search;

static shn_status add_record(search *s, const char *path, shn_error *err)
{
    name_list list = { s->out->paths, s->out->n, s->capacity };
    const shn_status st = add_name(&list, path, err);
    s->out->paths = list.names;
    s->out->n = list.n;
    s->capacity = list.capacity;
    return st;
}

/** A file of many records becomes one path for each; one that cannot be counted stays whole, and reading it says why. */
static shn_status add_rows(search *s, const char *path, shn_opened *o, shn_error *err)
{
    size_t    n = 1;
    shn_error why;
    if (o->row_given || !o->reader->count || o->reader->count(&o->input, &n, &why) != SHN_OK || n == 1) return add_record(s, path, err);
    shn_status st = SHN_OK;
    for (size_t row = 0; row < n && st == SHN_OK; row++) {
        char one[SHN_PATH_MAX + 24];
        snprintf(one, sizeof one, "%s#%zu", path, row);
        st = add_record(s, one, err);
    }
    return st;
}

static shn_status add_other(search *s, const char *path, shn_error *err)
{
    if (s->out->n_others++ == 0 && !(s->out->first_other = shn_strdup(path))) return shn_fail_nomem(err, "format.find");
    return SHN_OK;
}

/** One file that is no header. */
static shn_status add_file(search *s, const claims *c, const char *path, shn_error *err)
{
    shn_opened o;
    shn_error  why = { .status = SHN_OK };
    if (has_name(&c->companions, shn_path_base(path))) {
        s->out->n_companions++;
        return SHN_OK;
    }
    shn_status st = shn_opened_open(&o, path, NULL, &why);
    if (st == SHN_OK) st = add_rows(s, path, &o, err);
    else if (st == SHN_NOMEM) st = shn_fail_nomem(err, "format.find");
    else if (why.reason == SHN_REASON_COMPANION && !shn_path_ends(path, ".dat")) {
        s->out->n_companions++;                 /* annotations and the like beside a header of the same stem */
        st = SHN_OK;
    } else {
        int known = why.reason != SHN_REASON_UNKNOWN_FORMAT;
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) known |= shn_path_ends(path, endings[i]);
        st = known ? add_record(s, path, err) : add_other(s, path, err);
    }
    shn_opened_close(&o);
    return st;
}

/** 1 for a folder that is no link: links could lead in circles, and what they point to is found on its own path. */
static int is_real_folder(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static shn_status list_folder(const char *folder, name_list *files, name_list *folders, claims *c, shn_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return shn_fail_errno(err, errno, "format.find", folder);
    shn_status st = SHN_OK;
    for (struct dirent *e; st == SHN_OK && (e = readdir(dir)) != NULL;) {
        char path[SHN_PATH_MAX];
        if (e->d_name[0] == '.') continue;
        st = shn_path_join(path, folder, e->d_name, err);
        if (st != SHN_OK) break;
        if (is_real_folder(path)) st = add_name(folders, path, err);
        else if (!shn_path_is_dir(path)) {
            st = add_name(files, path, err);
            if (st == SHN_OK && shn_path_ends(path, ".hea")) st = take_claims(c, path, err);
        }
    }
    closedir(dir);
    sort_names(&c->companions);
    sort_names(&c->segments);
    return st;
}

static shn_status walk(search *s, const char *folder, int depth, shn_error *err)
{
    name_list files = { 0 }, folders = { 0 };
    claims    c = { { 0 }, { 0 } };
    if (depth > FOLDER_DEPTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.find", "%s: folders nested deeper than %d", folder, FOLDER_DEPTH_MAX);
    shn_status st = list_folder(folder, &files, &folders, &c, err);
    for (size_t i = 0; i < files.n && st == SHN_OK; i++) {
        if (!shn_path_ends(files.names[i], ".hea")) st = add_file(s, &c, files.names[i], err);
        else if (has_name(&c.segments, shn_path_base(files.names[i]))) s->out->n_companions++;     /* a segment is a part of its record */
        else st = add_record(s, files.names[i], err);
    }
    for (size_t i = 0; i < folders.n && st == SHN_OK; i++) st = walk(s, folders.names[i], depth + 1, err);
    free_names(&files);
    free_names(&folders);
    free_names(&c.companions);
    free_names(&c.segments);
    return st;
}

/** By path, rows of one file by number. */
static int by_path(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const char *hx = strrchr(x, '#'), *hy = strrchr(y, '#');
    if (hx && hy && hx - x == hy - y && strncmp(x, y, (size_t)(hx - x)) == 0) {
        const unsigned long long rx = strtoull(hx + 1, NULL, 10), ry = strtoull(hy + 1, NULL, 10);
        if (rx != ry) return rx < ry ? -1 : 1;
    }
    return strcmp(x, y);
}

static shn_status find_file(search *s, const char *path, shn_error *err)
{
    shn_opened o;
    shn_error  why;
    const shn_status opened = shn_opened_open(&o, path, NULL, &why);
    const shn_status st = opened == SHN_OK ? add_rows(s, path, &o, err) : add_record(s, path, err);
    shn_opened_close(&o);
    return st;
}

shn_status shn_records_find(const char *path, shn_found *out, shn_error *err)
{
    search s = { .out = out };
    memset(out, 0, sizeof *out);
    shn_status st = shn_path_is_dir(path) ? walk(&s, path, 0, err) : find_file(&s, path, err);
    if (st == SHN_OK && out->n == 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_NOT_FOUND, "format.find", "%s: no ECG record below this folder", path);
    if (out->n) qsort(out->paths, out->n, sizeof *out->paths, by_path);
    return st;
}

void shn_found_free(shn_found *found)
{
    for (size_t i = 0; i < found->n; i++) free(found->paths[i]);
    free(found->paths);
    free(found->first_other);
    *found = (shn_found){ 0 };
}
