/** shinden labels: looks into the finding registry, and asks it about the labels of a table before an import does. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "cli/cli.h"
#include "shinden/findings.h"

cli_verb verb_labels;

static const char help[] =
    "usage: shinden labels list [--urgent] [--registry FILE] [--json]\n"
    "       shinden labels search TEXT [--registry FILE] [--json]\n"
    "       shinden labels map --coding NAME LABEL... [--registry FILE] [--json]\n"
    "       shinden labels check REGISTRY.csv [--json]\n"
    "       shinden labels check --table FILE.csv --column NAME --coding NAME [--split CHARS] [--delimiter C] [--json]\n\n"
    "The finding registry: ids, English and Japanese names, codes. 'map' says which finding a source's label is; 'check' tests\n"
    "a registry of your own, or counts which labels of a table the registry knows. Labels that no finding stands for end in\n"
    "exit code 1.\n\n"
    "  --coding NAME     id, scp (PTB-XL), snomed, cinc (Challenge abbreviations), ludb\n"
    "  --registry FILE   a table of your own instead of the built-in one (docs/findings.md)\n"
    "  --split CHARS     what separates several labels in one cell (';')\n"
    "  --delimiter C     what separates the table's columns: ',' ';' or tab (',')\n"
    "  --urgent          only findings that must not be missed\n"
    "  --json            for programs\n\n"
    "example: shinden labels map --coding scp AFIB LAFB\n"
    "         shinden labels check --table labels.csv --column scp_codes --coding scp\n";

typedef struct request {
    const char *registry_path, *table, *column, *split;
    char        delimiter;
    int         coding;                 /* -1: not given */
    int         json, urgent;
    char      **words;                  /* what follows the subcommand */
    int         n_words;
    const shn_registry *reg;
} request;

/* ---- output */

static json_t *list_json(const char *list)
{
    json_t *array = json_array();
    size_t  n;
    for (const char *item; (item = shn_list_next(&list, &n)) != NULL;) json_array_append_new(array, json_stringn(item, n));
    return array;
}

static json_t *finding_json(const shn_registry *reg, size_t i)
{
    const shn_finding *f = shn_registry_at(reg, i);
    json_t *flags = json_array();
    if (f->flags & SHN_FINDING_UBIQUITOUS) json_array_append_new(flags, json_string("ubiquitous"));
    if (f->flags & SHN_FINDING_URGENT) json_array_append_new(flags, json_string("urgent"));
    if (f->flags & SHN_FINDING_CLINICAL) json_array_append_new(flags, json_string("clinical"));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s}", "id", f->id, "name_en", f->name_en, "name_ja",
                     f->name_ja, "synonyms_en", list_json(f->synonyms_en), "synonyms_ja", list_json(f->synonyms_ja), "criterion_en",
                     f->criterion_en, "criterion_ja", f->criterion_ja, "scp", f->scp, "snomed", list_json(f->snomed), "cinc",
                     list_json(f->cinc), "ludb", list_json(f->ludb), "parents", list_json(f->parents), "flags", flags, "ja_source",
                     f->ja_source);
}

/** Prints and releases a document with what every document has. */
static int print_document(const request *r, json_t *doc, int exit_code)
{
    json_t *head = json_pack("{s:i, s:b, s:s}", "schema_version", 1, "research_use_only", 1, "registry_version", shn_registry_version(r->reg));
    json_object_update(head, doc);
    json_dumpf(head, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(head);
    json_decref(doc);
    return exit_code;
}

static void print_finding(const shn_registry *reg, size_t i)
{
    const shn_finding *f = shn_registry_at(reg, i);
    printf("%-40s %s / %s", f->id, f->name_en, f->name_ja);
    if (*f->scp) printf("  scp %s", f->scp);
    if (*f->snomed) printf("  snomed %s", f->snomed);
    if (f->flags & SHN_FINDING_URGENT) printf("  urgent");
    putchar('\n');
}

/* ---- list, search */

static int show(const request *r, const size_t *which, size_t n)
{
    json_t *array = json_array();
    size_t  shown = 0;
    for (size_t k = 0; k < n; k++) {
        const size_t i = which ? which[k] : k;
        if (r->urgent && !(shn_registry_at(r->reg, i)->flags & SHN_FINDING_URGENT)) continue;
        shown++;
        if (r->json) json_array_append_new(array, finding_json(r->reg, i));
        else print_finding(r->reg, i);
    }
    if (r->json) return print_document(r, json_pack("{s:o}", "findings", array), shown ? CLI_DONE : CLI_FAILED);
    json_decref(array);
    if (shown == 0) fprintf(stderr, "shinden labels: no finding matches\n");
    return shown ? CLI_DONE : CLI_FAILED;
}

static int labels_list(const request *r) { return show(r, NULL, shn_registry_size(r->reg)); }

static int labels_search(const request *r)
{
    static size_t found[SHN_FINDINGS_MAX];
    if (r->n_words != 1) return cli_usage("labels", "search needs one text");
    return show(r, found, shn_registry_search(r->reg, r->words[0], found, SHN_FINDINGS_MAX));
}

/* ---- map */

static int labels_map(const request *r)
{
    int     failed = 0;
    json_t *array = json_array();
    if (r->coding < 0 || r->n_words == 0) {
        json_decref(array);
        return cli_usage("labels", "map needs --coding and at least one label");
    }
    for (int w = 0; w < r->n_words; w++) {
        const int f = shn_registry_map(r->reg, (shn_coding)r->coding, r->words[w]);
        failed |= f < 0;
        if (r->json)
            json_array_append_new(array, json_pack("{s:s, s:o}", "label", r->words[w], "finding",
                                                   f < 0 ? json_null() : finding_json(r->reg, (size_t)f)));
        else if (f < 0) printf("%-16s no finding\n", r->words[w]);
        else {
            const shn_finding *finding = shn_registry_at(r->reg, (size_t)f);
            printf("%-16s %s  %s / %s\n", r->words[w], finding->id, finding->name_en, finding->name_ja);
        }
    }
    if (r->json) return print_document(r, json_pack("{s:o}", "labels", array), failed ? CLI_FAILED : CLI_DONE);
    json_decref(array);
    return failed ? CLI_FAILED : CLI_DONE;
}

/* ---- check */

/** Adds one to counts[label]; labels come from a file, so jansson judges them as UTF-8 (the CSV reader has). */
static void count_label(json_t *counts, const char *label)
{
    const json_int_t before = json_integer_value(json_object_get(counts, label));
    json_object_set_new(counts, label, json_integer(before + 1));
}

/** 0 when out of memory. */
static int count_cell(const request *r, const char *cell, json_t *known, json_t *unknown)
{
    while (*cell) {
        const size_t n = strcspn(cell, r->split);
        char *label = shn_strndup(cell, n);
        if (!label) return 0;
        const char *start = label + strspn(label, " \t\r\n");
        const int   f = shn_registry_map(r->reg, (shn_coding)r->coding, start);
        if (f >= 0) count_label(known, shn_registry_at(r->reg, (size_t)f)->id);
        else if (*start) count_label(unknown, start);
        free(label);
        cell += n;
        cell += *cell != '\0';
    }
    return 1;
}

static int report_counts(const request *r, size_t n_rows, json_t *known, json_t *unknown)
{
    const char *key;
    json_t     *value;
    const int   code = json_object_size(unknown) ? CLI_FAILED : CLI_DONE;
    if (r->json)
        return print_document(r, json_pack("{s:I, s:O, s:O}", "n_rows", (json_int_t)n_rows, "known", known, "unknown", unknown), code);
    printf("%zu rows, %zu findings, %zu labels without a finding\n", n_rows, json_object_size(known), json_object_size(unknown));
    json_object_foreach(known, key, value) printf("%8lld  %s\n", (long long)json_integer_value(value), key);
    json_object_foreach(unknown, key, value) printf("%8lld  no finding for '%s'\n", (long long)json_integer_value(value), key);
    return code;
}

static int check_table(const request *r)
{
    shn_error err = { 0 };
    shn_csv  *csv;
    size_t    col;
    if (!r->column || r->coding < 0) return cli_usage("labels", "check --table needs --column and --coding");
    if (shn_csv_read(r->table, r->delimiter, &csv, &err) != SHN_OK) return cli_fail("labels", &err);
    if (shn_csv_need(csv, r->column, &col, &err) != SHN_OK) {
        shn_error_prefix(&err, "%s", r->table);
        shn_csv_free(csv);
        return cli_fail("labels", &err);
    }
    json_t *known = json_object(), *unknown = json_object();
    int     whole = known && unknown;
    for (size_t row = 0; whole && row < shn_csv_rows(csv); row++) whole = count_cell(r, shn_csv_cell(csv, row, col), known, unknown);
    if (!whole) shn_fail_nomem(&err, "labels.check");
    const int code = whole ? report_counts(r, shn_csv_rows(csv), known, unknown) : cli_fail("labels", &err);
    json_decref(known);
    json_decref(unknown);
    shn_csv_free(csv);
    return code;
}

static int labels_check(const request *r)
{
    shn_error     err = { 0 };
    shn_registry *reg;
    if (r->table) return check_table(r);
    if (r->n_words != 1) return cli_usage("labels", "check needs a registry file, or --table");
    if (shn_registry_read(r->words[0], &reg, &err) != SHN_OK) return cli_fail("labels", &err);
    size_t both = 0;
    for (size_t i = 0; i < shn_registry_size(reg); i++) both += shn_registry_find(shn_registry_builtin(), shn_registry_at(reg, i)->id) >= 0;
    request with = *r;
    with.reg = reg;
    int code = CLI_DONE;
    if (r->json)
        code = print_document(&with, json_pack("{s:I, s:I}", "n_findings", (json_int_t)shn_registry_size(reg), "n_ids_of_built_in", (json_int_t)both), code);
    else
        printf("%s: %zu findings, version %s; %zu of their ids are also in the built-in registry\n", r->words[0], shn_registry_size(reg),
               shn_registry_version(reg), both);
    shn_registry_free(reg);
    return code;
}

/* ---- command line */

static int parse_options(int argc, char **argv, request *r)
{
    static const struct option options[] = {
        { "registry", required_argument, NULL, 'r' }, { "table", required_argument, NULL, 't' },  { "column", required_argument, NULL, 'c' },
        { "coding", required_argument, NULL, 'k' },   { "split", required_argument, NULL, 's' },  { "delimiter", required_argument, NULL, 'd' },
        { "json", no_argument, NULL, 'j' },           { "urgent", no_argument, NULL, 'u' },       { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'r': r->registry_path = optarg; break;
        case 't': r->table = optarg; break;
        case 'c': r->column = optarg; break;
        case 's': r->split = optarg; break;
        case 'j': r->json = 1; break;
        case 'u': r->urgent = 1; break;
        case 'd': r->delimiter = strcmp(optarg, "tab") == 0 ? '\t' : *optarg; break;
        case 'k':
            r->coding = shn_coding_from_name(optarg);
            if (r->coding < 0) return cli_usage("labels", "--coding %s: use id, scp, snomed, cinc or ludb", optarg);
            break;
        case 'h': fputs(help, stdout); return -1;
        default: return cli_usage("labels", "%s: unknown flag, or its value is missing", argv[optind - 1]);
        }
    }
    r->words = argv + optind;
    r->n_words = argc - optind;
    return CLI_DONE;
}

int verb_labels(int argc, char **argv)
{
    static const struct { const char *name; int (*run)(const request *); } subs[] = {
        { "list", labels_list }, { "search", labels_search }, { "map", labels_map }, { "check", labels_check },
    };
    request       r = { .split = ";", .delimiter = ',', .coding = -1 };
    shn_error     err = { 0 };
    shn_registry *mine = NULL;
    const int     parsed = parse_options(argc, argv, &r);
    if (parsed != CLI_DONE) return parsed < 0 ? CLI_DONE : parsed;
    if (r.n_words == 0) return cli_usage("labels", "say list, search, map or check");
    const char *sub = *r.words++;
    r.n_words--;
    if (r.registry_path && shn_registry_read(r.registry_path, &mine, &err) != SHN_OK) return cli_fail("labels", &err);
    r.reg = mine ? mine : shn_registry_builtin();
    int code = -1;
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++)
        if (strcmp(subs[i].name, sub) == 0) code = subs[i].run(&r);
    shn_registry_free(mine);
    return code < 0 ? cli_usage("labels", "no '%s'; say list, search, map or check", sub) : code;
}
