/**
 * One pass: every byte of the source goes at most once into one buffer, where fields lie terminated one after another.
 * A field never needs more room there than it took in the source, for its end (separator or line end) becomes its NUL.
 */
#include "base/csv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/utf8.h"

struct shn_csv {
    char     *text;             /* [n_bytes + 1] terminated fields */
    uint32_t *cells;            /* [(n_rows + 1) * n_columns] offsets into text; the header first */
    uint32_t *lines;            /* [n_rows + 1] */
    size_t    n_columns, n_rows;
    size_t    cells_capacity, lines_capacity;
};

/* The state of one pass. Offsets, not pointers, name places in the output. */
typedef struct reader {
    const uint8_t *bytes;
    size_t         n_bytes, at;
    size_t         line, field;         /* from 1, for messages */
    size_t         written;             /* bytes of csv->text in use */
    size_t         n_cells;
    char           separator;
    shn_csv       *csv;
    shn_error     *err;
} reader;

static shn_status bad(reader *r, shn_status status, shn_reason reason, const char *what)
{
    return shn_fail(r->err, status, reason, "csv", "line %zu, column %zu: %s", r->line, r->field, what);
}

/** Copies one character of a field; the caller has dealt with quotes, separators and line ends. */
static shn_status copy_character(reader *r, size_t start)
{
    const uint8_t *p = r->bytes + r->at;
    if (*p == 0) return bad(r, SHN_FORMAT, SHN_REASON_BAD_VALUE, "a NUL byte; this is not a text file");
    const size_t len = shn_utf8_length(p, r->n_bytes - r->at);
    if (len == 0)
        return bad(r, SHN_FORMAT, SHN_REASON_BAD_VALUE,
                   "not UTF-8; convert the file (for Shift-JIS: iconv -f CP932 -t UTF-8)");
    if (r->written - start + len > SHN_CSV_FIELD_MAX) return bad(r, SHN_RANGE, SHN_REASON_LIMIT, "a field over 1 MiB");
    memcpy(r->csv->text + r->written, p, len);
    r->written += len;
    r->at += len;
    return SHN_OK;
}

/** Copies the run of ordinary ASCII that starts here, for speed only: copy_character() deals with whatever ends it. */
static void copy_plain(reader *r, size_t start)
{
    const uint8_t *p = r->bytes + r->at;
    const size_t   room = SHN_CSV_FIELD_MAX - (r->written - start), left = r->n_bytes - r->at;
    const size_t   most = room < left ? room : left;
    char          *to = r->csv->text + r->written;
    size_t         n = 0;
    while (n < most && p[n] >= 0x20 && p[n] < 0x80 && p[n] != '"' && p[n] != (uint8_t)r->separator) {
        to[n] = (char)p[n];
        n++;
    }
    r->at += n;
    r->written += n;
}

/** After the opening quote; ends behind the closing one. A line end inside counts and is kept as it is. */
static shn_status read_quoted(reader *r, size_t start)
{
    const size_t line = r->line;
    for (;;) {
        copy_plain(r, start);
        if (r->at == r->n_bytes) {
            r->line = line;             /* where the quote opened is where to look */
            return bad(r, SHN_FORMAT, SHN_REASON_TRUNCATED, "the quote that opens here is never closed");
        }
        const uint8_t c = r->bytes[r->at];
        if (c == '"') {
            r->at++;
            if (r->at == r->n_bytes || r->bytes[r->at] != '"') return SHN_OK;
        }
        const shn_status st = copy_character(r, start);
        if (st != SHN_OK) return st;
        if (c == '\n') r->line++;
    }
}

static int at_end_of_field(const reader *r)
{
    return r->at == r->n_bytes || r->bytes[r->at] == (uint8_t)r->separator || r->bytes[r->at] == '\n' || r->bytes[r->at] == '\r';
}

static shn_status read_field(reader *r)
{
    const size_t start = r->written;
    shn_status   st = SHN_OK;
    if (r->at < r->n_bytes && r->bytes[r->at] == '"') {
        r->at++;
        st = read_quoted(r, start);
        if (st == SHN_OK && !at_end_of_field(r))
            st = bad(r, SHN_FORMAT, SHN_REASON_BAD_VALUE, "text after the closing quote; double quotes inside a quoted field");
    } else {
        for (copy_plain(r, start); st == SHN_OK && !at_end_of_field(r); copy_plain(r, start)) {
            if (r->bytes[r->at] == '"')
                return bad(r, SHN_FORMAT, SHN_REASON_BAD_VALUE, "a quote inside an unquoted field; quote the field and double it");
            st = copy_character(r, start);
        }
    }
    if (st != SHN_OK) return st;
    r->csv->text[r->written++] = '\0';
    if (shn_grow(&r->csv->cells, &r->csv->cells_capacity, r->n_cells + 1, sizeof *r->csv->cells) != 0)
        return shn_fail_nomem(r->err, "csv");
    r->csv->cells[r->n_cells++] = (uint32_t)start;
    return SHN_OK;
}

/** Moves past the line end, if there is one. */
static shn_status end_line(reader *r)
{
    if (r->at == r->n_bytes) return SHN_OK;
    if (r->bytes[r->at] == '\r') {
        r->at++;
        if (r->at == r->n_bytes || r->bytes[r->at] != '\n')
            return bad(r, SHN_FORMAT, SHN_REASON_BAD_VALUE, "a carriage return without line feed; end lines with LF or CRLF");
    }
    r->at++;
    r->line++;
    return SHN_OK;
}

/** One line of fields; *n_fields 0 for an empty line. */
static shn_status read_line(reader *r, size_t *n_fields)
{
    const size_t at = r->at;
    *n_fields = 0;
    r->field = 1;
    if (r->bytes[at] == '\n' || (r->bytes[at] == '\r' && at + 1 < r->n_bytes && r->bytes[at + 1] == '\n')) return end_line(r);
    for (;;) {
        const shn_status st = read_field(r);
        if (st != SHN_OK) return st;
        if (++*n_fields > SHN_CSV_COLUMNS_MAX) return bad(r, SHN_RANGE, SHN_REASON_LIMIT, "more than 2048 columns");
        if (r->at == r->n_bytes || r->bytes[r->at] != (uint8_t)r->separator) break;
        r->at++;
        r->field++;
    }
    return end_line(r);
}

static shn_status check_names(const shn_csv *csv, shn_error *err)
{
    for (size_t i = 0; i < csv->n_columns; i++) {
        const char *name = shn_csv_name(csv, i);
        for (size_t k = 0; k < i && *name; k++)
            if (strcmp(name, shn_csv_name(csv, k)) == 0)
                return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "csv",
                                "line %u: columns %zu and %zu are both named '%s'; rename one", csv->lines[0], k + 1, i + 1, name);
    }
    return SHN_OK;
}

static shn_status read_table(reader *r)
{
    shn_csv   *csv = r->csv;
    size_t     n_lines = 0, n_fields;
    shn_status st = SHN_OK;
    while (r->at < r->n_bytes) {
        const size_t line = r->line;
        st = read_line(r, &n_fields);
        if (st != SHN_OK) return st;
        if (n_fields == 0) continue;
        if (n_lines == 0) csv->n_columns = n_fields;
        if (n_fields != csv->n_columns)
            return shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "csv",
                            "line %zu: %zu fields where the header has %zu; check quotes and separator", line, n_fields, csv->n_columns);
        if (n_lines > SHN_CSV_ROWS_MAX)
            return shn_fail(r->err, SHN_RANGE, SHN_REASON_LIMIT, "csv", "line %zu: more than %zu rows", line, SHN_CSV_ROWS_MAX);
        if (shn_grow(&csv->lines, &csv->lines_capacity, n_lines + 1, sizeof *csv->lines) != 0) return shn_fail_nomem(r->err, "csv");
        csv->lines[n_lines++] = (uint32_t)line;
        if (n_lines == 1) st = check_names(csv, r->err);
        if (st != SHN_OK) return st;
    }
    if (n_lines == 0)
        return shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "csv", "line 1: no header; the first line must name the columns");
    csv->n_rows = n_lines - 1;
    return SHN_OK;
}

shn_status shn_csv_open(const uint8_t *bytes, size_t n_bytes, char separator, shn_csv **out, shn_error *err)
{
    reader r = { .bytes = bytes, .n_bytes = n_bytes, .line = 1, .field = 1, .separator = separator, .err = err };
    *out = NULL;
    if (separator != ',' && separator != ';' && separator != '\t')
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "csv", "separator '%c'; use ',' ';' or a tab", separator);
    if (n_bytes > SHN_CSV_BYTES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "csv", "%zu bytes, at most %zu; split the table", n_bytes, SHN_CSV_BYTES_MAX);
    if (n_bytes >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff)))
        return bad(&r, SHN_FORMAT, SHN_REASON_BAD_HEADER, "UTF-16; save the table as UTF-8");
    if (n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) r.at = 3;

    r.csv = shn_alloc(1, sizeof *r.csv);
    if (!r.csv) return shn_fail_nomem(err, "csv");
    r.csv->text = shn_alloc(n_bytes + 1, 1);
    shn_status st = r.csv->text ? read_table(&r) : shn_fail_nomem(err, "csv");
    if (st == SHN_OK) *out = r.csv;
    else shn_csv_free(r.csv);
    return st;
}

shn_status shn_csv_read(const char *path, char separator, shn_csv **out, shn_error *err)
{
    shn_mapping map;
    *out = NULL;
    shn_status st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    st = shn_csv_open(map.bytes, map.n_bytes, separator, out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    shn_file_unmap(&map);
    return st;
}

void shn_csv_free(shn_csv *csv)
{
    if (!csv) return;
    free(csv->text);
    free(csv->cells);
    free(csv->lines);
    free(csv);
}

size_t      shn_csv_rows(const shn_csv *csv) { return csv->n_rows; }
size_t      shn_csv_columns(const shn_csv *csv) { return csv->n_columns; }
const char *shn_csv_name(const shn_csv *csv, size_t col) { return csv->text + csv->cells[col]; }
size_t      shn_csv_line(const shn_csv *csv, size_t row) { return csv->lines[row + 1]; }

const char *shn_csv_cell(const shn_csv *csv, size_t row, size_t col)
{
    return csv->text + csv->cells[(row + 1) * csv->n_columns + col];
}

int shn_csv_column(const shn_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_columns; i++)
        if (strcmp(shn_csv_name(csv, i), name) == 0) return (int)i;
    return -1;
}

shn_status shn_csv_need(const shn_csv *csv, const char *name, size_t *col, shn_error *err)
{
    const int found = shn_csv_column(csv, name);
    if (found >= 0) {
        *col = (size_t)found;
        return SHN_OK;
    }
    char   list[300];
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < csv->n_columns && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", shn_csv_name(csv, i));
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "csv", "line %u: no column '%s'; there are: %s", csv->lines[0], name, list);
}

shn_status shn_csv_fail(const shn_csv *csv, size_t row, size_t col, shn_error *err, shn_status status, shn_reason reason,
                        const char *fmt, ...)
{
    char    text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return shn_fail(err, status, reason, "csv", "line %zu, column '%.80s': %.340s", shn_csv_line(csv, row), shn_csv_name(csv, col), text);
}

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

const char *shn_trim(const char *s, size_t *n)
{
    while (*n && is_blank(*s)) {
        s++;
        --*n;
    }
    while (*n && is_blank(s[*n - 1])) --*n;
    return s;
}

shn_status shn_csv_bit(const shn_csv *csv, size_t row, size_t col, int *bit, shn_error *err)
{
    char        word[16] = "", *end;
    const char *cell = shn_csv_cell(csv, row, col);
    size_t      n = strlen(cell);
    const char *s = shn_trim(cell, &n);
    for (*bit = -1; *bit <= 1; ++*bit) {
        static const char *const words[] = { "nan", "false", "true" };
        if (n == strlen(words[*bit + 1]) && strncasecmp(s, words[*bit + 1], n) == 0) return SHN_OK;
    }
    *bit = -1;
    if (n == 0) return SHN_OK;
    if (n < sizeof word) {                      /* "1.0" is what a spreadsheet or pandas makes of 1 */
        memcpy(word, s, n);
        const double x = strtod(word, &end);
        if (*end == '\0' && (x == 1 || x == 0 || x == -1)) {
            *bit = (int)x;
            return SHN_OK;
        }
    }
    return shn_csv_fail(csv, row, col, err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "'%.40s' is neither 0 nor 1 (nor empty for unknown)", cell);
}

void shn_csv_put_field(FILE *out, const char *field, char separator)
{
    const char special[] = { separator, '"', '\r', '\n', '\0' };
    if (!field) return;
    /* a field that begins with U+FEFF would be taken for a byte order mark at the start of a file */
    if (!strpbrk(field, special) && strncmp(field, "\xef\xbb\xbf", 3) != 0) {
        fputs(field, out);
        return;
    }
    fputc('"', out);
    for (; *field; field++) {
        if (*field == '"') fputc('"', out);
        fputc(*field, out);
    }
    fputc('"', out);
}

void shn_csv_put_row(FILE *out, const char *const *fields, size_t n, char separator)
{
    if (n == 1 && (!fields[0] || !*fields[0])) fputs("\"\"", out);      /* else the line were empty and skipped */
    for (size_t i = 0; i < n; i++) {
        if (i) fputc(separator, out);
        shn_csv_put_field(out, fields[i], separator);
    }
    fputc('\n', out);
}
