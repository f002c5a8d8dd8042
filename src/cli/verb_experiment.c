/** shinden experiment: a grid of trainings from one config, and one report with a verdict for each claim. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/json_text.h"
#include "shinden/experiment.h"

static void help(void)
{
    puts("usage: shinden experiment CONFIG.yaml -o FOLDER [options]\n\n"
         "  Makes the cohorts, trains every system with every seed (one thread a run, as many runs as cores), judges them on the splits that the config\n"
         "  names, and writes FOLDER/report: report.html, results.md, results.json, tables as CSV and LaTeX, figures and example cases as SVG, and for each\n"
         "  claim its verdict: supported, not supported, or undecided on this data. Stopped at any moment, the same command goes on; finished runs are not repeated.\n\n"
         "  --data DIR               folder that ${data} stands for in the config (or $SHINDEN_DATA)\n"
         "  --workers N              runs at a time (one per core)\n"
         "  --results FILE           a copy of report/results.md, such as docs/results.md\n"
         "  --plan                   makes the cohorts, says how many runs there are and how many are finished, trains nothing\n"
         "  --json                   the summary for programs\n\n"
         "example: shinden experiment configs/losses.yaml --data ../shared/data -o losses");
}

static int print_summary(const char *folder, const shn_experiment_summary *s, int plan_only, int json)
{
    if (json)
        return cli_json_print(json_pack("{s:i, s:b, s:o, s:I, s:I, s:I, s:I}", "schema_version", 1, "research_use_only", 1, "folder", cli_json_text(folder), "n_systems",
                                        (json_int_t)s->n_systems, "n_runs", (json_int_t)s->n_runs, "n_finished", (json_int_t)s->n_finished, "n_claims",
                                        (json_int_t)s->n_claims), JSON_INDENT(2)) == 0 ? CLI_DONE : CLI_FAILED;
    printf("%zu systems, %zu runs, %zu finished, %zu claims\n", s->n_systems, s->n_runs, s->n_finished, s->n_claims);
    if (!plan_only) printf("report: %s/report/report.html\n", folder);
    return CLI_DONE;
}

cli_verb verb_experiment;
int verb_experiment(int argc, char **argv)
{
    static const struct option longs[] = {
        { "data", required_argument, NULL, 'd' }, { "workers", required_argument, NULL, 'w' }, { "results", required_argument, NULL, 'r' }, { "plan", no_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },       { "out", required_argument, NULL, 'o' },     { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
    };
    shn_experiment_options options;
    shn_experiment_summary summary;
    const char *out = NULL;
    uint64_t    workers;
    int         json = 0;
    shn_error   err = { .status = SHN_OK };
    shn_experiment_defaults(&options);
    options.data = getenv("SHINDEN_DATA");
    options.watcher = cli_watcher();
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        switch (o) {
        case 'd': options.data = optarg; break;
        case 'w':
            if (!cli_count("experiment", "--workers", optarg, 1, 256, &workers)) return CLI_USAGE;
            options.n_workers = (unsigned)workers;
            break;
        case 'r': options.results_path = optarg; break;
        case 'p': options.plan_only = 1; break;
        case 'j': json = 1; break;
        case 'o': out = optarg; break;
        case 'h': help(); return CLI_DONE;
        default: return cli_usage("experiment", "unknown or incomplete option");
        }
    }
    if (optind != argc - 1 || !out) return cli_usage("experiment", "needs CONFIG.yaml and -o FOLDER");
    if (options.plan_only && options.results_path) return cli_usage("experiment", "--plan judges nothing, so there are no --results to write");
    const shn_status st = shn_experiment(argv[optind], out, &options, &summary, &err);
    cli_progress_end();
    return st == SHN_OK ? print_summary(out, &summary, options.plan_only, json) : cli_fail("experiment", &err);
}
