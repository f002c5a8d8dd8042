/** shinden predict: findings of ECG files. One bad file is reported in its place and the rest go on. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/predict_output.h"
#include "cli/record_flags.h"
#include "shinden/plot.h"
#include "shinden/signal.h"

#define TOP_TEXT  5             /* findings shown to people; JSON and CSV give all */
#define PLOT_MOST 10            /* findings beside a picture */

static void help(void)
{
    puts("usage: shinden predict MODEL FILE|DIR... [options]\n\n"
         "  Names the findings of each ECG in Japanese and English, with probability, threshold and decision, and warns about the\n"
         "  signal. A file that cannot be read is reported and the others go on; the exit code is then 1.\n\n"
         "  --json                   an array with an object per record: all findings, or the first K with --top\n"
         "  --csv                    a row per record and finding\n"
         "  --top K                  the K likeliest findings (text: 5)\n"
         "  --lang ja|en|both        names in the text output (both)\n"
         "  --plot OUT               draws each ECG with its findings: .png, .svg or .pdf; several records: OUT-1, OUT-2, ...\n"
         "  --layout NAME            of the picture: 3x4, 6x2, 12x1\n"
         "  --simulated              the picture says that the ECG is simulated\n"
         "  --readout NAME           class, class-prior, marginal, sentences, joint, logit: instead of the model's own choice\n"
         "  --text PHRASE            also the scores of any phrase (text and JSON), by class, sentences and the nearest finding; its vector from\n"
         "  --vectors CACHE          a file of shinden text encode, or e5-small;  --text-model FILE|DIR: the language model of the model's texts\n"
         "  --engine NAME            cpu (default), ref, cuda or cuda-fast\n"
         "  --threads N              (1; one record keeps one thread busy per test window)\n" RECORD_HELP "\n"
         "example: shinden predict run/model.safetensors records/00001_hr --plot ecg.png");
}

typedef struct arguments {
    predict_output      output;
    size_t              top;            /**< 0: not given */
    const char         *plot;
    shn_plot_options    picture;
    shn_predict_options predict;
    shn_engine_options  engine;
    record_flags        record;
    const char         *text;
    shn_phrase_source   source;
} arguments;

typedef struct session {
    arguments      *a;
    shn_model      *model;
    shn_predictor  *predictor;
    shn_prediction *findings;           /**< [K] */
    shn_phrase     *phrase;             /**< NULL without --text */
    shn_phrase_scorer *scorer[SHN_PHRASE_READOUTS];             /**< of the phrase; NULL: does not apply to the model */
    float          *z, phrase_score[SHN_PHRASE_READOUTS];       /**< [n_windows][E] of the record at hand */
} session;

/** "ecg.png" for the only record; "ecg-3.png" for the third of several. */
static shn_status plot_path(const char *out, size_t number, size_t n, char path[SHN_PATH_MAX], shn_error *err)
{
    const char *dot = strrchr(out, '.');
    const int stem = (int)(dot ? dot - out : (long)strlen(out));
    const int used = n == 1 ? snprintf(path, SHN_PATH_MAX, "%s", out)
                            : snprintf(path, SHN_PATH_MAX, "%.*s-%zu%s", stem, out, number + 1, dot ? dot : "");
    if (used < 0 || used >= SHN_PATH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "predict.plot", "--plot: path of %d bytes", used);
    return SHN_OK;
}

/** Draws the record at its own rate: the model's may be too coarse for the eye. */
static shn_status draw(session *s, const shn_record *rec, const char *path, shn_error *err)
{
    shn_plot_finding   shown[PLOT_MOST];
    shn_signal_options signal;
    shn_record        *canonical = NULL;
    shn_plot_options   picture = s->a->picture;

    shn_signal_defaults(&signal);
    signal.allow_missing_leads = 1;
    signal.assume_mv_per_unit = s->a->record.assume_mv_per_unit;
    picture.n_findings = s->model->K < PLOT_MOST ? s->model->K : PLOT_MOST;
    for (size_t i = 0; i < picture.n_findings; i++) {
        const shn_prediction *p = &s->findings[i];
        shown[i] = (shn_plot_finding){ s->model->name_en[p->finding], s->model->name_ja[p->finding], p->probability, p->threshold, p->positive };
    }
    picture.findings = shown;
    shn_status st = shn_record_canonical(rec, &signal, &canonical, err);
    if (st == SHN_OK) st = shn_plot(canonical, &picture, path, err);
    shn_record_free(canonical);
    return st;
}

static shn_status score_phrase(session *s, shn_error *err)
{
    shn_status st = SHN_OK;
    for (int r = 0; r < SHN_PHRASE_READOUTS && st == SHN_OK; r++)
        if (s->scorer[r]) st = shn_phrase_scorer_scores(s->scorer[r], s->z, 1, &s->phrase_score[r], err);
    return st;
}

/** Reads, predicts, draws and tells one record. Returns 1 if it failed, 0 if not, -1 if nothing can be told any more. */
static int do_record(session *s, const cli_input *input, size_t number, size_t n)
{
    shn_record *rec = NULL, *canonical = NULL;
    shn_error   err = input->error;
    char        picture[SHN_PATH_MAX];
    shn_status  st = input->failed ? err.status : shn_record_read_middle(input->path, &s->a->record.format, shn_predict_seconds(s->model), &rec, &err);
    if (st == SHN_OK) st = shn_predict(s->predictor, rec, s->findings, &canonical, s->z, &err);
    if (st == SHN_OK) st = score_phrase(s, &err);
    if (st == SHN_OK && s->a->plot) {
        st = plot_path(s->a->plot, number, n, picture, &err);
        if (st == SHN_OK) st = draw(s, rec, picture, &err);
    }
    const predict_outcome outcome = { .path = input->path, .findings = st == SHN_OK ? s->findings : NULL, .canonical = canonical,
                                      .phrase = s->phrase, .phrase_score = s->phrase_score, .plot = s->a->plot ? picture : NULL, .error = &err };
    const int told = predict_output_record(&s->a->output, &outcome);
    shn_record_free(canonical);
    shn_record_free(rec);
    return told != 0 ? -1 : st != SHN_OK;
}

static shn_status open_phrase(session *s, shn_error *err)
{
    shn_status st = shn_phrase_open(s->model, &s->a->source, s->a->text, &s->phrase, err);
    for (int r = 0; r < SHN_PHRASE_READOUTS && st == SHN_OK; r++)
        if (shn_phrase_applies(s->model, (shn_phrase_readout)r))
            st = shn_phrase_scorer_new(s->model, s->phrase, (shn_phrase_readout)r, &s->scorer[r], err);
    return st;
}

static shn_status open_session(session *s, arguments *a, const char *model_path, shn_error *err)
{
    s->a = a;
    a->predict.allow_missing_leads = a->record.allow_missing_leads;
    a->predict.assume_mv_per_unit = a->record.assume_mv_per_unit;
    shn_status st = shn_model_read(model_path, &s->model, err);
    if (st == SHN_OK) st = shn_predictor_new(s->model, &a->predict, &a->engine, &s->predictor, err);
    if (st == SHN_OK && !(s->findings = shn_alloc(s->model->K, sizeof *s->findings))) st = shn_fail_nomem(err, "predict");
    if (st == SHN_OK && a->text) st = open_phrase(s, err);
    if (st == SHN_OK && !(s->z = shn_alloc(s->model->input.n_windows * s->model->E, sizeof *s->z))) st = shn_fail_nomem(err, "predict");
    if (st != SHN_OK) return st;
    const size_t K = s->model->K, wanted = a->top ? a->top : a->output.form == PREDICT_TEXT ? TOP_TEXT : K;
    a->output.model = s->model;
    a->output.model_path = model_path;
    a->output.readout = a->predict.readout == SHN_READOUT_COUNT ? s->model->readout_default : a->predict.readout;
    a->output.top = wanted < K ? wanted : K;
    return SHN_OK;
}

static void close_session(session *s)
{
    shn_predictor_free(s->predictor);
    free(s->findings);
    free(s->z);
    for (int r = 0; r < SHN_PHRASE_READOUTS; r++) shn_phrase_scorer_free(s->scorer[r]);
    shn_phrase_free(s->phrase);
    shn_model_free(s->model);
}

/** All records; progress is shown only where the answers do not run through the same terminal. */
static int run(session *s, const cli_input *inputs, size_t n, shn_error *err)
{
    const shn_watcher watcher = cli_watcher();
    const int quiet = n < 2 || isatty(STDOUT_FILENO);
    int failed = predict_output_begin(&s->a->output) == 0 ? 0 : -1;
    for (size_t i = 0; i < n && failed >= 0; i++) {
        const int one = do_record(s, &inputs[i], i, n);
        failed = one < 0 ? -1 : failed | one;
        const shn_progress p = { .what = "predict", .done = i + 1, .total = n, .unit = "records" };
        if (failed >= 0 && !quiet && watcher.fn(watcher.context, &p) != 0) {
            failed = 1;
            shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "predict", "stopped after %zu of %zu records", i + 1, n);
            break;
        }
    }
    if (failed >= 0 && predict_output_end(&s->a->output) != 0) failed = -1;
    cli_progress_end();
    if (failed < 0) shn_fail(err, SHN_IO, SHN_REASON_DISK_FULL, "predict", "standard output cannot be written; the disk may be full");
    return err->status != SHN_OK ? cli_fail("predict", err) : failed ? CLI_FAILED : CLI_DONE;
}

/** 1 go on, 0 a value was bad (already said), -1 help was shown. */
static int take(arguments *a, int option, const char *value)
{
    uint64_t count;
    switch (option) {
    case 'j': a->output.form = PREDICT_JSON; return 1;
    case 'c': a->output.form = PREDICT_CSV; return 1;
    case 't':
        if (!cli_count("predict", "--top", value, 1, SHN_FINDINGS_MAX, &count)) return 0;
        a->top = (size_t)count;
        return 1;
    case 'l':
        a->output.language = strcmp(value, "ja") == 0 ? PREDICT_JA : strcmp(value, "en") == 0 ? PREDICT_EN : PREDICT_BOTH;
        if (a->output.language != PREDICT_BOTH || strcmp(value, "both") == 0) return 1;
        cli_usage("predict", "--lang %s: there are ja, en, both", value);
        return 0;
    case 'p': a->plot = value; return 1;
    case 'L':
        a->picture.layout = shn_layout_from_name(value);
        if (a->picture.layout != SHN_LAYOUT_COUNT) return 1;
        cli_usage("predict", "--layout %s: there are 3x4, 6x2, 12x1", value);
        return 0;
    case 'S': a->picture.simulated = 1; return 1;
    case 'r':
        a->predict.readout = shn_readout_from_name(value);
        if (a->predict.readout != SHN_READOUT_COUNT) return 1;
        cli_usage("predict", "--readout %s: there are class, class-prior, marginal, sentences, joint, logit", value);
        return 0;
    case 'e': a->engine.name = value; return 1;
    case 'T':
        if (!cli_count("predict", "--threads", value, 1, 256, &count)) return 0;
        a->engine.n_threads = (unsigned)count;
        return 1;
    case 'x': a->text = value; return 1;
    case 'v': a->source.vectors = value; return 1;
    case 'm': a->source.text_model = value; return 1;
    case 'h': help(); return -1;
    default: break;
    }
    const int taken = record_flags_take(&a->record, "predict", option, value);
    if (taken == 0) cli_usage("predict", "unknown or incomplete option");
    return taken == 1;
}

static const char *ending(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot : "";
}

cli_verb verb_predict;
int verb_predict(int argc, char **argv)
{
    static const struct option longs[] = {
        { "json", no_argument, NULL, 'j' },         { "csv", no_argument, NULL, 'c' },         { "top", required_argument, NULL, 't' },
        { "lang", required_argument, NULL, 'l' },   { "plot", required_argument, NULL, 'p' },  { "layout", required_argument, NULL, 'L' },
        { "simulated", no_argument, NULL, 'S' },    { "readout", required_argument, NULL, 'r' }, { "engine", required_argument, NULL, 'e' },
        { "threads", required_argument, NULL, 'T' }, { "text", required_argument, NULL, 'x' }, { "vectors", required_argument, NULL, 'v' },
        { "text-model", required_argument, NULL, 'm' }, { "help", no_argument, NULL, 'h' },    RECORD_LONG_OPTIONS, { NULL, 0, NULL, 0 },
    };
    arguments  a = { .top = 0 };
    session    s = { .a = NULL };
    cli_input *inputs = NULL;
    size_t     n = 0;
    shn_error  err = { .status = SHN_OK };
    shn_predict_defaults(&a.predict);
    shn_engine_defaults(&a.engine);
    shn_plot_defaults(&a.picture);
    record_flags_defaults(&a.record);
    a.engine.n_threads = 1;
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        const int go_on = take(&a, o, optarg);
        if (go_on != 1) return go_on < 0 ? CLI_DONE : CLI_USAGE;
    }
    if (argc - optind < 2) return cli_usage("predict", "needs a MODEL and at least one FILE or DIR");
    if (a.plot && strcasecmp(ending(a.plot), ".png") != 0 && strcasecmp(ending(a.plot), ".svg") != 0 && strcasecmp(ending(a.plot), ".pdf") != 0)
        return cli_usage("predict", "--plot %s: a picture ends in .png, .svg or .pdf", a.plot);
    if (!a.text && (a.source.vectors || a.source.text_model)) return cli_usage("predict", "--vectors and --text-model go with --text");
    if (a.text && a.output.form == PREDICT_CSV) return cli_usage("predict", "--text goes with the text and the JSON output");
    int code;
    if (open_session(&s, &a, argv[optind], &err) != SHN_OK ||
        cli_inputs_list(argv + optind + 1, (size_t)(argc - optind - 1), &inputs, &n, NULL, &err) != SHN_OK)
        code = cli_fail("predict", &err);
    else
        code = run(&s, inputs, n, &err);
    cli_inputs_free(inputs, n);
    close_session(&s);
    return code;
}
