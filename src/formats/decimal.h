/**
 * Decimal numbers in text, as ECG files hold them by the million: bounded (nothing is read behind the end), independent of the length of the
 * text, and an order of magnitude faster than strtod. Shared by the readers of text formats.
 */
#ifndef SHN_FORMATS_DECIMAL_H
#define SHN_FORMATS_DECIMAL_H

#include <stddef.h>

#include "shinden/status.h"

#define SHN_DECIMAL_BYTES_MAX 64        /* of one number; longer ones are taken for garbage */

/**
 * The number at p: [+-] digits [point digits] [e [+-] digits], at least one digit before the exponent.
 * @param point     the decimal sign, '.' or ','
 * @param[out] out  correctly rounded; finite
 * @return          where the number ends; NULL if there is none at p, it is too long or not finite. What follows is the caller's to check
 */
const char *shn_decimal(const char *p, const char *end, char point, double *out);

/** The whole text but for blanks around it. 1 if it is one number. */
int shn_decimal_whole(const char *p, const char *end, double *out);

/** How a list of numbers is written. */
typedef enum shn_list_kind {
    SHN_LIST_SPACES,            /* separated by white space: "1 2 -3" */
    SHN_LIST_COMMAS             /* by commas with white space around, an empty place is a gap (NaN), one comma may end the list: "1,2, ,-3" */
} shn_list_kind;

/** Numbers in a list, not yet looked at; no more than n. */
size_t shn_list_count(const char *text, size_t n, shn_list_kind kind);
/**
 * Decodes a list: out[i] = (float)(offset + factor * number i), in double, for the numbers first .. first + n_out - 1 of the list.
 * @param n_all       what shn_list_count gave; first + n_out <= n_all
 * @param[out] whole  1 if all decoded numbers were integers within +-2^31 (gaps aside); may be NULL
 * Errors  SHN_FORMAT (bad_value) a place that holds no number: where and the index are named
 */
SHN_NODISCARD shn_status shn_list_decode(const char *text, size_t n, shn_list_kind kind, size_t first, size_t n_out, double factor, double offset,
                                         float *out, int *whole, const char *where, shn_error *err);

#endif
