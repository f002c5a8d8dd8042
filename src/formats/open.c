/** Opening files: with find.c the one place of formats/ that does I/O. Content decides the format; companions are found by name. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "base/file.h"
#include "formats/open.h"
#include "formats/wfdb/header.h"
#include "formats/wfdb/wfdb.h"

void shn_format_defaults(shn_format_options *options) { *options = (shn_format_options){ .verify_checksums = 1 }; }

static shn_status lend(void *context, const char *name, const uint8_t **bytes, size_t *n_bytes, shn_error *err)
{
    const shn_folder *f = context;
    char        path[SHN_PATH_MAX];
    shn_mapping map;
    if (strchr(name, '/') || strcmp(name, "..") == 0 || !*name)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "format.open", "companion '%.80s' is not a plain file name", name);
    shn_status st = shn_path_join(path, f->path, name, err);
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

int shn_path_ends(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcasecmp(path + n - m, ending) == 0;
}

/** Splits "exams.hdf5#12" where no file has the whole name. 1: *row is set and path cut. */
static int split_row(char *path, size_t *row)
{
    char *hash = strrchr(path, '#');
    if (!hash || !isdigit((unsigned char)hash[1]) || shn_path_exists(path)) return 0;
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(hash + 1, &end, 10);
    if (*end || errno || value > SIZE_MAX / 2) return 0;
    *hash = '\0';
    *row = (size_t)value;
    return 1;
}

/** The header beside a file, of the same stem. 0: there is none. */
static int header_beside(const char *path, char out[SHN_PATH_MAX])
{
    const char  *dot = strrchr(shn_path_base(path), '.');
    const size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    return snprintf(out, SHN_PATH_MAX, "%.*s.hea", (int)stem, path) < SHN_PATH_MAX && shn_path_exists(out);
}

/** 1 if the header at `header` names this file as one of its signal files. */
static int header_names(const char *header, const char *file)
{
    uint8_t    *bytes;
    size_t      n;
    wfdb_header h = { 0 };
    int         named = 0;
    if (shn_file_read(header, SHN_WFDB_HEADER_MAX, &bytes, &n, NULL) != SHN_OK) return 0;
    if (wfdb_header_parse(bytes, n, &h, NULL) == SHN_OK)
        for (size_t i = 0; h.signals && i < h.n_signals; i++) named |= strcmp(h.signals[i].file, file) == 0;
    wfdb_header_free(&h);
    free(bytes);
    return named;
}

static shn_status no_reader(const char *path, const char *header, shn_error *err)
{
    if (*header)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_COMPANION, "format.open", "%s: belongs to a WFDB record and is none itself; name %s", path, header);
    if (shn_path_ends(path, ".dat"))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_COMPANION, "format.open", "%s: a signal file without its .hea; put the header beside it and name that", path);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_UNKNOWN_FORMAT, "format.open", "%s: no ECG format that this version reads (docs/formats.md lists them)", path);
}

/** One record where the file has several and none was named: an error that says how to name one. */
static shn_status check_row(const shn_reader *reader, const shn_input *in, int row_given, shn_error *err)
{
    size_t n = 1;
    const shn_status st = reader->count ? reader->count(in, &n, err) : SHN_OK;
    if (st != SHN_OK) return st;
    if (n > 1 && !row_given)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "format.open", "holds %zu records; name one with #ROW, #0 to #%zu", n, n - 1);
    if (in->row >= n) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "format.open", "row %zu of %zu records, counted from 0", in->row, n);
    return SHN_OK;
}

shn_status shn_opened_open(shn_opened *o, const char *path, const shn_format_options *options, shn_error *err)
{
    char beside[SHN_PATH_MAX] = "";
    memset(o, 0, sizeof *o);
    if (snprintf(o->path, sizeof o->path, "%s", path) >= (int)sizeof o->path)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.open", "%.100s...: path too long", path);
    o->row_given = split_row(o->path, &o->input.row);
    if (!shn_path_exists(o->path)) {            /* a WFDB record may be named without .hea */
        if (snprintf(beside, sizeof beside, "%s.hea", o->path) >= (int)sizeof beside || !shn_path_exists(beside))
            return shn_fail_errno(err, ENOENT, "format.open", path);
        strcpy(o->path, beside);
        *beside = '\0';
    }
    if (shn_path_is_dir(o->path)) return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "format.open", "%s: a folder; name a record in it", path);
    if (options) o->options = *options;
    else shn_format_defaults(&o->options);
    shn_status st = shn_file_map(o->path, &o->map, err);
    if (st != SHN_OK) return st;
    if (o->map.n_bytes > SHN_FILE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "format.open", "%s: %zu bytes, at most %zu", path, o->map.n_bytes, SHN_FILE_MAX);
    const int is_header = shn_path_ends(o->path, ".hea");
    o->reader = is_header ? &shn_reader_wfdb : shn_reader_for(o->map.bytes, o->map.n_bytes);
    if (!is_header && header_beside(o->path, beside) && (!o->reader || header_names(beside, shn_path_base(o->path)))) return no_reader(path, beside, err);
    if (!o->reader) return no_reader(path, "", err);
    snprintf(o->folder.path, sizeof o->folder.path, "%.*s", (int)(shn_path_base(o->path) - o->path), o->path);
    if (!*o->folder.path) strcpy(o->folder.path, ".");
    o->source = (shn_source){ &o->folder, lend, give_back };
    o->input = (shn_input){ .bytes = o->map.bytes, .n_bytes = o->map.n_bytes, .name = shn_path_base(o->path), .path = o->path,
                            .source = &o->source, .options = &o->options, .row = o->input.row };
    return SHN_OK;
}

void shn_opened_close(shn_opened *o) { shn_file_unmap(&o->map); }

shn_status shn_record_read(const char *path, const shn_format_options *options, shn_record **out, shn_error *err)
{
    shn_opened o;
    *out = NULL;
    shn_status st = shn_opened_open(&o, path, options, err);
    if (st == SHN_OK) {
        st = check_row(o.reader, &o.input, o.row_given, err);
        if (st == SHN_OK) st = o.reader->read(&o.input, out, err);
        if (st != SHN_OK) shn_error_prefix(err, "%s", o.row_given ? path : o.path);
    }
    shn_opened_close(&o);
    return st;
}

unsigned shn_common_seconds(double fs_hz, double other_fs_hz)
{
    for (unsigned k = 1; k <= 1000; k++) {
        const double a = fs_hz * k, b = other_fs_hz * k;
        if (fabs(a - round(a)) < 1e-6 * a && fabs(b - round(b)) < 1e-6 * b) return k;
    }
    return 0;
}

shn_status shn_record_read_middle(const char *path, const shn_format_options *options, double seconds, shn_record **out, shn_error *err)
{
    shn_format_options o;
    if (options) o = *options;
    else shn_format_defaults(&o);
    o.first_sample = 0;
    o.max_samples = SHN_RECORD_WHOLE_MAX;
    shn_status st = shn_record_read(path, &o, out, err);
    if (st != SHN_OK) return st;
    const size_t   total = shn_record_meta_of(*out)->total_samples;
    const double   fs = shn_record_fs_hz(*out);
    const unsigned period = shn_common_seconds(fs, 1);
    if (total <= shn_record_n_samples(*out) || period == 0) return SHN_OK;
    const size_t step = (size_t)llround(fs * period), keep = (size_t)ceil(seconds * fs);
    o.first_sample = keep < total ? (total - keep) / 2 / step * step : 0;
    o.max_samples = total - 2 * o.first_sample;
    shn_record_free(*out);
    return shn_record_read(path, &o, out, err);
}

const char *shn_format_of(const char *path)
{
    shn_opened  o;
    const char *name = shn_opened_open(&o, path, NULL, NULL) == SHN_OK ? o.reader->name : NULL;
    shn_opened_close(&o);
    return name;
}
