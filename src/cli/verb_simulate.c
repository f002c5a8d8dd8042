/** shinden simulate: writes a folder of simulated ECGs with labels and true numbers. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "shinden/simulate.h"

cli_verb verb_simulate;

static const char help[] =
    "usage: shinden simulate -n N [--seed S] -o DIR [--fs HZ] [--seconds S] [--records-per-patient N] [--noise X]\n"
    "                        [--split NAME] [--threads N] [--json]\n\n"
    "Writes N 12-lead ECGs of a dipole model as WFDB records, with labels.csv (findings and true rate, PR, QRS, QT, axis),\n"
    "findings.csv (their names in English and Japanese) and mapping.yaml for 'shinden import --map'. The records are SIMULATED:\n"
    "good for trying and testing programs, no evidence about the ECGs of patients.\n\n"
    "  -n, --number N             records (1000)\n"
    "  -o, --output DIR           folder, made if need be\n"
    "  --seed S                   one seed, one collection; another seed, other patients (1)\n"
    "  --fs HZ                    sampling rate, 50 to 2000 (500)\n"
    "  --seconds S                length, 5 to 600 (10)\n"
    "  --records-per-patient N    consecutive records of one patient (1)\n"
    "  --noise X                  scale of noise, mains, muscle and wander; 0 is clean (1)\n"
    "  --split NAME               puts every record into this split (default: 80/10/10 by patient)\n"
    "  --threads N                0: one per core (0)\n"
    "  --json                     for programs\n\n"
    "example: shinden simulate -n 2000 --seed 1 --fs 100 -o simulated\n"
    "         shinden import --map simulated/mapping.yaml simulated -o simulated.h5\n";

typedef struct request { shn_simulate_options options; const char *folder, *split; int json; } request;

/* One flag; returns 0 after a usage error. */
static int take_flag(request *r, int flag)
{
    static const char verb[] = "simulate";
    uint64_t          n = 0;
    int               good = 1;
    switch (flag) {
    case 'n':
        good = cli_count(verb, "-n", optarg, 1, 999999, &n);
        r->options.n_records = (uint32_t)n;
        break;
    case 'o': r->folder = optarg; break;
    case 's': good = cli_count(verb, "--seed", optarg, 0, UINT64_MAX, &r->options.seed); break;
    case 'f': good = cli_number(verb, "--fs", optarg, 50, 2000, &r->options.fs_hz); break;
    case 'l': good = cli_number(verb, "--seconds", optarg, 5, 600, &r->options.seconds); break;
    case 'p':
        good = cli_count(verb, "--records-per-patient", optarg, 1, 999999, &n);
        r->options.records_per_patient = (uint32_t)n;
        break;
    case 'x': good = cli_number(verb, "--noise", optarg, 0, 20, &r->options.noise); break;
    case 't':
        good = cli_count(verb, "--threads", optarg, 0, 256, &n);
        r->options.n_threads = (unsigned)n;
        break;
    case 'd': r->split = optarg; break;
    case 'j': r->json = 1; break;
    default: cli_usage(verb, "unknown flag or missing value"); return 0;
    }
    return good;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int print_result(const request *r, double seconds)
{
    if (!r->json) {
        printf("%" PRIu32 " SIMULATED records in %s (%.0f records/s); not recordings of persons\n", r->options.n_records, r->folder,
               r->options.n_records / seconds);
        return CLI_DONE;
    }
    json_t *doc = json_pack("{s:i, s:b, s:b, s:s, s:I, s:I, s:f}", "schema_version", 1, "research_use_only", 1, "simulated", 1, "folder",
                            r->folder, "n_records", (json_int_t)r->options.n_records, "seed", (json_int_t)r->options.seed, "records_per_s",
                            r->options.n_records / seconds);
    const int failed = !doc || json_dumpf(doc, stdout, JSON_INDENT(2)) != 0;
    json_decref(doc);
    puts("");
    return failed ? CLI_FAILED : CLI_DONE;
}

int verb_simulate(int argc, char **argv)
{
    static const struct option flags[] = {
        { "number", required_argument, NULL, 'n' },  { "output", required_argument, NULL, 'o' }, { "seed", required_argument, NULL, 's' },
        { "fs", required_argument, NULL, 'f' },      { "seconds", required_argument, NULL, 'l' },
        { "records-per-patient", required_argument, NULL, 'p' }, { "noise", required_argument, NULL, 'x' },
        { "threads", required_argument, NULL, 't' }, { "split", required_argument, NULL, 'd' },  { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    request   r = { 0 };
    shn_error err;
    shn_simulate_defaults(&r.options);
    opterr = 0;
    for (int flag; (flag = getopt_long(argc, argv, "n:o:", flags, NULL)) != -1;) {
        if (flag == 'h') {
            fputs(help, stdout);
            return CLI_DONE;
        }
        if (!take_flag(&r, flag)) return CLI_USAGE;
    }
    if (optind < argc) return cli_usage("simulate", "'%s' is not a flag", argv[optind]);
    if (!r.folder) return cli_usage("simulate", "needs -o DIR");
    r.options.watcher = cli_watcher();
    const double started = now_s();
    if (shn_simulate_write(&r.options, r.split, r.folder, &err) != SHN_OK) return cli_fail("simulate", &err);
    cli_progress_end();
    return print_result(&r, now_s() - started);
}
