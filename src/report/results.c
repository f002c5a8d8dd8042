#include "report/results.h"

#include <math.h>
#include <string.h>

#include "base/fail.h"

/** What the contract of `eval --json` promises (docs/json.md). */
static const char *const metric_keys[] = {
    "auroc_macro", "auroc_macro_10", "auprc_macro", "f1_micro_05", "f1_micro_tuned", "f1_micro_per_label", "f1_macro_tuned",
    "f1_sample_tuned", "jaccard_sample", "jaccard_micro", "top1", "top5", "top1_specific", "top5_specific", "ece_raw", "ece",
};
static const char *const label_strings[] = { "id", "name_en", "name_ja" };
static const char *const label_numbers[] = { "n_pos", "n_known", "auroc", "auprc", "threshold", "sensitivity", "specificity",
                                             "ppv", "npv", "top1", "top5" };
#define COUNT(a) (sizeof(a) / sizeof *(a))

static shn_status lacks(const shn_report_result *input, const char *key, const char *expected, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "report.results",
                    "%s: '%s' is missing or not %s; give a document of 'shinden eval --json'", input->name, key, expected);
}

static int is_number_or_null(const json_t *v) { return json_is_number(v) || json_is_null(v); }

static int is_interval(const json_t *v)
{
    return json_is_object(v) && is_number_or_null(json_object_get(v, "value")) && is_number_or_null(json_object_get(v, "low")) &&
           is_number_or_null(json_object_get(v, "high"));
}

static shn_status check_metrics(const shn_report_result *input, const json_t *metrics, shn_error *err)
{
    char key[96];
    if (!json_is_object(metrics)) return lacks(input, "metrics", "an object", err);
    for (size_t i = 0; i < COUNT(metric_keys); i++) {
        snprintf(key, sizeof key, "metrics.%s", metric_keys[i]);
        if (!is_interval(json_object_get(metrics, metric_keys[i]))) return lacks(input, key, "{value, low, high}", err);
    }
    return SHN_OK;
}

static shn_status check_labels(const shn_report_result *input, const json_t *labels, shn_error *err)
{
    char key[96];
    if (!json_is_array(labels)) return lacks(input, "per_label", "an array", err);
    for (size_t i = 0; i < json_array_size(labels); i++) {
        const json_t *one = json_array_get(labels, i);
        for (size_t k = 0; k < COUNT(label_strings); k++) {
            snprintf(key, sizeof key, "per_label[%zu].%s", i, label_strings[k]);
            if (!json_is_string(json_object_get(one, label_strings[k]))) return lacks(input, key, "a string", err);
        }
        for (size_t k = 0; k < COUNT(label_numbers); k++) {
            const json_t *v = json_object_get(one, label_numbers[k]);
            snprintf(key, sizeof key, "per_label[%zu].%s", i, label_numbers[k]);
            if (!is_number_or_null(v) && !is_interval(v)) return lacks(input, key, "a number or null", err);
        }
    }
    return SHN_OK;
}

static shn_status check(const shn_report_result *input, shn_result *r, shn_error *err)
{
    const json_t *schema = json_object_get(r->doc, "schema_version");
    if (!json_is_object(r->doc)) return lacks(input, "{", "an object", err);
    if (!json_is_integer(schema)) return lacks(input, "schema_version", "a whole number", err);
    if (json_integer_value(schema) != SHN_REPORT_SCHEMA)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_UNSUPPORTED, "report.results",
                        "%s: schema_version %lld, this program reads %d; make the document with this version of shinden", input->name,
                        (long long)json_integer_value(schema), SHN_REPORT_SCHEMA);
    r->metrics = json_object_get(r->doc, "metrics");
    r->per_label = json_object_get(r->doc, "per_label");
    r->controls = json_object_get(r->doc, "controls");
    shn_status st = check_metrics(input, r->metrics, err);
    if (st == SHN_OK) st = check_labels(input, r->per_label, err);
    if (st != SHN_OK) return st;
    if (!json_is_object(r->controls) && !json_is_array(r->controls) && !json_is_null(r->controls))
        return lacks(input, "controls", "an object", err);
    if (!json_is_string(json_object_get(r->doc, "readout"))) return lacks(input, "readout", "a string", err);
    if (!json_is_string(json_object_get(r->doc, "fitted_on")) && !json_is_null(json_object_get(r->doc, "fitted_on")))
        return lacks(input, "fitted_on", "a string", err);
    if (!json_is_integer(json_object_get(r->doc, "n_records"))) return lacks(input, "n_records", "a whole number", err);
    if (!json_is_integer(json_object_get(r->doc, "n_patients"))) return lacks(input, "n_patients", "a whole number", err);
    r->readout = shn_string_of(r->doc, "readout");
    r->fitted_on = shn_string_of(r->doc, "fitted_on");
    r->n_records = shn_number_of(r->doc, "n_records");
    r->n_patients = shn_number_of(r->doc, "n_patients");
    return SHN_OK;
}

shn_status shn_result_parse(const shn_report_result *input, shn_result *out, shn_error *err)
{
    json_error_t problem;
    memset(out, 0, sizeof *out);
    out->name = input->name;
    out->doc = json_loads(input->eval_json, JSON_REJECT_DUPLICATES, &problem);
    if (!out->doc) {
        if (json_error_code(&problem) == json_error_out_of_memory) return shn_fail_nomem(err, "report.results");
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "report.results",
                        "%s: not JSON, line %d: %s; give a document of 'shinden eval --json'", input->name, problem.line, problem.text);
    }
    const shn_status st = check(input, out, err);
    if (st != SHN_OK) shn_result_free(out);
    return st;
}

void shn_result_free(shn_result *result)
{
    json_decref(result->doc);
    memset(result, 0, sizeof *result);
}

double shn_number_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

shn_interval shn_interval_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (json_is_object(v)) return (shn_interval){ shn_number_of(v, "value"), shn_number_of(v, "low"), shn_number_of(v, "high") };
    char low[64], high[64];             /* per_label gives its interval as neighbours: auroc, auroc_low, auroc_high */
    snprintf(low, sizeof low, "%s_low", key);
    snprintf(high, sizeof high, "%s_high", key);
    return (shn_interval){ shn_number_of(object, key), shn_number_of(object, low), shn_number_of(object, high) };
}

const char *shn_string_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

const json_t *shn_result_label(const shn_result *result, const char *id)
{
    for (size_t i = 0; i < json_array_size(result->per_label); i++) {
        const json_t *one = json_array_get(result->per_label, i);
        if (strcmp(shn_string_of(one, "id"), id) == 0) return one;
    }
    return NULL;
}
