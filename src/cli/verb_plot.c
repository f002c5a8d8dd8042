/** shinden plot: one ECG file on paper. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/record_flags.h"
#include "shinden/plot.h"
#include "shinden/signal.h"

static void help(void)
{
    puts("usage: shinden plot FILE -o OUT.png|OUT.svg|OUT.pdf [options]\n\n"
         "  Draws a 12-lead ECG on millimetre paper, 25 mm/s and 10 mm/mV. Millimetres are true in SVG and PDF, and in PNG at its dpi.\n"
         "  Patient names and ids are never drawn, unless --title says them.\n\n"
         "  -o OUT                   the picture; its ending names the format\n"
         "  --layout NAME            3x4 (default, with a rhythm strip of II), 6x2, 12x1\n"
         "  --highpass HZ            zero-phase Butterworth of order 2, forwards and backwards\n"
         "  --lowpass HZ             likewise\n"
         "  --remove-baseline        takes out baseline wander by two running medians (200 and 600 ms)\n"
         "  --start S, --seconds S   what part of the record (0, 10)\n"
         "  --speed MM, --gain MM    paper: mm/s (25) and mm/mV (10)\n"
         "  --dpi N                  of a PNG (203.2: 8 pixels per mm)\n"
         "  --title TEXT             a line above\n"
         "  --simulated              says in red that this is no recording\n" RECORD_HELP "\n"
         "example: shinden plot records/00001_hr -o ecg.pdf --layout 6x2 --highpass 0.5");
}

typedef struct arguments {
    const char        *file, *out;
    shn_plot_options   plot;
    shn_signal_options signal;
    record_flags       record;
} arguments;

/** Says beside the scale what was done to the signal. */
static const char *filter_text(const shn_signal_options *s, char *text, size_t size)
{
    int n = 0;
    if (s->highpass_hz > 0 && s->lowpass_hz > 0) n = snprintf(text, size, "%g–%g Hz", s->highpass_hz, s->lowpass_hz);
    else if (s->highpass_hz > 0) n = snprintf(text, size, "> %g Hz", s->highpass_hz);
    else if (s->lowpass_hz > 0) n = snprintf(text, size, "< %g Hz", s->lowpass_hz);
    if (s->remove_baseline) snprintf(text + n, size - (size_t)n, "%sbaseline removed", n ? ", " : "");
    return n || s->remove_baseline ? text : NULL;
}

/** Of a long recording only what is drawn, with margins for the filters; a->plot.start_s then counts from there. */
static shn_status read_drawn(arguments *a, shn_record **rec, shn_error *err)
{
    shn_format_options o = a->record.format;
    o.max_samples = SHN_RECORD_WHOLE_MAX;
    shn_status st = shn_record_read(a->file, &o, rec, err);
    if (st != SHN_OK || shn_record_meta_of(*rec)->total_samples <= SHN_RECORD_WHOLE_MAX) return st;
    const double fs = shn_record_fs_hz(*rec), first_s = fmax(0, a->plot.start_s - SHN_MARGIN_SECONDS);
    o.first_sample = (size_t)llround(first_s * fs);
    o.max_samples = (size_t)ceil((a->plot.start_s - first_s + a->plot.seconds + SHN_MARGIN_SECONDS) * fs);
    a->plot.start_s -= (double)o.first_sample / fs;
    shn_record_free(*rec);
    return shn_record_read(a->file, &o, rec, err);
}

static shn_status plot(arguments *a, shn_error *err)
{
    shn_record *rec = NULL, *canonical = NULL;
    char        filter[96];
    a->signal.allow_missing_leads = 1;          /* a missing lead is drawn as missing */
    a->signal.min_seconds = 0;
    a->signal.assume_mv_per_unit = a->record.assume_mv_per_unit;
    a->plot.filter = filter_text(&a->signal, filter, sizeof filter);
    shn_status st = read_drawn(a, &rec, err);
    if (st == SHN_OK) st = shn_record_canonical(rec, &a->signal, &canonical, err);
    if (st == SHN_OK) st = shn_plot(canonical, &a->plot, a->out, err);
    shn_record_free(canonical);
    shn_record_free(rec);
    return st;
}

/** 1 go on, 0 a value was bad (already said), -1 help was shown. */
static int take(arguments *a, int option, const char *value)
{
    switch (option) {
    case 'o': a->out = value; return 1;
    case 'l':
        a->plot.layout = shn_layout_from_name(value);
        if (a->plot.layout != SHN_LAYOUT_COUNT) return 1;
        cli_usage("plot", "--layout %s: there are 3x4, 6x2, 12x1", value);
        return 0;
    case 'H': return cli_number("plot", "--highpass", value, 1e-3, 1e4, &a->signal.highpass_hz);
    case 'L': return cli_number("plot", "--lowpass", value, 1e-3, 1e5, &a->signal.lowpass_hz);
    case 'b': a->signal.remove_baseline = 1; return 1;
    case 's': return cli_number("plot", "--start", value, 0, 1e7, &a->plot.start_s);
    case 'S': return cli_number("plot", "--seconds", value, 1, 120, &a->plot.seconds);
    case 'v': return cli_number("plot", "--speed", value, 5, 200, &a->plot.mm_per_s);
    case 'g': return cli_number("plot", "--gain", value, 1, 100, &a->plot.mm_per_mv);
    case 'd': return cli_number("plot", "--dpi", value, 36, 1200, &a->plot.dpi);
    case 't': a->plot.title = value; return 1;
    case 'm': a->plot.simulated = 1; return 1;
    case 'h': help(); return -1;
    default: break;
    }
    const int taken = record_flags_take(&a->record, "plot", option, value);
    if (taken == 0) cli_usage("plot", "unknown or incomplete option");
    return taken == 1;
}

cli_verb verb_plot;
int verb_plot(int argc, char **argv)
{
    static const struct option longs[] = {
        { "out", required_argument, NULL, 'o' },      { "layout", required_argument, NULL, 'l' },  { "highpass", required_argument, NULL, 'H' },
        { "lowpass", required_argument, NULL, 'L' },  { "remove-baseline", no_argument, NULL, 'b' }, { "start", required_argument, NULL, 's' },
        { "seconds", required_argument, NULL, 'S' },  { "speed", required_argument, NULL, 'v' },   { "gain", required_argument, NULL, 'g' },
        { "dpi", required_argument, NULL, 'd' },      { "title", required_argument, NULL, 't' },   { "simulated", no_argument, NULL, 'm' },
        { "help", no_argument, NULL, 'h' },           RECORD_LONG_OPTIONS,                         { NULL, 0, NULL, 0 },
    };
    arguments a = { .out = NULL };
    shn_error err = { .status = SHN_OK };
    shn_plot_defaults(&a.plot);
    shn_signal_defaults(&a.signal);
    record_flags_defaults(&a.record);
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        const int go_on = take(&a, o, optarg);
        if (go_on != 1) return go_on < 0 ? CLI_DONE : CLI_USAGE;
    }
    if (optind != argc - 1) return cli_usage("plot", "needs one FILE");
    if (!a.out) return cli_usage("plot", "needs -o OUT.png, OUT.svg or OUT.pdf");
    a.file = argv[optind];
    return plot(&a, &err) == SHN_OK ? CLI_DONE : cli_fail("plot", &err);
}
