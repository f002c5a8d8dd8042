/** Which files of PTB-XL make a slice, where they lie and what their checksums are; download.c brings them. */
#include "shinden/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "data/download.h"

#define SUMS_FILE       "SHA256SUMS.txt"
#define TABLE_FILE      "ptbxl_database.csv"
#define TABLE_ORIGINAL  "original/" TABLE_FILE
#define SUMS_MAX        ((size_t)64 << 20)      /* 1.0.3 has about 87,000 lines */
#define TABLE_MAX       ((size_t)64 << 20)
#define RECORD_MAX      ((size_t)1 << 20)       /* a 100 Hz record is 24,000 bytes */
#define FOLDS           10

void shn_fetch_defaults(shn_fetch_options *options)
{
    *options = (shn_fetch_options){ .n_records = 2000, .n_jobs = 8, .connect_timeout_s = 10, .stall_timeout_s = 30, .retry_wait_s = 0.5 };
}

const char *shn_fetch_licence(void)
{
    return "PTB-XL, a large publicly available electrocardiography dataset, version 1.0.3\n"
           "Wagner P, Strodthoff N, Bousseljot R, Samek W, Schaeffter T. PhysioNet 2022. https://doi.org/10.13026/kfzx-aw45\n"
           "Wagner P et al. PTB-XL, a large publicly available electrocardiography dataset. Scientific Data 7, 154 (2020).\n"
           "Licence: Creative Commons Attribution 4.0 International (CC BY 4.0), https://creativecommons.org/licenses/by/4.0/\n"
           "Whoever uses or passes on these data names the authors as above. LICENSE.txt lies beside them.\n";
}

/* ---- the publisher's list: 64 hex digits, one blank or two (sha256sum's own form: blank and '*'), path */

typedef struct checksum { const char *path; char hex[65]; } checksum;
typedef struct checksums { char *text; checksum *list; size_t n, capacity; } checksums;

static int by_path(const void *a, const void *b) { return strcmp(((const checksum *)a)->path, ((const checksum *)b)->path); }

static shn_status bad_sums(const char *path, size_t line, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "fetch", "%s line %zu: not a SHA-256 list; delete the file and run again", path, line);
}

static int read_hex(const char *from, char to[65])
{
    for (size_t i = 0; i < 64; i++) {
        const char c = from[i] >= 'A' && from[i] <= 'F' ? (char)(from[i] + 32) : from[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return 0;
        to[i] = c;
    }
    to[64] = '\0';
    return 1;
}

static shn_status read_checksums(const char *folder, checksums *sums, shn_error *err)
{
    char     path[SHN_PATH_MAX];
    uint8_t *bytes;
    size_t   n_bytes, line = 0;
    shn_status st = shn_path_join(path, folder, SUMS_FILE, err);
    if (st == SHN_OK) st = shn_file_read(path, SUMS_MAX, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    sums->text = (char *)bytes;
    if (memchr(bytes, 0, n_bytes)) return bad_sums(path, 1, err);
    for (char *save = NULL, *row = strtok_r(sums->text, "\n", &save); row; row = strtok_r(NULL, "\n", &save)) {
        checksum c;
        line++;
        row[strcspn(row, "\r")] = '\0';
        if (strlen(row) < 66 || !read_hex(row, c.hex) || row[64] != ' ') return bad_sums(path, line, err);
        c.path = row + 65 + (row[65] == ' ' || row[65] == '*');
        if (strncmp(c.path, "./", 2) == 0) c.path += 2;
        if (shn_grow(&sums->list, &sums->capacity, sums->n + 1, sizeof *sums->list) != 0) return shn_fail_nomem(err, "fetch");
        sums->list[sums->n++] = c;
    }
    if (sums->n == 0) return bad_sums(path, 1, err);
    qsort(sums->list, sums->n, sizeof *sums->list, by_path);
    return SHN_OK;
}

static void free_checksums(checksums *sums)
{
    free(sums->list);
    free(sums->text);
}

/** A relative path that stays inside the folder; what the server says is not trusted with our disk. */
static int path_is_safe(const char *path)
{
    if (!*path || path[0] == '/' || strlen(path) > SHN_DOWNLOAD_PATH_MAX - 8) return 0;
    if (strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/") != strlen(path)) return 0;
    return strstr(path, "..") == NULL && strstr(path, "//") == NULL;
}

static const checksum *find_checksum(const checksums *sums, const char *path)
{
    const checksum key = { .path = path };
    return bsearch(&key, sums->list, sums->n, sizeof *sums->list, by_path);
}

/** Fills one download; its checksum must be published. */
static shn_status want(shn_download *d, const checksums *sums, const char *path, const char *suffix, const char *save, size_t max_bytes, shn_error *err)
{
    memset(d, 0, sizeof *d);
    snprintf(d->path, sizeof d->path, "%s%s", path, suffix);
    snprintf(d->save, sizeof d->save, "%s", save ? save : d->path);
    d->max_bytes = max_bytes;
    const checksum *found = find_checksum(sums, d->path);
    if (!found)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "fetch", "%s names no checksum for %s; is the base URL that of PTB-XL 1.0.3?", SUMS_FILE, d->path);
    memcpy(d->sha256, found->hex, sizeof d->sha256);
    return SHN_OK;
}

/* ---- the slice */

typedef struct slice {
    shn_csv *table;
    size_t   id, fold, path;            /* columns ecg_id, strat_fold, filename_lr */
    size_t  *rows, n;                   /* chosen rows in the table's order (by ecg_id) */
} slice;

static shn_status number_cell(const slice *s, size_t row, size_t col, long low, long high, long *out, shn_error *err)
{
    char       *end;
    const char *cell = shn_csv_cell(s->table, row, col);
    const double x = strtod(cell, &end);            /* other versions of the table write folds as "3.0" */
    if (!*cell || *end || !(x >= (double)low && x <= (double)high) || x != (double)(long)x)
        return shn_csv_fail(s->table, row, col, err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "'%.40s' is not a whole number from %ld to %ld", cell, low, high);
    *out = (long)x;
    return SHN_OK;
}

/** A tenth of n_records from each fold, first rows first (they go by ecg_id; that is checked); a remainder goes to the first folds. */
static shn_status choose(slice *s, uint32_t n_records, shn_error *err)
{
    const size_t n_rows = shn_csv_rows(s->table), n_all = n_records ? n_records : n_rows;
    size_t taken[FOLDS] = { 0 };
    long   fold, id, last = 0;
    s->rows = shn_alloc(n_rows, sizeof *s->rows);
    if (!s->rows) return shn_fail_nomem(err, "fetch");
    for (size_t row = 0; row < n_rows; row++) {
        shn_status st = number_cell(s, row, s->fold, 1, FOLDS, &fold, err);
        if (st == SHN_OK) st = number_cell(s, row, s->id, last + 1, 10000000, &id, err);
        if (st != SHN_OK) return st;
        last = id;
        const char *path = shn_csv_cell(s->table, row, s->path);
        if (!path_is_safe(path) || strncmp(path, "records100/", 11) != 0)
            return shn_csv_fail(s->table, row, s->path, err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "'%.80s' is no path below records100", path);
        const size_t quota = n_all / FOLDS + ((size_t)(fold - 1) < n_all % FOLDS);
        if (n_records != 0 && taken[fold - 1] >= quota) continue;
        taken[fold - 1]++;
        s->rows[s->n++] = row;
    }
    if (s->n == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "fetch", "%s: no records in it", TABLE_ORIGINAL);
    return SHN_OK;
}

static shn_status read_slice(const char *folder, uint32_t n_records, slice *s, shn_error *err)
{
    char path[SHN_PATH_MAX];
    shn_status st = shn_path_join(path, folder, TABLE_ORIGINAL, err);
    if (st == SHN_OK) st = shn_csv_read(path, ',', &s->table, err);
    if (st != SHN_OK) return st;
    st = shn_csv_need(s->table, "ecg_id", &s->id, err);
    if (st == SHN_OK) st = shn_csv_need(s->table, "strat_fold", &s->fold, err);
    if (st == SHN_OK) st = shn_csv_need(s->table, "filename_lr", &s->path, err);
    if (st == SHN_OK) st = choose(s, n_records, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    return st;
}

/** The slice's rows under the table's own name, for importers read that; written last, so a table means a whole slice. */
static shn_status write_table(const char *folder, const slice *s, shn_error *err)
{
    char        path[SHN_PATH_MAX];
    shn_writer  w = { 0 };
    const size_t n_columns = shn_csv_columns(s->table);
    const char **cells = shn_alloc(n_columns, sizeof *cells);
    if (!cells) return shn_fail_nomem(err, "fetch");
    shn_status st = shn_path_join(path, folder, TABLE_FILE, err);
    if (st == SHN_OK) st = shn_writer_open(&w, path, err);
    if (st == SHN_OK) {
        for (size_t c = 0; c < n_columns; c++) cells[c] = shn_csv_name(s->table, c);
        shn_csv_put_row(w.stream, cells, n_columns, ',');
        for (size_t i = 0; i < s->n; i++) {
            for (size_t c = 0; c < n_columns; c++) cells[c] = shn_csv_cell(s->table, s->rows[i], c);
            shn_csv_put_row(w.stream, cells, n_columns, ',');
        }
        st = shn_writer_commit(&w, err);
    }
    free(cells);
    return st;
}

/* ---- the three steps: list of checksums, tables, records */

static shn_status fetch_sums(const char *folder, const shn_fetch_options *o, shn_fetch_summary *summary, checksums *sums, shn_error *err)
{
    const shn_download list = { .path = SUMS_FILE, .save = SUMS_FILE, .max_bytes = SUMS_MAX };
    const shn_status   st = shn_download_all(folder, o, &list, 1, summary, err);
    return st == SHN_OK ? read_checksums(folder, sums, err) : st;
}

static shn_status fetch_tables(const char *folder, const shn_fetch_options *o, shn_fetch_summary *summary, const checksums *sums, shn_error *err)
{
    shn_download d[3];
    shn_status st = want(&d[0], sums, TABLE_FILE, "", TABLE_ORIGINAL, TABLE_MAX, err);
    if (st == SHN_OK) st = want(&d[1], sums, "scp_statements.csv", "", NULL, TABLE_MAX, err);
    /* the licence is text for people; should the list not name it, it is taken as it comes */
    if (st == SHN_OK && find_checksum(sums, "LICENSE.txt")) st = want(&d[2], sums, "LICENSE.txt", "", NULL, TABLE_MAX, err);
    else d[2] = (shn_download){ .path = "LICENSE.txt", .save = "LICENSE.txt", .max_bytes = TABLE_MAX };
    if (st == SHN_OK) st = shn_download_all(folder, o, d, 3, summary, err);
    return st;
}

static shn_status fetch_records(const char *folder, const shn_fetch_options *o, shn_fetch_summary *summary, const checksums *sums, const slice *s, shn_error *err)
{
    shn_download *d = shn_alloc(2 * s->n, sizeof *d);
    shn_status    st = d ? SHN_OK : shn_fail_nomem(err, "fetch");
    for (size_t i = 0; st == SHN_OK && i < s->n; i++) {
        const char *path = shn_csv_cell(s->table, s->rows[i], s->path);
        st = want(&d[2 * i], sums, path, ".hea", NULL, RECORD_MAX, err);
        if (st == SHN_OK) st = want(&d[2 * i + 1], sums, path, ".dat", NULL, RECORD_MAX, err);
    }
    if (st == SHN_OK) st = shn_download_all(folder, o, d, 2 * s->n, summary, err);
    free(d);
    return st;
}

static shn_status check_options(const shn_fetch_options *o, shn_error *err)
{
    if (o->n_records > SHN_FETCH_RECORDS_MAX || o->n_jobs < 1 || o->n_jobs > SHN_FETCH_JOBS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "fetch", "%u records, %u at a time; at most %d and 1..%d", o->n_records, o->n_jobs,
                        SHN_FETCH_RECORDS_MAX, SHN_FETCH_JOBS_MAX);
    if (!(o->connect_timeout_s > 0 && o->connect_timeout_s <= 3600 && o->stall_timeout_s > 0 && o->stall_timeout_s <= 3600 && o->retry_wait_s >= 0 &&
          o->retry_wait_s <= 60))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "fetch", "timeouts are above 0 and at most 3600 s, the wait at most 60 s");
    if (strncmp(o->base_url, "http://", 7) != 0 && strncmp(o->base_url, "https://", 8) != 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "fetch", "%.200s: not an http or https URL", o->base_url);
    return SHN_OK;
}

shn_status shn_fetch_ptbxl(const char *folder, const shn_fetch_options *options, shn_fetch_summary *summary, shn_error *err)
{
    char              base_url[1024];
    shn_fetch_options o = *options;
    checksums         sums = { 0 };
    slice             s = { 0 };
    memset(summary, 0, sizeof *summary);
    snprintf(base_url, sizeof base_url, "%s", o.base_url ? o.base_url : SHN_FETCH_URL);
    for (size_t n = strlen(base_url); n > 0 && base_url[n - 1] == '/'; n--) base_url[n - 1] = '\0';
    o.base_url = base_url;
    shn_status st = check_options(&o, err);
    if (st == SHN_OK) st = shn_dir_make(folder, err);
    if (st == SHN_OK) st = fetch_sums(folder, &o, summary, &sums, err);
    if (st == SHN_OK) st = fetch_tables(folder, &o, summary, &sums, err);
    if (st == SHN_OK) st = read_slice(folder, o.n_records, &s, err);
    if (st == SHN_OK) st = fetch_records(folder, &o, summary, &sums, &s, err);
    if (st == SHN_OK) st = write_table(folder, &s, err);
    if (st == SHN_OK) summary->n_records = (uint32_t)s.n;
    free(s.rows);
    shn_csv_free(s.table);
    free_checksums(&sums);
    return st;
}
