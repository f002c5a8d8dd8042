/** `shinden bench`: what this machine does with the library, beside what the machine could do and what a peer does. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "base/threads.h"
#include "cli/bench_rows.h"
#include "cli/cli.h"
#include "compute/conv.h"

static const char help[] =
    "usage: shinden bench [--json] [--quick] [--only WORD] [--threads N] [--isa base|avx2|avx512|amx] [--winograd N] [--peer COMMAND]\n"
    "       shinden bench --explain [--json] [--isa NAME] [--winograd N]\n\n"
    "Times the encoder (random data, medians) beside the machine's sustained peak and memory bandwidth, measured in the\n"
    "same run. A latency is in ms, everything else is a rate.\n\n"
    "  --json          rows[] {name value spread unit isa precision threads peer peer_version ratio peak_fraction bandwidth_fraction}\n"
    "  --quick         some rows, seconds instead of minutes\n"
    "  --only WORD     rows whose name holds WORD\n"
    "  --threads N     all of the cores by default\n"
    "  --isa NAME      at most these instructions\n"
    "  --winograd N    at most N outputs in a Winograd tile: 6 (default), 4, 2 (as exact as direct convolution), 0 (direct)\n"
    "  --explain       which kernels run each convolution in f32, and nothing is timed\n"
    "  --peer COMMAND  run after each of our rows as `COMMAND --threads N --rows NAME`; its best line of JSON gives the ratio\n\n"
    "example: shinden bench --json --peer 'python3 bench/peers/torch_resnet1d.py' > bench.json\n";

void bench_fill(float *p, size_t n, uint64_t seed)
{
    shn_rng r = shn_rng_stream(seed, 0, 0, 0);
    for (size_t i = 0; i < n; i++) p[i] = (float)shn_rng_normal(&r);
}

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_thread_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *times, size_t n, double *spread)
{
    qsort(times, n, sizeof *times, ascending);
    *spread = (times[3 * (n - 1) / 4] - times[(n - 1) / 4]) / 2 / times[n / 2];
    return n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
}

shn_status bench_add(bench_run *run, const bench_row *row, shn_error *err)
{
    if (shn_grow(&run->rows, &run->capacity, run->n + 1, sizeof *run->rows) != 0) return shn_fail_nomem(err, "bench");
    run->rows[run->n++] = *row;
    return SHN_OK;
}

int bench_wants(const bench_run *run, const char *name) { return !run->only || strstr(name, run->only) != NULL; }

shn_status bench_tell(const bench_run *run, const char *what, shn_error *err)
{
    const shn_progress p = { .what = what, .done = run->n, .unit = "rows" };
    if (run->watcher.fn && run->watcher.fn(run->watcher.context, &p) != 0)
        return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "bench", "stopped");
    return SHN_OK;
}

/** Takes over a line of the peer's output if it is this row's fastest yet. */
static void take_peer_line(const char *line, bench_row *row, double *best)
{
    json_t     *o = json_loads(line, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name")), *peer = json_string_value(json_object_get(o, "peer"));
    const char *version = json_string_value(json_object_get(o, "peer_version"));
    const double value = json_number_value(json_object_get(o, "value"));
    if (name && peer && strncmp(name, row->name, strlen(name)) == 0 && value > *best) {
        *best = value;
        snprintf(row->peer, sizeof row->peer, "%s", peer);
        snprintf(row->peer_version, sizeof row->peer_version, "%s", version ? version : "");
        row->ratio = row->value / value;
    }
    json_decref(o);
}

shn_status bench_against_peer(const bench_run *run, const char *asked, bench_row *row, shn_error *err)
{
    char   command[4096], line[4096];
    double best = 0;
    if (!run->peer) return SHN_OK;
    snprintf(command, sizeof command, "%s --threads %u --rows %s%s", run->peer, row->threads, asked, run->quick ? " --seconds 2" : "");
    fflush(NULL);
    FILE *pipe = popen(command, "r");
    if (!pipe) return shn_fail_errno(err, errno, "bench.peer", run->peer);
    while (fgets(line, sizeof line, pipe)) take_peer_line(line, row, &best);
    const int status = pclose(pipe);
    if (status != 0 || best == 0)
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "bench.peer", "'%s' %s; run it alone to see why", command,
                        status ? "failed" : "gave no row of this name");
    return SHN_OK;
}

static json_t *number_or_null(double v) { return isfinite(v) ? json_real(v) : json_null(); }
static json_t *word_or_null(const char *s) { return *s ? json_string(s) : json_null(); }

static void print_json(const bench_run *run)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < run->n; i++) {
        const bench_row *r = &run->rows[i];
        json_array_append_new(rows, json_pack("{s:s, s:f, s:f, s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "name", r->name, "value",
            r->value, "spread", r->spread, "unit", r->unit, "isa", r->isa, "precision", word_or_null(r->precision), "threads",
            (int)r->threads, "peer", word_or_null(r->peer), "peer_version", word_or_null(r->peer_version), "ratio",
            number_or_null(r->ratio), "peak_fraction", number_or_null(r->peak_fraction), "bandwidth_fraction",
            number_or_null(r->bandwidth_fraction)));
    }
    json_t *all = json_pack("{s:i, s:b, s:s, s:s, s:s, s:o}", "schema_version", 1, "research_use_only", 1, "version", SHINDEN_VERSION,
                            "compute", shn_compute_version(), "host_isa", shn_isa_name(shn_isa_host()), "rows", rows);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static void print_fraction(double v)
{
    if (isfinite(v)) printf(" %6.0f %%", 100 * v);
    else printf("        -");
}

static void print_table(const bench_run *run)
{
    printf("%s, host %s\n%-38s %10s %-10s %7s %-7s %-5s %3s %8s %8s %6s\n", shn_compute_version(), shn_isa_name(shn_isa_host()), "row",
           "value", "unit", "spread", "isa", "type", "thr", "of peak", "of mem", "ratio");
    for (size_t i = 0; i < run->n; i++) {
        const bench_row *r = &run->rows[i];
        printf("%-38s %10.1f %-10s %5.0f %% %-7s %-5s %3u", r->name, r->value, r->unit, 100 * r->spread, r->isa,
               *r->precision ? r->precision : "-", r->threads);
        print_fraction(r->peak_fraction);
        print_fraction(r->bandwidth_fraction);
        if (isfinite(r->ratio)) printf(" %6.2f to %s %s\n", r->ratio, r->peer, r->peer_version);
        else printf("      -\n");
    }
    if (!run->peer) puts("no peer was run (--peer), so there are no ratios");
    if (*run->no_gpu) printf("no rows of a GPU: %s\n", run->no_gpu);
    if (shn_isa_host() != SHN_ISA_AMX) puts("this CPU has no AMX: bars that are set for AMX stay open");
}

static int parse(int argc, char **argv, bench_run *run, int *json, int *explain)
{
    uint64_t threads = shn_cores(), winograd = 6;
    int      threads_given = 0;
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(flag, "--json") == 0) *json = 1;
        else if (strcmp(flag, "--quick") == 0) run->quick = 1;
        else if (strcmp(flag, "--explain") == 0) *explain = 1;
        else if (!value) return cli_usage("bench", "unknown flag, or no value after it: %s", flag);
        else {
            i++;
            if (strcmp(flag, "--only") == 0) run->only = value;
            else if (strcmp(flag, "--peer") == 0) run->peer = value;
            else if (strcmp(flag, "--isa") == 0) run->isa = value;
            else if (strcmp(flag, "--winograd") == 0) {
                if (!cli_count("bench", flag, value, 0, 6, &winograd)) return CLI_USAGE;
            } else if (strcmp(flag, "--threads") != 0) return cli_usage("bench", "unknown flag %s", flag);
            else if (threads_given = 1, !cli_count("bench", flag, value, 1, SHN_THREADS_MAX, &threads)) return CLI_USAGE;
        }
    }
    if (*explain && (run->quick || run->only || run->peer || threads_given)) return cli_usage("bench", "--explain times nothing: no --quick, --only, --threads or --peer");
    run->threads_all = (unsigned)threads;
    run->winograd = (unsigned)winograd;
    return CLI_DONE;
}

cli_verb verb_bench;

int verb_bench(int argc, char **argv)
{
    bench_run run = { .watcher = cli_watcher() };
    shn_error err = { 0 };
    int       json = 0, explain = 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return CLI_DONE;
    }
    if (parse(argc, argv, &run, &json, &explain) != CLI_DONE) return CLI_USAGE;
    if (explain) return bench_explain(&run, json, &err) == SHN_OK ? CLI_DONE : cli_fail("bench", &err);
    shn_status st = SHN_OK;
#define X(name, text)                                                                                                   \
    if (st == SHN_OK) st = bench_##name(&run, &err);
    BENCH_GROUPS(X)
#undef X
    cli_progress_end();
    if (run.n > 0 && json) print_json(&run);
    else if (run.n > 0) print_table(&run);
    free(run.rows);
    return st == SHN_OK ? CLI_DONE : cli_fail("bench", &err);
}
