/** Errors and progress as the user sees them. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

int cli_fail(const char *verb, const shn_error *err)
{
    cli_progress_end();
    fprintf(stderr, "shinden %s: %s [%s] (%s)\n", verb, err->text, shn_reason_name(err->reason), err->where);
    return CLI_FAILED;
}

int cli_usage(const char *verb, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "shinden %s: ", verb);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "; see 'shinden %s --help'\n", verb);
    return CLI_USAGE;
}

int cli_number(const char *verb, const char *flag, const char *word, double low, double high, double *out)
{
    char *end;
    errno = 0;
    const double x = strtod(word, &end);
    if (*word && *end == '\0' && errno == 0 && isfinite(x) && x >= low && x <= high) {
        *out = x;
        return 1;
    }
    cli_usage(verb, "%s %s: needs a number from %g to %g", flag, word, low, high);
    return 0;
}

int cli_count(const char *verb, const char *flag, const char *word, uint64_t low, uint64_t high, uint64_t *out)
{
    char *end;
    errno = 0;
    const uint64_t x = strtoull(word, &end, 10);
    if (*word >= '0' && *word <= '9' && *end == '\0' && errno == 0 && x >= low && x <= high) {
        *out = x;
        return 1;
    }
    cli_usage(verb, "%s %s: needs a whole number from %" PRIu64 " to %" PRIu64, flag, word, low, high);
    return 0;
}

static volatile sig_atomic_t interrupted;
static int line_open;

static void on_interrupt(int sig)
{
    interrupted = 1;
    signal(sig, SIG_DFL);               /* a second Ctrl-C ends the program at once */
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int quiet, ranks;

void cli_progress_of_rank(int rank, unsigned n)
{
    quiet = rank != 0;
    ranks = n > 1;
}

/** mpirun and Slurm tell a rank so when another one is lost or the job is to end; after that they wait a moment and kill. */
static void on_terminate(int sig)
{
    static const char words[] = "shinden: told to end: another rank is lost, or the job was stopped; --resume goes on from the last checkpoint\n";
    const ssize_t written = quiet || !ranks ? 0 : write(STDERR_FILENO, words, sizeof words - 1);
    (void)written;
    on_interrupt(sig);
}

static int show(void *context, const shn_progress *p)
{
    static double started, shown;
    static char   what[64];
    (void)context;
    if (quiet || !isatty(STDERR_FILENO)) return interrupted;
    const double now = now_seconds();
    if (strncmp(what, p->what, sizeof what - 1) != 0) {
        cli_progress_end();
        snprintf(what, sizeof what, "%s", p->what);
        started = now;
        shown = 0;
    }
    if (now - shown < 0.2 && p->done != p->total) return interrupted;
    shown = now;
    const double rate = now > started ? (double)p->done / (now - started) : 0;
    fprintf(stderr, "\r\033[K%s  %" PRIu64, what, p->done);
    if (p->total) fprintf(stderr, "/%" PRIu64, p->total);
    fprintf(stderr, " %s  %.0f/s", p->unit, rate);
    if (p->total > p->done && rate > 0) {
        const double left = (double)(p->total - p->done) / rate;
        fprintf(stderr, "  ETA %d:%02d", (int)(left / 60), (int)fmod(left, 60));
    }
    if (p->detail) fprintf(stderr, "  %s", p->detail);
    fflush(stderr);
    line_open = 1;
    return interrupted;
}

shn_watcher cli_watcher(void)
{
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_terminate);
    return (shn_watcher){ .fn = show };
}

void cli_progress_end(void)
{
    if (line_open) fputc('\n', stderr);
    line_open = 0;
}
