/** One HTML page, self-contained (SVG inside, no scripts, no network): results of one or more models and an example record. */
#ifndef SHINDEN_REPORT_H
#define SHINDEN_REPORT_H

#include <stddef.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_report_result { const char *name; const char *eval_json; } shn_report_result;
typedef struct shn_report_example { const char *caption; const char *svg; size_t n_svg; const char *true_findings; } shn_report_example;
typedef struct shn_report_input {
    const char *title;
    const char *data;                   /**< what the data is, where from, its licence */
    int         simulated;              /**< 1: a banner says that the cohort is simulated */
    const shn_report_result  *results;  size_t n_results;   /**< eval documents, side by side */
    const shn_report_example *examples; size_t n_examples;
} shn_report_input;

/** @param[out] html  owned by the caller. Errors SHN_FORMAT: a document that is not an eval document of this schema. */
SHN_NODISCARD shn_status shn_report_html(const shn_report_input *input, char **html, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
