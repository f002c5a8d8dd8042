/** shinden fetch: a slice of PTB-XL for whoever has no ECGs at hand. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "shinden/fetch.h"

cli_verb verb_fetch;

static const char help[] =
    "usage: shinden fetch [ptbxl] [-o DIR] [--records N|all] [--jobs N] [--base-url URL] [--json]\n\n"
    "Downloads a slice of PTB-XL 1.0.3 (12 leads, 10 s, 100 Hz; CC BY 4.0) from PhysioNet: a tenth of N from each of its ten\n"
    "folds, lowest ecg_id first. Every file is checked against the publisher's SHA-256; stopped at any moment, the same\n"
    "command goes on where it was.\n\n"
    "  -o, --output DIR   where to (ptb-xl-1.0.3)\n"
    "  --records N|all    how many records (2000, about 50 MB; all is 21,799, about 600 MB)\n"
    "  --jobs N           downloads at a time (8)\n"
    "  --base-url URL     a mirror; the environment's SHINDEN_FETCH_URL does the same\n"
    "  --json             for programs\n\n"
    "example: shinden fetch --records 2000 -o ptb-xl-1.0.3\n"
    "         shinden import --preset ptbxl-original ptb-xl-1.0.3 -o cohort.h5\n";

static int parse(int argc, char **argv, shn_fetch_options *o, const char **folder, int *json)
{
    static const struct option options[] = {
        { "output", required_argument, NULL, 'o' }, { "records", required_argument, NULL, 'n' }, { "jobs", required_argument, NULL, 'j' },
        { "base-url", required_argument, NULL, 'b' }, { "json", no_argument, NULL, 'J' },        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t n;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        switch (c) {
        case 'o': *folder = optarg; break;
        case 'b': o->base_url = optarg; break;
        case 'J': *json = 1; break;
        case 'n':
            if (strcmp(optarg, "all") == 0) n = 0;
            else if (!cli_count("fetch", "--records", optarg, 1, SHN_FETCH_RECORDS_MAX, &n)) return CLI_USAGE;
            o->n_records = (uint32_t)n;
            break;
        case 'j':
            if (!cli_count("fetch", "--jobs", optarg, 1, SHN_FETCH_JOBS_MAX, &n)) return CLI_USAGE;
            o->n_jobs = (uint32_t)n;
            break;
        case 'h': fputs(help, stdout); return -1;
        default: return cli_usage("fetch", "%s: unknown flag, or its value is missing", argv[optind - 1]);
        }
    }
    if (argc - optind > 1 || (argc - optind == 1 && strcmp(argv[optind], "ptbxl") != 0))
        return cli_usage("fetch", "'%s': the only set it fetches is ptbxl", argv[optind]);
    return CLI_DONE;
}

static void print_json(const char *folder, const shn_fetch_options *o, const shn_fetch_summary *s)
{
    json_t *doc = json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "schema_version", 1, "research_use_only", 1, "set", "ptbxl",
                            "folder", folder, "base_url", o->base_url, "licence", shn_fetch_licence(), "n_records", (json_int_t)s->n_records,
                            "n_files", (json_int_t)s->n_files, "n_present", (json_int_t)s->n_present, "n_resumed", (json_int_t)s->n_resumed,
                            "n_bytes", (json_int_t)s->n_bytes);
    json_dumpf(doc, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(doc);
}

int verb_fetch(int argc, char **argv)
{
    shn_fetch_options o;
    shn_fetch_summary s;
    shn_error         err = { 0 };
    const char       *folder = "ptb-xl-1.0.3", *from_user = getenv("SHINDEN_FETCH_URL");
    int               json = 0;
    shn_fetch_defaults(&o);
    o.base_url = from_user && *from_user ? from_user : SHN_FETCH_URL;
    const int parsed = parse(argc, argv, &o, &folder, &json);
    if (parsed != CLI_DONE) return parsed < 0 ? CLI_DONE : parsed;
    o.watcher = cli_watcher();
    /* the licence comes first, whatever happens then; with --json it is part of the document, and for people on stderr */
    fprintf(json ? stderr : stdout, "%s\nfrom %s into %s\n", shn_fetch_licence(), o.base_url, folder);
    fflush(stdout);
    if (shn_fetch_ptbxl(folder, &o, &s, &err) != SHN_OK) return cli_fail("fetch", &err);
    cli_progress_end();
    if (json) print_json(folder, &o, &s);
    else
        printf("%" PRIu32 " records in %s: %" PRIu32 " files sound, %" PRIu32 " of them were there; %.1f MB downloaded\n"
               "next: shinden import --preset ptbxl-original %s -o cohort.h5\n",
               s.n_records, folder, s.n_files, s.n_present, 1e-6 * (double)s.n_bytes, folder);
    return CLI_DONE;
}
