/** Strings from outside as JSON: paths need not be UTF-8, JSON must be. */
#ifndef SHN_CLI_JSON_TEXT_H
#define SHN_CLI_JSON_TEXT_H

#include <jansson.h>

/** A JSON string; bytes that are not UTF-8 become U+FFFD. NULL gives "". NULL only when out of memory. */
json_t *cli_json_text(const char *text);
/** A number rounded to the 7 digits that a float has; null for NaN and Inf, which JSON lacks. */
json_t *cli_json_float(float x);
/** Writes the value and a line end to stdout; 0, or -1 when stdout cannot be written. Releases the value. */
int cli_json_print(json_t *value, size_t flags);

#endif
