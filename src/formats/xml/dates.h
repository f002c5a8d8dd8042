/** Dates and times of day as machines write them into XML, and what follows from them. */
#ifndef SHN_FORMATS_XML_DATES_H
#define SHN_FORMATS_XML_DATES_H

#include <stddef.h>

#include "formats/day.h"
#include "formats/deidentify.h"

/**
 * A date that fills the text but for spaces: YYYY-MM-DD (also with '/' or '.', and YYYYMMDD), or MM-DD-YYYY as American machines write it.
 * *swapped becomes 1 where the first number of the American form can only be the day. 1 if it is a date of the calendar from 1800 on.
 */
int shn_day_read(const char *text, shn_day *out, int *swapped);
/** "2023-04-29T22:41:16" into out; without the time of day where time is no HH:MM[:SS]. */
void shn_day_write(const shn_day *day, const char *time, char *out, size_t size);
/** Moves the date in text by the patient's shift and writes it back in its own form. out holds at least 16 bytes. Errors as shn_deid_date. */
SHN_NODISCARD shn_status shn_day_shift(const shn_deid *deid, const char *text, char *out, size_t size, shn_error *err);
/** 1 if the text holds what may be a date or a long number: such a statement cannot be vouched for. */
int shn_text_dated(const char *text);

#endif
