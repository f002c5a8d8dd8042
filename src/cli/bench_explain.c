/** `shinden bench --explain`: the kernels that the default encoder gets on this CPU, which depend on shapes and masks alone. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "cli/bench_rows.h"

static const size_t lengths[] = { 4992, 1000, 250 };

static const char *layer_name(const shn_encoder *enc, size_t unit)
{
    for (size_t t = 0; t < enc->n_tensors; t++)
        if (enc->tensors[t].offset == enc->units[unit].weight) return enc->tensors[t].name;
    return "";
}

static void print_unit(const shn_encoder *enc, size_t unit, size_t T, const char *text, json_t *rows)
{
    const shn_unit *u = &enc->units[unit];
    const size_t    length = (shn_encoder_length(enc, u->input, T) + 2 * u->pad - u->kernel) / u->stride + 1;
    const char     *name = layer_name(enc, unit);
    if (!rows)
        printf("%-30s %4u -> %-4u k%u s%u length %-5zu %s\n", name, u->in_channels, u->out_channels, u->kernel, u->stride, length, text);
    else
        json_array_append_new(rows, json_pack("{s:i, s:s, s:i, s:i, s:i, s:i, s:i, s:s}", "n_samples", (int)T, "layer", name, "in",
                                              (int)u->in_channels, "out", (int)u->out_channels, "kernel", (int)u->kernel, "stride",
                                              (int)u->stride, "length", (int)length, "kernels", text));
}

static shn_status one_length(const bench_run *run, const shn_encoder *enc, size_t T, json_t *rows, shn_error *err)
{
    shn_engine_options o;
    shn_engine        *e;
    shn_engine_defaults(&o);
    o.n_threads = 1;
    o.isa = run->isa;
    o.winograd = run->winograd;
    o.precision = SHN_PRECISION_F32;        /* bf16, which AUTO takes on AMX, has no choice to explain */
    const shn_status st = shn_engine_new(enc, T, 8, 1, &o, &e, err);
    if (st != SHN_OK) return st;
    if (!rows) printf("12 x %zu, training: %s\n", T, shn_engine_describe(e));
    for (size_t u = 0; u < enc->n_units; u++) {
        char text[SHN_EXPLAIN_MAX];
        shn_engine_explain(e, u, text);
        print_unit(enc, u, T, text, rows);
    }
    shn_engine_free(e);
    return SHN_OK;
}

shn_status bench_explain(const bench_run *run, int json, shn_error *err)
{
    shn_encoder_config c;
    shn_encoder       *enc = shn_alloc(1, sizeof *enc);
    json_t            *rows = json ? json_array() : NULL;
    if (!enc || (json && !rows)) {
        free(enc);
        return shn_fail_nomem(err, "bench");
    }
    shn_encoder_defaults(&c);
    shn_status st = shn_encoder_build(&c, enc, err);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths && st == SHN_OK; i++) st = one_length(run, enc, lengths[i], rows, err);
    if (st == SHN_OK && json) {
        json_t *all = json_pack("{s:i, s:b, s:O}", "schema_version", 1, "research_use_only", 1, "layers", rows);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    }
    json_decref(rows);
    free(enc);
    return st;
}
