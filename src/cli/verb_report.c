/** shinden report: one HTML page from eval documents, and an example record with its prediction. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "shinden/cohort.h"
#include "shinden/findings.h"
#include "shinden/format.h"
#include "shinden/plot.h"
#include "shinden/predict.h"
#include "shinden/report.h"

enum { RESULTS_MAX = 32, EVAL_JSON_MAX = 256 << 20, SHOWN_FINDINGS = 8 };

typedef struct arguments {
    shn_report_result results[RESULTS_MAX];
    size_t            n_results;
    const char       *model, *cohort, *example, *example_record, *root, *split, *data, *title, *out;
    int               simulated;
} arguments;

static void help(void)
{
    puts("usage: shinden report --eval NAME=EVAL.json [--eval ...] [--model MODEL --example FILE [--cohort COHORT.h5]]\n"
         "                      [--data TEXT] [--title TEXT] [--simulated] -o REPORT.html\n"
         "       shinden report --example-record COHORT.h5 --split NAME --root FOLDER\n\n"
         "  Writes one self-contained page: results side by side with intervals and controls, per finding, and an example ECG with\n"
         "  the model's findings in Japanese and English (and the true ones, when --cohort holds the record).\n"
         "  The second form prints the path of an example, chosen by rule: the first record of the split that has a finding\n"
         "  other than the ubiquitous ones and whose file can be read.\n\n"
         "  --root FOLDER      the folder that was imported: paths in a cohort are relative to it\n"
         "  --eval NAME=FILE   a document of 'shinden eval --json', under the name that the page shows\n"
         "  --data TEXT        what the data is, where from, its licence\n"
         "  --simulated        the records are simulated: the page says so loudly\n\n"
         "example: shinden report --eval siglip=run/eval.json --data 'PTB-XL, validation' -o report.html");
}

static shn_status add_result(arguments *a, char *word, shn_error *err)
{
    uint8_t *bytes;
    size_t   n;
    char    *equals = strchr(word, '=');
    if (!equals || a->n_results == RESULTS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "report", "--eval %s: write NAME=FILE, at most %d of them", word, RESULTS_MAX);
    *equals = '\0';
    const shn_status st = shn_file_read(equals + 1, EVAL_JSON_MAX, &bytes, &n, err);
    if (st == SHN_OK) a->results[a->n_results++] = (shn_report_result){ word, (char *)bytes };
    return st;
}

/** Appends "English / 日本語" names of a cohort row's findings to text, separated by "; ". */
static void true_findings(const shn_cohort *c, size_t row, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t k = 0; k < shn_cohort_n_findings(c); k++) {
        if (!shn_cohort_labels(c, row)[k]) continue;
        const shn_finding *f = shn_cohort_finding(c, k);
        const int two = strcmp(f->name_en, f->name_ja) != 0;           /* an older cohort's finding that nobody here knows is called by its id */
        const int n = snprintf(text + used, size - used, "%s%s%s%s", used ? "; " : "", f->name_en, two ? " / " : "", two ? f->name_ja : "");
        if (n < 0 || (size_t)n >= size - used) return;      /* cut: a caption, not data */
        used += (size_t)n;
    }
}

static int has_specific_finding(const shn_cohort *c, size_t row)
{
    for (size_t k = 0; k < shn_cohort_n_findings(c); k++)
        if (shn_cohort_labels(c, row)[k] && !(shn_cohort_finding(c, k)->flags & SHN_FINDING_UBIQUITOUS)) return 1;
    return 0;
}

static shn_status print_example(const arguments *a, shn_error *err)
{
    shn_cohort *c;
    uint32_t   *rows = NULL;
    size_t      n;
    shn_status  st = shn_cohort_open(a->example_record, &c, err);
    if (st != SHN_OK) return st;
    st = shn_cohort_split_rows(c, a->split, &rows, &n, err);
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        char        path[SHN_PATH_MAX];
        shn_record *rec;
        if (!has_specific_finding(c, rows[i])) continue;
        st = shn_path_join(path, a->root, shn_cohort_record_path(c, rows[i]), err);
        if (st != SHN_OK || shn_record_read(path, NULL, &rec, err) != SHN_OK) continue;
        shn_record_free(rec);
        puts(path);
        goto cleanup;
    }
    if (st == SHN_OK)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_NOT_FOUND, "report", "%s: no record of split '%s' has a specific finding and a readable file",
                      a->example_record, a->split);
cleanup:
    free(rows);
    shn_cohort_close(c);
    return st;
}

/** Draws the example with the model's findings. *svg is owned by the caller. */
static shn_status draw_example(const arguments *a, const shn_model *m, char **svg, size_t *n_svg, shn_error *err)
{
    shn_record         *rec = NULL, *canonical = NULL;
    shn_predictor      *p = NULL;
    shn_prediction     *found = NULL;
    shn_predict_options options;
    shn_engine_options  engine;
    shn_plot_options    plot;
    shn_plot_finding    shown[SHOWN_FINDINGS];

    shn_predict_defaults(&options);
    shn_engine_defaults(&engine);
    shn_plot_defaults(&plot);
    shn_status st = shn_record_read(a->example, NULL, &rec, err);
    if (st == SHN_OK) st = shn_predictor_new(m, &options, &engine, &p, err);
    if (st == SHN_OK && !(found = shn_alloc(m->K, sizeof *found))) st = shn_fail_nomem(err, "report");
    if (st == SHN_OK) st = shn_predict(p, rec, found, &canonical, NULL, err);
    if (st != SHN_OK) goto cleanup;
    plot.n_findings = m->K < SHOWN_FINDINGS ? m->K : SHOWN_FINDINGS;
    for (size_t i = 0; i < plot.n_findings; i++) {
        const size_t k = found[i].finding;
        shown[i] = (shn_plot_finding){ m->name_en[k], m->name_ja[k], found[i].probability, found[i].threshold, found[i].positive };
    }
    plot.findings = shown;
    plot.simulated = a->simulated;
    st = shn_plot_svg(canonical, &plot, svg, n_svg, err);
cleanup:
    free(found);
    shn_predictor_free(p);
    shn_record_free(canonical);
    shn_record_free(rec);
    return st;
}

/** 1 if `path` is the file that the cohort calls `stored`, below some folder. */
static int ends_with(const char *path, const char *stored)
{
    const size_t n = strlen(path), m = strlen(stored);
    return n >= m && strcmp(path + n - m, stored) == 0 && (n == m || path[n - m - 1] == '/');
}

/** The example's row in the cohort by its path; the number of kept records when it is not there. */
static size_t find_row(const shn_cohort *c, const char *path)
{
    size_t row = 0;
    while (row < shn_cohort_size(c) && !ends_with(path, shn_cohort_record_path(c, row))) row++;
    return row;
}

/** The few numbers that a reader looks for first, side by side, for the terminal. */
static void print_summary(const arguments *a)
{
    static const char *const metrics[] = { "auroc_macro_10", "auroc_macro", "auprc_macro", "f1_micro_tuned", "jaccard_sample", "top1",
                                           "top1_specific", "ece" };
    if (a->n_results == 0) return;
    printf("%-16s", "metric");
    for (size_t r = 0; r < a->n_results; r++) printf("  %-24.24s", a->results[r].name);
    putchar('\n');
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        printf("%-16s", metrics[i]);
        for (size_t r = 0; r < a->n_results; r++) {
            json_t *doc = json_loads(a->results[r].eval_json, 0, NULL), *m = json_object_get(json_object_get(doc, "metrics"), metrics[i]);
            json_t *value = json_object_get(m, "value"), *low = json_object_get(m, "low"), *high = json_object_get(m, "high");
            if (json_is_number(low)) printf("  %.3f [%.3f, %.3f]    ", json_number_value(value), json_number_value(low), json_number_value(high));
            else if (json_is_number(value)) printf("  %-24.3f", json_number_value(value));
            else printf("  %-24s", "-");
            json_decref(doc);
        }
        putchar('\n');
    }
}

static shn_status write_page(const arguments *a, shn_error *err)
{
    shn_report_example example = { .caption = "Example: the first record of its split with a specific finding" };
    shn_report_input   page = { .title = a->title ? a->title : "Shinden: results", .data = a->data ? a->data : "not stated",
                                .simulated = a->simulated, .results = a->results, .n_results = a->n_results };
    char        truth[2048] = "";
    char       *svg = NULL, *html = NULL;
    shn_model  *m = NULL;
    shn_cohort *c = NULL;
    shn_status  st = SHN_OK;

    if (a->example) {
        st = shn_model_read(a->model, &m, err);
        if (st == SHN_OK) st = draw_example(a, m, &svg, &example.n_svg, err);
        if (st == SHN_OK && a->cohort) st = shn_cohort_open(a->cohort, &c, err);
        if (st != SHN_OK) goto cleanup;
        if (c && find_row(c, a->example) < shn_cohort_size(c)) true_findings(c, find_row(c, a->example), truth, sizeof truth);
        example.svg = svg;
        example.true_findings = *truth ? truth : NULL;
        page.examples = &example;
        page.n_examples = 1;
    }
    st = shn_report_html(&page, &html, err);
    if (st == SHN_OK) st = shn_file_write(a->out, html, strlen(html), err);
    if (st == SHN_OK) print_summary(a);
cleanup:
    free(html);
    free(svg);
    shn_cohort_close(c);
    shn_model_free(m);
    return st;
}

cli_verb verb_report;

int verb_report(int argc, char **argv)
{
    static const struct option longs[] = {
        { "eval", required_argument, NULL, 'e' },    { "model", required_argument, NULL, 'm' },   { "cohort", required_argument, NULL, 'c' },
        { "example", required_argument, NULL, 'x' }, { "example-record", required_argument, NULL, 'r' }, { "split", required_argument, NULL, 's' },
        { "root", required_argument, NULL, 'R' },
        { "data", required_argument, NULL, 'd' },    { "title", required_argument, NULL, 't' },   { "simulated", no_argument, NULL, 'S' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    arguments  a = { .split = "val", .root = "" };
    shn_error  err = { 0 };
    shn_status st = SHN_OK;
    for (int o; st == SHN_OK && (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        switch (o) {
        case 'e': st = add_result(&a, optarg, &err); break;
        case 'm': a.model = optarg; break;
        case 'c': a.cohort = optarg; break;
        case 'x': a.example = optarg; break;
        case 'r': a.example_record = optarg; break;
        case 's': a.split = optarg; break;
        case 'R': a.root = optarg; break;
        case 'd': a.data = optarg; break;
        case 't': a.title = optarg; break;
        case 'S': a.simulated = 1; break;
        case 'o': a.out = optarg; break;
        case 'h': help(); return CLI_DONE;
        default: return cli_usage("report", "unknown or incomplete option");
        }
    }
    int code = CLI_DONE;
    if (st == SHN_OK && a.example_record) st = print_example(&a, &err);
    else if (st == SHN_OK && (!a.out || (!a.n_results && !a.example))) code = cli_usage("report", "needs -o OUT.html and an --eval or --example");
    else if (st == SHN_OK && a.example && !a.model) code = cli_usage("report", "--example needs --model");
    else if (st == SHN_OK) st = write_page(&a, &err);
    for (size_t i = 0; i < a.n_results; i++) free((char *)(uintptr_t)a.results[i].eval_json);
    return st == SHN_OK ? code : cli_fail("report", &err);
}
