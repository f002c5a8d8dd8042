/** shinden labels: looks into the finding registry, and asks it about the labels of a table before an import does. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/labels_request.h"

cli_verb verb_labels;

static const char help[] =
    "usage: shinden labels list [--urgent] [--unchecked] [--registry FILE] [--json]\n"
    "       shinden labels search TEXT [--registry FILE] [--json]\n"
    "       shinden labels map --coding NAME LABEL... [--registry FILE] [--json]\n"
    "       shinden labels check [REGISTRY.csv] [--data DIR] [--json]\n"
    "       shinden labels check --table FILE.csv --column NAME|--columns A,B,... --coding NAME [--split CHARS] [--delimiter C] [--json]\n\n"
    "The finding registry: ids, English and Japanese names, codes. 'search' takes a name in either language or any code; 'map' says which\n"
    "finding a source's label is. 'check' proves that a registry (the built-in one unless a file is named) is sound: ids and codes unique and\n"
    "well formed, both languages, parents there and without circles; with --data also what it makes of the data sets in a folder, and with\n"
    "--table of one table. A fault, a label that no finding stands for, or a record that cannot be read ends in exit code 1.\n\n"
    "  --coding NAME     id, scp (PTB-XL), snomed, cinc (Challenge abbreviations), ludb, minnesota, code15, mitdb_rhythm, mitdb_beat\n"
    "  --registry FILE   a table of your own instead of the built-in one; +FILE: its rows beside the built-in ones (docs/findings.md)\n"
    "  --data DIR        a folder with sets in ptbxl/ cinc2021/ ludb/ brugada_huca/ code15/ mitdb/ formats/: every label, mapped or counted\n"
    "  --column NAME     cells hold codes; --columns A,B: one column of yes and no for each code\n"
    "  --split CHARS     what separates several labels in one cell (';')\n"
    "  --delimiter C     what separates the table's columns: ',' ';' or tab (',')\n"
    "  --urgent          only findings that must not be missed\n"
    "  --unchecked       only findings whose Japanese name nobody has checked\n"
    "  --json            for programs\n\n"
    "example: shinden labels map --coding scp AFIB LAFB\n"
    "         shinden labels check --data ../shared/data\n";

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
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:s}", "id", f->id, "name_en", f->name_en, "name_ja", f->name_ja, "synonyms_en",
                          list_json(f->synonyms_en), "synonyms_ja", list_json(f->synonyms_ja), "criterion_en", f->criterion_en, "criterion_ja", f->criterion_ja,
                          "parents", list_json(f->parents), "flags", flags, "ja_source", f->ja_source);
    for (int c = 0; c < SHN_CODE_COUNT; c++) {
        const char *codes = shn_registry_codes(reg, (shn_coding)c, i);
        if (c != SHN_CODE_ID) json_object_set_new(o, shn_coding_name((shn_coding)c), c == SHN_CODE_SCP ? json_string(codes) : list_json(codes));
    }
    return o;
}

int labels_print(const labels_request *r, json_t *doc, int exit_code)
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

static int show(const labels_request *r, const size_t *which, size_t n)
{
    json_t *array = json_array();
    size_t  shown = 0;
    for (size_t k = 0; k < n; k++) {
        const size_t i = which ? which[k] : k;
        const shn_finding *f = shn_registry_at(r->reg, i);
        if (r->urgent && !(f->flags & SHN_FINDING_URGENT)) continue;
        if (r->unchecked && (strcmp(f->ja_source, "vocabulary") == 0 || strcmp(f->ja_source, "disease_names") == 0)) continue;
        shown++;
        if (r->json) json_array_append_new(array, finding_json(r->reg, i));
        else print_finding(r->reg, i);
    }
    if (r->json) return labels_print(r, json_pack("{s:o}", "findings", array), shown ? CLI_DONE : CLI_FAILED);
    json_decref(array);
    if (shown == 0) fprintf(stderr, "shinden labels: no finding matches\n");
    return shown ? CLI_DONE : CLI_FAILED;
}

static int labels_list(const labels_request *r)
{
    if (r->n_words) return cli_usage("labels", "list takes no '%s'; labels search looks for a text", r->words[0]);
    return show(r, NULL, shn_registry_size(r->reg));
}

static int labels_search(const labels_request *r)
{
    static size_t found[SHN_FINDINGS_MAX];
    if (r->n_words != 1) return cli_usage("labels", "search needs one text");
    return show(r, found, shn_registry_search(r->reg, r->words[0], found, SHN_FINDINGS_MAX));
}

/* ---- map */

static int labels_map(const labels_request *r)
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
    if (r->json) return labels_print(r, json_pack("{s:o}", "labels", array), failed ? CLI_FAILED : CLI_DONE);
    json_decref(array);
    return failed ? CLI_FAILED : CLI_DONE;
}

/* ---- command line */

static int parse_options(int argc, char **argv, labels_request *r)
{
    static const struct option options[] = {
        { "registry", required_argument, NULL, 'r' }, { "table", required_argument, NULL, 't' },  { "column", required_argument, NULL, 'c' },
        { "coding", required_argument, NULL, 'k' },   { "split", required_argument, NULL, 's' },  { "delimiter", required_argument, NULL, 'd' },
        { "json", no_argument, NULL, 'j' },           { "urgent", no_argument, NULL, 'u' },       { "unchecked", no_argument, NULL, 'n' },
        { "data", required_argument, NULL, 'D' },     { "columns", required_argument, NULL, 'C' },  { "help", no_argument, NULL, 'h' },
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
        case 'n': r->unchecked = 1; break;
        case 'D': r->data = optarg; break;
        case 'C': r->columns = optarg; break;
        case 'd': r->delimiter = strcmp(optarg, "tab") == 0 ? '\t' : *optarg; break;
        case 'k':
            r->coding = shn_coding_from_name(optarg);
            if (r->coding < 0) return cli_usage("labels", "--coding %s: use one of %s", optarg, shn_coding_names());
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
    static const struct { const char *name; int (*run)(const labels_request *); } subs[] = {
        { "list", labels_list }, { "search", labels_search }, { "map", labels_map }, { "check", labels_check },
    };
    labels_request r = { .split = ";", .delimiter = ',', .coding = -1 };
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
