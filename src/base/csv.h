/**
 * Tables as text: a reader for RFC 4180 CSV held in memory, and the quoting that writes it. Everything that comes from
 * a hospital's export passes here, so nothing is guessed: what is not plain CSV in UTF-8 is refused with its line.
 *
 *   fields    separated by ',' ';' or tab; quoted ("") where they hold separators, quotes or line ends
 *   lines     end in LF or CRLF (a lone CR is refused); the last may lack its end; wholly empty lines are skipped
 *   header    the first line; every row has as many fields; a name may stand once only (empty names may repeat)
 *   bytes     UTF-8, a byte order mark is skipped; NUL bytes and UTF-16 are refused
 *
 * Source  RFC 4180, sections 2.1 to 2.7.
 */
#ifndef SHN_BASE_CSV_H
#define SHN_BASE_CSV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shinden/status.h"

#define SHN_CSV_BYTES_MAX   ((size_t)2 << 30)   /* a cell is found by a 32-bit offset */
#define SHN_CSV_COLUMNS_MAX 2048
#define SHN_CSV_ROWS_MAX    ((size_t)50000000)
#define SHN_CSV_FIELD_MAX   ((size_t)1 << 20)   /* bytes of one field */

typedef struct shn_csv shn_csv;

/**
 * Parses a table. The bytes are copied once (cells are unquoted and terminated in the copy) and need not outlive the call.
 *
 * @param[in]  separator  ',' ';' or '\t'
 * @param[out] out        owned by the caller, release with shn_csv_free(); NULL on failure
 *
 * Errors  SHN_FORMAT (bad_header) no header line, a column name twice, another encoding;
 *         SHN_FORMAT (bad_value) a stray quote, bytes that are not UTF-8, NUL, lone CR, a row with too few or too many
 *                    fields;  SHN_FORMAT (truncated) a quote is not closed
 *         SHN_RANGE  (limit) a limit above;  (bad_value) another separator
 *         SHN_NOMEM  nothing was kept
 *         The text names line and column; the file's name is the caller's to add (shn_error_prefix).
 */
SHN_NODISCARD shn_status shn_csv_open(const uint8_t *bytes, size_t n_bytes, char separator, shn_csv **out, shn_error *err);
/** The same from a file, mapped while it is parsed; errors begin with its path. Also SHN_IO. */
SHN_NODISCARD shn_status shn_csv_read(const char *path, char separator, shn_csv **out, shn_error *err);
void        shn_csv_free(shn_csv *csv);                                 /* accepts NULL */

size_t      shn_csv_rows(const shn_csv *csv);                           /* without the header */
size_t      shn_csv_columns(const shn_csv *csv);
/** Borrowed: name of column col < shn_csv_columns(). */
const char *shn_csv_name(const shn_csv *csv, size_t col);
/** Column of this exact name; -1 if there is none. */
int         shn_csv_column(const shn_csv *csv, const char *name);
/** The same where the column must be there: SHN_FORMAT (bad_header) names it and lists those there are. */
SHN_NODISCARD shn_status shn_csv_need(const shn_csv *csv, const char *name, size_t *col, shn_error *err);
/** Borrowed until shn_csv_free: the unquoted field, terminated; row < rows, col < columns. Blanks are kept as they are. */
const char *shn_csv_cell(const shn_csv *csv, size_t row, size_t col);
/** Line of the file (from 1) on which the row begins. */
size_t      shn_csv_line(const shn_csv *csv, size_t row);
/** Fails with "line 12, column 'age': ..." for a cell whose content the caller cannot use. */
shn_status  shn_csv_fail(const shn_csv *csv, size_t row, size_t col, shn_error *err, shn_status status, shn_reason reason,
                         const char *fmt, ...) SHN_PRINTF(7, 8);

/** s without blanks at both ends. */
const char *shn_trim(const char *s, size_t *n);
/**
 * A cell that says yes or no: 1, true: 1; 0, false: 0; empty, nan, -1 (not known): -1. Without regard to case and blanks around it.
 * Errors  SHN_FORMAT (bad_value) anything else, by line and column
 */
SHN_NODISCARD shn_status shn_csv_bit(const shn_csv *csv, size_t row, size_t col, int *bit, shn_error *err);

/** Writes one field, quoted only if it must be. The caller writes separators and line ends, and checks the stream. */
void shn_csv_put_field(FILE *out, const char *field, char separator);
/** Writes n fields, separators and "\n"; what shn_csv_open gives back the same. NULL is an empty field. */
void shn_csv_put_row(FILE *out, const char *const *fields, size_t n, char separator);

#endif
