/** shinden check: what ECG files are, and what about them gives reason to doubt. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/json_text.h"
#include "cli/record_flags.h"
#include "shinden/check.h"
#include "shinden/signal.h"

enum { FORMATS_MAX = 32 };

static void help(void)
{
    puts("usage: shinden check FILE|DIR... [options]\n\n"
         "  One line for each record: format, leads, rate, length, where the unit comes from, what the limb leads prove (largest residual of\n"
         "  I + III = II), and ok, warn or refused with the reasons; then a summary. Nothing is changed and no patient id is shown.\n\n"
         "  --json                   one JSON object for each record, one a line (docs/json.md)\n"
         "  -v, --verbose            also a line for each lead\n" RECORD_HELP "\n"
         "exit code: 0 all records can be read, 1 some are refused, 2 bad usage\n"
         "example: shinden check exports/ --json >check.jsonl");
}

typedef struct tally {
    size_t n[3], reasons[SHN_REASON_COUNT], n_formats, of_format[FORMATS_MAX];
    char   format[FORMATS_MAX][48];
} tally;

static const char *order_word(int proven) { return proven > 0 ? "proven" : proven < 0 ? "refuted" : "not provable"; }

static const char *unit_word(const shn_check *c)
{
    static const char *const words[] = { "no unit", "unit declared", "unit by default", "unit assumed", "no voltage" };
    for (size_t i = 1; i < c->n_leads; i++)
        if (c->leads[i].unit != c->leads[0].unit) return "units differ";
    return c->n_leads ? words[c->leads[0].unit] : "";
}

static void print_leads(const shn_check *c)
{
    for (size_t i = 0; i < c->n_leads; i++) {
        const shn_check_lead *l = &c->leads[i];
        printf("    %-8s %8.3f to %7.3f mV", l->name, (double)l->min_mv, (double)l->max_mv);
        if (l->gain_adu_per_mv > 0) printf("  %g/mV", l->gain_adu_per_mv);
        if (!isnan(l->noise_uv)) printf("  noise %.1f uV", (double)l->noise_uv);
        if (l->n_missing) printf("  %zu missing", l->n_missing);
        if (l->n_clipped) printf("  %zu at the limit", l->n_clipped);
        puts(l->flat ? "  flat" : "");
    }
}

static void print_text(const char *path, const shn_check *c, int verbose)
{
    printf("%-8s %s  %s", shn_check_status_name(c->status), path, *c->variant ? c->variant : *c->format ? c->format : "-");
    if (c->n_leads) {
        printf("  %zu lead%s", c->n_leads, c->n_leads == 1 ? "" : "s");
        if (c->n_not_voltage) printf(" and %zu other signals", c->n_not_voltage);
        printf("  %g Hz  %.1f s  %s  order %s", c->fs_hz, (double)c->n_samples / c->fs_hz, unit_word(c), order_word(c->order_proven));
        const float residual = isnan(c->einthoven_uv_max) ? c->goldberger_uv_max : fmaxf(c->einthoven_uv_max, isnan(c->goldberger_uv_max) ? 0 : c->goldberger_uv_max);
        if (!isnan(residual)) printf(" (%.1f uV)", (double)residual);
    }
    putchar('\n');
    for (size_t i = 0; i < c->n_reasons; i++) printf("    %s: %s\n", shn_reason_name(c->reasons[i].reason), c->reasons[i].text);
    if (verbose) print_leads(c);
}

static json_t *json_lead(const shn_check_lead *l)
{
    static const char *const origins[] = { "unknown", "declared", "default", "assumed", "not_voltage" };
    json_t *first = json_array();
    for (size_t i = 0; i < l->n_first; i++) json_array_append_new(first, cli_json_float(l->first_mv[i]));
    return json_pack("{s:o, s:s, s:f, s:o, s:o, s:o, s:I, s:I, s:b, s:o}", "name", cli_json_text(l->name), "unit", origins[l->unit], "gain_adu_per_mv",
                     l->gain_adu_per_mv, "min_mv", cli_json_float(l->min_mv), "max_mv", cli_json_float(l->max_mv), "first_mv", first, "missing",
                     (json_int_t)l->n_missing, "clipped", (json_int_t)l->n_clipped, "flat", l->flat, "noise_uv", cli_json_float(l->noise_uv));
}

static int print_json(const char *path, const shn_check *c)
{
    json_t *reasons = json_array(), *leads = json_array();
    for (size_t i = 0; i < c->n_reasons; i++)
        json_array_append_new(reasons, json_pack("{s:s, s:o}", "reason", shn_reason_name(c->reasons[i].reason), "text", cli_json_text(c->reasons[i].text)));
    for (size_t i = 0; i < c->n_leads; i++) json_array_append_new(leads, json_lead(&c->leads[i]));
    const char sex[2] = { c->meta.sex, '\0' };
    json_t *out = json_pack("{s:i, s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "schema_version", 1,
                            "research_use_only", 1, "path", cli_json_text(path), "format", *c->format ? cli_json_text(c->format) : json_null(), "variant",
                            *c->variant ? cli_json_text(c->variant) : json_null(), "status", shn_check_status_name(c->status), "reasons", reasons, "fs_hz",
                            c->fs_hz > 0 ? json_real(c->fs_hz) : json_null(), "n_samples", (json_int_t)c->n_samples, "leads", leads, "einthoven_uv_max",
                            cli_json_float(c->einthoven_uv_max), "goldberger_uv_max", cli_json_float(c->goldberger_uv_max), "lead_order",
                            c->order_proven > 0 ? "proven" : c->order_proven < 0 ? "refuted" : "unknown", "age", cli_json_float((float)c->meta.age_years),
                            "sex", c->meta.sex ? json_string(sex) : json_null(), "acquired", *c->meta.acquired ? cli_json_text(c->meta.acquired) : json_null(),
                            "device", *c->meta.device ? cli_json_text(c->meta.device) : json_null(), "other_signals", (json_int_t)c->n_not_voltage,
                            "n_statements", (json_int_t)c->n_statements, "n_measurements", (json_int_t)c->n_measurements);
    return out ? cli_json_print(out, JSON_COMPACT) : -1;
}

static void count(tally *t, const shn_check *c)
{
    size_t f = 0;
    const char *format = *c->format ? c->format : "unknown";
    t->n[c->status]++;
    while (f < t->n_formats && strcmp(t->format[f], format) != 0) f++;
    if (f == t->n_formats && f < FORMATS_MAX) snprintf(t->format[t->n_formats++], sizeof t->format[0], "%s", format);
    if (f < FORMATS_MAX) t->of_format[f]++;
    for (size_t i = 0; i < c->n_reasons; i++) {
        int again = 0;
        for (size_t j = 0; j < i; j++) again |= c->reasons[j].reason == c->reasons[i].reason;
        if (!again) t->reasons[c->reasons[i].reason]++;
    }
}

static void print_summary(const tally *t, const cli_left_out *left)
{
    printf("\n%zu records: %zu ok, %zu warn, %zu refused\n", t->n[0] + t->n[1] + t->n[2], t->n[0], t->n[1], t->n[2]);
    for (size_t f = 0; f < t->n_formats; f++) printf("%s%s %zu", f ? ", " : "formats: ", t->format[f], t->of_format[f]);
    if (t->n_formats) putchar('\n');
    int n = 0;
    for (int r = 0; r < SHN_REASON_COUNT; r++)
        if (t->reasons[r]) printf("%s%s %zu", n++ ? ", " : "records by reason: ", shn_reason_name((shn_reason)r), t->reasons[r]);
    if (n) putchar('\n');
    if (left->n_companions) printf("%zu companion files of WFDB headers are not records and were left out\n", left->n_companions);
    if (left->n_others) printf("%zu files of no ECG format were left out, the first is %s\n", left->n_others, left->first_other);
}

/** Returns an exit code. */
static int check_all(const cli_input *inputs, size_t n, const cli_left_out *left, const record_flags *flags, int json, int verbose)
{
    tally     t = { { 0 }, { 0 }, 0, { 0 }, { { 0 } } };
    shn_error err;
    for (size_t i = 0; i < n; i++) {
        shn_check *c;
        if (shn_check_file(inputs[i].path, &flags->format, flags->assume_mv_per_unit, &c, &err) != SHN_OK) return cli_fail("check", &err);
        int failed = 0;
        if (json) failed = print_json(inputs[i].path, c);
        else print_text(inputs[i].path, c, verbose);
        count(&t, c);
        shn_check_free(c);
        if (failed || ferror(stdout)) {
            fputs("shinden check: standard output cannot be written; the disk may be full\n", stderr);
            return CLI_FAILED;
        }
    }
    if (!json && (n > 1 || left->n_others)) print_summary(&t, left);
    return t.n[SHN_CHECK_REFUSED] ? CLI_FAILED : CLI_DONE;
}

cli_verb verb_check;
int verb_check(int argc, char **argv)
{
    static const struct option longs[] = {
        { "json", no_argument, NULL, 'j' }, { "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' }, RECORD_LONG_OPTIONS, { NULL, 0, NULL, 0 },
    };
    record_flags flags;
    int          json = 0, verbose = 0;
    shn_error    err;
    record_flags_defaults(&flags);
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "vh", longs, NULL)) != -1;) {
        if (o == 'h') return help(), CLI_DONE;
        if (o == 'j') json = 1;
        else if (o == 'v') verbose = 1;
        else {
            const int taken = record_flags_take(&flags, "check", o, optarg);
            if (taken == 0) return cli_usage("check", "unknown or incomplete option");
            if (taken < 0) return CLI_USAGE;
        }
    }
    if (optind == argc) return cli_usage("check", "needs a FILE or DIR");
    cli_input   *inputs = NULL;
    size_t       n = 0;
    cli_left_out left = { 0 };
    if (cli_inputs_list(argv + optind, (size_t)(argc - optind), &inputs, &n, &left, &err) != SHN_OK) return cli_fail("check", &err);
    const int code = check_all(inputs, n, &left, &flags, json, verbose);
    cli_inputs_free(inputs, n);
    free(left.first_other);
    return code;
}
