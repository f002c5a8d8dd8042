#include "eval/doc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/alloc.h"

json_t *doc_text(const char *text)
{
    json_t *whole = json_string(text ? text : "");
    if (whole) return whole;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    char *mended = shn_alloc(strlen(text) + 1, 3), *to = mended;
    while (mended && *at) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t n = utf8proc_iterate(at, -1, &code);
        memcpy(to, n > 0 ? (const char *)at : "\xEF\xBF\xBD", n > 0 ? (size_t)n : 3);
        to += n > 0 ? n : 3;
        at += n > 0 ? n : 1;
    }
    json_t *out = mended ? json_string(mended) : NULL;
    free(mended);
    return out;
}

json_t *doc_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *doc_value(const summary_value *v)
{
    json_t *o = json_object();
    json_object_set_new(o, "value", doc_number(v->value));
    json_object_set_new(o, "low", doc_number(v->low));
    json_object_set_new(o, "high", doc_number(v->high));
    json_object_set_new(o, "n_undefined", json_integer(v->n_undefined));
    return o;
}

json_t *doc_metrics(const summary *s)
{
    json_t *o = json_object();
    for (int i = 0; i < METRIC_COUNT; i++) json_object_set_new(o, summary_metric_name(i), doc_value(&s->metric[i]));
    return o;
}
