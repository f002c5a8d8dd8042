/** shinden import: packs labelled collections into one cohort file. */
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "cli/record_flags.h"
#include "shinden/import.h"

cli_verb verb_import;

static const char help[] =
    "usage: shinden import [DIR ...] [--preset NAME DIR ...] [--map FILE.yaml [DIR] ...] -o COHORT.h5 [options]\n\n"
    "Packs labelled ECG collections into one cohort file, which training and evaluation read. Killed at any moment and run\n"
    "again with the same arguments, it goes on and ends with the same data. COHORT.h5.manifest.csv has a line for every\n"
    "record with what became of it and why.\n\n"
    "  DIR                   ECG files of any format, mixed or not, without a table: labels only where the files carry codes\n"
    "  --preset NAME DIR     a known layout: ptbxl cinc2021 ludb brugada code15 mitdb ptbxl-original challenge files\n"
    "  --map FILE.yaml [DIR] a layout of your own (docs/mapping.md); DIR is the mapping's folder unless given\n"
    "  -o COHORT.h5          where to\n"
    "  --fs HZ               resample all records to this rate; without it all must have the same\n"
    "  --seconds S           length of a record (10); longer ones give their central part, shorter ones end in gaps\n"
    "  --windows all         longer records give consecutive windows instead\n"
    "  --allow-upsampling    --fs may be above a record's own rate\n"
    "  --allow-missing-leads a lead that is neither there nor derivable becomes a gap\n"
    "  --allow-patient-overlap  a patient may be in two splits\n"
    "  --min-seconds S       shorter records are refused (5)\n"
    "  --assume-unit U       for files that name no unit: nV, uV, mV, V, or the millivolts of one step\n"
    "  --highpass HZ, --lowpass HZ, --remove-baseline   filters (off)\n"
    "  --registry FILE.csv   findings of your own instead of the built-in table; +FILE.csv: beside it (docs/findings.md)\n"
    "  --simulated           marks the cohort as simulated\n"
    "  --threads N           one per core unless given\n"
    "  --json                the summary for programs\n\n"
    "example: shinden import --preset ptbxl ../shared/data/ptbxl --preset ludb ../shared/data/ludb -o cohort.h5 --fs 100\n";

enum { O_PRESET = 1000, O_MAP, O_FS, O_SECONDS, O_WINDOWS, O_UP, O_MISSING, O_OVERLAP, O_MIN, O_UNIT, O_HIGH, O_LOW, O_BASELINE,
       O_REGISTRY, O_SIMULATED, O_THREADS, O_JSON, O_HELP };

typedef struct request {
    shn_collection     collections[SHN_COLLECTIONS_MAX];
    size_t             n;
    const char        *out;
    shn_import_options options;
    int                json;
} request;

/** The next word if it is not a flag; it belongs to the flag before. */
static const char *next_word(int argc, char **argv)
{
    return optind < argc && argv[optind][0] != '-' ? argv[optind++] : NULL;
}

static int add_collection(request *r, const char *preset, const char *map, const char *folder)
{
    if (r->n == SHN_COLLECTIONS_MAX) return cli_usage("import", "more than %d collections", SHN_COLLECTIONS_MAX);
    if (preset && !folder) return cli_usage("import", "--preset %s needs the folder of the collection", preset);
    r->collections[r->n++] = (shn_collection){ .preset = preset, .map_path = map, .folder = folder };
    return CLI_DONE;
}

static int take_number(const char *flag, double low, double high, double *out)
{
    return cli_number("import", flag, optarg, low, high, out) ? CLI_DONE : CLI_USAGE;
}

static int take_option(request *r, int option, int argc, char **argv)
{
    shn_import_options *o = &r->options;
    uint64_t threads;
    switch (option) {
    case O_PRESET: return add_collection(r, optarg, NULL, next_word(argc, argv));
    case O_MAP: return add_collection(r, NULL, optarg, next_word(argc, argv));
    case 'o': r->out = optarg; return CLI_DONE;
    case O_FS: return take_number("--fs", 10, 10000, &o->signal.fs_hz);
    case O_SECONDS: return take_number("--seconds", 0.1, 86400, &o->seconds);
    case O_MIN: return take_number("--min-seconds", 0, 86400, &o->signal.min_seconds);
    case O_UNIT:
        o->signal.assume_mv_per_unit = record_flags_unit("import", optarg);
        return o->signal.assume_mv_per_unit > 0 ? CLI_DONE : CLI_USAGE;
    case O_HIGH: return take_number("--highpass", 0, 5000, &o->signal.highpass_hz);
    case O_LOW: return take_number("--lowpass", 0, 5000, &o->signal.lowpass_hz);
    case O_WINDOWS:
        if (strcmp(optarg, "all") != 0) return cli_usage("import", "--windows takes 'all'");
        o->windows_all = 1;
        return CLI_DONE;
    case O_UP: o->signal.allow_upsampling = 1; return CLI_DONE;
    case O_MISSING: o->signal.allow_missing_leads = 1; return CLI_DONE;
    case O_OVERLAP: o->allow_patient_overlap = 1; return CLI_DONE;
    case O_BASELINE: o->signal.remove_baseline = 1; return CLI_DONE;
    case O_REGISTRY: o->registry_path = optarg; return CLI_DONE;
    case O_SIMULATED: o->simulated = 1; return CLI_DONE;
    case O_JSON: r->json = 1; return CLI_DONE;
    case O_THREADS:
        if (!cli_count("import", "--threads", optarg, 1, 256, &threads)) return CLI_USAGE;
        o->n_threads = (unsigned)threads;
        return CLI_DONE;
    case O_HELP: fputs(help, stdout); return -1;
    default: return cli_usage("import", "unknown flag or a value is missing: '%s'", argv[optind - 1]);
    }
}

/** CLI_DONE to go on, -1 when help was printed, else an exit code. */
static int parse(request *r, int argc, char **argv)
{
    static const struct option flags[] = {
        { "preset", 1, NULL, O_PRESET },      { "map", 1, NULL, O_MAP },         { "fs", 1, NULL, O_FS },
        { "seconds", 1, NULL, O_SECONDS },    { "windows", 1, NULL, O_WINDOWS }, { "allow-upsampling", 0, NULL, O_UP },
        { "allow-missing-leads", 0, NULL, O_MISSING }, { "allow-patient-overlap", 0, NULL, O_OVERLAP },
        { "min-seconds", 1, NULL, O_MIN },    { "assume-unit", 1, NULL, O_UNIT }, { "highpass", 1, NULL, O_HIGH },
        { "lowpass", 1, NULL, O_LOW },        { "remove-baseline", 0, NULL, O_BASELINE }, { "registry", 1, NULL, O_REGISTRY },
        { "simulated", 0, NULL, O_SIMULATED }, { "threads", 1, NULL, O_THREADS }, { "json", 0, NULL, O_JSON },
        { "help", 0, NULL, O_HELP },          { NULL, 0, NULL, 0 } };
    int option;
    opterr = 0;
    optind = 0;                                 /* GNU: forget what an earlier reading of a command line left (shinden convert calls this verb) */
    while (optind < argc) {
        if ((option = getopt_long(argc, argv, "+o:", flags, NULL)) == -1) {
            if (optind == argc) break;
            const int code = add_collection(r, "files", NULL, argv[optind++]);
            if (code != CLI_DONE) return code;
            continue;
        }
        const int code = take_option(r, option, argc, argv);
        if (code != CLI_DONE) return code;
    }
    if (r->n == 0) return cli_usage("import", "name a folder, or a collection with --preset or --map");
    if (!r->out) return cli_usage("import", "name the cohort with -o");
    return CLI_DONE;
}

/** The command as typed, for the cohort's attribute; the caller frees. */
static char *join_command(int argc, char **argv)
{
    size_t n = sizeof "shinden";
    for (int i = 0; i < argc; i++) n += strlen(argv[i]) + 1;
    char *text = shn_alloc(n, 1);
    if (!text) return NULL;
    strcpy(text, "shinden");
    for (int i = 0; i < argc; i++) {
        strcat(text, " ");
        strcat(text, argv[i]);
    }
    return text;
}

static void print_text(const request *r, const shn_import_summary *s)
{
    printf("%s: %zu found, %zu kept, %zu refused; %zu patients, %zu findings, %zu samples at %g Hz; %.1f s\n", r->out, s->n_found, s->n_kept,
           s->n_refused, s->n_patients, s->n_findings, s->n_samples, s->fs_hz, s->seconds);
    if (s->n_resumed) printf("  %zu of them were finished by an earlier run\n", s->n_resumed);
    for (size_t i = 0; i < s->n_splits; i++) printf("  %-20s %-8s %zu\n", s->splits[i].source, s->splits[i].name, s->splits[i].n);
    for (size_t i = 0; i < SHN_REASON_COUNT; i++)
        if (s->refused[i]) printf("  refused: %-20s %zu\n", shn_reason_name((shn_reason)i), s->refused[i]);
    if (s->n_unknown) printf("  labels that the registry does not know (%zu occurrences):\n", s->n_labels_unknown);
    for (size_t i = 0; i < s->n_unknown; i++) printf("    %-20s %-40s %zu\n", s->unknown[i].source, s->unknown[i].name, s->unknown[i].n);
    printf("  every record: %s.manifest.csv\n", r->out);
}

static json_t *counts_json(const shn_import_count *counts, size_t n, const char *name)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:I}", "source", counts[i].source, name, counts[i].name, "n", (json_int_t)counts[i].n));
    return array;
}

static void print_json(const request *r, const shn_import_summary *s)
{
    char    manifest[4200];
    json_t *refused = json_object();
    snprintf(manifest, sizeof manifest, "%s.manifest.csv", r->out);
    for (size_t i = 0; i < SHN_REASON_COUNT; i++)
        if (s->refused[i]) json_object_set_new(refused, shn_reason_name((shn_reason)i), json_integer((json_int_t)s->refused[i]));
    json_t *doc = json_pack("{s:i, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o}", "schema_version", 1, "research_use_only", 1,
                            "cohort", r->out, "manifest", manifest, "n_found", (json_int_t)s->n_found, "n_kept", (json_int_t)s->n_kept, "n_refused",
                            (json_int_t)s->n_refused, "n_resumed", (json_int_t)s->n_resumed, "n_patients", (json_int_t)s->n_patients, "n_findings",
                            (json_int_t)s->n_findings, "n_samples", (json_int_t)s->n_samples, "fs_hz", s->fs_hz, "seconds", s->seconds, "refused",
                            refused, "splits", counts_json(s->splits, s->n_splits, "split"), "unknown_labels", counts_json(s->unknown, s->n_unknown, "label"));
    json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(doc);
}

int verb_import(int argc, char **argv)
{
    static request     r;
    shn_import_summary summary;
    shn_error          err;
    shn_import_defaults(&r.options);
    const int code = parse(&r, argc, argv);
    if (code != CLI_DONE) return code == -1 ? CLI_DONE : code;
    char *command = join_command(argc, argv);
    r.options.command = command;
    r.options.watcher = cli_watcher();
    signal(SIGXFSZ, SIG_IGN);                   /* a file size limit then shows as a failed write, with a message */
    const shn_status st = shn_import(r.collections, r.n, r.out, &r.options, &summary, &err);
    cli_progress_end();
    if (st == SHN_OK && r.json) print_json(&r, &summary);
    else if (st == SHN_OK) print_text(&r, &summary);
    shn_import_summary_free(&summary);
    free(command);
    return st == SHN_OK ? CLI_DONE : cli_fail("import", &err);
}
