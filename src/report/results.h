/**
 * Eval documents (docs/json.md) as the report needs them: parsed, checked key by key, and asked for numbers. A document
 * that lacks a key is refused by the key's name; null is a value (undefined) and stays one.
 */
#ifndef SHN_REPORT_RESULTS_H
#define SHN_REPORT_RESULTS_H

#include <jansson.h>

#include "shinden/report.h"

#define SHN_REPORT_RESULTS_MAX 64
#define SHN_REPORT_SCHEMA      1

/** A number with its interval; NaN where the document says null or nothing. */
typedef struct shn_interval { double value, low, high; } shn_interval;

typedef struct shn_result {
    const char *name;               /**< borrowed from the input */
    json_t     *doc;                /**< owned */
    json_t     *metrics, *per_label, *controls;     /**< borrowed from doc */
    const char *readout, *fitted_on;
    double      n_records, n_patients;
} shn_result;

/** Errors  SHN_FORMAT  names the result, and the key or the line of the JSON;  SHN_NOMEM */
SHN_NODISCARD shn_status shn_result_parse(const shn_report_result *input, shn_result *out, shn_error *err);
void shn_result_free(shn_result *result);

/** object[key] as {value, low, high}, or as a plain number beside key_low and key_high (NaN where they are absent). */
shn_interval shn_interval_of(const json_t *object, const char *key);
double       shn_number_of(const json_t *object, const char *key);              /**< NaN: null or absent */
const char  *shn_string_of(const json_t *object, const char *key);              /**< "" if absent */
/** The per_label entry with this id; NULL. */
const json_t *shn_result_label(const shn_result *result, const char *id);

#endif
