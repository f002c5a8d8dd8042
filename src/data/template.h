/** Values that a mapping file takes from a table's row: a column, or a text with {column} pieces. */
#ifndef SHN_DATA_TEMPLATE_H
#define SHN_DATA_TEMPLATE_H

#include "base/csv.h"
#include "data/pool.h"

#define SHN_TEMPLATE_PIECES_MAX 16

/** {name}, {stem} and {folder} stand for the record's path: base name and whole path without extension, and its source folder. */
enum { SHN_PIECE_TEXT = -1, SHN_PIECE_NAME = -2, SHN_PIECE_STEM = -3, SHN_PIECE_FOLDER = -4 };

typedef struct shn_compiled { struct { const char *text; size_t n; int column; } piece[SHN_TEMPLATE_PIECES_MAX]; size_t n; } shn_compiled;

/**
 * @param text     NULL gives an empty template
 * @param table    NULL: only the pieces of the path
 * @param literal  1: a text without {} is itself (a source's name); 0: it names a column
 * Errors  SHN_FORMAT a column that is not there (those there are listed), a brace without its partner; SHN_RANGE too many pieces
 */
SHN_NODISCARD shn_status shn_template_compile(const char *text, const shn_csv *table, int literal, shn_compiled *out, shn_error *err);

typedef struct shn_template_row { const shn_csv *table; size_t row; const char *path, *folder; } shn_template_row;
/** Borrowed from the table or the pool, blanks trimmed; NULL when out of memory. "nan" and "NaN" read as "". */
const char *shn_template_value(const shn_compiled *t, const shn_template_row *row, shn_pool *pool);


#endif
