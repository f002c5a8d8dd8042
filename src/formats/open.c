/** Opening files: the one place of formats/ that does I/O. Content decides the format; companions are found by name. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "formats/wfdb/header.h"
#include "shinden/format.h"
#include "shinden/wfdb.h"

enum { FOLDER_DEPTH_MAX = 32, PATHS_MAX = 50000000 };

void shn_format_defaults(shn_format_options *options) { *options = (shn_format_options){ .verify_checksums = 1 }; }

/** A source that lends files of one folder. */
typedef struct folder_source { char folder[SHN_PATH_MAX]; } folder_source;

static shn_status lend(void *context, const char *name, const uint8_t **bytes, size_t *n_bytes, shn_error *err)
{
    const folder_source *f = context;
    char        path[SHN_PATH_MAX];
    shn_mapping map;
    if (strchr(name, '/') || strcmp(name, "..") == 0 || !*name)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "format.open", "companion '%.80s' is not a plain file name", name);
    shn_status st = shn_path_join(path, f->folder, name, err);
    if (st == SHN_OK) st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    if (map.n_bytes > SHN_FILE_MAX) {
        const size_t size = map.n_bytes;
        shn_file_unmap(&map);
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.open", "%s: %zu bytes, at most %zu", path, size, SHN_FILE_MAX);
    }
    *bytes = map.bytes;
    *n_bytes = map.n_bytes;
    return SHN_OK;
}

static void give_back(void *context, const uint8_t *bytes, size_t n_bytes)
{
    (void)context;
    shn_mapping map = { bytes, n_bytes };
    shn_file_unmap(&map);
}

static int has_ending(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcasecmp(path + n - m, ending) == 0;
}

/** The header of the record that a path names: itself, path + ".hea", or the .hea beside a .dat or .mat. 0 if there is none. */
static int header_path(const char *path, char out[SHN_PATH_MAX])
{
    if (has_ending(path, ".hea")) return snprintf(out, SHN_PATH_MAX, "%s", path) < SHN_PATH_MAX;
    if (has_ending(path, ".dat") || has_ending(path, ".mat")) {
        if (snprintf(out, SHN_PATH_MAX, "%.*s.hea", (int)strlen(path) - 4, path) >= SHN_PATH_MAX) return 0;
        if (shn_path_exists(out)) return 1;
    }
    return snprintf(out, SHN_PATH_MAX, "%s.hea", path) < SHN_PATH_MAX && shn_path_exists(out);
}

static shn_status read_wfdb(const char *header, const shn_format_options *options, shn_record **out, shn_error *err)
{
    folder_source f;
    uint8_t      *bytes;
    size_t        n_bytes;
    shn_status    st = shn_file_read(header, SHN_WFDB_HEADER_MAX, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    snprintf(f.folder, sizeof f.folder, "%.*s", (int)(shn_path_base(header) - header), header);
    if (!*f.folder) strcpy(f.folder, ".");
    const shn_source source = { &f, lend, give_back };
    st = shn_wfdb_read(bytes, n_bytes, &source, options, out, err);
    free(bytes);
    if (st != SHN_OK) shn_error_prefix(err, "%s", header);
    return st;
}

shn_status shn_record_read(const char *path, const shn_format_options *options, shn_record **out, shn_error *err)
{
    char header[SHN_PATH_MAX];
    *out = NULL;
    if (header_path(path, header)) return read_wfdb(header, options, out, err);
    if (!shn_path_exists(path)) return shn_fail_errno(err, ENOENT, "format.open", path);
    if (shn_path_is_dir(path)) return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "format.open", "%s: a folder; name a record in it", path);
    if (has_ending(path, ".dat"))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_COMPANION, "format.open", "%s: a signal file without its .hea; name the header", path);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_UNKNOWN_FORMAT, "format.open",
                    "%s: no ECG format that this version reads (WFDB: name the .hea)", path);
}

/* ---- folders ---- */

typedef struct path_list { char **paths; size_t n, capacity; } path_list;

static shn_status add_path(path_list *list, const char *path, shn_error *err)
{
    if (list->n == PATHS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.find", "more than %d records", PATHS_MAX);
    if (shn_grow(&list->paths, &list->capacity, list->n + 1, sizeof *list->paths) != 0) return shn_fail_nomem(err, "format.find");
    char *copy = shn_strdup(path);
    if (!copy) return shn_fail_nomem(err, "format.find");
    list->paths[list->n++] = copy;
    return SHN_OK;
}

/** 1 for a folder that is no link: links could lead in circles, and what they point to is found on its own path. */
static int is_real_folder(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static shn_status walk(path_list *list, const char *folder, int depth, shn_error *err)
{
    if (depth > FOLDER_DEPTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.find", "%s: folders nested deeper than %d", folder, FOLDER_DEPTH_MAX);
    DIR *dir = opendir(folder);
    if (!dir) return shn_fail_errno(err, errno, "format.find", folder);
    shn_status st = SHN_OK;
    for (struct dirent *e; st == SHN_OK && (e = readdir(dir)) != NULL;) {
        char path[SHN_PATH_MAX];
        if (e->d_name[0] == '.') continue;
        st = shn_path_join(path, folder, e->d_name, err);
        if (st != SHN_OK) break;
        if (is_real_folder(path)) st = walk(list, path, depth + 1, err);
        else if (has_ending(e->d_name, ".hea")) st = add_path(list, path, err);
    }
    closedir(dir);
    return st;
}

static int by_path(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/** Takes one path out of a sorted list, if it is there. */
static void drop_path(path_list *list, const char *path)
{
    char **at = bsearch(&path, list->paths, list->n, sizeof *list->paths, by_path);
    if (!at) return;
    free(*at);
    memmove(at, at + 1, (size_t)(list->paths + list->n - at - 1) * sizeof *at);
    list->n--;
}

/** Adds the headers of the segments that a multi-segment header names. One that cannot be read names none: it will be refused itself. */
static shn_status add_segments(path_list *segments, const char *path, shn_error *err)
{
    uint8_t    *bytes;
    size_t      n;
    shn_error   why;
    wfdb_header h = { 0 };
    shn_status  st = SHN_OK;
    if (shn_file_read(path, SHN_WFDB_HEADER_MAX, &bytes, &n, &why) != SHN_OK) return SHN_OK;
    const uint8_t *slash = memchr(bytes, '/', n), *line_end = memchr(bytes, '\n', n);
    /* "name/segments" stands in the first line; only then, or behind a comment, is the header worth a parse */
    if (slash && (bytes[0] == '#' || !line_end || slash < line_end) && wfdb_header_parse(bytes, n, &h, &why) == SHN_OK)
        for (size_t s = 0; s < h.n_segments && st == SHN_OK; s++) {
            char segment[SHN_PATH_MAX];
            if (snprintf(segment, sizeof segment, "%.*s%s.hea", (int)(shn_path_base(path) - path), path, h.segments[s].name) < SHN_PATH_MAX &&
                strcmp(segment, path) != 0)
                st = add_path(segments, segment, err);
        }
    wfdb_header_free(&h);
    free(bytes);
    return st;
}

/** Segments (and layouts) are parts of their record, not records of their own. */
static shn_status drop_segments(path_list *list, shn_error *err)
{
    path_list  segments = { 0 };
    shn_status st = SHN_OK;
    for (size_t i = 0; i < list->n && st == SHN_OK; i++) st = add_segments(&segments, list->paths[i], err);
    for (size_t i = 0; i < segments.n && st == SHN_OK; i++) drop_path(list, segments.paths[i]);
    shn_paths_free(segments.paths, segments.n);
    return st;
}

shn_status shn_records_find(const char *path, char ***paths, size_t *n, shn_error *err)
{
    path_list  list = { 0 };
    *paths = NULL;
    *n = 0;
    shn_status st = shn_path_is_dir(path) ? walk(&list, path, 0, err) : add_path(&list, path, err);
    if (st == SHN_OK && list.n == 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_NOT_FOUND, "format.find", "%s: no ECG record below this folder", path);
    if (st != SHN_OK) {
        shn_paths_free(list.paths, list.n);
        return st;
    }
    qsort(list.paths, list.n, sizeof *list.paths, by_path);
    st = drop_segments(&list, err);
    if (st != SHN_OK) {
        shn_paths_free(list.paths, list.n);
        return st;
    }
    *paths = list.paths;
    *n = list.n;
    return SHN_OK;
}

void shn_paths_free(char **paths, size_t n)
{
    for (size_t i = 0; paths && i < n; i++) free(paths[i]);
    free(paths);
}
