/** shinden eval: a model on a cohort's split. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "shinden/embed.h"
#include "shinden/eval.h"
#include "shinden/phrase.h"
#include "shinden/report.h"

enum { BATCH = 64 };

typedef struct arguments {
    const char      *model, *cohort, *home, *csv, *subgroups_csv, *html;
    const char      *text, *truth;              /* a phrase instead of the model's findings */
    shn_phrase_source source;
    shn_eval_options eval;
    int              json;
    const char      *engine;
} arguments;

static void help(void)
{
    puts("usage: shinden eval MODEL COHORT.h5 --split NAME|all [--readout NAME] [--json] [--csv FILE] [--html FILE]\n"
         "                    [--findings LIST] [--subgroups] [--subgroups-csv FILE] [--supersets] [--home COHORT] [--bootstrap N] [--seed N] [--threads N]\n"
         "                    [--no-controls] [--engine NAME]\n"
         "       shinden eval MODEL COHORT.h5 --split NAME|all --text PHRASE --vectors CACHE|--text-model FILE|DIR [--truth FINDING] [--json]\n\n"
         "  All metrics of docs/metrics.md with 95 % intervals by patient bootstrap, and the controls beside them. What was fitted on the\n"
         "  same records (read-out, thresholds, calibration) is cross-fitted, and the output says so.\n\n"
         "  --split NAME     a split of the cohort; all: every record\n"
         "  --readout NAME   class, class-prior, marginal, sentences, joint (logit for bce); without it the one that was best on validation data\n"
         "  --home COHORT    the cohort the model was trained on: COHORT.h5 is another institution's. Labels of both are closed upward and compared at\n"
         "                   the lowest shared finding or parent; thresholds come from the home cohort's val\n"
         "  --findings LIST  ask about these only, the others are no candidates: ids, @rhythm (PTB-XL's 12 rhythm statements), @mitdb, @ and a coding (@code15)\n"
         "  --subgroups      every metric by age band, sex and source, with intervals;  --subgroups-csv FILE  one line per group and metric\n"
         "  --supersets      supersets of the findings by their own text and by the best finding below them;  --vectors FILE  where\n"
         "                   the model was trained with text vectors of a file\n"
         "  --json           the whole result (docs/json.md) instead of the table\n"
         "  --csv FILE       one line per finding;  --html FILE  a page\n"
         "  --bootstrap N    resamples, 1000; 0: no intervals\n"
         "  --engine NAME    cpu (default), ref, cuda or cuda-fast\n"
         "  --no-controls    without label frequency, the random encoder's probe and the simple features' probe\n"
         "  --permute-labels SEED   a control: the split's labels shuffled between patients; every AUROC must be chance\n\n"
         "  --text PHRASE    scores any phrase, in or out of the model's findings: by its own place in the space (class), by the report sentences like it\n"
         "                   (sentences: models of train --sentences), and by the nearest finding that was trained (nearest)\n"
         "  --vectors CACHE  where its vector is: a file of shinden text encode, or e5-small;  --text-model: the language model that made the model's\n"
         "                   texts, which is asked now. Another language model than the texts' is refused\n"
         "  --truth FINDING  finding of the cohort that the phrase should find: gives AUROC and average precision\n\n"
         "example: shinden eval run/model.safetensors cohort.h5 --split val\n"
         "         shinden eval run/model.safetensors cohort.h5 --split val --text 'old inferior infarction' --text-model multilingual-e5-small/");
}

/** 0: go on; else 1 + the exit code. */
static int parse(int argc, char **argv, arguments *a)
{
    static const struct option longs[] = {
        { "split", required_argument, NULL, 's' },     { "readout", required_argument, NULL, 'r' }, { "json", no_argument, NULL, 'j' },
        { "csv", required_argument, NULL, 'c' },       { "html", required_argument, NULL, 'p' },    { "bootstrap", required_argument, NULL, 'b' },
        { "seed", required_argument, NULL, 'e' },      { "threads", required_argument, NULL, 't' }, { "engine", required_argument, NULL, 'E' }, { "no-controls", no_argument, NULL, 'n' },
        { "permute-labels", required_argument, NULL, 'P' }, { "home", required_argument, NULL, 'H' },
        { "findings", required_argument, NULL, 'f' },  { "subgroups", no_argument, NULL, 'g' },     { "subgroups-csv", required_argument, NULL, 'G' },
        { "supersets", no_argument, NULL, 'u' },
        { "text", required_argument, NULL, 'T' },      { "truth", required_argument, NULL, 'U' },   { "vectors", required_argument, NULL, 'V' },
        { "text-model", required_argument, NULL, 'M' },
        { "help", no_argument, NULL, 'h' },            { NULL, 0, NULL, 0 },
    };
    uint64_t v;
    a->eval.split = NULL;
    opterr = 0;         /* one line, ours */
    for (int o; (o = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (o) {
        case 's': a->eval.split = optarg; break;
        case 'r':
            a->eval.readout = shn_readout_from_name(optarg);
            if (a->eval.readout == SHN_READOUT_COUNT) return 1 + cli_usage("eval", "--readout %s: class, class-prior, marginal, sentences, joint or logit", optarg);
            break;
        case 'j': a->json = 1; break;
        case 'c': a->csv = optarg; break;
        case 'p': a->html = optarg; break;
        case 'b':
            if (!cli_count("eval", "--bootstrap", optarg, 0, 100000, &v)) return 1 + CLI_USAGE;
            a->eval.n_bootstrap = (uint32_t)v;
            break;
        case 'e':
            if (!cli_count("eval", "--seed", optarg, 0, UINT64_MAX / 4, &a->eval.seed)) return 1 + CLI_USAGE;
            break;
        case 't':
            if (!cli_count("eval", "--threads", optarg, 1, 256, &v)) return 1 + CLI_USAGE;
            a->eval.n_threads = (unsigned)v;
            break;
        case 'E': a->engine = optarg; break;
        case 'T': a->text = optarg; break;
        case 'U': a->truth = optarg; break;
        case 'V': a->source.vectors = a->eval.vectors = optarg; break;
        case 'M': a->source.text_model = optarg; break;
        case 'H': a->home = optarg; break;
        case 'f': a->eval.findings = optarg; break;
        case 'G': a->subgroups_csv = optarg; a->eval.subgroups = 1; break;
        case 'g': a->eval.subgroups = 1; break;
        case 'u': a->eval.supersets = 1; break;
        case 'n': a->eval.controls = 0; break;
        case 'P':
            if (!cli_count("eval", "--permute-labels", optarg, 1, UINT64_MAX / 4, &a->eval.permute_labels)) return 1 + CLI_USAGE;
            break;
        case 'h': help(); return 1 + CLI_DONE;
        default: return 1 + cli_usage("eval", "%s: unknown flag, or its value is missing", argv[optind - 1]);
        }
    }
    if (argc - optind != 2) return 1 + cli_usage("eval", "needs a model and a cohort");
    if (!a->eval.split) return 1 + cli_usage("eval", "needs --split NAME or --split all");
    if (!a->text && (a->truth || a->source.text_model)) return 1 + cli_usage("eval", "--truth and --text-model go with --text");
    if (!a->text && !a->eval.supersets && a->source.vectors) return 1 + cli_usage("eval", "--vectors goes with --text or --supersets");
    if (a->text && (a->home || a->csv || a->html || a->eval.permute_labels || a->eval.findings || a->eval.subgroups || a->eval.supersets))
        return 1 + cli_usage("eval", "--text stands alone: no --home, --csv, --html, --permute-labels, --findings, --subgroups or --supersets");
    a->source.n_threads = a->eval.n_threads;
    a->model = argv[optind];
    a->cohort = argv[optind + 1];
    return 0;
}

/** What the document itself says, so that the page cannot forget it. */
static int is_simulated(const char *json)
{
    json_t   *doc = json_loads(json, 0, NULL);
    const int yes = json_is_true(json_object_get(doc, "simulated"));
    json_decref(doc);
    return yes;
}

static shn_status write_files(const arguments *a, const char *json, shn_error *err)
{
    char      *text = NULL;
    shn_status st = SHN_OK;
    if (a->csv) {
        st = shn_eval_csv(json, &text, err);
        if (st == SHN_OK) st = shn_file_write(a->csv, text, strlen(text), err);
        free(text);
        text = NULL;
    }
    if (st == SHN_OK && a->subgroups_csv) {
        st = shn_eval_subgroups_csv(json, &text, err);
        if (st == SHN_OK) st = shn_file_write(a->subgroups_csv, text, strlen(text), err);
        free(text);
        text = NULL;
    }
    if (st == SHN_OK && a->html) {
        const shn_report_result result = { a->model, json };
        const shn_report_input  page = { .title = "Shinden: evaluation", .data = a->cohort, .simulated = is_simulated(json), .results = &result, .n_results = 1 };
        st = shn_report_html(&page, &text, err);
        if (st == SHN_OK) st = shn_file_write(a->html, text, strlen(text), err);
        free(text);
    }
    return st;
}

/** The phrase's document instead of the model's. */
static shn_status eval_phrase(const arguments *a, const shn_model *m, shn_engine *eng, const shn_cohort *c, char **json, shn_error *err)
{
    shn_phrase *phrase = NULL;
    shn_status  st = shn_phrase_open(m, &a->source, a->text, &phrase, err);
    if (st == SHN_OK) st = shn_phrase_eval(m, eng, c, phrase, a->truth, &a->eval, json, err);
    shn_phrase_free(phrase);
    return st;
}

cli_verb verb_eval;

int verb_eval(int argc, char **argv)
{
    arguments a = { 0 };
    shn_error err = { 0 };
    shn_eval_defaults(&a.eval);
    const int stop = parse(argc, argv, &a);
    if (stop) return stop - 1;
    a.eval.watcher = cli_watcher();

    shn_engine_options options;
    shn_model  *m = NULL;
    shn_engine *eng = NULL;
    shn_cohort *c = NULL, *home = NULL;
    char       *json = NULL, *text = NULL;
    shn_engine_defaults(&options);
    options.n_threads = a.eval.n_threads;
    if (a.engine) options.name = a.engine;
    shn_status st = shn_model_read(a.model, &m, &err);
    if (st == SHN_OK) st = shn_cohort_open(a.cohort, &c, &err);
    if (st == SHN_OK && a.home) st = shn_cohort_open(a.home, &home, &err);
    a.eval.home = home;
    if (st == SHN_OK) st = shn_model_engine(m, BATCH, &options, &eng, &err);
    if (st == SHN_OK) st = a.text ? eval_phrase(&a, m, eng, c, &json, &err) : shn_eval(m, eng, c, &a.eval, &json, &err);
    cli_progress_end();
    if (st == SHN_OK) st = write_files(&a, json, &err);
    if (st == SHN_OK && !a.json) st = (a.text ? shn_phrase_text : shn_eval_text)(json, &text, &err);
    if (st == SHN_OK && (puts(a.json ? json : text) < 0 || fflush(stdout) != 0))
        st = shn_fail(&err, SHN_IO, SHN_REASON_DISK_FULL, "eval", "standard output cannot be written; the disk may be full");
    free(text);
    free(json);
    shn_engine_free(eng);
    shn_cohort_close(c);
    shn_cohort_close(home);
    shn_model_free(m);
    return st == SHN_OK ? CLI_DONE : cli_fail("eval", &err);
}
